"""Balanced MSE as a recipe: which density it measures, and the noise that it learns."""

import math
from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from sk_hca.losses._balanced_mse import mixture_map, monte_carlo_loss
from sk_hca.losses._densities import histogram, mixture
from sk_hca.losses._recipes import BaseLoss
from sk_hca.losses._reduction import weighted_mean

# Smallest and largest noise, in standard deviations of the training targets.
LEAST_NOISE, MOST_NOISE = 1e-3, 1e3


class BalancedMSE(BaseLoss):
    """Balanced MSE: the squared error as if all targets were equally common.

    It lowers the error of rare targets and raises that of common ones.

    Parameters
    ----------
    form : {"bmc", "gai", "bni"}, default="bmc"
        How the integral over the targets is taken: over the other targets of the batch
        (Monte Carlo), over a mixture of Gaussians, or over a histogram of the training
        targets.

    noise_sigma : float, default=0.25
        Standard deviation of the noise, or where it starts when it is learned; in
        standard deviations of the training targets, between 0.001 and 1000.

    learn_noise : bool, default=True
        Whether the noise is learned with the network.

    n_components : int, default=8
        Components of the mixture of "gai", of which there are never more than distinct
        targets.

    n_bins : int, default=100
        Bins of the histogram of "bni", of equal width; the outermost stand for the
        smallest and the largest target, so that none lies beyond them.

    See Also
    --------
    batch_monte_carlo : "bmc" as a function, with its formula and source.
    gaussian_mixture_integration : The same of "gai".
    binned_integration : The same of "bni".

    Notes
    -----
    The noise is learned as its logarithm, so that it stays positive, within the limits
    of `noise_sigma`.  Since the loss is measured in it, losses of different epochs are
    not strictly comparable, of which early stopping knows nothing.

    With "bmc" the batch belongs to the loss: weights are repetitions among the samples
    of one batch, a batch of one sample is refused, and larger batches know the density
    better.
    """

    _parameter_constraints: dict = {
        "form": [StrOptions({"bmc", "gai", "bni"})],
        "noise_sigma": [Interval(Real, LEAST_NOISE, MOST_NOISE, closed="both")],
        "learn_noise": ["boolean"],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        form="bmc",
        *,
        noise_sigma=0.25,
        learn_noise=True,
        n_components=8,
        n_bins=100,
    ):
        self.form = form
        self.noise_sigma = noise_sigma
        self.learn_noise = learn_noise
        self.n_components = n_components
        self.n_bins = n_bins

    def criterion(self, y, weight, center, scale):
        """Measure the density of the training targets, where the form needs it."""
        noise = LearnedNoise(self.noise_sigma, self.learn_noise)
        if self.form == "bmc":
            return MonteCarloCriterion(noise)
        if self.form == "gai":
            means, spreads, shares = mixture(y, weight, self.n_components)
        else:
            means, spreads, shares = histogram(y, weight, self.n_bins)
        density = (means - center) / scale, (spreads / scale) ** 2, shares
        return MixtureCriterion(noise, *density)


class LearnedNoise(nn.Module):
    """A noise that an optimiser may move, and that stays positive and finite.

    Parameters
    ----------
    sigma : float
        Standard deviation to start from.

    learns : bool
        Whether it is a parameter, or stays as it is.
    """

    def __init__(self, sigma, learns):
        super().__init__()
        log_sigma = torch.tensor(math.log(sigma), dtype=torch.float64)
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learns)

    def variance(self):
        """Return the square of the noise."""
        limits = math.log(LEAST_NOISE), math.log(MOST_NOISE)
        return (2 * self.log_sigma.clamp(*limits)).exp()


class MonteCarloCriterion(nn.Module):
    """Balanced MSE, over the targets of each batch.

    Parameters
    ----------
    noise : LearnedNoise
        Noise around the predictions.
    """

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, output, target, weight=None):
        """Compare the targets of a batch; one alone has nothing to be compared with."""
        variance = self.noise.variance().to(target.dtype)
        return monte_carlo_loss(output.location, target, variance, weight)


class MixtureCriterion(nn.Module):
    """Balanced MSE, over a density of the training targets.

    Parameters
    ----------
    noise : LearnedNoise
        Noise around the predictions.

    means, variances, shares : ndarray of shape (K,)
        Components of the density, in standardised units.
    """

    means: torch.Tensor
    variances: torch.Tensor
    shares: torch.Tensor

    def __init__(self, noise, means, variances, shares):
        super().__init__()
        self.noise = noise
        self.register_buffer("means", torch.as_tensor(means))
        self.register_buffer("variances", torch.as_tensor(variances))
        self.register_buffer("shares", torch.as_tensor(shares))

    def forward(self, output, target, weight=None):
        """Average the loss of a batch over the targets that count."""
        density = self.means, self.variances, self.shares
        variance = self.noise.variance().to(target.dtype)
        loss = mixture_map(output.location, target, variance, *density)
        return weighted_mean(loss, weight)
