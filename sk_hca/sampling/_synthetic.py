"""SMOTER and SMOGN: invent samples in the rare regions of the target line.

Each sample of a rare region is the seed of as many new ones, up to one, and its
neighbours are looked for in its own region.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.sampling._base import BaseSampler
from sk_hca.sampling._inventing import (
    draw_seeds,
    interpolate,
    join,
    nothing,
    perturb,
    where,
    within_range,
)
from sk_hca.sampling._neighbors import find_neighbors
from sk_hca.sampling._regions import find_regions, plan
from sk_hca.sampling._tables import (
    append,
    in_kind_of,
    read_table,
    target_column,
    write_table,
)


class _RegionSampler(BaseSampler):
    """A sampler that invents samples in rare regions; a subclass says how."""

    _parameter_constraints: dict = {
        "relevance": [callable, "array-like", None],
        "threshold": [Interval(Real, 0, 1, closed="right")],
        "whisker": [Interval(Real, 0, None, closed="left")],
        "over": [Interval(Real, 0, None, closed="left"), StrOptions({"balance"})],
        "under": [Interval(Real, 0, 1, closed="right"), StrOptions({"balance"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "categorical_features": [StrOptions({"auto"}), "array-like"],
        "random_state": ["random_state"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X, y):
        """Resample inputs and targets.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_columns)
            Inputs: numbers without missing values, and categories.

        y : array-like of shape (n,) or (n, 1)
            Targets.

        Returns
        -------
        X, y : of the kinds that came
            The samples that are kept in their order, then those that were invented;
            a data frame is numbered anew.
        """
        X, targets = self._check_samples(X, y)
        column = target_column(y)
        table = read_table(X, self.categorical_features)
        regions = find_regions(targets, self.relevance, self.threshold, self.whisker)
        generator = check_random_state(self.random_state)
        n_new, n_kept = plan(regions, self.over, self.under)
        invented, kept = [nothing(table)], []
        for region, n_invented, n_left in zip(regions, n_new, n_kept, strict=True):
            kept.append(generator.permutation(region.rows)[:n_left])
            if n_invented:
                seeds = draw_seeds(len(region.rows), n_invented, generator)
                new = self._invent(region.rows, seeds, table, targets, generator)
                invented.append(within_range(new, table, targets[region.rows]))
        self.sample_indices_ = np.sort(np.concatenate(kept))
        rows, new = self.sample_indices_, join(invented)
        return (
            write_table(X, table, rows, new.numbers, new.sources),
            in_kind_of(y, append(column, rows, new.targets)),
        )

    def _neighbors(self, rows, table):
        """Find the neighbours of a region's samples; a single one is its own."""
        scaled = table.scaled(table.numbers, table.codes)
        return find_neighbors(scaled[rows], self.n_neighbors)


class SMOTER(_RegionSampler):
    r"""Invent samples between rare ones, and leave common ones out (SMOTER).

    A synthetic sample lies between a rare sample and one of its nearest neighbours
    among the rare samples of its own region; its target lies between theirs, nearer to
    that of the nearer one.

    Parameters
    ----------
    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one, as in
        :func:`sk_hca.metrics.relevance_function`.  By default it is fitted on the
        targets: extreme beyond the whiskers of their box plot.

    threshold : float, default=0.8
        Targets of at least this relevance are rare, in (0, 1].

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    over : "balance" or float, default="balance"
        Synthetic samples for each rare one (2 is the paper's 200 %).  "balance" brings
        each rare region to its even share, all samples by the number of regions.

    under : "balance" or float, default="balance"
        Share of the common samples that are kept, at random; 1 keeps all.  "balance"
        brings each common region to its even share.

    n_neighbors : int, default=5
        Nearest neighbours that a partner is drawn from; fewer in a smaller region.

    categorical_features : "auto" or array-like, default="auto"
        Positions or names of categorical columns, or a mask.  "auto" takes those that
        do not hold numbers: strings, categories, flags, dates.

    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_kept,)
        Rows that were kept: the first of the result, in their order.  The synthetic
        samples follow.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` is a data frame with strings as names.

    See Also
    --------
    SMOGN : Trusts a neighbour only where it is near.
    BinOverSampler : Repeats samples; for inputs that are no table.

    Notes
    -----
    Neighbours are near by the distance of Wilson and Martinez (HEOM): the difference of
    two numbers as a share of the range of their column, 1 for two unlike categories. A
    synthetic number is drawn between those of both samples, each column by itself; a
    category is that of either.  With the distances :math:`d_1, d_2` to both, the target
    is :math:`(d_2 y_1 + d_1 y_2) / (d_1 + d_2)`.

    The only sample of a region has no neighbour, and is repeated.  No target or number
    leaves the range that was seen; in columns and targets of integers, synthetic ones
    are rounded.  Distances within a region are all taken, so that the time grows with
    the square of its size.

    References
    ----------
    L. Torgo, R. P. Ribeiro, B. Pfahringer, P. Branco: SMOTE for regression. EPIA 2013.

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> X = generator.normal(size=(200, 3))
    >>> y = np.exp(X[:, 0])
    >>> X_new, y_new = SMOTER(random_state=0).fit_resample(X, y)
    >>> X_new.shape, y_new.shape
    ((200, 3), (200,))
    >>> int((y > 3).sum()), int((y_new > 3).sum())
    (24, 100)
    """

    def __init__(
        self,
        relevance=None,
        *,
        threshold=0.8,
        whisker=1.5,
        over="balance",
        under="balance",
        n_neighbors=5,
        categorical_features="auto",
        random_state=None,
    ):
        self.relevance = relevance
        self.threshold = threshold
        self.whisker = whisker
        self.over = over
        self.under = under
        self.n_neighbors = n_neighbors
        self.categorical_features = categorical_features
        self.random_state = random_state

    def _invent(self, rows, seeds, table, y, generator):
        neighbors = self._neighbors(rows, table)
        drawn = generator.randint(neighbors.index.shape[1], size=len(seeds))
        partners = neighbors.index[seeds, drawn]
        return interpolate(table, y, rows[seeds], rows[partners], generator)


class SMOGN(_RegionSampler):
    r"""Invent samples between rare ones that are near, by noise elsewhere (SMOGN).

    Between two rare samples that are far apart, common ones may lie.  SMOGN therefore
    interpolates as SMOTER does where the drawn neighbour is within a safe distance, and
    else adds a little Gaussian noise to the seed.

    Parameters
    ----------
    relevance : callable or array-like of shape (n_points, 2), optional
        Function from targets to relevances in [0, 1], or control points of one, as in
        :func:`sk_hca.metrics.relevance_function`.  By default it is fitted on the
        targets: extreme beyond the whiskers of their box plot.

    threshold : float, default=0.8
        Targets of at least this relevance are rare, in (0, 1].

    whisker : float, default=1.5
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    over : "balance" or float, default="balance"
        Synthetic samples for each rare one (2 is the paper's 200 %).  "balance" brings
        each rare region to its even share, all samples by the number of regions.

    under : "balance" or float, default="balance"
        Share of the common samples that are kept, at random; 1 keeps all.  "balance"
        brings each common region to its even share.

    n_neighbors : int, default=5
        Nearest neighbours that a partner is drawn from; fewer in a smaller region.

    perturbation : float, default=0.01
        Standard deviation of the noise, in standard deviations of the region.

    categorical_features : "auto" or array-like, default="auto"
        Positions or names of categorical columns, or a mask.  "auto" takes those that
        do not hold numbers: strings, categories, flags, dates.

    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_kept,)
        Rows that were kept: the first of the result, in their order.  The synthetic
        samples follow.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` is a data frame with strings as names.

    See Also
    --------
    SMOTER : Always interpolates; its notes on distances and ranges hold here, too.

    Notes
    -----
    The safe distance :math:`r` of a seed is half of the median of its distances to the
    other samples of its region.  Noise has the standard deviation :math:`\min(r,
    \delta)\, s` in every number and in the target, with the perturbation
    :math:`\delta` and the standard deviation :math:`s` of the region; each category is
    drawn from the seed and its neighbours.

    References
    ----------
    P. Branco, L. Torgo, R. P. Ribeiro: SMOGN: a pre-processing approach for imbalanced
    regression. Proceedings of Machine Learning Research 74, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> X = generator.normal(size=(200, 3))
    >>> y = np.exp(X[:, 0])
    >>> sampler = SMOGN(over=2.0, under=0.5, random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, y)
    >>> int((y > 3).sum()), int((y_new > 3).sum())
    (24, 69)
    """

    _parameter_constraints: dict = {
        **_RegionSampler._parameter_constraints,
        "perturbation": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        relevance=None,
        *,
        threshold=0.8,
        whisker=1.5,
        over="balance",
        under="balance",
        n_neighbors=5,
        perturbation=0.01,
        categorical_features="auto",
        random_state=None,
    ):
        self.relevance = relevance
        self.threshold = threshold
        self.whisker = whisker
        self.over = over
        self.under = under
        self.n_neighbors = n_neighbors
        self.perturbation = perturbation
        self.categorical_features = categorical_features
        self.random_state = random_state

    def _invent(self, rows, seeds, table, y, generator):
        neighbors = self._neighbors(rows, table)
        drawn = generator.randint(neighbors.index.shape[1], size=len(seeds))
        partners = neighbors.index[seeds, drawn]
        safe = neighbors.median[seeds] / 2
        givers = np.column_stack([seeds, neighbors.index[seeds]])
        between = interpolate(table, y, rows[seeds], rows[partners], generator)
        width = np.minimum(safe, self.perturbation)
        around = perturb(table, y, rows, rows[seeds], rows[givers], width, generator)
        return where(neighbors.distance[seeds, drawn] < safe, between, around)
