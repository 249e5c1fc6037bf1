"""Modes: from all levels to one distribution over the finest classes."""

from sk_hca.adjustment._adjustments import (
    ADJUSTMENTS,
    AddAdjustment,
    AverageAdjustment,
    Distillation,
    MarginalAdjustment,
    RangeAdjustment,
    make_adjustment,
)
from sk_hca.adjustment._balance import (
    AutoBalance,
    CorrectedAdjustment,
    PriorCorrection,
    log_prior_ratio,
    make_balance,
    relative_widths,
)
from sk_hca.adjustment._base import BaseAdjustment, NoAdjustment
from sk_hca.adjustment._calibration import (
    TemperedAdjustment,
    fit_exponents,
    level_votes,
)
from sk_hca.adjustment._functional import (
    adjust_add,
    adjust_marginal,
    adjust_mul,
    adjust_range,
    marginal_probabilities,
)
from sk_hca.adjustment._products import (
    ConsultAdjustment,
    MulAdjustment,
    VoteAdjustment,
)

__all__ = [
    "ADJUSTMENTS",
    "AddAdjustment",
    "AutoBalance",
    "AverageAdjustment",
    "BaseAdjustment",
    "ConsultAdjustment",
    "CorrectedAdjustment",
    "Distillation",
    "MarginalAdjustment",
    "MulAdjustment",
    "NoAdjustment",
    "PriorCorrection",
    "RangeAdjustment",
    "TemperedAdjustment",
    "VoteAdjustment",
    "adjust_add",
    "adjust_marginal",
    "adjust_mul",
    "adjust_range",
    "fit_exponents",
    "level_votes",
    "log_prior_ratio",
    "make_adjustment",
    "make_balance",
    "marginal_probabilities",
    "relative_widths",
]
