"""What weightings gain and cost on Abalone, in training and in the last layer alone.

Each seed draws its own split and weights.  ``rrt`` trains without a weighting, then a
new last layer with inverse frequencies on the frozen backbone.

    python benchmarks/accuracy/weightings.py
"""

import argparse
import time

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.datasets import load_abalone
from sk_hca.metrics import shot_report
from sk_hca.targets import DenseWeighting

WEIGHTINGS = {
    "none": None,
    "sqrt_inverse": "sqrt_inverse",
    "inverse": "inverse",
    "lds": "lds",
    "dense, 0.5": DenseWeighting(0.5),
    "dense, 1": "dense",
}
COLUMNS = (
    ("all", "mae"),
    ("all", "bmae"),
    ("many", "mae"),
    ("medium", "mae"),
    ("few", "mae"),
)


def errors_of_weightings(kind, seed):
    """Return errors and seconds of all weightings, then of retraining."""
    torch.set_num_threads(1)
    X_train, X_test, y_train, y_test = train_test_split(
        *load_abalone(return_X_y=True), test_size=0.2, random_state=seed
    )

    def row(make):
        start = time.perf_counter()
        model = make()
        seconds = time.perf_counter() - start
        report = shot_report(y_test, model.predict(X_test), y_train)
        return [*(report[cell] for cell in COLUMNS), seconds]

    models = {
        name: kind(weighting=weighting, max_epochs=50, random_state=seed)
        for name, weighting in WEIGHTINGS.items()
    }
    rows = [row(lambda m=model: m.fit(X_train, y_train)) for model in models.values()]
    return [*rows, row(lambda: models["none"].retrain_heads(X_train, y_train))]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    for kind in (DirectRegressor, HCARegressor):
        rows = np.array(
            Parallel(n_jobs=arguments.jobs)(
                delayed(errors_of_weightings)(kind, seed)
                for seed in range(arguments.seeds)
            )
        )
        spread = rows.std(axis=0, ddof=1) / np.sqrt(arguments.seeds)
        print(f"{kind.__name__}, mean of {arguments.seeds} seeds (standard error)")
        print(
            "weighting     MAE           bMAE          many          medium        few"
        )
        names = [*WEIGHTINGS, "rrt, inverse"]
        for name, mean, error in zip(names, rows.mean(axis=0), spread, strict=True):
            cells = [f"{m:.3f} ({e:.3f})" for m, e in zip(mean, error, strict=True)]
            print(f"{name:12}  " + "  ".join(f"{cell:12}" for cell in cells[:-1]))
        fit, retraining = rows[:, 0, -1].mean(), rows[:, -1, -1].mean()
        print(f"retraining takes {retraining / fit:.2f} of the time of a fit\n")


if __name__ == "__main__":
    main()
