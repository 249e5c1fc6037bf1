"""Binned distributions against their distribution function written out."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sk_hca.base import LevelClasses
from sk_hca.prediction import (
    BinnedDistribution,
    decode_quantile,
    decode_quantiles,
    make_decoder,
)

EDGES = np.array([-1.0, 0.0, 0.5, 2.0, 6.0, 7.0])
VALUES = np.array([-0.3, 0.2, 1.5, 3.0, 6.4])
LEVELS = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw(tail=(), n=16, scale=1.5):
    """Distributions, the same every time."""
    logits = scale * np.random.default_rng(4).normal(size=(n, 5, *tail))
    p = np.exp(logits)
    return BinnedDistribution(p / p.sum(axis=1, keepdims=True), EDGES, VALUES)


def draw_targets(tail=(), n=16):
    """Targets inside the borders, on them, and beyond."""
    return np.random.default_rng(5).uniform(-3, 9, size=(n, *tail))


def cdf_written_out(p, edges, values, y):
    """Half of each class's probability lies on either side of its value."""
    height = 0.0
    for p_c, lower, value, upper in zip(p, edges, values, edges[1:], strict=False):
        for start, end in ((lower, value), (value, upper)):
            inside = (y - start) / (end - start) if end > start else y >= start
            height += p_c / 2 * np.clip(inside, 0, 1)
    return height


@st.composite
def distributions(draw):
    """One distribution; classes may be unlikely, narrow, and have values on borders."""
    n_classes = draw(st.integers(1, 6))
    numbers = {"min_size": n_classes, "max_size": n_classes}
    widths = draw(st.lists(st.floats(1e-3, 1e3), **numbers))
    places = draw(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), **numbers))
    weights = draw(st.lists(st.sampled_from([0.0, 1e-9, 0.3, 1.0]), **numbers))
    edges = np.array([0.0, *np.cumsum(widths)]) - draw(st.floats(-10, 10))
    values = edges[:-1] + np.array(places) * np.diff(edges)
    p = np.array(weights) + (sum(weights) == 0)
    return BinnedDistribution([p], edges, np.clip(values, edges[:-1], edges[1:]))


# ------------------------------------------------------------- line and density


@each_tail
def test_cdf_is_half_of_a_class_on_either_side_of_its_value(tail):
    distribution, y = draw(tail), draw_targets(tail)
    p = np.moveaxis(distribution.probabilities, 1, -1).reshape(-1, 5)
    expected = [
        cdf_written_out(pair[0], EDGES, VALUES, pair[1])
        for pair in zip(p, y.ravel(), strict=True)
    ]
    np.testing.assert_allclose(distribution.cdf(y).ravel(), expected, atol=1e-12)


@each_tail
def test_density_is_the_slope_of_the_cdf(tail):
    distribution, y = draw(tail), draw_targets(tail)
    knots = np.sort(np.concatenate([EDGES, VALUES]))
    far_from_knots = np.abs(y[..., np.newaxis] - knots).min(axis=-1) > 1e-4
    step = 1e-6
    slope = (distribution.cdf(y + step) - distribution.cdf(y - step)) / (2 * step)
    density = distribution.pdf(y)
    np.testing.assert_allclose(
        density[far_from_knots], slope[far_from_knots], rtol=1e-6, atol=1e-8
    )


@given(distributions())
def test_density_integrates_to_one(distribution):
    knots = np.unique(np.concatenate([distribution.edges, distribution.values]))
    middles = (knots[1:] + knots[:-1]) / 2
    mass = distribution.pdf(middles[np.newaxis]) * np.diff(knots)
    np.testing.assert_allclose(mass.sum(), 1.0, rtol=1e-9)
    assert (mass >= 0).all()


def test_intervals_are_closed_on_the_right():
    p = [[0.1, 0.2, 0.3, 0.25, 0.15]]
    density = BinnedDistribution(p, EDGES, VALUES).pdf(EDGES[np.newaxis])
    expected = [0.05 / 0.7, 0.05 / 0.3, 0.1 / 0.3, 0.15 / 0.5, 0.125 / 3, 0.075 / 0.6]
    np.testing.assert_allclose(density[0], expected)


# -------------------------------------------------------------------- quantiles


@each_tail
def test_quantiles_are_those_of_the_decoder(tail):
    distribution = draw(tail)
    log_p = torch.tensor(distribution.probabilities).log()
    classes = [torch.tensor(EDGES), torch.tensor(VALUES)]
    decoded = decode_quantiles(log_p, *classes, LEVELS)
    assert decoded.shape == (16, len(LEVELS), *tail)
    one_by_one = [decode_quantile(log_p, *classes, level) for level in LEVELS]
    torch.testing.assert_close(decoded, torch.stack(one_by_one, dim=1))
    np.testing.assert_allclose(distribution.quantile(LEVELS), decoded, atol=1e-12)


@given(distributions(), st.floats(0, 1))
def test_quantile_is_the_first_target_whose_cdf_reaches_the_level(distribution, level):
    y = distribution.quantile(level)
    assert distribution.edges[0] <= y <= distribution.edges[-1]
    assert distribution.cdf(y) >= level - 1e-9
    before = y - 1e-6 * np.ptp(distribution.edges)
    assert distribution.cdf(before) <= level + 1e-9


@given(distributions())
def test_quantile_rises_with_level(distribution):
    y = distribution.quantile(np.linspace(0, 1, 33))
    assert (np.diff(y, axis=1) >= 0).all()


@each_tail
def test_interval_leaves_equal_probability_out_on_either_side(tail):
    distribution = draw(tail)
    interval = distribution.interval(0.8)
    assert interval.shape == (16, 2, *tail)
    outside = distribution.cdf(interval)
    np.testing.assert_allclose(outside[:, 0], 0.1)
    np.testing.assert_allclose(outside[:, 1], 0.9)


# ---------------------------------------------------------------------- moments


@each_tail
def test_numbers_are_those_of_the_decoders(tail):
    distribution = draw(tail)
    classes = LevelClasses(
        torch.tensor(EDGES), torch.tensor(VALUES), torch.ones(5), torch.arange(5)
    )
    log_p = torch.tensor(distribution.probabilities).log()
    for answer, alias in (
        (distribution.mean(), "mean"),
        (distribution.median(), "median"),
        (distribution.mode(), "argmax"),
    ):
        assert answer.shape == (16, *tail)
        np.testing.assert_allclose(answer, make_decoder(alias)(log_p, classes))


@each_tail
def test_moments_are_those_of_the_density_where_values_are_middles(tail):
    distribution = BinnedDistribution(draw(tail).probabilities, EDGES)
    grid = np.linspace(-1, 7, 80001)[1:] - 5e-5
    y = grid.reshape(1, -1, *(1,) * len(tail))
    weight = distribution[:2].pdf(np.broadcast_to(y, (1, grid.size, *tail))) * 1e-4
    mean = (weight * y).sum(axis=1)
    np.testing.assert_allclose(distribution[:2].mean(), mean, rtol=1e-6)
    variance = (weight * (y - mean[:, np.newaxis]) ** 2).sum(axis=1)
    np.testing.assert_allclose(distribution[:2].var(), variance, rtol=1e-6)
    np.testing.assert_allclose(distribution[:2].std() ** 2, variance, rtol=1e-6)


@each_tail
def test_variance_is_that_of_the_density_wherever_values_lie(tail):
    distribution = draw(tail)[:2]
    grid = np.linspace(-1, 7, 80001)[1:] - 5e-5
    y = grid.reshape(1, -1, *(1,) * len(tail))
    weight = distribution.pdf(np.broadcast_to(y, (1, grid.size, *tail))) * 1e-4
    mean = (weight * y).sum(axis=1, keepdims=True)
    variance = (weight * (y - mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(distribution.var(), variance, rtol=1e-6)


# ----------------------------------------------------------------------- scores


@pytest.mark.parametrize("y", [-3.0, -1.0, -0.3, 0.1, 0.2, 2.0, 5.9, 7.0, 9.5])
def test_crps_equals_its_integral(y):
    distribution = draw(n=3)
    knots = np.unique(np.concatenate([EDGES, VALUES, [y]]))
    for one in distribution:
        pieces = [
            quad(lambda x, one=one: float(one.cdf(x)[0] - (x >= y)) ** 2, *piece)[0]
            for piece in pairwise(knots)
        ]
        np.testing.assert_allclose(one.crps(y), sum(pieces), rtol=1e-8)


@given(distributions(), st.floats(-0.5, 1.5))
def test_crps_is_error_less_half_the_spread_of_samples(distribution, where):
    """E|X - y| - E|X - X'| / 2, with an even grid of quantiles for X."""
    y = distribution.edges[0] + where * np.ptp(distribution.edges)
    x = distribution.quantile((np.arange(2000) + 0.5) / 2000)[0]
    rank = 2 * np.arange(2000) - 1999
    expected = np.abs(x - y).mean() - (rank * x).sum() / 2000**2
    scale = np.ptp(distribution.edges)
    np.testing.assert_allclose(distribution.crps(y), expected, atol=1e-3 * scale)


def test_crps_of_a_certain_class_at_its_border_is_an_absolute_error():
    atom = BinnedDistribution([[1.0, 0.0]], [0, 1e-12, 5], [5e-13, 3.0])
    np.testing.assert_allclose(atom.crps([[-2.0, 4.0]]), [[2.0, 4.0]], atol=1e-9)


@each_tail
def test_scores_of_a_map_are_those_of_its_places(tail):
    distribution, y = draw(tail), draw_targets(tail)
    p = np.moveaxis(distribution.probabilities, 1, -1).reshape(-1, 5)
    flat = BinnedDistribution(p, EDGES, VALUES)
    for name in ("crps", "log_score", "pdf", "logpdf", "cdf"):
        answers = getattr(distribution, name)(y)
        assert answers.shape == y.shape
        expected = getattr(flat, name)(y.ravel())
        np.testing.assert_allclose(answers.ravel(), expected, rtol=1e-12)


def test_log_score_is_minus_the_log_density():
    distribution, y = draw(), draw_targets()
    with np.errstate(divide="ignore"):
        expected = -np.log(distribution.pdf(y))
    np.testing.assert_array_equal(distribution.log_score(y), expected)
    np.testing.assert_array_equal(distribution.logpdf(y), -expected)


def test_nothing_lies_beyond_the_borders():
    distribution = draw(n=1)
    beyond = np.array([[-1.5, 7.5, -np.inf, np.inf]])
    np.testing.assert_array_equal(distribution.cdf(beyond), [[0, 1, 0, 1]])
    np.testing.assert_array_equal(distribution.pdf(beyond), np.zeros((1, 4)))
    assert (distribution.log_score(beyond) == np.inf).all()
    scores = distribution.crps([[-1.0, -1.5, -2.5, 7.0, 9.0]])[0]
    np.testing.assert_allclose(np.diff(scores)[[0, 1, 3]], [0.5, 1.0, 2.0])


# -------------------------------------------------------------- discrete targets


def test_pile_of_targets_on_a_border_is_an_atom():
    zeros = BinnedDistribution([[0.6, 0.4]], [0.0, 1.0, 3.0], [0.0, 2.0])
    np.testing.assert_allclose(
        zeros.cdf([[-1e-9, 0.0, 0.5, 1.0]]), [[0, 0.3, 0.45, 0.6]]
    )
    assert zeros.quantile(0.3) == 0.0
    np.testing.assert_allclose(zeros.pdf([[0.0, 0.5, 1.0]]), [[0.6, 0.6, 0.6]])
    assert (zeros.sample(1000, random_state=0) == 0).mean() == pytest.approx(0.3, 0.15)
    assert np.isfinite(zeros.log_score(0.0))


def test_ages_with_values_on_the_upper_borders():
    ages = BinnedDistribution([[0.2, 0.5, 0.3]], [0, 1, 2, 3], [1, 2, 3])
    np.testing.assert_allclose(
        ages.cdf([[0.5, 1.0, 1.5, 2.0]]), [[0.05, 0.2, 0.325, 0.7]]
    )
    assert ages.mean() == pytest.approx(2.1)
    assert ages.mode() == 2.0
    assert np.isfinite(ages.log_score([[0.5, 1.0, 2.5]])).all()


def test_values_beyond_the_outer_borders_move_these():
    distribution = BinnedDistribution([[0.5, 0.5]], [0.0, 1.0, 2.0], [-1.0, 4.0])
    np.testing.assert_array_equal(distribution.edges, [-1.0, 1.0, 4.0])
    decoded = decode_quantiles(
        torch.zeros(1, 2, dtype=torch.float64),
        torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64),
        torch.tensor([-1.0, 4.0], dtype=torch.float64),
        LEVELS,
    )
    np.testing.assert_allclose(distribution.quantile(LEVELS), decoded)


# ----------------------------------------------------------------------- samples


@each_tail
def test_samples_follow_the_cdf(tail):
    distribution = draw(tail, n=2)
    y = distribution.sample(20000, random_state=0)
    assert y.shape == (2, 20000, *tail)
    for target in (-0.5, 0.2, 1.0, 4.0, 6.9):
        share = (y <= target).mean(axis=1)
        np.testing.assert_allclose(share, distribution.cdf(target), atol=0.015)


def test_samples_are_repeatable_and_leave_the_global_seed():
    distribution = draw()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = distribution.sample(5, random_state=7)
    np.testing.assert_array_equal(first, distribution.sample(5, random_state=7))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# --------------------------------------------------------------- batch and shapes


@pytest.mark.parametrize(
    ("index", "picked"),
    [(3, [3]), (-1, [15]), (slice(2, 5), [2, 3, 4]), ([4, 1], [4, 1])],
)
def test_samples_can_be_selected(index, picked):
    distribution = draw()
    selected = distribution[index]
    assert len(selected) == len(picked)
    np.testing.assert_array_equal(selected.median(), distribution.median()[picked])


def test_distribution_is_a_sequence_of_its_samples():
    distribution = draw()
    assert len(distribution) == 16
    means = [one.mean()[0] for one in distribution]
    np.testing.assert_allclose(means, distribution.mean())
    assert "shape=(16,), n_classes=5, range=[-1, 7]" in repr(distribution)


def test_one_more_axis_asks_for_many_targets_per_sample():
    distribution, y = draw(), draw_targets()
    many = np.stack([y, y + 1], axis=1)
    for name in ("crps", "pdf", "cdf"):
        answers = getattr(distribution, name)
        np.testing.assert_array_equal(answers(many)[:, 1], answers(y + 1))
        assert answers(np.zeros((1, 7))).shape == (16, 7)
        np.testing.assert_array_equal(answers(0.3), answers(np.full(16, 0.3)))


def test_probabilities_are_scaled_to_sum_to_one():
    once = BinnedDistribution([[1.0, 3.0]], [0, 1, 2])
    np.testing.assert_allclose(once.probabilities, [[0.25, 0.75]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5, 0.5]], [0, 1, 1]), "edges must be .* strictly increasing order"),
        (([[0.5, 0.5]], [0, 1]), "one for each of the 1 intervals.*got shape"),
        (([0.5, 0.5], [0, 1, 2]), "must have the classes on axis 1"),
        (([[0.5, np.nan]], [0, 1, 2]), "must be finite and not negative"),
        (([[0.0, 0.0]], [0, 1, 2]), "with a positive sum"),
        (([[0.5, 0.5]], [0, 1, 2], [1.5, 1.8]), "must lie inside their classes"),
        (([[0.5, 0.5]], [0, 1, 2], [1.5]), "values must be 2 numbers"),
    ],
)
def test_bad_classes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BinnedDistribution(*arguments)


def test_bad_questions_are_refused():
    distribution = draw()
    with pytest.raises(ValueError, match=r"one target per sample, of shape \(16,\)"):
        distribution.cdf(np.zeros(3))
    with pytest.raises(ValueError, match="must not contain NaN"):
        distribution.crps(np.full(16, np.nan))
    with pytest.raises(ValueError, match=r"between 0 and 1; got 1\.5"):
        distribution.quantile(1.5)
    with pytest.raises(ValueError, match="coverage must lie between 0 and 1; got 90"):
        distribution.interval(90)


def test_skpro_gets_the_same_density():
    pytest.importorskip("skpro")
    distribution = BinnedDistribution(draw().probabilities, EDGES)
    histogram = distribution.to_skpro()
    assert histogram.shape == (16, 1)
    np.testing.assert_allclose(histogram.mean().to_numpy()[:, 0], distribution.mean())
    np.testing.assert_allclose(histogram.var().to_numpy()[:, 0], distribution.var())
    y = np.linspace(-0.9, 6.9, 16)
    density = histogram.pdf(y[:, np.newaxis]).to_numpy()[:, 0]
    np.testing.assert_allclose(density, distribution.pdf(y))


def test_skpro_does_not_know_maps():
    with pytest.raises(ValueError, match="Flatten them into samples"):
        draw((3, 2)).to_skpro()
