"""Imbalanced data: a real table, equations to draw some, and images in files."""

from sk_hca.datasets._embedded import load_abalone
from sk_hca.datasets._files import ImageFiles
from sk_hca.datasets._image_tables import read_image_table
from sk_hca.datasets._synthetic import (
    make_imbalanced_images,
    make_imbalanced_maps,
    make_imbalanced_table,
)

__all__ = [
    "ImageFiles",
    "load_abalone",
    "make_imbalanced_images",
    "make_imbalanced_maps",
    "make_imbalanced_table",
    "read_image_table",
]
