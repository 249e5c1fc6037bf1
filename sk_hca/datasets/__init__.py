"""Imbalanced data: small, in the package or drawn; images and benchmarks in folders."""

from sk_hca.datasets._cells import local_counts, local_sums
from sk_hca.datasets._crowds import load_shanghaitech
from sk_hca.datasets._depth import load_nyud2_dir, read_depth_maps
from sk_hca.datasets._embedded import load_abalone
from sk_hca.datasets._faces import load_agedb_dir, load_imdb_wiki_dir
from sk_hca.datasets._files import ImageFiles
from sk_hca.datasets._image_tables import read_image_table
from sk_hca.datasets._sentences import load_sts_b_dir
from sk_hca.datasets._subsets import balanced_subset, imbalanced_subset
from sk_hca.datasets._synthetic import (
    make_imbalanced_images,
    make_imbalanced_maps,
    make_imbalanced_table,
)

__all__ = [
    "ImageFiles",
    "balanced_subset",
    "imbalanced_subset",
    "load_abalone",
    "load_agedb_dir",
    "load_imdb_wiki_dir",
    "load_nyud2_dir",
    "load_shanghaitech",
    "load_sts_b_dir",
    "local_counts",
    "local_sums",
    "make_imbalanced_images",
    "make_imbalanced_maps",
    "make_imbalanced_table",
    "read_depth_maps",
    "read_image_table",
]
