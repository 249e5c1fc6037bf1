"""How common the targets are: a mixture of Gaussians, or a histogram.

Both know a weight as repetitions: what comes out is the same, to the last bit, for a
weight of 2 and for a target given twice.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_hca.binning import LinearBinner, distinct_targets

# A mixture is fitted on so many quantiles of the targets, however many there are.
N_QUANTILES = 2048


def mixture(y, weight, n_components):
    """Fit a mixture of Gaussians to targets, by their quantiles.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.

    weight : ndarray of shape (n,) or None
        Their weights.

    n_components : int
        Largest number of components: there are never more than distinct targets.

    Returns
    -------
    means, spreads, shares : ndarray of shape (K,)
        Mean, standard deviation and weight of each component.

    Examples
    --------
    >>> import numpy as np
    >>> means, spreads, shares = mixture(np.array([0.0, 0.0, 3.0]), None, 8)
    >>> means.round(3) + 0.0, shares.round(3)
    (array([0., 3.]), array([0.667, 0.333]))
    """
    # Only here: it takes a while to import, and one form of one loss needs it.
    from sklearn.mixture import GaussianMixture

    values, counts = distinct_targets(y, weight)
    points = quantiles(values, counts, N_QUANTILES)
    # Halves, so that no range leaves that of floats.
    middle = points[0] / 2 + points[-1] / 2
    half = points[-1] / 2 - points[0] / 2
    if half == 0:
        return points[:1], np.zeros(1), np.ones(1)
    offsets = (points - middle) / half
    spread = offsets.std()
    offsets = (offsets / spread)[:, None]
    model = GaussianMixture(min(n_components, len(np.unique(offsets))), random_state=0)
    with warnings.catch_warnings():
        # A density that is still improving a little serves as well.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(offsets)
    means = middle + half * (spread * model.means_.ravel())
    spreads = half * (spread * np.sqrt(model.covariances_.ravel()))
    return means, spreads, model.weights_


def quantiles(values, counts, n):
    """Return `n` quantiles, in the middle of equal shares, of counted values."""
    cumulative = np.cumsum(counts, dtype=np.float64)
    levels = (np.arange(n) + 0.5) / n * cumulative[-1]
    return values[np.searchsorted(cumulative, levels)]


def histogram(y, weight, n_bins):
    """Count targets in bins of equal width, and leave out the empty ones.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.

    weight : ndarray of shape (n,) or None
        Their weights.

    n_bins : int
        Number of bins.

    Returns
    -------
    means, spreads, shares : ndarray of shape (B,)
        Mean of the targets of each bin, but the smallest and the largest target for the
        outermost, no spread, and their share.

    Examples
    --------
    >>> import numpy as np
    >>> means, spreads, shares = histogram(np.array([0.0, 0.0, 3.0]), None, 8)
    >>> means, spreads, shares.round(3)
    (array([0., 3.]), array([0., 0.]), array([0.667, 0.333]))
    """
    values, _ = distinct_targets(y, weight)
    if len(values) == 1:
        return values, np.zeros(1), np.ones(1)
    binner = LinearBinner(n_bins).fit(y, sample_weight=weight)
    is_used = binner.counts_ > 0
    counts = binner.counts_[is_used]
    means = binner.values_[is_used]
    # With a target beyond them all, the loss would have no lower bound: the farther a
    # prediction runs past it, the less it would cost.
    means[[0, -1]] = values[[0, -1]]
    return means, np.zeros_like(means), counts / counts.sum()
