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
        Weight of each target; a missing target weighs 0.  Its loss must be a number
        all the same: replace missing targets by one first.

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
        return loss.mean() if loss.numel() else loss.sum()
    check_weight(weight, loss)
    # Sums of many leave the range of half precision.
    wide = torch.promote_types(loss.dtype, torch.float32)
    weight = weight.to(wide)
    total = weight.sum().clamp_min(torch.finfo(wide).tiny)
    return ((loss.to(wide) * weight).sum() / total).to(loss.dtype)


def check_weight(weight, target):
    """Refuse weights that are not one per target, which would be spread over others."""
    if weight.shape != target.shape:
        raise ValueError(
            f"weight must have the shape of the targets, {tuple(target.shape)}; got "
            f"{tuple(weight.shape)}. Give every target its weight; weight.expand "
            "repeats that of a sample."
        )
