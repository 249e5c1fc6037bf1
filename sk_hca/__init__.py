"""Regression on imbalanced targets by Hierarchical Classification Adjustment."""

__version__ = "0.1.0"
