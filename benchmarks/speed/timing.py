"""Ratios of timings, taken in turns in one process: what the scripts here share.

Several calls are timed once per round, and every other round in reverse, so that a
slow minute of the machine meets all of them.  A ratio is taken round by round, and its
median is what counts.  Torch gets one thread.
"""

import argparse
import gc
import math
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch

# A shorter call is repeated until one timing lasts this long, in seconds.
SHORTEST = 0.05


@dataclass
class Ratio:
    """One row of a table: how long `ours` takes, as a share of `theirs`.

    Parameters
    ----------
    name : str
        What is compared.

    ours, theirs : callable
        Called in turns, without arguments.

    limit : float, default=inf
        Largest ratio that is good enough; infinity only informs.

    pairs : int, default=5
        How many pairs are timed.

    binding : bool, default=True
        Whether a miss counts; where not, the limit only informs.
    """

    name: str
    ours: object
    theirs: object
    limit: float = math.inf
    pairs: int = 5
    binding: bool = True

    def measure(self):
        """Return the ratio of every pair, after one that is not counted."""
        calls = {"ours": self.ours, "theirs": self.theirs}
        return ratios(time_in_turns(calls, self.pairs), "ours", "theirs")


def seconds(function, n_calls=1):
    """Time one call, as the mean of several."""
    start = perf_counter()
    for _ in range(n_calls):
        function()
    return (perf_counter() - start) / n_calls


def time_in_turns(calls, rounds=5):
    """Time several calls in turns, after one of each that is not counted.

    Parameters
    ----------
    calls : dict of callables
        Called without arguments.

    rounds : int, default=5
        How often each is timed.

    Returns
    -------
    times : dict of lists
        Seconds of every call, round by round.
    """
    n_calls = {
        key: math.ceil(SHORTEST / max(seconds(call), 1e-6))
        for key, call in calls.items()
    }
    times: dict = {key: [] for key in calls}
    for turn in range(rounds):
        for key in list(calls)[:: -1 if turn % 2 else 1]:
            gc.collect()
            times[key].append(seconds(calls[key], n_calls[key]))
    return times


def ratios(times, ours, theirs):
    """Divide one call's seconds by another's, round by round."""
    return [a / b for a, b in zip(times[ours], times[theirs], strict=True)]


def print_header():
    """Print the head of a table of ratios."""
    print(f"{'measure':60}  ratio   of all pairs  at most")


def print_row(name, measured, limit=math.inf):
    """Print the median of several ratios; tell whether it is above its limit."""
    middle, lowest, highest = median(measured), min(measured), max(measured)
    # Two decimals, and three where two would say nothing.
    digits = 2 if middle >= 0.1 else 3
    spread = f"{lowest:.{digits}f} - {highest:.{digits}f}"
    bound = "" if math.isinf(limit) else f"{limit:.2f}"
    mark = "  missed" if middle > limit else ""
    row = f"{name:60}  {middle:5.{digits}f}  {spread:>13}  {bound:>7}{mark}"
    print(row.rstrip(), flush=True)
    return middle > limit


def report(rows):
    """Measure and print a table of ratios; tell whether a binding limit is missed."""
    print_header()
    missed = False
    for row in rows:
        is_missed = print_row(row.name, row.measure(), row.limit)
        missed |= is_missed and row.binding
    return missed


def read_options(doc, **flags):
    """Read the command line, and let torch use one thread.

    Parameters
    ----------
    doc : str
        Docstring of the script.

    **flags : str
        Help of every switch besides ``--check`` and ``--quick``.

    Returns
    -------
    options : argparse.Namespace
    """
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    flags = {
        "check": "exit with 1 where a number is above its limit",
        "quick": "small sizes, to see that it runs: the numbers mean little",
        **flags,
    }
    for flag, text in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=text)
    return parser.parse_args()
