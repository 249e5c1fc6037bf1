"""Look at targets before training, and compare estimators after it."""

from sk_hca.evaluation._compare import compare
from sk_hca.evaluation._comparison import Comparison, IntervalTable
from sk_hca.evaluation._imbalance import ImbalanceReport, imbalance_report

__all__ = [
    "Comparison",
    "ImbalanceReport",
    "IntervalTable",
    "compare",
    "imbalance_report",
]
