"""A predicted distribution as an object that answers questions.

The density is even on either side of a class's value, with half of the class's
probability on each side: the line that :func:`decode_quantile` reads quantiles off.
The distribution function is piecewise linear, and everything below is its closed form.

Class axis is axis 1; ``*S`` stands for any trailing axes (none for tables and whole
images, ``(H, W)`` for maps).
"""

import copy

import numpy as np
from sklearn.utils import check_random_state

from sk_hca.prediction._decoders import interval_levels
from sk_hca.prediction._piecewise import (
    invert_line,
    place_values,
    read_line,
    running_total,
    squared_distance,
)


class BinnedDistribution:
    r"""Distributions over one target line, cut into classes: one for each sample.

    Parameters
    ----------
    probabilities : array-like of shape (n, C, *S)
        Probability of every class; not negative, and scaled here to sum to 1.

    edges : array-like of shape (C + 1,)
        Borders of the classes, strictly increasing, in the unit of the data.

    values : array-like of shape (C,), optional
        Value of each class, the mean of its training targets; the middle of the class
        by default.  Values of the outermost classes may lie beyond the outer borders,
        which then move out to them.

    See Also
    --------
    HCARegressor.predict_distribution : Makes them.

    Notes
    -----
    Class :math:`c` between the borders :math:`l` and :math:`u` with the value :math:`v`
    spreads :math:`p_c / 2` evenly over :math:`(l, v]` and :math:`p_c / 2` evenly over
    :math:`(v, u]`.  Three rules complete this:

    - **Beyond the range of training there is no probability**: below the lowest border
      `cdf` is 0, above the highest it is 1.  There `pdf` is 0 and `log_score` infinite,
      and `crps` grows with the distance.
    - **A value on a border is an atom**: a class whose samples all are one number there
      (many zeros, say) has half of its probability on that number.  `cdf`, `quantile`,
      `sample` and `crps` know atoms; a density cannot, and `pdf` spreads such a class
      evenly between its borders.
    - **Means are means of class values**, as the mean of training samples in a class
      says more about it than where its borders lie: `mean`, `median` and `mode` answer
      what the decoders of these names do.  The density's own mean differs by at most a
      quarter of a class's width.

    Methods that take targets want numbers of shape (n, *S) or what broadcasts to it,
    and answer in that shape; with one more axis, ``(n or 1, m, *S)``, they answer for
    `m` targets per sample.

    Examples
    --------
    >>> distribution = BinnedDistribution([[0.25, 0.75, 0.0]], [0, 1, 3, 9])
    >>> distribution.quantile([0.25, 0.5])
    array([[1.        , 1.66666667]])
    >>> distribution.cdf([[1.0, 3.0, 20.0]])
    array([[0.25, 1.  , 1.  ]])
    >>> distribution.mean(), distribution.crps(2.0).round(4)
    (array([1.625]), array([0.2708]))
    """

    def __init__(self, probabilities, edges, values=None):
        p = np.asarray(probabilities, dtype=np.float64)
        edges = np.array(edges, dtype=np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not (edges[1:] > edges[:-1]).all():
            raise ValueError(
                "edges must be at least two numbers in strictly increasing order; got "
                f"{edges}. Sort them and drop repeated ones."
            )
        if p.ndim < 2 or p.shape[1] != len(edges) - 1:
            raise ValueError(
                "probabilities must have the classes on axis 1, one for each of the "
                f"{len(edges) - 1} intervals between the edges; got shape {p.shape}."
            )
        total = p.sum(axis=1, keepdims=True)
        if not (np.isfinite(p).all() and (p >= 0).all() and (total > 0).all()):
            raise ValueError(
                "probabilities must be finite and not negative, with a positive sum "
                "for every sample. Give what predict_proba returns."
            )
        edges, values = place_values(edges, values)
        self.probabilities = p / total
        self.edges = edges
        self.values = values

    def __len__(self):
        """Count the samples."""
        return len(self.probabilities)

    def __getitem__(self, index):
        """Select samples; a single one stays a batch of one."""
        if isinstance(index, int | np.integer):
            index = [index]
        selected = copy.copy(self)
        selected.probabilities = self.probabilities[index]
        return selected

    def __repr__(self):
        """Tell how many samples and classes there are, and where."""
        n, n_classes, *tail = self.probabilities.shape
        return (
            f"BinnedDistribution(shape={(n, *tail)}, n_classes={n_classes}, "
            f"range=[{self.edges[0]:.6g}, {self.edges[-1]:.6g}])"
        )

    def pdf(self, y):
        """Return the density at targets.

        Parameters
        ----------
        y : array-like of shape (n, *S) or (n, m, *S)
            Targets.

        Returns
        -------
        density : ndarray of shape (n, *S) or (n, m, *S)
            In one over the unit of the data.
        """
        y, is_grid = self._check_points(y)
        lower, upper = self.edges[:-1], self.edges[1:]
        below, above = self.values - lower, upper - self.values
        # The mean of equal numbers may miss the border by rounding.
        is_atom = np.minimum(below, above) <= 1e-9 * (upper - lower)
        sides = np.stack([below, above], axis=1)
        sides[is_atom] = (upper - lower)[is_atom, np.newaxis] / 2
        # Intervals are closed on the right; the lowest one holds its border too.
        piece = np.searchsorted(self._knots()[1:-1], y, side="left")
        share = np.take_along_axis(self.probabilities, piece // 2, axis=1) / 2
        inside = (self.edges[0] <= y) & (y <= self.edges[-1])
        with np.errstate(over="ignore"):
            density = inside * share / sides.ravel()[piece]
        return _drop_axis(density, is_grid)

    def logpdf(self, y):
        """Return the logarithm of the density at targets, minus infinity where it is 0.

        Parameters
        ----------
        y : array-like of shape (n, *S) or (n, m, *S)
            Targets.

        Returns
        -------
        log_density : ndarray of shape (n, *S) or (n, m, *S)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.pdf(y))

    def cdf(self, y):
        """Return the probability of a target of at most `y`.

        Parameters
        ----------
        y : array-like of shape (n, *S) or (n, m, *S)
            Targets.

        Returns
        -------
        probability : ndarray of shape (n, *S) or (n, m, *S)
        """
        y, is_grid = self._check_points(y)
        return _drop_axis(read_line(y, *self._line())[0], is_grid)

    def quantile(self, level):
        """Return the smallest target whose `cdf` reaches a level.

        Parameters
        ----------
        level : float or array-like of shape (m,)
            Which quantiles, between 0 and 1; 0 gives the lowest border.

        Returns
        -------
        y : ndarray of shape (n, *S), or (n, m, *S) for several levels
        """
        levels = np.asarray(level, dtype=np.float64)
        if levels.ndim > 1 or not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(
                "level must be one number or a list of numbers between 0 and 1; got "
                f"{level!r}."
            )
        n, _, *tail = self.probabilities.shape
        q = np.broadcast_to(
            levels.reshape(1, -1, *(1,) * len(tail)), (n, levels.size, *tail)
        )
        return _drop_axis(self._invert(q), levels.ndim == 1)

    def interval(self, coverage=0.9):
        """Return the central interval: equal probability is left out on either side.

        Parameters
        ----------
        coverage : float, default=0.9
            Probability inside, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n, 2, *S)
            Lower and upper end.
        """
        return self.quantile(interval_levels(coverage))

    def mean(self):
        """Return the mean, of class values; best for squared errors.

        Returns
        -------
        mean : ndarray of shape (n, *S)
        """
        return np.tensordot(self.probabilities, self.values, ([1], [0]))

    def median(self):
        """Return the median; best for absolute errors.

        Returns
        -------
        median : ndarray of shape (n, *S)
        """
        return self.quantile(0.5)

    def mode(self):
        """Return the value of the most likely class, the paper's answer.

        Returns
        -------
        mode : ndarray of shape (n, *S)
        """
        return self.values[self.probabilities.argmax(axis=1)]

    def var(self):
        """Return the variance of the density, about the density's own mean.

        Returns
        -------
        variance : ndarray of shape (n, *S)
        """
        below, above = np.diff(self._knots()).reshape(-1, 2).T
        shift = (above - below) / 4
        within = (below**2 + above**2) / 6 - shift**2
        centers = (self.values + shift).reshape(
            -1, *(1,) * (self.probabilities.ndim - 2)
        )
        center = (self.probabilities * centers).sum(axis=1, keepdims=True)
        between = (self.probabilities * (centers - center) ** 2).sum(axis=1)
        return np.tensordot(self.probabilities, within, ([1], [0])) + between

    def std(self):
        """Return the standard deviation.

        Returns
        -------
        deviation : ndarray of shape (n, *S)
        """
        return np.sqrt(self.var())

    def sample(self, n_samples=1, random_state=None):
        """Draw targets.

        Parameters
        ----------
        n_samples : int, default=1
            How many for each distribution.

        random_state : int, RandomState or None, default=None
            Where randomness comes from.

        Returns
        -------
        y : ndarray of shape (n, n_samples, *S)
        """
        n, _, *tail = self.probabilities.shape
        draws = check_random_state(random_state).uniform(size=(n, n_samples, *tail))
        return self._invert(draws)

    def crps(self, y):
        r"""Score the distributions by the continuous ranked probability score.

        Parameters
        ----------
        y : array-like of shape (n, *S) or (n, m, *S)
            True targets; also beyond the borders.

        Returns
        -------
        score : ndarray of shape (n, *S) or (n, m, *S)
            In the unit of the data; 0 is perfect.  It is the absolute error of a
            distribution that is one number.

        Notes
        -----
        :math:`\int (F(x) - 1[x \ge y])^2 dx`, in closed form.

        References
        ----------
        Gneiting and Raftery, *Strictly proper scoring rules, prediction, and
        estimation*, JASA 2007.
        """
        y, is_grid = self._check_points(y)
        return _drop_axis(squared_distance(y, *self._line()), is_grid)

    def log_score(self, y):
        """Score the distributions by minus the log-density: smaller is better.

        Parameters
        ----------
        y : array-like of shape (n, *S) or (n, m, *S)
            True targets; beyond the outer borders the score is infinite.

        Returns
        -------
        score : ndarray of shape (n, *S) or (n, m, *S)
        """
        return -self.logpdf(y)

    def to_skpro(self):
        """Convert to the histogram distribution of skpro, which must be installed.

        Returns
        -------
        distribution : skpro.distributions.Histogram
            One row per sample and one column.  Its density is `pdf`: it has no atoms,
            and its mean is that of the density.
        """
        if self.probabilities.ndim > 2:
            raise ValueError(
                "skpro knows distributions of one number per sample; these are maps of "
                f"shape {self.probabilities.shape[2:]}. Flatten them into samples."
            )
        try:
            from skpro.distributions import Histogram
        except ImportError as error:
            raise ImportError(
                "to_skpro needs skpro, which is not installed: pip install skpro."
            ) from error

        knots = np.unique(self._knots())
        widths = np.diff(knots)
        masses = self.pdf(knots[np.newaxis, 1:]) * widths
        return Histogram(
            bins=[[knots] for _ in masses],
            bin_mass=[[mass] for mass in masses],
            index=np.arange(len(masses)),
            columns=["target"],
        )

    def _knots(self):
        """Return borders and values in turn, where the distribution function bends."""
        knots = np.empty(2 * len(self.values) + 1)
        knots[::2], knots[1::2] = self.edges, self.values
        return knots

    def _line(self):
        """Return the distribution function: knots, and its heights there."""
        heights = running_total(np.repeat(self.probabilities / 2, 2, axis=1))
        return self._knots(), heights / heights[:, -1:]

    def _invert(self, levels):
        """Find, for levels of shape (n, m, *S), where the distribution reaches them."""
        return invert_line(levels, *self._line())

    def _check_points(self, y):
        """Lay targets out as (n, m, *S), and tell whether they had that axis m."""
        y = np.asarray(y, dtype=np.float64)
        n, _, *tail = self.probabilities.shape
        is_grid = y.ndim == 2 + len(tail)
        shape = (n, y.shape[1], *tail) if is_grid else (n, *tail)
        try:
            spread = np.broadcast_to(y, shape)
        except ValueError:
            raise ValueError(
                f"y must be one number, or one target per sample, of shape "
                f"{(n, *tail)}, or m of them with one more axis, (n or 1, m, ...); "
                f"got shape {y.shape}."
            ) from None
        if np.isnan(y).any():
            raise ValueError("y must not contain NaN. Leave missing targets out.")
        return spread if is_grid else spread[:, np.newaxis], is_grid


def _drop_axis(answers, is_grid):
    """Drop axis 1 where nobody asked for it."""
    return answers if is_grid else answers[:, 0]
