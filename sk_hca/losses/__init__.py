"""Losses: maps over the targets, averaged in one place."""

from sk_hca.losses._balanced_mse import (
    batch_monte_carlo,
    binned_integration,
    gaussian_mixture_integration,
)
from sk_hca.losses._balanced_recipe import BalancedMSE
from sk_hca.losses._classification import (
    cross_entropy_map,
    fused_cross_entropy_map,
    hierarchical_cross_entropy,
)
from sk_hca.losses._discrete import DCRegression, discrete_constrained_loss
from sk_hca.losses._distillation import (
    distillation_loss,
    distillation_map,
    divergence_map,
    pool_student,
)
from sk_hca.losses._recipes import BaseLoss
from sk_hca.losses._reduction import weighted_mean
from sk_hca.losses._registry import LOSSES, make_loss
from sk_hca.losses._regression import (
    REGRESSION_LOSSES,
    AbsoluteLoss,
    FocalR,
    GaussianLoss,
    HuberLoss,
    SquaredLoss,
    focal_regression_map,
    gaussian_map,
    regression_map,
)

__all__ = [
    "LOSSES",
    "REGRESSION_LOSSES",
    "AbsoluteLoss",
    "BalancedMSE",
    "BaseLoss",
    "DCRegression",
    "FocalR",
    "GaussianLoss",
    "HuberLoss",
    "SquaredLoss",
    "batch_monte_carlo",
    "binned_integration",
    "cross_entropy_map",
    "discrete_constrained_loss",
    "distillation_loss",
    "distillation_map",
    "divergence_map",
    "focal_regression_map",
    "fused_cross_entropy_map",
    "gaussian_map",
    "gaussian_mixture_integration",
    "hierarchical_cross_entropy",
    "make_loss",
    "pool_student",
    "regression_map",
    "weighted_mean",
]
