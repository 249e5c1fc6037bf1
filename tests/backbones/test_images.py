"""Backbones for images."""

import numpy as np
import pytest
import torch
from torch import nn

from sk_hca import HCARegressor
from sk_hca.backbones import ConvBackbone, TorchvisionBackbone, make_backbone
from sk_hca.backbones._images import (
    Frozen,
    channels_first,
    fitting,
    holds_channels_last,
)


def load_torchvision():
    """Torchvision, or a reason to skip."""
    return pytest.importorskip(
        "torchvision", reason="needs torchvision", exc_type=ImportError
    )


@pytest.mark.parametrize(
    ("shape", "is_last"),
    [
        ((64, 48, 3), True),
        ((64, 48, 1), True),
        ((64, 48, 4), True),
        ((3, 64, 48), False),
        ((1, 64, 48), False),
        ((64, 48, 2), False),
        ((3, 64, 3), False),
        ((64, 48), False),
    ],
)
def test_channels_are_last_where_only_the_last_axis_can_hold_them(shape, is_last):
    assert holds_channels_last(shape) == is_last


def test_images_are_viewed_with_channels_first():
    grey, colour = torch.rand(2, 5, 6), torch.rand(2, 5, 6, 3)
    assert torch.equal(channels_first(grey), grey[:, None])
    assert torch.equal(channels_first(colour), colour.permute(0, 3, 1, 2))
    first = channels_first(colour)
    assert channels_first(first) is first


@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 5, 5, 5)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="takes images of shape"):
        channels_first(torch.rand(shape))


@pytest.mark.parametrize(
    "shape", [(9, 7), (1, 9, 7), (9, 7, 3), (3, 9, 7), (2, 1, 1)], ids=str
)
def test_small_network_takes_every_layout_and_size(shape):
    recipe = ConvBackbone((4, 8))
    module = recipe.build(shape).eval()
    assert module(recipe.arrange(torch.rand(2, *shape))).shape == (2, 8)


def test_small_network_is_convolutions_of_given_width():
    layers = ConvBackbone((4, 8)).build((3, 16, 16))
    widths = [
        (m.in_channels, m.out_channels) for m in layers if isinstance(m, nn.Conv2d)
    ]
    assert widths == [(3, 4), (4, 8)]


@pytest.mark.parametrize("channels", [(), (4, 0), (2.5,)], ids=str)
def test_small_network_refuses_widths(channels):
    with pytest.raises(ValueError, match="channels must name the width"):
        ConvBackbone(channels).build((8, 8))


def test_every_layout_and_type_of_the_same_images_gives_the_same_model():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, size=(24, 3, 8, 8)).astype(np.uint8)
    y = first.mean(axis=(1, 2, 3))

    def answers(X):
        model = HCARegressor(
            ConvBackbone((4,)), max_epochs=2, precision="fp32", random_state=0
        )
        return model.fit(X, y).predict(X)

    expected = answers(first)
    for X in (first.transpose(0, 2, 3, 1), first.astype(np.float32)):
        np.testing.assert_allclose(answers(X), expected, rtol=1e-4)


def test_grey_images_need_no_axis_of_channels():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, size=(64, 8, 8)).astype(np.uint8)
    X[:32] //= 4
    y = X.mean(axis=(1, 2))
    model = HCARegressor("cnn", max_epochs=30, lr=0.01, batch_size=16, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.5


def test_images_of_another_layout_are_refused_later():
    X = np.random.default_rng(0).random((20, 8, 8, 3), dtype=np.float32)
    model = HCARegressor(ConvBackbone((4,)), max_epochs=1).fit(
        X, X.mean(axis=(1, 2, 3))
    )
    with pytest.raises(ValueError, match="is expecting 8 features"):
        model.predict(X.transpose(0, 3, 1, 2))


def test_frozen_network_keeps_weights_and_batch_statistics():
    X = np.random.default_rng(0).random((32, 8, 8), dtype=np.float32)
    y = X.mean(axis=(1, 2))
    module = Frozen(ConvBackbone((4,)).build((8, 8)))
    model = HCARegressor(
        nn.Sequential(nn.Unflatten(1, (1, 8)), module), max_epochs=2
    ).fit(X, y)
    frozen = model.net_.module_.extractor[1][1].state_dict()
    for name, weight in module.state_dict().items():
        assert torch.equal(frozen[name], weight), name


def test_first_layer_fits_the_channels():
    layer = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
    assert fitting(layer, 3) is layer
    other = fitting(layer, 1)
    assert other.bias is None
    assert other(torch.rand(1, 1, 9, 9)).shape == layer(torch.rand(1, 3, 9, 9)).shape


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 8)])
def test_frozen_weights_of_three_channels_want_three_channels(shape):
    recipe = TorchvisionBackbone(weights="weights.pt", frozen=True)
    with pytest.raises(ValueError, match=r"takes 3 channels; the images have \d"):
        recipe.build(shape)


def test_networks_of_torchvision_have_names():
    recipe = make_backbone("resnet50")
    assert isinstance(recipe, TorchvisionBackbone)
    assert recipe.get_params()["name"] == "resnet50"
    with pytest.raises(ValueError, match="resnet18"):
        make_backbone(TorchvisionBackbone("resnet"))


@pytest.mark.parametrize(
    ("name", "n_features"), [("resnet18", 512), ("resnet50", 2048), ("vgg16_bn", 4096)]
)
def test_networks_of_torchvision_train_a_step_and_answer(name, n_features):
    load_torchvision()
    X = np.random.default_rng(0).random((4, 32, 32), dtype=np.float32)
    y = np.arange(4.0)
    model = HCARegressor(name, max_epochs=1, n_levels=2).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.net_.module_.heads.weight.shape[1] == n_features


def test_weights_of_torchvision_are_read_from_a_file(tmp_path):
    models = load_torchvision().models
    network = models.resnet18()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    made = TorchvisionBackbone(weights=tmp_path / "weights.pt").build((3, 32, 32))
    assert torch.equal(made.layer1[0].conv1.weight, network.layer1[0].conv1.weight)


def test_student_leaves_batch_statistics_alone():
    X = np.random.default_rng(0).random((32, 8, 8), dtype=np.float32)
    y = X.mean(axis=(1, 2))
    model = HCARegressor(ConvBackbone((4,)), max_epochs=3, random_state=0).fit(X, y)
    before = {
        name: weight.clone()
        for name, weight in model.net_.module_.extractor.state_dict().items()
    }
    after = model.readjust("distill", X, y).net_.module_.extractor.state_dict()
    for name, weight in before.items():
        assert torch.equal(after[name], weight), name
