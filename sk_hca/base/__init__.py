"""Parcels that travel between rooms, and the door that checks what comes in."""

from sk_hca.base._resolve import resolve
from sk_hca.base._validation import check_targets, check_weights

__all__ = ["check_targets", "check_weights", "resolve"]
