"""Resampling of a training set whose targets are imbalanced, before any regressor."""

from sk_hca.sampling._bins import BinOverSampler, BinUnderSampler
from sk_hca.sampling._synthetic import SMOGN, SMOTER

__all__ = ["SMOGN", "SMOTER", "BinOverSampler", "BinUnderSampler"]
