"""Count training targets, and weigh them by how rare they are."""

import numpy as np

from sk_hca.binning import distinct_targets
from sk_hca.targets import make_weighting


def weighed(data, weighting, seen=None):
    """Return the same data, in which rare targets weigh more.

    Parameters
    ----------
    data : TargetDataset
        Training data; a missing target weighs 0, and still does after.

    weighting : str, BaseWeighting or None
        What the user gave.

    seen : tuple of two ndarrays, optional
        Distinct targets, increasing, and the weight of each that has been seen, that of
        the data among it; they count in place of those of the data.

    Returns
    -------
    data : TargetDataset
        Without a copy of the inputs.
    """
    recipe = make_weighting(weighting)
    if recipe is None:
        return data
    y, weight = data.targets()
    weight = np.ones(y.shape) if weight is None else weight.copy()
    known = weight > 0
    if seen is None:
        factor = checked_factor(recipe, y[known], weight[known])
    else:
        factor = checked_factor(recipe, *seen)[np.searchsorted(seen[0], y[known])]
    weight[known] *= factor
    return data.reweighted(weight)


def checked_factor(recipe, y, weight):
    """Ask a weighting, which may be the user's own, and check what it says."""
    factor = np.asarray(recipe.weigh(y, weight.astype(np.float64)), dtype=np.float64)
    if factor.shape != y.shape or not np.isfinite(factor).all() or not factor.any():
        raise ValueError(
            f"{type(recipe).__name__}.weigh must give one finite weight per target, "
            f"not all zero, of shape {y.shape}; got shape {factor.shape}."
        )
    if factor.min() < 0:
        raise ValueError(
            f"{type(recipe).__name__}.weigh must not give negative weights; the "
            f"smallest is {factor.min():.3g}. Use 0 to leave a target out."
        )
    return factor


def tally_targets(data, seen=(None, None)):
    """Count the distinct training targets, and add up the weights of each.

    Parameters
    ----------
    data : TargetDataset
        Training data.

    seen : tuple of two, default=(None, None)
        Counts and weights of the targets of earlier data, to go on from.

    Returns
    -------
    counts, weights : tuple of two ndarrays
        Distinct targets, increasing, and how often they occur, or what they weigh.
    """
    y, weight = data.targets()
    if weight is None:
        counts = weights = distinct_targets(y)
    else:
        y, weight = y[weight > 0], weight[weight > 0]
        counts, weights = distinct_targets(y), distinct_targets(y, weight)
    return joined(seen[0], counts), joined(seen[1], weights)


def joined(seen, found):
    """Join two tallies of distinct targets."""
    if seen is None:
        return found
    pairs = zip(seen, found, strict=True)
    return distinct_targets(*(np.concatenate(pair) for pair in pairs))
