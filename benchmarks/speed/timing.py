"""Ratios of two timings, taken in turns in one process."""

import sys
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass
class Ratio:
    """One row of a table: how long `ours` takes, as a share of `theirs`.

    Parameters
    ----------
    name : str
        What is compared.

    ours, theirs : callable
        Called in turns, without arguments.

    limit : float
        Largest ratio that is good enough.
    """

    name: str
    ours: object
    theirs: object
    limit: float

    def measure(self, repeats=5):
        """Return the median ratio of several pairs, after one that is not counted."""
        seconds(self.ours), seconds(self.theirs)
        return median(seconds(self.ours) / seconds(self.theirs) for _ in range(repeats))


def seconds(function):
    """Time one call."""
    start = perf_counter()
    function()
    return perf_counter() - start


def report(ratios, check):
    """Print a table of ratios; with `check`, exit with 1 if one is above its limit."""
    print(f"{'measure':58}  ratio  at most")
    missed = False
    for ratio in ratios:
        measured = ratio.measure()
        is_missed = measured > ratio.limit
        missed |= is_missed
        mark = "  missed" if is_missed else ""
        print(f"{ratio.name:58}  {measured:5.2f}  {ratio.limit:7.2f}{mark}", flush=True)
    sys.exit(check and missed)
