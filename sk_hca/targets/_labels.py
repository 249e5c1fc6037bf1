r"""Turn targets into what the classifiers should say: :math:`p^h`, on every level.

Labels of the coarse levels are pooled sums of the finest ones, so all levels tell the
same story.  Targets outside the training range belong to the outermost classes.
"""

import math
from numbers import Real

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.base import resolve
from sk_hca.hierarchy import pool_sum


def class_index(y, edges):
    """Find the class of each target; intervals are closed on the right.

    Parameters
    ----------
    y : Tensor of shape (N, *S)
        Targets, in the unit of the data.

    edges : Tensor of shape (C + 1,)
        Borders of the classes; the outer ones reach to infinity.

    Returns
    -------
    index : Tensor of shape (N, *S), int64

    Examples
    --------
    >>> import torch
    >>> class_index(torch.tensor([-1.0, 1.0, 1.5, 9.0]), torch.tensor([0.0, 1.0, 2.0]))
    tensor([0, 0, 1, 1])
    """
    return torch.bucketize(y, edges[1:-1].contiguous(), right=False)


def class_position(y, edges, values):
    """Measure targets in classes: class `c` spans ``[c, c + 1]`` around its value.

    Parameters
    ----------
    y : Tensor of shape (N, *S)
        Targets, in the unit of the data.

    edges : Tensor of shape (C + 1,)
        Borders of the classes.

    values : Tensor of shape (C,)
        Value of each class.

    Returns
    -------
    position : Tensor of shape (N, *S)
        Between 0 and C; linear from a border to the value of the class, and from there
        to the next border.

    Examples
    --------
    >>> import torch
    >>> edges, values = torch.tensor([0.0, 1.0, 9.0]), torch.tensor([0.5, 3.0])
    >>> class_position(torch.tensor([0.25, 3.0, 6.0]), edges, values)
    tensor([0.2500, 1.5000, 1.7500])
    """
    index = class_index(y, edges)
    lower, value, upper = edges[index], values[index], edges[index + 1]
    tiny = torch.finfo(edges.dtype).tiny
    below = (y - lower) / (value - lower).clamp_min(tiny)
    above = 1 + (y - value) / (upper - value).clamp_min(tiny)
    return index + 0.5 * torch.where(y < value, below, above).clamp(0, 2)


def gaussian_labels(y, values, sigma):
    r"""Spread each target over the classes around it (SORD).

    Parameters
    ----------
    y : Tensor of shape (N, *S)
        Targets, in the unit of the data.

    values : Tensor of shape (C_h,)
        Class values of the level.

    sigma : float
        Width of the Gaussian, in the unit of the data.

    Returns
    -------
    p : Tensor of shape (N, C_h, *S)
        Soft ground truth :math:`p^h` of Eq. 5; sums to 1 over axis 1.

    Notes
    -----
    :math:`p[c] \propto \exp(-(y - v_c)^2 / (2 \sigma^2))`.

    References
    ----------
    Diaz and Marathe, "Soft labels for ordinal regression", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([0.0, 1.0, 2.0])
    >>> p = gaussian_labels(torch.tensor([1.0]), values, sigma=1.0)
    >>> p.round(decimals=3)
    tensor([[0.2740, 0.4520, 0.2740]])
    """
    gap = y.unsqueeze(1) - values.view(1, -1, *(1,) * (y.ndim - 1))
    return torch.softmax(-0.5 * (gap / sigma) ** 2, dim=1)


def histogram_gaussian_labels(y, edges, sigma):
    r"""Integrate a Gaussian around each target over every class (HL-Gauss).

    It keeps the exact position of a target inside its class, works for classes of any
    width, and its sums over coarse classes are the labels of the coarse levels.

    Parameters
    ----------
    y : Tensor of shape (N, *S)
        Targets, in the unit of the data; those outside the edges are moved to them.

    edges : Tensor of shape (C + 1,)
        Borders of the classes.

    sigma : float
        Width of the Gaussian, in the unit of the data.

    Returns
    -------
    p : Tensor of shape (N, C, *S)
        Sums to 1 over axis 1.

    Notes
    -----
    :math:`p[c] = (\Phi((e_{c+1} - y) / \sigma) - \Phi((e_c - y) / \sigma)) / Z`, with
    :math:`Z = \Phi((e_C - y) / \sigma) - \Phi((e_0 - y) / \sigma)`.

    References
    ----------
    Imani and White, "Improving regression performance with distributional losses",
    ICML 2018.

    Examples
    --------
    >>> import torch
    >>> edges = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> p = histogram_gaussian_labels(torch.tensor([1.5]), edges, sigma=0.5)
    >>> p.round(decimals=3)
    tensor([[0.1580, 0.6850, 0.1580]])
    """
    y = y.clamp(edges[0], edges[-1])
    gap = edges.view(1, -1, *(1,) * (y.ndim - 1)) - y.unsqueeze(1)
    area = torch.erf(gap / (sigma * math.sqrt(2.0)))
    return area.diff(dim=1) / (area[:, -1:] - area[:, :1])


class BaseLabels(BaseEstimator):
    """What the classifiers are told; a subclass says it for the finest level."""

    def encode(self, y, levels, dtype):
        """Turn a batch of targets into the truth of every level.

        Parameters
        ----------
        y : Tensor of shape (N, *S)
            Targets, in the unit of the data.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        dtype : torch.dtype
            Type of soft labels.

        Returns
        -------
        targets : list of Tensor
            Class indices of shape (N, *S), or distributions of shape (N, C_h, *S).
        """
        finest = self.finest_labels(y, levels[-1]).to(dtype)
        coarse = [
            pool_sum(finest, classes.parent, len(classes.values))
            for classes in levels[:-1]
        ]
        return [*coarse, finest]


class OneHotLabels(BaseLabels):
    """The class of the target, and nothing else."""

    def encode(self, y, levels, dtype):
        """Look the coarse classes up in the parent maps."""
        index = class_index(y, levels[-1].edges)
        return [*(classes.parent[index] for classes in levels[:-1]), index]


class _WidthLabels(BaseLabels):
    """Labels with a width, in classes or in the unit of the targets."""

    _parameter_constraints: dict = {
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "unit": [StrOptions({"class", "target"})],
    }

    def __init__(self, sigma=0.75, *, unit="class"):
        self.sigma = sigma
        self.unit = unit


class GaussianLabels(_WidthLabels):
    """Gaussian-smoothed labels, by the distance to the class values (SORD).

    Parameters
    ----------
    sigma : float, default=0.75
        Width of the Gaussian.

    unit : {"class", "target"}, default="class"
        Whether `sigma` counts classes, or is in the unit of the targets.
    """

    def finest_labels(self, y, classes):
        """Compare the target with the value of every class."""
        if self.unit == "target":
            return gaussian_labels(y, classes.values, self.sigma)
        position = class_position(y, classes.edges, classes.values)
        middles = (
            torch.arange(len(classes.values), dtype=y.dtype, device=y.device) + 0.5
        )
        return gaussian_labels(position, middles, self.sigma)


class HistogramGaussianLabels(_WidthLabels):
    """Histogram-Gaussian labels, at the exact position of the target (HL-Gauss).

    Parameters
    ----------
    sigma : float, default=0.75
        Width of the Gaussian.

    unit : {"class", "target"}, default="class"
        Whether `sigma` counts classes, or is in the unit of the targets.
    """

    def finest_labels(self, y, classes):
        """Integrate a Gaussian around the target over every class."""
        if self.unit == "target":
            return histogram_gaussian_labels(y, classes.edges, self.sigma)
        position = class_position(y, classes.edges, classes.values)
        borders = torch.arange(len(classes.edges), device=y.device)
        return histogram_gaussian_labels(position, borders, self.sigma)


LABELS = {
    "one_hot": OneHotLabels,
    "gaussian": GaussianLabels,
    "histogram_gaussian": HistogramGaussianLabels,
}


def make_labels(labels):
    """Return the recipe of labels, given as an alias or an object."""
    return resolve("labels", labels, LABELS, BaseLabels)
