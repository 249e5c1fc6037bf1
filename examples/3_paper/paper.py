"""What the scripts of this folder share: the paper's recipe, repeats, tables, findings.

A *task* is what an experiment runs on: the benchmark itself or a stand-in for it.  An
experiment takes a task and a seed, and gives a row of errors for every method; it is
repeated, the table shows means over the repeats, and a finding is read off them.
"""

import argparse
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from joblib import Parallel, delayed

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import Distillation
from sk_hca.losses import DCRegression
from sk_hca.metrics import (
    absolute_relative_error,
    delta_accuracy,
    shot_report,
)
from sk_hca.regularizers import FDS, RankSim
from sk_hca.targets import LDSWeighting

SHOTS = ("all", "many", "medium", "few")


@dataclass
class Task:
    """Data to learn from and to test on, and how to train on them.

    Parameters
    ----------
    title : str
        What the table is headed with.

    X_train, y_train, X_test, y_test : array-like, dataset, or maps
        The data; the targets of maps have shape (n, H, W).

    edges : array or binner
        How the finest classes are cut.

    measure : callable
        Takes the task and predictions, gives one error for each of `columns`.

    columns : tuple of str
        What they are called.

    settings : dict
        Backbone and training: parameters that both estimators share.

    bins : array of edges, default="unique"
        Bins of balanced errors.

    weighting_bins : int or array of edges, default=50
        Bins of LDS.

    ranked : dict
        What a training with RankSim has.

    student : dict, default={}
        Parameters of stage two.

    groups : array of shape (n_test,), optional
        Which image a tile of the test data belongs to.
    """

    title: str
    X_train: object
    y_train: np.ndarray
    X_test: object
    y_test: np.ndarray
    edges: object
    measure: object
    columns: tuple
    settings: dict
    bins: object = "unique"
    weighting_bins: object = 50
    ranked: dict = field(default_factory=lambda: {"penalty": RankSim()})
    student: dict = field(default_factory=dict)
    groups: np.ndarray | None = None


# The paper's recipe, and what it is compared with ------------------------------------


def paper_regressor(**changes):
    """Return an HCARegressor with the settings of the paper, and changes to them.

    Soft labels (SORD; their width, which the paper does not tell, is the package's),
    free logits, classes of equal numbers, levels of 2, 4, 8, ... classes, argmax.
    """
    settings = {
        "mode": "none",
        "merging": "equal_number",
        "n_levels": "auto",
        "labels": "gaussian",
        "anchor": None,
        "decoder": "argmax",
    }
    return HCARegressor(**(settings | changes))


def hierarchy(task, seed, **changes):
    """Train the levels on a task; every mode but HCA-d answers at once."""
    shared = task.settings | {"binner": task.edges, "random_state": seed}
    return paper_regressor(**(shared | changes)).fit(task.X_train, task.y_train)


def read(task, model, mode):
    """Return the errors of a mode on the same stage one."""
    readjusted = model.readjust(mode, task.X_train, task.y_train)
    return errors(task, readjusted.predict(task.X_test))


def hca_d(task, **changes):
    """Return the mode HCA-d, as the task trains it."""
    return Distillation(**(task.student | changes))


def regression(task, seed, **changes):
    """Return the errors of a regression on the same backbone."""
    model = DirectRegressor(**(task.settings | {"random_state": seed} | changes))
    model.fit(task.X_train, task.y_train)
    return errors(task, model.predict(task.X_test))


def lds(task):
    """Return label distribution smoothing as Yang et al. use it."""
    return LDSWeighting(task.weighting_bins, kernel="gaussian", size=5, sigma=2)


def compare_all(task, seed):
    """Run every row of Tables 7 and 8."""
    weighted = {"weighting": lds(task)}
    ranked = task.ranked
    constrained = {"loss": DCRegression(task.edges)}
    rivals = {
        "Regression": {},
        "Regression + LDS": weighted,
        "Regression + LDS + RankSim": weighted | ranked,
        "Regression + FDS + RankSim": {"smoother": FDS(task.edges)} | ranked,
        "Balanced MSE": {"loss": "gai"},
        "DC-regression": constrained,
        "DC-regression + LDS": constrained | weighted,
    }
    rows = {name: regression(task, seed, **each) for name, each in rivals.items()}
    groups = {"": {}, " + LDS": weighted, " + LDS + RankSim": weighted | ranked}
    for suffix, changes in groups.items():
        model = hierarchy(task, seed, **changes)
        for name, mode in four_modes(task).items():
            rows[name + suffix] = read(task, model, mode)
    return rows


def four_modes(task):
    """Return the classifier alone and the three adjustments, by the paper's names."""
    return {"CLS": "none", "HCA-add": "add", "HCA-mul": "mul", "HCA-d": hca_d(task)}


# Errors ------------------------------------------------------------------------------


def errors(task, y_pred):
    """Return the errors of predictions on a task, one for each of its columns."""
    return np.array(task.measure(task, y_pred), dtype=float)


SHOT_COLUMNS = tuple(f"{name} {shot}" for name in ("bMAE", "MAE") for shot in SHOTS)


def shot_errors(task, y_pred):
    """Measure bMAE and MAE by shot; a shot without samples is nan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = shot_report(task.y_test, y_pred, task.y_train, bins=task.bins)
    return [report[shot, name] for name in ("bmae", "mae") for shot in SHOTS]


COUNT_COLUMNS = ("MAE", "RMSE")


def count_errors(task, y_pred):
    """Measure the counts of whole images, which are sums of local ones."""
    error = (y_pred - task.y_test).reshape(len(y_pred), -1).sum(axis=1)
    error = np.bincount(task.groups, error)[np.unique(task.groups)]
    return [np.abs(error).mean(), np.sqrt((error**2).mean())]


DEPTH_COLUMNS = ("MAE", "RMSE", "AbsRel", "delta 1", "delta 2", "delta 3")


def depth_errors(task, y_pred):
    """Measure depths over all pixels that have one; finer maps share a prediction."""
    finer = task.y_test.shape[1] // y_pred.shape[1]
    y_pred = y_pred.repeat(finer, axis=1).repeat(finer, axis=2)
    known = ~np.isnan(task.y_test)
    y, y_pred = task.y_test[known], np.maximum(y_pred[known], 1e-3)
    error = y_pred - y
    return [
        np.abs(error).mean(),
        np.sqrt((error**2).mean()),
        absolute_relative_error(y, y_pred),
        *(delta_accuracy(y, y_pred, threshold=1.25**power) for power in (1, 2, 3)),
    ]


# Repeats, tables, findings -----------------------------------------------------------


def options(description, argv=None, *, picture=None, repeats=5):
    """Read the command line, which is the same for every script."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=kind)
    parser.add_argument("--data", metavar="ROOT", help="the benchmark, for hours")
    parser.add_argument(
        "--crowds", metavar="ROOT", help="ShanghaiTech, where it is used"
    )
    parser.add_argument(
        "--standin", metavar="FOLDER", help="data for a larger stand-in"
    )
    parser.add_argument("--quick", action="store_true", help="seconds, to see it run")
    parser.add_argument("--repeats", type=int, help=f"default: {repeats}, of --data 1")
    parser.add_argument("--jobs", type=int, default=2, help="repeats side by side")
    if picture:
        parser.add_argument("--picture", metavar="FILE", default=picture)
    arguments = parser.parse_args(argv)
    arguments.is_real = bool(arguments.data or arguments.crowds)
    if arguments.quick:
        print("A quick run trains next to nothing: it shows that it runs, no more.")
    if arguments.is_real or arguments.quick:
        arguments.jobs = 1
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.is_real or arguments.quick else repeats
    return arguments


def repeat(experiment, make_task, arguments):
    """Run an experiment once for every seed; return title, columns, and all rows."""
    return Parallel(arguments.jobs)(
        delayed(run_once)(experiment, make_task, arguments, seed)
        for seed in range(arguments.repeats)
    )


def run_once(experiment, make_task, arguments, seed):
    """Make the task of one seed and run the experiment on it."""
    if not arguments.is_real:
        torch.set_num_threads(1)  # small networks train fastest with one thread
    task = make_task(arguments, seed)
    return task.title, task.columns, experiment(task, seed)


def print_table(found, *, spread=False):
    """Print the mean over all repeats, row by row; with it its standard deviation."""
    title, columns, rows = found[0]
    number = "repeat" if len(found) == 1 else "repeats"
    print(f"\n{title}, {len(found)} {number}")
    name_width = max(map(len, rows))
    width = max(16 if spread else 8, *(len(column) + 2 for column in columns))
    print(" " * name_width + "".join(f"{column:>{width}}" for column in columns))
    for name in rows:
        every = np.array([each[2][name] for each in found])
        cells = [f"{mean:.3f}" for mean in every.mean(axis=0)]
        if spread:
            pairs = zip(cells, every.std(axis=0), strict=True)
            cells = [f"{cell} ± {deviation:.3f}" for cell, deviation in pairs]
        print(f"{name:{name_width}}" + "".join(f"{cell:>{width}}" for cell in cells))


def lower(found, better, worse, column=0, name=None):
    """Tell whether one row has a lower error than another, as the paper found.

    It has if its mean is lower, and its error in most of the repeats.
    """
    a, b = (
        np.array([each[2][row][column] for each in found]) for row in (better, worse)
    )
    name = name or found[0][1][column]
    n_lower = int((a < b).sum())
    tell(
        a.mean() < b.mean() and 2 * n_lower > len(a),
        f"{better} has a lower {name} than {worse}",
        f"{a.mean():.3f} and {b.mean():.3f}; in {n_lower} of {len(a)} repeats",
    )


def tell(is_shown, finding, numbers):
    """Print a finding of the paper, and whether the numbers show it."""
    print(f"{'shown here' if is_shown else 'not shown here'}: {finding} ({numbers})")


def save(figure, arguments):
    """Save a picture where the command line says."""
    figure.savefig(arguments.picture, dpi=150, bbox_inches="tight")
    print(f"Saved {arguments.picture}")
