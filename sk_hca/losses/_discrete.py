"""DC-regression: a regression that is content with the right interval."""

import torch
from torch import nn

from sk_hca.binning import make_binner
from sk_hca.losses._recipes import BaseLoss
from sk_hca.losses._reduction import check_weight, weighted_mean


def discrete_constrained_loss(pred, target, edges, weight=None):
    r"""Compute the loss of DC-regression: absolute errors that leave their interval.

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets.

    edges : Tensor of shape (C + 1,)
        Borders of the intervals, closed on the right, in the unit of the targets; the
        outer ones reach to infinity.

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()
        Mean absolute error of the predictions that lie in a wrong interval, plus that
        of the predictions that make up the bias of the batch.

    Notes
    -----
    With errors :math:`e_i = p_i - y_i` and intervals :math:`c(\cdot)`,

    .. math:: \operatorname{mean}_{c(p_i) \neq c(y_i)} |e_i|
        + \operatorname{mean}_{e_i b > 0} |e_i|, \qquad b = \sum_i w_i e_i.

    The first term asks nothing of a prediction in the right interval, which forgives
    labels that are a little wrong.  The second keeps such predictions from drifting
    all to one side.

    References
    ----------
    Xiong and Yao, "Discrete-constrained regression for local counting models",
    ECCV 2022.

    Examples
    --------
    >>> import torch
    >>> edges = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> pred, target = torch.tensor([0.5, 1.5, 2.5]), torch.tensor([0.7, 0.5, 2.5])
    >>> discrete_constrained_loss(pred, target, edges)
    tensor(2.)
    """
    error = pred - target
    weight = torch.ones_like(error) if weight is None else weight.to(error.dtype)
    check_weight(weight, error)
    inner = edges[1:-1].contiguous()
    is_wrong = torch.bucketize(pred, inner) != torch.bucketize(target, inner)
    bias = (weight * error).sum()
    is_biased = error * bias.sign() > 0
    distance = error.abs()
    return weighted_mean(distance, weight * is_wrong) + weighted_mean(
        distance, weight * is_biased
    )


class DCRegression(BaseLoss):
    """DC-regression: only a prediction in a wrong interval is told its distance.

    Parameters
    ----------
    binner : str, BaseBinner or array of edges, default="uniform_error"
        How the target line is cut into intervals, as in :class:`~sk_hca.HCARegressor`.

    See Also
    --------
    discrete_constrained_loss : The same as a function, with its formula and source.

    Notes
    -----
    The class is that of the location: there is no classifier, and no head but that of a
    plain regression, whose location is also the prediction.  What was decided where
    the description leaves it open: each of the two terms is the mean over the
    predictions that it penalises; one that lies in a wrong interval and adds to the
    bias is penalised by both; the bias is that of one batch (of all its places, for
    maps).
    The paper cuts counts on a log scale, and ages by year.
    """

    def __init__(self, binner="uniform_error"):
        self.binner = binner

    def criterion(self, y, weight, center, scale):
        """Cut the line of the training targets."""
        edges = make_binner(self.binner).fit(y, sample_weight=weight).edges_
        return DiscreteCriterion((edges - center) / scale)


class DiscreteCriterion(nn.Module):
    """The loss of DC-regression, between given borders.

    Parameters
    ----------
    edges : ndarray of shape (C + 1,)
        Borders of the intervals, in standardised units.
    """

    edges: torch.Tensor

    def __init__(self, edges):
        super().__init__()
        self.register_buffer("edges", torch.as_tensor(edges))

    def forward(self, output, target, weight=None):
        """Compute the loss of a batch."""
        return discrete_constrained_loss(output.location, target, self.edges, weight)
