"""Numbers as networks like them: every column as a small vector."""

import math

import torch
from torch import nn


class PeriodicEmbedding(nn.Module):
    r"""Turn every column of a table into waves of learned lengths, and a few features.

    A perceptron on raw numbers learns smooth functions first, and sharp ones, as trees
    find them, hardly at all.

    Parameters
    ----------
    n_features : int
        Number of columns, d.

    n_frequencies : int, default=16
        Waves of each column.

    width : int, default=8
        Features of each column, made of its waves by one layer that all columns share.

    scale : float, default=0.1
        Standard deviation of the frequencies at the start, in periods per unit.

    Notes
    -----
    A number x becomes :math:`\mathrm{relu}(W [\cos 2 \pi c x, \sin 2 \pi c x] + b)`
    with its own frequencies c; x itself stands beside.

    References
    ----------
    Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022.

    Examples
    --------
    >>> PeriodicEmbedding(3, width=8)(torch.zeros(5, 3)).shape
    torch.Size([5, 27])
    """

    def __init__(self, n_features, n_frequencies=16, width=8, scale=0.1):
        super().__init__()
        self.frequencies = nn.Parameter(scale * torch.randn(n_features, n_frequencies))
        self.layer = nn.Linear(2 * n_frequencies, width)

    def forward(self, x):
        """Embed a batch of rows."""
        angle = 2 * math.pi * x.unsqueeze(2) * self.frequencies
        waves = torch.cat([angle.cos(), angle.sin()], dim=2)
        return torch.cat([self.layer(waves).relu().flatten(1), x], dim=1)
