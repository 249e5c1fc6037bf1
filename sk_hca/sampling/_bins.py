"""Draw samples again, or leave some out, until the bins of the target line are even.

No sample is invented, so that inputs may be anything that can be indexed: tables of any
types, sparse matrices, images.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.metrics import shot_groups
from sk_hca.sampling._base import BaseSampler

_COUNTS: dict = {"min": np.min, "median": np.median, "mean": np.mean, "max": np.max}


class _BinSampler(BaseSampler):
    """A sampler that brings bins to a number of samples."""

    _parameter_constraints: dict = {
        "bins": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"unique"}),
            "array-like",
        ],
        "bin_width": [Interval(Real, 0, None, closed="neither"), None],
        "n_per_bin": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions(set(_COUNTS)),
        ],
        "random_state": ["random_state"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X, y):
        """Resample inputs and targets.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, ...)
            Inputs of any kind.

        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        X, y : of the kinds that came
            Resampled inputs and targets; a sparse matrix comes back in CSR format.
        """
        X, targets = self._check_samples(X, y)
        y = np.asarray(y) if isinstance(y, list | tuple) else y
        # Where a width is given, the default number of bins gives way to it.
        bins = self.bins if self.bin_width is None else "unique"
        groups = shot_groups(targets, bins, bin_width=self.bin_width)
        codes = groups.bins.group(targets)
        generator = check_random_state(self.random_state)
        self.sample_indices_ = self._draw(codes, generator)
        return tuple(_safe_indexing(each, self.sample_indices_) for each in (X, y))

    def _aim(self, counts):
        """Give the number of samples that each bin is brought to."""
        if isinstance(self.n_per_bin, str):
            return int(np.ceil(_COUNTS[self.n_per_bin](counts)))
        return int(self.n_per_bin)


class BinOverSampler(_BinSampler):
    """Repeat random samples of the rarer bins of the target line.

    It needs nothing of the inputs and invents no sample; a model that can learn a rare
    sample by heart will do so sooner.

    Parameters
    ----------
    bins : int, "unique" or array-like of shape (n_bins + 1,), default=10
        So many intervals of equal width, each distinct target, or the edges of
        intervals that are closed on the right.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    n_per_bin : int or {"max", "mean", "median", "min"}, default="max"
        Samples that every bin shall have at least, as a number or by those of all bins
        that are not empty.  A bin that has as many stays as it is.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Row of each resampled sample: all rows in their order, then the repeated ones.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where `X` is a data frame with strings as names.

    See Also
    --------
    BinUnderSampler : Leave samples of common bins out.
    SMOTER : Invent samples between rare ones.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(6).reshape(-1, 1), np.array([1, 1, 1, 1, 2, 3])
    >>> _, resampled = BinOverSampler("unique", random_state=0).fit_resample(X, y)
    >>> np.unique(resampled, return_counts=True)
    (array([1, 2, 3]), array([4, 4, 4]))
    """

    def __init__(self, bins=10, *, bin_width=None, n_per_bin="max", random_state=None):
        self.bins = bins
        self.bin_width = bin_width
        self.n_per_bin = n_per_bin
        self.random_state = random_state

    def _draw(self, codes, generator):
        counts = np.bincount(codes)
        n_missing = np.maximum(self._aim(counts) - counts, 0)
        # Samples sorted by bin: a draw is a place within the stretch of its bin.
        order, first = np.argsort(codes, kind="stable"), np.cumsum(counts) - counts
        wanting = np.repeat(np.arange(len(counts)), n_missing)
        places = (generator.uniform(size=wanting.size) * counts[wanting]).astype(int)
        return np.concatenate([np.arange(codes.size), order[first[wanting] + places]])


class BinUnderSampler(_BinSampler):
    """Leave random samples of the more common bins of the target line out.

    It makes training faster, and throws away what the common samples could teach.

    Parameters
    ----------
    bins : int, "unique" or array-like of shape (n_bins + 1,), default=10
        So many intervals of equal width, each distinct target, or the edges of
        intervals that are closed on the right.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    n_per_bin : int or {"max", "mean", "median", "min"}, default="median"
        Samples that every bin shall have at most, as a number or by those of all bins
        that are not empty.  A bin that has no more stays as it is.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Row of each sample that is kept, in their order.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where `X` is a data frame with strings as names.

    See Also
    --------
    BinOverSampler : Repeat samples of rare bins.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(6).reshape(-1, 1), np.array([1, 1, 1, 1, 2, 3])
    >>> sampler = BinUnderSampler("unique", n_per_bin=1, random_state=0)
    >>> _, resampled = sampler.fit_resample(X, y)
    >>> resampled
    array([1, 2, 3])
    """

    def __init__(
        self, bins=10, *, bin_width=None, n_per_bin="median", random_state=None
    ):
        self.bins = bins
        self.bin_width = bin_width
        self.n_per_bin = n_per_bin
        self.random_state = random_state

    def _draw(self, codes, generator):
        counts = np.bincount(codes)
        # In random order, sorted by bin: the first of each stretch are kept.
        order = generator.permutation(codes.size)
        order = order[np.argsort(codes[order], kind="stable")]
        rank = np.arange(codes.size) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(order[rank < self._aim(counts)])
