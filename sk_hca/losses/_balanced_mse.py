r"""Balanced MSE: the squared error of a model that is asked about all targets alike.

A model that minimises the squared error learns the common targets, since they are what
the training data ask about.  Balanced MSE takes the model's answer as that of balanced
data, multiplies it by how common each target is, and compares that with the data.  With
a Gaussian noise around the answer `p` of the model,

.. math:: -\log \frac{N(y; p, \sigma^2)\, q(y)}{\int N(t; p, \sigma^2)\, q(t)\, dt},

where `q` is the density of the training targets.  The three forms differ in the
integral: a sum over the other targets of the batch, a mixture of Gaussians, or a
histogram.  All are multiplied by :math:`2 \sigma^2`, through which no gradient flows,
so that their size is that of a squared error.
"""

import math

import torch
from torch.utils.checkpoint import checkpoint

from sk_hca.losses._reduction import check_weight, weighted_mean

# Targets that are compared with one another at once: the memory of the comparison is
# that of the square of this number.
MOST_COMPARED = 2048


def batch_monte_carlo(pred, target, noise_sigma, weight=None):
    r"""Compute Balanced MSE with the integral as a sum over the batch (BMC).

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets, two or more.

    noise_sigma : float or Tensor of shape ()
        Standard deviation of the noise, in the unit of the targets; it may be learned.

    weight : Tensor of shape (N, *S), optional
        Weight of each target, which counts as many times: in the average, and for the
        others of the batch.

    Returns
    -------
    loss : Tensor of shape ()

    Notes
    -----
    :math:`2 \sigma^2` times the cross-entropy of

    .. math:: \frac{\exp(-(p_i - y_i)^2 / (2 \sigma^2))}
        {\sum_j w_j \exp(-(p_i - y_j)^2 / (2 \sigma^2))}.

    A target is compared with all others of the batch.  More than 2048, as maps have,
    are dealt in turn into groups of at most so many, and a target is compared with
    those of its group: time grows with the number of targets, and the memory of the
    comparison does not.

    A target is always compared with itself: a batch in which one target alone has
    weight teaches nothing, and its loss is 0.

    References
    ----------
    Ren, Zhang, Yu and Liu, "Balanced MSE for imbalanced visual regression", CVPR 2022.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([0.0, 0.0, 3.0])
    >>> batch_monte_carlo(target, target, noise_sigma=1.0)
    tensor(0.9462)
    """
    check_pairs(pred, target, noise_sigma)
    return monte_carlo_loss(pred, target, variance_of(noise_sigma, pred), weight)


def gaussian_mixture_integration(
    pred, target, noise_sigma, means, variances, weights, weight=None
):
    r"""Compute Balanced MSE with a mixture of Gaussians as the density (GAI).

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets.

    noise_sigma : float or Tensor of shape ()
        Standard deviation of the noise, in the unit of the targets; it may be learned.

    means, variances, weights : Tensor of shape (K,)
        Components of the density of the training targets.

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()

    Notes
    -----
    :math:`2 \sigma^2` times the mean of

    .. math:: \frac{(p - y)^2}{2 \sigma^2} + \frac{\log \sigma^2}{2}
        + \log \sum_k \frac{w_k}{\sqrt{v_k + \sigma^2}}
        \exp\left(-\frac{(p - \mu_k)^2}{2 (v_k + \sigma^2)}\right).

    References
    ----------
    Ren, Zhang, Yu and Liu, "Balanced MSE for imbalanced visual regression", CVPR 2022.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([0.0, 0.0, 3.0])
    >>> mixture = torch.tensor([0.0, 3.0]), torch.tensor([0.1, 0.1])
    >>> weights = torch.tensor([2 / 3, 1 / 3])
    >>> gaussian_mixture_integration(target, target, 1.0, *mixture, weights)
    tensor(-1.3353)
    """
    check_pairs(pred, target, noise_sigma)
    density = (
        torch.as_tensor(part, dtype=pred.dtype, device=pred.device).flatten()
        for part in (means, variances, weights)
    )
    variance = variance_of(noise_sigma, pred)
    return weighted_mean(mixture_map(pred, target, variance, *density), weight)


def binned_integration(pred, target, noise_sigma, centers, weights, weight=None):
    r"""Compute Balanced MSE with a histogram as the density (BNI).

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets.

    noise_sigma : float or Tensor of shape ()
        Standard deviation of the noise, in the unit of the targets; it may be learned.

    centers, weights : Tensor of shape (B,)
        Centres of the bins, and the share of the training targets in each.

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()
        It can be negative.

    Notes
    -----
    :math:`2 \sigma^2` times the mean of

    .. math:: \frac{(p - y)^2}{2 \sigma^2}
        + \log \sum_b w_b \exp\left(-\frac{(p - c_b)^2}{2 \sigma^2}\right).

    References
    ----------
    Ren, Zhang, Yu and Liu, "Balanced MSE for imbalanced visual regression", CVPR 2022.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([0.0, 0.0, 3.0])
    >>> centers, weights = torch.tensor([0.0, 3.0]), torch.tensor([2 / 3, 1 / 3])
    >>> binned_integration(target, target, 1.0, centers, weights)
    tensor(-1.2510)
    """
    none = torch.zeros_like(centers)
    return gaussian_mixture_integration(
        pred, target, noise_sigma, centers, none, weights, weight
    )


def check_pairs(pred, target, noise_sigma):
    """Refuse predictions and targets that do not belong together."""
    if pred.shape != target.shape:
        raise ValueError(
            f"pred and target must be of one shape; got {tuple(pred.shape)} and "
            f"{tuple(target.shape)}."
        )
    if not noise_sigma > 0:
        raise ValueError(f"noise_sigma must be positive; got {float(noise_sigma)}.")


def variance_of(noise_sigma, pred):
    """Return the variance of a noise, in the type of the predictions."""
    return torch.as_tensor(noise_sigma, dtype=pred.dtype, device=pred.device) ** 2


def monte_carlo_loss(pred, target, variance, weight=None):
    """Average the loss of BMC over all targets, group by group."""
    if target.numel() < 2:
        raise ValueError(
            "Batch-based Monte Carlo compares the targets of a batch, and needs two at "
            f"least; this batch has {target.numel()}. Give larger batches, parts and "
            "validation data, or take the form 'gai' or 'bni' of Balanced MSE."
        )
    columns = [pred.flatten(), target.flatten()]
    if weight is not None:
        check_weight(weight, target)
        columns.append(weight.flatten().to(pred.dtype))
    n_groups = math.ceil(target.numel() / MOST_COMPARED)
    if n_groups == 1:
        return weighted_mean(monte_carlo_map(variance, *columns), *columns[2:])
    # A group is compared again for its gradient, so that one at a time is in memory.
    losses = [
        checkpoint(
            monte_carlo_map,
            variance,
            *(column[group::n_groups] for column in columns),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for group in range(n_groups)
    ]
    weights = [
        torch.cat([column[group::n_groups] for group in range(n_groups)])
        for column in columns[2:]
    ]
    return weighted_mean(torch.cat(losses), *weights)


def monte_carlo_map(variance, pred, target, weight=None):
    """Compare each of a row of predictions with all targets of the row: (M,)."""
    closeness = -((pred.unsqueeze(1) - target) ** 2) / (2 * variance)
    own = closeness.diagonal()
    if weight is None:
        loss = closeness.logsumexp(dim=1) - own
    else:
        # A target that does not count has no part in the sums, and no loss; a sum
        # without any part would have NaN as its gradient.
        counts = weight > 0
        presence = torch.where(counts, weight, 1.0).log()
        sums = (closeness + presence).masked_fill(~counts, -torch.inf)
        sums = torch.where(counts.unsqueeze(1), sums, 0.0).logsumexp(dim=1)
        loss = torch.where(counts, sums - own, 0.0)
    return loss * (2 * variance.detach())


def mixture_map(pred, target, variance, means, variances, weights):
    """Compare predictions with a density and with their targets: (N, *S)."""
    shape = (1, -1, *(1,) * (pred.ndim - 1))
    spread = variances + variance
    height = weights.log() - spread.log() / 2
    gap = pred.unsqueeze(1) - means.view(shape)
    integral = height.view(shape) - gap**2 / (2 * spread.view(shape))
    error = (pred - target) ** 2 / (2 * variance)
    loss = error + variance.log() / 2 + integral.logsumexp(dim=1)
    return loss * (2 * variance.detach())
