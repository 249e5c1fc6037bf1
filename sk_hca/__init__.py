"""Regression on imbalanced targets by Hierarchical Classification Adjustment.

Start with :class:`HCARegressor`; compare it with :class:`DirectRegressor`.
"""

from sk_hca.base import show_versions
from sk_hca.estimators import DirectRegressor, HCARegressor

__version__ = "0.1.0"

__all__ = ["DirectRegressor", "HCARegressor", "__version__", "show_versions"]
