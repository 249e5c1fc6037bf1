import numpy as np
import pytest

from sk_hca.datasets import balanced_subset, imbalanced_subset

AGES = np.random.default_rng(0).permutation(np.repeat(np.arange(20.0, 50.0), 200))

DRAWS = pytest.mark.parametrize(
    "draw", [balanced_subset, imbalanced_subset], ids=["balanced", "imbalanced"]
)


def counts_of(y):
    values, counts = np.unique(y, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_balanced_subset_holds_equally_many_of_every_value():
    index = balanced_subset(AGES, 10, random_state=0)
    assert counts_of(AGES[index]) == dict.fromkeys(np.arange(20.0, 50.0), 10)


@pytest.mark.parametrize(("n_samples", "many", "few"), [(100, 190, 10), (10, 19, 1)])
def test_imbalanced_subset_has_the_counts_of_table_5(n_samples, many, few):
    counts = counts_of(AGES[imbalanced_subset(AGES, n_samples, random_state=0)])
    assert counts == {age: many if age < 35 else few for age in counts}
    assert sum(counts.values()) == n_samples * 30


@DRAWS
def test_subset_with_all_samples_is_everything(draw):
    options = {} if draw is balanced_subset else {"ratio": 1}
    np.testing.assert_array_equal(draw(AGES, 200, **options), np.arange(len(AGES)))


@DRAWS
def test_subset_repeats_no_sample_and_is_in_order(draw):
    index = draw(AGES, 20, random_state=1)
    assert (np.diff(index) > 0).all()


@DRAWS
def test_same_seed_gives_same_subset_and_leaves_the_global_one_alone(draw):
    before = np.random.get_state()  # noqa: NPY002
    first, again, other = (draw(AGES, 20, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])


def test_every_sample_of_a_bin_is_drawn_equally_often():
    y = np.zeros(6)
    y[::2] = 1.0
    drawn = [balanced_subset(y, 1, random_state=seed) for seed in range(600)]
    shares = np.bincount(np.concatenate(drawn), minlength=6) / 600
    np.testing.assert_allclose(shares, 1 / 3, atol=0.08)


def test_common_half_can_be_the_upper_one():
    index = imbalanced_subset(AGES, 10, common="upper", random_state=0)
    counts = counts_of(AGES[index])
    assert (counts[20.0], counts[34.0], counts[35.0], counts[49.0]) == (1, 1, 19, 19)


def test_middle_bin_of_an_odd_number_is_common():
    y = np.repeat([0.0, 1.0, 2.0], 20)
    counts = counts_of(y[imbalanced_subset(y, 10, ratio=4, random_state=0)])
    assert counts == {0.0: 13, 1.0: 13, 2.0: 3}


def test_borders_are_closed_on_the_right_and_leave_out_what_is_outside():
    y = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    index = balanced_subset(y, 2, bins=[0.0, 1.0, 2.0])
    np.testing.assert_array_equal(y[index], [0.5, 1.0, 1.5, 2.0])


def test_number_of_bins_makes_intervals_of_equal_width_over_the_whole_range():
    y = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"The bin \(2, 4\] holds 2 samples, and 3"):
        balanced_subset(y, 3, bins=2)
    assert set(balanced_subset(y, 2, bins=2)[-2:]) == {3, 4}


@DRAWS
def test_more_samples_than_there_are_is_an_error_that_names_the_bin(draw):
    y = np.append(np.repeat([1.0, 2.0], 100), 3.0)
    with pytest.raises(ValueError, match=r"The bin at 3 holds 1 samples, and \d+ are"):
        draw(y, 50)


def test_bin_without_samples_is_an_error():
    with pytest.raises(ValueError, match=r"The bin \(1, 2\] holds 0 samples"):
        balanced_subset([0.5, 0.7, 2.5], 1, bins=[0.0, 1.0, 2.0, 3.0])


def test_rare_bin_without_samples_is_an_error():
    with pytest.raises(ValueError, match=r"leave it 0\.4\. Raise n_samples or lower"):
        imbalanced_subset(AGES, 4, ratio=19)


@DRAWS
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 1.5}, "n_samples"),
        ({"bins": "linear"}, "bins"),
        ({"bins": [1.0, 1.0]}, "strictly increasing order"),
        ({"bins": [1.0]}, "two edges at least"),
        ({"y": [1.0, np.nan]}, "y must be finite"),
        ({"y": []}, "at least one target"),
    ],
)
def test_bad_input_is_refused(draw, changes, message):
    with pytest.raises(ValueError, match=message):
        draw(**({"y": AGES, "n_samples": 2} | changes))


def test_ratio_below_one_is_refused():
    with pytest.raises(ValueError, match="ratio"):
        imbalanced_subset(AGES, 10, ratio=0.5)
