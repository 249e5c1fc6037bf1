"""What stands between raw inputs and a backbone: type, and scale.

A network receives numbers as the user keeps them: bytes, float64 columns with any
offset, columns where 9999 stands for nothing.  They are scaled by quantiles in that
type, which no outlier moves, and only then cast to the network's.
"""

import numpy as np
import torch
from torch import nn

# Shares of the targets between which a column is measured: the narrowest first, and a
# wider one where that has no width.
RANGES = ((0.25, 0.75), (0.05, 0.95), (0.0, 1.0))

# Scaled inputs beyond this are all the same, whatever type their squares must fit in.
FARTHEST = 1e6


def as_given(X):
    """Leave inputs as they are."""
    return X


class Inputs(nn.Module):
    """Cast inputs to the type of the network, scaled along axis 1 if asked.

    Parameters
    ----------
    dtype : torch.dtype
        Type of the network.

    limit : float, default=10.0
        Scaled inputs run smoothly into this limit, so that an outlier keeps its side
        and cannot overflow the network.

    arrange : callable, default=as_given
        Views a batch of inputs with its features (or channels) on axis 1.

    augment : callable, optional
        Changes a batch at random while training, after it is arranged and before it is
        scaled.
    """

    one: torch.Tensor

    def __init__(self, dtype, limit=10.0, arrange=as_given, augment=None):
        super().__init__()
        self.arrange = arrange
        self.augment = augment
        self.dtype = dtype
        self.limit = limit
        self.register_buffer("center", None)
        self.register_buffer("scale", None)
        self.register_buffer("one", torch.ones((), dtype=dtype), persistent=False)

    def measure(self, batches):
        """Take median and interquartile range of every feature (or channel).

        Parameters
        ----------
        batches : iterable of (X, weight)
            Inputs, and tensors of shape (N, *S); None weighs all alike.  All of them
            are held at once: let them be a part of large data.

        Returns
        -------
        self : Inputs
        """
        batches = [(self.arranged(X), weight) for X, weight in batches]
        X = batches[0][0]
        center, scale = center_and_scale(*as_rows(batches))
        # What the type cannot hold becomes the nearest number that it can.
        dtype = torch.promote_types(X.dtype, self.dtype)
        limits, shape = torch.finfo(dtype), (1, -1, *(1,) * (X.ndim - 2))
        center = center.clip(limits.min, limits.max)
        scale = scale.clip(limits.tiny, limits.max)
        self.center = torch.tensor(center, dtype=dtype).view(shape)
        self.scale = torch.tensor(scale, dtype=dtype).view(shape)
        return self

    def arranged(self, X):
        """Arrange inputs; booleans, which cannot be subtracted, are seen as bytes."""
        X = self.arrange(X)
        return X.view(torch.uint8) if X.dtype == torch.bool else X

    def augmented(self, X):
        """Augment a batch, and check that it is one still."""
        changed = self.augment(X)
        if not (torch.is_tensor(changed) and changed.shape[:2] == X.shape[:2]):
            shape = tuple(changed.shape) if torch.is_tensor(changed) else None
            raise ValueError(
                "augment must give back a tensor of as many samples and channels as it "
                f"takes, ({X.shape[0]}, {X.shape[1]}, ...); it gave a "
                f"{type(changed).__name__} of shape {shape}."
            )
        return changed

    def forward(self, X):
        """Scale in the type of the data, then cast."""
        X = self.arranged(X)
        if self.training and self.augment is not None:
            # Of a copy: an augmentation may work in place.
            X = self.augmented(X.clone())
        center, scale = self.center, self.scale
        if center is None:
            # A copy: a network that works in place must not write into the user's data.
            return X.to(self.dtype, copy=True)
        scaled = (X - center).div_(scale).clamp_(-FARTHEST, FARTHEST)
        scaled = scaled.to(self.dtype)
        # Divided by the root of 1 + (scaled / limit)^2, in few passes: a batch of a
        # table is small, and every operation counts.
        root = torch.addcmul(self.one, scaled, scaled, value=self.limit**-2).rsqrt_()
        return scaled.mul_(root)


def as_rows(batches):
    """Return inputs as rows of numbers, and the weights of these.

    Parameters
    ----------
    batches : iterable of (X, weight)
        Tensors of shapes (N, d, *S) and (N, *S); None weighs all alike.

    Returns
    -------
    rows : ndarray of shape (n, d), float64
        A row for every place of every sample.

    weight : ndarray of shape (n,) or (0,)
        Weight of every row, that of its sample; empty where all weigh alike.
    """
    parts, weights = [], []
    for X, weight in batches:
        parts.append(X.movedim(1, -1).reshape(-1, X.shape[1]).double().numpy())
        if weight is not None:
            # One weight per sample, repeated for every place of it.
            weight = weight.reshape(len(X), -1).mean(dim=1)
            weight = weight.repeat_interleave(len(parts[-1]) // len(X)).numpy()
            weights.append(weight)
    return np.concatenate(parts), np.concatenate(weights or [[]])


def center_and_scale(rows, weight):
    """Return median and width of every column; a constant one has width 1.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Values of d columns.

    weight : ndarray of shape (n,) or (0,)
        Weight of every row, 2 as good as the row twice; empty weighs all alike.

    Returns
    -------
    center, scale : ndarray of shape (d,)
    """
    levels = [0.5, *np.ravel(RANGES)]
    center, *bounds = column_quantiles(rows, weight, levels)
    scale = np.zeros_like(center)
    with np.errstate(over="ignore"):
        for lower, upper in zip(bounds[::2], bounds[1::2], strict=True):
            scale = np.where(scale > 0, scale, upper - lower)
    if not np.isfinite(scale).all():
        raise ValueError(
            f"Feature {np.isfinite(scale).argmin()} of X is too large to be scaled: "
            "its range overflows. Divide it by its largest magnitude, or take its "
            "logarithm."
        )
    return center, np.where(scale > 0, scale, 1.0)


def column_quantiles(rows, weight, levels):
    """Return the smallest value of every column that reaches each share of weight."""
    if not weight.size:
        index = np.ceil(np.multiply(levels, len(rows))).astype(int) - 1
        return np.sort(rows, axis=0)[index.clip(min=0)]
    order = rows.argsort(axis=0)
    upto = weight[order].cumsum(axis=0)
    # Below by rounding is not below: the unit of the weights makes no difference.
    wanted = np.multiply.outer(levels, upto[-1]) * (1 - 1e-12)
    # Rows without weight come before the smallest share, whatever their value.
    index = np.stack([((upto < w) | (upto == 0)).sum(axis=0) for w in wanted])
    index = order[index.clip(max=len(rows) - 1), np.arange(rows.shape[1])]
    return np.take_along_axis(rows, index, axis=0)
