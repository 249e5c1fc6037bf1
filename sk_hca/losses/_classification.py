"""Cross-entropy over all levels: what trains the features and every classifier."""

from itertools import accumulate

import torch
from torch.nn.functional import one_hot

from sk_hca.hierarchy import as_rows, from_rows, level_layout, level_weights
from sk_hca.losses._precision import in_full_precision
from sk_hca.losses._reduction import weighted_mean


def fused_cross_entropy_map(logits, n_classes, truth):
    """Sum the cross-entropies of all levels, side by side, target by target.

    Parameters
    ----------
    logits : Tensor of shape (N, sum of C_h, *S)
        Logits of all classifiers side by side, coarse to fine.

    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    truth : Tensor
        For every level the place of the right class, side by side, of shape
        (N, H, *S); or the distributions of all levels, of shape (N, sum of C_h, *S),
        each of which sums to 1.

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> fused_cross_entropy_map(torch.zeros(1, 6), (2, 4), torch.tensor([[0, 3]]))
    tensor([2.0794])
    """
    return _LevelCrossEntropy.apply(logits, truth, n_classes)


class _LevelCrossEntropy(torch.autograd.Function):
    """All levels in one pass; the gradient is prediction minus truth."""

    @staticmethod
    @in_full_precision
    def forward(ctx, logits, truth, n_classes):
        rows, truth = as_rows(logits), as_rows(truth)
        weights, sums, log_sums = level_weights(rows, n_classes)
        ctx.n_classes, ctx.shape = n_classes, logits.shape
        ctx.save_for_backward(weights, sums, truth)
        if truth.is_floating_point():
            loss = log_sums.sum(dim=1).sub_((truth * rows).sum(dim=1))
        else:
            loss = log_sums.sub_(rows.gather(1, truth)).sum(dim=1)
        return loss.view(len(logits), *logits.shape[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        weights, sums, truth = ctx.saved_tensors
        grad = grad.reshape(len(sums), 1, -1)
        _, level_of = level_layout(ctx.n_classes, weights.dtype, weights.device)
        # One pass normalises the prediction and multiplies it by the gradient.
        predicted = (grad / sums).index_select(1, level_of).mul_(weights)
        if truth.is_floating_point():
            predicted.addcmul_(truth, grad, value=-1)
        else:
            predicted.scatter_add_(1, truth, grad.neg().expand_as(truth))
        return from_rows(predicted, ctx.shape), None, None


def cross_entropy_map(levels, targets):
    """Sum the cross-entropies of all levels, target by target.

    Parameters
    ----------
    levels : sequence of Tensor of shape (N, C_h, *S)
        Logits of every classifier, coarse to fine.

    targets : sequence of Tensor
        Truth of every level: class indices of shape (N, *S), or distributions over
        classes of shape (N, C_h, *S).

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> cross_entropy_map([torch.zeros(1, 2), torch.zeros(1, 4)],
    ...                   [torch.tensor([0]), torch.tensor([1])])
    tensor([2.0794])
    """
    pairs = list(zip(levels, targets, strict=True))
    n_classes = tuple(logits.shape[1] for logits in levels)
    if any(target.is_floating_point() for _, target in pairs):
        truth = torch.cat([_distribution(*pair) for pair in pairs], dim=1)
    else:
        starts = accumulate(n_classes, initial=0)
        places = [
            _place(*pair, start) for pair, start in zip(pairs, starts, strict=False)
        ]
        truth = torch.stack(places, dim=1)
    return fused_cross_entropy_map(torch.cat(tuple(levels), dim=1), n_classes, truth)


def _distribution(logits, target):
    """Give all probability to a class index; a distribution stays as it is."""
    if not target.is_floating_point():
        target = one_hot(target.long(), logits.shape[1]).movedim(-1, 1)
    return target.to(logits.dtype)


def _place(logits, target, start):
    """Say where a class of one level is among those of all, side by side."""
    n_samples, n_classes, *tail = logits.shape
    if target.shape != (n_samples, *tail):
        raise ValueError(
            f"Class indices must have shape {(n_samples, *tail)} for logits of shape "
            f"{tuple(logits.shape)}; got {tuple(target.shape)}."
        )
    target = target.long()
    is_known = (target >= 0) & (target < n_classes)
    if target.device.type == "cpu" and not is_known.all():
        raise ValueError(
            f"Class indices of a level of {n_classes} classes must lie between 0 and "
            f"{n_classes - 1}; got {target.min()} to {target.max()}."
        )
    # A GPU is not waited for: there torch refuses -1 when it looks it up.
    return torch.where(is_known, target + start, -1)


def hierarchical_cross_entropy(levels, targets, weight=None):
    """Compute the loss of all classifiers, unweighted between levels (Eq. 6).

    Parameters
    ----------
    levels : sequence of Tensor of shape (N, C_h, *S)
        Logits of every classifier, coarse to fine.

    targets : sequence of Tensor
        Truth of every level: class indices of shape (N, *S), or distributions over
        classes of shape (N, C_h, *S).

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()

    Notes
    -----
    :math:`L = \\sum_{h=1}^{H} L_{ce}^h` with
    :math:`L_{ce}^h = -\\sum_j p^h[j] \\log \\hat p^h[j]` (Eqs. 5 and 6 of the paper).

    Examples
    --------
    >>> import torch
    >>> hierarchical_cross_entropy([torch.zeros(1, 2), torch.zeros(1, 4)],
    ...                            [torch.tensor([0]), torch.tensor([1])])
    tensor(2.0794)
    """
    return weighted_mean(cross_entropy_map(levels, targets), weight)
