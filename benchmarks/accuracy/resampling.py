"""What resampling does to boosted trees: rare targets gain, common ones pay.

HistGradientBoostingRegressor is trained on ten splits of every table, as it is and
behind each sampler.  The balanced error averages over 20 equal-width bins of the
training range; relevance is fitted on the training targets of the split, and a
prediction is accurate within a twentieth of the range of those targets.

    python benchmarks/accuracy/resampling.py                    # Abalone alone
    python benchmarks/accuracy/resampling.py --data FOLDER      # every *.csv.gz in it

A table is a gzipped CSV with a header, whose last column is called ``target``; columns
of strings are categories.  Tables without outliers, or of fewer than 1000 rows, are
left out.  Needs pandas.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from sk_hca.datasets import load_abalone
from sk_hca.metrics import (
    balanced_mean_absolute_error,
    relevance_function,
    sera,
    utility_f1_score,
)
from sk_hca.sampling import SMOGN, SMOTER, BinOverSampler, BinUnderSampler

SAMPLERS = {
    "as it is": None,
    "BinOverSampler(20, mean)": BinOverSampler(20, n_per_bin="mean"),
    "BinOverSampler(20, max)": BinOverSampler(20),
    "BinUnderSampler(20, mean)": BinUnderSampler(20, n_per_bin="mean"),
    "SMOTER()": SMOTER(),
    "SMOGN()": SMOGN(),
    "SMOTER(over=2, under=1)": SMOTER(over=2.0, under=1.0),
    "SMOGN(over=2, under=1)": SMOGN(over=2.0, under=1.0),
}


def load_tables(folder):
    """Return every table as a pair of inputs and targets."""
    if folder is None:
        return {"abalone": load_abalone(return_X_y=True, as_frame=True)}
    tables = {}
    for path in sorted(Path(folder).glob("*.csv.gz")):
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        X, y = frame.drop(columns="target"), frame["target"].astype(float)
        strings = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
        if len(X) >= 1000 and has_outliers(y):
            name = path.name.removesuffix(".csv.gz")
            tables[name] = X.astype(dict.fromkeys(strings, "category")), y
    return tables


def has_outliers(y):
    """Tell whether a relevance can be fitted."""
    try:
        relevance_function(y)
    except ValueError:
        return False
    return True


def errors_of(sampler, X, y, seed):
    """Train on one split and return MAE, bMAE, SERA per sample and F1."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed
    )
    X_fit, y_fit = X_train, y_train
    if sampler is not None:
        sampler = clone(sampler).set_params(random_state=seed)
        X_fit, y_fit = sampler.fit_resample(X_train, y_train)
    model = HistGradientBoostingRegressor(random_state=seed).fit(X_fit, y_fit)
    y_pred = model.predict(X_test)
    edges = np.linspace(y_train.min(), y_train.max(), 21)
    relevance = relevance_function(y_train)
    return [
        abs(y_pred - y_test).mean(),
        balanced_mean_absolute_error(y_test, y_pred, bins=edges),
        sera(y_test, y_pred, relevance=relevance) / len(y_test),
        utility_f1_score(
            y_test, y_pred, relevance=relevance, tolerance=float(np.ptp(y_train)) / 20
        ),
    ]


def main():
    """Print one row per table and sampler."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of tables; Abalone alone by default")
    parser.add_argument("--splits", type=int, default=10)
    arguments = parser.parse_args()
    seeds = range(arguments.splits)
    print(f"mean of {len(seeds)} splits; with ±, 95 % interval of the change")
    for table, (X, y) in load_tables(arguments.data).items():
        print(f"\n{table:26}    MAE              bMAE             SERA/n           F1")
        plain = None
        for name, sampler in SAMPLERS.items():
            with Parallel(n_jobs=2) as parallel:
                errors = np.array(
                    parallel(delayed(errors_of)(sampler, X, y, seed) for seed in seeds)
                )
            plain = errors if plain is None else plain
            half = 2.26 * (errors - plain).std(axis=0, ddof=1) / len(seeds) ** 0.5
            cells = zip(errors.mean(axis=0), half, strict=True)
            numbers = "".join(f"{mean:#8.3g} ±{wide:<8.2g}" for mean, wide in cells)
            print(f"{name:26}{numbers}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
