r"""All levels side by side: one pass over their logits instead of one per level.

The logits of all levels are one tensor of shape (N, sum of C_h, *S), coarse to fine.
Here it is seen as (B, sum of C_h, M), with the classes between: a table is one row of
M samples, a batch of maps is B rows of M places.  What has to be known of every level
by itself, its sum, is then one small matrix product.
"""

import math
from functools import lru_cache

import torch

# Exponentials of logits within this share of the range of floats neither overflow nor
# vanish, whatever is done with their sums.
SAFE_SHARE = 0.7

# Where the logarithm of every sum of exponentials lies within this share, the larger
# ones of them are exact, and those that vanish would not count in the sum.
SAFE_SHARE_OF_SUMS = 0.25


def as_rows(x):
    """See a tensor (N, C, *S) as (B, C, M), without a copy where it lies so."""
    return x.t().unsqueeze(0) if x.ndim == 2 else x.flatten(2)


def from_rows(rows, shape):
    """Give (B, C, M) the axes of a tensor of shape (N, any, *S), without a copy."""
    if len(shape) == 2:
        return rows.squeeze(0).t()
    return rows.view(shape[0], rows.shape[1], *shape[2:])


@lru_cache(maxsize=16)
def level_layout(n_classes, dtype, device):
    """Say which classes, side by side, belong to which level.

    Parameters
    ----------
    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    dtype : torch.dtype
        Type of the indicator.

    device : torch.device
        Where to put both.

    Returns
    -------
    indicator : Tensor of shape (H, sum of C_h)
        1 where a class belongs to a level, else 0.

    level_of : Tensor of shape (sum of C_h,), int64
        Level of every class.
    """
    with torch.inference_mode(False):
        sizes = torch.tensor(n_classes, device=device)
        levels = torch.arange(len(n_classes), device=device)
        level_of = levels.repeat_interleave(sizes)
        return (levels.unsqueeze(1) == level_of).to(dtype), level_of


def exponentials(logits, n_classes):
    """Exponentiate the logits of all levels, each by its largest where needed.

    Parameters
    ----------
    logits : Tensor of shape (B, sum of C_h, M)
        Logits of all levels.

    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    Returns
    -------
    weights : Tensor of shape (B, sum of C_h, M)
        Probabilities, but for a factor per level and place; without a shift, none of
        them vanished.

    shift : Tensor of shape (B, H, M), or None
        What was subtracted from the logits of every level, if anything was.
    """
    if is_worth_a_look(logits) and is_within(logits, SAFE_SHARE):
        return logits.exp(), None
    return shifted_exponentials(logits, n_classes)


def level_weights(logits, n_classes):
    r"""Exponentiate the logits of all levels and add up each, shifted where needed.

    Parameters
    ----------
    logits : Tensor of shape (B, sum of C_h, M)
        Logits of all levels.

    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    Returns
    -------
    weights : Tensor of shape (B, sum of C_h, M)
        Probabilities, but for a factor per level and place.

    sums : Tensor of shape (B, H, M)
        Sums of the weights of every level.

    log_sums : Tensor of shape (B, H, M)
        :math:`\log \sum_c \exp z_c` of every level.
    """
    indicator, _ = level_layout(n_classes, logits.dtype, logits.device)
    if is_worth_a_look(logits):
        weights = logits.exp()
        sums = indicator @ weights
        log_sums = sums.log()
        if is_within(log_sums, SAFE_SHARE_OF_SUMS):
            return weights, sums, log_sums
    weights, shift = shifted_exponentials(logits, n_classes)
    sums = indicator @ weights
    return weights, sums, sums.log().add_(shift)


def shifted_exponentials(logits, n_classes):
    """Exponentiate all levels, each by its largest; return weights and shift."""
    levels = logits.split(n_classes, dim=1)
    shift = torch.stack([level.amax(dim=1) for level in levels], dim=1)
    _, level_of = level_layout(n_classes, logits.dtype, logits.device)
    return logits.sub(shift.index_select(1, level_of)).exp_(), shift


def is_worth_a_look(x):
    """Tell whether to look at the numbers: cheap on a CPU, slow on a GPU."""
    return x.device.type == "cpu" and x.numel() > 0


def is_within(logs, share):
    """Tell whether all logarithms lie within a share of what floats can hold."""
    lowest, highest = (bound.item() for bound in logs.aminmax())
    limit = share * math.log(torch.finfo(logs.dtype).max)
    return -limit < lowest and highest < limit


def level_softmax(logits, n_classes):
    r"""Normalise every level by itself.

    Parameters
    ----------
    logits : Tensor of shape (B, sum of C_h, M)
        Logits of all levels.

    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    Returns
    -------
    probs : Tensor of shape (B, sum of C_h, M)
        Probabilities of all levels; those of each sum to 1.

    log_sums : Tensor of shape (B, H, M)
        :math:`\log \sum_c \exp z_c` of every level.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([1.0, 3.0, 0.5, 0.25, 0.25]).log().view(1, 5, 1)
    >>> probs, log_sums = level_softmax(logits, (2, 3))
    >>> probs.flatten()
    tensor([0.2500, 0.7500, 0.5000, 0.2500, 0.2500])
    >>> log_sums.exp().flatten()
    tensor([4., 1.])
    """
    weights, sums, log_sums = level_weights(logits, n_classes)
    _, level_of = level_layout(n_classes, logits.dtype, logits.device)
    return weights.mul_(sums.reciprocal().index_select(1, level_of)), log_sums
