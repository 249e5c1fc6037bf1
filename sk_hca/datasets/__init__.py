"""Small imbalanced data: one real table, and equations to draw tables, images, maps."""

from sk_hca.datasets._embedded import load_abalone
from sk_hca.datasets._synthetic import (
    make_imbalanced_images,
    make_imbalanced_maps,
    make_imbalanced_table,
)

__all__ = [
    "load_abalone",
    "make_imbalanced_images",
    "make_imbalanced_maps",
    "make_imbalanced_table",
]
