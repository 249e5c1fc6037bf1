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
            Tensors of shapes (N, d, *S) and (N, *S); None weighs all alike.

        Returns
        -------
        self : Inputs
        """
        scaler, dtype, n_axes = StandardScaler(), self.dtype, 2
        with np.errstate(over="ignore", invalid="ignore"):
            for X, weight in batches:
                n_axes = X.ndim
                dtype = torch.promote_types(X.dtype, self.dtype)
                rows = X.movedim(1, -1).reshape(-1, X.shape[1]).double().numpy()
                if weight is not None:
                    # One weight per sample, repeated for every place of it.
                    weight = weight.reshape(len(X), -1).mean(dim=1)
                    weight = weight.repeat_interleave(len(rows) // len(X)).numpy()
                scaler.partial_fit(rows, sample_weight=weight)
        is_finite = np.isfinite(scaler.mean_) & np.isfinite(scaler.scale_)
        if not is_finite.all():
            raise ValueError(
                f"Feature {is_finite.argmin()} of X is too large to be standardised: "
                "its squares overflow. Divide it by its largest magnitude, or take "
                "its logarithm."
            )
        # What the type cannot hold becomes the nearest number that it can.
        limits, shape = torch.finfo(dtype), (1, -1, *(1,) * (n_axes - 2))
        center = scaler.mean_.clip(limits.min, limits.max)
        scale = scaler.scale_.clip(limits.tiny, limits.max)
        self.center = torch.tensor(center, dtype=dtype).view(shape)
        self.scale = torch.tensor(scale, dtype=dtype).view(shape)
        return self

    def forward(self, X):
        """Standardise in the type of the data, then cast."""
        if self.center is None:
            # A copy: a network that works in place must not write into the user's data.
            return X.to(self.dtype, copy=True)
        scaled = (X - self.center).div_(self.scale)
        return scaled.clamp_(-self.limit, self.limit).to(self.dtype)
