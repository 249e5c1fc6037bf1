"""Cut the target line into rare and common regions, and plan what each one gets.

A *region* is a run of neighbouring targets that are all rare (their relevance reaches
the threshold) or all common.  With the relevance of a box plot there are up to three:
low extremes, the common middle, high extremes.
"""

from dataclasses import dataclass

import numpy as np

from sk_hca.metrics import evaluate_relevance, make_relevance


@dataclass(frozen=True)
class Region:
    """Samples of neighbouring targets.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Which samples they are.

    is_rare : bool
        Whether their relevance reaches the threshold.
    """

    rows: np.ndarray
    is_rare: bool


def find_regions(y, relevance, threshold, whisker):
    """Cut samples into rare and common regions of the target line.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.

    relevance : callable, array-like of shape (n_points, 2) or None
        Relevance of a target or its control points; None fits it on the targets.

    threshold : float
        Least relevance of a rare target.

    whisker : float
        Longest whisker, in interquartile ranges, when the relevance is fitted.

    Returns
    -------
    regions : list of Region
        From low targets to high ones.
    """
    relevance = make_relevance(
        relevance, y if relevance is None else None, whisker=whisker
    )
    is_rare = evaluate_relevance(relevance, y) >= threshold
    if is_rare.all() or not is_rare.any():
        none_or_all = "Every" if is_rare.any() else "No"
        other = "higher" if is_rare.any() else "lower"
        raise ValueError(
            f"{none_or_all} target has a relevance of {threshold:g} or more, so there "
            f"is nothing to tell rare from common by. Set a {other} threshold, or "
            "another relevance."
        )
    order = np.argsort(y, kind="stable")
    cuts = np.flatnonzero(np.diff(is_rare[order])) + 1
    return [Region(rows, bool(is_rare[rows[0]])) for rows in np.split(order, cuts)]


def plan(regions, over, under):
    """Say how many samples each region gains, or keeps.

    Parameters
    ----------
    regions : list of Region
        Rare and common ones.

    over : "balance" or float
        New samples for each rare one; "balance" brings a rare region to its even share
        of all samples.

    under : "balance" or float
        Share of the common samples that are kept; "balance" brings a common region to
        its even share.

    Returns
    -------
    n_new, n_kept : ndarray of int of shape (n_regions,)
    """
    sizes = np.array([len(region.rows) for region in regions])
    is_rare = np.array([region.is_rare for region in regions])
    even = round(sizes.sum() / len(sizes))
    if isinstance(over, str):
        n_new = np.maximum(even - sizes, 0)
    else:
        n_new = np.rint(over * sizes).astype(int)
    if isinstance(under, str):
        n_kept = np.minimum(sizes, even)
    else:
        n_kept = np.maximum(np.rint(under * sizes).astype(int), 1)
    return np.where(is_rare, n_new, 0), np.where(is_rare, sizes, n_kept)
