import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from sk_hca.datasets import (
    make_imbalanced_images,
    make_imbalanced_maps,
    make_imbalanced_table,
)

MAKERS = pytest.mark.parametrize(
    "make",
    [make_imbalanced_table, make_imbalanced_images, make_imbalanced_maps],
    ids=["table", "images", "maps"],
)


def exponential_share(limit, tail, upper):
    """Share below `limit` of an exponential density cut off at `upper`."""
    return (1 - np.exp(-limit / tail)) / (1 - np.exp(-upper / tail))


@MAKERS
def test_same_seed_gives_same_data(make):
    for first, second in zip(
        make(20, random_state=3), make(20, random_state=3), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@MAKERS
def test_other_seed_gives_other_data(make):
    for first, second in zip(
        make(20, random_state=3), make(20, random_state=4), strict=True
    ):
        assert (first != second).any()


@MAKERS
@pytest.mark.parametrize(
    "make_seed", [lambda: 0, lambda: np.random.RandomState(0)], ids=["int", "object"]
)
def test_global_seed_is_left_alone(make, make_seed):
    before = np.random.get_state()  # noqa: NPY002
    make(20, random_state=make_seed())
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@MAKERS
def test_random_state_object_equals_its_seed(make):
    from_int = make(20, random_state=7)
    from_object = make(20, random_state=np.random.RandomState(7))
    for first, second in zip(from_int, from_object, strict=True):
        np.testing.assert_array_equal(first, second)


@MAKERS
@pytest.mark.parametrize("bad", [0, -1, 2.5, "many"])
def test_bad_number_of_samples_is_refused_by_name(make, bad):
    with pytest.raises(ValueError, match="'n_samples' parameter of make_imbalanced"):
        make(bad)


@pytest.mark.parametrize("make", [make_imbalanced_table, make_imbalanced_images])
@pytest.mark.parametrize("bad", [0, -3.0])
def test_bad_tail_is_refused_by_name(make, bad):
    with pytest.raises(ValueError, match="'tail' parameter of make_imbalanced"):
        make(10, tail=bad)


def test_table_shapes():
    X_train, X_test, y_train, y_test = make_imbalanced_table(
        50, 3, test_size=20, random_state=0
    )
    assert X_train.shape == (50, 3)
    assert X_test.shape == (20, 3)
    assert y_train.shape == (50,)
    assert y_test.shape == (20,)


def test_table_targets_lie_in_zero_to_hundred():
    *_, y_train, y_test = make_imbalanced_table(5000, tail=500.0, random_state=0)
    for y in (y_train, y_test):
        assert y.min() >= 0
        assert y.max() <= 100


def test_table_default_has_nine_training_samples_in_ten_below_thirty():
    *_, y_train, _ = make_imbalanced_table(20000, random_state=0)
    assert (y_train < 30).mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("tail", [5.0, 13.0, 60.0])
def test_table_training_targets_follow_cut_off_exponential(tail):
    *_, y_train, _ = make_imbalanced_table(20000, tail=tail, random_state=0)
    expected = stats.truncexpon(b=100 / tail, scale=tail)
    assert stats.kstest(y_train, expected.cdf).pvalue > 1e-3
    assert (y_train < 30).mean() == pytest.approx(
        exponential_share(30, tail, 100), abs=0.01
    )


def test_table_test_targets_are_uniform():
    *_, y_test = make_imbalanced_table(10, test_size=20000, random_state=0)
    assert stats.kstest(y_test, stats.uniform(0, 100).cdf).pvalue > 1e-3


def test_table_without_tail_trains_on_uniform_targets():
    *_, y_train, _ = make_imbalanced_table(20000, tail=None, random_state=0)
    assert stats.kstest(y_train, stats.uniform(0, 100).cdf).pvalue > 1e-3


def test_table_without_noise_is_one_function_of_the_target():
    X_train, X_test, y_train, y_test = make_imbalanced_table(
        4000, tail=None, noise=0.0, random_state=0
    )
    model = KNeighborsRegressor(2).fit(X_train, y_train)
    assert np.abs(model.predict(X_test) - y_test).mean() < 0.2


def test_table_is_learnable():
    X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    prediction = KNeighborsRegressor(10).fit(X_train, y_train).predict(X_test)
    error = np.abs(prediction - y_test).mean()
    constant = np.abs(np.median(y_train) - y_test).mean()
    assert error < 0.5 * constant


def test_table_is_hard_where_training_targets_are_rare_and_only_there():
    """The same region is easy when the training targets are balanced."""
    few_error = {}
    for tail in (13.0, None):
        X_train, X_test, y_train, y_test = make_imbalanced_table(
            tail=tail, random_state=0
        )
        prediction = KNeighborsRegressor(10).fit(X_train, y_train).predict(X_test)
        few_error[tail] = np.abs(prediction - y_test)[y_test > 60].mean()
    assert few_error[13.0] > 1.5 * few_error[None]


def test_images_shapes_and_types():
    X, y = make_imbalanced_images(30, size=12, random_state=0)
    assert X.shape == (30, 1, 12, 12)
    assert X.dtype == np.float32
    assert y.shape == (30,)
    assert y.dtype == np.float64


def test_images_targets_are_positive_and_bounded():
    _, y = make_imbalanced_images(2000, max_blobs=15, tail=None, random_state=0)
    assert y.min() > 0
    assert y.max() <= 15 * 1.01


def test_images_are_long_tailed_unless_tail_is_none():
    _, imbalanced = make_imbalanced_images(2000, random_state=0)
    _, balanced = make_imbalanced_images(2000, tail=None, random_state=0)
    assert (imbalanced > 20).mean() < 0.06
    assert (balanced > 20).mean() > 0.35


def test_images_target_counts_whole_blobs_nearly():
    """One blob an image: its share inside is 1 but for the blobs at the border."""
    _, y = make_imbalanced_images(2000, max_blobs=1, random_state=0)
    assert np.median(y) == pytest.approx(1.0, abs=1e-3)
    assert ((y > 0.2) & (y < 1.01)).all()


def test_images_show_their_target():
    X, y = make_imbalanced_images(800, random_state=0)
    mass = X.sum(axis=(1, 2, 3))[:, np.newaxis]
    share = LinearRegression().fit(mass, y).score(mass, y)
    assert 0.8 < share < 0.995


def test_images_of_one_blob_equal_the_written_out_equation():
    """Least squares on the rendered bump gives back a Gaussian of the stated width."""
    X, _ = make_imbalanced_images(200, size=40, max_blobs=1, noise=0.0, random_state=0)
    bright = X[:, 0].max(axis=(1, 2))
    assert 0.4 < bright.min() < bright.max() <= 1.5
    row, column = np.unravel_index(X[:, 0].reshape(200, -1).argmax(axis=1), (40, 40))
    inner = (row > 8) & (row < 31) & (column > 8) & (column < 31)
    blob = X[inner][:, 0].astype(float)
    pixel = np.arange(40)
    profile = blob.sum(axis=2) / blob.sum(axis=(1, 2))[:, np.newaxis]
    mean = profile @ pixel
    variance = profile @ pixel**2 - mean**2
    np.testing.assert_allclose(variance, (40 / 20) ** 2, rtol=1e-2)


def test_maps_shapes_and_types():
    X, y = make_imbalanced_maps(6, size=10, random_state=0)
    assert X.shape == (6, 1, 10, 10)
    assert X.dtype == np.float32
    assert y.shape == (6, 10, 10)
    assert y.dtype == np.float64


def test_maps_targets_are_log_normal():
    _, y = make_imbalanced_maps(400, size=16, median=3.0, spread=0.5, random_state=0)
    assert y.min() > 0
    assert np.median(y) == pytest.approx(3.0, rel=0.02)
    assert np.log(y).std() == pytest.approx(0.5, rel=0.02)


def test_maps_have_unit_spread_at_every_pixel():
    _, y = make_imbalanced_maps(4000, size=8, spread=1.0, random_state=0)
    np.testing.assert_allclose(np.log(y).std(axis=0), 1.0, atol=0.06)


def test_maps_default_has_one_pixel_in_eight_beyond_twice_the_median():
    _, y = make_imbalanced_maps(random_state=0)
    assert (y > 4.0).mean() == pytest.approx(1 / 8, abs=0.01)


def test_maps_are_smooth():
    _, y = make_imbalanced_maps(50, random_state=0)
    neighbours = np.corrcoef(y[:, 1:].ravel(), y[:, :-1].ravel())[0, 1]
    assert neighbours > 0.95


def test_maps_miss_the_asked_share_of_targets_and_no_input():
    X, y = make_imbalanced_maps(100, missing=0.3, random_state=0)
    assert np.isnan(y).mean() == pytest.approx(0.3, abs=0.01)
    assert np.isfinite(X).all()


def test_maps_missing_pixels_leave_the_others_as_they_were():
    X, y = make_imbalanced_maps(10, random_state=0)
    X_holes, y_holes = make_imbalanced_maps(10, missing=0.5, random_state=0)
    np.testing.assert_array_equal(X, X_holes)
    known = np.isfinite(y_holes)
    np.testing.assert_array_equal(y[known], y_holes[known])


def test_maps_without_noise_equal_the_written_out_equation():
    X, y = make_imbalanced_maps(5, median=3.0, noise=0.0, random_state=0)
    np.testing.assert_allclose(X[:, 0], np.exp(-y / (2 * 3.0)), rtol=1e-6)
