"""Recipes that add to the loss what features should be like, by alias or as objects."""

from numbers import Real

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from sk_hca.base import resolve
from sk_hca.regularizers._ranksim import pool_places, ranksim_penalty


class BasePenalty(BaseEstimator):
    """A penalty on the features of a batch; a subclass writes ``__call__``.

    It is added to the loss in training, and only there: early stopping looks at the
    loss alone.
    """

    def __call__(self, features, y, weight=None):
        """Penalise the features of one batch.

        Parameters
        ----------
        features : Tensor of shape (N, d, *S)
            Features, as the backbone gives them.

        y : Tensor of shape (N, *S)
            Targets, in the unit of the data.

        weight : Tensor of shape (N, *S), optional
            Weight of every target; a missing target weighs 0.

        Returns
        -------
        penalty : Tensor of shape ()
        """
        raise TypeError(f"{type(self).__name__} must define __call__.")


class RankSim(BasePenalty):
    """Let samples rank their neighbours alike by features and by targets.

    One sample of every distinct target of a batch is drawn, and all of those count
    alike: of a weight it only matters whether it is 0.

    A patent application, US 20230214651, appears to cover this method: ask before you
    use it in a product.

    Parameters
    ----------
    gamma : float, default=0.01
        Weight of the penalty beside the loss.  Its authors use from 3e-4 (STS-B) to 100
        (ages, with a deep network): worth a search over powers of ten.  The penalty is
        a sum over the samples of a batch, the loss a mean: too much of it leaves the
        features of a small network all alike.

    interpolation : float, default=2.0
        How far similarities move along their gradient before they are ranked again.

    See Also
    --------
    ranksim_penalty : The penalty as a function, with its equation.

    Examples
    --------
    >>> import torch
    >>> angle = torch.tensor([0.0, 0.1, 0.4, 1.5])
    >>> features = torch.stack([angle.cos(), angle.sin()], dim=1)
    >>> RankSim(gamma=10.0)(features, torch.tensor([0.0, 2.0, 1.0, 3.0]))
    tensor(1.8750)
    """

    _parameter_constraints: dict = {
        "gamma": [Interval(Real, 0, None, closed="left")],
        "interpolation": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, gamma=0.01, *, interpolation=2.0):
        self.gamma = gamma
        self.interpolation = interpolation

    def __call__(self, features, y, weight=None):
        """Penalise the features of one batch; in which order it comes does not matter.

        Maps are averaged over the places that weigh anything.
        """
        features, y = pool_places(features, y, weight)
        order = y.argsort()
        # Which samples are drawn changes with the features, at every step.
        generator = torch.Generator(features.device).manual_seed(0)
        return self.gamma * ranksim_penalty(
            features.index_select(0, order), y[order], self.interpolation, generator
        )


PENALTIES = {"ranksim": RankSim}


def make_penalty(penalty):
    """Return the recipe of a penalty: an alias or a recipe."""
    return resolve("penalty", penalty, PENALTIES, BasePenalty)
