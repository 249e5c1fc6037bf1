"""HCARegressor with its defaults against trees and networks, on real tables.

Every table is split five times, stratified by the target; STS-B-DIR has its published
split, and five seeds.  Balanced errors average over 100 bins of equal width; few-shot
bins hold fewer than 20 training samples.  Errors are averaged over the splits, divided
by those of a rival, clipped to [0.5, 2], and averaged geometrically over the sets.

    python benchmarks/accuracy/tables.py                      # Abalone alone
    python benchmarks/accuracy/tables.py --data FOLDER        # all sets in it
    python benchmarks/accuracy/tables.py --data FOLDER --quick
    python benchmarks/accuracy/tables.py --data FOLDER --keep .rivals

With ``--keep`` the errors of everyone else's estimators stay in a folder, and another
run trains this package's alone.

The folder holds ``tabular/*.csv.gz``, whose last column is called ``target``, and may
hold ``sts_b_dir/sts_b_dir_minilm_features.npz`` with arrays X, score and split;
``r_tables.py`` makes one of other public tables.  CatBoost, and
RealMLP of pytabkit, are compared with where they are installed.
"""

import argparse
import importlib.util
import sys
import tempfile
import warnings
from pathlib import Path

import joblib
import numpy as np
import torch
from defaults import load_tables
from joblib import Parallel, delayed
from resampling import has_outliers
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.binning import LinearBinner
from sk_hca.evaluation import compare
from sk_hca.metrics import StratifiedRegressionKFold
from sk_hca.sampling import SMOGN
from sk_hca.targets import lds_weights

SHOTS = {"bins": 100, "many": 100, "few": 20}
CELLS = (("all", "mae"), ("all", "bmae"), ("few", "bmae"))
BALANCES = (0.25, 0.5, 0.75, 1.0)
MODES = ("none", "mul", "vote", "marginal", "distill")
TREES = "boosted trees, squared error"

# What HCARegressor is to reach: at most so many times the errors of each rival.
LIMITS = {
    ("HCARegressor()", TREES): (0.92, 0.82, 0.75),
    ("HCARegressor(balance=0.5)", TREES): (0.98, 0.75, 0.66),
    ("HCARegressor()", TREES + " + LDS"): (0.88, 0.86, 0.83),
    ("HCARegressor()", "CatBoost"): (1.00, 0.98, 0.95),
    ("HCARegressor()", "RealMLP"): (0.98, 0.92, 0.88),
    ("HCARegressor()", "same backbone, L1"): (0.98, 0.93, 0.88),
    ("HCARegressor()", "same backbone, CLS + argmax"): (0.90, 0.85, 0.82),
}


class Weighed(RegressorMixin, BaseEstimator):
    """A regressor whose samples are weighed by LDS."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Weigh the training targets, and fit."""
        weight = lds_weights(y, SHOTS["bins"])
        self.estimator_ = clone(self.estimator).fit(X, y, sample_weight=weight)
        return self

    def predict(self, X):
        """Predict as the regressor does."""
        return self.estimator_.predict(X)


class Resampled(Weighed):
    """A regressor that learns from what SMOGN makes of the data, if any are rare."""

    def fit(self, X, y):
        """Resample, and fit."""
        data = SMOGN().fit_resample(X, y) if has_outliers(y) else (X, y)
        self.estimator_ = clone(self.estimator).fit(*data)
        return self


def make_networks(seed, memory, epochs):
    """Return this package's estimators by name."""
    shared = {"random_state": seed, "device": "cpu", "max_epochs": epochs}
    hca = HCARegressor(memory=memory, **shared)
    paper = {"mode": "none", "anchor": None, "labels": "one_hot", "decoder": "argmax"}
    models = {
        "same backbone, L1": DirectRegressor(**shared),
        "same backbone, L2": DirectRegressor(loss="squared", **shared),
        "same backbone, Balanced MSE": DirectRegressor(loss="bmc", **shared),
        "same backbone, CLS + argmax": HCARegressor(
            binner=LinearBinner(100), **paper, **shared
        ),
        "HCARegressor()": hca,
    }
    for balance in BALANCES:
        name = f"HCARegressor(balance={balance:g})"
        models[name] = clone(hca).set_params(balance=balance)
    for mode in MODES:
        models[f"HCARegressor(mode={mode!r})"] = clone(hca).set_params(mode=mode)
    for decoder in ("mean", "median"):
        name = f"HCARegressor(decoder={decoder!r})"
        models[name] = clone(hca).set_params(decoder=decoder)
    together = clone(hca).set_params(n_estimators=4)
    for balance in (0.0, 0.5):
        name = f"HCARegressor(n_estimators=4, balance={balance:g})"
        models[name] = clone(together).set_params(balance=balance)
    return models


def make_rivals(seed):
    """Return the estimators of other packages, as far as they are installed."""
    trees = HistGradientBoostingRegressor(random_state=seed)
    absolute = clone(trees).set_params(loss="absolute_error")
    rivals = {
        TREES: trees,
        TREES + " + LDS": Weighed(trees),
        TREES + " + SMOGN": Resampled(trees),
        "boosted trees, absolute error": absolute,
        "boosted trees, absolute error + LDS": Weighed(absolute),
    }
    if importlib.util.find_spec("catboost"):
        from catboost import CatBoostRegressor

        rivals["CatBoost"] = CatBoostRegressor(
            verbose=0, random_seed=seed, thread_count=1, allow_writing_files=False
        )
    if importlib.util.find_spec("pytabkit"):
        from pytabkit import RealMLP_TD_S_Regressor

        rivals["RealMLP"] = RealMLP_TD_S_Regressor(
            random_state=seed, device="cpu", n_threads=1, verbosity=0
        )
    return rivals


def load_sets(folder, n_splits):
    """Return inputs, targets and splits of every set."""
    tables = load_tables(folder and Path(folder) / "tabular", n_least=0)
    folds = StratifiedRegressionKFold(n_splits, shuffle=True, random_state=0)
    sets = {name: (X, y, list(folds.split(X, y))) for name, (X, y) in tables.items()}
    path = Path(folder or "") / "sts_b_dir" / "sts_b_dir_minilm_features.npz"
    if folder is not None and path.exists():
        stored = np.load(path)
        X, y = stored["X"].astype(np.float32), stored["score"].astype(np.float64)
        parts = [np.flatnonzero(stored["split"] == part) for part in ("train", "test")]
        sets["sts_b_dir"] = X, y, [parts] * n_splits
    return sets


def errors_of(models, X, y, split):
    """Return errors and seconds of the fit of all estimators, by name."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = compare(models, X, y, cv=[split], **SHOTS)
    cells = [*CELLS, ("all", "fit_seconds")]
    return {name: [found[(name, *cell)][0] for cell in cells] for name in models}


def rivals_errors(X, y, split, seed):
    """Return errors and seconds of the rivals on one split."""
    return errors_of(make_rivals(seed), X, y, split)


def all_errors(X, y, split, seed, epochs, keep):
    """Return errors and seconds of all on one split; `keep` has those of rivals."""
    rivals = joblib.Memory(keep, verbose=0).cache(rivals_errors)(X, y, split, seed)
    with tempfile.TemporaryDirectory() as memory:
        networks = make_networks(seed, memory, epochs)
        return rivals | errors_of(networks, X, y, split)


def mean_ratios(errors, rival):
    """Return geometric means of ratios over the sets, and half their 95 % intervals.

    Parameters
    ----------
    errors : ndarray of shape (n_sets, n_splits, 3)
        Errors of one estimator.

    rival : ndarray of shape (n_sets, n_splits, 3)
        Errors of another.
    """
    ratios = np.nanmean(errors, axis=1) / np.nanmean(rival, axis=1)
    means = np.exp(np.nanmean(np.log(ratios.clip(0.5, 2)), axis=0))
    by_split = np.nanmean(np.log((errors / rival).clip(0.5, 2)), axis=0)
    n_splits = len(by_split)
    # Folds share samples: the corrected variance of Nadeau and Bengio.
    spread = by_split.std(axis=0, ddof=1) * np.sqrt(1 / n_splits + 1 / (n_splits - 1))
    return means, means * stats.t.ppf(0.975, n_splits - 1) * spread


def print_ratios(names, errors, seconds):
    """Print every estimator against the trees, and against what is to be reached."""
    index = {name: i for i, name in enumerate(names)}
    print(
        f"\n{'against ' + TREES:42}  MAE           bMAE          few           fit (s)"
    )
    for name, i in index.items():
        means, half = mean_ratios(errors[i], errors[index[TREES]])
        cells = "  ".join(f"{m:.3f} ±{h:.3f}" for m, h in zip(means, half, strict=True))
        print(f"{name:42}  {cells}  {seconds[i]:6.1f}")
    best = np.nanmean(errors, axis=2, keepdims=True).min(axis=0)
    means, _ = mean_ratios(best, errors[index[TREES]])
    cells = "         ".join(f"{m:.3f}" for m in means)
    print(f"{'best row of every set, in hindsight':42}  {cells}")
    print("\nat most, of the rival's MAE / bMAE / few")
    reached = True
    for (name, rival), limits in LIMITS.items():
        if rival not in index:
            print(f"{name:26} / {rival:38}  not installed")
            continue
        means, _ = mean_ratios(errors[index[name]], errors[index[rival]])
        cells = "  ".join(
            f"{m:.3f} ({limit:.2f}{'' if m <= limit else ', missed'})"
            for m, limit in zip(means, limits, strict=True)
        )
        reached &= bool((means <= limits).all())
        print(f"{name:26} / {rival:38}  {cells}")
    return reached


def print_set(name, names, errors):
    """Print mean errors on one set."""
    print(f"\n{name:42}  MAE       bMAE      few")
    for model, cells in zip(names, np.nanmean(errors, axis=1), strict=True):
        cells = "  ".join(f"{cell:8.4g}" for cell in cells)
        print(f"{model:42}  {cells}", flush=True)


def run_set(X, y, splits, epochs, keep, n_jobs):
    """Return names, and errors and seconds of shape (n_estimators, n_splits, 4)."""
    found = Parallel(n_jobs=n_jobs)(
        delayed(all_errors)(X, y, split, seed, epochs, keep)
        for seed, split in enumerate(splits)
    )
    values = np.array([list(errors.values()) for errors in found])
    return list(found[0]), values.swapaxes(0, 1)


def save_picture(path, points):
    """Draw MAE against bMAE, both as ratios to the trees; numbers stand for names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    steps = ["HCARegressor()", *(f"HCARegressor(balance={b:g})" for b in BALANCES)]
    axes.plot(*np.array([points[name] for name in steps]).T, color="C3", zorder=1)
    for number, (name, point) in enumerate(points.items(), start=1):
        color = "C3" if name.startswith("HCARegressor") else "C0"
        axes.scatter(*point, 130, color, label=f"{number}  {name}")
        middle = {"ha": "center", "va": "center_baseline", "size": 7, "color": "white"}
        axes.annotate(str(number), point, **middle)
    axes.set_xlabel("MAE, as a ratio to boosted trees")
    axes.set_ylabel("balanced MAE, as a ratio to boosted trees")
    figure.legend(loc="outside right center", fontsize=7, markerscale=0.4)
    figure.savefig(path, dpi=110)


def main():
    """Train all on all splits, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of sets; Abalone alone by default")
    parser.add_argument("--only", nargs="*", help="names of the sets to run")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two splits, 30 epochs")
    parser.add_argument("--keep", help="folder that keeps the errors of rivals")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--picture", help="file to draw MAE against bMAE to")
    parser.add_argument("--check", action="store_true", help="fail on a miss")
    arguments = parser.parse_args()
    n_splits, epochs = (2, 30) if arguments.quick else (arguments.splits, 100)
    sets = load_sets(arguments.data, n_splits)
    sets = {k: v for k, v in sets.items() if k in (arguments.only or sets)}
    print(f"sets: {', '.join(sets)}; {n_splits} splits, {epochs} epochs")
    every = []
    for name, data in sets.items():
        names, values = run_set(*data, epochs, arguments.keep, arguments.jobs)
        print_set(name, names, values[..., :3])
        every.append(values)
    values = np.stack(every, axis=1)
    errors, seconds = values[..., :3], np.median(values[..., 3], axis=(1, 2))
    reached = print_ratios(names, errors, seconds)
    if arguments.picture:
        trees = errors[names.index(TREES)]
        ratios = (mean_ratios(e, trees)[0] for e in errors)
        points = {name: r[:2] for name, r in zip(names, ratios, strict=True)}
        save_picture(arguments.picture, points)
    if arguments.check and not reached:
        sys.exit(1)


if __name__ == "__main__":
    main()
