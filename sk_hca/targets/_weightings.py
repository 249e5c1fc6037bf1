"""Recipes of weights, given to an estimator by alias or as an object."""

from functools import partial

from sklearn.base import BaseEstimator

from sk_hca.base import resolve
from sk_hca.targets._weights import (
    ALPHA,
    BINS,
    FREQUENCY,
    WINDOW,
    dense_weights,
    lds_weights,
)


class BaseWeighting(BaseEstimator):
    """How much each target weighs in training; a subclass writes `weigh`.

    Examples
    --------
    >>> class TailWeighting(BaseWeighting):
    ...     def weigh(self, y, sample_weight=None):
    ...         return 1.0 + (y > 100)
    """

    def weigh(self, y, sample_weight=None):
        """Weigh the training targets, all at once.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets, in the unit of the data; of a map, those of all places.

        sample_weight : ndarray of shape (n,), optional
            Weight of each target, positive; 2 stands for a target given twice.

        Returns
        -------
        weight : ndarray of shape (n,)
            Finite and not negative, by which `sample_weight` is multiplied.
        """
        raise TypeError(f"{type(self).__name__} must define weigh(y, sample_weight).")


class InverseWeighting(BaseWeighting):
    """One over the number of targets in the bin, or over its square root.

    Parameters
    ----------
    bins : int, "unique" or array-like of shape (C + 1,), default=50
        Number of bins of equal width, a bin per distinct target, or borders.

    reweight : {"inverse", "sqrt_inverse"}, default="inverse"
        Whether the count is inverted, or its square root.

    clip : pair of float, default=None
        Smallest and largest count of a bin.

    Examples
    --------
    >>> import numpy as np
    >>> InverseWeighting(2).weigh(np.array([0.0, 0.0, 0.0, 9.0])).round(2)
    array([0.67, 0.67, 0.67, 2.  ])
    """

    _parameter_constraints: dict = {"bins": BINS, **FREQUENCY}

    def __init__(self, bins=50, *, reweight="inverse", clip=None):
        self.bins = bins
        self.reweight = reweight
        self.clip = clip

    def weigh(self, y, sample_weight=None):
        """Count the targets in bins; see :func:`lds_weights`."""
        return lds_weights(
            y,
            self.bins,
            reweight=self.reweight,
            smooth=False,
            clip=self.clip,
            sample_weight=sample_weight,
        )


class LDSWeighting(BaseWeighting):
    """One over the smoothed number of targets around (LDS).

    Parameters
    ----------
    bins : int, "unique" or array-like of shape (C + 1,), default=50
        Number of bins of equal width, a bin per distinct target, or borders.

    kernel : {"gaussian", "triang", "laplace"}, default="gaussian"
        Shape of the window.

    size : int, default=5
        Number of bins under the window; odd.

    sigma : float, default=2
        Width of the window, in bins.

    reweight : {"sqrt_inverse", "inverse"}, default="sqrt_inverse"
        Whether the square roots of the counts are smoothed and inverted, or the counts.

    clip : pair of float, default=None
        Smallest and largest count of a bin.

    Examples
    --------
    >>> import numpy as np
    >>> LDSWeighting(5, size=3).weigh(np.array([0.0, 0.0, 0.0, 9.0])).round(2)
    array([0.85, 0.85, 0.85, 1.46])
    """

    _parameter_constraints: dict = {"bins": BINS, **WINDOW, **FREQUENCY}

    def __init__(
        self,
        bins=50,
        *,
        kernel="gaussian",
        size=5,
        sigma=2,
        reweight="sqrt_inverse",
        clip=None,
    ):
        self.bins = bins
        self.kernel = kernel
        self.size = size
        self.sigma = sigma
        self.reweight = reweight
        self.clip = clip

    def weigh(self, y, sample_weight=None):
        """Count the targets in bins and smooth the counts; see :func:`lds_weights`."""
        return lds_weights(
            y,
            self.bins,
            self.kernel,
            self.size,
            self.sigma,
            self.reweight,
            clip=self.clip,
            sample_weight=sample_weight,
        )


class DenseWeighting(BaseWeighting):
    """One minus the scaled density of the targets (DenseWeight).

    Parameters
    ----------
    alpha : float, default=1.0
        How much weights differ; 0 gives 1 to all.

    Examples
    --------
    >>> import numpy as np
    >>> DenseWeighting(0.5).weigh(np.array([0.0, 0.1, 0.2, 5.0])).round(2)
    array([0.8, 0.8, 0.8, 1.6])
    """

    _parameter_constraints: dict = ALPHA

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def weigh(self, y, sample_weight=None):
        """Estimate the density of the targets; see :func:`dense_weights`."""
        return dense_weights(y, self.alpha, sample_weight)


WEIGHTINGS = {
    "inverse": InverseWeighting,
    "sqrt_inverse": partial(InverseWeighting, reweight="sqrt_inverse"),
    "lds": LDSWeighting,
    "dense": DenseWeighting,
}


def make_weighting(weighting):
    """Return the weighting that an alias or an object stands for, None for None.

    Examples
    --------
    >>> make_weighting("lds")
    LDSWeighting()
    """
    if weighting is None:
        return None
    return resolve("weighting", weighting, WEIGHTINGS, BaseWeighting)
