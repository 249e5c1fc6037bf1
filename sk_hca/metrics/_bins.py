"""Cut the target line into the bins that balanced metrics and shots are counted in.

A bin is one distinct target (``bins="unique"``, the paper's ages) or an interval that
is closed on the right; the outer intervals reach to infinity.  Nothing is cast to int.
A target within rounding error of a border lies on it, so that a score such as 0.3 falls
into the same bin whichever way it was computed.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from sk_hca.base import check_targets
from sk_hca.binning import assign

# A target lies on a border when it is nearer than this share of the interval's width,
# or than this many units in its last place.
_WIDTH_TOLERANCE = 1e-9
_N_LAST_PLACES = 4
_MAX_BINS = 1_000_000
# Multiples of a width from here on need not differ from each other.
_MOST_WIDTHS = 2**51
# Where nobody says which: distinct targets up to this many, else so many intervals.
_USUAL_BINS = 100


@dataclass(frozen=True, eq=False)
class TargetBins:
    """Bins of the target line: distinct values, or intervals between edges.

    Parameters
    ----------
    values : ndarray of shape (n_bins,), optional
        Distinct targets, ascending; each one is a bin.

    edges : ndarray of shape (n_bins + 1,), optional
        Borders of the intervals, strictly increasing.
    """

    values: Any = None
    edges: Any = None

    @property
    def n_bins(self):
        """Number of bins."""
        return len(self.values) if self.edges is None else len(self.edges) - 1

    def find(self, y):
        """Give the bin of each target, or -1 where it is none of the values."""
        if self.edges is not None:
            return assign(y.astype(np.float64), _raised(self.edges, y.dtype))
        # 0.1 in single precision is not 0.1: compare in the coarser of the two types.
        coarser = min(self.values.dtype, y.dtype, key=lambda dtype: dtype.itemsize)
        values, y = self.values.astype(coarser), y.astype(coarser)
        index = np.searchsorted(values, y).clip(max=values.size - 1)
        return np.where(values[index] == y, index, -1)

    def group(self, y):
        """Number the bins that occur among targets: a code for each, from 0 on."""
        key = y if self.edges is None else self.find(y)
        return np.unique(key, return_inverse=True)[1].reshape(-1)


def is_real(value):
    """Whether a value is a number, and not a flag."""
    return isinstance(value, Real) and not isinstance(value, bool)


def make_bins(y, bins="unique", *, bin_width=None):
    """Make the bins that a user asked for.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets whose distinct values or range the bins cover.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        Each distinct value, so many intervals of equal width over the range, or the
        edges of the intervals.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    Returns
    -------
    bins : TargetBins

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.1, 0.2, 0.1 + 0.2])
    >>> make_bins(y, bin_width=0.1).find(np.array([0.3, 0.31]))
    array([2, 2])
    >>> make_bins(y, 2).edges
    array([0.1, 0.2, 0.3])
    """
    if bin_width is not None:
        if not (isinstance(bins, str) and bins == "unique"):
            raise ValueError(
                f"Give either bins or bin_width; got bins={bins!r} and "
                f"bin_width={bin_width!r}. Leave one of them out."
            )
        return TargetBins(edges=_multiples(y, bin_width))
    if isinstance(bins, str):
        if bins != "unique":
            raise ValueError(_expected(bins))
        return TargetBins(values=np.unique(y))
    if is_real(bins) and isinstance(bins, Integral):
        return TargetBins(edges=_equal_widths(y, int(bins)))
    if bins is None or np.ndim(bins) != 1:
        raise ValueError(_expected(bins))
    return TargetBins(edges=_checked_edges(bins))


def usual_bins(y, bins=None, *, bin_width=None):
    """Say which bins are meant where a user did not.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.

    bins : "unique", int, array-like of shape (n_bins + 1,) or None
        What the user said; None stands for distinct targets where there are at most
        100, else for 100 intervals.

    bin_width : float, optional
        Width of the intervals, in place of `bins`.

    Returns
    -------
    bins : "unique", int or array-like of shape (n_bins + 1,)
        For :func:`make_bins`.
    """
    if bins is not None:
        return bins
    few_values = bin_width is not None or np.unique(y).size <= _USUAL_BINS
    return "unique" if few_values else _USUAL_BINS


def bin_means(values, weight, codes):
    """Average values within each bin.

    Parameters
    ----------
    values, weight : ndarray of shape (n,)
        What to average, and positive weights.

    codes : ndarray of shape (n,)
        Bin of each value, from 0 without gaps.

    Returns
    -------
    means : ndarray of shape (n_bins,)
    """
    return np.bincount(codes, weight * values) / np.bincount(codes, weight)


def distinct_counts(y_train):
    """Count training targets by distinct value.

    Parameters
    ----------
    y_train : array-like of shape (n,), or a tuple of two such arrays
        Training targets, or distinct values and how often each occurs.

    Returns
    -------
    values : ndarray of shape (n_values,)
        Ascending.

    counts : ndarray of shape (n_values,)
        Positive.
    """
    is_pair = isinstance(y_train, tuple) and len(y_train) == 2
    if not (is_pair and all(np.ndim(part) == 1 for part in y_train)):
        return np.unique(check_targets(y_train, name="y_train"), return_counts=True)
    values = check_targets(y_train[0], name="The values of y_train")
    counts = check_targets(y_train[1], name="The counts of y_train")
    if values.shape != counts.shape or counts.min() < 0 or not counts.any():
        raise ValueError(
            "y_train, when it is a pair, must hold distinct values and their counts: "
            "two arrays of one length, counts not negative nor all zero; got "
            f"{values.size} values and {counts.size} counts. "
            "Give the training targets themselves, as one array."
        )
    values, inverse = np.unique(values[counts > 0], return_inverse=True)
    return values, np.bincount(inverse, counts[counts > 0])


def _raised(edges, dtype):
    """Inner borders raised by rounding error: what lies just above lies on them."""
    gaps = np.diff(edges)
    gaps = np.minimum(gaps[:-1], gaps[1:])
    wide = np.isfinite(gaps)
    inner = edges[1:-1]
    slack = _N_LAST_PLACES * np.finfo(dtype).eps * np.abs(inner)
    slack = np.maximum(slack, np.where(wide, _WIDTH_TOLERANCE * gaps, 0.0))
    raised = edges.astype(np.float64)
    raised[1:-1] += np.minimum(slack, gaps / 4)
    return raised


def _equal_widths(y, n_bins):
    if n_bins < 1:
        raise ValueError(f"bins must be at least 1; got {n_bins}.")
    lower, upper = float(y.min()), float(y.max())
    if lower == upper:
        return np.array([-np.inf, np.inf])
    # Where so many do not fit between two numbers, there are fewer.
    return np.unique(np.linspace(lower, upper, n_bins + 1))


def _multiples(y, width):
    """Multiples of a width around targets: a bin is (k width, k width + width]."""
    if not is_real(width) or not 0 < width < np.inf:
        raise ValueError(f"bin_width must be a positive number; got {width!r}.")
    with np.errstate(over="ignore"):
        ends = np.array([y.min(), y.max()], dtype=np.float64) / width
    slack = _N_LAST_PLACES * np.finfo(y.dtype).eps * np.abs(ends)
    first, last = np.ceil(ends - np.minimum(_WIDTH_TOLERANCE + slack, 0.25))
    if np.abs([first, last]).max() >= _MOST_WIDTHS:
        raise ValueError(
            f"bin_width={width!r} is too small for targets as large as "
            f"{np.abs(y).max():g}, which are not told apart by it. "
            "Set a larger bin_width."
        )
    if last - first >= _MAX_BINS:
        raise ValueError(
            f"bin_width={width!r} cuts the range of the targets into "
            f"{last - first:.3g} bins; at most {_MAX_BINS} are allowed. "
            "Set a larger bin_width."
        )
    return width * np.arange(first - 1, last + 1)


def _checked_edges(edges):
    edges = np.asarray(edges, dtype=np.float64)
    if edges.size < 2 or not (edges[1:] > edges[:-1]).all():
        raise ValueError(
            "bins, when it is an array, must hold at least two edges in strictly "
            f"increasing order; got {edges}. Sort them and drop repeated ones."
        )
    return edges


def _expected(bins):
    return (
        "bins must be 'unique', a number of bins or a 1-d array of edges; "
        f"got {bins!r}. For intervals of a given width, set bin_width."
    )
