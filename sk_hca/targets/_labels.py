r"""Turn targets into what the classifiers should say: :math:`p^h`, on every level.

Labels of the coarse levels are sums of the finest ones, between the borders of the
coarse class, so all levels tell the same story.  Targets outside the training range
belong to the outermost classes.
"""

import math
from numbers import Real

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.base import resolve
from sk_hca.hierarchy import lift

# So many labels of thousands of classes lie in memory together.
LABELS_AT_ONCE = 1024


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
        Width of the Gaussian, in the unit of the data; positive.

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
    _check_sigma(sigma)
    distance = _from_targets(values, y).abs() / sigma
    nearest = distance.amin(dim=1, keepdim=True)
    # Beyond that of the nearest class, no square overflows that would count.
    beyond = (distance - nearest) * (distance + nearest)
    return torch.softmax(-0.5 * beyond, dim=1)


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
        Width of the Gaussian, in the unit of the data; positive.

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
    _check_sigma(sigma)
    return gaussian_below(y, edges, sigma).diff(dim=1)


def gaussian_below(y, edges, sigma):
    """Integrate a Gaussian around each target, as far as every border.

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
    below : Tensor of shape (N, C + 1, *S)
        Rises from 0 at the first border to 1 at the last.

    Examples
    --------
    >>> import torch
    >>> edges = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> gaussian_below(torch.tensor([1.5]), edges, sigma=0.5).round(decimals=3)
    tensor([[0.0000, 0.1580, 0.8420, 1.0000]])
    """
    y = y.clamp(edges[0], edges[-1])
    area = torch.erf(_from_targets(edges, y) / (sigma * math.sqrt(2.0)))
    lowest = area[:, :1]
    return (area - lowest) / (area[:, -1:] - lowest)


def _check_sigma(sigma):
    """Refuse a width that spreads nothing."""
    if not sigma > 0:
        raise ValueError(f"sigma must be positive; got {sigma!r}. Set a larger width.")


def _from_targets(points, y):
    """Subtract every target from every point: (N, C, *S), in memory as logits are."""
    if y.ndim == 1:
        return (points.unsqueeze(1) - y).t()
    return points.view(1, -1, *(1,) * (y.ndim - 1)) - y.unsqueeze(1)


class BaseLabels(BaseEstimator):
    """What the classifiers are told; a subclass says it for the finest level.

    It writes ``finest_labels(y, classes)``, from targets of shape (N, *S) and the
    :class:`~sk_hca.base.LevelClasses` of the finest level to distributions of shape
    (N, C_H, *S), each of which sums to 1.
    """

    def encode(self, y, table, dtype):
        """Turn a batch of targets into the truth of every level.

        Parameters
        ----------
        y : Tensor of shape (N, *S)
            Targets, in the unit of the data.

        table : ClassTable
            Classes of all levels, side by side.

        dtype : torch.dtype
            Type of soft labels.

        Returns
        -------
        truth : Tensor
            Distributions of all levels side by side, of shape (N, sum of C_h, *S); or,
            of one-hot labels, the place of the right class of every level, of shape
            (N, H, *S).
        """
        below = self.below_borders(y, table.finest, dtype)
        return lift(below, table.upper) - lift(below, table.lower)

    def below_borders(self, y, classes, dtype):
        """Add the labels of the finest classes up to every border: (N, C + 1, *S)."""
        labels = self.finest_labels(y, classes).to(dtype)
        return torch.cat([torch.zeros_like(labels[:, :1]), labels.cumsum(1)], dim=1)

    def means(self, classes):
        """Tell what a mean makes of the labels of targets all along the line.

        Parameters
        ----------
        classes : LevelClasses
            Classes of the finest level.

        Returns
        -------
        means : Tensor of shape (2, K)
            Targets, the borders and values of the classes in rising order, and the mean
            of the class values under the label of each, which never falls.
        """
        y = torch.cat([classes.edges, classes.values]).unique()
        means = [
            self.below_borders(part, classes, y.dtype).diff(dim=1) @ classes.values
            for part in y.split(LABELS_AT_ONCE)
        ]
        return torch.stack([y, torch.cat(means).cummax(dim=0).values])


class OneHotLabels(BaseLabels):
    """The class of the target, and nothing else."""

    def means(self, classes):
        """Take every class value for itself: these labels know no other targets."""
        return torch.stack([classes.values, classes.values])

    def encode(self, y, table, dtype):
        """Look the classes of all levels up by that of the finest."""
        index = class_index(y, table.finest.edges)
        return table.holders[index].movedim(-1, 1)


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

    def below_borders(self, y, classes, dtype):
        """Integrate a Gaussian around the target as far as every border."""
        if self.unit == "target":
            return gaussian_below(y, classes.edges, self.sigma).to(dtype)
        position = class_position(y, classes.edges, classes.values).to(dtype)
        borders = torch.arange(len(classes.edges), device=y.device, dtype=dtype)
        return gaussian_below(position, borders, self.sigma)


LABELS = {
    "one_hot": OneHotLabels,
    "gaussian": GaussianLabels,
    "histogram_gaussian": HistogramGaussianLabels,
}


def make_labels(labels):
    """Return the recipe of labels, given as an alias or an object."""
    return resolve("labels", labels, LABELS, BaseLabels)
