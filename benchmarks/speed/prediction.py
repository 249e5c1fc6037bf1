"""What prediction costs against a raw forward pass, and a search against plain fits.

The raw pass is the same network without gradients, at its best batch size, and keeps
nothing; `predict` checks its input, merges the levels, decodes and collects.

    python benchmarks/speed/prediction.py --check
"""

import argparse
import tempfile
import warnings

import torch
from sklearn.model_selection import GridSearchCV
from timing import Ratio, report, seconds
from training import make_data, make_model

MODES = ("none", "add", "mul", "marginal", "range", "average")
BATCHES = (512, 1024, 2048, 4096, 8192)


def raw_forward(module, X):
    """Return the fastest plain pass over the data."""
    inputs = torch.from_numpy(X)
    module.eval()

    def run(batch_size):
        with torch.no_grad():
            for part in inputs.split(batch_size):
                module(part)

    best = min(BATCHES, key=lambda size: min(seconds(lambda: run(size)) for _ in "123"))
    return lambda: run(best)


def prediction_ratios(X, y):
    """Compare every mode with the raw pass."""
    model = make_model(1).fit(X, y)
    raw = raw_forward(model.net_.module_, X)
    limits = {"add": 1.25, "mul": 1.25, "marginal": 1.25, "distill": 1.25}
    for mode in (*MODES, "distill"):
        reading = model.readjust(mode, X, y)
        yield Ratio(
            f"predict, mode {mode!r} / raw forward",
            lambda reading=reading: reading.predict(X),
            raw,
            limits.get(mode, float("inf")),
        )


def search_ratio(X, y):
    """Compare a search over modes and decoders, with a memory, with a fit per fold."""
    grid = {"mode": list(MODES), "decoder": ["argmax", "mean", "median"]}

    def search():
        with tempfile.TemporaryDirectory() as folder:
            model = make_model(30, memory=folder)
            GridSearchCV(model, grid, cv=3, refit=False).fit(X, y)

    def plain():
        for fold in range(3):
            is_train = torch.arange(len(X)).numpy() % 3 != fold
            make_model(30).fit(X[is_train], y[is_train])

    return Ratio(
        "search of 6 modes x 3 decoders, 3 folds / 3 fits", search, plain, 1.25
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 on a miss")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    X, y = make_data(50_000)
    report([*prediction_ratios(X, y), search_ratio(X, y)], arguments.check)


if __name__ == "__main__":
    main()
