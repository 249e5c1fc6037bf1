"""What stage one minimises, against its formula written out."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sk_hca import HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner


@pytest.mark.parametrize(("max_epochs", "weight"), [(1, 1.0), (150, 2.0), (400, 5.0)])
def test_location_error_counts_by_the_length_of_the_fit(max_epochs, weight):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 8, 60).astype(float)
    model = HCARegressor(
        MLPBackbone((16, 8), n_pieces=0),
        binner=LinearBinner(8),
        labels="one_hot",
        max_epochs=max_epochs,
        batch_size=30,
        device="cpu",
        random_state=0,
    ).fit(X, y)
    output = model.net_.module_(torch.tensor(X))
    codes = torch.tensor(model.hierarchy_.transform(y))
    expected = sum(
        cross_entropy(logits, codes[:, h]) for h, logits in enumerate(output.levels)
    )
    standard = torch.tensor((y - y.mean()) / y.std())
    expected = expected + weight * (output.location - standard).abs().mean()
    loss = model.net_.criterion_(output, (torch.tensor(y),))
    torch.testing.assert_close(loss, expected.to(loss.dtype), rtol=1e-5, atol=1e-6)
