"""Nearest neighbours within a rare region, in numbers and categories alike.

Distances are taken a block of rows at a time: all of them are needed for a median, but
never at once.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from sk_hca.sampling._tables import distances

# Distances of one block, in bytes of float64.
_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbours of every row of a region.

    Parameters
    ----------
    index : ndarray of shape (n, n_neighbors)
        Positions of the neighbours in the region, nearest first.

    distance : ndarray of shape (n, n_neighbors)
        How far they are.

    median : ndarray of shape (n,)
        Median distance to all other rows of the region.
    """

    index: np.ndarray
    distance: np.ndarray
    median: np.ndarray


def find_neighbors(rows, n_neighbors):
    """Find the nearest neighbours of every row among the others.

    Parameters
    ----------
    rows : Rows
        Rows of a region.  A single one is its own neighbour.

    n_neighbors : int
        How many; fewer where there are not so many others.

    Returns
    -------
    neighbors : Neighbors
    """
    n_rows = len(rows)
    if n_rows == 1:
        return Neighbors(np.zeros((1, 1), dtype=int), np.zeros((1, 1)), np.zeros(1))
    n_neighbors = min(n_neighbors, n_rows - 1)
    n_in_block = max(_BLOCK_BYTES // (8 * n_rows), 1)
    blocks = [
        _block(rows, np.arange(n_rows)[batch], n_neighbors)
        for batch in gen_batches(n_rows, n_in_block)
    ]
    return Neighbors(*map(np.concatenate, zip(*blocks, strict=True)))


def _block(rows, places, n_neighbors):
    distance = distances(rows[places], rows)
    # No row is its own neighbour: it is farther than all others.
    np.put_along_axis(distance, places[:, None], np.inf, axis=1)
    n_others = len(rows) - 1
    middle = [(n_others - 1) // 2, n_others // 2]
    nearest = np.argpartition(distance, n_neighbors - 1, axis=1)[:, :n_neighbors]
    far = np.take_along_axis(distance, nearest, axis=1)
    order = np.argsort(far, axis=1, kind="stable")
    distance.partition(middle, axis=1)
    return (
        np.take_along_axis(nearest, order, axis=1),
        np.take_along_axis(far, order, axis=1),
        distance[:, middle].mean(axis=1),
    )
