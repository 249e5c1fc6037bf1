"""The modes by name: how the levels become one distribution.

A mode is given to the estimator as an alias or as an object.
"""

from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.adjustment._base import (
    BaseAdjustment,
    NoAdjustment,
    WeightAdjustment,
    along_classes,
    level_maps,
)
from sk_hca.adjustment._functional import (
    adjust_add,
    adjust_marginal,
    adjust_range,
    marginal_probabilities,
)
from sk_hca.adjustment._products import (
    ConsultAdjustment,
    MulAdjustment,
    VoteAdjustment,
)
from sk_hca.base import resolve
from sk_hca.hierarchy import (
    as_rows,
    class_softmax,
    exponentials,
    from_rows,
    level_weights,
    lift,
    pool_sum,
)


class AddAdjustment(WeightAdjustment):
    """HCA-add: the levels vote by the sum of their probabilities (Eq. 7)."""

    def weights(self, output, levels):
        """Add the levels; their sum, normalised, is the distribution."""
        rows, n_classes = as_rows(output.logits), output.n_classes
        weights, sums, _ = level_weights(rows, n_classes)
        *coarse, finest = weights.split(n_classes, dim=1)
        # The finest level stays as it is, and gives its sum to the others.
        shares = (sums[:, -1:] / sums[:, :-1]).unsqueeze(2).unbind(1)
        summing = [p * share for p, share in zip(coarse, shares, strict=True)]
        summing = [from_rows(p, output.logits.shape) for p in (*summing, finest)]
        return adjust_add(summing, *level_maps(levels))


class MarginalAdjustment(WeightAdjustment):
    """Every coarse level decides its own marginal of the finest distribution."""

    def weights(self, output, levels):
        """Share out what the coarser classes got; in logs where numbers are extreme."""
        _, steps = level_maps(levels)
        weights, shift = exponentials(as_rows(output.logits), output.n_classes)
        if steps is None or shift is not None:
            return class_softmax(self.scores(output, levels))
        weights = from_rows(weights, output.logits.shape).split(output.n_classes, dim=1)
        return marginal_probabilities(weights, steps)

    def scores(self, output, levels):
        """Reweight the finest level by the coarser ones, fine to coarse."""
        return adjust_marginal(output.levels, *level_maps(levels))


class RangeAdjustment(BaseAdjustment):
    """Coarse to fine: one coarse level gives the range, the finest the class in it.

    Parameters
    ----------
    level : int, default=1
        Which level gives the range, 1 for the coarsest, as in Fig. 4 of the paper.
        From the finest level on, the finest answers alone.
    """

    _parameter_constraints: dict = {
        "level": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, level=1):
        self.level = level

    def scores(self, output, levels):
        """Exclude the finest classes outside the predicted range."""
        if self.level >= len(levels):
            return output.levels[-1]
        pair = [output.levels[self.level - 1], output.levels[-1]]
        return adjust_range(pair, levels[self.level - 1].parent)


class AverageAdjustment(BaseAdjustment):
    """Average: the mean of what every level answers alone (Table 3).

    The levels vote with numbers, not with probabilities: the coarse ones bring all of
    their quantization error, and the paper finds this worse than no adjustment.
    """

    def scores(self, output, levels):
        """Mix the levels, each class spread as its training samples are.

        The mean of this distribution is the average of the means of the levels.
        """
        counts = levels[-1].counts.clamp_min(torch.finfo(levels[-1].counts.dtype).tiny)
        counts = counts.unsqueeze(0)
        spread = []
        for logits, classes in zip(output.levels, levels, strict=True):
            parent = classes.parent
            within = counts / lift(pool_sum(counts, parent, logits.shape[1]), parent)
            spread.append(
                lift(class_softmax(logits), parent) * along_classes(within, logits)
            )
        return sum(spread).log()

    def decode(self, output, levels, decoder):
        """Decode every level by itself and average."""
        answers = [
            decoder(logits, classes)
            for logits, classes in zip(output.levels, levels, strict=True)
        ]
        return torch.stack(answers).mean(dim=0)


class Distillation(BaseAdjustment):
    """HCA-d: one classifier learns from all levels in a second stage (Eqs. 9 to 14).

    Parameters
    ----------
    alignment : {"max", "sum"}, default="max"
        How the student is pooled to a coarse level: by the maximum, which preserves the
        predicted range (Eqs. 13 and 14), or by the sum (Eq. 10), the ablation.

    head : {"softplus", "linear"}, default="softplus"
        The student: two linear layers with a softplus between them and a hidden width
        of a quarter of the features, at least 64, or one linear layer.

    supervision : {"levels", "targets"}, default="levels"
        What teaches the student: all levels, or the ground truth ("CLS + GT sup", the
        control of Table 4).

    epochs : float, default=0.2
        Length of the second stage, as a share of the first; 1.0 where that has few
        steps, as on some hundred images.

    lr : float, default=0.01
        Peak learning rate of the second stage, which trains a small head only.
    """

    _parameter_constraints: dict = {
        "alignment": [StrOptions({"max", "sum"})],
        "head": [StrOptions({"softplus", "linear"})],
        "supervision": [StrOptions({"levels", "targets"})],
        "epochs": [Interval(Real, 0, None, closed="neither")],
        "lr": [Interval(Real, 0, None, closed="neither")],
    }

    trains_student = True

    def __init__(
        self,
        alignment="max",
        *,
        head="softplus",
        supervision="levels",
        epochs=0.2,
        lr=0.01,
    ):
        self.alignment = alignment
        self.head = head
        self.supervision = supervision
        self.epochs = epochs
        self.lr = lr

    def simplified(self, heads, levels):
        """Leave the teachers out."""
        return heads.alone(), self

    def scores(self, output, levels):
        """Read the student."""
        return output.student


ADJUSTMENTS = {
    "none": NoAdjustment,
    "add": AddAdjustment,
    "mul": MulAdjustment,
    "vote": VoteAdjustment,
    "consult": ConsultAdjustment,
    "average": AverageAdjustment,
    "range": RangeAdjustment,
    "marginal": MarginalAdjustment,
    "distill": Distillation,
}


def make_adjustment(mode):
    """Return the recipe of a mode, given as an alias or an object."""
    return resolve("mode", mode, ADJUSTMENTS, BaseAdjustment)
