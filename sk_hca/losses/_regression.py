"""Losses of a plain regression, target by target, and their recipes."""

from collections.abc import Callable
from numbers import Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from sk_hca.backbones import LocationScaleHead
from sk_hca.base import check_alias
from sk_hca.losses._recipes import BaseLoss

REGRESSION_LOSSES: dict[str, Callable] = {
    "absolute": l1_loss,
    "huber": huber_loss,
    "squared": mse_loss,
}


def regression_map(pred, target, loss):
    """Compute a regression loss target by target.

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets, standardised.

    loss : {"absolute", "huber", "squared"}
        L1; L1 beyond one unit and L2 below it; or L2.

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> regression_map(torch.tensor([1.0, 3.0]), torch.zeros(2), loss="absolute")
    tensor([1., 3.])
    """
    check_alias("loss", loss, REGRESSION_LOSSES)
    return REGRESSION_LOSSES[loss](pred, target, reduction="none")


def focal_regression_map(pred, target, loss, beta, gamma=1.0, activation="sigmoid"):
    r"""Compute a regression loss that counts large errors more (Focal-R).

    Parameters
    ----------
    pred, target : Tensor of shape (N, *S)
        Predictions and targets.

    loss : {"absolute", "squared"}
        Loss to scale.

    beta : float
        How soon an error counts in full, in one over the unit of the targets.

    gamma : float, default=1.0
        How much less small errors count; 0 is the plain loss.

    activation : {"sigmoid", "tanh"}, default="sigmoid"
        What maps errors to [0, 1): :math:`2 s(\beta |e|) - 1`, with `s` the logistic
        function, or :math:`\tanh(\beta |e|)`.

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Notes
    -----
    :math:`|e|\,(2 s(\beta |e|) - 1)^\gamma`, with :math:`e = p - y`; or the same with
    :math:`e^2`.

    References
    ----------
    Yang, Zha, Chen, Wang and Katabi, "Delving into deep imbalanced regression",
    ICML 2021.

    Examples
    --------
    >>> import torch
    >>> error = torch.tensor([0.1, 1.0, 10.0])
    >>> focal_regression_map(error, torch.zeros(3), loss="absolute", beta=1.0)
    tensor([4.9958e-03, 4.6212e-01, 9.9991e+00])
    """
    check_alias("activation", activation, ("sigmoid", "tanh"))
    # 2 s(x) - 1 is tanh(x / 2).  Above zero, where every power has a finite slope.
    steepness = beta / 2 if activation == "sigmoid" else beta
    share = torch.tanh(steepness * (pred - target).abs())
    share = share.clamp_min(torch.finfo(share.dtype).tiny)
    return regression_map(pred, target, loss) * share**gamma


def gaussian_map(location, scale, target):
    r"""Compute the negative log-likelihood of a Gaussian, target by target.

    Parameters
    ----------
    location, scale : Tensor of shape (N, *S)
        Mean and standard deviation that are predicted for each target.

    target : Tensor of shape (N, *S)
        Targets, in the same unit.

    Returns
    -------
    loss : Tensor of shape (N, *S)
        Without the constant :math:`\log(2 \pi) / 2`.

    Notes
    -----
    :math:`\log \sigma + (y - \mu)^2 / (2 \sigma^2)`.

    References
    ----------
    Nix and Weigend, "Estimating the mean and variance of the target probability
    distribution", ICNN 1994.

    Examples
    --------
    >>> import torch
    >>> gaussian_map(torch.zeros(2), torch.ones(2), torch.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return scale.log() + ((target - location) / scale) ** 2 / 2


class SquaredLoss(BaseLoss):
    """The squared error; its best answer is the mean."""

    def loss_map(self, output, target):
        """Compare the location with the targets."""
        return regression_map(output.location, target, "squared")


class AbsoluteLoss(BaseLoss):
    """The absolute error; its best answer is the median."""

    def loss_map(self, output, target):
        """Compare the location with the targets."""
        return regression_map(output.location, target, "absolute")


class HuberLoss(BaseLoss):
    """Half the squared error of small errors, the absolute one of large errors.

    Parameters
    ----------
    delta : float, default=1.0
        Where the one becomes the other, in standard deviations of the training
        targets.
    """

    _parameter_constraints: dict = {
        "delta": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, delta=1.0):
        self.delta = delta

    def loss_map(self, output, target):
        """Compare the location with the targets."""
        return huber_loss(output.location, target, reduction="none", delta=self.delta)


class FocalR(BaseLoss):
    r"""Focal-R: large errors count more than their size.

    Parameters
    ----------
    loss : {"absolute", "squared"}, default="absolute"
        Loss to scale.

    beta : float, default=3.0
        How soon an error counts in full, in one over the standard deviation of the
        training targets.  The authors' 0.2 is per year of age, and ages have a standard
        deviation of about 15 years: the default is the same, in this unit.

    gamma : float, default=1.0
        How much less small errors count.

    activation : {"sigmoid", "tanh"}, default="sigmoid"
        What maps errors to [0, 1).

    See Also
    --------
    focal_regression_map : The same as a function, with its formula and source.
    """

    _parameter_constraints: dict = {
        "loss": [StrOptions({"absolute", "squared"})],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "activation": [StrOptions({"sigmoid", "tanh"})],
    }

    def __init__(self, loss="absolute", *, beta=3.0, gamma=1.0, activation="sigmoid"):
        self.loss = loss
        self.beta = beta
        self.gamma = gamma
        self.activation = activation

    def loss_map(self, output, target):
        """Compare the location with the targets."""
        return focal_regression_map(
            output.location, target, self.loss, self.beta, self.gamma, self.activation
        )


class GaussianLoss(BaseLoss):
    """The negative log-likelihood of a Gaussian, whose scale is predicted too.

    See Also
    --------
    gaussian_map : The same as a function, with its formula and source.
    """

    head = LocationScaleHead

    def loss_map(self, output, target):
        """Compare location and scale with the targets."""
        return gaussian_map(output.location, output.scale, target)
