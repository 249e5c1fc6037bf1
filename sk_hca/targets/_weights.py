r"""Turn targets into weights: rare ones count more, and the mean weight is 1.

These functions need targets alone, and serve as ``sample_weight`` of any regressor.
A target that has a `sample_weight` of 2 counts as two targets, and one that has 0 as
none.
"""

from numbers import Integral, Real

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter1d
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sk_hca.base import check_targets, check_weights, smoothing_window
from sk_hca.binning import assign, distinct_targets, linear_edges, quantile_edges

# Points of the grid of a density estimate: so many in a bandwidth, so many at most.
POINTS_PER_BANDWIDTH = 64
MOST_POINTS = 2**20

# Densities that differ by a smaller share of the largest are equal.
EQUAL_DENSITY = 1e-3

# The smallest weight of a target, before the mean is brought to 1.
SMALLEST_WEIGHT = 1e-6

# What parameters that several functions and recipes share may be.
BINS = [
    "array-like",
    Interval(Integral, 1, None, closed="left"),
    StrOptions({"unique"}),
]
FREQUENCY = {
    "reweight": [StrOptions({"inverse", "sqrt_inverse"})],
    "clip": ["array-like", None],
}
WINDOW = {
    "kernel": [str],
    "size": [Interval(Integral, 1, None, closed="left")],
    "sigma": [Interval(Real, 0, None, closed="neither")],
}
ALPHA = {"alpha": [Interval(Real, 0, None, closed="left")]}
TARGETS = {"y": ["array-like"], "sample_weight": ["array-like", None]}


@validate_params(
    {**TARGETS, "edges": BINS, **WINDOW, **FREQUENCY, "smooth": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def lds_weights(
    y,
    edges,
    kernel="gaussian",
    size=5,
    sigma=2,
    reweight="sqrt_inverse",
    smooth=True,
    clip=None,
    sample_weight=None,
):
    r"""Weigh targets by the inverse of how many others lie near (LDS).

    Targets are counted in bins, the counts are smoothed along the bins, and a target
    weighs one over the smoothed count of its bin.  Unsmoothed, these are the weights
    of inverse, or square-root-inverse, frequency.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    edges : array-like of shape (C + 1,), int or "unique"
        Borders of the bins, closed on the right, the outer ones open; or a number of
        bins of equal width over the targets; or "unique", a bin per distinct target.

    kernel : {"gaussian", "triang", "laplace"}, default="gaussian"
        Shape of the window, see :func:`smoothing_window`.

    size : int, default=5
        Number of bins under the window; odd.

    sigma : float, default=2
        Width of the window, in bins.

    reweight : {"sqrt_inverse", "inverse"}, default="sqrt_inverse"
        Whether the square roots of the counts are smoothed and inverted, or the counts.

    smooth : bool, default=True
        Whether the window is applied.

    clip : pair of float, default=None
        Smallest and largest count of a bin; others are moved there first.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; 2 is the same as giving the target twice.

    Returns
    -------
    weight : ndarray of shape (n,)
        Positive, of mean 1 (in which a target has its `sample_weight`); 0 where
        `sample_weight` is.

    Notes
    -----
    With counts :math:`n_c`, window :math:`k` and :math:`f` the square root or the
    identity, :math:`w = 1 / \sum_{c'} k(c - c') f(n_{c'})`, divided by its mean.

    References
    ----------
    Yang et al., "Delving into deep imbalanced regression", ICML 2021.

    Examples
    --------
    >>> y = [1.0, 1.0, 1.0, 1.0, 2.0, 3.0]
    >>> lds_weights(y, [0.5, 1.5, 2.5, 3.5], reweight="inverse", smooth=False)
    array([0.5, 0.5, 0.5, 0.5, 2. , 2. ])
    >>> lds_weights(y, 3, kernel="triang", size=3).round(2)
    array([0.9, 0.9, 0.9, 0.9, 0.9, 1.5])
    """
    y, weight = _checked(y, sample_weight)
    edges = _bin_edges(y[weight > 0], edges)
    index = assign(y, edges)
    counts = np.bincount(index, weight, minlength=len(edges) - 1)
    if clip is not None:
        counts = counts.clip(*_checked_clip(clip))
    if reweight == "sqrt_inverse":
        counts = np.sqrt(counts)
    if smooth:
        window = smoothing_window(kernel, size, sigma)
        counts = convolve1d(counts, window, mode="constant")
    empty = counts <= 0  # Nobody asks for their weight.
    return _mean_one(np.where(empty, 0, 1 / np.where(empty, 1, counts))[index], weight)


@validate_params({**TARGETS, **ALPHA}, prefer_skip_nested_validation=True)
def dense_weights(y, alpha=1.0, sample_weight=None):
    r"""Weigh targets by how sparse the others lie around (DenseWeight).

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets, in the unit of the data.

    alpha : float, default=1.0
        How much weights differ: 0 gives 1 to all; from 1 on, the densest targets weigh
        next to nothing.

    sample_weight : array-like of shape (n,), default=None
        Weight of each target; 2 is the same as giving the target twice.

    Returns
    -------
    weight : ndarray of shape (n,)
        Positive, of mean 1 (in which a target has its `sample_weight`); 0 where
        `sample_weight` is.

    Notes
    -----
    With :math:`p` the density of the targets, scaled so that it runs from 0 to 1 over
    them, :math:`w = \max(1 - \alpha p, 10^{-6})`, divided by its mean.  The density is
    a sum of Gaussians of width :math:`1.06\, s\, n^{-1/5}`, with :math:`s` the standard
    deviation of the targets.  It is taken on a grid, so that the time grows with n and
    not with its square.  Where it varies by less than 1 part in 1000, all weigh 1.

    References
    ----------
    Steininger et al., "Density-based weighting for imbalanced regression", Machine
    Learning 110, 2021.

    Examples
    --------
    >>> dense_weights([0.0, 0.1, 0.2, 5.0], alpha=0.5).round(2)
    array([0.8, 0.8, 0.8, 1.6])
    >>> dense_weights([7.0, 7.0, 7.0])
    array([1., 1., 1.])
    """
    y, weight = _checked(y, sample_weight)
    density = _density(y, weight)
    known = density[weight > 0]
    lowest, highest = known.min(), known.max()
    spread = highest - lowest
    if spread <= EQUAL_DENSITY * highest:
        return (weight > 0).astype(np.float64)
    sparse = 1 - alpha * (density - lowest) / spread
    return _mean_one(np.maximum(sparse, SMALLEST_WEIGHT), weight)


def _checked(y, sample_weight):
    """Check targets and their weights, which are ones where none are given."""
    y = check_targets(y)
    return y, check_weights(sample_weight, y)


def _bin_edges(y, bins):
    """Return the borders of the bins that a user asked for."""
    if isinstance(bins, str):
        values, _ = distinct_targets(y)
        return quantile_edges(values, len(values)) if len(values) > 1 else _one_bin()
    if isinstance(bins, Integral):
        is_single = bins == 1 or y.min() == y.max()
        return _one_bin() if is_single else linear_edges(y, int(bins))
    edges = np.asarray(bins, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (edges[:-1] < edges[1:]).all():
        raise ValueError(
            "Bins must be an int, 'unique', or one row of two or more edges in "
            f"strictly increasing order; got {bins!r}. Sort edges, and drop NaN and "
            "repeated ones."
        )
    return edges


def _one_bin():
    return np.array([-np.inf, np.inf])


def _checked_clip(clip):
    """Check the bounds of the counts."""
    bounds = np.asarray(clip, dtype=np.float64)
    if bounds.shape != (2,) or not 0 <= bounds[0] <= bounds[1] or bounds[1] == 0:
        raise ValueError(
            "clip must be a pair, the smallest and the largest count of a bin, such as "
            f"(5, 1000); got {clip!r}."
        )
    return bounds


def _mean_one(raw, weight):
    """Bring the mean to 1, and targets that count for nothing to 0."""
    raw = np.where(weight > 0, raw, 0.0)
    return raw / np.average(raw, weights=weight)


def _density(y, weight):
    """Estimate the density at each target, up to a factor, by Gaussians on a grid."""
    known = y[weight > 0]
    # Halves, so that the widest range is still finite.
    lowest, half_range = known.min() / 2, known.max() / 2 - known.min() / 2
    if half_range == 0:
        return np.ones(len(y))
    place = np.clip((y / 2 - lowest) / half_range, 0.0, 1.0)
    spread = np.sqrt(np.cov(place, aweights=weight, ddof=0))
    bandwidth = 1.06 * spread * max(weight.sum(), 1.0) ** -0.2
    n_points = int(min(np.ceil(POINTS_PER_BANDWIDTH / bandwidth) + 2, MOST_POINTS))
    # A target between two points is shared by them, by its distance.
    place = place * (n_points - 1)
    left = np.minimum(place.astype(np.int64), n_points - 2)
    share = place - left
    mass = np.bincount(left, weight * (1 - share), minlength=n_points)
    mass[1:] += np.bincount(left, weight * share, minlength=n_points)[:-1]
    sigma = bandwidth * (n_points - 1)
    smooth = gaussian_filter1d(mass, sigma, mode="constant", truncate=6)
    return smooth[left] * (1 - share) + smooth[left + 1] * share
