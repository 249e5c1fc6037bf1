"""Edges against their formulas written out, on targets of every awkward kind."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.binning import (
    assign,
    class_means,
    distinct_targets,
    linear_edges,
    log_edges,
    mixed_edges,
    quantile_edges,
    uniform_error_edges,
)

FUNCTIONS = [
    linear_edges,
    log_edges,
    quantile_edges,
    uniform_error_edges,
    mixed_edges,
]
DATA_DRIVEN = [quantile_edges, uniform_error_edges]
CONSTANT_MESSAGE = r"needs at least two distinct targets .* got n_samples=3, all equal"


def spread(targets):
    """Keep what has two distinct targets."""
    return len(set(targets)) > 1


ties = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=40)
zeros = st.lists(st.just(0.0) | st.floats(0, 1e3), min_size=2, max_size=40)
heavy_tails = st.lists(st.floats(-80, 80).map(np.exp), min_size=2, max_size=40)
magnitudes = st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20)
two_values = st.lists(st.sampled_from([-2.5, 7.0]), min_size=2, max_size=20)
targets = st.one_of(ties, zeros, heavy_tails, magnitudes, two_values).filter(spread)
weights = st.lists(st.integers(0, 4), min_size=40, max_size=40)


def edges_of(function, y, n_bins):
    """Cut with `function`; logarithms get the magnitudes of the targets."""
    y = np.abs(y) if function is log_edges else np.asarray(y)
    if y.min() == y.max():
        y = np.append(y, y[0] + 1 + abs(y[0]))
    return y, function(y, n_bins)


@pytest.mark.parametrize("function", FUNCTIONS)
@given(y=targets, n_bins=st.integers(2, 30))
def test_edges_increase_strictly_and_span_the_targets(function, y, n_bins):
    y, edges = edges_of(function, y, n_bins)
    assert edges.dtype == np.float64
    assert np.isfinite(edges).all()
    assert (edges[:-1] < edges[1:]).all()
    assert 3 <= len(edges) <= n_bins + 1
    assert edges[-1] == y.max()
    # Only between neighbouring floats does the first edge need to step outside.
    assert edges[0] in (y.min(), np.nextafter(y.min(), -np.inf))


@pytest.mark.parametrize("function", DATA_DRIVEN)
@given(y=targets, n_bins=st.integers(2, 30))
def test_edges_use_all_classes_and_leave_none_empty(function, y, n_bins):
    edges = function(y, n_bins)
    n_samples = np.bincount(assign(y, edges), minlength=len(edges) - 1)
    assert len(n_samples) == min(n_bins, len(set(y)))
    assert (n_samples > 0).all()


@pytest.mark.parametrize("function", DATA_DRIVEN)
@given(y=targets, n_bins=st.integers(2, 30), repeats=weights)
def test_edges_with_weights_equal_those_of_repeated_rows(function, y, n_bins, repeats):
    repeats = np.array(repeats[: len(y)])
    repeated = np.repeat(y, repeats)
    if not spread(repeated):
        return
    expected = function(repeated, n_bins)
    np.testing.assert_array_equal(function(y, n_bins, sample_weight=repeats), expected)


@given(
    y=targets,
    n_bins=st.integers(2, 30),
    unit=st.sampled_from([0.1, 0.3, 0.7, 1 / 3, 1.1]),
)
def test_unit_of_the_weights_makes_no_difference(y, n_bins, unit):
    weight = np.full(len(y), unit)
    edges = quantile_edges(y, n_bins, sample_weight=weight)
    np.testing.assert_array_equal(edges, quantile_edges(y, n_bins))


@pytest.mark.parametrize("function", DATA_DRIVEN)
@given(y=targets, n_bins=st.integers(2, 30), seed=st.integers(0, 99))
def test_edges_ignore_the_order_of_samples(function, y, n_bins, seed):
    shuffled = np.random.default_rng(seed).permutation(y)
    np.testing.assert_array_equal(function(shuffled, n_bins), function(y, n_bins))


@given(y=targets, repeats=weights)
def test_distinct_targets_count_like_a_python_dictionary(y, repeats):
    values, counts = distinct_targets(y)
    assert list(zip(values, counts, strict=True)) == [
        (value, y.count(value)) for value in sorted(set(y))
    ]
    kept = [item for item in zip(y, repeats, strict=False) if item[1] > 0]
    if not kept:
        return
    values, counts = distinct_targets(y, repeats[: len(y)])
    assert list(zip(values, counts, strict=True)) == [
        (value, sum(n for target, n in kept if target == value))
        for value in sorted({target for target, _ in kept})
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_distinct_targets_are_float64_for_any_input(dtype):
    values, counts = distinct_targets(np.array([1, 0, 1], dtype=dtype))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(counts, [1, 2])


def test_distinct_targets_leave_the_input_as_it_was():
    y = np.array([3.0, 1.0, 2.0])
    values, _ = distinct_targets(y)
    values[0] = -1
    np.testing.assert_array_equal(y, [3.0, 1.0, 2.0])


def test_linear_edges_are_equally_spaced():
    y = np.random.default_rng(0).normal(size=50)
    expected = np.linspace(y.min(), y.max(), 8)
    np.testing.assert_allclose(linear_edges(y, 7), expected, rtol=0, atol=1e-15)


def test_log_edges_have_equal_ratios():
    edges = log_edges(np.random.default_rng(0).lognormal(size=50), 7)
    np.testing.assert_allclose(edges[1:] / edges[:-1], edges[1] / edges[0])


def test_log_edges_give_zeros_a_class_of_their_own():
    y = np.array([0.0, 0.0, 3.0, 5.0, 900.0])
    edges = log_edges(y, 10)
    assert len(edges) == 11
    np.testing.assert_array_equal(assign(y, edges) == 0, y == 0)
    np.testing.assert_allclose(edges[2:] / edges[1:-1], edges[2] / edges[1])


@pytest.mark.parametrize("lowest", [-3.0, 0.0, 0.5])
def test_log_edges_put_all_up_to_lower_into_the_floor(lowest):
    edges = log_edges([lowest, 1.0, 2.0, 100.0], 5, lower=1.0)
    assert (edges[0], edges[1], len(edges)) == (lowest, 1.0, 6)
    np.testing.assert_array_equal(assign([lowest, 1.0, 2.0], edges)[:2], 0)
    np.testing.assert_allclose(edges[1:], np.geomspace(1, 100, 5))


def test_log_edges_need_no_floor_where_nothing_lies_below_lower():
    np.testing.assert_allclose(log_edges([1.0, 8.0], 3, lower=0.5), [1, 2, 4, 8])


@given(
    y=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60, unique=True),
    n_bins=st.integers(2, 20),
)
def test_quantile_edges_share_distinct_targets_evenly(y, n_bins):
    n_samples = np.bincount(assign(y, quantile_edges(y, n_bins)))
    assert n_samples.max() - n_samples.min() <= 1


@pytest.mark.parametrize("sign", [1, -1], ids=["left", "right"])
def test_quantile_edges_share_the_tail_of_inflated_targets(sign):
    """80 % zeros are one class exactly, and all other classes share the tail."""
    tail = np.random.default_rng(0).lognormal(size=990)
    y = sign * np.append(np.zeros(4 * tail.size), tail)
    n_samples = np.bincount(assign(y, quantile_edges(y, 100)))
    np.testing.assert_array_equal(np.sort(n_samples), [*[10] * 99, 4 * tail.size])


def test_quantile_edges_isolate_a_heavy_target_amid_others():
    y = np.concatenate([np.arange(-50, 51), np.zeros(900)])
    index = assign(y, quantile_edges(y, 11))
    n_samples = np.bincount(index)
    assert len(n_samples) == 11
    assert set(y[index == index[50]]) == {0.0}
    assert np.sort(n_samples)[:-1].max() <= 13


@given(st.lists(st.integers(1, 60), min_size=2, max_size=30), st.integers(2, 12))
def test_quantile_edges_are_never_far_above_a_fair_share(counts, n_bins):
    """Beyond its share a class holds half of one more target's samples, at most."""
    y = np.repeat(np.arange(len(counts)), counts)
    n_samples = np.bincount(assign(y, quantile_edges(y, n_bins)))
    fair = len(y) / min(n_bins, len(counts))
    assert n_samples.max() <= 2 * max(fair, max(counts))


def largest_error(values, counts, cuts):
    """Compute the largest count times width of the classes between cuts."""
    pieces = zip([0, *cuts], [*cuts, len(values)], strict=True)
    return max(sum(counts[a:b]) * (values[b - 1] - values[a]) for a, b in pieces)


@settings(max_examples=60)
@given(
    y=st.one_of(
        st.lists(st.integers(-9, 9).map(float), min_size=4, max_size=20),
        st.lists(st.floats(0, 20).map(np.exp), min_size=4, max_size=9),
    ).filter(spread),
    n_bins=st.integers(2, 5),
)
def test_uniform_error_edges_have_the_smallest_largest_error(y, n_bins):
    """Count times width, against every possible partition."""
    values, counts = (array.tolist() for array in distinct_targets(y))
    n_cuts = min(n_bins, len(values)) - 1
    choices = combinations(range(1, len(values)), n_cuts)
    best = min(largest_error(values, counts, cuts) for cuts in choices)
    edges = uniform_error_edges(y, n_bins)
    cuts = np.searchsorted(values, edges[1:-1], side="right").tolist()
    assert largest_error(values, counts, cuts) <= best * (1 + 1e-12)


def test_uniform_error_edges_equalise_the_error_of_dense_targets():
    y = np.random.default_rng(0).lognormal(size=20_000)
    index = assign(y, uniform_error_edges(y, 20))
    errors = [(index == c).sum() * np.ptp(y[index == c]) for c in range(20)]
    assert max(errors) / min(errors) < 1.15


def test_mixed_edges_are_halfway_between_equal_width_and_equal_error():
    y = np.random.default_rng(0).exponential(size=2000)
    edges = mixed_edges(y, 20)
    even, uneven = linear_edges(y, 20), uniform_error_edges(y, 20)
    number = (edges - edges[0]) / np.ptp(edges) * 20
    other = np.interp(edges, uneven, np.arange(21.0))
    np.testing.assert_allclose((number + other) / 2, np.arange(21), atol=1e-6)
    widest = np.diff(edges).max()
    assert np.diff(even).max() < widest < np.diff(uneven).max()
    assert widest < 2.01 * np.diff(even).max()


def test_uniform_error_edges_spend_classes_that_ties_leave_unused():
    """Two far targets cost the same in any way; the dense ones are split instead."""
    y = [0.0, 1.0, 2.0, 3.0, 4.0, 50.0, 60.0, 99.0]
    assert len(uniform_error_edges(y, 7)) == 8


@pytest.mark.parametrize(
    "y",
    [
        [1e-300, 1.0, 1e300, -1e300, 5e-324, 0.0],
        [5e-324, 1e-323, 1.5e-323, 2e-323],
        [-1.5e308, 0.0, 1.0, 1.5e308],
        [1.0, np.nextafter(1.0, 2), np.nextafter(1.0, 0), 2.0],
    ],
    ids=["mixed", "subnormal", "widest", "neighbours"],
)
@pytest.mark.parametrize("function", [linear_edges, *DATA_DRIVEN])
def test_edges_survive_extreme_magnitudes(function, y):
    for n_bins in (2, 3, 100):
        edges = function(y, n_bins)
        assert np.isfinite(edges).all()
        assert (edges[:-1] < edges[1:]).all()
        if function is not linear_edges:
            assert len(set(assign(y, edges))) == min(n_bins, len(y))


def test_assign_closes_intervals_on_the_right_and_reaches_to_infinity():
    y = np.array([[-np.inf, 0.0, 0.5], [1.0, 1.1, np.inf]])
    index = assign(y, [0.0, 0.5, 1.0, 2.0])
    np.testing.assert_array_equal(index, [[0, 0, 0], [1, 2, 2]])
    assert index.dtype == np.int64


@given(y=targets, n_bins=st.integers(2, 9), repeats=weights)
def test_class_means_average_each_class(y, n_bins, repeats):
    y, weight = np.array(y), np.array(repeats[: len(y)], dtype=float)
    edges = linear_edges(y, n_bins)
    index = assign(y, edges)
    values = class_means(y, index, edges, sample_weight=weight)
    for c in range(len(values)):
        here = (index == c) & (weight > 0)
        expected = edges[c] / 2 + edges[c + 1] / 2
        if here.any():
            expected = np.sum(y[here] * (weight[here] / weight[here].sum()))
        size = np.abs(y[here]).max(initial=abs(expected))
        np.testing.assert_allclose(values[c], expected, rtol=0, atol=1e-13 * size)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_edges_refuse_constant_targets(function):
    with pytest.raises(ValueError, match=CONSTANT_MESSAGE):
        function([4.0, 4.0, 4.0], 5)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan], "must be finite"),
        ([1.0, np.inf], "must be finite"),
        ([], "at least one target"),
        ([[1.0, 2.0]], "one column of targets"),
    ],
)
def test_edges_refuse_what_is_no_column_of_numbers(function, y, message):
    with pytest.raises(ValueError, match=message):
        function(y, 5)


@pytest.mark.parametrize("n_bins", [1, 2.5, "many"])
def test_edges_refuse_a_wrong_number_of_bins(n_bins):
    with pytest.raises(ValueError, match="'n_bins' parameter"):
        quantile_edges([1.0, 2.0], n_bins)


def test_log_edges_refuse_negative_targets_without_lower():
    message = r"needs positive targets, but y.min\(\) is -2. Set lower="
    with pytest.raises(ValueError, match=message):
        log_edges([-2.0, 3.0], 5)


def test_log_edges_refuse_a_lower_beyond_the_targets():
    with pytest.raises(ValueError, match="lower must be smaller than the largest"):
        log_edges([1.0, 3.0], 5, lower=3.0)
