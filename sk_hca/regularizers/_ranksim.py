"""RankSim: samples rank their neighbours alike by features and by targets.

Ranks have no gradient of their own; that of a blackbox stands in for it.  All rows of a
batch are ranked at once.
"""

import numpy as np
import torch

# Shorter features have no direction.
SHORTEST = 1e-12


def ranksim_penalty(features, y, interpolation=2.0, generator=None, *, weight=None):
    r"""Penalise features whose neighbours are ranked otherwise than their targets.

    Parameters
    ----------
    features : Tensor of shape (N, d, *S)
        Features of a batch.

    y : Tensor of shape (N, *S)
        Targets.

    interpolation : float, default=2.0
        :math:`\lambda`, how far the similarities move along their gradient before they
        are ranked again.

    generator : torch.Generator, optional
        Draws the samples; torch's own by default.

    weight : Tensor of shape (N, *S), optional
        Weight of every target.  It counts as a repetition of the sample, and leaves out
        what weighs 0; the penalty itself is not weighted.

    Returns
    -------
    penalty : Tensor of shape ()
        0 where a batch has less than two distinct targets: there is nothing to rank.

    Notes
    -----
    Of every distinct target one sample is drawn.  With :math:`S` the cosine
    similarities of the features of those that are left,

    .. math:: \sum_i \frac{1}{n} \sum_j
        \left( \mathrm{rk}(S_i)_j - \mathrm{rk}(-|y_i - y|)_j \right)^2,

    where the largest of a row has rank :math:`1 / n`, the smallest 1, and of equals the
    later one comes first.  With :math:`g` the gradient at the ranks, that at the
    similarities is
    :math:`-(\mathrm{rk}(S) - \mathrm{rk}(S + \lambda g)) / (\lambda + 10^{-8})`.

    A map is one sample: the mean of its features, and of its targets, over the places
    that weigh anything.  Features that are all zero have no direction; they are similar
    to nothing, and get next to no gradient.

    A patent application, US 20230214651, appears to cover this method: ask before you
    use it in a product.

    References
    ----------
    Gong, Mori and Tung, "RankSim: Ranking similarity regularization for deep imbalanced
    regression", ICML 2022.

    Examples
    --------
    >>> import torch
    >>> angle = torch.tensor([0.0, 0.1, 0.4, 1.5])
    >>> features = torch.stack([angle.cos(), angle.sin()], dim=1)
    >>> ranksim_penalty(features, angle)
    tensor(0.)
    >>> ranksim_penalty(features, torch.tensor([0.0, 2.0, 1.0, 3.0]))
    tensor(0.1875)
    """
    _check(features, y, interpolation)
    features, y, weight = _pool_places(features, y, weight)
    drawn = _one_per_target(y, weight, generator)
    directions, y = _directions(features[drawn]), y[drawn]
    similarity = _Ranks.apply(directions @ directions.t(), interpolation)
    nearness = _ranks(-(y.unsqueeze(1) - y).abs()).to(similarity.dtype)
    return (similarity - nearness).square().mean(dim=1).sum()


def _check(features, y, interpolation):
    shape = features.shape
    if features.ndim < 2 or y.shape != (shape[0], *shape[2:]):
        raise ValueError(
            "features must have shape (N, d, *S) and y shape (N, *S); got "
            f"{tuple(shape)} and {tuple(y.shape)}."
        )
    if not interpolation > 0:
        raise ValueError(f"interpolation must be positive; got {interpolation!r}.")


def _pool_places(features, y, weight):
    """Average features and targets over the places of a sample, and sum its weights."""
    if y.ndim == 1:
        return features, y, weight
    features, y = features.flatten(2), y.flatten(1)
    if weight is None:
        return features.mean(dim=2), y.mean(dim=1), None
    weight = weight.flatten(1)
    total = weight.sum(dim=1, keepdim=True)
    share = weight / torch.where(total > 0, total, 1)
    y = (torch.where(share > 0, y, 0) * share).sum(dim=1)
    features = (features * share.to(features.dtype).unsqueeze(1)).sum(dim=2)
    return features, y, total.squeeze(1)


def _one_per_target(y, weight, generator):
    """Draw one sample of every distinct target, and keep their order."""
    if weight is None:
        order = torch.randperm(len(y), generator=generator, device=y.device)
    else:
        # The first of a race with these rates is drawn with a chance by its weight.
        race = torch.empty_like(weight).exponential_(generator=generator) / weight
        order = race.argsort()
    values, first = y[order].sort(stable=True)
    is_new = torch.ones_like(first, dtype=torch.bool)
    is_new[1:] = values[1:] != values[:-1]
    drawn = order[first[is_new]].sort().values
    return drawn if weight is None else drawn[weight[drawn] > 0]


def _directions(features):
    """Divide features by their length; those of no length are left alone."""
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / torch.where(length > SHORTEST, length, 1)


def _ranks(x):
    """Rank every row, the largest first, in shares of its length."""
    order = _ascending(x.detach())
    n = x.shape[1]
    shares = torch.arange(n, 0, -1, dtype=x.dtype, device=x.device) / n
    return torch.empty_like(x).scatter_(1, order, shares.expand_as(x))


def _ascending(x):
    """Sort every row, and give the places; of equals the earlier one comes first."""
    if x.device.type != "cpu":
        return torch.argsort(x, stable=True, dim=1)
    # NumPy sorts ten times as fast as torch where it need not be stable; equals are
    # then put in order by numbers that hold both their group and their place.
    values = x.numpy()
    order = values.argsort(axis=1)
    values = np.take_along_axis(values, order, axis=1)
    differs = values[:, 1:] != values[:, :-1]
    if not differs.all():
        n_bits = x.shape[1].bit_length()
        order[:, 1:] |= differs.cumsum(axis=1) << n_bits
        order.sort(axis=1)
        order &= (1 << n_bits) - 1
    return torch.from_numpy(order)


class _Ranks(torch.autograd.Function):
    """Ranks, with the gradient of a blackbox."""

    @staticmethod
    def forward(ctx, x, interpolation):
        ranks = _ranks(x)
        ctx.save_for_backward(x, ranks)
        ctx.interpolation = interpolation
        return ranks

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, ranks = ctx.saved_tensors
        moved = _ranks(x + ctx.interpolation * grad)
        return (moved - ranks) / (ctx.interpolation + 1e-8), None
