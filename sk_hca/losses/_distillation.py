r"""Range-preserving distillation: all classifiers teach one (Eqs. 9 to 14).

The student's *logits* are pooled to every level by the maximum and normalised there,
which is Eqs. 13 and 14 taken together and stable at any scale.  Pooling by the sum
(Eq. 10) is the ablation of the paper; it takes one softmax of the student, once.
"""

import torch

from sk_hca.base import check_alias
from sk_hca.hierarchy import (
    ALIGNMENTS,
    LevelCascade,
    as_rows,
    level_softmax,
    level_steps,
    pool_logsumexp,
    pool_max,
)
from sk_hca.losses._precision import in_full_precision
from sk_hca.losses._reduction import weighted_mean


def pool_student(student_logits, parents, n_classes, alignment="max", steps=None):
    """Bring the student down to every level, as logits.

    Parameters
    ----------
    student_logits : Tensor of shape (N, C_H, *S)
        Logits of the student.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    n_classes : sequence of int
        Number of classes of every coarse level.

    alignment : {"max", "sum"}, default="max"
        Pool by the maximum (Eqs. 13 and 14, range-preserving) or the sum (Eq. 10).

    steps : list of Tensor, optional
        What :func:`~sk_hca.hierarchy.level_steps` gives for `parents`, if it is known.

    Returns
    -------
    levels : list of Tensor of shape (N, C_h, *S)
        Logits of every level, coarse to fine, the student itself last: a softmax gives
        the probabilities.

    Notes
    -----
    Nested levels are pooled from the next finer one, a cascade; where classes tie, each
    step shares the gradient among them.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[0.2, 0.2, 0.2, 0.25, 0.15]]).log()
    >>> parents = [torch.tensor([0, 0, 0, 1, 1])]
    >>> pool_student(logits, parents, [2], alignment="sum")[0].softmax(dim=1)
    tensor([[0.6000, 0.4000]])
    >>> pool_student(logits, parents, [2], alignment="max")[0].softmax(dim=1)
    tensor([[0.4444, 0.5556]])
    """
    check_alias("alignment", alignment, ALIGNMENTS)
    sizes = [*n_classes, student_logits.shape[1]]
    steps = level_steps(parents, n_classes) if steps is None else steps
    if steps is not None:
        pooled = LevelCascade(steps, sizes).pool(student_logits, alignment)
        return list(pooled.split(sizes, dim=1))
    pool, finest = pool_max, student_logits
    if alignment == "sum":
        pool, finest = pool_logsumexp, student_logits.log_softmax(dim=1)
    coarse = zip(parents, n_classes, strict=True)
    return [*(pool(finest, parent, n) for parent, n in coarse), finest]


def divergence_map(student_logits, teacher_logits, n_classes):
    """Sum KL(teacher || student) over all levels, target by target (Eqs. 11 and 12).

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (N, sum of C_h, *S)
        Logits of all levels side by side, coarse to fine.

    n_classes : tuple of int
        Number of classes of every level.

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> divergence_map(torch.zeros(1, 6), torch.ones(1, 6), (2, 4))
    tensor([0.])
    """
    loss = _LevelDivergence.apply(
        as_rows(student_logits), as_rows(teacher_logits), n_classes
    )
    return loss.view(len(student_logits), *student_logits.shape[2:])


class _LevelDivergence(torch.autograd.Function):
    """All levels in one pass; the gradient is student minus teacher."""

    @staticmethod
    @in_full_precision
    def forward(ctx, student, teacher, n_classes):
        q, log_sums = level_softmax(student, n_classes)
        p, teacher_log_sums = level_softmax(teacher, n_classes)
        ctx.save_for_backward(q.sub_(p))
        gap = log_sums.sub_(teacher_log_sums).sum(dim=1)
        return gap.add_((teacher - student).mul_(p).sum(dim=1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        (gap,) = ctx.saved_tensors
        return gap * grad.unsqueeze(1), None, None


def distillation_map(
    student_logits, level_logits, parents, alignment="max", steps=None
):
    """Sum the divergences of all levels, target by target.

    Parameters
    ----------
    student_logits : Tensor of shape (N, C_H, *S)
        Logits of the student.

    level_logits : sequence of Tensor of shape (N, C_h, *S)
        Logits of every teacher, coarse to fine; the last is the finest.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    alignment : {"max", "sum"}, default="max"
        How the student is pooled to a coarse level.

    steps : list of Tensor, optional
        What :func:`~sk_hca.hierarchy.level_steps` gives for `parents`, if it is known.

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[1.0, 0.0, 2.0]])
    >>> distillation_map(logits, [logits], [])
    tensor([0.])
    """
    n_classes = [logits.shape[1] for logits in level_logits[:-1]]
    levels = pool_student(student_logits, parents, n_classes, alignment, steps)
    return divergence_map(
        torch.cat(levels, dim=1),
        torch.cat(tuple(level_logits), dim=1),
        (*n_classes, student_logits.shape[1]),
    )


def distillation_loss(
    student_logits, level_logits, parents, alignment="max", weight=None
):
    r"""Compute the hierarchical distillation loss (Eq. 12).

    Parameters
    ----------
    student_logits : Tensor of shape (N, C_H, *S)
        Logits of the student.

    level_logits : sequence of Tensor of shape (N, C_h, *S)
        Logits of every teacher, coarse to fine; the last is the finest.

    parents : sequence of Tensor of shape (C_H,)
        One map per coarse level.

    alignment : {"max", "sum"}, default="max"
        How the student is pooled to a coarse level: "max" preserves the range (Eqs. 13
        and 14), "sum" is the ablation (Eq. 10).

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()
        Mean over the batch, summed over the levels without weights.

    Notes
    -----
    :math:`L_{hd} = \sum_{h=1}^{H} \mathrm{KL}(\hat p^h \,\|\, \bar p^{T,h})`.

    Examples
    --------
    >>> import torch
    >>> student = torch.tensor([[2.0, 0.0, 0.0]])
    >>> levels = [torch.zeros(1, 2), torch.zeros(1, 3)]
    >>> distillation_loss(student, levels, [torch.tensor([0, 1, 1])])
    tensor(0.9080)
    """
    loss = distillation_map(student_logits, level_logits, parents, alignment)
    return weighted_mean(loss, weight)
