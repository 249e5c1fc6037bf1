"""Folds that each span the range of the targets, for cross-validation.

Samples are sorted by the bin of their target, and every run of `n_splits` neighbours is
dealt out, one to each fold.  A rare bin is so dealt together with its neighbours: no
bin is too small, and the rarest targets are spread over as many folds as there are of
them.
"""

from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from sk_hca.base import check_targets
from sk_hca.metrics._bins import make_bins, usual_bins


class StratifiedRegressionKFold(BaseCrossValidator):
    """Split samples into folds with the same spread of targets.

    What :class:`~sklearn.model_selection.StratifiedKFold` is to classes, for numbers:
    rare ranges are in every fold, as far as they have samples.  Give it as ``cv=`` to
    any search or cross-validation of scikit-learn.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.

    bins : "unique", int or array-like of shape (n_bins + 1,), optional
        Each distinct target, so many intervals of equal width over the range of the
        targets, or the edges of intervals.  By default each distinct target where there
        are at most 100, else 100 intervals.  Bins may be empty or hold a single sample.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    n_repeats : int, default=1
        How often the samples are split anew; needs `shuffle`.

    shuffle : bool, default=False
        Whether chance decides who goes to which fold.  Without it, samples of one bin
        are dealt in the order of the data.

    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling.

    See Also
    --------
    sk_hca.evaluation.compare : Compare estimators over such folds.

    Notes
    -----
    Of `n_splits` samples that follow each other in the order of their bins, counted
    from the lowest, each fold gets one.  Sizes of folds differ by at most 1, and what
    they hold of a bin, or of several neighbouring ones, by at most 1 without shuffling
    and at most 2 with it.

    With `groups` a group stays whole, so that balance is approximate: groups are taken
    from large to small, those within a factor of two in their order (or, shuffled, in
    any), and each goes to the fold that so far holds the smallest share of what the
    group would add to, by bins and in all.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 7.0, 9.0])
    >>> folds = StratifiedRegressionKFold(2)
    >>> for train, test in folds.split(y, y):
    ...     print(test, y[test])
    [0 2 4 6] [1. 1. 1. 7.]
    [1 3 5 7] [1. 1. 1. 9.]
    """

    # Groups are passed on under metadata routing without being asked for.
    __metadata_request__split = {"groups": True}

    _parameter_constraints: dict = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits=5,
        *,
        bins=None,
        bin_width=None,
        n_repeats=1,
        shuffle=False,
        random_state=None,
    ):
        self.n_splits = n_splits
        self.bins = bins
        self.bin_width = bin_width
        self.n_repeats = n_repeats
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Give the number of splits, over all repetitions.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        n_splits : int
        """
        return self.n_splits * self.n_repeats

    def split(self, X, y=None, groups=None):
        """Give the rows of the training set and of the test set, split by split.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Inputs; only their number matters.

        y : array-like of shape (n,)
            Targets.

        groups : array-like of shape (n,), optional
            Group of each sample; samples of one group stay together.

        Yields
        ------
        train, test : ndarray
            Row numbers, ascending.
        """
        if y is None:
            raise ValueError(
                "StratifiedRegressionKFold.split needs the targets y, which it "
                "stratifies by; got None."
            )
        return super().split(X, y, groups)

    def _iter_test_indices(self, X=None, y=None, groups=None):
        self._check_parameters()
        y = check_targets(y)
        bins = usual_bins(y, self.bins, bin_width=self.bin_width)
        codes = make_bins(y, bins, bin_width=self.bin_width).group(y)
        _require_enough("samples", y.size, self.n_splits)
        if groups is not None:
            names, groups = np.unique(np.asarray(groups), return_inverse=True)
            _require_enough("groups", names.size, self.n_splits)
        rng = check_random_state(self.random_state) if self.shuffle else None
        for _ in range(self.n_repeats):
            if groups is None:
                folds = _deal(codes, self.n_splits, rng)
            else:
                folds = _deal_groups(codes, groups.reshape(-1), self.n_splits, rng)
            for fold in range(self.n_splits):
                yield np.flatnonzero(folds == fold)

    def _check_parameters(self):
        parameters = {name: getattr(self, name) for name in self._parameter_constraints}
        validate_parameter_constraints(
            self._parameter_constraints, parameters, caller_name=type(self).__name__
        )
        if self.n_repeats > 1 and not self.shuffle:
            raise ValueError(
                f"n_repeats={self.n_repeats} would give the same folds again and again "
                "without shuffling. Set shuffle=True, or n_repeats=1."
            )
        if not self.shuffle and self.random_state is not None:
            raise ValueError(
                f"random_state={self.random_state!r} has no effect without shuffling. "
                "Set shuffle=True, or leave random_state out."
            )


def _deal(codes, n_splits, rng):
    """Deal samples to folds: of every `n_splits` neighbours in order, one to each."""
    n = codes.size
    blocks = np.tile(np.arange(n_splits), (-(-n // n_splits), 1))
    order = np.arange(n)
    if rng is not None:
        order = rng.permutation(n)
        blocks = rng.random_sample(blocks.shape).argsort(axis=1)
    order = order[np.argsort(codes[order], kind="stable")]
    folds = np.empty(n, dtype=np.intp)
    folds[order] = blocks.ravel()[:n]
    return folds


def _deal_groups(codes, groups, n_splits, rng):
    """Give each group to the fold that holds least of what the group brings."""
    strata = _strata(codes, n_splits)
    totals, sizes = np.bincount(strata), np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    order = np.arange(sizes.size) if rng is None else rng.permutation(sizes.size)
    # Large ones first; sizes within a factor of two are alike, so that repeats differ.
    order = order[np.argsort(-np.frexp(sizes[order])[1], kind="stable")]
    held = np.zeros((n_splits, totals.size))
    folds = np.empty(codes.size, dtype=np.intp)
    for rows in (members[group] for group in order):
        brought = strata[rows]
        by_bins = (held[:, brought] / totals[brought]).sum(axis=1)
        in_all = held.sum(axis=1) * rows.size / codes.size
        fold = np.argmin(by_bins + in_all)
        folds[rows] = fold
        np.add.at(held[fold], brought, 1)
    return folds


def _strata(codes, n_splits):
    """Pool bins with their neighbours where they are too small to be split."""
    starts = np.cumsum(counts := np.bincount(codes)) - counts
    return np.unique(starts // n_splits, return_inverse=True)[1].reshape(-1)[codes]


def _require_enough(what, n, n_splits):
    if n < n_splits:
        raise ValueError(
            f"n_splits={n_splits} folds need at least as many {what}; got {n}. "
            "Set a smaller n_splits."
        )
