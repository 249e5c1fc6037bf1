"""What training costs against a hand-written loop, and what a hierarchy adds to it.

The hand-written loops, in `by_hand.py`, have the same network, labels, batches and
fused optimiser, and nothing else: no schedule, no history, no look-out for NaN.

    python benchmarks/speed/training.py --large --check
"""

import sys

import numpy as np
import torch
from by_hand import make_backbone, train_anchored, train_plain
from skorch import NeuralNetRegressor
from timing import Ratio, read_options, report
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner

EPOCHS = 5
HIDDEN = (128, 64)


def make_data(n_samples, n_distinct=121):
    """Draw a table of 20 columns and targets of a long tail, most of them rare.

    The targets are whole numbers, from 0 to one less than `n_distinct`; None leaves
    them as they are drawn.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 20), dtype=np.float32)
    y = np.exp(rng.normal(size=n_samples)) * 10 + 5 * X[:, 0]
    return X, y if n_distinct is None else np.round(y).clip(0, n_distinct - 1)


def make_model(epochs=EPOCHS, **params):
    """Make the recipe of the paper on a small network."""
    settings = {
        "backbone": MLPBackbone(HIDDEN, n_pieces=0),
        "binner": LinearBinner(121),
        "labels": "one_hot",
        "anchor": None,
        "decoder": "argmax",
        "mode": "add",
        "device": "cpu",
        "max_epochs": epochs,
        "random_state": 0,
    }
    return HCARegressor(**{**settings, **params})


def make_default(epochs=EPOCHS, **params):
    """Make the default recipe on the same network."""
    backbone = MLPBackbone(HIDDEN, n_pieces=0)
    settings = {"device": "cpu", "max_epochs": epochs, "random_state": 0, **params}
    return HCARegressor(backbone, **settings)


def make_skorch_net(**params):
    """Make a plain regression on the same network, with skorch as it comes."""
    return NeuralNetRegressor(
        lambda: nn.Sequential(make_backbone(), nn.Linear(HIDDEN[-1], 1)),
        criterion=nn.L1Loss,
        optimizer=torch.optim.AdamW,
        verbose=0,
        **params,
    )


def fitted_hierarchy(model, X, y):
    """Return the classes that a fit of the model on these data makes."""
    return model.fit(X[:1000], y[:1000]).hierarchy_.fit(y)


def loop_ratio(n_samples, batch_size, epochs, limit, device="cpu"):
    """Compare a fit with the hand-written loop on the same device."""
    X, y = make_data(n_samples)
    model = make_model(epochs, batch_size=batch_size, device=device)
    hierarchy = fitted_hierarchy(make_model(1), X, y)
    codes = hierarchy.transform(y)
    sizes = [len(level.values) for level in hierarchy.levels_]
    return Ratio(
        f"fit / hand-written loop, {n_samples:,} rows, batch {batch_size}",
        lambda: model.fit(X, y),
        lambda: train_plain(X, codes, sizes, batch_size, epochs, device),
        limit,
    )


def default_ratio(n_samples, limit):
    """Compare a fit of the default recipe with a hand-written loop of it."""
    X, y = make_data(n_samples)
    hierarchy = fitted_hierarchy(make_default(1), X, y)
    return Ratio(
        f"fit / hand-written loop, default recipe, {n_samples:,} rows",
        lambda: make_default().fit(X, y),
        lambda: train_anchored(X, y, hierarchy, 256, EPOCHS),
        limit,
        pairs=9,
        binding=False,
    )


def model_ratio(name, ours, theirs, data, limit, **settings):
    """Compare the fits of two models on the same data."""
    fits = (lambda: ours.fit(*data), lambda: theirs.fit(*data))
    return Ratio(name, *fits, limit, **settings)


def stages_ratio(make, epochs, data, **settings):
    """Compare a whole fit of HCA-d with one of HCA-add."""
    name = f"whole fit of HCA-d / fit of HCA-add, {epochs} epochs"
    distilled, add = (make(epochs, mode=mode) for mode in ("distill", "add"))
    return model_ratio(name, distilled, add, data, 1.10, **settings)


def skorch_ratio(n_samples, limit):
    """Compare a plain regression with skorch as it comes."""
    X, y = make_data(n_samples)
    ours = DirectRegressor(
        MLPBackbone(HIDDEN, n_pieces=0), max_epochs=2, device="cpu", random_state=0
    )
    theirs = make_skorch_net(
        max_epochs=2, batch_size=256, train_split=None, iterator_train__shuffle=True
    )
    target = y[:, None].astype(np.float32)
    return Ratio(
        "fit of DirectRegressor / skorch's NeuralNetRegressor",
        lambda: ours.fit(X, y),
        lambda: theirs.fit(X, target),
        limit,
    )


def growth_ratio(limit):
    """Compare a million rows with a tenth of them."""
    million, tenth = make_data(1_000_000), make_data(100_000)
    return Ratio(
        "fit of 1,000,000 rows / fit of 100,000",
        lambda: make_model(1).fit(*million),
        lambda: make_model(1).fit(*tenth),
        limit,
    )


def main():
    """Print the table."""
    options = read_options(__doc__, large="a million rows as well")
    n_samples = 5_000 if options.quick else 50_000
    data = make_data(n_samples)
    levels = "fit of 7 levels / fit of the finest alone"
    rows = [
        loop_ratio(n_samples, 256, EPOCHS, 1.10),
        loop_ratio(n_samples, 64, 2, 1.15),
        default_ratio(n_samples, 1.10),
        model_ratio(levels, make_model(), make_model(n_levels=1), data, 1.30, pairs=15),
        stages_ratio(make_model, EPOCHS, data, pairs=15, binding=False),
        stages_ratio(make_model, 10 * EPOCHS, data, binding=False),
        skorch_ratio(n_samples, 0.60),
    ]
    if options.large:
        rows += [loop_ratio(1_000_000, 256, 1, 1.05), growth_ratio(11)]
    sys.exit(report(rows) and options.check)


if __name__ == "__main__":
    main()
