"""Do intervals cover as often as they say, in the few-shot range too?

For every split: how often a 90 % interval holds the test target, overall and where its
bin (of 100 equal-width ones) has fewer than 20 training samples; how wide it is on
average, in standard deviations of the training targets; and the score of the whole
distribution, twice the pinball loss averaged over 19 quantiles, which approaches the
CRPS.  Coverages pool the targets of all splits.  A fifth of the training part is held
out to make intervals conformal; every model is trained on the rest, once.

    python benchmarks/accuracy/intervals.py                  # Abalone alone
    python benchmarks/accuracy/intervals.py FOLDER           # and three tables in it
    python benchmarks/accuracy/intervals.py FOLDER --quick   # one split, short training

A table is a gzipped CSV with a header, whose last column is called ``target``.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import train_test_split

from sk_hca import HCARegressor
from sk_hca.datasets import load_abalone
from sk_hca.estimators import ConformalRegressor
from sk_hca.metrics import shot_groups

TABLES = ("accel", "bank8fm", "fuel_cons")
LEVELS = np.linspace(0.05, 0.95, 19)
HCA = "HCARegressor"
MODES = {'mode="none"': "none", 'mode="marginal"': "marginal"}
CONFORMAL = "conformal HCARegressor"
BY_SHOT = 'the same, condition="shot"'
BOOSTING = "quantile boosting"
ABSOLUTE = "conformal boosting"


def load_tables(folder):
    """Return every table as a pair of inputs and targets."""
    tables = {"abalone": load_abalone(return_X_y=True)}
    if folder is not None:
        import pandas as pd

        for name in TABLES:
            path = Path(folder) / f"{name}.csv.gz"
            frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
            X = pd.get_dummies(frame.drop(columns="target")).to_numpy(float)
            tables[name] = X, frame["target"].to_numpy(float)
    return tables


def boosted_quantiles(X_train, y_train, X_test, seed):
    """Train one model of boosted trees for every quantile, and sort what they say."""
    answers = [
        HistGradientBoostingRegressor(
            loss="quantile", quantile=level, random_state=seed
        )
        .fit(X_train, y_train)
        .predict(X_test)
        for level in LEVELS
    ]
    return np.sort(np.stack(answers, axis=1), axis=1)


def answers_of_split(X, y, seed, max_epochs):
    """Return the targets, which are few-shot, and what every model answers."""
    torch.set_num_threads(1)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed
    )
    shots = shot_groups(y_train, bins=100)
    is_few = shots.shots_of(y_test) == "few"
    X_fit, X_held_out, y_fit, y_held_out = train_test_split(
        X_train,
        y_train,
        test_size=0.2,
        random_state=seed,
        stratify=shots.shots_of(y_train),
    )
    hca = HCARegressor(max_epochs=max_epochs, random_state=seed).fit(X_fit, y_fit)
    boosting = HistGradientBoostingRegressor(random_state=seed).fit(X_fit, y_fit)
    quantiles = {
        HCA: hca.predict_quantiles(X_test, LEVELS),
        **{
            name: hca.readjust(mode).predict_quantiles(X_test, LEVELS)
            for name, mode in MODES.items()
        },
        BOOSTING: boosted_quantiles(X_fit, y_fit, X_test, seed),
    }
    intervals = {name: q[:, [0, -1]] for name, q in quantiles.items()}
    for name, model, condition in (
        (CONFORMAL, hca, None),
        (BY_SHOT, hca, "shot"),
        (ABSOLUTE, boosting, None),
    ):
        conformal = ConformalRegressor(FrozenEstimator(model), condition=condition)
        conformal.fit(X_held_out, y_held_out)
        intervals[name] = conformal.predict_interval(X_test)
    pinball = {
        name: 2
        * np.mean(
            [
                mean_pinball_loss(y_test, q[:, i], alpha=level)
                for i, level in enumerate(LEVELS)
            ]
        )
        for name, q in quantiles.items()
    }
    crps = hca.predict_distribution(X_test).crps(y_test).mean()
    covered = {
        name: (interval[:, 0] <= y_test) & (y_test <= interval[:, 1])
        for name, interval in intervals.items()
    }
    width = {
        name: np.ptp(interval, axis=1).mean() / y_train.std()
        for name, interval in intervals.items()
    }
    return is_few, covered, width, pinball, crps


def print_table(name, splits):
    """Print one row per model."""
    is_few, covered, width, pinball, crps = zip(*splits, strict=True)
    few = np.concatenate(is_few)
    print(f"{name}: {len(few)} test targets, {few.sum()} few-shot")
    print(f"{'':28}  coverage  few-shot  width  score")
    for model in (HCA, *MODES, CONFORMAL, BY_SHOT, BOOSTING, ABSOLUTE):
        holds = np.concatenate([split[model] for split in covered])
        scores = [split[model] for split in pinball if model in split]
        score = f"{np.mean(scores):.5g}" if scores else ""
        print(
            f"{model:28}  {holds.mean():8.3f}  {holds[few].mean():8.3f}  "
            f"{np.mean([split[model] for split in width]):5.2f}  {score}"
        )
    for model in (HCA, *MODES):
        ratio = np.mean([s[model] / s[BOOSTING] for s in pinball])
        print(f"score of {model} against boosting: {ratio:.3f}")
    print(f"CRPS of HCARegressor, exact: {np.mean(crps):.5g}\n", flush=True)


def main():
    """Print one table per data set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", help="folder of tables")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    n_splits, max_epochs = (1, 20) if arguments.quick else (arguments.splits, 100)
    tables = load_tables(arguments.data)
    answers = Parallel(n_jobs=arguments.jobs, return_as="generator")(
        delayed(answers_of_split)(*table, seed, max_epochs)
        for table in tables.values()
        for seed in range(n_splits)
    )
    for name in tables:
        print_table(name, list(islice(answers, n_splits)))


if __name__ == "__main__":
    main()
