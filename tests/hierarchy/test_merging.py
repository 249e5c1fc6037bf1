"""Coarse classes: nested, never without samples, and as their formula says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_hca.hierarchy import merge_classes

STRATEGIES = ["equal_number", "equal_length", "recursive"]

counts_lists = st.one_of(
    st.lists(st.integers(0, 20), min_size=1, max_size=70),
    st.lists(st.sampled_from([0, 0, 1, 10_000]), min_size=1, max_size=70),
    st.lists(st.floats(1e-20, 1e6) | st.just(0.0), min_size=1, max_size=40),
).filter(any)


def increasing_edges(n_classes, seed):
    """Draw borders of very unequal widths."""
    widths = np.random.default_rng(seed).lognormal(sigma=3, size=n_classes + 1)
    return np.cumsum(widths)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(counts=counts_lists, h=st.integers(0, 7), seed=st.integers(0, 99))
def test_parent_is_a_monotone_map_onto_few_occupied_classes(strategy, counts, h, seed):
    edges = increasing_edges(len(counts), seed)
    parent = merge_classes(counts, 2**h, strategy, edges)
    assert parent.dtype == np.int64
    assert parent.shape == (len(counts),)
    assert parent[0] == 0
    assert set(np.diff(parent)) <= {0, 1}
    assert parent[-1] < 2**h
    assert (np.bincount(parent, weights=counts) > 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(counts=counts_lists, seed=st.integers(0, 99))
def test_levels_are_nested(strategy, counts, seed):
    edges = increasing_edges(len(counts), seed)
    coarser = set()
    for h in range(1, 8):
        parent = merge_classes(counts, 2**h, strategy, edges)
        borders = set(np.flatnonzero(np.diff(parent)))
        assert coarser <= borders
        coarser = borders


@pytest.mark.parametrize("strategy", ["equal_number", "recursive"])
@given(counts=counts_lists)
def test_enough_classes_leave_each_occupied_class_alone(strategy, counts):
    """Equal counts, and more parts than there are classes with samples."""
    counts = np.array(counts) > 0
    parent = merge_classes(counts, 2**7, strategy)
    assert parent[-1] + 1 == counts.sum()


@given(st.lists(st.integers(1, 50), min_size=2, max_size=60), st.integers(2, 40))
def test_equal_number_takes_the_borders_nearest_to_the_quantiles(counts, n_classes):
    done = np.cumsum(counts)[:-1]
    expected = set()
    for k in range(1, n_classes):
        gap = np.abs(done - sum(counts) * (k / n_classes))
        expected.add(int(np.argmin(gap)))
    parent = merge_classes(counts, n_classes, "equal_number")
    assert set(np.flatnonzero(np.diff(parent))) == expected


@given(st.lists(st.integers(1, 50), min_size=2, max_size=60), st.integers(2, 40))
def test_equal_length_takes_the_borders_nearest_to_equal_parts(counts, n_classes):
    borders = np.arange(1, len(counts))
    expected = set()
    for k in range(1, n_classes):
        share = k / n_classes
        expected.add(int(np.argmin(np.abs(borders - len(counts) * share))))
    parent = merge_classes(counts, n_classes, "equal_length")
    assert set(np.flatnonzero(np.diff(parent))) == expected


def test_equal_length_follows_the_edges():
    parent = merge_classes([1, 1, 1, 1], 2, "equal_length", edges=[0, 6, 8, 9, 10])
    np.testing.assert_array_equal(parent, [0, 1, 1, 1])


def test_equal_number_splits_ages_into_equal_shares():
    counts = np.random.default_rng(0).poisson(50, size=120)
    n_samples = np.bincount(merge_classes(counts, 8), weights=counts)
    np.testing.assert_allclose(n_samples / counts.sum(), 1 / 8, atol=0.01)


def test_empty_classes_are_shared_by_both_sides_of_a_border():
    parent = merge_classes([4, 0, 0, 4], 2, "equal_number")
    np.testing.assert_array_equal(parent, [0, 0, 1, 1])


def test_recursive_leaves_empty_classes_on_the_left_of_a_cut():
    parent = merge_classes([4, 0, 0, 4], 2, "recursive")
    np.testing.assert_array_equal(parent, [0, 0, 0, 1])


def test_a_single_heavy_class_is_not_divided():
    np.testing.assert_array_equal(
        merge_classes([0, 9, 0], 4, "equal_number"), [0, 0, 0]
    )


@pytest.mark.parametrize("strategy", ["equal_number", "recursive"])
@given(
    counts=st.lists(st.integers(1, 5), min_size=4, max_size=40),
    unit=st.sampled_from([0.1, 0.3, 0.7, 1 / 3, 1.1]),
)
def test_unit_of_the_weights_makes_no_difference(strategy, counts, unit):
    expected = merge_classes(counts, 4, strategy)
    given = merge_classes(unit * np.array(counts), 4, strategy)
    np.testing.assert_array_equal(given, expected)


def test_same_is_the_identity():
    parent = merge_classes([3, 0, 1], 2, strategy="same")
    np.testing.assert_array_equal(parent, [0, 1, 2])


@pytest.mark.parametrize("h", range(1, 7))
def test_recursive_reproduces_the_release(load_oracle, h):
    """Square roots of the counts of ages, halved again and again."""
    oracle = load_oracle("hca_adjustment.npz")
    counts = np.bincount(oracle["ages"], minlength=121)
    parent = merge_classes(np.sqrt(counts), 2**h, strategy="recursive")
    np.testing.assert_array_equal(parent, oracle[f"parent_{h}"])
    borders = np.flatnonzero(np.diff(parent)) + 0.5
    np.testing.assert_array_equal(borders, oracle[f"split_edges_{h}"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, -1], 2), "counts must be .* not negative"),
        (([1, np.nan], 2), "counts must be .* finite"),
        (([[1, 2]], 2), "counts must be one row"),
        (([], 2), "counts must be one row"),
        (([1, 2], 0), "'n_classes' parameter"),
        (([1, 2], 2, "equal"), "'strategy' parameter"),
        (([1, 2, 3], 3, "recursive"), "power of two; got 3. Take 2,"),
        (([1, 2], 2, "equal_length", [0, 1]), "edges must hold 3 borders"),
        (([1, 2], 2, "equal_length", [0, 1, np.inf]), "edges must be finite"),
        (([1, 2], 2, "equal_length", [0, np.nan, 1]), "edges must be finite"),
        (([1, 2], 2, "equal_length", [2, 1, 0]), "strictly increasing; got"),
    ],
)
def test_merge_classes_refuses_wrong_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        merge_classes(*arguments)
