"""Recipes that cut the target line, given to an estimator by alias or as an object.

A recipe holds parameters only; its ``fit`` sorts the targets once and reads edges,
class values and counts from the distinct ones.  To write one, subclass
:class:`BaseBinner` and say in ``make_edges`` where the borders lie.
"""

from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.base import resolve
from sk_hca.binning._edges import (
    distinct_targets,
    edges_between,
    linear_edges,
    log_edges,
    mix_edges,
    require_two_targets,
)
from sk_hca.binning._partitions import quantile_ends, uniform_error_ends
from sk_hca.binning._statistics import class_starts, class_statistics


class BaseBinner(BaseEstimator):
    """A cut of the target line; a subclass says where the borders lie.

    Parameters
    ----------
    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples.  "midpoint" keeps it, and its value is
        its midpoint.  "merge" gives its range to its neighbours: of the borders between
        two classes with samples only that nearest to the middle stays.

    Attributes
    ----------
    edges_ : ndarray of shape (C + 1,)
        Borders of the classes, in the unit of the data, strictly increasing.

    values_ : ndarray of shape (C,)
        Mean of the targets of each class.

    counts_ : ndarray of shape (C,)
        Number of samples in each class, or the sum of their weights.
    """

    _parameter_constraints: dict = {"empty": [StrOptions({"midpoint", "merge"})]}

    empty = "midpoint"

    def make_edges(self, values, counts):
        """Say where the borders lie; the one method that a subclass writes.

        Parameters
        ----------
        values : ndarray of shape (D,)
            Distinct targets, increasing; two or more.

        counts : ndarray of shape (D,)
            Number of samples of each, or the sum of their weights; read-only.

        Returns
        -------
        edges : array-like of shape (C + 1,)
            Strictly increasing; the outer ones reach to infinity.
        """
        raise TypeError(
            f"{type(self).__name__} must define make_edges(self, values, counts)."
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, y, sample_weight=None):
        """Cut the line of these targets.

        Parameters
        ----------
        y : array-like of shape (n,)
            Targets, in the unit of the data.

        sample_weight : array-like of shape (n,), default=None
            Weight of each target; 2 is the same as giving the target twice.

        Returns
        -------
        self : object
            The fitted binner.
        """
        name = type(self).__name__
        values, counts = distinct_targets(y, sample_weight)
        require_two_targets(values[0], values[-1], np.size(y), name)
        edges = _check_edges(self.make_edges(values, counts), name)
        if self.empty == "merge":
            edges = _merge_empty(edges, values, name)
        self.edges_ = edges
        self.values_, self.counts_ = class_statistics(values, counts, edges)
        return self


class _NumberBinner(BaseBinner):
    """A binner that is told how many classes to make."""

    _parameter_constraints: dict = {
        **BaseBinner._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, n_bins=100, *, empty="midpoint"):
        self.n_bins = n_bins
        self.empty = empty


class LinearBinner(_NumberBinner):
    """Cut the range of the targets into intervals of equal width.

    Parameters
    ----------
    n_bins : int, default=40
        Number of classes.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples, see :class:`BaseBinner`.

    Examples
    --------
    >>> binner = LinearBinner(n_bins=4).fit([0.0, 0.5, 1.0, 4.0])
    >>> binner.edges_, binner.values_, binner.counts_
    (array([0., 1., 2., 3., 4.]), array([0.5, 1.5, 2.5, 4. ]), array([3, 0, 0, 1]))
    >>> LinearBinner(n_bins=4, empty="merge").fit([0.0, 0.5, 1.0, 4.0]).edges_
    array([0., 2., 4.])
    """

    def __init__(self, n_bins=40, *, empty="midpoint"):
        self.n_bins = n_bins
        self.empty = empty

    def make_edges(self, values, counts):
        """Divide the range by the number of classes."""
        return linear_edges(values[[0, -1]], self.n_bins)


class LogBinner(BaseBinner):
    """Cut the range of the targets into intervals of equal width on a log scale.

    Parameters
    ----------
    n_bins : int, default=100
        Number of classes, with the floor class.

    lower : float, default=None
        Where the log scale begins, if there are targets below: then all up to it share
        the first class, the floor.  None begins at the smallest positive target, and
        makes a floor class of the zeros where there are any.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples, see :class:`BaseBinner`.

    Examples
    --------
    >>> binner = LogBinner(n_bins=3).fit([0.0, 0.0, 2.0, 30.0, 100.0])
    >>> binner.edges_, binner.values_
    (array([  0.,   1.,  10., 100.]), array([ 0.,  2., 65.]))
    """

    _parameter_constraints: dict = {
        **_NumberBinner._parameter_constraints,
        "lower": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, n_bins=100, *, lower=None, empty="midpoint"):
        self.n_bins = n_bins
        self.lower = lower
        self.empty = empty

    def make_edges(self, values, counts):
        """Divide the range of the logarithms by the number of classes."""
        first_positive = min(np.searchsorted(values, 0, side="right"), len(values) - 1)
        return log_edges(values[[0, first_positive, -1]], self.n_bins, self.lower)


class QuantileBinner(_NumberBinner):
    """Cut the target line into classes of about equal numbers of samples.

    Parameters
    ----------
    n_bins : int, default=100
        Largest number of classes: there are never more than distinct targets.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples; this binner makes none.

    See Also
    --------
    quantile_edges : The same as a function, with the treatment of ties.

    Examples
    --------
    >>> binner = QuantileBinner(n_bins=3).fit([0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
    >>> binner.edges_, binner.counts_
    (array([0. , 0.5, 2.5, 4. ]), array([6, 2, 2]))
    """

    def make_edges(self, values, counts):
        """Share the samples, and let no tie fill more than one class."""
        return edges_between(values, quantile_ends(counts, self.n_bins))


class UniformErrorBinner(_NumberBinner):
    """Cut the target line into classes of about equal count times width (UEP).

    Parameters
    ----------
    n_bins : int, default=100
        Largest number of classes: there are never more than distinct targets.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples; this binner makes none.

    See Also
    --------
    uniform_error_edges : The same as a function, with the formula and its source.

    Examples
    --------
    >>> binner = UniformErrorBinner(n_bins=4).fit([0, 1, 2, 3, 4, 50, 60, 99])
    >>> binner.edges_
    array([ 0. ,  1.5, 27. , 79.5, 99. ])
    """

    def make_edges(self, values, counts):
        """Make the largest product of count and width as small as can be."""
        return edges_between(values, uniform_error_ends(values, counts, self.n_bins))


class MixedBinner(_NumberBinner):
    """Cut half as equal intervals do and half as equal count times width (UEP).

    Classes are narrow where targets are common, and never much wider than those of
    equal intervals where targets are rare.

    Parameters
    ----------
    n_bins : int, default=100
        Number of classes.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples, see :class:`BaseBinner`.

    See Also
    --------
    mixed_edges : The same as a function.

    Examples
    --------
    >>> binner = MixedBinner(n_bins=4).fit([0, 1, 2, 3, 4, 50, 60, 99])
    >>> binner.edges_.round(1)
    array([ 0. , 13.3, 42.3, 75.9, 99. ])
    """

    def make_edges(self, values, counts):
        """Take equal steps along the mean of both ways to count."""
        return mix_edges(values, counts, self.n_bins)


class CustomBinner(BaseBinner):
    """Cut the target line where the user says.

    Parameters
    ----------
    edges : array-like of shape (C + 1,)
        Borders of the classes, in the unit of the data, strictly increasing; targets
        outside belong to the outermost classes.

    empty : {"midpoint", "merge"}, default="midpoint"
        What becomes of a class without samples, see :class:`BaseBinner`.

    Examples
    --------
    >>> binner = CustomBinner([0.0, 18.0, 65.0, 120.0]).fit([17.0, 18.0, 30.0])
    >>> binner.values_
    array([17.5, 30. , 92.5])
    """

    _parameter_constraints: dict = {
        **BaseBinner._parameter_constraints,
        "edges": ["array-like"],
    }

    def __init__(self, edges, *, empty="midpoint"):
        self.edges = edges
        self.empty = empty

    def make_edges(self, values, counts):
        """Hand on the edges that were given."""
        return self.edges


BINNERS = {
    "linear": LinearBinner,
    "log": LogBinner,
    "quantile": QuantileBinner,
    "uniform_error": UniformErrorBinner,
    "mixed": MixedBinner,
}


def make_binner(value, name="binner"):
    """Return the binner that an alias, an object or a plain list of edges stands for.

    Parameters
    ----------
    value : str, BaseBinner or array-like of shape (C + 1,)
        What the user gave.

    name : str, default="binner"
        Parameter that the user set, for the message.

    Returns
    -------
    binner : BaseBinner
        A new recipe, not fitted.

    Examples
    --------
    >>> make_binner("log"), make_binner([0, 1, 2])
    (LogBinner(), CustomBinner(edges=[0, 1, 2]))
    """
    if not isinstance(value, str | BaseBinner) and np.ndim(value) == 1:
        return CustomBinner(value)
    return resolve(name, value, BINNERS, BaseBinner)


def _check_edges(edges, name):
    """Check the borders that a recipe made, or that a user gave to it."""
    edges = np.array(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 3:
        raise ValueError(
            f"{name} needs edges of at least two classes, in one row of three or more "
            f"numbers; got shape {edges.shape}."
        )
    if not np.isfinite(edges).all():
        raise ValueError(
            f"{name} needs finite edges; they contain NaN or infinity. Drop those: "
            "the outer classes reach to infinity in any case."
        )
    if not (edges[:-1] < edges[1:]).all():
        at = int(np.argmin(edges[:-1] < edges[1:]))
        raise ValueError(
            f"{name} needs strictly increasing edges; got {edges[at]:.6g} followed by "
            f"{edges[at + 1]:.6g} at position {at}. Sort them and drop repeated ones."
        )
    return edges


def _merge_empty(edges, values, name):
    """Keep one border between neighbouring classes with samples, the most central."""
    occupied = np.flatnonzero(np.diff(class_starts(values, edges)))
    if len(occupied) < 2:
        raise ValueError(
            f"{name} puts all targets, from {values[0]:.6g} to {values[-1]:.6g}, into "
            "one class. Give edges that lie between targets."
        )
    kept = []
    for left, right in pairwise(occupied):
        between = edges[left + 1 : right + 1]
        middle = between[0] / 2 + between[-1] / 2
        kept.append(between[np.argmin(np.abs(between - middle))])
    return np.array([edges[0], *kept, edges[-1]])
