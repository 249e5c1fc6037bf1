"""Heads on a backbone: one fused linear layer for every output, and what stands on it.

Nothing here knows what the outputs mean: a head has a number of outputs and, when it is
anchored, a position for each of them.  Features have shape (N, d, *S).
"""

import copy
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from sk_hca.backbones._streaming import Heads
from sk_hca.base import NetworkOutput

# Below 256 features a quarter of them is too narrow to copy a hundred classes.
LEAST_STUDENT_WIDTH = 64


def linear(features, weight, bias):
    """Apply a linear layer along axis 1, whatever axes follow.

    The outputs of a table lie in memory class by class, as those of a map do.

    Parameters
    ----------
    features : Tensor of shape (N, d, *S)
        Features of every place.

    weight : Tensor of shape (C, d)
        Weights of the layer.

    bias : Tensor of shape (C,)
        Offsets of the layer.

    Returns
    -------
    outputs : Tensor of shape (N, C, *S)

    Examples
    --------
    >>> import torch
    >>> linear(torch.ones(1, 2, 3, 4), torch.ones(5, 2), torch.zeros(5)).shape
    torch.Size([1, 5, 3, 4])
    """
    if features.ndim == 2:
        # A class after the other in memory: merging and pooling classes then moves
        # whole rows.
        return torch.addmm(bias.unsqueeze(1), weight, features.t()).t()
    return functional.linear(features.movedim(1, -1), weight, bias).movedim(-1, 1)


def location_and_scale(features, weight, bias):
    """Apply a linear layer of two outputs: a location, and a scale above zero."""
    location, width = linear(features, weight, bias).split(1, dim=1)
    return location, functional.softplus(width) + 1e-3


def lean(logits, location, scale, positions):
    """Take from every logit the distance of its class to the location, in scales.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Free logits.

    location, scale : Tensor of shape (N, 1, *S)
        Where the target is, and how far off that may be.

    positions : Tensor of shape (C,)
        Where every class is.

    Returns
    -------
    logits : Tensor of shape (N, C, *S)
    """
    # One order of axes, that of `linear` in memory: no pass then jumps between two.
    axis = -1 if logits.ndim > 2 else 0
    logits, location, scale = (x.movedim(1, axis) for x in (logits, location, scale))
    distance = (positions if axis else positions.unsqueeze(1)) - location
    leant = torch.addcmul(logits, distance.abs(), scale.reciprocal(), value=-1)
    return leant.movedim(axis, 1)


class FusedHeads(Heads):
    """Several classifiers as one linear layer, coarse to fine (Eq. 4).

    Parameters
    ----------
    n_features : int
        Number of features, d.

    n_outputs : sequence of int
        Number of classes of every level, coarse to fine.

    detach_coarse : bool, default=False
        Whether the coarse levels leave the features alone, so that the finest alone
        trains the backbone.

    Attributes
    ----------
    is_linear : bool
        Whether the logits are a linear function of the features.
    """

    is_linear = True

    def __init__(self, n_features, n_outputs, detach_coarse=False):
        super().__init__()
        self.n_outputs = tuple(n_outputs)
        self.detach_coarse = detach_coarse
        layer = nn.Linear(n_features, sum(self.n_outputs))
        self.weight, self.bias = layer.weight, layer.bias

    @property
    def n_values(self):
        """Number of logits of one place."""
        return sum(self.n_outputs)

    def logits(self, features):
        """Compute the logits of all levels side by side, (N, sum of C_h, *S)."""
        if not self.detach_coarse:
            return linear(features, self.weight, self.bias)
        n_coarse = len(self.weight) - self.n_outputs[-1]
        coarse = linear(features.detach(), self.weight[:n_coarse], self.bias[:n_coarse])
        finest = linear(features, self.weight[n_coarse:], self.bias[n_coarse:])
        return torch.cat([coarse, finest], dim=1)

    def selected(self, index):
        """Return heads of one level, with these outputs only."""
        return self.summed(index.unsqueeze(1))

    def summed(self, index, weights=None):
        """Return heads of one level, each output the sum of a row of `index`.

        Weights of shape (n_columns,) count for the columns of `index`; 1 by default.
        """
        n_features, index = self.weight.shape[1], index.to(self.weight.device)
        if weights is None:
            weights = self.weight.new_ones(index.shape[1])
        with torch.device("meta"):
            heads = FusedHeads(n_features, [len(index)])
        rows, offsets = self.weight.detach()[index], self.bias.detach()[index]
        return filled(
            heads, torch.einsum("chd,h->cd", rows, weights), offsets @ weights
        )

    def answer(self, features):
        """Give the logits of all levels."""
        return NetworkOutput(features, self.logits(features), self.n_outputs)


def filled(heads, weight, bias):
    """Put weights into heads that were made without any, so that none were drawn."""
    heads.weight = nn.Parameter(weight, requires_grad=False)
    heads.bias = nn.Parameter(bias, requires_grad=False)
    return heads


class AnchoredHeads(FusedHeads):
    r"""Classifiers that lean on a location: free logits minus the distance to it.

    A location head gives :math:`\mu(x)` and a scale :math:`b(x) > 0`.  The logit of a
    class at position `v` is the free linear one, started at zero, minus
    :math:`|v - \mu(x)| / b(x)`.  Rare classes borrow the strength of a regression,
    common ones keep the freedom of a classifier.

    Parameters
    ----------
    n_features : int
        Number of features, d.

    positions : sequence of Tensor of shape (C_h,)
        Position of every class of every level, in standardised units.

    detach_coarse : bool, default=False
        Whether the coarse levels leave the features alone.
    """

    is_linear = False
    positions: torch.Tensor

    def __init__(self, n_features, positions, detach_coarse=False):
        super().__init__(n_features, [len(p) for p in positions], detach_coarse)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.location = nn.Linear(n_features, 2)
        self.register_buffer("positions", torch.cat(list(positions)))

    def selected(self, index):
        """Return anchored heads of one level, with these outputs only."""
        index = index.to(self.weight.device)
        n_features, positions = self.weight.shape[1], self.positions[index]
        with torch.device("meta"):
            heads = AnchoredHeads(n_features, [positions])
        heads.location = self.location
        return filled(heads, self.weight.detach()[index], self.bias.detach()[index])

    def locate(self, features):
        """Return the location and its scale, each of shape (N, 1, *S)."""
        return location_and_scale(features, self.location.weight, self.location.bias)

    def answer(self, features):
        """Let the free logits lean on the location."""
        location, scale = self.locate(features)
        logits, places = self.logits(features), self.positions
        if self.detach_coarse:
            n_coarse = len(places) - self.n_outputs[-1]
            still = location.detach(), scale.detach()
            coarse = lean(logits[:, :n_coarse], *still, places[:n_coarse])
            finest = lean(logits[:, n_coarse:], location, scale, places[n_coarse:])
            logits = torch.cat([coarse, finest], dim=1)
        else:
            logits = lean(logits, location, scale, places)
        return NetworkOutput(features, logits, self.n_outputs, location.squeeze(1))


class LocationHead(Heads):
    """One linear output: a regression.

    Parameters
    ----------
    n_features : int
        Number of features, d.
    """

    n_values = 0  # No logits: maps of any size are answered at once.

    def __init__(self, n_features):
        super().__init__()
        layer = nn.Linear(n_features, 1)
        self.weight, self.bias = layer.weight, layer.bias

    def answer(self, features):
        """Give the location of every target."""
        location = linear(features, self.weight, self.bias).squeeze(1)
        return NetworkOutput(features, location=location)


class LocationScaleHead(Heads):
    """Two linear outputs: a regression, and how far off it may be.

    Parameters
    ----------
    n_features : int
        Number of features, d.
    """

    n_values = 0

    def __init__(self, n_features):
        super().__init__()
        layer = nn.Linear(n_features, 2)
        self.weight, self.bias = layer.weight, layer.bias

    def answer(self, features):
        """Give the location of every target and its scale."""
        location, scale = location_and_scale(features, self.weight, self.bias)
        return NetworkOutput(
            features, location=location.squeeze(1), scale=scale.squeeze(1)
        )


class Student(Heads):
    """A classifier over the finest classes that learns from frozen heads (Eq. 9).

    Parameters
    ----------
    heads : FusedHeads
        The teachers; a frozen copy of them stays in evaluation mode.

    n_features : int
        Number of features, d.

    hidden : bool
        Whether the student has a hidden layer of d / 4 units, at least 64, and a
        softplus, or is linear.
    """

    def __init__(self, heads, n_features, hidden):
        super().__init__()
        self.heads = copy.deepcopy(heads).requires_grad_(False).eval()
        n_classes = heads.n_outputs[-1]
        if hidden:
            width = max(LEAST_STUDENT_WIDTH, n_features // 4)
            layers = [nn.Linear(n_features, width), nn.Softplus()]
            self.layers = nn.ModuleList([*layers, nn.Linear(width, n_classes)])
        else:
            self.layers = nn.ModuleList([nn.Linear(n_features, n_classes)])

    def train(self, mode=True):
        """Switch the student only."""
        super().train(mode)
        self.heads.eval()
        return self

    @property
    def n_values(self):
        """Number of logits of one place, the teachers' and the pooled student's."""
        return 2 * self.heads.n_values

    def answer(self, features):
        """Give the logits of the teachers and of the student, for frozen features."""
        with torch.no_grad():
            output = self.heads.answer(features)
        return replace(output, student=self.logits(features))

    def logits(self, features):
        """Give the logits of the student."""
        logits = features
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                logits = linear(logits, layer.weight, layer.bias)
            else:
                logits = layer(logits)
        if isinstance(self.heads, AnchoredHeads):
            with torch.no_grad():
                location, scale = self.heads.locate(features)
            places = self.heads.positions[-self.heads.n_outputs[-1] :]
            logits = lean(logits, location, scale, places)
        return logits

    def alone(self):
        """Return what gives the student's logits without the teachers'."""
        return StudentAlone(self)


class StudentAlone(Heads):
    """A student that has learned: its teachers are not asked any more.

    Parameters
    ----------
    student : Student
        The trained student.
    """

    def __init__(self, student):
        super().__init__()
        self.student = student
        self.n_values = student.heads.n_outputs[-1]

    def answer(self, features):
        """Give the logits of the student."""
        return NetworkOutput(features, student=self.student.logits(features))
