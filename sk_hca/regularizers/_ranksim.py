"""RankSim: samples rank their neighbours alike by features and by targets.

Ranks have no gradient of their own; that of a blackbox stands in for it.  All rows of a
batch are ranked at once.
"""

import numpy as np
import torch

# Shorter features have no direction.
SHORTEST = 1e-12


def ranksim_penalty(features, y, interpolation=2.0, generator=None):
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

    Returns
    -------
    penalty : Tensor of shape ()
        0 where a batch has less than two distinct targets: there is nothing to rank.

    Notes
    -----
    Of every distinct target one sample is drawn, and a sample that is repeated has no
    better chance than one that is not.  With :math:`S` the cosine similarities of the
    features of those that are left,

    .. math:: \sum_i \frac{1}{n} \sum_j
        \left( \mathrm{rk}(S_i)_j - \mathrm{rk}(-|y_i - y|)_j \right)^2,

    where the largest of a row has rank :math:`1 / n`, the smallest 1, and of equals the
    later one comes first.  With :math:`g` the gradient at the ranks, that at the
    similarities is
    :math:`-(\mathrm{rk}(S) - \mathrm{rk}(S + \lambda g)) / (\lambda + 10^{-8})`.

    A map is one sample: the mean of its features, and of its targets, over all places.
    Features that are all zero have no direction and are similar to nothing.

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
    features, y = pool_places(features, y)
    # Ranks of products in a short type would be those of its rounding.
    with torch.autocast(features.device.type, enabled=False):
        directions = _directions(features)
        drawn = _one_per_target(y, _draw_keys(directions.detach(), generator))
        directions, y = directions.index_select(0, drawn), y.index_select(0, drawn)
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


def pool_places(features, y, weight=None):
    """Average features and targets of every map, over the places that weigh anything.

    Parameters
    ----------
    features : Tensor of shape (N, d, *S)
        Features of a batch; those of tables stay as they are.

    y : Tensor of shape (N, *S)
        Targets.

    weight : Tensor of shape (N, *S), optional
        Weight of every target.

    Returns
    -------
    features : Tensor of shape (n, d)
        Without the samples that weigh nothing.

    y : Tensor of shape (n,)
    """
    features, y = _widened(features), _widened(y)
    if y.ndim > 1:
        features, y = features.flatten(2), y.flatten(1)
        share = torch.ones_like(y) if weight is None else weight.flatten(1)
        weight = share.sum(dim=1)
        share = share / torch.where(weight > 0, weight, 1).unsqueeze(1)
        y = (torch.where(share > 0, y, 0) * share).sum(dim=1)
        features = (features * share.to(features.dtype).unsqueeze(1)).sum(dim=2)
    if weight is None:
        return features, y
    return features[weight > 0], y[weight > 0]


def _widened(x):
    """Return integers and short floats in float32; longer ones stay as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _draw_keys(directions, generator):
    """Give every sample a number by lot; equal samples get the same."""
    d = directions.shape[1]
    like = {"dtype": directions.dtype, "device": directions.device}
    probe = torch.randn(d, generator=generator, **like)
    # The last digits of a projection are as good as random.
    return (directions @ probe * 1e3).remainder(1)


def _one_per_target(y, keys):
    """Keep of every distinct target the sample of the smallest key, in their order."""
    order = keys.argsort()
    values, first = y[order].sort(stable=True)
    is_new = torch.ones_like(first, dtype=torch.bool)
    is_new[1:] = values[1:] != values[:-1]
    return order[first[is_new]].sort().values


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
    # NumPy sorts ten times as fast as torch where it need not be stable; rows with
    # equals are then sorted by numbers that hold both the group and the place.
    values = x.numpy()
    order = values.argsort(axis=1)
    values = np.take_along_axis(values, order, axis=1)
    differs = values[:, 1:] != values[:, :-1]
    tied = np.flatnonzero(~differs.all(axis=1))
    places, n_bits = order[tied], x.shape[1].bit_length()
    places[:, 1:] |= differs[tied].cumsum(axis=1) << n_bits
    places.sort(axis=1)
    order[tied] = places & ((1 << n_bits) - 1)
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
