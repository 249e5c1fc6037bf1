"""Every rival alone, HCA alone, and both together, on real data.

All networks have the same backbone and the same budget; HCA's learning-free modes are
read off one training.  Tables are split anew for every seed; STS-B-DIR has its
published split, and its shots are the published ones (50 bins, more than 100 or fewer
than 30 training samples).  Elsewhere there are 100 bins of equal width, and few-shot
ones have fewer than 20 training samples.

    python benchmarks/accuracy/rivals.py                    # Abalone alone
    python benchmarks/accuracy/rivals.py --data FOLDER      # all sets in it

The folder holds ``tabular/*.csv.gz``, whose last column is called ``target``, and
``sts_b_dir/sts_b_dir_minilm_features.npz`` with arrays X, score and split.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from defaults import load_tables
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.binning import LinearBinner
from sk_hca.evaluation import compare
from sk_hca.losses import LOSSES
from sk_hca.targets import lds_weights

SHOTS = {"bins": 100, "many": 100, "few": 20}
STS_SHOTS = {"bins": np.linspace(0, 5, 51), "many": 100, "few": 30}

# What HCA and plain classification are combined with.
COMPANIONS = {
    "": {},
    " + LDS": {"weighting": "lds"},
    " + RankSim": {"penalty": "ranksim"},
    " + LDS + RankSim": {"weighting": "lds", "penalty": "ranksim"},
}
# The sum of the levels is not a distribution: it is read by its largest class.
MODES = {
    "CLS": {"mode": "none"},
    "HCA-add": {"mode": "add", "decoder": "argmax"},
    "HCA-mul": {"mode": "mul"},
    "HCA-d": {"mode": "distill"},
    "HCA-vote": {"mode": "vote"},
    "HCA-consult": {"mode": "consult"},
}
# As in the paper: free logits, hard labels, equal widths, the largest class.
PAPER = {
    "anchor": None,
    "labels": "one_hot",
    "binner": LinearBinner(100),
    "decoder": "argmax",
}
PAPER_MODES = {
    "CLS (paper's recipe)": {"mode": "none"},
    "HCA-add (paper's recipe)": {"mode": "add"},
    "HCA-mul (paper's recipe)": {"mode": "mul"},
    "HCA-d (paper's recipe)": {"mode": "distill"},
}


class Weighed(RegressorMixin, BaseEstimator):
    """A regressor whose samples are weighed by LDS."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Weigh the training targets, and fit."""
        weight = lds_weights(y, 50)
        self.estimator_ = clone(self.estimator).fit(X, y, sample_weight=weight)
        return self

    def predict(self, X):
        """Predict as the regressor does."""
        return self.estimator_.predict(X)


class Retrained(RegressorMixin, BaseEstimator):
    """A network whose last layer is trained once more, with inverse frequencies."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Train plainly, then the last layer with weights."""
        self.estimator_ = clone(self.estimator).fit(X, y).retrain_heads(X, y)
        return self

    def predict(self, X):
        """Predict with the new last layer."""
        return self.estimator_.predict(X)


def make_models(seed, epochs, memory):
    """Return all estimators by name."""
    shared = {"max_epochs": epochs, "random_state": seed, "device": "cpu"}
    boosting = HistGradientBoostingRegressor(random_state=seed)
    plain = DirectRegressor(**shared)
    models = {
        "boosted trees": boosting,
        "boosted trees + LDS": Weighed(boosting),
        **{f"loss {name!r}": clone(plain).set_params(loss=name) for name in LOSSES},
        "L1 + inverse": clone(plain).set_params(weighting="inverse"),
        "L1 + LDS": clone(plain).set_params(weighting="lds"),
        "L1 + DenseWeight": clone(plain).set_params(weighting="dense"),
        "L1 + RankSim": clone(plain).set_params(penalty="ranksim"),
        "L1 + FDS": clone(plain).set_params(smoother="fds"),
        "L1 + LDS + FDS": clone(plain).set_params(weighting="lds", smoother="fds"),
        "L1 + LDS + RankSim": clone(plain).set_params(
            weighting="lds", penalty="ranksim"
        ),
        "L1, RRT": Retrained(plain),
    }
    for companion, params in COMPANIONS.items():
        for name, mode in MODES.items():
            models[name + companion] = HCARegressor(
                **shared, **params, **mode, memory=memory
            )
    for balance in (0.25, 0.5):
        models[f"HCA-consult, balance {balance}"] = HCARegressor(
            **shared, mode="consult", balance=balance, memory=memory
        )
    for name, mode in PAPER_MODES.items():
        models[name] = HCARegressor(**shared, **PAPER, **mode, memory=memory)
    return models


def load_sets(folder):
    """Return every set as inputs, targets, shots, and its published split or None."""
    tables = load_tables(None if folder is None else Path(folder) / "tabular")
    sets = {name: (*table, SHOTS, None) for name, table in tables.items()}
    if folder is not None:
        path = Path(folder) / "sts_b_dir" / "sts_b_dir_minilm_features.npz"
        stored = np.load(path)
        X, y = stored["X"].astype(np.float32), stored["score"].astype(np.float64)
        split = stored["split"]
        parts = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        sets["sts_b_dir"] = X, y, STS_SHOTS, parts
    return sets


def compare_once(X, y, shots, split, seed, epochs):
    """Compare all on one split."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if split is None:
        split = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
    with tempfile.TemporaryDirectory() as memory:
        models = make_models(seed, epochs, memory)
        return compare(models, X, y, cv=[split], **shots)


def print_table(name, comparison):
    """Print errors, and balanced ones against plain L1 with their intervals."""
    means = comparison.means()
    paired = comparison.differences("loss 'absolute'")
    print(f"\n{name}, mean of {comparison.values.shape[1]} seeds")
    print(
        f"{'':32}{'MAE':>7}{'many':>7}{'medium':>8}{'few':>7}{'bMAE':>8}{'few':>7}"
        f"   {'bMAE less L1s':<20}"
    )
    cells = (
        *(
            (shot, "mae", width)
            for shot, width in zip(
                ("all", "many", "medium", "few"), (7, 7, 8, 7), strict=True
            )
        ),
        ("all", "bmae", 8),
        ("few", "bmae", 7),
    )
    for model in comparison.names:
        row = f"{model:32}"
        for shot, column, width in cells:
            row += f"{means[model, shot, column][0]:{width}.3f}"
        if model != "loss 'absolute'":
            mean, lower, upper = paired[model, "all", "bmae"]
            mark = " *" if lower > 0 or upper < 0 else ""
            row += f"   {mean:+.3f} [{lower:+.3f}, {upper:+.3f}]{mark}"
        print(row, flush=True)


def main():
    """Print one table per set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of sets; Abalone alone by default")
    parser.add_argument("--only", nargs="*", help="names of the sets to run")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    for name, data in load_sets(arguments.data).items():
        if arguments.only and name not in arguments.only:
            continue
        parts = Parallel(n_jobs=arguments.jobs)(
            delayed(compare_once)(*data, seed, arguments.epochs)
            for seed in range(arguments.seeds)
        )
        values = np.concatenate([part.values for part in parts], axis=1)
        # Seeds on one published split share no samples that would tie them.
        ratio = parts[0].test_ratio if data[-1] is None else 0.0
        print_table(name, type(parts[0])(parts[0].names, values, ratio))


if __name__ == "__main__":
    main()
