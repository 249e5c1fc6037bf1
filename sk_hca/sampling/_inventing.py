"""Invent samples: between two neighbours, or around one.

Rows of a table are named by their places in it.  Targets are invented with the inputs,
and both are kept within the ranges that were seen.
"""

from dataclasses import dataclass

import numpy as np

from sk_hca.sampling._tables import paired_distances


@dataclass(frozen=True)
class Invented:
    """Invented samples: numbers, rows that categories come from, targets.

    Parameters
    ----------
    numbers : ndarray of shape (n_new, n_numeric)
        In the units of their columns.

    sources : ndarray of shape (n_new, n_categorical)
        Row of the table that each categorical value is taken from.

    targets : ndarray of shape (n_new,)
        In the unit of the data.
    """

    numbers: np.ndarray
    sources: np.ndarray
    targets: np.ndarray


def draw_seeds(n_rows, n_new, generator):
    """Let every row be the seed of as many new ones, up to one."""
    rest = generator.permutation(n_rows)[: n_new % n_rows]
    return np.concatenate([np.tile(np.arange(n_rows), n_new // n_rows), rest])


def interpolate(table, y, seeds, partners, generator):
    r"""Invent a sample between each seed and its partner (SMOTER).

    Parameters
    ----------
    table : Table
        Inputs.

    y : ndarray of shape (n,)
        Targets.

    seeds, partners : ndarray of shape (n_new,)
        Rows of the table.

    generator : RandomState
        Source of the draws.

    Returns
    -------
    invented : Invented
        Numbers lie anywhere between those of both rows, each on its own; categories
        come from either; the target is the mean of both, weighed by how near they are:
        :math:`(d_2 y_1 + d_1 y_2) / (d_1 + d_2)`.
    """
    first, second = table.numbers[seeds], table.numbers[partners]
    numbers = first + generator.uniform(size=first.shape) * (second - first)
    shape = (len(seeds), table.codes.shape[1])
    is_first = generator.uniform(size=shape) < 0.5
    sources = np.where(is_first, seeds[:, None], partners[:, None])
    codes = np.take_along_axis(table.codes, sources, axis=0)
    new = table.scaled(numbers, codes)
    to_first, to_second = (
        paired_distances(new, table.scaled(table.numbers[rows], table.codes[rows]))
        for rows in (seeds, partners)
    )
    total = to_first + to_second
    # Two rows of equal inputs: the new one is as near to either.
    share = np.where(total > 0, to_first, 0.5) / np.where(total > 0, total, 1.0)
    return Invented(numbers, sources, y[seeds] + share * (y[partners] - y[seeds]))


def perturb(table, y, rows, seeds, givers, width, generator):
    """Invent a sample around each seed by Gaussian noise.

    Parameters
    ----------
    table : Table
        Inputs.

    y : ndarray of shape (n,)
        Targets.

    rows : ndarray of shape (n_rows,)
        The region, whose standard deviations scale the noise.

    seeds : ndarray of shape (n_new,)
        Rows of the table.

    givers : ndarray of shape (n_new, n_givers)
        Rows that categories are drawn from.

    width : ndarray of shape (n_new,)
        Standard deviation of the noise, in those of the region.

    generator : RandomState
        Source of the draws.

    Returns
    -------
    invented : Invented
    """
    spread = width[:, None] * table.numbers[rows].std(axis=0)
    numbers = table.numbers[seeds]
    numbers = numbers + spread * generator.standard_normal(numbers.shape)
    drawn = generator.randint(givers.shape[1], size=(len(seeds), table.codes.shape[1]))
    targets = y[seeds] + width * y[rows].std() * generator.standard_normal(len(seeds))
    return Invented(numbers, np.take_along_axis(givers, drawn, axis=1), targets)


def join(invented):
    """Put lists of invented samples below one another."""
    parts = ("numbers", "sources", "targets")
    return Invented(
        *(np.concatenate([getattr(each, part) for each in invented]) for part in parts)
    )


def where(condition, first, second):
    """Take each sample from the first list where the condition holds, or the second."""
    column = condition[:, None]
    return Invented(
        np.where(column, first.numbers, second.numbers),
        np.where(column, first.sources, second.sources),
        np.where(condition, first.targets, second.targets),
    )


def nothing(table):
    """Invent no sample of a table."""
    n_categorical = table.codes.shape[1]
    return Invented(
        table.numbers[:0], np.empty((0, n_categorical), dtype=int), np.empty(0)
    )


def within_range(invented, table, y):
    """Keep numbers within the range of their column, targets within that of `y`."""
    low, high = table.numbers.min(axis=0), table.numbers.max(axis=0)
    return Invented(
        invented.numbers.clip(low, high),
        invented.sources,
        invented.targets.clip(y.min(), y.max()),
    )
