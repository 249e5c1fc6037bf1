"""Weights of targets: the authors' values, the formulas, and what cannot go wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve1d
from sklearn.linear_model import Ridge

from sk_hca.base import smoothing_window
from sk_hca.targets import (
    WEIGHTINGS,
    BaseWeighting,
    LDSWeighting,
    dense_weights,
    lds_weights,
    make_weighting,
)

AGE_EDGES = np.arange(122) - 0.5
SETTINGS = [
    (reweight, *window)
    for reweight in ("sqrt_inverse", "inverse")
    for window in (
        (None, 5, 2),
        ("gaussian", 5, 2),
        ("gaussian", 9, 1),
        ("triang", 5, 2),
        ("laplace", 5, 2),
    )
]

targets = arrays(
    np.float64,
    st.integers(1, 40),
    elements=st.one_of(st.floats(-1e300, 1e300), st.integers(-3, 3).map(float)),
)


def age_weights(ages, reweight, kernel, size, sigma):
    """Our weights with the settings of the release."""
    return lds_weights(
        ages,
        AGE_EDGES,
        kernel=kernel or "gaussian",
        size=size,
        sigma=sigma,
        reweight=reweight,
        smooth=kernel is not None,
        clip=(5, 1000) if reweight == "inverse" else None,
    )


def smoothed_age_counts(ages, reweight, kernel, size, sigma, whole):
    """The formula written out; the release keeps whole numbers whole."""
    counts = np.bincount(ages, minlength=121)
    counts = np.sqrt(counts) if reweight == "sqrt_inverse" else counts.clip(5, 1000)
    if not whole:
        counts = counts.astype(float)
    if kernel is not None:
        window = smoothing_window(kernel, size, sigma)
        counts = convolve1d(counts, window, mode="constant")
    return counts


def slow_dense_weights(y, alpha):
    """DenseWeight with a density that is summed over all pairs."""
    width = 1.06 * y.std() * len(y) ** -0.2
    density = np.exp(-0.5 * ((y[:, None] - y) / width) ** 2).sum(axis=1)
    density = (density - density.min()) / np.ptp(density)
    weight = np.maximum(1 - alpha * density, 1e-6)
    return weight / weight.mean()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_lds_weights_equal_the_formula(load_oracle, settings):
    ages = load_oracle("lds_weights.npz")["ages"]
    counts = smoothed_age_counts(ages, *settings, whole=False)
    expected = 1 / counts[ages]
    weight = age_weights(ages, *settings)
    np.testing.assert_allclose(weight, expected / expected.mean(), rtol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_lds_weights_match_the_release_but_for_its_rounding(load_oracle, settings):
    """The release rounds weights to single precision, and smoothed counts down.

    Counts are whole where their roots are not taken, and stay so when it smooths them.
    """
    oracle = load_oracle("lds_weights.npz")
    ages = oracle["ages"]
    reweight, kernel, size, sigma = settings
    name = {"sqrt_inverse": "sqrt_inv"}.get(reweight, reweight)
    released = oracle[f"{name}-{kernel}-{size}-{sigma}"]
    exact, whole = (
        smoothed_age_counts(ages, *settings, whole=whole) for whole in (False, True)
    )
    # Ours, in the unit of the release and with the rounding of its counts.
    weight = age_weights(ages, *settings) * (1 / exact[ages]).mean()
    weight = (weight * exact[ages] / whole[ages]).astype(np.float32)
    weight *= len(ages) / weight.sum()
    np.testing.assert_allclose(weight, released, atol=1e-9)


@given(y=targets, bins=st.sampled_from([1, 2, 10, "unique"]), data=st.data())
def test_lds_weights_are_finite_and_of_mean_one(y, bins, data):
    """Bins of one sample, equal targets, negative and immense ranges."""
    weight = lds_weights(
        y,
        bins,
        kernel=data.draw(st.sampled_from(["gaussian", "triang", "laplace"])),
        size=data.draw(st.sampled_from([1, 5, 9])),
        reweight=data.draw(st.sampled_from(["inverse", "sqrt_inverse"])),
        smooth=data.draw(st.booleans()),
        clip=data.draw(st.sampled_from([None, (5, 1000)])),
    )
    assert weight.shape == y.shape
    assert np.isfinite(weight).all()
    assert (weight > 0).all()
    assert weight.mean() == pytest.approx(1)


@given(y=targets, alpha=st.floats(0, 3))
def test_dense_weights_are_finite_and_of_mean_one(y, alpha):
    weight = dense_weights(y, alpha)
    assert weight.shape == y.shape
    assert np.isfinite(weight).all()
    assert (weight > 0).all()
    assert weight.mean() == pytest.approx(1)


@given(
    y=arrays(np.float64, 8, elements=st.integers(-4, 4).map(float)),
    repeats=arrays(np.int64, 8, elements=st.integers(0, 3)).filter(np.any),
    alias=st.sampled_from(sorted(WEIGHTINGS)),
)
def test_weight_of_two_is_a_target_given_twice(y, repeats, alias):
    weighting = make_weighting(alias)
    repeated = weighting.weigh(np.repeat(y, repeats))
    weighed = weighting.weigh(y, repeats.astype(float))
    np.testing.assert_allclose(np.repeat(weighed, repeats), repeated, rtol=1e-9)
    assert not weighed[repeats == 0].any()


def test_weights_of_bins_between_open_borders():
    y = [-900.0, -1.0, -1.0, 5.0, 1e6, 2e6]
    weight = lds_weights(
        y, [-np.inf, -5.0, 0.0, np.inf], reweight="inverse", smooth=False
    )
    np.testing.assert_allclose(weight, [2, 1, 1, 2 / 3, 2 / 3, 2 / 3])


def test_unique_bins_hold_one_distinct_target_each():
    weight = lds_weights(
        [0.1, 0.1, 0.2, 7.0], "unique", reweight="inverse", smooth=False
    )
    np.testing.assert_allclose(weight, np.array([1, 1, 2, 2]) / 1.5)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "whole"])
def test_dense_weights_equal_the_sum_over_all_pairs(shape, alpha):
    generator = np.random.default_rng(0)
    y = {
        "normal": generator.normal(-50, 3, 800),
        "lognormal": generator.lognormal(0, 1.5, 800),
        "whole": generator.poisson(4, 800).astype(float),
    }[shape]
    expected = slow_dense_weights(y, alpha)
    np.testing.assert_allclose(dense_weights(y, alpha), expected, atol=2e-3)


def test_dense_weights_fall_where_targets_are_dense():
    y = np.concatenate([np.linspace(0, 1, 50), [5.0, 9.0]])
    weight = dense_weights(y)
    assert weight[[-2, -1]].min() > weight[0] > weight[25] > 0
    np.testing.assert_array_equal(dense_weights(y, alpha=0), np.ones(52))


def test_weights_serve_any_regressor():
    y = np.append(np.zeros(99), 10.0)
    X = y[:, None] ** 2
    weight = lds_weights(y, 10, reweight="inverse", smooth=False)
    plain, weighed = Ridge(1e3).fit(X, y), Ridge(1e3).fit(X, y, sample_weight=weight)
    assert abs(weighed.predict(X[-1:]) - 10) < abs(plain.predict(X[-1:]) - 10)


@pytest.mark.parametrize(
    "bins", [[1.0], [2.0, 1.0], [0.0, np.nan, 1.0], [[0.0, 1.0]]], ids=str
)
def test_lds_weights_refuse_what_cannot_be_bins(bins):
    with pytest.raises(ValueError, match="Bins must be an int, 'unique', or one row"):
        lds_weights([1.0, 2.0], bins)


@pytest.mark.parametrize("clip", [(5,), (3, 1), (0, 0), (-1, 2)], ids=str)
def test_lds_weights_refuse_what_cannot_be_a_clip(clip):
    with pytest.raises(ValueError, match="clip must be a pair"):
        lds_weights([1.0, 2.0], 2, clip=clip)


def test_make_weighting_knows_aliases_and_objects():
    assert make_weighting(None) is None
    assert make_weighting("sqrt_inverse").reweight == "sqrt_inverse"
    given_ = LDSWeighting(20, kernel="laplace")
    made = make_weighting(given_)
    assert made is not given_
    assert made.get_params() == given_.get_params()
    with pytest.raises(ValueError, match="weighting must be one of 'inverse'"):
        make_weighting("ldss")
    with pytest.raises(ValueError, match="'size' parameter of LDSWeighting must be"):
        make_weighting(LDSWeighting(size=0))
    with pytest.raises(TypeError, match="BaseWeighting must define weigh"):
        BaseWeighting().weigh(np.ones(2))
