"""Backbones that give features of every place."""

import numpy as np
import pytest
import torch

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import (
    ConvBackbone,
    DepthBackbone,
    TimmBackbone,
    TorchvisionBackbone,
    UNetBackbone,
    make_backbone,
)
from sk_hca.binning import LogBinner
from sk_hca.datasets import local_counts, make_imbalanced_maps


def need(module):
    """A library, or a reason to skip."""
    return pytest.importorskip(module, reason=f"needs {module}", exc_type=ImportError)


@pytest.mark.parametrize(
    "shape", [(1, 16, 16), (3, 15, 21), (9, 7), (9, 7, 3)], ids=str
)
def test_unet_keeps_the_size_of_the_image(shape):
    recipe = UNetBackbone((4, 6, 8))
    images = recipe.arrange(torch.rand(2, *shape))
    features = recipe.build(shape).eval()(images)
    assert features.shape == (2, 4, *images.shape[2:])


def test_unet_sees_far_and_near():
    network = UNetBackbone((4, 4, 4)).build((1, 16, 16)).eval()
    X = torch.rand(1, 1, 16, 16, requires_grad=True)
    network(X)[0, :, 8, 8].sum().backward()
    seen = X.grad[0, 0] != 0
    assert seen[8, 8]
    assert seen[2, 2]


@pytest.mark.parametrize("recipe", [UNetBackbone, ConvBackbone])
def test_widths_that_are_none_are_refused(recipe):
    with pytest.raises(ValueError, match="channels must name the width"):
        recipe((4, 0)).build((1, 8, 8))


def test_maps_are_learned_with_the_alias():
    X, y = make_imbalanced_maps(24, 16, random_state=0)
    model = HCARegressor("unet", max_epochs=12, batch_size=4, lr=0.01, random_state=0)
    predicted = model.fit(X, y).predict(X)
    assert predicted.shape == y.shape
    assert np.abs(predicted - y).mean() < 0.6 * np.abs(y - np.median(y)).mean()


@pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_maps_are_added_up_or_averaged(kind, reduce):
    X, y = make_imbalanced_maps(8, 16, random_state=0)
    model = kind(UNetBackbone((4,)), max_epochs=1, random_state=0).fit(X, y)
    expected = getattr(np, reduce)(model.predict(X), axis=(1, 2))
    np.testing.assert_array_equal(model.predict(X, reduce=reduce), expected)


def test_reduction_is_checked():
    X, y = make_imbalanced_maps(4, 8, random_state=0)
    model = HCARegressor(UNetBackbone((4,)), max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="reduce must be one of 'sum', 'mean'"):
        model.predict(X, reduce="max")
    model = HCARegressor(max_epochs=1).fit(X[:, 0, 0], y[:, 0, 0])
    with pytest.raises(ValueError, match="is for maps, but this model was fitted on"):
        model.predict(X[:, 0, 0], reduce="sum")


def test_points_are_counted_by_cells():
    rng = np.random.default_rng(0)
    images, counts = [], []
    for n_points in rng.integers(0, 12, size=80):
        points = rng.integers(1, 31, size=(n_points, 2))
        image = np.zeros((32, 32), np.float32)
        image[points[:, 1], points[:, 0]] = 1
        images.append(image)
        counts.append(local_counts(np.argwhere(image)[:, ::-1], image.shape, 8))
    X, y = np.array(images), np.array(counts)
    model = HCARegressor(
        ConvBackbone((8, 16, 16), pooled=False),
        binner=LogBinner(20, lower=0.5),
        labels="one_hot",
        lr=0.01,
        max_epochs=30,
        batch_size=16,
        random_state=0,
    ).fit(X, y)
    assert model.hierarchy_.values_[0] == 0
    counted, true = model.predict(X, reduce="sum"), y.sum(axis=(1, 2))
    assert np.abs(counted - true).mean() < 0.15 * np.abs(true - np.median(true)).mean()


@pytest.mark.parametrize(
    ("name", "n_features"), [("resnet18", 512), ("resnet50", 2048), ("vgg16_bn", 512)]
)
def test_networks_of_torchvision_give_maps(name, n_features):
    need("torchvision")
    network = TorchvisionBackbone(name, pooled=False).build((1, 64, 96)).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 1, 64, 96)).shape == (1, n_features, 2, 3)


@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_depth_network_halves_the_image_and_learns(encoder):
    need("torchvision")
    X = np.random.default_rng(0).random((2, 3, 30, 42), dtype=np.float32)
    y = X[:, 0, ::2, ::2].astype(np.float64)
    model = HCARegressor(
        DepthBackbone(encoder, width=8), binner=LogBinner(8), max_epochs=1, batch_size=2
    )
    assert model.fit(X, y).predict(X).shape == (2, 15, 21)


@pytest.mark.parametrize("width", [-3, 0, 2.5])
def test_depth_network_refuses_widths_that_are_none(width):
    with pytest.raises(ValueError, match="'width' parameter of DepthBackbone must be"):
        make_backbone(DepthBackbone(width=width))
    assert make_backbone(DepthBackbone(width=np.int64(8))).width == 8


def test_networks_of_timm_train_a_step_and_answer():
    need("timm")
    X = np.random.default_rng(0).random((4, 32, 32), dtype=np.float32)
    model = HCARegressor(TimmBackbone("resnet10t"), max_epochs=1, batch_size=4)
    assert model.fit(X, X.mean(axis=(1, 2))).predict(X).shape == (4,)


def test_weights_of_timm_are_read_from_a_file(tmp_path):
    timm = need("timm")
    network = timm.create_model("resnet10t", num_classes=0, in_chans=1)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    recipe = TimmBackbone("resnet10t", weights=tmp_path / "weights.pth", frozen=True)
    given = recipe.build((32, 32)).network.state_dict()
    assert all(torch.equal(given[k], v) for k, v in network.state_dict().items())
