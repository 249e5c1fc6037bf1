"""Cut the target line into intervals: pure functions from targets to borders.

Intervals are closed on the right, ``edges[c] < y <= edges[c + 1]``, and the outer ones
reach to infinity when classes are assigned.  Targets are sorted once: all that follows
works on the distinct targets and on how many samples (or what weight) each one has, so
that a weight of 2 is a row given twice, and a weight of 0 a row left out.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from sk_hca.base import check_targets, check_weights
from sk_hca.binning._partitions import quantile_ends, uniform_error_ends

_EDGES_CONSTRAINTS = {
    "y": ["array-like"],
    "n_bins": [Interval(Integral, 2, None, closed="left")],
}
_WEIGHTED_CONSTRAINTS = {**_EDGES_CONSTRAINTS, "sample_weight": ["array-like", None]}


def distinct_targets(y, sample_weight=None):
    """Sort the targets, and count how often each distinct one occurs.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; one of weight 0 is left out.

    Returns
    -------
    values : ndarray of shape (D,)
        Distinct targets, increasing, in float64.

    counts : ndarray of shape (D,)
        Number of samples of each, in int64, or the sum of their weights, in float64.
        Where every target occurs once it is one number seen D times, and is read-only.

    Examples
    --------
    >>> distinct_targets([3.0, 1.0, 3.0])
    (array([1., 3.]), array([1, 2]))
    >>> distinct_targets([3.0, 1.0, 2.0], sample_weight=[1.0, 2.0, 0.0])
    (array([1., 3.]), array([2., 1.]))
    """
    y = check_targets(y)
    if sample_weight is None:
        return _count_distinct(np.sort(y))
    weight = check_weights(sample_weight, y)
    if not weight.all():
        y, weight = y[weight > 0], weight[weight > 0]
    order = np.argsort(y)
    y, weight = y[order], weight[order]
    starts = np.flatnonzero(np.append(True, y[1:] != y[:-1]))
    return y[starts].astype(np.float64), np.add.reduceat(weight, starts)


def _count_distinct(ordered):
    """Count the runs of equal numbers in sorted targets."""
    is_last = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_last[:-1])
    if is_last.all():
        counts = np.broadcast_to(np.int64(1), len(ordered))
        return ordered.astype(np.float64, copy=False), counts
    last = np.flatnonzero(is_last)
    counts = np.empty_like(last)
    counts[0] = last[0] + 1
    np.subtract(last[1:], last[:-1], out=counts[1:])
    return ordered[last].astype(np.float64, copy=False), counts


@validate_params(_EDGES_CONSTRAINTS, prefer_skip_nested_validation=True)
def linear_edges(y, n_bins):
    """Cut the range of the targets into intervals of equal width.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    n_bins : int
        Number of intervals, C; at least 2.

    Returns
    -------
    edges : ndarray of shape (C + 1,)
        Strictly increasing, from the smallest to the largest target.

    Examples
    --------
    >>> linear_edges([0.0, 1.0, 4.0], n_bins=4)
    array([0., 1., 2., 3., 4.])
    """
    lowest, highest = _span(y, "linear_edges")
    # Halved, so that the width of the widest range is still finite.
    interior = 2 * np.linspace(lowest / 2, highest / 2, n_bins + 1)[1:-1]
    return edges_around(interior, lowest, highest)


@validate_params(
    {**_EDGES_CONSTRAINTS, "lower": [Interval(Real, 0, None, closed="neither"), None]},
    prefer_skip_nested_validation=True,
)
def log_edges(y, n_bins, lower=None):
    """Cut the range of the targets into intervals of equal width on a log scale.

    Where there are targets below `lower`, the first interval is a floor class for all
    up to it; the others share the ``n_bins - 1`` intervals that remain.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data; not negative unless `lower` is given.

    n_bins : int
        Number of intervals, C, with the floor class; at least 2.

    lower : float, default=None
        Where the log scale begins, if there are targets below.  None begins at the
        smallest positive target; with zeros, midway to it, so that these are alone.

    Returns
    -------
    edges : ndarray of shape (C + 1,)
        Strictly increasing, from the smallest to the largest target.

    Examples
    --------
    >>> log_edges([1.0, 10.0, 1000.0], n_bins=3)
    array([   1.,   10.,  100., 1000.])
    >>> log_edges([0.0, 2.0, 100.0], n_bins=3)
    array([  0.,   1.,  10., 100.])
    >>> log_edges([0.2, 2.0, 100.0], n_bins=3, lower=1.0)
    array([  0.2,   1. ,  10. , 100. ])
    """
    lowest, highest = _span(y, "log_edges")
    if lower is None:
        if lowest < 0:
            raise ValueError(
                f"LogBinner needs positive targets, but y.min() is {lowest:.3g}. Set "
                "lower= to the smallest count that deserves its own class, or use "
                "QuantileBinner."
            )
        y = np.asarray(y, dtype=np.float64)
        lower = lowest if lowest > 0 else y[y > 0].min() / 2
        lower = max(float(lower), np.nextafter(0, 1))
        if lower >= highest:  # Zeros and the smallest float: nothing lies between.
            return edges_around(np.zeros(1), lowest, highest)
    if lower >= highest:
        raise ValueError(
            f"lower must be smaller than the largest target, {highest:.3g}; got "
            f"{lower:.3g}."
        )
    has_floor = lowest < lower
    start, n_logs = (lower, n_bins - 1) if has_floor else (lowest, n_bins)
    interior = np.exp(np.linspace(np.log(start), np.log(highest), n_logs + 1)[1:-1])
    if has_floor:
        interior = np.append(start, np.maximum(interior, start))
    return edges_around(interior, lowest, highest)


@validate_params(_WEIGHTED_CONSTRAINTS, prefer_skip_nested_validation=True)
def quantile_edges(y, n_bins, sample_weight=None):
    """Cut the target line into intervals that hold equal numbers of samples.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    n_bins : int
        Number of intervals; at least 2.  There are fewer where y has fewer distinct
        values: each of them is then a class.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; 2 is the same as giving the target twice.

    Returns
    -------
    edges : ndarray of shape (C + 1,)
        Strictly increasing, from the smallest to the largest target; midway between two
        neighbouring targets.

    Notes
    -----
    Ties are the normal case.  A target that alone has more samples than its share is a
    class of its own, and what it leaves over is shared by the others: where 80 % of the
    targets are zero, they are one class and the tail has all others.

    Examples
    --------
    >>> quantile_edges([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], n_bins=3)
    array([0. , 0.5, 2.5, 4. ])
    """
    values, counts = distinct_targets(y, sample_weight)
    require_two_targets(values[0], values[-1], np.size(y), "quantile_edges")
    return edges_between(values, quantile_ends(counts, n_bins))


@validate_params(_WEIGHTED_CONSTRAINTS, prefer_skip_nested_validation=True)
def uniform_error_edges(y, n_bins, sample_weight=None):
    """Cut the target line into intervals of equal count times width (UEP).

    That product bounds the total error of rounding the targets to their class: dense
    ranges get narrow classes, and sparse ones are not stretched without limit.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    n_bins : int
        Number of intervals; at least 2.  There are fewer where y has fewer distinct
        values: each of them is then a class.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; 2 is the same as giving the target twice.

    Returns
    -------
    edges : ndarray of shape (C + 1,)
        Strictly increasing, from the smallest to the largest target; midway between two
        neighbouring targets.

    Notes
    -----
    The width of a class is that between its smallest and its largest target.  No other
    intervals have a smaller largest product of count and width; where ties leave some
    classes unused, they split those of the largest product.

    References
    ----------
    Wang et al., "Uniformity in heterogeneity: Diving deep into count interval partition
    for crowd counting", ICCV 2021.

    Examples
    --------
    >>> uniform_error_edges([0, 1, 2, 3, 4, 50, 60, 99], n_bins=4)
    array([ 0. ,  1.5, 27. , 79.5, 99. ])
    """
    values, counts = distinct_targets(y, sample_weight)
    require_two_targets(values[0], values[-1], np.size(y), "uniform_error_edges")
    return edges_between(values, uniform_error_ends(values, counts, n_bins))


@validate_params(_WEIGHTED_CONSTRAINTS, prefer_skip_nested_validation=True)
def mixed_edges(y, n_bins, sample_weight=None):
    """Cut the target line half as :func:`linear_edges` and :func:`uniform_error_edges`.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    n_bins : int
        Number of intervals; at least 2.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; 2 is the same as giving the target twice.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
        Strictly increasing, from the smallest to the largest target.

    Notes
    -----
    Both cuts number the target line from 0 to 1, linearly between their borders; these
    edges are where the mean of both numbers is a multiple of ``1 / n_bins``.

    Examples
    --------
    >>> mixed_edges([0, 1, 2, 3, 4, 50, 60, 99], n_bins=4).round(1)
    array([ 0. , 13.3, 42.3, 75.9, 99. ])
    """
    values, counts = distinct_targets(y, sample_weight)
    require_two_targets(values[0], values[-1], np.size(y), "mixed_edges")
    return mix_edges(values, counts, n_bins)


def mix_edges(values, counts, n_bins):
    """Return the mixed edges of distinct targets and their counts."""
    even = linear_edges(values[[0, -1]], n_bins)
    uneven = edges_between(values, uniform_error_ends(values, counts, n_bins))
    points = np.union1d(even, uneven)
    numbers = [
        np.interp(points, edges, np.linspace(0, 1, len(edges)))
        for edges in (even, uneven)
    ]
    shares = np.linspace(0, 1, n_bins + 1)[1:-1]
    borders = np.interp(shares, (numbers[0] + numbers[1]) / 2, points)
    return edges_around(borders, values[0], values[-1])


def assign(y, edges):
    """Find the class of each target; intervals are closed on the right.

    Parameters
    ----------
    y : array-like of shape (*S,)
        Targets, in the unit of the data; of any shape.

    edges : array-like of shape (C + 1,)
        Borders of the classes; the outer ones reach to infinity.

    Returns
    -------
    index : ndarray of shape (*S,), int64

    Examples
    --------
    >>> assign([-1.0, 1.0, 1.5, 9.0], [0.0, 1.0, 2.0])
    array([0, 0, 1, 1])
    """
    index = np.searchsorted(np.asarray(edges)[1:-1], y, side="left")
    return np.asarray(index, dtype=np.int64)


def class_means(y, index, edges, sample_weight=None):
    """Average the targets of each class; an empty class takes its midpoint.

    Parameters
    ----------
    y : array-like of shape (*S,)
        Targets, in the unit of the data.

    index : array-like of shape (*S,)
        Class of each target.

    edges : array-like of shape (C + 1,)
        Borders of the classes.

    sample_weight : array-like of shape (*S,), default=None
        Weight of each target.

    Returns
    -------
    values : ndarray of shape (C,)

    Examples
    --------
    >>> class_means([0.5, 1.5, 1.9], [0, 1, 1], [0.0, 1.0, 2.0, 3.0])
    array([0.5, 1.7, 2.5])
    """
    y, index = np.ravel(y).astype(np.float64, copy=False), np.ravel(index)
    weight = np.ones(y.shape) if sample_weight is None else np.ravel(sample_weight)
    values = midpoints(edges)
    total = np.bincount(index, weight, minlength=len(values))
    # Shares, not sums: they cannot overflow.
    share = weight / np.where(total > 0, total, 1)[index]
    mean = np.bincount(index, share * y, minlength=len(values))
    return np.where(total > 0, mean, values)


def midpoints(edges):
    """Return the middle of each interval; halves cannot overflow."""
    half = np.asarray(edges, dtype=np.float64) / 2
    return half[:-1] + half[1:]


def edges_between(values, ends):
    """Turn a grouping of distinct targets into edges midway between neighbours."""
    below, above = values[ends - 1], values[ends]
    middle = below / 2 + above / 2
    # Between neighbouring floats there is nothing: the border is then the lower one.
    middle = np.where((below <= middle) & (middle < above), middle, below)
    return edges_around(middle, values[0], values[-1])


def edges_around(interior, lowest, highest):
    """Close borders by the range of the targets, and hold them strictly increasing."""
    interior = np.unique(np.clip(interior, lowest, np.nextafter(highest, -np.inf)))
    # The class of the lowest target may be as narrow as that one number.
    first = lowest if lowest < interior[0] else np.nextafter(lowest, -np.inf)
    return np.concatenate([[first], interior, [highest]])


def require_two_targets(lowest, highest, n_samples, subject):
    """Refuse constant targets: there is nothing to cut between."""
    if lowest == highest:
        raise ValueError(
            f"{subject} needs at least two distinct targets to cut between; got "
            f"n_samples={n_samples}, all equal to {lowest:.6g}. A constant needs no "
            "classes: check y, or predict it with sklearn.dummy.DummyRegressor."
        )


def _span(y, subject):
    """Check the targets and return the smallest and the largest."""
    y = check_targets(y)
    lowest, highest = np.float64(y.min()), np.float64(y.max())
    require_two_targets(lowest, highest, y.size, subject)
    return lowest, highest
