"""A backbone behind its inputs: layout and short types change speed, not answers."""

import copy
import pickle

import pytest
import torch
from torch import nn

from sk_hca.backbones import Extractor, Inputs


def convolutions(dtype=torch.float32):
    """A small convolutional backbone, with the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 6, 2, stride=2),
        ).to(dtype)


def images(n=4):
    """Images as bytes, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 6, 5), generator=generator).to(torch.uint8)


def is_channels_last(x):
    return x.is_contiguous(memory_format=torch.channels_last)


class Wary(nn.Module):
    """Keeps what it received."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, X):
        self.received = X
        return self.layer(X)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_layout_changes_no_feature_and_no_gradient(dtype):
    plain = convolutions(dtype)
    expected = plain(images().to(dtype))
    expected.square().mean().backward()
    backbone = convolutions(dtype)
    features = Extractor(Inputs(dtype), backbone)(images())
    features.square().mean().backward()
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-3)
    for weight, other in zip(backbone.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "copied", [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_convolutions_receive_images_with_the_channels_last(copied):
    extractor = copied(Extractor(Inputs(torch.float32), Wary(convolutions())))
    features = extractor(images())
    wary = extractor[1]
    assert is_channels_last(wary.received)
    assert is_channels_last(wary.layer[0].weight)
    assert is_channels_last(features)


def test_networks_without_convolutions_receive_images_as_they_are():
    wary = Wary(nn.Flatten())
    Extractor(Inputs(torch.float32), wary)(images())
    assert wary.received.is_contiguous()


def test_layout_leaves_other_convolutions_alone():
    volumes = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 2, 1))
    mixed = nn.Sequential(volumes, nn.Flatten(1, 2), nn.Conv2d(6, 4, 1))
    assert Extractor(Inputs(torch.float32), mixed)(images()).shape == (4, 4, 6, 5)


def test_layers_that_learn_their_size_from_the_first_batch_are_welcome():
    extractor = Extractor(Inputs(torch.float32), nn.LazyConv2d(4, 3))
    assert extractor(images()).shape == (4, 4, 4, 3)


@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16], ids=str)
def test_backbone_runs_in_a_short_type_between_long_ones(autocast):
    seen = []
    backbone = nn.Linear(3, 5)
    backbone.register_forward_hook(lambda *args: seen.append(args[-1].dtype))
    X = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    features = Extractor(Inputs(torch.float32), backbone, autocast)(X)
    assert seen == [autocast]
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, backbone(X), rtol=2e-2, atol=2e-2)
    features.square().mean().backward()
    assert backbone.weight.dtype == backbone.weight.grad.dtype == torch.float32
