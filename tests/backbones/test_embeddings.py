"""Numbers as small vectors."""

import math

import pytest
import torch
from torch import nn

from sk_hca.backbones import MLPBackbone, PeriodicEmbedding


def test_every_column_is_its_waves_through_one_layer():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(3, n_frequencies=4, width=2)
    x = torch.randn(5, 3)
    for i in range(3):
        angle = 2 * math.pi * x[:, i : i + 1] * embedding.frequencies[i]
        column = embedding.layer(torch.cat([angle.cos(), angle.sin()], dim=1)).relu()
        torch.testing.assert_close(embedding(x)[:, 2 * i : 2 * i + 2], column)
    assert torch.equal(embedding(x)[:, 6:], x)


@pytest.mark.parametrize(
    ("shape", "is_embedded"),
    [((8,), True), ((100,), True), ((101,), False), ((3, 4, 4), False)],
)
def test_narrow_tables_are_embedded_by_default(shape, is_embedded):
    module = MLPBackbone(hidden=(4,)).build(shape)
    kinds = {type(layer) for layer in module}
    assert (PeriodicEmbedding in kinds) == is_embedded
    assert module(torch.randn(2, *shape)).shape == (2, 4)


def test_embedding_learns_sharp_functions_faster():
    x = torch.linspace(-1, 1, 256).unsqueeze(1)
    y = torch.sign(torch.sin(12 * x[:, 0]))

    def error(n_frequencies):
        torch.manual_seed(0)
        module = nn.Sequential(
            *MLPBackbone(
                hidden=(32,), n_frequencies=n_frequencies, frequency_scale=1.0
            ).build((1,)),
            nn.Linear(32, 1),
        )
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        for _ in range(100):
            optimizer.zero_grad()
            loss = (module(x).squeeze(1) - y).square().mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert error(16) < 0.5 * error(0)
