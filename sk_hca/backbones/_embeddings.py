"""Numbers as networks like them: every column of a table seen in several ways."""

import math

import numpy as np
import torch
from torch import nn

from sk_hca.backbones._inputs import as_rows, column_quantiles


class ColumnViews(nn.ModuleList):
    """Put a table beside what several modules make of it.

    Examples
    --------
    >>> views = ColumnViews([PeriodicEmbedding(3, width=4), PiecewiseEncoding(3, 16)])
    >>> views(torch.zeros(5, 3)).shape
    torch.Size([5, 63])
    """

    def forward(self, x):
        """Give the columns, then every view of them, side by side."""
        return torch.cat([x, *(view(x) for view in self)], dim=1)


class PeriodicEmbedding(nn.Module):
    r"""Turn every column of a table into waves of learned lengths, and a few features.

    A perceptron on raw numbers learns slow functions first, and fast ones hardly at
    all.

    Parameters
    ----------
    n_features : int
        Number of columns, d.

    n_frequencies : int, default=8
        Waves of each column.

    width : int, default=4
        Features of each column, made of its waves by one layer that all columns share.

    scale : float, default=0.3
        Standard deviation of the frequencies at the start, in periods per unit.

    Notes
    -----
    A number x becomes :math:`\mathrm{relu}(W [\cos 2 \pi c x, \sin 2 \pi c x] + b)`
    with its own frequencies c.

    References
    ----------
    Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022.

    Examples
    --------
    >>> PeriodicEmbedding(3, width=8)(torch.zeros(5, 3)).shape
    torch.Size([5, 24])
    """

    def __init__(self, n_features, n_frequencies=8, width=4, scale=0.3):
        super().__init__()
        self.frequencies = nn.Parameter(scale * torch.randn(n_features, n_frequencies))
        self.layer = nn.Linear(2 * n_frequencies, width)

    def forward(self, x):
        """Embed a batch of rows."""
        angle = 2 * math.pi * x.unsqueeze(2) * self.frequencies
        waves = torch.cat([angle.cos(), angle.sin()], dim=2)
        return self.layer(waves).relu().flatten(1)


class PiecewiseEncoding(nn.Module):
    r"""Tell how far every number has come through each piece of its column.

    A column is cut into pieces that hold equally many training samples.  A number is -1
    in the pieces above it, 1 in those below, and in between in its own, so that one
    layer behind it can be any piecewise linear function of the column: as sharp as a
    tree where the data are dense.

    Parameters
    ----------
    n_features : int
        Number of columns, d.

    n_pieces : int
        Pieces of each column.  One without width, between equal quantiles, gives 0.

    Notes
    -----
    Until the pieces are known, by :meth:`measure`, all of them give 0.

    References
    ----------
    Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022.

    Examples
    --------
    >>> column = torch.tensor([[0.0], [1.0], [10.0]])
    >>> encoding = PiecewiseEncoding(1, 2).measure([(column, None)])
    >>> encoding(torch.tensor([[0.25], [10.0]]))
    tensor([[-0.5000, -1.0000],
            [ 1.0000,  1.0000]])
    """

    slope: torch.Tensor
    offset: torch.Tensor

    def __init__(self, n_features, n_pieces):
        super().__init__()
        self.register_buffer("slope", torch.zeros(n_features, n_pieces))
        self.register_buffer("offset", torch.zeros(n_features, n_pieces))

    def measure(self, batches):
        """Cut every column at its quantiles.

        Parameters
        ----------
        batches : iterable of (X, weight)
            Tensors of shapes (N, d) and (N, *S); None weighs all alike.

        Returns
        -------
        self : PiecewiseEncoding
        """
        shares = np.linspace(0, 1, self.slope.shape[1] + 1)
        rows, weight = as_rows(batches)
        knots = column_quantiles(rows, weight, shares).T
        lower, width = knots[:, :-1], np.diff(knots)
        # Narrower than this, the slope is lost in the rounding of the numbers.
        is_wide = width > np.sqrt(torch.finfo(self.slope.dtype).eps)
        slope = np.divide(2, width, where=is_wide, out=np.zeros_like(width))
        offset = np.where(is_wide, -slope * lower - 1, 0)
        self.slope.copy_(torch.from_numpy(slope))
        self.offset.copy_(torch.from_numpy(offset))
        return self

    def forward(self, x):
        """Encode a batch of rows."""
        pieces = torch.addcmul(self.offset, x.unsqueeze(2), self.slope)
        return pieces.clamp_(-1, 1).flatten(1)
