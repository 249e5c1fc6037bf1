"""Precision, recall and F1 for regression, weighed by relevance.

A target or a prediction is *relevant* where its relevance reaches a threshold, and a
prediction is *accurate* where its error is within a tolerance.  Recall asks how many
relevant targets were met, precision how many relevant predictions were right; both
count by relevance.
"""

import warnings

import numpy as np

from sk_hca.metrics._bins import is_real
from sk_hca.metrics._errors import check_samples
from sk_hca.metrics._relevance import evaluate_relevance, make_relevance


def utility_recall_score(
    y_true,
    y_pred,
    *,
    tolerance,
    y_train=None,
    relevance=None,
    whisker=1.5,
    threshold=0.8,
    steepness=None,
    sample_weight=None,
):
    r"""Measure the share of relevant targets that were met, counted by relevance.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    tolerance : float
        Largest absolute error of an accurate prediction, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets that the relevance is fitted on, as in
        :func:`relevance_function`.  Either they or `relevance` must be given.

    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    threshold : float, default=0.8
        Least relevance of a relevant target, in (0, 1].

    steepness : float, optional
        By default a prediction is accurate or not.  A positive number lets accuracy
        fall smoothly from an error of 0 to the tolerance, the later the larger it is.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    score : float
        Between 0 and 1, better high; nan with a warning if no target is relevant.

    See Also
    --------
    utility_precision_score : The same over relevant predictions.
    utility_f1_score : Both in one number.

    Notes
    -----
    With relevance :math:`\phi`, threshold :math:`t_E` and accuracy :math:`\alpha`,

    .. math::
        \frac{\sum_{\phi(y_i) \ge t_E} \alpha(\hat y_i, y_i)\, \phi(y_i)}
        {\sum_{\phi(y_i) \ge t_E} \phi(y_i)}.

    Accuracy is 1 where the error :math:`L = |\hat y_i - y_i|` is at most the tolerance
    :math:`t_L`, and 0 elsewhere; with a steepness :math:`k` it is
    :math:`1 - \exp(-k (L - t_L)^2 / t_L^2)` within the tolerance, which at an error of
    0 is :math:`1 - e^{-k}`.

    References
    ----------
    L. Torgo, R. P. Ribeiro: Precision and recall for regression. Discovery Science,
    2009.

    Examples
    --------
    >>> y_true, y_pred = [1.0, 2.0, 9.0, 9.5], [1.0, 9.0, 8.5, 4.0]
    >>> relevance = [[2.0, 0.0], [8.0, 1.0]]
    >>> utility_recall_score(y_true, y_pred, tolerance=1.0, relevance=relevance)
    0.5
    """
    parts = _accuracies_and_relevances(
        (y_true, y_pred, sample_weight),
        (relevance, y_train, whisker),
        (tolerance, threshold, steepness),
    )
    return _recall(*parts, threshold=threshold)


def utility_precision_score(
    y_true,
    y_pred,
    *,
    tolerance,
    y_train=None,
    relevance=None,
    whisker=1.5,
    threshold=0.8,
    steepness=None,
    sample_weight=None,
):
    r"""Measure the share of relevant predictions that were right, by relevance.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    tolerance : float
        Largest absolute error of an accurate prediction, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets that the relevance is fitted on, as in
        :func:`relevance_function`.  Either they or `relevance` must be given.

    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    threshold : float, default=0.8
        Least relevance of a relevant prediction, in (0, 1].

    steepness : float, optional
        As in :func:`utility_recall_score`.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    score : float
        Between 0 and 1, better high; nan with a warning if no prediction is relevant.

    See Also
    --------
    utility_recall_score : The same over relevant targets.
    utility_f1_score : Both in one number.

    Notes
    -----
    With the symbols of :func:`utility_recall_score`,

    .. math::
        \frac{\sum_{\phi(\hat y_i) \ge t_E} \alpha(\hat y_i, y_i)\, \phi(\hat y_i)}
        {\sum_{\phi(\hat y_i) \ge t_E} \phi(\hat y_i)}.

    References
    ----------
    L. Torgo, R. P. Ribeiro: Precision and recall for regression. Discovery Science,
    2009.

    Examples
    --------
    >>> y_true, y_pred = [1.0, 2.0, 9.0, 9.5], [1.0, 9.0, 8.5, 4.0]
    >>> relevance = [[2.0, 0.0], [8.0, 1.0]]
    >>> utility_precision_score(y_true, y_pred, tolerance=1.0, relevance=relevance)
    0.5
    """
    parts = _accuracies_and_relevances(
        (y_true, y_pred, sample_weight),
        (relevance, y_train, whisker),
        (tolerance, threshold, steepness),
    )
    return _precision(*parts, threshold=threshold)


def utility_f1_score(
    y_true,
    y_pred,
    *,
    tolerance,
    y_train=None,
    relevance=None,
    whisker=1.5,
    threshold=0.8,
    steepness=None,
    sample_weight=None,
):
    r"""Take the harmonic mean of utility-weighted precision and recall.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    tolerance : float
        Largest absolute error of an accurate prediction, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets that the relevance is fitted on, as in
        :func:`relevance_function`.  Either they or `relevance` must be given.

    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    threshold : float, default=0.8
        Least relevance of a relevant target or prediction, in (0, 1].

    steepness : float, optional
        As in :func:`utility_recall_score`.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    score : float
        Between 0 and 1, better high; nan with a warning if no target or no prediction
        is relevant.

    See Also
    --------
    utility_precision_score : Over relevant predictions.
    utility_recall_score : Over relevant targets, with the formula.
    sera : An error that needs neither threshold nor tolerance.

    References
    ----------
    L. Torgo, R. P. Ribeiro: Precision and recall for regression. Discovery Science,
    2009.

    Examples
    --------
    >>> y_true, y_pred = [1.0, 2.0, 9.0, 9.5], [1.0, 3.0, 8.5, 4.0]
    >>> relevance = [[2.0, 0.0], [8.0, 1.0]]
    >>> score = utility_f1_score(y_true, y_pred, tolerance=1.0, relevance=relevance)
    >>> round(score, 3)
    0.667
    """
    parts = _accuracies_and_relevances(
        (y_true, y_pred, sample_weight),
        (relevance, y_train, whisker),
        (tolerance, threshold, steepness),
    )
    precision, recall = (
        _precision(*parts, threshold=threshold),
        _recall(*parts, threshold=threshold),
    )
    total = precision + recall
    return 2 * precision * recall / total if total != 0 else 0.0


def _accuracies_and_relevances(samples, relevance, options):
    """Accuracy and weight of each prediction, relevance of predictions and targets."""
    _check_options(*options)
    tolerance, _, steepness = options
    y_true, y_pred, weight = check_samples(*samples)
    relevance, y_train, whisker = relevance
    relevance = make_relevance(relevance, y_train, whisker=whisker)
    error = np.abs(y_pred - y_true)
    accuracy = (error <= tolerance).astype(np.float64)
    if steepness is not None:
        accuracy *= -np.expm1(-steepness * (error / tolerance - 1) ** 2)
    phi_pred, phi_true = (evaluate_relevance(relevance, y) for y in (y_pred, y_true))
    return accuracy, weight, phi_pred, phi_true


def _precision(accuracy, weight, phi_pred, phi_true, *, threshold):
    return _share(accuracy, weight * phi_pred, phi_pred >= threshold, "prediction")


def _recall(accuracy, weight, phi_pred, phi_true, *, threshold):
    return _share(accuracy, weight * phi_true, phi_true >= threshold, "target")


def _share(accuracy, weight, is_relevant, what):
    """Average accuracy over what is relevant; nan with a warning if nothing is."""
    if is_relevant.any():
        return float(np.average(accuracy[is_relevant], weights=weight[is_relevant]))
    score = {"prediction": "precision", "target": "recall"}[what]
    warnings.warn(
        f"No {what} reaches the threshold of relevance, so {score} is nan. "
        "Lower threshold=, or look at where relevance rises.",
        UserWarning,
        stacklevel=4,
    )
    return np.nan


def _check_options(tolerance, threshold, steepness):
    if not is_real(tolerance) or not 0 < tolerance < np.inf:
        raise ValueError(f"tolerance must be a positive number; got {tolerance!r}.")
    if not is_real(threshold) or not 0 < threshold <= 1:
        raise ValueError(f"threshold must be a number in (0, 1]; got {threshold!r}.")
    if steepness is not None and (not is_real(steepness) or not 0 < steepness < np.inf):
        raise ValueError(
            f"steepness must be a positive number or None; got {steepness!r}."
        )
