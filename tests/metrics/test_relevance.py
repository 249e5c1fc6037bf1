"""SERA: relevance by box plot, and an integral that is a sum."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.metrics import relevance_function, sera


def skewed(seed=0, n=400):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(size=n)
    return y, y + rng.normal(size=n)


def test_sera_equals_the_integral_over_thresholds():
    y_true, y_pred = skewed()
    phi = relevance_function(y_true)(y_true)
    squared = (y_pred - y_true) ** 2
    thresholds = (np.arange(20_000) + 0.5) / 20_000
    order = np.argsort(phi)
    above = np.cumsum(squared[order][::-1])[::-1]  # squared error of phi >= each phi
    first = np.searchsorted(phi[order], thresholds)
    at_threshold = np.append(above, 0.0)[first]
    assert sera(y_true, y_pred) == pytest.approx(at_threshold.mean(), rel=1e-4)


def test_relevance_follows_the_box_plot():
    y = np.sort(skewed(n=401)[0])  # odd quarters: quartiles are observations
    lower, median, upper = y[100], y[200], y[300]
    points = relevance_function(y).points
    whisker = y[y <= upper + 1.5 * (upper - lower)].max()
    np.testing.assert_allclose(points, [[y[0], 0], [median, 0], [whisker, 1]])
    relevance = relevance_function(y)
    assert (relevance(y[y <= median]) == 0).all()
    assert (relevance(y[y >= whisker]) == 1).all()


def test_relevance_has_a_side_for_each_kind_of_outlier():
    middle = np.linspace(-1, 1, 21)
    both = relevance_function([-9.0, *middle, 9.0])
    assert both(np.array([-9.0, -1.0, 0.0, 1.0, 9.0])).tolist() == [1, 1, 0, 1, 1]
    low = relevance_function([-9.0, *middle])
    assert low(np.array([-9.0, 1.0, 9.0])).tolist() == [1, 0, 0]


def test_relevance_of_mostly_equal_targets_starts_at_the_next_one():
    relevance = relevance_function([0.0] * 80 + [1.0, 3.0])
    assert relevance(np.array([0.0, 1.0, 3.0])).tolist() == [0, 1, 1]


@settings(deadline=None)
@given(
    levels=st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=6),
    seed=st.integers(0, 100),
)
def test_relevance_meets_its_points_and_is_monotone_between_them(levels, seed):
    rng = np.random.default_rng(seed)
    targets = np.cumsum(rng.uniform(0.1, 5, len(levels))) - 5
    relevance = relevance_function(points=np.column_stack([targets, levels]))
    np.testing.assert_allclose(relevance(targets), levels, atol=1e-12)
    assert relevance(np.array([targets[0] - 99])) == pytest.approx(levels[0])
    assert relevance(np.array([targets[-1] + 99])) == pytest.approx(levels[-1])
    for piece in range(len(levels) - 1):
        inside = relevance(np.linspace(targets[piece], targets[piece + 1], 30))
        direction = np.sign(levels[piece + 1] - levels[piece])
        assert (np.diff(inside) * direction >= -1e-9).all()


def test_training_targets_decide_the_relevance():
    y_train, _ = skewed(seed=1)
    y_true, y_pred = skewed(n=50)
    expected = (relevance_function(y_train)(y_true) * (y_pred - y_true) ** 2).sum()
    assert sera(y_true, y_pred, y_train=y_train) == pytest.approx(expected)
    counted = np.unique(y_train, return_counts=True)
    assert sera(y_true, y_pred, y_train=counted) == pytest.approx(expected)
    relevance = pickle.loads(pickle.dumps(relevance_function(y_train)))
    assert sera(y_true, y_pred, relevance=relevance) == pytest.approx(expected)


@pytest.mark.parametrize("unit", [0.1, 0.3, 0.7, 1 / 3, 1.1])
@pytest.mark.parametrize("n", [40, 50, 61])
def test_unit_of_the_weights_makes_no_difference(unit, n):
    y, y_pred = skewed(n=n)
    points = relevance_function((y, np.ones(n))).points
    np.testing.assert_array_equal(
        relevance_function((y, np.full(n, unit))).points, points
    )
    weighed = sera(y, y_pred, sample_weight=np.full(n, unit))
    assert weighed == pytest.approx(unit * sera(y, y_pred))


@pytest.mark.parametrize("exponent", [-1000, -60, 60, 1000])
def test_relevance_does_not_depend_on_the_unit(exponent):
    y, _ = skewed()
    scaled = np.ldexp(y, exponent)
    phi = relevance_function(scaled)(scaled)
    np.testing.assert_array_equal(phi, relevance_function(y)(y))


def test_relevance_may_be_any_callable_or_points():
    y_true, y_pred = skewed(n=50)
    squared = (y_pred - y_true) ** 2
    assert sera(y_true, y_pred, relevance=np.ones_like) == pytest.approx(squared.sum())
    constant = sera(y_true, y_pred, relevance=[[1.0, 0.25]])
    assert constant == pytest.approx(squared.sum() / 4)


def test_relevance_is_refused_with_a_reason():
    y = np.arange(9.0)
    with pytest.raises(ValueError, match="targets without outliers is 0 everywhere"):
        sera(y, y)
    with pytest.raises(ValueError, match=r"one number in \[0, 1\] for each target"):
        sera(y, y, relevance=lambda y: y)
    with pytest.raises(ValueError, match=r"one number in \[0, 1\] for each target"):
        sera(y, y, relevance=lambda y: np.ones(3))
    with pytest.raises(ValueError, match=r"of shape \(n_points, 2\); got shape \(3,\)"):
        sera(y, y, relevance=[1, 2, 3])
    for points in ([[1, 0], [1, 1]], [[0, 0], [1, 2]], [[0, np.nan]]):
        with pytest.raises(ValueError, match="strictly increasing targets"):
            sera(y, y, relevance=points)
    with pytest.raises(ValueError, match="y_train or given as relevance; got both"):
        sera(y, y, y_train=y, relevance=np.ones_like)
    with pytest.raises(ValueError, match="either y_train or points"):
        relevance_function()
    with pytest.raises(ValueError, match="whisker must be a number"):
        relevance_function(y, whisker=-1)
