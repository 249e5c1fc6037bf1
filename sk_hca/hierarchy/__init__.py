"""Coarse levels, and the maps that tie them to the finest one."""

from sk_hca.hierarchy._cascade import ALIGNMENTS, LevelCascade
from sk_hca.hierarchy._fused import (
    as_rows,
    exponentials,
    from_rows,
    level_layout,
    level_softmax,
    level_weights,
)
from sk_hca.hierarchy._hierarchy import HierarchicalBinner, Level
from sk_hca.hierarchy._maps import (
    class_softmax,
    level_steps,
    lift,
    pool_logsumexp,
    pool_max,
    pool_sum,
)
from sk_hca.hierarchy._merging import merge_classes

__all__ = [
    "ALIGNMENTS",
    "HierarchicalBinner",
    "Level",
    "LevelCascade",
    "as_rows",
    "class_softmax",
    "exponentials",
    "from_rows",
    "level_layout",
    "level_softmax",
    "level_steps",
    "level_weights",
    "lift",
    "merge_classes",
    "pool_logsumexp",
    "pool_max",
    "pool_sum",
]
