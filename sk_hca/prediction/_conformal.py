"""Intervals that cover as often as they say: the arithmetic of split conformal sets.

Scores say how far targets that no training has seen lie outside of the intervals that a
model gives.  Their quantile, corrected for finite numbers, is the margin that the next
interval needs.  *Regions* are parts of the target line, each with a margin of its own.
"""

import numpy as np


def conformity_scores(y, interval):
    """Measure how far targets lie outside of intervals; negative inside (CQR).

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.

    interval : ndarray of shape (n, 2)
        Lower and upper ends; twice the same answer gives absolute residuals.

    Returns
    -------
    scores : ndarray of shape (n,)

    References
    ----------
    Romano, Patterson and Candes, *Conformalized quantile regression*, NeurIPS 2019.

    Examples
    --------
    >>> conformity_scores(np.array([1.0, 5.0]), np.array([[0.0, 3.0], [0.0, 3.0]]))
    array([-1.,  2.])
    """
    return np.maximum(interval[:, 0] - y, y - interval[:, 1])


def conformal_margin(scores, coverage):
    r"""Return the margin that covers one more target with a given probability.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of targets that are exchangeable with the one to come.

    coverage : float
        Probability, between 0 and 1.

    Returns
    -------
    margin : float
        The :math:`\lceil (n + 1) \cdot coverage \rceil`-th smallest score; infinite
        where `n` is too small to tell.

    References
    ----------
    Lei et al., *Distribution-free predictive inference for regression*, JASA 2018.

    Examples
    --------
    >>> conformal_margin(np.arange(1.0, 20.0), 0.9)
    18.0
    >>> conformal_margin(np.arange(1.0, 9.0), 0.9)
    inf
    """
    rank = _rank(len(scores), coverage)
    if rank > len(scores):
        return np.inf
    return float(np.partition(scores, rank - 1)[rank - 1])


def least_calibration_samples(coverage):
    """Return the smallest number of scores that gives a finite margin.

    Parameters
    ----------
    coverage : float
        Probability, between 0 and 1.

    Returns
    -------
    n : int

    Examples
    --------
    >>> least_calibration_samples(0.9)
    9
    """
    n = int(coverage / (1 - coverage))
    return n if _rank(n, coverage) <= n else n + 1


def pool_regions(regions, counts, least):
    """Join regions that hold too few targets with the next.

    Parameters
    ----------
    regions : ndarray of shape (n_bins,)
        Region of each bin of the target line, from 0 on, rarest first.

    counts : ndarray of shape (n_bins,)
        Targets in each bin.

    least : float
        How many targets a region must hold.

    Returns
    -------
    regions : ndarray of shape (n_bins,)
        A region joins the next more common one, the last one the one before.

    Examples
    --------
    >>> pool_regions(np.array([2, 2, 1, 0]), np.array([90, 80, 30, 4]), 10)
    array([2, 2, 1, 1])
    """
    sizes = np.bincount(regions, counts)
    target = np.arange(len(sizes))
    for region in range(len(sizes) - 1):
        if sizes[region] < least:
            sizes[region + 1] += sizes[region]
            target[target == region] = region + 1
    last = len(sizes) - 1
    if sizes[last] < least and (target < last).any():
        target[target == last] = target[target < last].max()
    return target[regions]


def conformal_hull(interval, margins, borders):
    """Widen intervals by the margin of each region, and span what is left of them.

    A target belongs to the set if it lies within the margin of its own region,
    whichever that is; the answer is the smallest interval that holds this set.

    Parameters
    ----------
    interval : ndarray of shape (n, 2)
        Lower and upper ends.

    margins : ndarray of shape (n_regions,)
        Margin of each region.

    borders : ndarray of shape (n_regions + 1,)
        Borders of the regions, the outer ones infinite.

    Returns
    -------
    interval : ndarray of shape (n, 2)
        The middle, twice, where the set is empty.

    Examples
    --------
    >>> borders, margins = np.array([-np.inf, 5.0, np.inf]), np.array([1.0, 4.0])
    >>> conformal_hull(np.array([[0.0, 2.0], [1.0, 3.0]]), margins, borders)
    array([[-1.,  6.],
           [ 0.,  7.]])
    """
    lower = np.maximum(interval[:, :1] - margins, borders[:-1])
    upper = np.minimum(interval[:, 1:] + margins, borders[1:])
    # Regions are closed on the right, and open on the left.
    is_empty = (lower > upper) | (upper <= borders[:-1])
    lowest = np.where(is_empty, np.inf, lower).min(axis=1)
    highest = np.where(is_empty, -np.inf, upper).max(axis=1)
    middle = interval[:, 0] / 2 + interval[:, 1] / 2
    nothing = is_empty.all(axis=1)
    ends = [np.where(nothing, middle, end) for end in (lowest, highest)]
    return np.stack(ends, axis=1)


def _rank(n, coverage):
    """Return which smallest of n scores to take; a rounding error is no reason."""
    return int(np.ceil((n + 1) * coverage - 1e-9))
