"""Losses of a plain regression, target by target."""

from collections.abc import Callable

from torch.nn.functional import huber_loss, l1_loss, mse_loss

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
    return REGRESSION_LOSSES[loss](pred, target, reduction="none")
