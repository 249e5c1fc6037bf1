"""The public face: estimators that wire the rooms together."""

from sk_hca.estimators._conformal import ConformalRegressor
from sk_hca.estimators._direct import DirectRegressor
from sk_hca.estimators._hca import HCARegressor

__all__ = ["ConformalRegressor", "DirectRegressor", "HCARegressor"]
