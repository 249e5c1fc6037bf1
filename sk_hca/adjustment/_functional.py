r"""Merge the levels into one set of scores over the finest classes.

All functions take one entry per level, coarse to fine, the last one the finest, and one
parent map per coarse level.  Nothing here is renormalised and no epsilon is added:
where products would underflow, the function takes logs.
"""

import torch

from sk_hca.hierarchy import level_steps, lift, pool_logsumexp, pool_sum


def adjust_add(probs, parents, steps=None):
    r"""Add every level's probabilities on the finest classes (HCA-add, Eq. 7).

    Parameters
    ----------
    probs : sequence of Tensor of shape (N, C_h, *S)
        Probabilities of every level, coarse to fine.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    steps : list of Tensor, optional
        What :func:`~sk_hca.hierarchy.level_steps` gives for `parents`, if it is known.

    Returns
    -------
    scores : Tensor of shape (N, C_H, *S)
        :math:`\hat p^a = \hat p^H + \sum_h T_{h,H}^\top \hat p^h`; sums to more than 1.

    Examples
    --------
    >>> import torch
    >>> coarse, fine = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.5, 0.2, 0.3]])
    >>> adjust_add([coarse, fine], [torch.tensor([0, 1, 1])])
    tensor([[0.8000, 0.9000, 1.0000]])
    """
    if steps is None:
        steps = level_steps(parents, [p.shape[1] for p in probs[:-1]])
    if steps is None:
        *coarse, finest = probs
        lifted = [lift(p, parent) for p, parent in zip(coarse, parents, strict=True)]
        return sum(lifted, start=finest)
    scores, *finer = probs
    pairs = list(zip(finer, steps, strict=True))  # counted before the first step
    for p, step in pairs:
        scores = lift(scores, step).add_(p)
    return scores


def adjust_mul(log_probs, parents, steps=None):
    r"""Multiply every level's probabilities on the finest classes (HCA-mul, Eq. 8).

    Parameters
    ----------
    log_probs : sequence of Tensor of shape (N, C_h, *S)
        Log-probabilities of every level, coarse to fine.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    steps : list of Tensor, optional
        What :func:`~sk_hca.hierarchy.level_steps` gives for `parents`, if it is known.

    Returns
    -------
    scores : Tensor of shape (N, C_H, *S)
        :math:`\hat p^m = \log \hat p^H + \sum_h T_{h,H}^\top \log \hat p^h`, in logs.

    Examples
    --------
    >>> import torch
    >>> coarse, fine = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.5, 0.2, 0.3]])
    >>> adjust_mul([coarse.log(), fine.log()], [torch.tensor([0, 1, 1])]).exp()
    tensor([[0.1500, 0.1400, 0.2100]])
    """
    return adjust_add(log_probs, parents, steps)


def adjust_range(log_probs, parent):
    """Keep the finest classes inside the range that a coarse level predicts (Fig. 4).

    Parameters
    ----------
    log_probs : sequence of two Tensors, of shape (N, C_h, *S) and (N, C_H, *S)
        Log-probabilities (or logits) of the coarse level and of the finest.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class.

    Returns
    -------
    log_p : Tensor of shape (N, C_H, *S)
        Log-probabilities of the finest classes; minus infinity outside the range.

    Examples
    --------
    >>> import torch
    >>> coarse, fine = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.6, 0.1, 0.3]])
    >>> adjust_range([coarse.log(), fine.log()], torch.tensor([0, 1, 1])).exp()
    tensor([[0.0000, 0.2500, 0.7500]])
    """
    coarse, finest = log_probs
    predicted = coarse.argmax(dim=1, keepdim=True)
    classes = parent.view(1, -1, *(1,) * (finest.ndim - 2))
    return finest.masked_fill(classes != predicted, -torch.inf).log_softmax(dim=1)


def adjust_marginal(log_probs, parents, steps=None):
    r"""Make the finest distribution agree with every level, from fine to coarse.

    Parameters
    ----------
    log_probs : sequence of Tensor of shape (N, C_h, *S)
        Log-probabilities of every level, coarse to fine; of logits, the result is off
        by one constant per place.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    steps : list of Tensor, optional
        What :func:`~sk_hca.hierarchy.level_steps` gives for `parents`, if it is known.

    Returns
    -------
    log_p : Tensor of shape (N, C_H, *S)
        Log-probabilities; its sums over the classes of the coarsest level are exactly
        that level's prediction.

    Notes
    -----
    Level by level :math:`p \leftarrow p \cdot T^\top (\hat p^h / T p)`: what a coarse
    class gets is decided by the coarse level, how it is shared inside, by the finer
    ones.  Unlike the sums of Eqs. 7 and 8, the result counts no level twice and stays a
    calibrated distribution.

    Examples
    --------
    >>> import torch
    >>> coarse, fine = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.5, 0.2, 0.3]])
    >>> adjust_marginal([coarse.log(), fine.log()], [torch.tensor([0, 1, 1])]).exp()
    tensor([[0.3000, 0.2800, 0.4200]])
    """
    if steps is None:
        steps = level_steps(parents, [p.shape[1] for p in log_probs[:-1]])
    if steps is None:
        *coarse, log_p = log_probs
        for log_coarse, parent in reversed(list(zip(coarse, parents, strict=True))):
            pooled = pool_logsumexp(log_p, parent, log_coarse.shape[1])
            log_p = log_p + lift(log_coarse - pooled, parent)
        return log_p
    # After a level has been made to agree, its sums are its own prediction: the next
    # coarser level needs no look at the finest.
    pairs = list(zip(log_probs[:-1], log_probs[1:], steps, strict=True))
    corrections = [
        coarse - pool_logsumexp(finer, step, coarse.shape[1])
        for coarse, finer, step in pairs
    ]
    return adjust_add([*corrections, log_probs[-1]], parents, steps)


def marginal_probabilities(weights, steps):
    r"""Make the finest distribution agree with every level, from coarse to fine.

    The same as :func:`adjust_marginal` without a logarithm: every class shares what the
    class above it got, by the weights of its own level.

    Parameters
    ----------
    weights : sequence of Tensor of shape (N, C_h, *S)
        Probabilities of every nested level, coarse to fine, each times any factor per
        place; large enough that sums of them are not zero.

    steps : sequence of Tensor of shape (C_{h+1},)
        What :func:`~sk_hca.hierarchy.level_steps` gives.

    Returns
    -------
    probs : Tensor of shape (N, C_H, *S)
        Sums to 1 over axis 1.

    Notes
    -----
    :math:`p^{h+1}_c = p^h_{a(c)} \, w^{h+1}_c / \sum_{a(c') = a(c)} w^{h+1}_{c'}` with
    the class `a(c)` above `c`.

    Examples
    --------
    >>> import torch
    >>> coarse, fine = torch.tensor([[0.3, 0.7]]), torch.tensor([[5.0, 2.0, 3.0]])
    >>> marginal_probabilities([coarse, fine], [torch.tensor([0, 1, 1])])
    tensor([[0.3000, 0.2800, 0.4200]])
    """
    coarsest, *finer = weights
    probs = coarsest / coarsest.sum(dim=1, keepdim=True)
    for weight, step in zip(finer, steps, strict=True):
        given = probs / pool_sum(weight, step, probs.shape[1])
        probs = lift(given, step).mul_(weight)
    return probs
