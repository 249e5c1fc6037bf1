"""Merge fine classes into coarse ones: one parent map per level.

A level is a set of borders chosen among those of the finest one, and the same share of
the samples (or of the range) always chooses the same border.  Hence levels of 2, 4, 8,
... classes are nested by construction.  No coarse class is left without samples; a run
of fine classes without any is shared by the coarse classes on both its sides.

The border `i` of a level lies between its classes ``i - 1`` and ``i``.
"""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sk_hca.base import SLACK


def _equal_number_borders(counts, n_classes, edges):
    """Choose the borders nearest to equal parts of the samples."""
    borders = np.unique(_central_borders(counts))
    borders = borders[borders > 0]
    done = np.cumsum(counts)
    return borders[_nearest(done[borders - 1], done[-1] * _parts(n_classes))]


def _equal_length_borders(counts, n_classes, edges):
    """Choose the borders nearest to equal parts of the range."""
    share = _parts(n_classes)
    equal = edges[0] * (1 - share) + edges[-1] * share
    return _central_borders(counts)[_nearest(edges[1:-1], equal)]


def _same_borders(counts, n_classes, edges):
    """Keep all borders."""
    return np.arange(1, len(counts))


def _recursive_borders(counts, n_classes, edges):
    """Halve every interval again and again, just before the class past its half."""
    depth = n_classes.bit_length() - 1
    if n_classes != 2**depth:
        raise ValueError(
            "strategy='recursive' halves, so that n_classes must be a power of two; "
            f"got {n_classes}. Take {2**depth}, or strategy='equal_number'."
        )
    occupied = np.flatnonzero(counts)
    halves = [occupied]
    for _ in range(depth):
        halves = [part for keys in halves for part in _halve(keys, counts)]
    return np.array([keys[0] for keys in halves[1:]], dtype=np.int64)


def _halve(keys, counts):
    """Split the occupied classes of one interval at half of their counts."""
    if len(keys) < 2:
        return [keys]
    done = np.cumsum(counts[keys])
    gap = np.abs(done - done[-1] / 2)
    nearest = np.argmax(gap <= gap.min() + SLACK * done[-1]) + 1
    cut = np.clip(nearest, 1, len(keys) - 1)
    return [keys[:cut], keys[cut:]]


STRATEGIES = {
    "equal_number": _equal_number_borders,
    "equal_length": _equal_length_borders,
    "same": _same_borders,
    "recursive": _recursive_borders,
}


@validate_params(
    {
        "counts": ["array-like"],
        "n_classes": [Interval(Integral, 1, None, closed="left")],
        "strategy": [StrOptions(set(STRATEGIES))],
        "edges": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def merge_classes(counts, n_classes, strategy="equal_number", edges=None):
    """Merge neighbouring fine classes into at most `n_classes` coarse ones.

    Parameters
    ----------
    counts : array-like of shape (C_H,)
        Number of samples in each fine class, or the sum of their weights; may be 0.

    n_classes : int
        Largest number of coarse classes.  There are fewer where one border is the
        nearest to several parts, or where a coarse class would have no samples.

    strategy : {"equal_number", "equal_length", "same", "recursive"}, \
            default="equal_number"
        "equal_number" cuts at the borders nearest to equal parts of the samples, and
        "equal_length" nearest to equal parts of the range.  "same" keeps the fine
        classes, whatever `n_classes` says (the control of Table 2).  "recursive" halves
        the samples again and again, as the authors released it; `n_classes` is then a
        power of two, and the release gives it square roots of the counts.

    edges : array-like of shape (C_H + 1,), default=None
        Borders of the fine classes, finite and strictly increasing, for "equal_length";
        None takes classes of width 1.

    Returns
    -------
    parent : ndarray of shape (C_H,), int64
        Coarse class of each fine class: starts at 0, and rises by 0 or 1.

    Examples
    --------
    >>> merge_classes([5, 1, 1, 1, 2], n_classes=2)
    array([0, 1, 1, 1, 1])
    >>> merge_classes([5, 1, 1, 1, 2], n_classes=2, strategy="equal_length")
    array([0, 0, 1, 1, 1])
    """
    counts = np.asarray(counts, dtype=np.float64)
    valid = np.isfinite(counts) & (counts >= 0)
    if counts.ndim != 1 or counts.size == 0 or not valid.all():
        raise ValueError(
            "counts must be one row of finite numbers that are not negative, one per "
            f"fine class; got shape {counts.shape} with {(~valid).sum()} others."
        )
    edges = _checked_edges(edges, len(counts))
    borders = np.unique(STRATEGIES[strategy](counts, int(n_classes), edges))
    return np.searchsorted(borders[borders > 0], np.arange(len(counts)), side="right")


def _checked_edges(edges, n_classes):
    """Return the borders of the fine classes as floats, in order."""
    if edges is None:
        return np.arange(n_classes + 1.0)
    edges = np.asarray(edges, dtype=np.float64)
    if edges.shape != (n_classes + 1,):
        raise ValueError(
            f"edges must hold {n_classes + 1} borders for {n_classes} fine classes; "
            f"got shape {edges.shape}."
        )
    if not (np.isfinite(edges).all() and (edges[1:] > edges[:-1]).all()):
        raise ValueError(
            f"edges must be finite and strictly increasing; got {edges}. Replace "
            "infinite borders by the smallest and largest target."
        )
    return edges


def _parts(n_classes):
    """Return the shares k / n, equal bit by bit on every level that has them."""
    return np.arange(1, n_classes) / n_classes


def _nearest(positions, wanted):
    """Return the index of the position nearest to each wanted one; left at ties."""
    if len(positions) == 0:
        return np.zeros(0, dtype=np.int64)
    after = np.clip(np.searchsorted(positions, wanted), 0, len(positions) - 1)
    before = np.maximum(after - 1, 0)
    slack = SLACK * np.abs(positions).max()
    is_left = wanted - positions[before] <= positions[after] - wanted + slack
    return np.where(is_left, before, after)


def _central_borders(counts):
    """Return, for each border, the central one of those that part the samples alike.

    A border with no samples on one of its sides parts nothing: it becomes border 0.
    """
    n_before = np.cumsum(counts > 0)
    inner, n_occupied = n_before[:-1], n_before[-1]
    first = np.searchsorted(inner, inner, side="left")
    last = np.searchsorted(inner, inner, side="right") - 1
    parts = (inner > 0) & (inner < n_occupied)
    return np.where(parts, (first + last) // 2 + 1, 0)
