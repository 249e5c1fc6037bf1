"""Parcels that travel between rooms, and the door that checks what comes in."""

from sk_hca.base._contracts import (
    ClassTable,
    LevelClasses,
    NetworkOutput,
    StreamedOutput,
)
from sk_hca.base._resolve import check_alias, resolve
from sk_hca.base._tables import CellTable, align
from sk_hca.base._validation import SLACK, check_targets, check_weights
from sk_hca.base._versions import show_versions
from sk_hca.base._windows import smoothing_window

__all__ = [
    "SLACK",
    "CellTable",
    "ClassTable",
    "LevelClasses",
    "NetworkOutput",
    "StreamedOutput",
    "align",
    "check_alias",
    "check_targets",
    "check_weights",
    "resolve",
    "show_versions",
    "smoothing_window",
]
