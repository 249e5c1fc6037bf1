"""What stage one minimises, against its formula written out."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sk_hca import HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.base import smoothing_window
from sk_hca.binning import LinearBinner


@pytest.mark.parametrize(("max_epochs", "weight"), [(1, 1.0), (150, 2.0), (400, 5.0)])
@pytest.mark.parametrize("weighting", [None, "inverse"])
def test_location_error_counts_by_length_of_fit_and_rarity(
    max_epochs, weight, weighting
):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.binomial(7, 0.3, 60).astype(float)
    y[:8] = np.arange(8)
    model = HCARegressor(
        MLPBackbone((16, 8), n_pieces=0),
        binner=LinearBinner(8),
        labels="one_hot",
        max_epochs=max_epochs,
        weighting=weighting,
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
    # Samples that are weighed by rarity already are not weighed so once more.
    power = (weight - 1) / 10 if weighting is None else 0.0
    weights = torch.tensor(weight * rarity(y, power))[codes[:, -1]]
    expected = expected + (weights * (output.location - standard).abs()).mean()
    loss = model.net_.criterion_(output, (torch.tensor(y),))
    torch.testing.assert_close(loss, expected.to(loss.dtype), rtol=1e-5, atol=1e-6)


# scikit-learn adds the targets up to see whether all are finite.
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")
@pytest.mark.parametrize("exponent", [1022, -1030])
def test_rarity_has_no_unit(exponent):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.binomial(7, 0.5, 60) - 3.5
    y[:8] = np.arange(8) - 3.5
    model = HCARegressor(
        binner=LinearBinner(8), max_epochs=100, batch_size=10, random_state=0
    )
    usual = model.fit(X, y).net_.criterion_.location_weights
    extreme = model.fit(X, np.ldexp(y, exponent)).net_.criterion_.location_weights
    assert usual.max() > 1.1 * usual.min()
    torch.testing.assert_close(extreme, usual, rtol=1e-6, atol=0)
    assert np.isfinite(model.set_params(balance=0.5).predict(X)).all()


def rarity(y, power):
    """Invert a power of the smoothed density of the integers 0 to 7; mean 1 over y."""
    counts = np.pad(np.bincount(y.astype(int), minlength=8), 2, mode="symmetric")
    window = smoothing_window("gaussian", 5, 2.0, normalize="sum")
    weight = np.convolve(counts, window, mode="valid") ** -power
    return weight / weight[y.astype(int)].mean()
