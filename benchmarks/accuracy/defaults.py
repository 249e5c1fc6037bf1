"""Why the defaults are what they are: choices of HCARegressor on real tables.

Every choice is trained on the first two of five stratified splits of every table, and
its errors are divided by those of HistGradientBoostingRegressor on the same split.
Balanced errors average over 100 equal-width bins of the training range; few-shot bins
hold fewer than 20 training samples.  The geometric mean over tables clips each ratio to
[0.5, 2].  HCARegressor answers as trained, and with ``balance=0.5``.

    python benchmarks/accuracy/defaults.py                    # Abalone alone
    python benchmarks/accuracy/defaults.py --data FOLDER      # every *.csv.gz in it

A table is a gzipped CSV with a header, whose last column is called ``target``.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner, MixedBinner, UniformErrorBinner
from sk_hca.datasets import load_abalone
from sk_hca.metrics import StratifiedRegressionKFold, shot_report

BALANCES = (0.0, 0.5)
CELLS = (("all", "mae"), ("all", "bmae"), ("few", "bmae"))
CHOICES = {
    "DirectRegressor()": DirectRegressor(),
    "HCARegressor()": HCARegressor(),
    "mode='none'": HCARegressor(mode="none"),
    "mode='vote'": HCARegressor(mode="vote"),
    "mode='mul'": HCARegressor(mode="mul"),
    "mode='marginal'": HCARegressor(mode="marginal"),
    "mode='distill'": HCARegressor(mode="distill"),
    "decoder='mean'": HCARegressor(decoder="mean"),
    "decoder='median'": HCARegressor(decoder="median"),
    "decoder='argmax'": HCARegressor(decoder="argmax"),
    "2 networks": HCARegressor(n_estimators=2),
    "4 networks": HCARegressor(n_estimators=4),
    "anchor=None": HCARegressor(anchor=None),
    "labels='one_hot'": HCARegressor(labels="one_hot"),
    "LinearBinner(40)": HCARegressor(binner=LinearBinner(40)),
    "LinearBinner(100)": HCARegressor(binner=LinearBinner(100)),
    "UniformErrorBinner(40)": HCARegressor(binner=UniformErrorBinner(40)),
    "MixedBinner(40)": HCARegressor(binner=MixedBinner(40)),
    "MixedBinner(64)": HCARegressor(binner=MixedBinner(64)),
    "MixedBinner(160)": HCARegressor(binner=MixedBinner(160)),
    "n_pieces=0": HCARegressor(MLPBackbone(n_pieces=0, n_frequencies=8)),
    "n_frequencies=0": HCARegressor(MLPBackbone(n_frequencies=0)),
    "weight_decay=0.3": HCARegressor(net_params={"optimizer__weight_decay": 0.3}),
    "weight_decay=1": HCARegressor(net_params={"optimizer__weight_decay": 1.0}),
    "weight_decay=2": HCARegressor(net_params={"optimizer__weight_decay": 2.0}),
    "lr=1e-3": HCARegressor(lr=1e-3),
    "lr=3e-3": HCARegressor(lr=3e-3),
    "lr=2e-2": HCARegressor(lr=2e-2),
    "betas=(0.9, 0.999)": HCARegressor(
        net_params={"optimizer__betas": (0.9, 0.999)},
    ),
    "max_epochs=50": HCARegressor(max_epochs=50),
    "max_epochs=200": HCARegressor(max_epochs=200),
    "batch_size=128": HCARegressor(batch_size=128),
    "hidden=(128, 64)": HCARegressor(MLPBackbone((128, 64))),
    "hidden=(512, 256)": HCARegressor(MLPBackbone((512, 256))),
    "dropout=0.1": HCARegressor(MLPBackbone(dropout=0.1)),
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


def errors_of(model, memory, X, y, split, seed):
    """Train on one split; return MAE, bMAE and few-shot bMAE for every balance."""
    torch.set_num_threads(1)
    train, test = split
    balances = (None,)
    if isinstance(model, HCARegressor):
        # Choices that only read a trained network share its training.
        model.set_params(memory=memory)
        balances = BALANCES
    model.set_params(random_state=seed).fit(X[train], y[train])
    found = []
    for balance in balances:
        if balance is not None:
            model.set_params(balance=balance)
        report = shot_report(y[test], model.predict(X[test]), y[train], bins=100)
        found.append([report[cell] for cell in CELLS])
    return found


def print_choices(choices, tables, n_splits, memory):
    """Print one row per choice."""
    folds = StratifiedRegressionKFold(5, shuffle=True, random_state=0)
    splits = [
        (X, y, split, seed)
        for X, y in tables.values()
        for seed, split in enumerate(islice(folds.split(X, y), n_splits))
    ]

    def errors_on_all(model):
        with Parallel(n_jobs=2) as parallel:
            jobs = (delayed(errors_of)(model, memory, *split) for split in splits)
            return np.array(parallel(jobs))

    baseline = errors_on_all(HistGradientBoostingRegressor())
    print(f"tables: {', '.join(tables)}; {n_splits} of 5 splits each")
    print(f"{'against HistGradientBoosting':28}  MAE    bMAE   few    ", end="")
    print("0.5: MAE bMAE  few    MAE by table")
    for name, model in choices.items():
        ratios = np.clip(errors_on_all(model) / baseline, 0.5, 2)
        means = np.exp(np.log(ratios).mean(axis=0))
        cells = "    ".join("  ".join(f"{m:.3f}" for m in mean) for mean in means)
        by_table = ratios[:, 0, 0].reshape(len(tables), -1).mean(axis=1)
        by_table = " ".join(f"{ratio:.2f}" for ratio in by_table)
        print(f"{name:28}  {cells:44}  {by_table}", flush=True)


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
