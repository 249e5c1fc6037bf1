"""Densities of the training targets: weights are repetitions, no target is too odd."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.losses import binned_integration
from sk_hca.losses._densities import histogram, mixture


@pytest.mark.parametrize(("density", "n"), [(mixture, 8), (histogram, 100)])
def test_weight_counts_as_repetitions_to_the_last_bit(density, n):
    rng = np.random.default_rng(0)
    y, times = rng.integers(0, 9, size=40) / 7, rng.integers(1, 4, size=40)
    repeated = density(np.repeat(y, times)[::-1], None, n)
    weighted = density(y, times.astype(float), n)
    tolerance = 0 if density is mixture else 1e-15
    for part, other in zip(repeated, weighted, strict=True):
        np.testing.assert_allclose(part, other, rtol=tolerance, atol=0)


def test_mixture_finds_the_modes():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1, 3000), rng.normal(20, 2, 1000)])
    means, spreads, shares = mixture(y, None, 2)
    order = means.argsort()
    np.testing.assert_allclose(means[order], [0, 20], atol=0.3)
    np.testing.assert_allclose(spreads[order], [1, 2], atol=0.2)
    np.testing.assert_allclose(shares[order], [0.75, 0.25], atol=0.02)


def test_mixture_follows_the_unit_of_the_targets():
    y = np.random.default_rng(0).gamma(2.0, size=200)
    means, spreads, shares = mixture(y, None, 4)
    scaled = mixture(8 * y, None, 4)
    np.testing.assert_allclose(scaled[0], 8 * means)
    np.testing.assert_allclose(scaled[1], 8 * spreads)
    np.testing.assert_allclose(scaled[2], shares)


@settings(max_examples=40)
@given(
    values=st.lists(
        st.floats(-1e300, 1e300, allow_subnormal=False), min_size=1, max_size=6
    ),
    n=st.integers(1, 30),
)
def test_any_targets_have_a_finite_mixture(values, n):
    y = np.resize(np.array(values), n)
    means, spreads, shares = mixture(y, None, 8)
    assert len(means) <= len(np.unique(y))
    for part in (means, spreads, shares):
        assert np.isfinite(part).all()
    assert (shares > 0).all()
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("density", [mixture, histogram])
def test_equal_targets_are_one_component(density):
    assert density(np.full(9, 3.0), None, 8) == (3.0, 0.0, 1.0)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_mixture_of_one_value_at_all_quantiles_has_no_unit(unit):
    y = unit * np.append(np.zeros(4999), 1.0)
    assert mixture(y, None, 8) == (0.0, 0.0, 1.0)


def test_histogram_leaves_empty_bins_out_and_keeps_the_ends():
    y = np.array([0.0, 0.1, 4.1, 4.3, 9.2, 10.0])
    means, spreads, shares = histogram(y, None, 10)
    np.testing.assert_allclose(means, [0.0, 4.2, 10.0])
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 3])
    assert not spreads.any()


@pytest.mark.parametrize("side", [-1, 1])
def test_no_prediction_gains_by_running_away_from_a_histogram(side):
    y = side * np.random.default_rng(0).gamma(2.0, size=500)
    centers, _, shares = map(torch.from_numpy, histogram(y, None, 100))
    target = torch.from_numpy(y)
    losses = [
        [
            binned_integration(one + distance, one, 0.1, centers, shares).item()
            for one in target.split(1)
        ]
        for distance in (-10 * side, -100 * side, -1000 * side)  # past the crowded end
    ]
    for near, farther in pairwise(losses):
        assert (np.subtract(farther, near) >= -1e-6).all()
