"""Counting cell nuclei in small images: HCA against the same network's L1 regression.

A small convolutional network is trained three times on the training tiles and tested
on the test tiles of a fixed split.  Bins are one nucleus wide; few-shot bins hold fewer
than 20 training tiles.  Every number is a mean over seeds; ratios are to L1.

    python benchmarks/accuracy/nuclei.py --data FOLDER

The folder holds ``nuclei_count/nuclei_count_64.npz`` with arrays X (uint8, of shape n x
64 x 64), target and split.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.binning import LinearBinner
from sk_hca.metrics import shot_report

BALANCES = (0.0, 0.25, 0.5)
CELLS = (("all", "mae"), ("all", "bmae"), ("few", "bmae"))

# What the default is to reach, of L1's MAE, bMAE and few-shot error, and of CLS's bMAE.
LIMITS, LIMIT_OF_CLS = (1.01, 0.95, 0.92), 0.70


def load_tiles(folder):
    """Return training and test images, and their counts."""
    stored = np.load(Path(folder) / "nuclei_count" / "nuclei_count_64.npz")
    X, y = stored["X"], stored["target"].astype(np.float64)
    train, test = (stored["split"] == part for part in ("train", "test"))
    return X[train], X[test], y[train], y[test]


def errors_of(tiles, seed, epochs):
    """Train all on one seed; return errors and seconds by name."""
    torch.set_num_threads(1)
    X_train, X_test, y_train, y_test = tiles
    shared = {
        "backbone": "cnn",
        "batch_size": 64,
        "max_epochs": epochs,
        "random_state": seed,
    }
    edges = np.arange(np.floor(y_train.min()), np.ceil(y_train.max()) + 1.5) - 0.5
    models = {
        "same network, L1": (DirectRegressor(**shared), None),
        "same network, CLS + argmax": (
            HCARegressor(
                mode="none",
                anchor=None,
                labels="one_hot",
                decoder="argmax",
                binner=LinearBinner(100),
                **shared,
            ),
            None,
        ),
        "HCARegressor()": (HCARegressor(**shared), BALANCES),
    }
    found = {}
    for name, (model, balances) in models.items():
        start = time.perf_counter()
        model.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        for balance in balances or (None,):
            if balance is not None:
                model.set_params(balance=balance)
            report = shot_report(y_test, model.predict(X_test), y_train, bins=edges)
            label = name if not balance else f"HCARegressor(balance={balance:g})"
            found[label] = *(report[cell] for cell in CELLS), seconds
    return found


def main():
    """Train, print, and tell whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder of data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="fail on a miss")
    arguments = parser.parse_args()
    tiles = load_tiles(arguments.data)
    runs = Parallel(n_jobs=arguments.jobs)(
        delayed(errors_of)(tiles, seed, arguments.epochs)
        for seed in range(arguments.seeds)
    )
    means = {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}
    l1, cls = means["same network, L1"], means["same network, CLS + argmax"]
    print(f"{len(tiles[0])} training tiles, {arguments.epochs} epochs, ", end="")
    print(f"{arguments.seeds} seeds")
    print(f"{'':30}  MAE    bMAE   few      of L1's              fit (s)")
    for name, (*errors, seconds) in means.items():
        cells = "  ".join(f"{error:.3f}" for error in errors)
        ratios = "  ".join(f"{e / r:.3f}" for e, r in zip(errors, l1, strict=False))
        print(f"{name:30}  {cells}    {ratios}  {seconds:6.1f}")
    default = means["HCARegressor()"]
    share = default[1] / cls[1]
    print(f"HCARegressor() / CLS + argmax, bMAE: {share:.3f} (at most {LIMIT_OF_CLS})")
    reached = (default[:3] / l1[:3] <= LIMITS).all() and share <= LIMIT_OF_CLS
    if arguments.check and not reached:
        sys.exit(1)


if __name__ == "__main__":
    main()
