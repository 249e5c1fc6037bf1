"""Table 5: imbalanced or insufficient, when does HCA help?

Training sets of ages 20 to 49 are drawn from one pool, 1000, 100 or 10 samples an age;
balanced, or imbalanced with 19 times as many of each age below 35 as of the others, at
the same total number.  The paper finds that HCA-d helps where the set is imbalanced and
insufficient (MAE 7.54 after 7.74 of CLS at 190:10, 7.54 after 7.90 at 19:1), and
changes little where it is balanced, or imbalanced with enough samples (6.72 after 6.78
at 1900:100).

A constant 34.5 errs by 7.5 years on ages spread evenly over 20 to 49, which is what the
scarcer columns of the paper come close to.

    python examples/3_paper/table5_scenarios.py              # a stand-in, in minutes
    python examples/3_paper/table5_scenarios.py --data IMDB_WIKI
"""

import numpy as np
from paper import (
    Task,
    hca_d,
    hierarchy,
    lower,
    options,
    print_table,
    read,
    regression,
    repeat,
    tell,
)
from tasks import FACES, YEARS, ages, draw_faces
from torch.utils.data import Dataset, Subset

from sk_hca.datasets import balanced_subset, imbalanced_subset
from sk_hca.metrics import balanced_mean_absolute_error

AGES = np.arange(19.5, 50.0)
SIZES = {1000: "1900:100", 100: "190:10", 10: "19:1"}
METHODS = ("Regression", "CLS", "HCA-d")


def balanced_error(task, y_pred):
    """Measure the mean over ages, as if the test set were balanced."""
    return [balanced_mean_absolute_error(task.y_test, y_pred)]


def pool(arguments, seed):
    """Make the pool, from which training sets are drawn, and the test set."""
    if arguments.data:
        task = ages(arguments, seed)
        inside = np.flatnonzero((task.y_test > 19.5) & (task.y_test < 49.5))
        task.X_test, task.y_test = Subset(task.X_test, inside), task.y_test[inside]
    else:
        y_train = np.repeat(np.arange(20.0, 50.0), 2000)
        y_test = np.repeat(np.arange(20.0, 50.0), 100)
        X_train, X_test = draw_faces(
            np.random.default_rng(seed),
            *(y_train, y_test),
            n_features=4 if arguments.quick else 64,
        )
        task = Task(
            "Drawn faces of 20 to 49 years",
            *(X_train, y_train, X_test, y_test),
            edges=YEARS[20:51],
            measure=balanced_error,
            columns=(),
            settings=FACES,
        )
        task.steps = 100 if arguments.quick else 1500
    task.measure, task.columns = balanced_error, ("MAE",)
    return task


def experiment(task, seed):
    """Train all methods on the six training sets; a row for each of both."""
    X, y, settings = task.X_train, task.y_train, task.settings
    rows = {}
    for draw in (balanced_subset, imbalanced_subset):
        for n, name in SIZES.items():
            index = draw(y, n, bins=AGES, random_state=seed)
            is_lazy = isinstance(X, Dataset)
            task.X_train = Subset(X, index) if is_lazy else X[index]
            task.y_train = y[index]
            if hasattr(task, "steps"):  # as many steps for all sets
                n_epochs = max(1, round(task.steps / np.ceil(len(index) / 256)))
                task.settings = settings | {"max_epochs": n_epochs}
            name = f"{n}:{n}" if draw is balanced_subset else name
            model = hierarchy(task, seed)
            rows[f"{name} Regression"] = regression(task, seed)
            rows[f"{name} CLS"] = read(task, model, "none")
            rows[f"{name} HCA-d"] = read(task, model, hca_d(task))
    return rows


def main(argv=None):
    """Run the experiment; put the training sets side by side, as the paper does."""
    arguments = options(__doc__, argv)
    found = repeat(experiment, pool, arguments)
    sets = [*(f"{n}:{n}" for n in SIZES), *SIZES.values()]
    table = [  # all sets in one row
        {m: np.concatenate([rows[f"{name} {m}"] for name in sets]) for m in METHODS}
        for _, _, rows in found
    ]
    found = [(found[0][0], sets, rows) for rows in table]
    print_table(found, spread=True)
    for name in ("190:10", "19:1"):
        for rival in ("CLS", "Regression"):
            lower(found, "HCA-d", rival, sets.index(name), f"MAE at {name}")
    gains = np.array([rows["CLS"] - rows["HCA-d"] for rows in table]).mean(axis=0)
    gain = dict(zip(sets, gains, strict=True))
    scarce = min(gain["190:10"], gain["19:1"])
    told = ", ".join(f"{each:.3f} at {name}" for name, each in gain.items())
    calm = max(gain[f"{n}:{n}"] for n in SIZES)
    tell(calm < scarce, "HCA-d gains less over CLS where ages are balanced", told)
    calm = gain["1900:100"]
    tell(calm < scarce, "and where the rare ages have 100 samples", told)


if __name__ == "__main__":
    main()
