"""What it is worth that weights decay more where targets are noisy.

The default, which looks at the noise, against one that does not, and against decays
that nothing changes.  Sets, splits and errors are those of ``tables.py``.

    python benchmarks/accuracy/noise.py FOLDER
"""

import argparse
import tempfile

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from tables import TREES, errors_of, load_sets, mean_ratios

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone


class SteadyBackbone(MLPBackbone):
    """The same perceptron, whose decay does not depend on noise."""

    def count_inputs(self, shape):
        """Count none that could learn noise."""
        return 0


def make_models(seed, memory):
    """Return trees, the L1 network and HCA with several decays, by name."""
    shared = {"random_state": seed, "device": "cpu"}
    steady = {"backbone": SteadyBackbone()}
    hca, plain = HCARegressor(memory=memory, **shared), DirectRegressor(**shared)
    models = {
        TREES: HistGradientBoostingRegressor(random_state=seed),
        "same backbone, L1": plain,
        "same backbone, L1, without a look": clone(plain).set_params(**steady),
        "HCARegressor()": hca,
        "HCARegressor(balance=0.5)": clone(hca).set_params(balance=0.5),
        "HCARegressor(mode='none')": clone(hca).set_params(mode="none"),
        "HCARegressor(), without a look": clone(hca).set_params(**steady),
    }
    for decay in (2.0, 4.0):
        settings = {"optimizer__weight_decay": decay}
        models[f"HCARegressor(), decay {decay:g}"] = clone(hca).set_params(
            net_params=settings
        )
    return models


def errors_on(X, y, split, seed):
    """Return errors of all on one split."""
    with tempfile.TemporaryDirectory() as memory:
        return errors_of(make_models(seed, memory), X, y, split)


def main():
    """Train all on all splits, and print each set and the means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of sets, as tables.py takes it")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    every = []
    for name, (X, y, splits) in load_sets(arguments.data, arguments.splits).items():
        found = Parallel(n_jobs=arguments.jobs)(
            delayed(errors_on)(X, y, split, seed) for seed, split in enumerate(splits)
        )
        names = list(found[0])
        errors = np.array([list(one.values()) for one in found])[..., :3]
        every.append(errors.swapaxes(0, 1))
        means = np.nanmean(errors, axis=0)
        print(f"\n{name:34}  MAE / bMAE / few, of the trees")
        for model, ratio in zip(names, means / means[0], strict=True):
            print(f"{model:34}  {' / '.join(f'{r:.2f}' for r in ratio)}", flush=True)
    stacked = np.stack(every, axis=1)
    print(f"\n{f'{len(every)} sets':34}  geometric means, each ratio clipped")
    for model, errors in zip(names, stacked, strict=True):
        means, _ = mean_ratios(errors, stacked[0])
        print(f"{model:34}  {' / '.join(f'{mean:.3f}' for mean in means)}")


if __name__ == "__main__":
    main()
