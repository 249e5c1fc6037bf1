"""Metrics that do not let common targets outvote rare ones."""

from sk_hca.metrics._errors import (
    absolute_relative_error,
    balanced_mean_absolute_error,
    balanced_root_mean_squared_error,
    delta_accuracy,
    geometric_mean_error,
    logarithmic_error,
)
from sk_hca.metrics._folds import StratifiedRegressionKFold
from sk_hca.metrics._levels import range_inconsistency
from sk_hca.metrics._profile import ErrorProfile, error_profile
from sk_hca.metrics._relevance import (
    Relevance,
    evaluate_relevance,
    make_relevance,
    relevance_function,
    sera,
)
from sk_hca.metrics._scorers import ShotScorer, find_target_counts, make_shot_scorer
from sk_hca.metrics._shots import ShotGroups, ShotReport, shot_groups, shot_report
from sk_hca.metrics._utility import (
    utility_f1_score,
    utility_precision_score,
    utility_recall_score,
)

__all__ = [
    "ErrorProfile",
    "Relevance",
    "ShotGroups",
    "ShotReport",
    "ShotScorer",
    "StratifiedRegressionKFold",
    "absolute_relative_error",
    "balanced_mean_absolute_error",
    "balanced_root_mean_squared_error",
    "delta_accuracy",
    "error_profile",
    "evaluate_relevance",
    "find_target_counts",
    "geometric_mean_error",
    "logarithmic_error",
    "make_relevance",
    "make_shot_scorer",
    "range_inconsistency",
    "relevance_function",
    "sera",
    "shot_groups",
    "shot_report",
    "utility_f1_score",
    "utility_precision_score",
    "utility_recall_score",
]
