r"""Range-preserving distillation: all classifiers teach one (Eqs. 9 to 14).

The student's *logits* are pooled to every level by the maximum and normalised there,
which is Eqs. 13 and 14 taken together and stable at any scale.  Pooling by the sum
(Eq. 10) is the ablation of the paper; it takes one softmax of the student, once.
"""

from sk_hca.hierarchy import pool_logsumexp, pool_max
from sk_hca.losses._reduction import weighted_mean


def pooled_log_probabilities(student_logits, parent, n_classes, alignment="max"):
    """Bring the student down to one level, as log-probabilities.

    Parameters
    ----------
    student_logits : Tensor of shape (N, C_H, *S)
        Logits of the student.

    parent : Tensor of shape (C_H,)
        Coarse class of each fine class.

    n_classes : int
        Number of coarse classes, C_h.

    alignment : {"max", "sum"}, default="max"
        Pool by the maximum (Eqs. 13 and 14, range-preserving) or the sum (Eq. 10).

    Returns
    -------
    log_p : Tensor of shape (N, C_h, *S)

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[0.2, 0.2, 0.2, 0.25, 0.15]]).log()
    >>> parent = torch.tensor([0, 0, 0, 1, 1])
    >>> pooled_log_probabilities(logits, parent, 2, alignment="sum").exp()
    tensor([[0.6000, 0.4000]])
    >>> pooled_log_probabilities(logits, parent, 2, alignment="max").exp()
    tensor([[0.4444, 0.5556]])
    """
    if alignment == "max":
        return pool_max(student_logits, parent, n_classes).log_softmax(dim=1)
    return pool_logsumexp(student_logits.log_softmax(dim=1), parent, n_classes)


def divergence_map(teacher_logits, student_log_p):
    """Compute KL(teacher || student) of one level, target by target (Eq. 11)."""
    teacher_log_p = teacher_logits.log_softmax(dim=1)
    return (teacher_log_p.exp() * (teacher_log_p - student_log_p)).sum(dim=1)


def distillation_map(student_logits, level_logits, parents, alignment="max"):
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
    *coarse, finest = level_logits
    loss = divergence_map(finest, student_logits.log_softmax(dim=1))
    for logits, parent in zip(coarse, parents, strict=True):
        pooled = pooled_log_probabilities(
            student_logits, parent, logits.shape[1], alignment
        )
        loss = loss + divergence_map(logits, pooled)
    return loss


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
