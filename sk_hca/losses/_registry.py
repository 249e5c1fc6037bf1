"""The aliases of losses of a direct regression, and what they stand for."""

from functools import partial

from sk_hca.base import resolve
from sk_hca.losses._balanced_recipe import BalancedMSE
from sk_hca.losses._discrete import DCRegression
from sk_hca.losses._recipes import BaseLoss
from sk_hca.losses._regression import (
    AbsoluteLoss,
    FocalR,
    GaussianLoss,
    HuberLoss,
    SquaredLoss,
)

LOSSES = {
    "absolute": AbsoluteLoss,
    "huber": HuberLoss,
    "squared": SquaredLoss,
    "focal_absolute": FocalR,
    "focal_squared": partial(FocalR, "squared"),
    "bmc": BalancedMSE,
    "gai": partial(BalancedMSE, "gai"),
    "bni": partial(BalancedMSE, "bni"),
    "dc": DCRegression,
    "gaussian": GaussianLoss,
}


def make_loss(loss):
    """Return the recipe of a loss, given as an alias or an object."""
    return resolve("loss", loss, LOSSES, BaseLoss)
