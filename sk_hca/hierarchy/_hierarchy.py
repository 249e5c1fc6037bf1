"""The hierarchy: one column of targets becomes class codes on every level.

The finest level is cut by a binner; each coarse one is a parent map over it.  Levels
run coarse to fine, the last is the finest; coarse codes are looked up, not searched.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from sk_hca.base import check_alias, check_targets
from sk_hca.binning import assign, make_binner
from sk_hca.hierarchy._merging import STRATEGIES, merge_classes


@dataclass(frozen=True, eq=False)
class Level:
    """The classes of one level.

    Parameters
    ----------
    edges : ndarray of shape (C_h + 1,)
        Borders of the classes, in the unit of the data; a subset of the finest ones.

    values : ndarray of shape (C_h,)
        Mean of the targets of each class.

    counts : ndarray of shape (C_h,)
        Number of samples in each class, or the sum of their weights.

    parent : ndarray of shape (C_H,)
        Class of this level that holds each class of the finest one.
    """

    edges: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    parent: np.ndarray

    def merged(self, parent):
        """Return the level that `parent` makes of these classes.

        Parameters
        ----------
        parent : ndarray of shape (C_H,)
            Coarse class of each class of this level, the finest one.

        Returns
        -------
        level : Level
            Its values are the means of the fine values, weighted by their counts.
        """
        starts = np.flatnonzero(np.diff(parent, prepend=-1))
        counts = np.add.reduceat(self.counts, starts)
        # Shares, not sums: they cannot overflow.
        share = self.counts / counts[parent]
        return Level(
            edges=self.edges[np.append(starts, len(parent))],
            values=np.add.reduceat(share * self.values, starts),
            counts=counts,
            parent=parent,
        )


class HierarchicalBinner(TransformerMixin, BaseEstimator):
    """Cut one column of targets into classes, fine and coarse.

    Parameters
    ----------
    binner : str, BaseBinner or array-like of shape (C_H + 1,), default="quantile"
        How the finest level is cut: an alias ("linear", "log", "quantile",
        "uniform_error" or "mixed"), a recipe, or its borders.

    merging : {"equal_number", "equal_length", "same", "recursive"}, \
            default="equal_number"
        How coarse classes are made of fine ones, see :func:`merge_classes`.
        "recursive" halves the square roots of the counts, like the authors' release.

    n_levels : int or "auto", default="auto"
        Number of levels, with the finest.  Coarse ones have up to 2, 4, 8, ... classes;
        "auto" makes all of them that are coarser than the finest.  A level that repeats
        another one is dropped, but under "same", where all are copies of the finest.

    Attributes
    ----------
    edges_ : ndarray of shape (C_H + 1,)
        Borders of the finest classes, in the unit of the data.

    values_ : ndarray of shape (C_H,)
        Mean of the targets of each finest class; its midpoint where it has none.

    counts_ : ndarray of shape (C_H,)
        Number of samples in each finest class, or the sum of their weights.

    n_classes_ : int
        Number of finest classes, C_H.

    parents_ : list of ndarray of shape (C_H,)
        Class that holds each finest class, for every coarse level, coarse to fine.

    levels_ : list of Level
        All levels, coarse to fine; the last is the finest.

    n_features_in_ : int
        Always 1, the column of targets.

    feature_names_in_ : ndarray of shape (1,)
        Name of that column, where it has one.

    Examples
    --------
    >>> y = [1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0]
    >>> hierarchy = HierarchicalBinner([0, 1, 2, 4, 16, 32]).fit(y)
    >>> hierarchy.parents_
    [array([0, 0, 0, 1, 1]), array([0, 1, 1, 2, 3])]
    >>> hierarchy.transform([2.5, 13.0])
    array([[0, 1, 2],
           [1, 2, 3]])
    >>> hierarchy.inverse_transform([[0, 1, 2], [1, 2, 3]])
    array([3.        , 8.66666667])
    """

    _parameter_constraints: dict = {
        "binner": "no_validation",
        "n_levels": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, binner="quantile", *, merging="equal_number", n_levels="auto"):
        self.binner = binner
        self.merging = merging
        self.n_levels = n_levels

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Cut the line of these targets on every level.

        Parameters
        ----------
        X : array-like of shape (n,) or (n, 1)
            Targets, in the unit of the data.

        y : None
            Ignored; here for scikit-learn's sake.

        sample_weight : array-like of shape (n,), default=None
            Weight of each target; 2 is the same as giving the target twice.

        Returns
        -------
        self : object
            The fitted hierarchy.
        """
        check_alias("merging", self.merging, STRATEGIES)
        targets = self._as_array(X, reset=True)
        self.n_features_in_ = 1
        binner = make_binner(self.binner).fit(targets, sample_weight)
        self.edges_ = binner.edges_
        self.values_ = binner.values_
        self.counts_ = binner.counts_
        self.n_classes_ = len(self.values_)
        identity = np.arange(self.n_classes_)
        finest = Level(self.edges_, self.values_, self.counts_, identity)
        self.parents_ = self._coarse_parents(identity)
        is_same = self.merging == "same"
        coarse = [finest if is_same else finest.merged(p) for p in self.parents_]
        self.levels_ = [*coarse, finest]
        return self

    def _coarse_parents(self, identity):
        """Merge the fine classes into 2, 4, 8, ... and drop what repeats."""
        n_levels = self.n_levels
        if n_levels == "auto":
            n_levels = max(1, (self.n_classes_ - 1).bit_length())
        if self.merging == "same":
            return [identity.copy() for _ in range(n_levels - 1)]
        counts = np.sqrt(self.counts_) if self.merging == "recursive" else self.counts_
        parents = [np.zeros_like(identity)]
        for h in range(1, min(n_levels, self.n_classes_.bit_length())):
            parent = merge_classes(counts, 2**h, self.merging, self.edges_)
            # Levels are nested: those of equally many classes are the same.
            if parents[-1][-1] < parent[-1] < identity[-1]:
                parents.append(parent)
        return parents[1:]

    def transform(self, X):
        """Find the class of each target on every level.

        Parameters
        ----------
        X : array-like of shape (n,) or (n, 1)
            Targets, in the unit of the data; those outside the edges belong to the
            outermost classes.

        Returns
        -------
        codes : ndarray of shape (n, H), int64
            Classes, coarse to fine.
        """
        check_is_fitted(self)
        targets = check_targets(self._as_array(X, reset=False))
        # Whole rows of a table of codes: column by column takes ten times as long.
        holders = np.stack([*self.parents_, np.arange(self.n_classes_)], axis=1)
        return holders.take(assign(targets, self.edges_), axis=0)

    def inverse_transform(self, X):
        """Look up the value of the finest class of each sample.

        Parameters
        ----------
        X : array-like of shape (n, H) or (n,)
            Classes of every level, coarse to fine, or of the finest level alone.

        Returns
        -------
        y : ndarray of shape (n,)
            Class values, in the unit of the data.
        """
        check_is_fitted(self)
        codes = np.asarray(X)
        n_levels = len(self.levels_)
        if codes.ndim not in (1, 2) or (codes.ndim == 2 and codes.shape[1] != n_levels):
            raise ValueError(
                f"Codes must have one column for each of the {n_levels} levels, or be "
                f"one row of finest classes; got shape {codes.shape}."
            )
        finest = codes if codes.ndim == 1 else codes[:, -1]
        if finest.dtype.kind not in "iu" and not (finest == np.floor(finest)).all():
            raise ValueError(
                "Codes must be whole numbers, as transform gives them; some are not. "
                "To go from targets to class values, call transform first."
            )
        if finest.size and not 0 <= finest.min() <= finest.max() < self.n_classes_:
            raise ValueError(
                "Codes of the finest level must lie between 0 and "
                f"{self.n_classes_ - 1}; got {finest.min()} to {finest.max()}."
            )
        return self.values_[finest.astype(np.int64)]

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the codes, one per level.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here for scikit-learn's sake.

        Returns
        -------
        names : ndarray of shape (H,)
            "level_1" for the coarsest, up to "level_H" for the finest.
        """
        check_is_fitted(self)
        names = [f"level_{h}" for h in range(1, len(self.levels_) + 1)]
        return np.array(names, dtype=object)

    def _as_array(self, X, *, reset):
        """Read an array, a list, a series or a frame; targets are not checked yet."""
        _check_feature_names(self, X, reset=reset)
        return check_array(
            X, dtype=(np.float64, np.float32), ensure_2d=False, ensure_all_finite=False
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
