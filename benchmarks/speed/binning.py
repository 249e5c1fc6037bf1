"""Time the fit of a hierarchy against one sort of the same targets.

All that a fit needs is read from one sort, so that it should take about as long.  Both
are timed in turns in one process; the table shows medians, in milliseconds.

Run it with ``python benchmarks/speed/binning.py --n 10_000_000``.
"""

import argparse
from statistics import median
from time import perf_counter

import numpy as np

from sk_hca.binning import BINNERS
from sk_hca.hierarchy import HierarchicalBinner


def seconds(function, *arguments):
    """Time one call."""
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


def make_targets(n_samples):
    """Draw a long tail, as it is, in single precision (ties), and with zeros."""
    rng = np.random.default_rng(0)
    tail = rng.lognormal(size=n_samples)
    return {
        "float64": tail,
        "float32": tail.astype(np.float32),
        "60 % zeros": np.where(rng.random(n_samples) < 0.6, 0.0, tail),
    }


def main():
    """Print one line per kind of targets and binner."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000_000, help="number of targets")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each")
    options = parser.parse_args()
    print(f"{options.n:,} targets, median of {options.repeat} runs")
    print(f"{'targets':<12}{'binner':<15}{'sort ms':>9}{'fit ms':>9}{'ratio':>7}")
    for kind, y in make_targets(options.n).items():
        for alias in BINNERS:
            sorts, fits = [], []
            for _ in range(options.repeat):
                sorts.append(seconds(np.sort, y))
                fits.append(seconds(HierarchicalBinner(alias).fit, y))
            sort, fit = 1e3 * median(sorts), 1e3 * median(fits)
            print(f"{kind:<12}{alias:<15}{sort:>9.1f}{fit:>9.1f}{fit / sort:>7.2f}")


if __name__ == "__main__":
    main()
