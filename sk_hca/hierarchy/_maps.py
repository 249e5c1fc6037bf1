r"""Move class distributions between the levels of a hierarchy.

Every level is tied to the finest one by a *parent* vector: ``parent[k]`` is the coarse
class that holds the fine class ``k``.  It stores the class mapping :math:`T_{h,H}` of
the paper in one integer per class, ``T[j, k] == (parent[k] == j)``.  Two verbs are all
that the method needs:

- :func:`lift` carries a coarse level up to the finest one, :math:`T^\top p`;
- :func:`pool_sum`, :func:`pool_max` and :func:`pool_logsumexp` bring the finest level
  down to a coarse one.

Classes are always on axis 1; ``*S`` stands for any trailing axes (none for tables and
whole images, ``(H, W)`` for maps).  Tensors decide their own device and type.
"""

from itertools import pairwise

import torch


def lift(x, parent):
    r"""Carry a coarse level up to the finest one, :math:`T^\top x`.

    Parameters
    ----------
    x : Tensor of shape (N, C_h, *S)
        Anything that the coarse classes hold: probabilities, their logs, scores.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class.

    Returns
    -------
    lifted : Tensor of shape (N, C_H, *S)
        Every fine class gets what its coarse class holds.

    Examples
    --------
    >>> import torch
    >>> lift(torch.tensor([[0.3, 0.7]]), torch.tensor([0, 0, 1]))
    tensor([[0.3000, 0.3000, 0.7000]])
    """
    x, axis = _along_classes(x)
    return _samples_first(x.index_select(axis, parent), axis)


def _along_classes(x):
    """Return a tensor, and the axis of its classes, so that classes move as wholes.

    Where classes lie one after the other in memory, as in a table of logits, they
    become axis 0: whole rows then move, several times faster than single entries.
    """
    is_class_major = len(x) == 1 or x.stride(1) > x.stride(0)
    return (x.transpose(0, 1), 0) if is_class_major else (x, 1)


def _samples_first(x, axis):
    """Put the classes back on axis 1."""
    return x if axis == 1 else x.transpose(0, 1)


def class_softmax(logits):
    """Normalise over the classes, as they lie in memory.

    Where these lie one after the other, torch's own takes nearly twice as long.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or any scores.

    Returns
    -------
    p : Tensor of shape (N, C, *S)
        Sums to 1 over axis 1.

    Examples
    --------
    >>> import torch
    >>> class_softmax(torch.tensor([[0.2, 0.3, 0.5]]).log())
    tensor([[0.2000, 0.3000, 0.5000]])
    """
    x, axis = _along_classes(logits)
    if axis == 1 or x.device.type != "cpu":
        return logits.softmax(dim=1)
    weights = (x - x.amax(dim=0)).exp_()
    return _samples_first(weights / weights.sum(dim=0), axis)


def pool_sum(x, parent, n_classes):
    """Sum the fine classes of each coarse class (Eq. 10).

    Parameters
    ----------
    x : Tensor of shape (N, C_H, *S)
        Probabilities of the fine classes.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class.

    n_classes : int
        Number of coarse classes, C_h.

    Returns
    -------
    pooled : Tensor of shape (N, C_h, *S)

    Examples
    --------
    >>> import torch
    >>> pool_sum(torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([0, 0, 1]), n_classes=2)
    tensor([[0.5000, 0.5000]])
    """
    x, axis = _along_classes(x)
    shape = list(x.shape)
    shape[axis] = n_classes
    return _samples_first(x.new_zeros(shape).index_add(axis, parent, x), axis)


def pool_max(x, parent, n_classes):
    """Take the largest of the fine classes of each coarse class.

    On logits, a softmax of the result is Eqs. 13 and 14 of the paper, and is stable at
    any scale: the maximum over a class commutes with the softmax of the fine level up
    to a constant, which the second softmax removes.

    Parameters
    ----------
    x : Tensor of shape (N, C_H, *S)
        Logits (or probabilities) of the fine classes.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class; every coarse class holds one at least.

    n_classes : int
        Number of coarse classes, C_h.

    Returns
    -------
    pooled : Tensor of shape (N, C_h, *S)
        Where several fine classes tie for the largest, they share its gradient.

    Examples
    --------
    >>> import torch
    >>> pool_max(torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([0, 0, 1]), n_classes=2)
    tensor([[0.3000, 0.5000]])
    """
    return _PoolMax.apply(x, parent, n_classes)


def largest_of_each(x, parent, n_classes):
    """Take the largest fine class of each coarse class, without a gradient."""
    x, axis = _along_classes(x)
    shape = list(x.shape)
    shape[axis] = n_classes
    index = parent.view([-1 if a == axis else 1 for a in range(x.ndim)]).expand_as(x)
    pooled = x.new_full(shape, -torch.inf)
    pooled.scatter_reduce_(axis, index, x, reduce="amax")
    return _samples_first(pooled, axis)


class _PoolMax(torch.autograd.Function):
    """The maximum over each coarse class, with a backward that costs one lift.

    Torch's own takes several times as long, and counts a start value that ties.
    """

    @staticmethod
    def forward(ctx, x, parent, n_classes):
        pooled = largest_of_each(x, parent, n_classes)
        ctx.save_for_backward(x, parent, pooled)
        return pooled

    @staticmethod
    def backward(ctx, grad):
        x, parent, pooled = ctx.saved_tensors
        is_largest = (x == lift(pooled, parent)).to(grad.dtype)
        n_largest = pool_sum(is_largest, parent, pooled.shape[1])
        return is_largest * lift(grad / n_largest, parent), None, None


def pool_logsumexp(x, parent, n_classes):
    """Sum the fine classes of each coarse class, in logs (the log of Eq. 10).

    Parameters
    ----------
    x : Tensor of shape (N, C_H, *S)
        Log-probabilities of the fine classes.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class; every coarse class holds one at least.

    n_classes : int
        Number of coarse classes, C_h.

    Returns
    -------
    pooled : Tensor of shape (N, C_h, *S)
        Log-probabilities of the coarse classes.

    Examples
    --------
    >>> import torch
    >>> log_p = torch.tensor([[0.2, 0.3, 0.5]]).log()
    >>> pool_logsumexp(log_p, torch.tensor([0, 0, 1]), n_classes=2).exp()
    tensor([[0.5000, 0.5000]])
    """
    largest = pool_max(x.detach(), parent, n_classes)
    # A coarse class without any probability keeps -inf, without a nan on the way there
    # or in the gradient.
    largest = torch.where(torch.isfinite(largest), largest, torch.zeros_like(largest))
    pooled = pool_sum(torch.exp(x - lift(largest, parent)), parent, n_classes)
    empty = pooled == 0
    return pooled.masked_fill(empty, 1).log().masked_fill(empty, -torch.inf) + largest


def level_steps(parents, n_classes):
    """Tie every level to the next finer one, so that a step is short.

    Parameters
    ----------
    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level, coarse to fine.

    n_classes : sequence of int
        Number of classes of every coarse level.

    Returns
    -------
    steps : list of Tensor of shape (C_{h+1},), or None
        Class of each level that holds each class of the next finer one; None where the
        levels are not nested, or where a class of any level but the coarsest holds none
        of the finest.

    Examples
    --------
    >>> import torch
    >>> parents = [torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 2])]
    >>> level_steps(parents, [2, 3])
    [tensor([0, 0, 1]), tensor([0, 0, 1, 2])]
    """
    steps = []
    for (coarse, fine), n_fine in zip(pairwise(parents), n_classes[1:], strict=True):
        step = coarse.new_zeros(n_fine).scatter(0, fine, coarse)
        is_full = fine.bincount(minlength=n_fine).all()
        if not is_full or not torch.equal(step[fine], coarse):
            return None
        steps.append(step)
    return [*steps, *parents[-1:]]
