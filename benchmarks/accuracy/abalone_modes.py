"""What the modes gain over their own baseline on Abalone: the paper's core claim.

One training of hierarchical classifiers per seed (hard labels, free logits, the most
likely class answers), read in four ways.  Each seed draws its own split and weights.
With ``--check`` the exit status says whether HCA-add, HCA-mul and HCA-d each lower the
balanced error by 6 % at no more than 1 % of the plain one.

    python benchmarks/accuracy/abalone_modes.py --check
"""

import argparse
import sys

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split

from sk_hca import HCARegressor
from sk_hca.datasets import load_abalone
from sk_hca.metrics import shot_report

RECIPE = {
    "binner": "linear",
    "labels": "one_hot",
    "anchor": None,
    "decoder": "argmax",
    "max_epochs": 50,
}
MODES = ("none", "add", "mul", "distill")
COLUMNS = (("all", "mae"), ("all", "bmae"), ("many", "bmae"), ("few", "bmae"))


def errors_of_modes(n_levels, seed):
    """Train once, and return the errors of every mode, (n_modes, n_columns)."""
    torch.set_num_threads(1)
    X_train, X_test, y_train, y_test = train_test_split(
        *load_abalone(return_X_y=True), test_size=0.2, random_state=seed
    )
    model = HCARegressor(mode="none", n_levels=n_levels, random_state=seed, **RECIPE)
    model.fit(X_train, y_train)
    reports = [
        shot_report(
            y_test, model.readjust(mode, X_train, y_train).predict(X_test), y_train
        )
        for mode in MODES
    ]
    return np.array([[report[cell] for cell in COLUMNS] for report in reports])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    met = True
    for n_levels in (4, "auto"):
        errors = np.mean(
            Parallel(n_jobs=2)(
                delayed(errors_of_modes)(n_levels, seed)
                for seed in range(arguments.seeds)
            ),
            axis=0,
        )
        ratios = errors / errors[0]
        print(f"n_levels={n_levels!r}, mean of {arguments.seeds} seeds")
        print("mode         MAE    bMAE   many    few     MAE ratio  bMAE ratio")
        for mode, row, ratio in zip(MODES, errors, ratios, strict=True):
            numbers = "  ".join(f"{error:6.3f}" for error in row)
            print(f"{mode:9}  {numbers}  {ratio[0]:9.3f}  {ratio[1]:10.3f}")
        print()
        if n_levels == 4:
            met = (ratios[1:, 0] <= 1.01).all() and (ratios[1:, 1] <= 0.94).all()
    sys.exit(arguments.check and not met)


if __name__ == "__main__":
    main()
