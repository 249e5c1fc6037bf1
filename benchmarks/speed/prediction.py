"""What prediction costs against a raw forward pass, and a search against plain fits.

The raw pass is the network of stage one in inference mode, at its best batch size, and
keeps nothing; `predict` checks its input, merges the levels, decodes and collects.  The
merge costs the same behind any backbone.  The limits hold for the network and the
number of epochs that come by default; those beside a smaller network and fewer epochs
only inform.

    python benchmarks/speed/prediction.py --check
"""

import math
import sys
import tempfile

import torch
from sklearn.model_selection import GridSearchCV
from timing import Ratio, read_options, report, seconds
from training import HIDDEN, make_data, make_model, make_skorch_net

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone

DEFAULT_EPOCHS = HCARegressor().max_epochs
MODES = ("none", "add", "mul", "vote", "consult", "marginal", "range", "average")
LIMITS = {"add": 1.25, "mul": 1.25, "vote": 1.25, "marginal": 1.25, "distill": 1.25}
BATCHES = (256, 512, 1024, 2048, 4096, 8192)


def raw_forward(module, X):
    """Return the fastest plain pass over the data."""
    inputs = torch.from_numpy(X)
    module.eval()

    def run(batch_size):
        with torch.inference_mode():
            for part in inputs.split(batch_size):
                module(part)

    best = min(BATCHES, key=lambda size: min(seconds(lambda: run(size)) for _ in "123"))
    return lambda: run(best)


def prediction_ratios(X, y, name, backbone, binding):
    """Compare every mode with the raw pass of the same network."""
    model = make_model(1, backbone=backbone).fit(X, y)
    raw = raw_forward(model.net_.module_, X)
    for mode in (*MODES, "distill"):
        reading = model.readjust(mode, X, y)
        yield Ratio(
            f"predict, mode {mode!r} / raw forward, {name}",
            lambda reading=reading: reading.predict(X),
            raw,
            LIMITS.get(mode, math.inf),
            binding=binding,
        )


def skorch_ratios(X, y, limit):
    """Compare with a net of skorch as it comes, on the same backbone."""
    net = make_skorch_net().initialize()
    direct = DirectRegressor(
        MLPBackbone(HIDDEN, n_pieces=0), max_epochs=1, random_state=0
    )
    models = {
        "predict of DirectRegressor": direct.fit(X, y),
        "predict, mode 'none'": make_model(1, mode="none").fit(X, y),
    }
    for name, model in models.items():
        yield Ratio(
            f"{name} / skorch's NeuralNetRegressor",
            lambda model=model: model.predict(X),
            lambda: net.predict(X),
            limit,
        )


def search_ratio(X, y, epochs, limit, binding=True):
    """Compare a search over what needs no training, with a memory, with fits alone.

    It tries 6 modes, 3 decoders and 3 balances on 3 folds.
    """
    grid = {
        "mode": list(MODES[:6]),
        "decoder": ["argmax", "mean", "median"],
        "balance": [0.0, 0.25, 0.5],
    }

    def search():
        with tempfile.TemporaryDirectory() as folder:
            model = make_model(epochs, memory=folder)
            GridSearchCV(model, grid, cv=3, refit=False).fit(X, y)

    def plain():
        for fold in range(3):
            is_train = torch.arange(len(X)).numpy() % 3 != fold
            make_model(epochs).fit(X[is_train], y[is_train])

    name = f"search of 162 fits, with a memory / 3 fits, {epochs} epochs"
    return Ratio(name, search, plain, limit, binding=binding)


def main():
    """Print the tables."""
    options = read_options(__doc__)
    X, y = make_data(5_000 if options.quick else 50_000)
    few, many = (2, 3) if options.quick else (30, DEFAULT_EPOCHS)
    small = MLPBackbone(HIDDEN, n_pieces=0)
    is_missed = report(
        [
            *prediction_ratios(X, y, "default", MLPBackbone(), binding=True),
            *skorch_ratios(X, y, 0.20),
            search_ratio(X, y, many, 1.25),
        ]
    )
    print("\nA small network, and a short training, for orientation:")
    report(
        [
            *prediction_ratios(X, y, "128-64", small, binding=False),
            search_ratio(X, y, few, 1.25, binding=False),
        ]
    )
    sys.exit(is_missed and options.check)


if __name__ == "__main__":
    main()
