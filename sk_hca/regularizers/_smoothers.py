"""Recipes that move features before the heads see them, by alias or as objects."""

from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from sk_hca.base import resolve
from sk_hca.binning import make_binner
from sk_hca.regularizers._fds import FeatureSmoothing


class BaseSmoother(BaseEstimator):
    """A recipe for what stands between backbone and heads while they train."""

    def build(self, n_features, y, sample_weight=None, edges=None):
        """Make the module.

        Parameters
        ----------
        n_features : int
            Number of features, d.

        y : array-like of shape (n,)
            Training targets.

        sample_weight : array-like of shape (n,), optional
            Weight of each target; 2 is the same as giving the target twice.

        edges : array-like of shape (C + 1,), optional
            Borders of the estimator's own classes, where it has any.

        Returns
        -------
        module : nn.Module
            Takes features of shape (N, d, *S), then targets and weights, (N, *S), and
            gives features.  ``begin_epoch()`` and ``end_epoch()`` are called around
            every epoch.
        """
        raise TypeError(f"{type(self).__name__} must define build.")


class FDS(BaseSmoother):
    """Smooth the means and variances of features along the target line.

    It needs features of one scale, behind a normalisation; training only.

    Parameters
    ----------
    binner : str, BaseBinner, array of edges or None, default=None
        How the target line is cut into bins, as for an estimator.  None takes the
        finest classes of the estimator, and 40 bins of equal width where it has none.

    kernel : {"gaussian", "triang", "laplace"}, default="gaussian"
        Window along the bins.

    size : int, default=5
        Bins under the window; odd.

    sigma : float, default=2.0
        Width of the window, in bins.

    momentum : float, default=0.9
        What share of the running statistics stays in every epoch.

    start_epoch : int, default=1
        Epochs to wait before features are smoothed.

    See Also
    --------
    FeatureSmoothing : The module, with its equations.

    Examples
    --------
    >>> FDS([0, 1, 2, 3], size=3).build(n_features=8, y=[0.5, 2.5]).mean.shape
    torch.Size([3, 8])
    """

    _parameter_constraints: dict = {
        "kernel": [str],
        "size": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "start_epoch": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        binner=None,
        *,
        kernel="gaussian",
        size=5,
        sigma=2.0,
        momentum=0.9,
        start_epoch=1,
    ):
        self.binner = binner
        self.kernel = kernel
        self.size = size
        self.sigma = sigma
        self.momentum = momentum
        self.start_epoch = start_epoch

    def build(self, n_features, y, sample_weight=None, edges=None):
        """Cut the target line, and make the module."""
        if edges is None or self.binner is not None:
            binner = make_binner("linear" if self.binner is None else self.binner)
            edges = binner.fit(y, sample_weight).edges_
        return FeatureSmoothing(
            n_features,
            edges,
            kernel=self.kernel,
            size=self.size,
            sigma=self.sigma,
            momentum=self.momentum,
            start_epoch=self.start_epoch,
        )


SMOOTHERS = {"fds": FDS}


def make_smoother(smoother):
    """Return the recipe of a smoother: an alias or a recipe."""
    return resolve("smoother", smoother, SMOOTHERS, BaseSmoother)
