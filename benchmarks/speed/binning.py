"""Time the binning of targets against one sort and one search of the same targets.

All that the fit of a hierarchy needs is read from one sort, and the codes of all levels
(`transform`) from one search of the finest edges and a table.  The limit is that of the
fit; the last column adds the codes, which are written for seven levels.  All is timed
in turns in one process; the table shows medians of milliseconds and, for each ratio, of
its rounds.

    python benchmarks/speed/binning.py --check
"""

import math
import sys
from statistics import median

import numpy as np
from timing import ratios, read_options, time_in_turns

from sk_hca.binning import BINNERS
from sk_hca.hierarchy import HierarchicalBinner

N_LEVELS = 7
# Largest fit / (sort + search), by kind of targets.
LIMITS = {"float64": 1.3}


def make_targets(n_samples):
    """Draw a long tail, as it is, in single precision (ties), and with zeros."""
    rng = np.random.default_rng(0)
    tail = rng.lognormal(size=n_samples)
    return {
        "float64": tail,
        "float32": tail.astype(np.float32),
        "60 % zeros": np.where(rng.random(n_samples) < 0.6, 0.0, tail),
    }


def time_binning(alias, y, rounds):
    """Time fit and codes of seven levels, and what they are compared with."""
    hierarchy = HierarchicalBinner(alias, n_levels=N_LEVELS).fit(y)
    edges = hierarchy.edges_.astype(y.dtype)
    calls = {
        "sort": lambda: np.sort(y),
        "search": lambda: np.searchsorted(edges, y),
        "fit": lambda: hierarchy.fit(y),
        "codes": lambda: hierarchy.transform(y),
    }
    times = time_in_turns(calls, rounds)
    for name, parts in (("ours", ("fit", "codes")), ("theirs", ("sort", "search"))):
        pairs = zip(*(times[part] for part in parts), strict=True)
        times[name] = [sum(pair) for pair in pairs]
    return times


def print_binning(kind, alias, times):
    """Print one line; tell whether its last ratio is above its limit."""
    milliseconds = [1e3 * median(times[key]) for key in ("sort", "search")]
    milliseconds += [1e3 * median(times[key]) for key in ("fit", "codes")]
    pairs = (("fit", "sort"), ("ours", "theirs"), ("fit", "theirs"))
    shares = [median(ratios(times, *pair)) for pair in pairs]
    limit = LIMITS.get(kind, math.inf)
    cells = "".join(f"{cell:>9.1f}" for cell in milliseconds)
    cells += "".join(f"{share:>9.2f}" for share in shares)
    bound = "" if math.isinf(limit) else f"{limit:.2f}"
    mark = "  missed" if shares[-1] > limit else ""
    print(f"{kind:<12}{alias:<14}{cells}{bound:>9}{mark}".rstrip(), flush=True)
    return shares[-1] > limit


def main():
    """Print one line per kind of targets and binner."""
    options = read_options(__doc__)
    n_samples = 200_000 if options.quick else 10_000_000
    print(f"{n_samples:,} targets, {N_LEVELS} levels, medians of 5 rounds")
    print(f"{'':26}{'milliseconds':^36}{'fit /':>9}{'both /':>9}{'fit /':>9}")
    names = ("sort", "search", "fit", "codes", "sort", "s. + s.", "s. + s.", "at most")
    print(f"{'targets':<12}{'binner':<14}" + "".join(f"{name:>9}" for name in names))
    missed = [
        print_binning(kind, alias, time_binning(alias, y, rounds=5))
        for kind, y in make_targets(n_samples).items()
        for alias in BINNERS
    ]
    sys.exit(any(missed) and options.check)


if __name__ == "__main__":
    main()
