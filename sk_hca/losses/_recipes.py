"""What a loss of a direct regression is: a recipe that makes a criterion.

A recipe holds parameters, and says which head it needs.  From the training targets it
makes a criterion, a module that takes the output of the network and standardised
targets and gives a loss of shape ().  What a loss learns itself, such as a noise, is a
parameter of the criterion, which the optimiser trains with the network.
"""

from sklearn.base import BaseEstimator
from torch import nn

from sk_hca.backbones import LocationHead
from sk_hca.losses._reduction import weighted_mean


class BaseLoss(BaseEstimator):
    """A loss of a direct regression; a subclass writes ``loss_map`` or ``criterion``.

    ``loss_map(output, target)`` takes the :class:`~sk_hca.base.NetworkOutput` of one
    batch and standardised targets of shape (N, *S), and gives the loss of each target.

    Attributes
    ----------
    head : type
        Module that takes a number of features, and gives what the loss reads.
    """

    head: type = LocationHead

    def loss_map(self, output, target):
        """Compute the loss of every target; what a subclass writes in most cases."""
        raise TypeError(f"{type(self).__name__} must define loss_map or criterion.")

    def criterion(self, y, weight, center, scale):
        """Make what a training minimises.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Training targets, in the unit of the data.

        weight : ndarray of shape (n,) or None
            Their weights, all positive.

        center, scale : float
            What standardises the targets.

        Returns
        -------
        criterion : nn.Module
            Takes the output of the network, standardised targets of shape (N, *S) and
            their weights, if there are any; gives a loss of shape ().
        """
        return MapCriterion(self)


class MapCriterion(nn.Module):
    """Average a loss that knows one target at a time.

    Parameters
    ----------
    recipe : BaseLoss
        Whose ``loss_map`` to average.
    """

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe

    def forward(self, output, target, weight=None):
        """Average the loss of a batch over the targets that count."""
        return weighted_mean(self.recipe.loss_map(output, target), weight)
