"""Errors of a regressor that do not let common targets outvote rare ones.

A *balanced* error is the mean over bins of the target line of the error within the bin.
In every metric a weight of 2 means that the sample counts twice, and 0 that it is not
there.  Maps (depth, local counts) are scored after ``ravel()``.
"""

import numpy as np

from sk_hca.base import check_targets, check_weights
from sk_hca.metrics._bins import bin_means, is_real, make_bins


def check_samples(y_true, y_pred, sample_weight=None):
    """Check what a metric compares, and leave out the samples of weight 0.

    Returns
    -------
    y_true, y_pred, weight : ndarray of shape (n,)
        Targets in their own precision (their bins depend on it); predictions in double
        precision, as all errors are; positive weights.
    """
    y_true = check_targets(y_true, name="y_true")
    y_pred = check_targets(y_pred, name="y_pred").astype(np.float64)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            "y_true and y_pred must hold one number for each sample; got "
            f"{y_true.size} targets and {y_pred.size} predictions."
        )
    if sample_weight is None:
        return y_true, y_pred, np.ones(len(y_true))
    weight = check_weights(sample_weight, y_true)
    present = weight > 0
    return y_true[present], y_pred[present], weight[present]


def _mean_absolute(error, weight, codes):
    return float(np.average(np.abs(error), weights=weight))


def _balanced_mean_absolute(error, weight, codes):
    return float(bin_means(np.abs(error), weight, codes).mean())


def _root_mean_squared(error, weight, codes):
    return float(np.sqrt(np.average(error**2, weights=weight)))


def _balanced_root_mean_squared(error, weight, codes):
    return float(np.sqrt(bin_means(error**2, weight, codes).mean()))


def _geometric_mean(error, weight, codes=None):
    with np.errstate(divide="ignore"):  # the logarithm of an error of 0
        return float(np.exp(np.average(np.log(np.abs(error)), weights=weight)))


# The columns of a report: each takes errors, weights and the bin of each sample.
MEASURES = {
    "mae": _mean_absolute,
    "bmae": _balanced_mean_absolute,
    "rmse": _root_mean_squared,
    "brmse": _balanced_root_mean_squared,
    "gm": _geometric_mean,
}


def balanced_mean_absolute_error(
    y_true, y_pred, *, sample_weight=None, bins="unique", bin_width=None
):
    """Average the mean absolute error of every bin (bMAE).

    Rare targets count as much as common ones, as they do in the tables of papers on
    imbalanced regression.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample within its bin.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        Each distinct target, so many intervals of equal width, or the edges of
        intervals that are closed on the right.  Continuous targets need intervals:
        where every target is distinct, bMAE is the plain MAE.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    Returns
    -------
    error : float
        In the unit of the targets.

    See Also
    --------
    shot_report : The same by number of training samples.

    Examples
    --------
    >>> balanced_mean_absolute_error([1, 1, 1, 9], [1, 1, 1, 5])
    2.0
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    codes = make_bins(y_true, bins, bin_width=bin_width).group(y_true)
    return _balanced_mean_absolute(y_pred - y_true, weight, codes)


def balanced_root_mean_squared_error(
    y_true, y_pred, *, sample_weight=None, bins="unique", bin_width=None
):
    """Take the root of the mean over bins of each bin's mean squared error.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample within its bin.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        As in :func:`balanced_mean_absolute_error`.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    Returns
    -------
    error : float
        In the unit of the targets.

    Examples
    --------
    >>> balanced_root_mean_squared_error([1, 1, 1, 9], [3, 3, 3, 9])
    1.414...
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    codes = make_bins(y_true, bins, bin_width=bin_width).group(y_true)
    return _balanced_root_mean_squared(y_pred - y_true, weight, codes)


def geometric_mean_error(y_true, y_pred, *, sample_weight=None, floor=0.0):
    """Take the geometric mean of the absolute errors (GM).

    It measures how evenly a regressor serves its samples, and is 0 as soon as a single
    error is 0; a `floor` keeps one lucky hit from deciding.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    floor : float, default=0.0
        Smaller errors are raised to it; in the unit of the targets.

    Returns
    -------
    error : float
        In the unit of the targets.

    Examples
    --------
    >>> round(geometric_mean_error([0, 0, 0], [1, 2, 4]), 6)
    2.0
    >>> geometric_mean_error([0, 0, 0], [0, 2, 4])
    0.0
    >>> round(geometric_mean_error([0, 0, 0], [0, 2, 4], floor=1), 6)
    2.0
    """
    if not is_real(floor) or not 0 <= floor < np.inf:
        raise ValueError(f"floor must be a number that is not negative; got {floor!r}.")
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    return _geometric_mean(np.maximum(np.abs(y_pred - y_true), floor), weight)


def absolute_relative_error(y_true, y_pred, *, sample_weight=None):
    r"""Average the absolute error relative to the target (AbsRel).

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Positive targets, such as depths.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    error : float
        Mean of :math:`|\hat y - y| / y`, a share.

    Examples
    --------
    >>> absolute_relative_error([1, 2], [1.5, 2])
    0.25
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    _check_positive(y_true, "absolute_relative_error", "targets")
    return float(np.average(np.abs(y_pred - y_true) / y_true, weights=weight))


def delta_accuracy(y_true, y_pred, *, sample_weight=None, threshold=1.25):
    r"""Measure the share of predictions within a factor of the target.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Positive targets, such as depths.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.  One that is not positive is within no
        factor of its target, and counts as a miss.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    threshold : float, default=1.25
        The factor, larger than 1; delta 2 and 3 are ``1.25**2`` and ``1.25**3``.

    Returns
    -------
    accuracy : float
        Share of samples with :math:`\max(\hat y / y, y / \hat y)` below the threshold.

    Examples
    --------
    >>> delta_accuracy([1, 1, 1, 1], [1.2, 0.9, 2.0, -1.0])
    0.5
    """
    if not is_real(threshold) or not threshold > 1:
        raise ValueError(f"threshold must be a number above 1; got {threshold!r}.")
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    _check_positive(y_true, "delta_accuracy", "targets")
    inverse = np.full(len(y_true), np.inf)
    np.divide(y_true, y_pred, out=inverse, where=y_pred > 0)
    is_near = np.maximum(y_pred / y_true, inverse) < threshold
    return float(np.average(is_near, weights=weight))


def logarithmic_error(y_true, y_pred, *, sample_weight=None):
    r"""Average the absolute error of the decimal logarithm (log10).

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Positive targets, such as depths.

    y_pred : array-like of shape (n,)
        Positive predictions, in the unit of the targets.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    error : float
        Mean of :math:`|\log_{10} \hat y - \log_{10} y|`; 0.3 is a factor of two.

    Examples
    --------
    >>> logarithmic_error([1, 1], [10, 0.1])
    1.0
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    _check_positive(y_true, "logarithmic_error", "targets")
    _check_positive(y_pred, "logarithmic_error", "predictions")
    return float(
        np.average(np.abs(np.log10(y_pred) - np.log10(y_true)), weights=weight)
    )


def _check_positive(y, metric, what):
    if y.min() <= 0:
        raise ValueError(
            f"{metric} needs positive {what}; the smallest is {y.min():.3g}. "
            "Leave those samples out with sample_weight=0, or use an absolute error."
        )
