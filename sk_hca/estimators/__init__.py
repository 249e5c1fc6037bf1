"""The public face: estimators that wire the rooms together."""

from sk_hca.estimators._hca import HCARegressor

__all__ = ["HCARegressor"]
