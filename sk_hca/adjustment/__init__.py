"""Modes: from all levels to one distribution over the finest classes."""

from sk_hca.adjustment._adjustments import (
    ADJUSTMENTS,
    AddAdjustment,
    AverageAdjustment,
    BaseAdjustment,
    Distillation,
    MarginalAdjustment,
    MulAdjustment,
    NoAdjustment,
    RangeAdjustment,
    make_adjustment,
)
from sk_hca.adjustment._functional import (
    adjust_add,
    adjust_marginal,
    adjust_mul,
    adjust_range,
    marginal_probabilities,
)

__all__ = [
    "ADJUSTMENTS",
    "AddAdjustment",
    "AverageAdjustment",
    "BaseAdjustment",
    "Distillation",
    "MarginalAdjustment",
    "MulAdjustment",
    "NoAdjustment",
    "RangeAdjustment",
    "adjust_add",
    "adjust_marginal",
    "adjust_mul",
    "adjust_range",
    "make_adjustment",
    "marginal_probabilities",
]
