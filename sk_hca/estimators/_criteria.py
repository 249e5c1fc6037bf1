"""What each stage minimises: labels and losses, joined into one module for skorch."""

from torch import nn

from sk_hca.losses import cross_entropy_map, distillation_map, weighted_mean


class LevelCriterion(nn.Module):
    """Stage one: every classifier learns the targets (Eq. 6).

    Parameters
    ----------
    labels : BaseLabels
        What the classifiers are told.

    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    center, scale : float
        Location and spread of the training targets, by which a location head is
        standardised; its absolute error is added where there is one.
    """

    def __init__(self, labels, levels, center, scale):
        super().__init__()
        self.labels = labels
        self.levels = levels
        self.center = center
        self.scale = scale

    def forward(self, output, target):
        """Average the loss of a batch over the targets that count."""
        y, weight = target
        truth = self.labels.encode(y, self.levels, output.levels[-1].dtype)
        loss = cross_entropy_map(output.levels, truth)
        if output.location is not None:
            standard = (y - self.center) / self.scale
            loss = loss + (output.location - standard.to(loss.dtype)).abs()
        return weighted_mean(loss, weight)


class DistillationCriterion(nn.Module):
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
        self.parents = [classes.parent for classes in levels[:-1]]
        self.alignment = alignment

    def forward(self, output, target):
        """Average the divergence of a batch over the targets that count."""
        _, weight = target
        loss = distillation_map(
            output.student, output.levels, self.parents, self.alignment
        )
        return weighted_mean(loss, weight)


class StudentCriterion(nn.Module):
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
        self.classes = classes

    def forward(self, output, target):
        """Average the cross-entropy of a batch over the targets that count."""
        y, weight = target
        truth = self.labels.encode(y, [self.classes], output.student.dtype)
        loss = cross_entropy_map([output.student], truth)
        return weighted_mean(loss, weight)
