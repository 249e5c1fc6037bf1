"""Losses of a plain regression: formulas written out, and where slopes could break."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import gaussian_nll_loss

from sk_hca.base import NetworkOutput
from sk_hca.losses import (
    AbsoluteLoss,
    FocalR,
    GaussianLoss,
    HuberLoss,
    SquaredLoss,
    focal_regression_map,
    gaussian_map,
    regression_map,
)


def draw(*shape, seed=0):
    """Normal numbers, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def output(location, scale=None):
    """What a head gives."""
    return NetworkOutput(location, location=location, scale=scale)


each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


@each_tail
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize(("loss", "power"), [("absolute", 1), ("squared", 2)])
def test_focal_loss_equals_its_formula(loss, power, activation, tail):
    pred, target = draw(5, *tail), draw(5, *tail, seed=1)
    size = (pred - target).abs()
    if activation == "sigmoid":
        share = 2 / (1 + torch.exp(-0.8 * size)) - 1
    else:
        share = torch.tanh(0.8 * size)
    torch.testing.assert_close(
        focal_regression_map(pred, target, loss, 0.8, 1.5, activation),
        size**power * share**1.5,
    )


def test_focal_loss_without_focus_is_the_plain_loss():
    pred, target = draw(5), draw(5, seed=1)
    torch.testing.assert_close(
        focal_regression_map(pred, target, "absolute", 0.8, gamma=0.0),
        regression_map(pred, target, "absolute"),
    )


@settings(max_examples=60)
@given(
    error=st.floats(-1e6, 1e6, width=32),
    gamma=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    loss=st.sampled_from(["absolute", "squared"]),
)
def test_focal_loss_has_a_finite_slope_everywhere(error, gamma, dtype, loss):
    for size in (0.0, error):
        pred = torch.tensor([size], dtype=dtype, requires_grad=True)
        value = focal_regression_map(pred, torch.zeros_like(pred), loss, 3.0, gamma)
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert torch.isfinite(pred.grad).all()


@each_tail
def test_gaussian_loss_is_the_likelihood(tail):
    location, target = draw(5, *tail), draw(5, *tail, seed=1)
    scale = draw(5, *tail, seed=2).exp()
    expected = gaussian_nll_loss(location, target, scale**2, reduction="none")
    torch.testing.assert_close(gaussian_map(location, scale, target), expected)
    recipe = GaussianLoss()
    torch.testing.assert_close(
        recipe.loss_map(output(location, scale), target), expected
    )


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (SquaredLoss(), [0.25, 9.0]),
        (AbsoluteLoss(), [0.5, 3.0]),
        (HuberLoss(), [0.125, 2.5]),
        (HuberLoss(2.0), [0.125, 4.0]),
        (FocalR(), [0.5 * math.tanh(0.75), 3 * math.tanh(4.5)]),
        (FocalR("squared", beta=1.0), [0.25 * math.tanh(0.25), 9 * math.tanh(1.5)]),
    ],
    ids=str,
)
def test_recipe_compares_the_location_with_the_target(recipe, expected):
    loss = recipe.loss_map(output(torch.tensor([0.5, 3.0])), torch.zeros(2))
    torch.testing.assert_close(loss, torch.tensor(expected))
    criterion = recipe.criterion(None, None, 0.0, 1.0)
    mean = criterion(output(torch.tensor([0.5, 3.0])), torch.zeros(2))
    torch.testing.assert_close(mean, torch.tensor(expected).mean())
    mean = criterion(
        output(torch.tensor([0.5, 3.0])), torch.zeros(2), torch.tensor([0.0, 2.0])
    )
    torch.testing.assert_close(mean, torch.tensor(expected[1]))


def test_unknown_names_are_refused():
    x = torch.ones(2)
    with pytest.raises(ValueError, match=r"loss must be one of .*; got 'l1'"):
        regression_map(x, x, "l1")
    with pytest.raises(ValueError, match=r"activation must be .*; got 'relu'"):
        focal_regression_map(x, x, "absolute", 1.0, activation="relu")
