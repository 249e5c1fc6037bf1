"""Backbones for images, and which axis of an image holds its channels."""

from numbers import Integral
from os import PathLike

import torch
from sklearn.utils._param_validation import StrOptions
from torch import nn

from sk_hca.backbones._mlp import BaseBackbone

# An axis of so many entries may hold channels: grey, colour, or colour and opacity.
CHANNELS = (1, 3, 4)

# Networks of torchvision whose last layer is known.
TORCHVISION = ("resnet18", "resnet34", "resnet50", "vgg16_bn")


def holds_channels_last(shape):
    """Tell whether the channels of an image are its last axis.

    They are where that has 1, 3 or 4 entries and the first axis has not.

    Parameters
    ----------
    shape : tuple of int
        Shape of one image.

    Returns
    -------
    is_last : bool

    Examples
    --------
    >>> holds_channels_last((64, 64, 3)), holds_channels_last((3, 64, 64))
    (True, False)
    """
    return len(shape) == 3 and shape[-1] in CHANNELS and shape[0] not in CHANNELS


def channels_first(X):
    """View images with their channels on axis 1.

    Parameters
    ----------
    X : Tensor of shape (N, H, W), (N, H, W, C) or (N, C, H, W)
        Images; those without channels have one.

    Returns
    -------
    X : Tensor of shape (N, C, H, W)

    Raises
    ------
    ValueError
        If they have fewer or more axes.
    """
    if X.ndim not in (3, 4):
        raise ValueError(
            "This backbone takes images of shape (n, H, W), (n, C, H, W) or (n, H, W, "
            f"C); got inputs of shape {tuple(X.shape[1:])}. Reshape X, or take the "
            "backbone 'mlp' for tables."
        )
    if X.ndim == 3:
        return X.unsqueeze(1)
    return X.movedim(-1, 1) if holds_channels_last(X.shape[1:]) else X


class ImageBackbone(BaseBackbone):
    """A recipe for a network on images, whose channels are scaled by quartiles.

    A subclass writes :meth:`build_for`.

    Images come as (n, H, W), which have one channel, as (n, C, H, W), or as
    (n, H, W, C): the channels are the last axis where that has 1, 3 or 4 entries and
    axis 1 has not.
    """

    scales_inputs = True
    arrange = staticmethod(channels_first)

    def build(self, shape):
        """Make the network for images of a shape, channels first or last."""
        return self.build_for(channels_first(torch.empty(1, *shape)).shape[1])

    def build_for(self, n_channels):
        """Make the network for images of so many channels."""
        raise TypeError(f"{type(self).__name__} must define build_for.")


class ConvBackbone(ImageBackbone):
    """A small convolutional network, which trains on a CPU in minutes.

    Every stage is a 3 x 3 convolution, batch normalisation and a ReLU, and halves the
    image; the last one is averaged over all places.

    Parameters
    ----------
    channels : sequence of int, default=(8, 16, 32, 64)
        Channels of every stage; the last is the number of features.

    Examples
    --------
    >>> ConvBackbone((4, 8)).build((16, 16)).eval()(torch.zeros(2, 1, 16, 16)).shape
    torch.Size([2, 8])
    """

    _parameter_constraints: dict = {"channels": ["array-like"]}

    def __init__(self, channels=(8, 16, 32, 64)):
        self.channels = channels

    def build_for(self, n_channels):
        """Make the network."""
        if not len(self.channels) or not all(
            isinstance(width, Integral) and int(width) > 0 for width in self.channels
        ):
            raise ValueError(
                "channels must name the width of one stage at least, each a positive "
                f"integer; got {self.channels!r}."
            )
        layers: list[nn.Module] = []
        for width in self.channels:
            layers += [
                nn.Conv2d(n_channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
            n_channels = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class TorchvisionBackbone(ImageBackbone):
    """A network of torchvision without its last layer.

    Parameters
    ----------
    name : {"resnet18", "resnet34", "resnet50", "vgg16_bn"}, default="resnet18"
        Which one.

    weights : path, torchvision weights or None, default=None
        What it starts from: a file that holds its state dictionary, an entry of
        torchvision's enumerations such as ``ResNet18_Weights.DEFAULT`` (which
        torchvision may download), or chance.

    frozen : bool, default=False
        Whether it stays as it is, batch statistics included, and only the heads learn.

    Raises
    ------
    ImportError
        If torchvision is not installed.
    """

    _parameter_constraints: dict = {
        "name": [StrOptions(set(TORCHVISION))],
        "weights": "no_validation",
        "frozen": ["boolean"],
    }

    def __init__(self, name="resnet18", *, weights=None, frozen=False):
        self.name = name
        self.weights = weights
        self.frozen = frozen

    def build_for(self, n_channels):
        """Make the network; a first layer for other than 3 channels starts anew."""
        try:
            from torchvision import models
        except ImportError as error:
            raise ImportError(
                f"The backbone {self.name!r} is torchvision's, which cannot be "
                "imported: pip install torchvision, in the release that goes with "
                "your torch."
            ) from error
        is_file = isinstance(self.weights, (str, PathLike))
        network = getattr(models, self.name)(weights=None if is_file else self.weights)
        if is_file:
            network.load_state_dict(torch.load(self.weights, weights_only=True))
        if self.name.startswith("resnet"):
            network.fc = nn.Identity()
            network.conv1 = fitting(network.conv1, n_channels)
        else:
            network.classifier[-1] = nn.Identity()
            network.features[0] = fitting(network.features[0], n_channels)
        return Frozen(network) if self.frozen else network


class Frozen(nn.Module):
    """A network that does not learn, not even its batch statistics.

    Parameters
    ----------
    network : nn.Module
        Any network.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network.requires_grad_(False).eval()

    def train(self, mode=True):
        """Stay in evaluation mode."""
        self.training = mode
        return self

    def forward(self, X):
        """Run the network, without gradients."""
        with torch.no_grad():
            return self.network(X)


def fitting(layer, n_channels):
    """Return a convolution for so many channels: the same one, or one like it."""
    if layer.in_channels == n_channels:
        return layer
    return nn.Conv2d(
        n_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        bias=layer.bias is not None,
    )
