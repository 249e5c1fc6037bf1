"""The one way to average a loss.

A loss is a map over the targets until it comes here: weights, masks and missing targets
are then a single multiplication.
"""

import torch


def weighted_mean(loss, weight=None):
    """Average a loss map over the targets that count.

    Parameters
    ----------
    loss : Tensor of shape (N, *S)
        Loss of each target.

    weight : Tensor of shape (N, *S), optional
        Weight of each target; a missing target weighs 0.

    Returns
    -------
    mean : Tensor of shape ()
        Zero when no target counts.

    Examples
    --------
    >>> import torch
    >>> weighted_mean(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0]))
    tensor(2.)
    """
    if weight is None:
        return loss.mean()
    weight = weight.to(loss.dtype)
    return (loss * weight).sum() / weight.sum().clamp_min(torch.finfo(loss.dtype).tiny)
