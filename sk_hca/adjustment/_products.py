"""Modes that multiply what the levels say, each to a power of its own."""

import numpy as np
import torch

from sk_hca.adjustment._base import (
    BaseAdjustment,
    NoAdjustment,
    WeightAdjustment,
    along_classes,
    level_maps,
)
from sk_hca.adjustment._functional import adjust_add, adjust_mul
from sk_hca.base import ClassTable
from sk_hca.hierarchy import class_softmax


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
        weighted = [z if weight == 1 else weight * z for weight, z in votes]
        return adjust_add(weighted, *level_maps(levels))


class ConsultAdjustment(WeightAdjustment):
    r"""The finest level consults the coarse ones, as far as it is unsure itself.

    Notes
    -----
    :math:`p = (1 - s) \, \hat p^H + s \, p_\text{vote}`, where
    :math:`p_\text{vote}` is that of :class:`VoteAdjustment` and
    :math:`s = \max(0, 1 - 1 / v)` with the variance v of the finest distribution,
    counted in classes: none of the vote where that is no wider than one class.  A
    target that the inputs settle then keeps its place inside the class, which the
    borders of coarse classes would move.
    """

    def weights(self, output, levels):
        """Mix the finest level with the vote."""
        alone = class_softmax(output.levels[-1])
        votes = class_softmax(VoteAdjustment().scores(output, levels))
        return votes.lerp_(alone, self.sureness(alone))

    def scores(self, output, levels):
        """Mix them in logs, where no probability is too small."""
        alone = output.levels[-1].log_softmax(dim=1)
        votes = VoteAdjustment().scores(output, levels).log_softmax(dim=1)
        share = self.sureness(alone.exp())
        return torch.logaddexp(alone + share.log(), votes + torch.log1p(-share))

    def sureness(self, alone):
        """Return the share of the finest level, one over its variance in classes."""
        place = torch.arange(alone.shape[1], dtype=alone.dtype, device=alone.device)
        mean = torch.tensordot(alone, place, ([1], [0])).unsqueeze(1)
        offset = along_classes(place, alone) - mean
        variance = (alone * offset.square_()).sum(dim=1, keepdim=True)
        return variance.reciprocal().clamp_max(1)
