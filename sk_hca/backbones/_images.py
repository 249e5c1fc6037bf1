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
    image, the half row or column at its end rounded up.

    Parameters
    ----------
    channels : sequence of int, default=(8, 16, 32, 64)
        Channels of every stage; the last is the number of features.

    pooled : bool, default=True
        Whether the features are averaged over the image, for one target per image, or
        stay a map, for a target per cell of 2 to the power of ``len(channels)`` pixels.

    Examples
    --------
    >>> ConvBackbone((4, 8)).build((16, 16)).eval()(torch.zeros(2, 1, 16, 16)).shape
    torch.Size([2, 8])
    >>> network = ConvBackbone((4, 8), pooled=False).build((16, 16))
    >>> network(torch.zeros(2, 1, 16, 16)).shape
    torch.Size([2, 8, 4, 4])
    """

    _parameter_constraints: dict = {
        "channels": ["array-like"],
        "pooled": ["boolean"],
    }

    def __init__(self, channels=(8, 16, 32, 64), *, pooled=True):
        self.channels = channels
        self.pooled = pooled

    def build_for(self, n_channels):
        """Make the network."""
        layers: list[nn.Module] = []
        for width in checked_widths(self.channels):
            layers += [
                nn.Conv2d(n_channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
            n_channels = width
        if self.pooled:
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers)


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

    pooled : bool, default=True
        Whether the features are of the image as a whole, for one target per image, or
        stay a map, for a target per cell of 32 x 32 pixels: those of VGG-16 leave out
        the pixels that fill no cell, those of a ResNet have a smaller last cell.

    Raises
    ------
    ImportError
        If torchvision is not installed.
    """

    _parameter_constraints: dict = {
        "name": [StrOptions(set(TORCHVISION))],
        "weights": "no_validation",
        "frozen": ["boolean"],
        "pooled": ["boolean"],
    }

    def __init__(self, name="resnet18", *, weights=None, frozen=False, pooled=True):
        self.name = name
        self.weights = weights
        self.frozen = frozen
        self.pooled = pooled

    def build_for(self, n_channels):
        """Make the network; a first layer for other than 3 channels starts anew."""
        if self.frozen and self.weights is not None and n_channels != 3:
            raise ValueError(
                f"A frozen {self.name} keeps its first layer, which takes 3 channels; "
                f"the images have {n_channels}. Repeat a channel, or set frozen=False."
            )
        network = load_torchvision(self.name, self.weights, n_channels)
        if not self.pooled:
            is_resnet = self.name.startswith("resnet")
            parts = [*network.children()][:-2] if is_resnet else [network.features]
            network = nn.Sequential(*parts)
        elif self.name.startswith("resnet"):
            network.fc = nn.Identity()
        else:
            network.classifier[-1] = nn.Identity()
        return Frozen(network) if self.frozen else network


class TimmBackbone(ImageBackbone):
    """A network of timm (PyTorch image models) without its last layer.

    Parameters
    ----------
    name : str, default="resnet18"
        Which one, as ``timm.list_models`` tells.

    weights : path, bool or None, default=None
        What it starts from: a file of weights, what timm has for this name (True, which
        timm may download), or chance.

    frozen : bool, default=False
        Whether it stays as it is, batch statistics included, and only the heads learn.

    Raises
    ------
    ImportError
        If timm is not installed.
    """

    _parameter_constraints: dict = {
        "name": [str],
        "weights": [str, PathLike, "boolean", None],
        "frozen": ["boolean"],
    }

    def __init__(self, name="resnet18", *, weights=None, frozen=False):
        self.name = name
        self.weights = weights
        self.frozen = frozen

    def build_for(self, n_channels):
        """Make the network, which timm fits to other than 3 channels."""
        try:
            import timm
        except ImportError as error:
            raise ImportError(
                "TimmBackbone needs timm, which cannot be imported: pip install timm."
            ) from error
        is_file = isinstance(self.weights, (str, PathLike))
        network = timm.create_model(
            self.name,
            pretrained=bool(self.weights) and not is_file,
            checkpoint_path=str(self.weights) if is_file else "",
            in_chans=n_channels,
            num_classes=0,
        )
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


def checked_widths(channels):
    """Check the widths of the stages of a network."""
    if not len(channels) or not all(
        isinstance(width, Integral) and int(width) > 0 for width in channels
    ):
        raise ValueError(
            "channels must name the width of one stage at least, each a positive "
            f"integer; got {channels!r}."
        )
    return channels


def load_torchvision(name, weights, n_channels):
    """Make a network of torchvision for so many channels, with its last layer.

    Parameters
    ----------
    name : {"resnet18", "resnet34", "resnet50", "vgg16_bn"}
        Which one.

    weights : path, torchvision weights or None
        What it starts from.

    n_channels : int
        Channels of the images; a first layer for other than 3 starts anew.

    Returns
    -------
    network : nn.Module
    """
    try:
        from torchvision import models
    except ImportError as error:
        raise ImportError(
            f"The backbone {name!r} is torchvision's, which cannot be imported: pip "
            "install torchvision, in the release that goes with your torch."
        ) from error
    is_file = isinstance(weights, (str, PathLike))
    network = getattr(models, name)(weights=None if is_file else weights)
    if is_file:
        network.load_state_dict(
            torch.load(weights, map_location="cpu", weights_only=True)
        )
    if name.startswith("resnet"):
        network.conv1 = fitting(network.conv1, n_channels)
    else:
        network.features[0] = fitting(network.features[0], n_channels)
    return network


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
