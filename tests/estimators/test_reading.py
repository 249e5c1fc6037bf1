"""How many samples are read at once, and that it changes no answer."""

import numpy as np
import pytest

from sk_hca import HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner
from sk_hca.estimators import _base


@pytest.fixture(scope="module")
def fitted():
    """A model of 8 + 4 + 2 logits, and what it was fitted on."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), np.arange(300) % 8.0
    model = HCARegressor(
        MLPBackbone((16, 8), n_pieces=0),
        binner=LinearBinner(8),
        mode="add",
        max_epochs=1,
        batch_size=16,
        device="cpu",
        random_state=0,
    )
    return model.fit(X, y), X


def sizes_of(model, X):
    """Predict, and see how many rows the network was given at once."""
    sizes = []
    hook = model.net_.module_.extractor.register_forward_hook(
        lambda module, args, output: sizes.append(len(output))
    )
    answers = model.predict(X)
    hook.remove()
    return sizes, answers


def test_rows_of_many_logits_are_read_in_smaller_parts(fitted, monkeypatch):
    model, X = fitted
    sizes, whole = sizes_of(model, X)
    assert sizes == [300]
    monkeypatch.setattr(_base, "LOGITS_ON_CPU", 14 * 70)
    sizes, parts = sizes_of(model, X)
    assert sizes == [70, 70, 70, 70, 20]
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_no_fewer_rows_than_a_batch_are_read_at_once(fitted, monkeypatch):
    model, X = fitted
    monkeypatch.setattr(_base, "LOGITS_ON_CPU", 1)
    sizes, _ = sizes_of(model, X)
    assert set(sizes[:-1]) == {16}
