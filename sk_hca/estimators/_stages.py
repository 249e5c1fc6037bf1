"""The stages of training: which heads learn, and what they minimise.

A criterion joins labels and losses into one module for skorch: it takes the output of
the network and ``(y, weight)``, or ``(y,)`` where all weigh the same, and gives a loss
of shape ().
"""

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from sk_hca.adjustment import log_prior_ratio, relative_widths
from sk_hca.backbones import AnchoredHeads, CommitteeHeads, FusedHeads, Student
from sk_hca.base import ClassTable, StreamedOutput
from sk_hca.hierarchy import LevelCascade
from sk_hca.losses import (
    divergence_map,
    fused_cross_entropy_map,
    regression_map,
    weighted_mean,
)
from sk_hca.targets import class_index


class MapCriterion(nn.Module):
    """A loss that is known target by target, and averaged over those that count.

    A subclass writes :meth:`loss_map`.
    """

    def loss_map(self, output, y):
        """Return the loss of every target, of shape (N, *S)."""
        raise TypeError(f"{type(self).__name__} must define loss_map.")

    def forward(self, output, target):
        """Average the loss of a batch; that of large maps part by part."""
        if isinstance(output, StreamedOutput):
            return self.streamed_mean(output, target)
        y, *weight = target
        return weighted_mean(self.loss_map(output, y), *weight)

    def streamed_mean(self, output, target):
        """Average the loss of large maps; no two parts are in memory at once."""

        def part_mean(part, *target):
            return self(output.heads(part), [column.contiguous() for column in target])

        columns = [column.split(output.n_rows, dim=1) for column in target]
        # What a part needs for its gradient is not kept, but computed again.
        means = [
            checkpoint(part_mean, *part, use_reentrant=False, preserve_rng_state=False)
            for part in zip(output.parts(), *columns, strict=True)
        ]
        y, *weight = target
        weight = weight[0] if weight else torch.ones_like(y)
        totals = [part.sum() for part in weight.split(output.n_rows, dim=1)]
        return weighted_mean(torch.stack(means), torch.stack(totals))


class LevelCriterion(MapCriterion):
    """Stage one: every classifier learns the targets (Eq. 6).

    Beside the cross-entropies stands the absolute error of the location, if there is
    one; in a rare range it counts for more.

    Parameters
    ----------
    labels : BaseLabels
        What the classifiers are told.

    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    center, scale : float
        Location and spread of the training targets, by which a location head is
        standardised.

    location_weights : Tensor of shape (C_H,)
        How much the absolute error of a location head, where there is one, counts
        beside the cross-entropies, in every finest class.
    """

    def __init__(self, labels, levels, center, scale, location_weights):
        super().__init__()
        self.labels = labels
        self.table = ClassTable.from_levels(levels)
        self.center = center
        self.scale = scale
        self.location_weights = location_weights

    def loss_map(self, output, y):
        """Return the loss of all classifiers, and of the location."""
        truth = self.labels.encode(y, self.table, output.logits.dtype)
        loss = fused_cross_entropy_map(output.logits, output.n_classes, truth)
        if output.location is not None:
            standard = (y - self.center) / self.scale
            error = regression_map(output.location, standard.to(loss.dtype), "absolute")
            weight = self.location_weights[class_index(y, self.table.finest.edges)]
            loss = loss + weight.to(loss.dtype) * error
        return loss


def location_weights(classes, length, favours_rare):
    r"""Choose how much the absolute error of a location counts in every class.

    Counted once, it drowns among the cross-entropies of all levels, and the location
    stays a poor regression; counted alike everywhere, it is one of common ranges.  A
    short fit, as a small table takes, has too little data to gain from more.

    Parameters
    ----------
    classes : LevelClasses
        Classes of the finest level.

    length : float
        Number of steps of the fit times its peak learning rate.

    favours_rare : bool
        Whether rare classes weigh more: not where samples are weighed by rarity anyway.

    Returns
    -------
    weight : Tensor of shape (C,)
        Its mean over the training targets is 1 to 5.

    Notes
    -----
    With :math:`w` two thirds of `length`, but 1 at least and 5 at most, the weights
    have mean :math:`w` and go as the density of the targets, smoothed over neighbouring
    classes, to the power of :math:`-(w - 1) / 10`.
    """
    mean = min(max(length / 1.5, 1.0), 5.0)
    counts, edges = classes.counts.cpu().numpy(), classes.edges.cpu().numpy()
    power = (mean - 1) / 10 if favours_rare else 0.0
    rarity = np.exp(power * log_prior_ratio(counts, relative_widths(edges)))
    weight = mean * rarity / np.average(rarity, weights=counts)
    return torch.as_tensor(weight).to(classes.counts)


class DistillationCriterion(MapCriterion):
    """Stage two: the student learns from all classifiers (Eq. 12).

    Parameters
    ----------
    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    alignment : {"max", "sum"}
        How the student is pooled to a coarse level.
    """

    def __init__(self, levels, alignment):
        super().__init__()
        n_classes = [len(classes.values) for classes in levels]
        self.cascade = LevelCascade([level.step for level in levels[:-1]], n_classes)
        self.alignment = alignment

    def loss_map(self, output, y):
        """Return the divergence between all classifiers and the student."""
        student = self.cascade.pool(output.student, self.alignment)
        return divergence_map(student, output.logits, output.n_classes)


class StudentCriterion(MapCriterion):
    """Stage two, control: the student learns the targets ("CLS + GT sup").

    Parameters
    ----------
    labels : BaseLabels
        What the student is told.

    classes : LevelClasses
        Classes of the finest level.
    """

    def __init__(self, labels, classes):
        super().__init__()
        self.labels = labels
        self.table = ClassTable.from_levels([classes])

    def loss_map(self, output, y):
        """Return the cross-entropy of the student."""
        truth = self.labels.encode(y, self.table, output.student.dtype)
        return fused_cross_entropy_map(output.student, self.table.n_classes, truth)


class StandardCriterion(nn.Module):
    """Direct regression: a loss of the standardised targets.

    Parameters
    ----------
    loss : nn.Module
        Takes the output of the network, standardised targets and their weights.

    center, scale : float
        Location and spread of the training targets.
    """

    def __init__(self, loss, center, scale):
        super().__init__()
        self.loss = loss
        self.center = center
        self.scale = scale

    def forward(self, output, target):
        """Standardise the targets of a batch, and compute its loss."""
        y, *weight = target
        standard = ((y - self.center) / self.scale).to(output.location.dtype)
        return self.loss(output, standard, *weight)


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


class CommitteeCriterion(nn.Module):
    """A loss for every member of a committee: their sum, so that each learns as alone.

    Parameters
    ----------
    criterion : nn.Module
        The loss of one member: takes its output and ``(y, weight)`` or ``(y,)``.
    """

    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion

    def forward(self, output, target):
        """Add the losses of all members, or give that of their average."""
        if isinstance(output, list):
            return sum(self.criterion(member, target) for member in output)
        return self.criterion(output, target)


def level_heads(n_features, levels, positions, detach_coarse):
    """Make the classifiers of all levels, anchored where positions are given.

    Parameters
    ----------
    n_features : int
        Number of features, d.

    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    positions : list of Tensor of shape (C_h,), or None
        Standardised class values of every level.

    detach_coarse : bool
        Whether the coarse classifiers leave the features to the finest.

    Returns
    -------
    heads : FusedHeads
    """
    if positions is None:
        sizes = [len(classes.values) for classes in levels]
        return FusedHeads(n_features, sizes, detach_coarse)
    return AnchoredHeads(n_features, positions, detach_coarse)


def student_stage(heads, n_features, distillation, levels, labels):
    """Make the student and what it minimises.

    Parameters
    ----------
    heads : FusedHeads or CommitteeHeads
        The teachers; each member of a committee has its own student.

    n_features : int
        Number of features, d.

    distillation : Distillation
        The recipe of stage two.

    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    labels : BaseLabels
        What the student is told when the targets teach it.

    Returns
    -------
    student : Student or CommitteeHeads
    criterion : nn.Module
    """
    if isinstance(heads, CommitteeHeads):
        made = [
            student_stage(one, n_features, distillation, levels, labels)
            for one in heads
        ]
        students, criteria = zip(*made, strict=True)
        return CommitteeHeads(students), CommitteeCriterion(criteria[0])
    student = Student(heads, n_features, hidden=distillation.head == "softplus")
    student.to(heads.weight.dtype)
    if distillation.supervision == "targets":
        return student, StudentCriterion(labels, levels[-1])
    return student, DistillationCriterion(levels, distillation.alignment)
