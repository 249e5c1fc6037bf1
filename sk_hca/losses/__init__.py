"""Losses: maps over the targets, averaged in one place."""

from sk_hca.losses._classification import (
    cross_entropy_map,
    fused_cross_entropy_map,
    hierarchical_cross_entropy,
)
from sk_hca.losses._distillation import (
    distillation_loss,
    distillation_map,
    divergence_map,
    pool_student,
)
from sk_hca.losses._reduction import weighted_mean
from sk_hca.losses._regression import REGRESSION_LOSSES, regression_map

__all__ = [
    "REGRESSION_LOSSES",
    "cross_entropy_map",
    "distillation_loss",
    "distillation_map",
    "divergence_map",
    "fused_cross_entropy_map",
    "hierarchical_cross_entropy",
    "pool_student",
    "regression_map",
    "weighted_mean",
]
