"""Temperature and level weights, as modes and as what held-out targets say."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.base import clone

from sk_hca import HCARegressor
from sk_hca.adjustment import (
    Distillation,
    MulAdjustment,
    TemperedAdjustment,
    VoteAdjustment,
    fit_exponents,
)
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner, assign
from sk_hca.datasets import make_imbalanced_maps, make_imbalanced_table


def fitted(n=600, n_epochs=15, **changes):
    """A model that was trained for too long, and data it has not seen."""
    X, X_new, y, y_new = make_imbalanced_table(
        n, noise=0.3, test_size=400, random_state=0
    )
    settings = {"max_epochs": n_epochs, "lr": 0.01, "batch_size": 32, "mode": "mul"}
    backbone = MLPBackbone((64,), n_pieces=0, n_frequencies=0)
    model = HCARegressor(
        backbone, binner=LinearBinner(16), random_state=0, **(settings | changes)
    )
    half = n // 2
    return model.fit(X[:half], y[:half]), X[half:], y[half:], X_new, y_new


def log_loss(model, X, y):
    """Mean negative log-probability of the right class."""
    index = assign(y, model.hierarchy_.edges_)
    return -np.log(model.predict_proba(X)[np.arange(len(y)), index]).mean()


@pytest.mark.parametrize("anchor", [None, "location"])
def test_weights_hold_the_plain_modes_as_special_cases(anchor):
    model, X, *_ = fitted(n_epochs=2, anchor=anchor)
    n_levels = len(model.hierarchy_.levels_)
    alone = [0.0] * (n_levels - 1) + [1.0]
    for weights, mode in [([1.0] * n_levels, "mul"), (alone, "none")]:
        expected = model.set_params(mode=mode).predict_proba(X)
        given = model.set_params(mode=VoteAdjustment(weights)).predict_proba(X)
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["none", "add", "mul", "marginal"])
def test_temperature_is_a_power_of_the_distribution(mode):
    model, X, *_ = fitted(n_epochs=2, mode=mode)
    p = model.predict_proba(X)
    tempered = model.set_params(mode=TemperedAdjustment(mode, 2.0)).predict_proba(X)
    expected = np.sqrt(p) / np.sqrt(p).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(tempered, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("anchor", [None, "location"])
@pytest.mark.parametrize("by", ["temperature", "levels"])
def test_calibration_makes_new_targets_more_probable(by, anchor):
    model, X, y, X_new, y_new = fitted(anchor=anchor)
    calibrated = model.calibrate(X, y, by=by)
    assert log_loss(calibrated, X, y) <= log_loss(model, X, y)
    assert log_loss(calibrated, X_new, y_new) < log_loss(model, X_new, y_new)
    assert model.mode == "mul"
    assert calibrated.net_ is model.net_


def test_weights_of_levels_fit_no_worse_than_their_special_cases():
    model, X, y, *_ = fitted()
    best = log_loss(model.calibrate(X, y, by="levels"), X, y)
    for mode in ("none", "mul"):
        model.set_params(mode=mode)
        assert best <= log_loss(model.calibrate(X, y), X, y) + 1e-6


def test_model_that_is_too_sure_is_made_less_sure():
    model, X, y, *_ = fitted()
    assert model.calibrate(X, y).mode.temperature > 1.1


def test_weights_of_samples_are_repetitions():
    model, X, y, *_ = fitted(n_epochs=2)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    one = model.calibrate(X, y, sample_weight=weight)
    other = model.calibrate(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert one.mode.temperature == pytest.approx(other.mode.temperature, rel=1e-4)


def test_exponents_are_where_the_slope_is_zero():
    rng = np.random.default_rng(0)
    log_scores = rng.normal(size=(2000, 3, 5))
    logits = log_scores @ np.eye(5) * np.array([0.5, 1.0, 2.0])[:, None]
    p = np.exp(log_softmax(logits.sum(axis=1), axis=1))
    index = np.array([rng.choice(5, p=row) for row in p])
    found = fit_exponents(log_scores, index)
    weights = torch.tensor(found, requires_grad=True)
    scores = torch.einsum("nhc,h->nc", torch.tensor(log_scores), weights)
    torch.nn.functional.cross_entropy(scores, torch.tensor(index)).backward()
    assert weights.grad.abs().max() < 1e-3
    np.testing.assert_allclose(found, [0.5, 1.0, 2.0], atol=0.2)


def test_maps_with_holes_are_calibrated():
    X, y = make_imbalanced_maps(6, 12, random_state=0)
    y = y.copy()
    y[:, :4] = np.nan
    network = torch.nn.Conv2d(1, 6, 3, padding=1)
    model = HCARegressor(network, max_epochs=2, random_state=0).fit(X[:4], y[:4])
    calibrated = model.calibrate(X[4:], y[4:])
    assert np.isfinite(calibrated.mode.temperature)
    assert calibrated.predict(X).shape == y.shape


def test_calibrated_mode_is_balanced_searched_and_cloned():
    model, X, y, *_ = fitted(n_epochs=2)
    calibrated = model.calibrate(X, y).set_params(balance=0.5)
    assert np.isfinite(calibrated.predict(X)).all()
    searched = clone(calibrated).set_params(mode__temperature=3.0)
    assert searched.mode.temperature == 3.0
    assert isinstance(searched.mode.mode, MulAdjustment)


def test_what_cannot_be_calibrated_is_refused():
    model, X, y, *_ = fitted(n_epochs=1)
    with pytest.raises(ValueError, match="by must be one of"):
        model.calibrate(X, y, by="hope")
    student = model.readjust("distill", X, y)
    with pytest.raises(ValueError, match="calibrate is for modes without a student"):
        student.calibrate(X, y)
    with pytest.raises(ValueError, match="one finite number per level"):
        model.set_params(mode=VoteAdjustment([1.0])).predict(X)
    with pytest.raises(ValueError, match="'mode' parameter of TemperedAdjustment"):
        clone(model).set_params(mode=TemperedAdjustment("distill")).fit(X, y)
    with pytest.raises(ValueError, match="takes a mode without a student"):
        model.set_params(mode=TemperedAdjustment(Distillation())).predict(X)
