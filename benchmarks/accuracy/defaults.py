"""Why the defaults are what they are: choices of HCARegressor on real tables.

Every choice is trained on two splits of every table, and its errors are divided by
those of HistGradientBoostingRegressor on the same split.  Balanced errors average over
100 equal-width bins of the training range; few-shot bins hold fewer than 20 training
samples.  The geometric mean over tables clips each ratio to [0.5, 2].

    python benchmarks/accuracy/defaults.py                    # Abalone alone
    python benchmarks/accuracy/defaults.py --data FOLDER      # every *.csv.gz in it

A table is a gzipped CSV with a header, whose last column is called ``target``.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner, MixedBinner, UniformErrorBinner
from sk_hca.datasets import load_abalone
from sk_hca.metrics import shot_report

CHOICES = {
    "DirectRegressor()": DirectRegressor(),
    "HCARegressor()": HCARegressor(),
    "balance=0.25": HCARegressor(balance=0.25),
    "balance=0.5": HCARegressor(balance=0.5),
    "mode='none'": HCARegressor(mode="none"),
    "mode='mul'": HCARegressor(mode="mul"),
    "mode='marginal'": HCARegressor(mode="marginal"),
    "mode='distill'": HCARegressor(mode="distill"),
    "decoder='median'": HCARegressor(decoder="median"),
    "decoder='argmax'": HCARegressor(decoder="argmax"),
    "anchor=None": HCARegressor(anchor=None),
    "labels='one_hot'": HCARegressor(labels="one_hot"),
    "LinearBinner(40)": HCARegressor(binner=LinearBinner(40)),
    "LinearBinner(100)": HCARegressor(binner=LinearBinner(100)),
    "UniformErrorBinner(40)": HCARegressor(binner=UniformErrorBinner(40)),
    "MixedBinner(40)": HCARegressor(binner=MixedBinner(40)),
    "n_pieces=0": HCARegressor(MLPBackbone(n_pieces=0, n_frequencies=8)),
    "n_frequencies=0": HCARegressor(MLPBackbone(n_frequencies=0)),
    "weight_decay=0.01": HCARegressor(net_params={"optimizer__weight_decay": 0.01}),
    "lr=1e-3": HCARegressor(lr=1e-3),
    "batch_size=64": HCARegressor(batch_size=64),
    "hidden=(128, 64)": HCARegressor(MLPBackbone((128, 64))),
    "dropout=0.1": HCARegressor(MLPBackbone(dropout=0.1)),
    "n_estimators=4": HCARegressor(n_estimators=4),
    "n_estimators=4, balance=0.5": HCARegressor(n_estimators=4, balance=0.5),
}


def load_tables(folder, n_least=1000):
    """Return every table of so many rows as a pair of inputs and targets."""
    if folder is None:
        return {"abalone": load_abalone(return_X_y=True)}
    import pandas as pd

    tables = {}
    for path in sorted(Path(folder).glob("*.csv.gz")):
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        X = pd.get_dummies(frame.drop(columns="target")).to_numpy(float)
        if len(X) >= n_least:
            name = path.name.removesuffix(".csv.gz")
            tables[name] = X, frame["target"].to_numpy(float)
    return tables


def errors_of(model, memory, X, y, seed):
    """Train on one split and return MAE, bMAE and few-shot bMAE."""
    torch.set_num_threads(1)
    if isinstance(model, HCARegressor):
        # Choices that only read a trained network share its training.
        model.set_params(memory=memory)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed
    )
    model.set_params(random_state=seed).fit(X_train, y_train)
    report = shot_report(y_test, model.predict(X_test), y_train, bins=100)
    return [report[cell] for cell in (("all", "mae"), ("all", "bmae"), ("few", "bmae"))]


def print_choices(choices, tables, n_splits, memory):
    """Print one row per choice."""
    splits = [(*table, seed) for table in tables.values() for seed in range(n_splits)]

    def errors_on_all(model):
        with Parallel(n_jobs=2) as parallel:
            jobs = (delayed(errors_of)(model, memory, *split) for split in splits)
            return np.array(parallel(jobs))

    baseline = errors_on_all(HistGradientBoostingRegressor())
    print(f"tables: {', '.join(tables)}; {n_splits} splits each")
    print(f"{'against HistGradientBoosting':28}  MAE    bMAE   few    MAE by table")
    for name, model in choices.items():
        ratios = np.clip(errors_on_all(model) / baseline, 0.5, 2)
        mean = np.exp(np.log(ratios).mean(axis=0))
        by_table = ratios[:, 0].reshape(len(tables), -1).mean(axis=1)
        numbers = "  ".join(f"{ratio:.3f}" for ratio in mean)
        print(
            f"{name:28}  {numbers}  ",
            " ".join(f"{r:.2f}" for r in by_table),
            flush=True,
        )


def main():
    """Read the tables, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of tables; Abalone alone by default")
    parser.add_argument("--only", nargs="*", help="names of the choices to train")
    parser.add_argument("--splits", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as memory:
        names = arguments.only or CHOICES
        choices = {name: CHOICES[name] for name in names}
        tables = load_tables(arguments.data)
        print_choices(choices, tables, arguments.splits, memory)


if __name__ == "__main__":
    main()
