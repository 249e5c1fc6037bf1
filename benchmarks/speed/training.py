"""What training costs against a hand-written loop, and what a hierarchy adds to it.

The hand-written loop has the same network, labels, batches and fused optimiser, and
nothing else: no schedule, no history, no look-out for NaN.

    python benchmarks/speed/training.py --check
"""

import argparse
import warnings

import numpy as np
import torch
from skorch import NeuralNetRegressor
from timing import Ratio, report
from torch import nn
from torch.nn.functional import cross_entropy

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner

EPOCHS = 5


def make_data(n_samples):
    """Draw a table of 20 columns and targets with 121 classes, most of them rare."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 20)).astype(np.float32)
    y = np.exp(rng.normal(size=n_samples)) * 10 + 5 * X[:, 0]
    return X, np.round(y).clip(0, 120)


def make_model(epochs=EPOCHS, **params):
    """Make the recipe of the paper on a small network."""
    settings = {
        "backbone": MLPBackbone((128, 64)),
        "binner": LinearBinner(121),
        "labels": "one_hot",
        "anchor": None,
        "decoder": "argmax",
        "mode": "add",
        "max_epochs": epochs,
        "random_state": 0,
    }
    return HCARegressor(**{**settings, **params})


def make_backbone(n_features=20):
    """Make the same network by hand."""
    return nn.Sequential(
        nn.Linear(n_features, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()
    )


def hand_written(X, codes, sizes, batch_size, epochs):
    """Train backbone and fused heads as one would without this package."""
    X = torch.from_numpy(X)
    X = (X - X.mean(dim=0)) / X.std(dim=0)
    codes = torch.from_numpy(codes)
    backbone, heads = make_backbone(), nn.Linear(64, sum(sizes))
    parameters = [*backbone.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, fused=True)
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch_size):
            index = order[start : start + batch_size]
            levels = heads(backbone(X[index])).split(sizes, dim=1)
            truth = codes[index]
            loss = sum(cross_entropy(z, truth[:, h]) for h, z in enumerate(levels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def loop_ratio(n_samples, batch_size, epochs, limit):
    """Compare a fit with the hand-written loop."""
    X, y = make_data(n_samples)
    model = make_model(epochs, batch_size=batch_size)
    hierarchy = make_model(1).fit(X[:1000], y[:1000]).hierarchy_.fit(y)
    codes = hierarchy.transform(y)
    sizes = [len(level.values) for level in hierarchy.levels_]
    return Ratio(
        f"fit / hand-written loop, {n_samples:,} rows, batch {batch_size}",
        lambda: model.fit(X, y),
        lambda: hand_written(X, codes, sizes, batch_size, epochs),
        limit,
    )


def skorch_ratio(n_samples, limit):
    """Compare a plain regression with skorch as it comes."""
    X, y = make_data(n_samples)
    ours = DirectRegressor(MLPBackbone((128, 64)), max_epochs=2, random_state=0)
    theirs = NeuralNetRegressor(
        lambda: nn.Sequential(make_backbone(), nn.Linear(64, 1)),
        criterion=nn.L1Loss,
        optimizer=torch.optim.AdamW,
        max_epochs=2,
        batch_size=256,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    target = y[:, None].astype(np.float32)
    return Ratio(
        "fit of DirectRegressor / skorch's NeuralNetRegressor",
        lambda: ours.fit(X, y),
        lambda: theirs.fit(X, target),
        limit,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 on a miss")
    parser.add_argument("--large", action="store_true", help="a million rows as well")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    X, y = make_data(50_000)
    ratios = [
        loop_ratio(50_000, 256, EPOCHS, 1.10),
        loop_ratio(50_000, 64, 2, 1.15),
        Ratio(
            "fit of 7 levels / fit of the finest alone",
            lambda: make_model().fit(X, y),
            lambda: make_model(n_levels=1).fit(X, y),
            1.30,
        ),
        Ratio(
            "whole fit of HCA-d / fit of HCA-add",
            lambda: make_model(mode="distill").fit(X, y),
            lambda: make_model().fit(X, y),
            1.10,
        ),
        skorch_ratio(50_000, 0.60),
    ]
    if arguments.large:
        ratios.append(loop_ratio(1_000_000, 256, 1, 1.05))
        million = make_data(1_000_000)
        tenth = make_data(100_000)
        ratios.append(
            Ratio(
                "fit of 1,000,000 rows / fit of 100,000",
                lambda: make_model(1).fit(*million),
                lambda: make_model(1).fit(*tenth),
                11,
            )
        )
    report(ratios, arguments.check)


if __name__ == "__main__":
    main()
