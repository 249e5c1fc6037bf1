"""Losses by their names: every alias makes a recipe that can be copied and searched."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_hca.losses import LOSSES, BalancedMSE, BaseLoss, FocalR, HuberLoss, make_loss


@pytest.mark.parametrize("alias", LOSSES)
def test_every_alias_makes_a_recipe(alias):
    recipe = make_loss(alias)
    assert isinstance(recipe, BaseLoss)
    assert repr(clone(recipe)) == repr(recipe)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("alias", LOSSES)
def test_every_loss_reads_what_its_head_gives(alias, dtype):
    recipe = make_loss(alias)
    y = np.random.default_rng(0).gamma(2.0, size=30)
    criterion = recipe.criterion(y, None, y.mean(), y.std()).to(dtype)
    criterion = pickle.loads(pickle.dumps(criterion))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = recipe.head(4).to(dtype)
        for shape in ((9, 4), (9, 4, 2, 3)):
            output = head(torch.randn(shape, dtype=dtype))
            target = torch.randn_like(output.location)
            for weight in ((), (torch.rand_like(target),)):
                loss = criterion(output, target, *weight)
                assert loss.shape == ()
                assert loss.dtype == dtype
                (grad,) = torch.autograd.grad(loss, head.weight, retain_graph=True)
                assert torch.isfinite(grad).all()
                assert grad.any()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (BalancedMSE("mse"), "'form' parameter of BalancedMSE must be"),
        (BalancedMSE(noise_sigma=0.0), "'noise_sigma' parameter of BalancedMSE"),
        (FocalR(beta=-1.0), "'beta' parameter of FocalR"),
        (HuberLoss(0.0), "'delta' parameter of HuberLoss"),
        (HuberLoss, "got the class HuberLoss. Give an object"),
        ("l1", "loss must be one of 'absolute', .* BaseLoss object; got 'l1'"),
    ],
)
def test_wrong_losses_are_refused_in_a_sentence(recipe, message):
    with pytest.raises(ValueError, match=message):
        make_loss(recipe)


def test_loss_without_a_formula_says_so():
    with pytest.raises(TypeError, match="BaseLoss must define loss_map or criterion"):
        BaseLoss().loss_map(None, None)
