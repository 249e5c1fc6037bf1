"""The modes: how the levels become one distribution, and a distribution one number.

A mode is a recipe, given to the estimator as an alias or as an object.  It reads a
:class:`~sk_hca.base.NetworkOutput` and the classes of every level, coarse to fine, and
holds nothing but its parameters.
"""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.adjustment._functional import (
    adjust_add,
    adjust_marginal,
    adjust_mul,
    adjust_range,
    marginal_probabilities,
)
from sk_hca.base import ClassTable, resolve
from sk_hca.hierarchy import (
    as_rows,
    exponentials,
    from_rows,
    level_weights,
    lift,
    pool_sum,
)


class BaseAdjustment(BaseEstimator):
    """A mode; a subclass says which distribution the levels give together.

    Attributes
    ----------
    trains_student : bool
        Whether the mode needs a second stage of training.
    """

    trains_student = False

    def scores(self, output, levels):
        """Merge the levels into one distribution over the finest classes.

        Parameters
        ----------
        output : NetworkOutput
            Logits of every level for one batch.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        Returns
        -------
        scores : Tensor of shape (N, C_H, *S)
            Logits: a softmax over axis 1 is the distribution.
        """
        raise TypeError(f"{type(self).__name__} must define scores.")

    def decode(self, output, levels, decoder):
        """Turn a batch of outputs into targets.

        Parameters
        ----------
        output : NetworkOutput
            Logits of every level for one batch.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        decoder : callable
            Takes logits and the classes that they belong to.

        Returns
        -------
        y : Tensor of shape (N, *S)
            Targets, in the unit of the data.
        """
        return decoder(self.scores(output, levels), levels[-1])

    def simplified(self, heads, levels):
        """Return heads and a mode that decode to the same targets for less work.

        Parameters
        ----------
        heads : nn.Module
            Heads of all levels, or the student.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        Returns
        -------
        heads : nn.Module
        mode : BaseAdjustment
        """
        return heads, self


class _WeightAdjustment(BaseAdjustment):
    """A mode whose distribution comes as weights, so that no logarithm is needed."""

    def weights(self, output, levels):
        """Merge the levels into weights: probabilities times a factor per place."""
        raise TypeError(f"{type(self).__name__} must define weights.")

    def scores(self, output, levels):
        """Take the logarithm of the weights."""
        return self.weights(output, levels).log()

    def decode(self, output, levels, decoder):
        """Decode the weights themselves."""
        return decoder.from_weights(self.weights(output, levels), levels[-1])


class NoAdjustment(BaseAdjustment):
    """CLS: the finest classifier answers alone."""

    def simplified(self, heads, levels):
        """Leave the coarse heads out."""
        finest = torch.arange(heads.n_outputs[-1]) + sum(heads.n_outputs[:-1])
        return heads.selected(finest), self

    def scores(self, output, levels):
        """Read the finest level only."""
        return output.levels[-1]


class AddAdjustment(_WeightAdjustment):
    """HCA-add: the levels vote by the sum of their probabilities (Eq. 7)."""

    def weights(self, output, levels):
        """Add the levels; their sum, normalised, is the distribution."""
        rows, n_classes = as_rows(output.logits), output.n_classes
        weights, sums, _ = level_weights(rows, n_classes)
        *coarse, finest = weights.split(n_classes, dim=1)
        # The finest level stays as it is, and gives its sum to the others.
        shares = (sums[:, -1:] / sums[:, :-1]).unsqueeze(2).unbind(1)
        summing = [p * share for p, share in zip(coarse, shares, strict=True)]
        summing = [from_rows(p, output.logits) for p in (*summing, finest)]
        return adjust_add(summing, *level_maps(levels))


class MulAdjustment(BaseAdjustment):
    """HCA-mul: the levels vote by the product of their probabilities (Eq. 8)."""

    def simplified(self, heads, levels):
        """Add the heads themselves where they are linear: one level is left."""
        if not heads.is_linear:
            return heads, self
        holders = ClassTable.from_levels(levels).holders
        return heads.summed(holders), NoAdjustment()

    def scores(self, output, levels):
        """Add the logits: what normalises each level is the same for all classes."""
        return adjust_mul(output.levels, *level_maps(levels))


class VoteAdjustment(BaseAdjustment):
    r"""HCA-mul with a vote of its own weight for every level.

    Parameters
    ----------
    weights : array-like of shape (H,), optional
        Weight of every level, coarse to fine.  By default the finest has one vote and
        every coarse one half a vote.  All 1 is HCA-mul; 0 but for the finest is CLS.

    Notes
    -----
    :math:`\log \hat p = \sum_h w_h T_{h,H}^\top \log \hat p^h + \text{const}`, which
    is Eq. 8 with weights.  The levels read the same features, so that their votes are
    no independent evidence: counted in full, they are over-sure.
    """

    _parameter_constraints: dict = {"weights": ["array-like", None]}

    def __init__(self, weights=None):
        self.weights = weights

    def simplified(self, heads, levels):
        """Add the heads themselves where they are linear: one level is left."""
        if not heads.is_linear:
            return heads, self
        holders = ClassTable.from_levels(levels).holders
        weights = holders.new_tensor(self.of_levels(levels), dtype=heads.weight.dtype)
        return heads.summed(holders, weights), NoAdjustment()

    def of_levels(self, levels):
        """Return the weights of these levels, each a number, checked."""
        n_coarse = len(levels) - 1
        if self.weights is None:
            return [0.5] * n_coarse + [1.0]
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (n_coarse + 1,) or not np.isfinite(weights).all():
            raise ValueError(
                f"weights must hold one finite number per level, {len(levels)}; got "
                f"{self.weights!r}."
            )
        return weights.tolist()

    def scores(self, output, levels):
        """Add the logits of all levels, each times its weight."""
        votes = zip(self.of_levels(levels), output.levels, strict=True)
        weighted = [weight * logits for weight, logits in votes]
        return adjust_add(weighted, *level_maps(levels))


class ConsultAdjustment(_WeightAdjustment):
    r"""The finest level consults the coarse ones, as far as it is unsure itself.

    Notes
    -----
    :math:`p = (1 - s) \, \hat p^H + s \, p_\text{vote}`, where
    :math:`p_\text{vote}` is that of :class:`VoteAdjustment` and
    :math:`s = \max(0, 1 - (2 \max_c \hat p^H[c])^2)`: none of the vote where one
    class has half of the probability or more.  A target that the inputs settle then
    keeps its place inside the class, which the borders of coarse classes would move.
    """

    def weights(self, output, levels):
        """Mix the finest level with the vote."""
        alone = output.levels[-1].softmax(dim=1)
        votes = VoteAdjustment().scores(output, levels).softmax(dim=1)
        return votes.lerp_(alone, self.sureness(alone.amax(dim=1, keepdim=True)))

    def scores(self, output, levels):
        """Mix them in logs, where no probability is too small."""
        alone = output.levels[-1].log_softmax(dim=1)
        votes = VoteAdjustment().scores(output, levels).log_softmax(dim=1)
        share = self.sureness(alone.amax(dim=1, keepdim=True).exp())
        return torch.logaddexp(alone + share.log(), votes + torch.log1p(-share))

    def sureness(self, highest):
        """Return the share of the finest level, by its highest probability."""
        return (2 * highest).clamp_max(1).square()


class MarginalAdjustment(_WeightAdjustment):
    """Every coarse level decides its own marginal of the finest distribution."""

    def weights(self, output, levels):
        """Share out what the coarser classes got; in logs where numbers are extreme."""
        _, steps = level_maps(levels)
        weights, shift = exponentials(as_rows(output.logits), output.n_classes)
        if steps is None or shift is not None:
            return self.scores(output, levels).softmax(dim=1)
        weights = from_rows(weights, output.logits).split(output.n_classes, dim=1)
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
                lift(logits.softmax(dim=1), parent) * along_classes(within, logits)
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


def level_maps(levels):
    """Return the parent maps of the coarse levels, and the steps if they are known."""
    steps = [classes.step for classes in levels[:-1]]
    known = all(step is not None for step in steps)
    return [classes.parent for classes in levels[:-1]], steps if known else None


def along_classes(vector, like):
    """Lay a vector over classes along axis 1 of a batch of logits."""
    return vector.to(like.dtype).view(1, -1, *(1,) * (like.ndim - 2))
