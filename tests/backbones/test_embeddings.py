"""Columns of a table, seen in several ways."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sk_hca.backbones import (
    ColumnViews,
    Extractor,
    Inputs,
    MLPBackbone,
    PeriodicEmbedding,
    PiecewiseEncoding,
)


def measured(x, n_pieces, weight=None):
    """An encoding that knows a table."""
    return PiecewiseEncoding(x.shape[1], n_pieces).to(x.dtype).measure([(x, weight)])


def test_every_column_is_its_waves_through_one_layer():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(3, n_frequencies=4, width=2)
    x = torch.randn(5, 3)
    for i in range(3):
        angle = 2 * math.pi * x[:, i : i + 1] * embedding.frequencies[i]
        column = embedding.layer(torch.cat([angle.cos(), angle.sin()], dim=1)).relu()
        torch.testing.assert_close(embedding(x)[:, 2 * i : 2 * i + 2], column)


def test_views_stand_beside_the_columns():
    x = torch.randn(5, 3)
    views = ColumnViews([nn.Identity(), nn.Linear(3, 4)])
    assert torch.equal(views(x), torch.cat([x, x, views[1](x)], dim=1))


def test_pieces_are_linear_between_the_quantiles_of_their_column():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 2)))
    encoding, given = measured(x, 5), torch.linspace(-4, 4, 50).double()
    answers = encoding(torch.stack([given, given], dim=1)).view(50, 2, 5)
    for i in range(2):
        knots = np.quantile(x[:, i], np.linspace(0, 1, 6), method="inverted_cdf")
        for piece in range(5):
            expected = np.interp(given, knots[piece : piece + 2], [-1, 1])
            np.testing.assert_allclose(answers[:, i, piece], expected, atol=1e-12)


def test_pieces_without_width_say_nothing():
    x = torch.tensor([0.0] * 90 + [1.0] * 10).unsqueeze(1)
    answers = measured(x, 4)(torch.tensor([[0.0], [1.0]]))
    assert answers.tolist() == [[0, 0, 0, -1], [0, 0, 0, 1]]


def test_weight_of_a_row_cuts_like_the_row_again_and_none_like_none():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(60, 3)), rng.integers(0, 4, size=60)
    repeated = torch.from_numpy(np.repeat(x, weight, axis=0))
    x, weight = torch.from_numpy(x), torch.from_numpy(weight).double()
    assert torch.equal(measured(x, 7, weight)(x), measured(repeated, 7)(x))


def test_pieces_are_cut_where_the_scaled_inputs_are():
    X = torch.from_numpy(np.random.default_rng(0).lognormal(size=(80, 2)))
    backbone = MLPBackbone((4,), n_pieces=3).build((2,)).double()
    extractor = Extractor(Inputs(torch.float64), backbone)
    extractor.measure([(X[:50], None), (X[50:], None)])
    encoding = backbone[1][1]
    expected = measured(extractor[0](X), 3)
    assert torch.equal(encoding.slope, expected.slope)
    assert torch.equal(encoding.offset, expected.offset)


@pytest.mark.parametrize(
    ("shape", "is_embedded"),
    [((8,), True), ((100,), True), ((101,), False), ((3, 4, 4), False)],
)
def test_narrow_tables_are_embedded_by_default(shape, is_embedded):
    module = MLPBackbone(hidden=(4,)).build(shape)
    kinds = {type(layer) for layer in module.modules()}
    assert (kinds >= {PeriodicEmbedding, PiecewiseEncoding}) == is_embedded
    assert module(torch.randn(2, *shape)).shape == (2, 4)


@pytest.mark.parametrize("views", [{"n_pieces": 16}, {"n_frequencies": 16}], ids=str)
def test_views_learn_sharp_functions_faster(views):
    x = torch.linspace(-3, 3, 256).unsqueeze(1)
    y = torch.sign(torch.sin(4 * x[:, 0]))

    def error(views):
        torch.manual_seed(0)
        body = MLPBackbone((32,), **{"n_pieces": 0, "n_frequencies": 0} | views)
        body = body.build((1,))
        for layer in body.modules():
            if isinstance(layer, PiecewiseEncoding):
                layer.measure([(x, None)])
        module = nn.Sequential(body, nn.Linear(32, 1))
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        for _ in range(100):
            optimizer.zero_grad()
            loss = (module(x).squeeze(1) - y).square().mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert error(views) < 0.5 * error({})
