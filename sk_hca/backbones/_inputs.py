"""What stands between raw inputs and a backbone: type, and scale.

A network receives numbers as the user keeps them: bytes, or float64 columns with any
offset.  They are standardised in that type, and only then cast to the network's.
"""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn


class Inputs(nn.Module):
    """Cast inputs to the type of the network, standardised along axis 1 if asked.

    Parameters
    ----------
    dtype : torch.dtype
        Type of the network.

    limit : float, default=10.0
        Standardised inputs are clipped to this many standard deviations, so that an
        outlier cannot overflow the network.
    """

    def __init__(self, dtype, limit=10.0):
        super().__init__()
        self.dtype = dtype
        self.limit = limit
        self.register_buffer("center", None)
        self.register_buffer("scale", None)

    def measure(self, batches):
        """Take center and scale of every feature (or channel) in one pass over data.

        Parameters
        ----------
        batches : iterable of (X, weight)
            Tensors of shapes (N, d, *S) and (N,).

        Returns
        -------
        self : Inputs
        """
        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            for X, weight in batches:
                rows = X.movedim(1, -1).reshape(-1, X.shape[1]).double().numpy()
                repeated = weight.repeat_interleave(len(rows) // len(weight))
                scaler.partial_fit(rows, sample_weight=repeated.numpy())
        is_finite = np.isfinite(scaler.mean_) & np.isfinite(scaler.scale_)
        if not is_finite.all():
            raise ValueError(
                f"Feature {is_finite.argmin()} of X is too large to be standardised: "
                "its squares overflow. Divide it by its largest magnitude, or take "
                "its logarithm."
            )
        self.center = torch.from_numpy(scaler.mean_)
        self.scale = torch.from_numpy(scaler.scale_)
        return self

    def forward(self, X):
        """Standardise in the type of the data, then cast."""
        if self.center is None:
            # A copy: a network that works in place must not write into the user's data.
            return X.to(self.dtype, copy=True)
        if not X.is_floating_point():
            X = X.to(self.dtype)
        shape = (1, -1, *(1,) * (X.ndim - 2))
        # What a narrow type cannot hold becomes the nearest number that it can.
        limits = torch.finfo(X.dtype)
        center = self.center.clamp(limits.min, limits.max).to(X.dtype).view(shape)
        scale = self.scale.clamp(limits.tiny, limits.max).to(X.dtype).view(shape)
        scaled = (X - center) / scale
        return scaled.clamp(-self.limit, self.limit).to(self.dtype)
