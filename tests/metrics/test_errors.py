"""Errors that bins, weights and zeros must not fool."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.metrics import (
    absolute_relative_error,
    balanced_mean_absolute_error,
    balanced_root_mean_squared_error,
    delta_accuracy,
    geometric_mean_error,
    logarithmic_error,
    sera,
)

METRICS = [
    absolute_relative_error,
    balanced_mean_absolute_error,
    balanced_root_mean_squared_error,
    delta_accuracy,
    geometric_mean_error,
    logarithmic_error,
    sera,
]


def bins_in_order(y, bin_of):
    """Rows of each bin, by a loop over the samples."""
    rows = {}
    for row, target in enumerate(y):
        rows.setdefault(bin_of(target), []).append(row)
    return rows.values()


def data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(1, 9, n) / 2
    return y_true, y_true + rng.normal(size=n)


def test_balanced_errors_equal_a_loop_over_distinct_targets():
    y_true, y_pred = data()
    means = [
        (np.abs(y_pred[r] - y_true[r]).mean(), ((y_pred[r] - y_true[r]) ** 2).mean())
        for r in bins_in_order(y_true, lambda target: target)
    ]
    bmae, bmse = np.mean(means, axis=0)
    assert balanced_mean_absolute_error(y_true, y_pred) == pytest.approx(bmae)
    assert balanced_root_mean_squared_error(y_true, y_pred) == pytest.approx(
        math.sqrt(bmse)
    )


@pytest.mark.parametrize("width", [0.1, 0.25, 0.7, 3.0])
def test_balanced_error_with_bin_width_equals_bins_closed_on_the_right(width):
    rng = np.random.default_rng(1)
    y_true = rng.uniform(-3, 3, 50)
    y_pred = rng.uniform(-3, 3, 50)
    means = [
        np.abs(y_pred[rows] - y_true[rows]).mean()
        for rows in bins_in_order(y_true, lambda target: math.ceil(target / width))
    ]
    error = balanced_mean_absolute_error(y_true, y_pred, bin_width=width)
    assert error == pytest.approx(np.mean(means))


def test_bins_given_in_number_are_those_of_their_edges():
    y_true, y_pred = data()
    edges = np.linspace(y_true.min(), y_true.max(), 6)
    for metric in (balanced_mean_absolute_error, balanced_root_mean_squared_error):
        assert metric(y_true, y_pred, bins=5) == metric(y_true, y_pred, bins=edges)


def test_one_bin_makes_the_balanced_error_plain():
    y_true, y_pred = data()
    plain = np.abs(y_pred - y_true).mean()
    assert balanced_mean_absolute_error(y_true, y_pred, bins=1) == pytest.approx(plain)
    constant = np.full_like(y_pred, 2.0)
    expected = np.abs(y_pred - 2.0).mean()
    error = balanced_mean_absolute_error(constant, y_pred, bins=4)
    assert error == pytest.approx(expected)


def computed_in_other_ways(tenths):
    """The same score as a decimal, a product, a running sum and in single precision."""
    running = np.concatenate([[0.0], np.cumsum(np.full(tenths.max(), 0.1))])
    return tenths / 10, tenths * 0.1, running[tenths], (tenths / 10).astype(np.float32)


@pytest.mark.parametrize("shift", [0, -25, 4000])
def test_bins_of_a_tenth_ignore_rounding(shift):
    """0.3 / 0.1 is 2.9999999999999996: no bin may split or merge because of that."""
    tenths = np.arange(51)
    expected = np.abs(tenths - 20.5).mean()  # every score is a bin of its own
    for y in computed_in_other_ways(tenths):
        y = y + np.asarray(shift, dtype=y.dtype)
        y_pred = y + (tenths - 20.5)
        # Two copies, one half an ulp above and below: they share the bin.
        y_true = np.concatenate([y, np.nextafter(y, np.inf), np.nextafter(y, -np.inf)])
        error = balanced_mean_absolute_error(y_true, np.tile(y_pred, 3), bin_width=0.1)
        assert error == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["edges", "number"])
def test_borders_ignore_rounding(kind):
    y_true = np.array([0.1 + 0.2, 0.3, 0.29, 0.31, 0.0, 1.0])
    error = np.array([1.0, 1.0, 1.0, 5.0, 1.0, 5.0])
    bins = np.linspace(0, 1, 11)[[0, 3, 10]] if kind == "edges" else 10
    expected = 3.0 if kind == "edges" else np.mean([1, 1, 5, 5])
    bmae = balanced_mean_absolute_error(y_true, y_true + error, bins=bins)
    assert bmae == pytest.approx(expected)


def test_geometric_mean_equals_its_product():
    y_true, y_pred = data()
    product = math.prod(abs(p - y) for p, y in zip(y_pred, y_true, strict=True))
    expected = product ** (1 / len(y_true))
    assert geometric_mean_error(y_true, y_pred) == pytest.approx(expected)


def test_geometric_mean_does_not_underflow():
    error = geometric_mean_error(np.zeros(5000), np.full(5000, 1e-3))
    assert error == pytest.approx(1e-3)


def test_geometric_mean_is_zero_with_one_exact_hit_unless_it_has_a_floor():
    assert geometric_mean_error([0, 0], [0, 4]) == 0
    assert geometric_mean_error([0, 0], [0, 4], floor=1) == pytest.approx(2)
    # A sample without weight is not there.
    assert geometric_mean_error([0, 0], [0, 4], sample_weight=[0, 1]) == pytest.approx(
        4
    )


def test_depth_errors_equal_their_formulas():
    rng = np.random.default_rng(2)
    y, p = rng.uniform(0.5, 9, (2, 40))
    pairs = list(zip(y.tolist(), p.tolist(), strict=True))
    assert absolute_relative_error(y, p) == pytest.approx(
        np.mean([abs(b - a) / a for a, b in pairs])
    )
    assert logarithmic_error(y, p) == pytest.approx(
        np.mean([abs(math.log10(b) - math.log10(a)) for a, b in pairs])
    )
    for power in (1, 2, 3):
        near = np.mean([max(a / b, b / a) < 1.25**power for a, b in pairs])
        assert delta_accuracy(y, p, threshold=1.25**power) == pytest.approx(near)


def test_delta_accuracy_counts_a_prediction_that_is_not_positive_as_a_miss():
    assert delta_accuracy([1, 1, 1], [-1, 0, 1]) == pytest.approx(1 / 3)
    assert delta_accuracy([1.0], [1.25]) == 0  # the factor itself is out


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 5), st.floats(0.5, 30, width=32), st.integers(0, 3)),
        min_size=1,
        max_size=20,
    )
)
def test_weight_equals_repetition(metric, rows):
    rows = [*rows, (1, 2.0, 4), (3, 1.5, 4), (60, 50.0, 1)]  # an outlier, for sera
    y_true, y_pred, weight = (np.array(column) for column in zip(*rows, strict=True))
    weighted = metric(y_true, y_pred, sample_weight=weight)
    repeated = metric(np.repeat(y_true, weight), np.repeat(y_pred, weight))
    assert weighted == pytest.approx(repeated, rel=1e-9)


@pytest.mark.parametrize("bins", ["unique", 3, [0.0, 2.0, 5.0]], ids=str)
def test_weight_equals_repetition_in_bins(bins):
    y_true, y_pred = data()
    weight = np.random.default_rng(3).integers(0, 4, y_true.size)
    repeat = np.repeat(y_true, weight), np.repeat(y_pred, weight)
    for metric in (balanced_mean_absolute_error, balanced_root_mean_squared_error):
        weighted = metric(y_true, y_pred, sample_weight=weight, bins=bins)
        assert weighted == pytest.approx(metric(*repeat, bins=bins))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_metric_takes_columns_and_lists_and_answers_with_a_float(metric):
    y_true, y_pred = [1.0, 2.0, 2.0, 3.0, 30.0], [1.5, 1.0, 2.5, 3.5, 3.0]
    columns = np.array(y_true)[:, None], np.array(y_pred, dtype=np.float32)[:, None]
    assert type(metric(y_true, y_pred)) is float
    assert metric(*columns) == pytest.approx(metric(y_true, y_pred))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_metric_refuses_wrong_input(metric):
    good = [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="3 targets and 2 predictions"):
        metric(good, good[:2])
    with pytest.raises(ValueError, match=r"y_pred must be finite"):
        metric(good, [1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match=r"y_true must be finite"):
        metric([1.0, np.inf, 2.0], good)
    with pytest.raises(ValueError, match=r"y_true must hold at least one"):
        metric([], [])
    with pytest.raises(ValueError, match=r"must not be negative"):
        metric(good, good, sample_weight=[1, -1, 1])


def test_relative_errors_refuse_targets_that_are_not_positive():
    for metric in (absolute_relative_error, delta_accuracy, logarithmic_error):
        with pytest.raises(
            ValueError, match=f"{metric.__name__} needs positive targets"
        ):
            metric([0.0, 1.0], [1.0, 1.0])
        # Left out, the sample does no harm.
        metric([0.0, 1.0], [1.0, 1.0], sample_weight=[0, 1])
    with pytest.raises(ValueError, match=r"needs positive predictions"):
        logarithmic_error([1.0], [-1.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": "distinct"}, "bins must be 'unique', a number of bins or"),
        ({"bins": None}, "bins must be 'unique', a number of bins or"),
        ({"bins": 2.5}, "bins must be 'unique', a number of bins or"),
        ({"bins": 0}, "bins must be at least 1; got 0"),
        ({"bins": [1.0, 1.0, 2.0]}, "strictly increasing"),
        ({"bins": [1.0, np.nan]}, "strictly increasing"),
        ({"bin_width": -1}, "bin_width must be a positive number; got -1"),
        ({"bin_width": 1e-9}, "Set a larger bin_width"),
        ({"bin_width": 1.0, "bins": 3}, "either bins or bin_width"),
    ],
)
def test_bins_are_refused_with_a_reason(options, message):
    with pytest.raises(ValueError, match=message):
        balanced_mean_absolute_error([1.0, 2.0], [1.0, 2.0], **options)


@pytest.mark.parametrize("y", [[1e300], [1e17, 1e17 + 1000], [1.0, 1e300]], ids=str)
def test_width_that_does_not_tell_large_targets_apart_is_refused(y):
    with pytest.raises(ValueError, match=r"Set a larger bin_width\."):
        balanced_mean_absolute_error(y, y, bin_width=1.0)


def test_number_of_bins_that_do_not_fit_between_targets_is_as_many_as_do():
    y_true, y_pred = [0.3, 0.1 + 0.2], [0.0, 0.0]
    error = balanced_mean_absolute_error(y_true, y_pred, bins=10)
    assert error == pytest.approx(0.3)


def test_other_options_are_refused_with_a_reason():
    with pytest.raises(ValueError, match=r"floor must be a number"):
        geometric_mean_error([1.0], [1.0], floor=-1)
    with pytest.raises(ValueError, match=r"threshold must be a number above 1"):
        delta_accuracy([1.0], [1.0], threshold=0.8)
