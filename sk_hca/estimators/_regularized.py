"""Regularisers around a network and what it minimises, for all estimators alike."""

import torch
from torch import nn

from sk_hca.backbones import SmoothedNetwork
from sk_hca.regularizers import make_penalty, make_smoother


class PenalizedCriterion(nn.Module):
    """A loss with a penalty on the features, which is added in training only.

    Parameters
    ----------
    criterion : nn.Module
        The loss: takes the output of the network and ``(y, weight)`` or ``(y,)``.

    penalty : BasePenalty
        Takes features, then targets and weights.
    """

    def __init__(self, criterion, penalty):
        super().__init__()
        self.criterion = criterion
        self.penalty = penalty

    def forward(self, output, target):
        """Average the loss of a batch; add the penalty while training."""
        loss = self.criterion(output, target)
        if not self.training:
            return loss
        penalty = self.penalty(output.features, *target)
        return loss + penalty.to(loss.dtype)


def with_penalty(criterion, penalty):
    """Add a penalty, an alias or a recipe, to a criterion; None leaves it alone."""
    if penalty is None:
        return criterion
    return PenalizedCriterion(criterion, make_penalty(penalty))


def with_smoother(network, smoother, n_features, data, edges, device):
    """Put a smoother between a backbone and its heads; None leaves a network alone.

    Parameters
    ----------
    network : Network
        Backbone and heads.

    smoother : str, BaseSmoother or None
        Alias or recipe.

    n_features : int
        Number of features, d.

    data : TargetDataset
        Training data.

    edges : ndarray of shape (C + 1,) or None
        Borders of the estimator's classes, where it has any.

    device : str
        Where the network will be.

    Returns
    -------
    network : Network
    """
    if smoother is None:
        return network
    y, weight = data.targets()
    if weight is not None:
        y, weight = y[weight > 0], weight[weight > 0]
    module = make_smoother(smoother).build(n_features, y, weight, edges)
    if torch.device(device).type == "mps":
        module = module.float()  # It has no double precision.
    return SmoothedNetwork(network.extractor, network.heads, module)
