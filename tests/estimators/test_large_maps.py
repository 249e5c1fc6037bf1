"""Large maps: logits are made part by part, and nothing else changes."""

import numpy as np
import pytest
import torch
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import _streaming
from sk_hca.base import StreamedOutput
from sk_hca.datasets import make_imbalanced_maps
from sk_hca.estimators._stages import LevelCriterion


def maps(seed=0):
    """A few small maps with holes."""
    X, y = make_imbalanced_maps(12, 16, random_state=seed)
    y = y.copy()
    y[np.random.default_rng(seed).random(y.shape) < 0.2] = np.nan
    y[0, :10] = np.nan
    return X.astype(np.float32), y


def convolution(seed=0):
    """A network that gives a feature map as large as the image."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())


def regressor(kind=HCARegressor, **changes):
    """A small regressor of maps, in double precision."""
    settings = {"max_epochs": 2, "batch_size": 5, "precision": "fp64"}
    return kind(convolution(), random_state=0, **(settings | changes))


@pytest.fixture
def streaming(monkeypatch):
    """Let three rows of the small maps be large already; count what is promised."""
    promised = []

    def watched(*given):
        promised.append(given)
        return StreamedOutput(*given)

    def start():
        monkeypatch.setattr(_streaming, "MOST_ON_CPU", 3 * 5 * 16 * 70)
        monkeypatch.setattr(_streaming, "StreamedOutput", watched)
        return promised

    return start


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "distill"},
        {"anchor": None, "mode": "add", "labels": "one_hot"},
        {"n_estimators": 2},
        {"validation_fraction": 0.25, "detach_heads": True},
        {"penalty": "ranksim"},
        {"smoother": "fds"},
        {"decoder": "argmax", "balance": 0.5},
    ],
    ids=str,
)
def test_parts_of_maps_teach_and_answer_as_the_whole_does(changes, streaming):
    X, y = maps()
    whole = regressor(**changes).fit(X, y)
    expected = whole.predict(X), whole.predict_quantiles(X, [0.2, 0.9])
    promised = streaming()
    parted = regressor(**changes).fit(X, y)
    assert len(promised) > 4
    np.testing.assert_allclose(parted.predict(X), expected[0], rtol=1e-6)
    np.testing.assert_allclose(
        parted.predict_quantiles(X, [0.2, 0.9]), expected[1], rtol=1e-6
    )
    np.testing.assert_allclose(
        parted.history_[:, "train_loss"], whole.history_[:, "train_loss"], rtol=1e-8
    )


def test_every_level_of_parted_maps_answers(streaming):
    X, y = maps()
    model = regressor().fit(X, y)
    expected = model.predict_levels(X)
    streaming()
    np.testing.assert_allclose(model.predict_levels(X), expected, rtol=1e-8)


def test_loss_of_parts_is_that_of_the_whole_with_its_gradient(streaming):
    X, y = maps()
    model = regressor(mode="none").fit(X, y)
    heads, criterion = model.net_.module_.heads, model.net_.criterion_
    assert isinstance(criterion, LevelCriterion)
    features = torch.rand(12, 6, 16, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(np.isfinite(y), dtype=torch.float64)
    target = torch.tensor(np.nan_to_num(y)), weight

    def loss_and_gradients(*target):
        parameters = [features, heads.weight, heads.location.weight]
        loss = criterion(heads(features), target)
        return loss, *torch.autograd.grad(loss, parameters)

    whole = loss_and_gradients(*target), loss_and_gradients(target[0])
    streaming()
    parted = loss_and_gradients(*target), loss_and_gradients(target[0])
    for one, other in zip(whole, parted, strict=True):
        for expected, given in zip(one, other, strict=True):
            torch.testing.assert_close(given, expected)


def test_regression_of_large_maps_needs_no_parts(streaming):
    X, y = maps()
    promised = streaming()
    regressor(DirectRegressor).fit(X, y).predict(X)
    assert not promised
