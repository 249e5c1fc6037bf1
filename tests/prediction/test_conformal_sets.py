"""The arithmetic of split conformal intervals against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_hca.prediction import (
    conformal_hull,
    conformal_margin,
    conformity_scores,
    least_calibration_samples,
    pool_regions,
)


def test_scores_of_intervals_without_width_are_absolute_residuals():
    y, answer = np.random.default_rng(0).normal(size=(2, 50))
    scores = conformity_scores(y, np.stack([answer, answer], axis=1))
    np.testing.assert_array_equal(scores, np.abs(y - answer))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(-2, 2))
def test_score_is_the_margin_that_just_covers(y, lower):
    y = np.array(y)
    interval = np.stack([np.full(y.shape, lower), np.full(y.shape, lower + 1)], axis=1)
    scores = conformity_scores(y, interval)
    for slack, holds in ((1e-9, True), (-1e-9, False)):
        wide = interval + (scores + slack)[:, np.newaxis] * [-1, 1]
        assert (((wide[:, 0] <= y) & (y <= wide[:, 1])) == holds).all()


@pytest.mark.parametrize("n", [9, 19, 20, 57])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_margin_covers_one_of_exchangeable_scores_as_often_as_it_says(n, coverage):
    """Leave each of n + 1 distinct scores out in turn: what the theorem counts."""
    scores = np.random.default_rng(n).permutation(n + 1).astype(float)
    covered = [
        scores[i] <= conformal_margin(np.delete(scores, i), coverage)
        for i in range(n + 1)
    ]
    assert coverage <= np.mean(covered) + 1e-12
    assert np.mean(covered) < coverage + 1 / (n + 1)


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99])
def test_margin_is_finite_from_the_least_number_on(coverage):
    least = least_calibration_samples(coverage)
    assert np.isfinite(conformal_margin(np.arange(float(least)), coverage))
    assert conformal_margin(np.arange(float(least - 1)), coverage) == np.inf


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1), st.data()
)
def test_pooled_regions_hold_enough_or_are_one(bins, data):
    regions, counts = np.array(bins).T
    least = data.draw(st.integers(0, 60))
    pooled = pool_regions(regions, counts, least)
    sizes = [counts[pooled == region].sum() for region in np.unique(pooled)]
    assert len(sizes) == 1 or min(sizes) >= least
    # What was together stays together, and in order.
    for first, second in zip(
        np.argsort(regions)[:-1], np.argsort(regions)[1:], strict=True
    ):
        assert pooled[first] <= pooled[second]
        assert regions[first] < regions[second] or pooled[first] == pooled[second]


halves = st.integers(-8, 8).map(lambda number: number / 2)


@given(
    st.lists(halves, min_size=1, max_size=5),
    st.lists(halves, min_size=6, max_size=6),
    halves,
    st.integers(0, 4),
)
def test_hull_spans_all_targets_within_the_margin_of_their_region(
    inner, margins, lower, width
):
    borders = np.array([-np.inf, *np.unique(inner), np.inf])
    margins = np.array(margins[: len(borders) - 1])
    interval = np.array([[lower, lower + width]])
    hull = conformal_hull(interval, margins, borders)[0]
    y = np.linspace(-14, 14, 113)
    region = np.searchsorted(borders[1:-1], y, side="left")
    score = conformity_scores(y, np.repeat(interval, len(y), axis=0))
    covered = y[score <= margins[region]]
    if len(covered) == 0:
        np.testing.assert_array_equal(hull, np.full(2, lower + width / 2))
    else:
        # The border itself, from which a region is open, is not on this grid of y.
        assert covered.min() - 0.25 <= hull[0] <= covered.min()
        assert hull[1] == covered.max()


def test_hull_of_one_region_adds_its_margin():
    interval = np.array([[0.0, 2.0], [1.0, 5.0]])
    whole = np.array([-np.inf, np.inf])
    widened = conformal_hull(interval, np.array([0.5]), whole)
    np.testing.assert_array_equal(widened, [[-0.5, 2.5], [0.5, 5.5]])
    narrowed = conformal_hull(interval, np.array([-1.5]), whole)
    np.testing.assert_array_equal(narrowed, [[1.0, 1.0], [2.5, 3.5]])
    endless = conformal_hull(interval, np.array([np.inf]), whole)
    np.testing.assert_array_equal(endless, [[-np.inf, np.inf]] * 2)
