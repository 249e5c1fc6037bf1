"""Displays: what a model errs on, in pictures."""

from sk_hca.plotting._shots import ShotErrorDisplay

__all__ = ["ShotErrorDisplay"]
