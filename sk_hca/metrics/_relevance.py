"""Squared error weighed by how relevant a target is (SERA).

A *relevance function* gives each target a number in [0, 1]: 0 for ordinary targets, 1
for extreme ones.  It is fitted on training targets, drawn through control points, or
any callable.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from sk_hca.base import SLACK
from sk_hca.metrics._bins import distinct_counts, is_real
from sk_hca.metrics._errors import check_samples


@dataclass(frozen=True, eq=False)
class Relevance:
    """Relevance that runs smoothly and monotonically through control points.

    Made by :func:`relevance_function`.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Target and relevance of each control point, targets strictly increasing.
    """

    points: np.ndarray

    def __call__(self, y):
        """Give the relevance of each target; constant beyond the outer points."""
        targets, relevances = self.points.T
        # In a unit of their order, whose cubes stay in the range of floats.
        unit = np.ldexp(1.0, np.frexp(np.abs(targets).max())[1])
        targets, y = targets / unit, y / unit
        # A repeated end makes the slope 0 there, as at every extreme of the curve.
        gap = 1 + np.abs(targets).max()
        curve = PchipInterpolator(
            np.concatenate([targets[:1] - gap, targets, targets[-1:] + gap]),
            np.concatenate([relevances[:1], relevances, relevances[-1:]]),
        )
        # Rounding must not carry the curve out of [0, 1].
        return curve(np.clip(y, targets[0], targets[-1])).clip(0.0, 1.0)


def relevance_function(y_train=None, *, points=None, whisker=1.5):
    """Make a relevance function from training targets or from control points.

    Parameters
    ----------
    y_train : array-like of shape (n,), or a tuple of two such arrays, optional
        Training targets, or their distinct values and how often each occurs.  Their
        median has relevance 0, and the ends of the whiskers of their box plot have
        relevance 1 on the sides where outliers lie beyond them, 0 on the others.

    points : array-like of shape (n_points, 2), optional
        Target and relevance of control points, in place of `y_train`.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges.

    Returns
    -------
    relevance : Relevance
        Callable; monotone cubic between the points, constant beyond them.

    References
    ----------
    R. P. Ribeiro, N. Moniz: Imbalanced regression and extreme value prediction.
    Machine Learning 109, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> relevance = relevance_function([1, 2, 3, 4, 5, 100])
    >>> relevance.points
    array([[1. , 0. ],
           [3.5, 0. ],
           [5. , 1. ]])
    >>> relevance(np.array([0.0, 4.25, 50.0]))
    array([0. , 0.5, 1. ])
    """
    if (y_train is None) == (points is None):
        raise ValueError("relevance_function takes either y_train or points.")
    if points is not None:
        return Relevance(_checked_points(points))
    if not is_real(whisker) or not 0 <= whisker < np.inf:
        raise ValueError(
            f"whisker must be a number that is not negative; got {whisker!r}."
        )
    values, counts = distinct_counts(y_train)
    return Relevance(_box_plot_points(values, counts, whisker))


def sera(
    y_true, y_pred, *, y_train=None, relevance=None, whisker=1.5, sample_weight=None
):
    r"""Sum the squared errors, weighed by the relevance of the targets (SERA).

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets that the relevance is fitted on, as in
        :func:`relevance_function`.  Without them and without `relevance`, `y_true`
        takes their place (with its weights), and scores of different test sets are
        then not comparable.

    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    sample_weight : array-like of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    error : float
        In the squared unit of the targets; a sum, so it grows with the sample.

    Notes
    -----
    SERA is the integral over t in [0, 1] of the squared error of the samples with
    relevance of at least t.  A sample of relevance :math:`\phi_i` is among them for
    :math:`t \le \phi_i`, so that the integral is exactly
    :math:`\sum_i \phi_i (\hat y_i - y_i)^2`.

    References
    ----------
    R. P. Ribeiro, N. Moniz: Imbalanced regression and extreme value prediction.
    Machine Learning 109, 2020.

    Examples
    --------
    >>> sera([1.0, 2.0, 9.0], [2.0, 2.0, 7.0], relevance=[[2.0, 0.0], [8.0, 1.0]])
    4.0
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    if y_train is None and relevance is None:
        y_train = (y_true, weight)
    relevance = make_relevance(relevance, y_train, whisker=whisker)
    phi = evaluate_relevance(relevance, y_true)
    return float((weight * phi * (y_pred - y_true) ** 2).sum())


def make_relevance(relevance=None, y_train=None, *, whisker=1.5):
    """Make the relevance function that a user asked for.

    Parameters
    ----------
    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets to fit the relevance on, in place of `relevance`.

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    Returns
    -------
    relevance : callable

    Examples
    --------
    >>> make_relevance([[2.0, 0.0], [8.0, 1.0]]).points
    array([[2., 0.],
           [8., 1.]])
    """
    if (relevance is None) == (y_train is None):
        raise ValueError(
            "Relevance is fitted on y_train or given as relevance; got "
            f"{'neither' if relevance is None else 'both'}. Fit it on training targets "
            "only: scores that each fit their own are not comparable."
        )
    if relevance is None:
        return relevance_function(y_train, whisker=whisker)
    return relevance if callable(relevance) else relevance_function(points=relevance)


def evaluate_relevance(relevance, y):
    """Give the relevance of each target, checked to lie in [0, 1].

    Parameters
    ----------
    relevance : callable
        Function from targets to relevances, such as a :class:`Relevance`.

    y : ndarray of shape (n,)
        Targets.

    Returns
    -------
    phi : ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> relevance = make_relevance([[2.0, 0.0], [8.0, 1.0]])
    >>> evaluate_relevance(relevance, np.array([0.0, 5.0, 9.0]))
    array([0. , 0.5, 1. ])
    """
    phi = np.asarray(relevance(y), dtype=np.float64)
    if phi.shape != y.shape or not ((phi >= 0) & (phi <= 1)).all():
        raise ValueError(
            "relevance must give one number in [0, 1] for each target; got shape "
            f"{phi.shape} with entries from {phi.min():.3g} to {phi.max():.3g}."
        )
    return phi


def _box_plot_points(values, counts, whisker):
    """Control points of a box plot: low end, median, high end."""
    values = values.astype(np.float64)
    lower, median, upper = (_quantile(values, counts, q) for q in (0.25, 0.5, 0.75))
    reach = whisker * (upper - lower)
    inside = values[(values >= lower - reach) & (values <= upper + reach)]
    low, high = min(inside[0], median), max(inside[-1], median)
    has_low, has_high = values[0] < low, values[-1] > high
    if not has_low and not has_high:
        raise ValueError(
            "The relevance of targets without outliers is 0 everywhere: none lies "
            f"beyond {whisker:g} interquartile ranges from the quartiles {lower:.3g} "
            f"and {upper:.3g}. Give control points as relevance, or a smaller whisker."
        )
    # Half of the targets may equal the median: the next one then is extreme.
    low = values[values < median].max() if has_low and low == median else low
    high = values[values > median].min() if has_high and high == median else high
    points = [[median, 0.0]]
    if low < median:
        points.insert(0, [low, float(has_low)])
    if high > median:
        points.append([high, float(has_high)])
    return np.array(points)


def _quantile(values, counts, share):
    """Quantile of repeated values; the mean of two where the share falls between."""
    total = np.cumsum(counts)
    place, slack = share * total[-1], SLACK * total[-1]
    left = np.searchsorted(total, place - slack, side="left")
    right = np.searchsorted(total, place + slack, side="right")
    left, right = np.minimum([left, right], values.size - 1)
    return (values[left] + values[right]) / 2


def _checked_points(points):
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1:] != (2,) or not points.size:
        raise ValueError(
            "The points of a relevance must be pairs of a target and its relevance, of "
            f"shape (n_points, 2); got shape {points.shape}."
        )
    targets, relevances = points.T
    is_ordered = np.isfinite(targets).all() and (np.diff(targets) > 0).all()
    if not is_ordered or not ((relevances >= 0) & (relevances <= 1)).all():
        raise ValueError(
            "The points of a relevance must have strictly increasing targets and "
            f"relevances in [0, 1]; got {points.tolist()}."
        )
    return points
