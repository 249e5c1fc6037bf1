"""Pool a fine level to every coarser one in a cascade: each from the next finer one."""

from itertools import accumulate

import torch

from sk_hca.base import check_alias
from sk_hca.hierarchy._fused import as_rows, from_rows
from sk_hca.hierarchy._maps import largest_of_each, lift, pool_logsumexp, pool_sum

# How the finest classes may be pooled.
ALIGNMENTS = ("max", "sum")

# So many ones add up without rounding in float32.
MOST_COUNTED = 2**24


class LevelCascade:
    """Nested levels, each tied to the next finer one.

    Parameters
    ----------
    steps : sequence of Tensor of shape (C_{h+1},)
        Class of each coarse level that holds each class of the next finer one, as
        :func:`level_steps` gives them.

    n_classes : sequence of int
        Number of classes of every level, coarse to fine, the finest included.

    Examples
    --------
    >>> import torch
    >>> cascade = LevelCascade([torch.tensor([0, 0, 1])], [2, 3])
    >>> cascade.pool(torch.tensor([[0.2, 0.3, 0.5]]))
    tensor([[0.3000, 0.5000, 0.2000, 0.3000, 0.5000]])
    """

    def __init__(self, steps, n_classes):
        self.steps = list(steps)
        self.n_classes = tuple(n_classes)
        starts = accumulate(self.n_classes, initial=0)
        above = [step + start for step, start in zip(self.steps, starts, strict=False)]
        # Where, side by side, the class above every class is; the coarsest have none.
        self.above = torch.cat(above) if above else None

    def pool(self, logits, alignment="max"):
        """Pool the finest classes to all levels, side by side, as logits.

        Parameters
        ----------
        logits : Tensor of shape (N, C_H, *S)
            Logits of the finest classes.

        alignment : {"max", "sum"}, default="max"
            Pool by the maximum (Eqs. 13 and 14, range-preserving) or the sum (Eq. 10).

        Returns
        -------
        pooled : Tensor of shape (N, sum of C_h, *S)
            A softmax of each level gives its probabilities.  Where classes tie for the
            largest, they share its gradient, step by step.
        """
        check_alias("alignment", alignment, ALIGNMENTS)
        if alignment == "sum":
            levels = [logits.log_softmax(dim=1)]
            for step, n in self._fine_to_coarse():
                levels.insert(0, pool_logsumexp(levels[0], step, n))
            return torch.cat(levels, dim=1)
        if not self.steps:
            return logits
        return from_rows(_PoolCascade.apply(as_rows(logits), self), logits.shape)

    def _fine_to_coarse(self):
        """Return the steps and their numbers of classes, the finest step first."""
        return reversed(list(zip(self.steps, self.n_classes, strict=False)))


class _PoolCascade(torch.autograd.Function):
    """The maxima of all levels, with a backward of one lift per level."""

    @staticmethod
    def forward(ctx, finest, cascade):
        levels = [finest]
        for step, n in cascade._fine_to_coarse():
            levels.insert(0, largest_of_each(levels[0], step, n))
        pooled = torch.cat(levels, dim=1)
        n_coarsest, n_finest = cascade.n_classes[0], cascade.n_classes[-1]
        # In place, so that the answer is a float, which is compared far faster.
        share = lift(pooled, cascade.above).eq_(pooled[:, n_coarsest:])
        n_coarse = pooled.shape[1] - n_finest
        if may_tie(share, n_coarse):
            n_largest = pool_sum(share, cascade.above, n_coarse)
            share.div_(lift(n_largest, cascade.above))
        ctx.save_for_backward(share)
        ctx.cascade = cascade
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        (share,) = ctx.saved_tensors
        total, *finer = grad.split(ctx.cascade.n_classes, dim=1)
        shares = share.split(ctx.cascade.n_classes[1:], dim=1)
        steps = zip(finer, shares, ctx.cascade.steps, strict=True)
        for own, part, step in steps:
            total = torch.addcmul(own, part, lift(total, step))
        return total, None


def may_tie(is_largest, n_coarse):
    """Tell whether several classes may be the largest of one; no GPU is waited for."""
    if is_largest.device.type != "cpu" or is_largest.numel() > MOST_COUNTED:
        return True
    n_places = is_largest.shape[0] * is_largest.shape[2]
    return is_largest.sum().item() != n_coarse * n_places
