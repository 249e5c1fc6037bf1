r"""Subsets of chosen counts: is it imbalance that hurts, or too few samples?

Table 5 of the paper tells the two apart by training sets drawn from one pool: equally
many samples of every age, or many of some and few of others, at the same total number.
A *bin* is a stretch of the target line whose samples are counted together.
"""

from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sk_hca.base import check_targets
from sk_hca.binning import linear_edges

_SHARED = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "bins": [
        StrOptions({"unique"}),
        Interval(Integral, 2, None, closed="left"),
        "array-like",
    ],
    "random_state": ["random_state"],
}


@validate_params(_SHARED, prefer_skip_nested_validation=True)
def balanced_subset(y, n_samples, *, bins="unique", random_state=None):
    """Draw equally many samples from every bin of the target.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets to draw from.

    n_samples : int
        Number of samples of each bin.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        A bin per distinct target, so many intervals of equal width, or their borders.
        Intervals are closed on the right, and targets outside of all are not drawn.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    index : ndarray of shape (n_samples * n_bins,), int64
        Where the drawn targets stand in `y`, in increasing order, none twice.

    Raises
    ------
    ValueError
        If a bin holds fewer samples than are asked for.

    See Also
    --------
    imbalanced_subset : As many samples in all, most of them of some bins.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_hca.datasets import balanced_subset
    >>> y = np.repeat([20.0, 21.0, 22.0], [50, 20, 5])
    >>> index = balanced_subset(y, 5, random_state=0)
    >>> np.unique(y[index], return_counts=True)
    (array([20., 21., 22.]), array([5, 5, 5]))
    """
    index, borders = _find_bins(y, bins)
    wanted = np.full(len(borders), n_samples)
    return _draw(index, wanted, borders, random_state)


@validate_params(
    {
        **_SHARED,
        "ratio": [Interval(Real, 1, None, closed="left")],
        "common": [StrOptions({"lower", "upper"})],
    },
    prefer_skip_nested_validation=True,
)
def imbalanced_subset(
    y, n_samples, *, ratio=19.0, common="lower", bins="unique", random_state=None
):
    r"""Draw many samples from every bin of one half of the targets, few of the other.

    Parameters
    ----------
    y : array-like of shape (n,)
        Targets to draw from.

    n_samples : int
        Number of samples of a bin in the mean, so that the subset is as large as that
        of :func:`balanced_subset` with the same number.

    ratio : float, default=19.0
        How many times as many samples a common bin has as a rare one.

    common : {"lower", "upper"}, default="lower"
        Which half of the bins is common; of an odd number, the middle one is too.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        As in :func:`balanced_subset`.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    index : ndarray of shape (n,), int64
        Where the drawn targets stand in `y`, in increasing order, none twice.

    Raises
    ------
    ValueError
        If a bin holds fewer samples than are asked for, or a rare one would get none.

    Notes
    -----
    Of :math:`B` bins, :math:`M` of which are common, a rare one gets
    :math:`\text{n_samples} \cdot B / (M \cdot \text{ratio} + B - M)` samples and a
    common one `ratio` times as many, both rounded.  With an even number of bins, 100
    samples at the default ratio are 190 and 10, as in Table 5 of the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_hca.datasets import imbalanced_subset
    >>> y = np.repeat([20.0, 21.0, 22.0, 23.0], 50)
    >>> index = imbalanced_subset(y, 20, ratio=9, random_state=0)
    >>> np.unique(y[index], return_counts=True)
    (array([20., 21., 22., 23.]), array([36, 36,  4,  4]))
    """
    index, borders = _find_bins(y, bins)
    n_bins = len(borders)
    n_common = (n_bins + 1) // 2
    few = n_samples * n_bins / (n_common * ratio + n_bins - n_common)
    if round(few) < 1:
        raise ValueError(
            f"A rare bin must get one sample at least; n_samples={n_samples} and "
            f"ratio={ratio:g} leave it {few:.2g}. Raise n_samples or lower ratio."
        )
    wanted = np.full(n_bins, round(few))
    wanted[:n_common] = round(ratio * few)
    if common == "upper":
        wanted = wanted[::-1]
    return _draw(index, wanted, borders, random_state)


def _find_bins(y, bins):
    """Return the bin of every target, -1 outside of all, and how each bin is called."""
    y = check_targets(y)
    if isinstance(bins, str):
        values, index = np.unique(y, return_inverse=True)
        return index, [f"at {value:g}" for value in values]
    if isinstance(bins, Integral):
        edges = linear_edges(y, bins)
        index = np.searchsorted(edges[1:-1], y, side="left")
    else:
        edges = _check_edges(bins)
        index = np.searchsorted(edges, y, side="left") - 1
        index[index == len(edges) - 1] = -1
    return index, [f"({lower:g}, {upper:g}]" for lower, upper in pairwise(edges)]


def _check_edges(bins):
    """Check the borders that a user gave."""
    edges = np.asarray(bins, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (edges[:-1] < edges[1:]).all():
        raise ValueError(
            "bins, when it is an array, must hold two edges at least, in strictly "
            f"increasing order; got {edges}. Sort them and drop repeated ones."
        )
    return edges


def _draw(index, wanted, borders, random_state):
    """Draw as many samples of every bin as are wanted, without repetition."""
    there = np.bincount(index[index >= 0], minlength=len(wanted))
    short = np.flatnonzero(there < wanted)
    if short.size:
        worst = short[np.argmin(there[short] - wanted[short])]
        raise ValueError(
            f"The bin {borders[worst]} holds {there[worst]} samples, and "
            f"{wanted[worst]} are asked for; {short.size} of {len(wanted)} bins have "
            "too few. Lower n_samples, or choose wider bins or a part of the range."
        )
    # In random order, sorted by bin: the first of every bin are drawn.
    order = check_random_state(random_state).permutation(np.flatnonzero(index >= 0))
    order = order[np.argsort(index[order], kind="stable")]
    starts = np.cumsum(there) - there
    rank = np.arange(len(order)) - starts[index[order]]
    return np.sort(order[rank < wanted[index[order]]]).astype(np.int64)
