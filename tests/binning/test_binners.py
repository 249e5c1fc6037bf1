"""Binners: one sort gives edges, class values and counts, and they agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from sk_hca.binning import (
    BINNERS,
    BaseBinner,
    CustomBinner,
    LinearBinner,
    LogBinner,
    QuantileBinner,
    UniformErrorBinner,
    assign,
    class_means,
    linear_edges,
    log_edges,
    make_binner,
    mixed_edges,
    quantile_edges,
    uniform_error_edges,
)

FUNCTIONS = {
    "linear": linear_edges,
    "log": log_edges,
    "quantile": quantile_edges,
    "uniform_error": uniform_error_edges,
    "mixed": mixed_edges,
}

aliases = st.sampled_from(sorted(BINNERS))
targets = st.one_of(
    st.lists(st.integers(0, 9).map(float), min_size=2, max_size=40),
    st.lists(st.just(0.0) | st.floats(1e-3, 1e6), min_size=2, max_size=40),
).filter(lambda y: len(set(y)) > 1)
repetitions = st.lists(st.integers(0, 3), min_size=40, max_size=40)


@given(alias=aliases, y=targets, n_bins=st.integers(2, 20))
def test_binner_agrees_with_the_pure_functions(alias, y, n_bins):
    binner = BINNERS[alias](n_bins).fit(y)
    edges = FUNCTIONS[alias](y, n_bins)
    index = assign(y, edges)
    np.testing.assert_array_equal(binner.edges_, edges)
    np.testing.assert_array_equal(
        binner.counts_, np.bincount(index, minlength=len(edges) - 1)
    )
    np.testing.assert_allclose(
        binner.values_, class_means(y, index, edges), rtol=1e-12, atol=1e-12
    )


@given(alias=aliases, y=targets, repeats=repetitions, n_bins=st.integers(2, 20))
def test_binner_with_weights_equals_repeated_rows(alias, y, repeats, n_bins):
    repeats = np.array(repeats[: len(y)])
    repeated = np.repeat(y, repeats)
    if len(set(repeated)) < 2:
        return
    expected = BINNERS[alias](n_bins).fit(repeated)
    weighted = BINNERS[alias](n_bins).fit(y, sample_weight=repeats)
    np.testing.assert_array_equal(weighted.edges_, expected.edges_)
    np.testing.assert_array_equal(weighted.counts_, expected.counts_)
    np.testing.assert_allclose(weighted.values_, expected.values_, rtol=1e-14)


@given(alias=aliases, y=targets, n_bins=st.integers(2, 20))
def test_merged_classes_all_have_samples_and_keep_borders(alias, y, n_bins):
    plain = BINNERS[alias](n_bins).fit(y)
    merged = BINNERS[alias](n_bins, empty="merge").fit(y)
    assert set(merged.edges_) <= set(plain.edges_)
    occupied = plain.counts_ > 0
    np.testing.assert_array_equal(merged.counts_, plain.counts_[occupied])
    np.testing.assert_array_equal(merged.values_, plain.values_[occupied])
    assert merged.edges_[[0, -1]].tolist() == plain.edges_[[0, -1]].tolist()


@given(alias=aliases, y=targets, n_bins=st.integers(2, 20))
def test_class_values_increase_and_lie_in_their_class(alias, y, n_bins):
    binner = BINNERS[alias](n_bins).fit(y)
    assert (np.diff(binner.values_) > 0).all()
    occupied = np.flatnonzero(binner.counts_)
    np.testing.assert_array_equal(
        assign(binner.values_[occupied], binner.edges_), occupied
    )


def test_merging_splits_a_gap_at_the_border_nearest_to_its_middle():
    edges = [0.0, 1.0, 2.0, 7.0, 9.0, 10.0, 11.0]
    merged = CustomBinner(edges, empty="merge").fit([0.5, 10.5])
    np.testing.assert_array_equal(merged.edges_, [0.0, 7.0, 11.0])


def test_merging_gives_the_outer_ranges_to_the_outer_classes():
    merged = CustomBinner(np.arange(10.0), empty="merge").fit([3.5, 4.5])
    np.testing.assert_array_equal(merged.edges_, [0.0, 4.0, 9.0])
    np.testing.assert_array_equal(merged.values_, [3.5, 4.5])


def test_custom_binner_counts_targets_outside_in_the_outer_classes():
    binner = CustomBinner([0, 1, 2, 3]).fit([-5.0, 1.5, 99.0])
    np.testing.assert_array_equal(binner.counts_, [1, 1, 1])
    np.testing.assert_array_equal(binner.values_, [-5.0, 1.5, 99.0])


def test_age_classes_are_unit_intervals():
    """Ages of 0 to 120 in 121 classes; an age without samples keeps its own value."""
    ages = np.array([20, 20, 21, 64, 120])
    binner = CustomBinner(np.arange(122) - 0.5).fit(ages)
    np.testing.assert_array_equal(binner.values_, np.arange(121))
    np.testing.assert_array_equal(np.flatnonzero(binner.counts_), [20, 21, 64, 120])


@pytest.mark.parametrize("binner", [QuantileBinner(4), UniformErrorBinner(4)])
@pytest.mark.parametrize("largest", [1.5e308, 1e-300])
def test_class_values_are_finite_at_extreme_magnitudes(binner, largest):
    y = (largest * np.linspace(-1, 1, 40)).repeat(3)
    values = clone(binner).fit(y).values_
    assert np.isfinite(values).all()
    assert (np.diff(values) > 0).all()


def test_number_of_classes_is_at_most_that_of_distinct_targets():
    """Fewer targets than classes are no fault: every target is a class."""
    for binner in (QuantileBinner(), UniformErrorBinner()):
        binner.fit([3.0, 1.0, 1.0, 2.0])
        np.testing.assert_array_equal(binner.values_, [1.0, 2.0, 3.0])
        np.testing.assert_array_equal(binner.edges_, [1.0, 1.5, 2.5, 3.0])


def test_counts_are_whole_without_weights_and_real_with():
    y = [1.0, 2.0, 3.0]
    assert LinearBinner(2).fit(y).counts_.dtype == np.int64
    assert LinearBinner(2).fit(y, sample_weight=[0.5, 1, 1]).counts_.dtype == np.float64


def test_fit_leaves_targets_and_parameters_alone():
    y = np.random.default_rng(0).normal(size=30)
    before, edges = y.copy(), [-1.0, 0.0, 1.0]
    binner = CustomBinner(edges).fit(y)
    np.testing.assert_array_equal(y, before)
    assert binner.edges is edges


def test_user_binner_needs_only_make_edges():
    class HalvesBinner(BaseBinner):
        def make_edges(self, values, counts):
            return [values[0], np.average(values, weights=counts), values[-1]]

    binner = make_binner(HalvesBinner()).fit([0.0, 0.0, 3.0])
    np.testing.assert_array_equal(binner.edges_, [0.0, 1.0, 3.0])


def test_base_binner_asks_for_make_edges():
    with pytest.raises(TypeError, match="must define make_edges"):
        BaseBinner().fit([0.0, 1.0])


def test_make_binner_takes_aliases_objects_and_edges():
    assert all(type(make_binner(alias)) is kind for alias, kind in BINNERS.items())
    given_binner = LogBinner(7, lower=0.5)
    made = make_binner(given_binner)
    assert made is not given_binner
    assert made.get_params() == given_binner.get_params()
    assert isinstance(make_binner(np.arange(4.0)), CustomBinner)


def test_make_binner_names_the_parameter_in_its_message():
    message = "cut must be one of 'linear', .* Did you mean 'quantile'"
    with pytest.raises(ValueError, match=message):
        make_binner("quantiles", name="cut")


@pytest.mark.parametrize("binner", [kind() for kind in BINNERS.values()])
def test_binner_refuses_constant_targets(binner):
    name = type(binner).__name__
    message = f"{name} needs at least two distinct targets .* n_samples=2, all equal"
    with pytest.raises(ValueError, match=message):
        clone(binner).fit([2.0, 2.0])


def test_binner_refuses_targets_that_weights_make_constant():
    with pytest.raises(ValueError, match="at least two distinct targets"):
        QuantileBinner().fit([2.0, 3.0], sample_weight=[1.0, 0.0])


def test_log_binner_refuses_negative_targets():
    message = r"LogBinner needs positive targets, but y.min\(\) is -1.*QuantileBinner"
    with pytest.raises(ValueError, match=message):
        LogBinner().fit([-1.0, 2.0])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0.0, 1.0], "at least two classes"),
        ([[0.0, 1.0, 2.0]], "in one row of three or more"),
        ([0.0, np.nan, 2.0], "finite edges"),
        ([0.0, 1.0, np.inf], "finite edges"),
        (
            [0.0, 2.0, 2.0],
            "increasing edges; got 2 followed by 2 at position 1",
        ),
        ([3.0, 2.0, 1.0], "strictly increasing"),
    ],
)
def test_custom_binner_refuses_wrong_edges(edges, message):
    with pytest.raises(ValueError, match=message):
        CustomBinner(edges).fit([0.0, 1.0])


def test_custom_binner_refuses_to_merge_all_into_one_class():
    with pytest.raises(ValueError, match="into one class"):
        CustomBinner([0.0, 1.0, 2.0], empty="merge").fit([5.0, 6.0])


@pytest.mark.parametrize(
    "binner",
    [LinearBinner(1), QuantileBinner(2.5), LogBinner(lower=0), LinearBinner(empty="x")],
)
def test_binner_refuses_parameters_out_of_range(binner):
    with pytest.raises(ValueError, match=f"parameter of {type(binner).__name__}"):
        binner.fit([1.0, 2.0])
