"""The error along the target line: one number for each bin."""

from dataclasses import dataclass

import numpy as np

from sk_hca.metrics._bins import TargetBins, bin_means, distinct_counts
from sk_hca.metrics._errors import check_samples
from sk_hca.metrics._shots import shot_groups


@dataclass(frozen=True, eq=False)
class ErrorProfile:
    """Mean absolute error in every bin of the target line.

    Made by :func:`error_profile`.

    Parameters
    ----------
    intervals : ndarray of shape (n_bins, 2)
        Where each bin begins and ends; around a bin of one distinct value, as far as
        the typical gap reaches.

    counts : ndarray of shape (n_bins,)
        Training samples in each bin.

    shots : ndarray of shape (n_bins,)
        Shot of each bin: "many", "medium" or "few".

    mae : ndarray of shape (n_bins,)
        Mean absolute error in each bin; nan where no sample was tested.
    """

    intervals: np.ndarray
    counts: np.ndarray
    shots: np.ndarray
    mae: np.ndarray


def error_profile(
    y_true,
    y_pred,
    y_train,
    *,
    bins="unique",
    bin_width=None,
    many=100,
    few=20,
    sample_weight=None,
):
    """Measure the mean absolute error in every bin of the target line.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays
        Training targets, or their distinct values and how often each occurs.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        As in :func:`shot_groups`; distinct targets without training samples are bins
        here, too.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    many, few : float, default=100, 20
        As in :func:`shot_groups`.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample within its bin.

    Returns
    -------
    profile : ErrorProfile

    Examples
    --------
    >>> profile = error_profile([1.0, 1.0, 2.0], [1.5, 1.0, 3.0], [1.0, 2.0, 2.0, 3.0])
    >>> profile.mae
    array([0.25, 1.  ,  nan])
    >>> profile.counts
    array([1, 2, 1])
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    groups = shot_groups(y_train, bins, bin_width=bin_width, many=many, few=few)
    if groups.edges is None:
        precision = min(y_true.dtype, groups.values.dtype, key=lambda t: t.itemsize)
        values = np.unique(
            np.concatenate([groups.values, y_true]).astype(precision, copy=False)
        )
        target_bins, counts = TargetBins(values=values), groups.counts_of(values)
        intervals, shots = _around(values), groups.shots_of(values)
    else:
        target_bins, counts, shots = groups.bins, groups.counts, groups.shots
        intervals = np.column_stack([groups.edges[:-1], groups.edges[1:]])
        ends = distinct_counts(y_train)[0][[0, -1]]
        intervals = _bounded(intervals, np.concatenate([y_true, ends]))
    present, codes = np.unique(target_bins.find(y_true), return_inverse=True)
    mae = np.full(target_bins.n_bins, np.nan)
    mae[present] = bin_means(np.abs(y_pred - y_true), weight, codes)
    return ErrorProfile(intervals=intervals, counts=counts, shots=shots, mae=mae)


def _around(values):
    """Intervals around distinct values that do not overlap."""
    values = values.astype(np.float64)
    gaps = np.diff(values)
    typical = np.median(gaps) if gaps.size else 1.0
    halves = np.minimum(gaps, typical) / 2
    ends = np.full(1, typical / 2)
    lower = values - np.concatenate([ends, halves])
    upper = values + np.concatenate([halves, ends])
    return np.column_stack([lower, upper])


def _bounded(intervals, y):
    """Let outer intervals that are infinite end where the targets do."""
    finite = intervals[np.isfinite(intervals)]
    inside = np.concatenate([finite, y])
    bounded = intervals.clip(inside.min(), inside.max())
    # An interval whose targets all lie at its end has a width, too.
    margin = np.ptp(inside) / 20 or 0.5
    if bounded[0, 0] == bounded[0, 1]:
        bounded[0, 0] -= margin
    if bounded[-1, 0] == bounded[-1, 1]:
        bounded[-1, 1] += margin
    return bounded
