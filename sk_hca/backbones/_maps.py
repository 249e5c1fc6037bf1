"""Backbones for maps: encoders and decoders, which give features of every pixel."""

from itertools import pairwise
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn
from torch.nn.functional import interpolate

from sk_hca.backbones._images import (
    TORCHVISION,
    ImageBackbone,
    checked_widths,
    load_torchvision,
)

RESNETS = {name for name in TORCHVISION if name.startswith("resnet")}


class UNetBackbone(ImageBackbone):
    """A small network that keeps the size of the image, and trains on a CPU.

    Every stage of the encoder halves the image, and every stage of the decoder doubles
    it again, beside the features of the same size on the way down.

    Parameters
    ----------
    channels : sequence of int, default=(16, 32, 64)
        Channels of every stage, from the size of the image down; the first is the
        number of features.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015.

    Examples
    --------
    >>> network = UNetBackbone((4, 8)).build((3, 15, 20))
    >>> network(torch.zeros(2, 3, 15, 20)).shape
    torch.Size([2, 4, 15, 20])
    """

    _parameter_constraints: dict = {"channels": ["array-like"]}

    def __init__(self, channels=(16, 32, 64)):
        self.channels = channels

    def build_for(self, n_channels):
        """Make the network."""
        return UNet(n_channels, list(checked_widths(self.channels)))


class DepthBackbone(ImageBackbone):
    """A ResNet whose stages are projected up again, at half the size of the image.

    The last stage is projected up step by step; all stages, projected to the same size,
    are joined to it.  For depth maps, as in the benchmark NYUD2-DIR: images of 228 x
    304 give features of 114 x 152 places.

    Parameters
    ----------
    encoder : {"resnet18", "resnet34", "resnet50"}, default="resnet50"
        Which ResNet of torchvision.

    weights : path, torchvision weights or None, default=None
        What the ResNet starts from, as in :class:`TorchvisionBackbone`.

    width : int, default=128
        Number of features of every place.

    Raises
    ------
    ImportError
        If torchvision is not installed.

    References
    ----------
    Laina et al., "Deeper depth prediction with fully convolutional residual networks",
    3DV 2016 (the projections up); Hu et al., "Revisiting single image depth
    estimation", WACV 2019 (the fusion of all stages).
    """

    _parameter_constraints: dict = {
        "encoder": [StrOptions(RESNETS)],
        "weights": "no_validation",
        "width": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, encoder="resnet50", *, weights=None, width=128):
        self.encoder = encoder
        self.weights = weights
        self.width = width

    def build_for(self, n_channels):
        """Make the network."""
        resnet = load_torchvision(self.encoder, self.weights, n_channels)
        return DepthNetwork(resnet, self.width)


class UNet(nn.Module):
    """The network of :class:`UNetBackbone`."""

    def __init__(self, n_channels, channels):
        super().__init__()
        before = [n_channels, *channels[:-1]]
        self.down = nn.ModuleList(
            double_convolution(*pair) for pair in zip(before, channels, strict=True)
        )
        self.up = nn.ModuleList(
            double_convolution(deep + shallow, shallow)
            for shallow, deep in pairwise(channels)
        )
        self.halve = nn.MaxPool2d(2, ceil_mode=True)

    def forward(self, X):
        """Give features of every pixel."""
        seen: list[torch.Tensor] = []
        for stage in self.down:
            X = stage(self.halve(X) if seen else X)
            seen.append(X)
        X = seen.pop()
        for stage in reversed(self.up):
            beside = seen.pop()
            X = stage(torch.cat([resized(X, beside), beside], dim=1))
        return X


class DepthNetwork(nn.Module):
    """The network of :class:`DepthBackbone`."""

    def __init__(self, resnet, width):
        super().__init__()
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu)
        self.shrink = resnet.maxpool
        stages = [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4]
        self.stages = nn.ModuleList(stages)
        sizes = [stage[-1].conv1.in_channels for stage in stages]
        deepest = sizes[-1] // 2
        self.squeeze = convolution(sizes[-1], deepest, 1)
        self.up = nn.ModuleList(
            UpProjection(deepest >> step, deepest >> step + 1) for step in range(4)
        )
        self.aside = nn.ModuleList(UpProjection(size, 16) for size in sizes)
        self.join = nn.Sequential(
            convolution((deepest >> 4) + 4 * 16, width, 5), nn.ReLU()
        )

    def forward(self, X):
        """Give features of every second pixel."""
        first = self.stem(X)
        seen = [self.shrink(first)]
        for stage in self.stages:
            seen.append(stage(seen[-1]))
        X = self.squeeze(seen[-1])
        for project, like in zip(self.up, [*seen[3:0:-1], first], strict=True):
            X = project(X, like)
        sides = zip(self.aside, seen[1:], strict=True)
        return self.join(torch.cat([X, *(up(side, first) for up, side in sides)], 1))


class UpProjection(nn.Module):
    """Bring features to a larger size, by two convolutions beside a shorter way."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.long = nn.Sequential(
            convolution(n_in, n_out, 5), nn.ReLU(), convolution(n_out, n_out, 3)
        )
        self.short = convolution(n_in, n_out, 5)

    def forward(self, X, like):
        """Give features of the height and width of `like`."""
        X = resized(X, like)
        return torch.relu(self.long(X) + self.short(X))


def convolution(n_in, n_out, size):
    """Make a convolution that keeps the size, and normalises its output."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


def double_convolution(n_in, n_out):
    """Make two convolutions of 3 x 3, each normalised and rectified."""
    return nn.Sequential(
        convolution(n_in, n_out, 3), nn.ReLU(), convolution(n_out, n_out, 3), nn.ReLU()
    )


def resized(X, like):
    """Interpolate features to the height and width of others."""
    return interpolate(X, like.shape[2:], mode="bilinear", align_corners=False)
