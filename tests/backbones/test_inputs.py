"""What a network receives: type, scale and limits."""

import numpy as np
import pytest
import torch
from torch import nn

from sk_hca.backbones import Inputs


def draw(shape, dtype=np.float64, loc=3.0, scale=2.0):
    """Raw inputs, the same every time."""
    rng = np.random.default_rng(6)
    return torch.from_numpy((loc + scale * rng.normal(size=shape)).astype(dtype))


def cut(X, weight, size=7):
    """The data in batches."""
    return list(zip(X.split(size), weight.split(size), strict=True))


def ones(X):
    """A weight of one for every sample."""
    return torch.ones(len(X), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kept", [np.uint8, np.float16, np.float32, np.float64])
def test_inputs_are_cast_to_type_of_network(dtype, kept):
    X = draw((5, 3), kept, loc=100)
    cast = Inputs(dtype)(X)
    assert cast.dtype == dtype
    np.testing.assert_allclose(cast, X)


def smoothly_clipped(scaled, limit=10.0):
    return scaled / (1 + (scaled / limit) ** 2).sqrt()


def by_quartiles(X):
    """Median and interquartile range of every column or channel, written out."""
    rows = X.double().movedim(1, -1).reshape(-1, X.shape[1]).numpy()
    lower, center, upper = np.quantile(
        rows, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf"
    )
    shape = (1, -1, *(1,) * (X.ndim - 2))
    center = torch.from_numpy(center).view(shape)
    scale = torch.from_numpy(upper - lower).view(shape)
    return smoothly_clipped((X.double() - center) / scale)


@pytest.mark.parametrize("shape", [(50, 3), (20, 3, 4, 2)], ids=["table", "images"])
def test_inputs_are_scaled_by_quartiles_along_axis_one(shape):
    X = draw(shape) * torch.tensor([1.0, 10.0, 0.1]).view(
        1, 3, *(1,) * (len(shape) - 2)
    )
    inputs = Inputs(torch.float64).measure(cut(X, ones(X)))
    torch.testing.assert_close(inputs(X), by_quartiles(X))


def test_outliers_move_no_scale():
    X = draw((200, 1))
    spoiled = torch.cat([X, torch.full((20, 1), 9999.0, dtype=X.dtype)])
    clean = Inputs(torch.float64).measure(cut(X, ones(X)))(X)
    robust = Inputs(torch.float64).measure(cut(spoiled, ones(spoiled)))(X)
    assert (clean - robust).abs().max() < 0.5


def test_column_of_few_values_is_scaled_by_wider_range():
    X = torch.zeros(100, 2, dtype=torch.float64)
    X[:8, 0], X[:2, 1] = 5.0, 7.0
    inputs = Inputs(torch.float64).measure(cut(X, ones(X)))
    torch.testing.assert_close(inputs.scale, torch.tensor([[5.0, 7.0]]).double())


@pytest.mark.parametrize("shape", [(50, 3), (20, 3, 4, 2)], ids=["table", "images"])
def test_weight_counts_as_repetition(shape):
    X = draw(shape)
    weight = torch.arange(len(X), dtype=torch.float64) % 3
    weighted = Inputs(torch.float64).measure(cut(X, weight))
    repeated = X.repeat_interleave(weight.long(), dim=0)
    plain = Inputs(torch.float64).measure(cut(repeated, ones(repeated)))
    torch.testing.assert_close(weighted(X), plain(X))


def test_batches_do_not_change_the_scale():
    X = draw((50, 3))
    weight = draw((50,)).abs()
    whole = Inputs(torch.float64).measure(cut(X, weight, 50))
    parts = Inputs(torch.float64).measure(cut(X, weight, 7))
    torch.testing.assert_close(whole(X), parts(X))


def test_columns_with_large_offset_keep_their_information():
    X = draw((200, 2), loc=1e9, scale=1e-2)
    assert len(X[:, 0].float().unique()) == 1
    inputs = Inputs(torch.float32).measure(cut(X, ones(X)))
    answer = inputs(X)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer.double(), by_quartiles(X), rtol=0, atol=1e-3)


def test_bytes_are_scaled():
    X = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (10, 3, 4, 4), dtype=np.uint8)
    )
    inputs = Inputs(torch.float32).measure(cut(X, ones(X)))
    answer = inputs(X)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer, by_quartiles(X).float())


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(50, 3), (20, 3, 4, 2)], ids=["table", "images"])
def test_types_unknown_to_numpy_arithmetic_are_scaled(shape, dtype):
    X = (draw(shape, loc=0) > 0).to(dtype)
    expected = Inputs(torch.float32).measure(cut(X.float(), ones(X)))(X.float())
    actual = Inputs(torch.float32).measure(cut(X, ones(X)))(X)
    torch.testing.assert_close(actual, expected)


def test_outliers_are_clipped():
    X = draw((50, 1), loc=0, scale=1)
    inputs = Inputs(torch.float32, limit=10.0).measure(cut(X, ones(X)))
    far = torch.tensor([[1e30], [-1e30]], dtype=torch.float64)
    torch.testing.assert_close(inputs(far), torch.tensor([[10.0], [-10.0]]))
    assert inputs(X).abs().max() <= 3
    assert (inputs(X).argsort(dim=0) == X.argsort(dim=0)).all()


def test_inputs_without_scale_are_not_clipped():
    far = torch.tensor([[1e30]], dtype=torch.float64)
    torch.testing.assert_close(Inputs(torch.float64)(far), far)


def test_constant_columns_become_zero():
    X = torch.cat([torch.full((20, 1), 7.0), draw((20, 1), np.float32)], dim=1)
    inputs = Inputs(torch.float32).measure(cut(X, ones(X)))
    assert (inputs(X)[:, 0] == 0).all()
    moved = torch.tensor([[8.0, 3.0]])
    assert torch.isfinite(inputs(moved)).all()


def test_scale_travels_with_the_network():
    X = draw((50, 3))
    inputs = Inputs(torch.float64).measure(cut(X, ones(X)))
    assert inputs.to("meta").center.device.type == "meta"
    assert set(inputs.state_dict()) == {"center", "scale"}


@pytest.mark.parametrize("measured", [False, True])
def test_network_in_place_leaves_raw_inputs_alone(measured):
    X = draw((20, 3), np.float32)
    kept = X.clone()
    inputs = Inputs(torch.float32)
    if measured:
        inputs.measure(cut(X, ones(X)))
    nn.Sequential(inputs, nn.Threshold(1e9, 0.0, inplace=True))(X)
    assert torch.equal(X, kept)


@pytest.mark.parametrize("unit", [0.1, 0.3, 1 / 7])
def test_unit_of_the_weights_does_not_move_the_scale(unit):
    for size in range(2, 60):
        X, weight = draw((size, 2)), torch.ones(size, dtype=torch.float64)
        expected = Inputs(torch.float32).measure([(X, weight)])
        actual = Inputs(torch.float32).measure([(X, unit * weight)])
        assert torch.equal(actual.center, expected.center)
        assert torch.equal(actual.scale, expected.scale)
