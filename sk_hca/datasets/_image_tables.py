"""Tables that name image files, checked before a training reads them."""

import os
import warnings

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import StrOptions, validate_params

from sk_hca.base import check_targets
from sk_hca.datasets._files import full_paths, opened
from sk_hca.datasets._folder import read_columns, require_columns

# So many files that are left out are named in a warning.
MOST_NAMED = 3


@validate_params(
    {
        "table": "no_validation",
        "path": [str],
        "target": [str],
        "root": [str, os.PathLike, None],
        "unreadable": [StrOptions({"raise", "skip"})],
    },
    prefer_skip_nested_validation=True,
)
def read_image_table(table, path, target, *, root=None, unreadable="raise"):
    """Read a table of image files and targets, and check every file.

    Every image is read once as a whole, so that no training stops at a broken one.

    Parameters
    ----------
    table : path of a CSV file, DataFrame, or dict of columns
        The table; a CSV file names its columns in the first line.

    path : str
        Name of the column that holds the paths.

    target : str
        Name of the column that holds the targets.

    root : path or None, default=None
        Folder that relative paths start from; None is the working directory.

    unreadable : {"raise", "skip"}, default="raise"
        What to do about a file that is missing or no image, or a row without a path:
        raise an error that names it, or leave the row out with a warning that counts
        them.

    Returns
    -------
    paths : ndarray of str of shape (n,)
        Paths from the root on, for :class:`ImageFiles` without a root.

    y : ndarray of shape (n,)
        Targets.

    Raises
    ------
    OSError
        If a file cannot be read, or a row has no path, and `unreadable` is "raise".

    ValueError
        If the table lacks a column, a target is no number, or no file can be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from sk_hca.datasets import read_image_table
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("ann.png", "bob.png"):
    ...         Image.new("RGB", (8, 8)).save(f"{folder}/{name}")
    ...     table = {"face": ["ann.png", "bob.png"], "age": [31, 8]}
    ...     paths, ages = read_image_table(table, "face", "age", root=folder)
    >>> len(paths), ages
    (2, array([31.,  8.]))
    """
    if isinstance(table, str | os.PathLike):
        paths, y = read_columns(table, [path, target])
    else:
        require_columns("The table", [path, target], table)
        paths, y = table[path], table[target]
    stops = unreadable == "raise"
    paths, y = full_paths(paths_of(paths, path, stops), root), targets_of(y, target)
    check_consistent_length(paths, y)
    broken = broken_files(paths, stops)
    if broken.any():
        tell_broken(paths[broken], len(paths))
    return paths[~broken], y[~broken]


def paths_of(column, name, stops):
    """Return a column of paths, empty texts where one is missing; or stop there."""
    paths = [path if isinstance(path, str | os.PathLike) else "" for path in column]
    if stops and "" in paths:
        i = paths.index("")
        raise OSError(
            f"Column {name!r} must hold a path in every row; got {list(column)[i]!r} "
            f"at position {i}. Fill it in, or drop it: unreadable='skip' drops all "
            "such rows."
        )
    return paths


def targets_of(column, name):
    """Return a column of targets as numbers."""
    try:
        return check_targets(column, name=f"Column {name!r}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {name!r} must hold numbers: {error}") from error


def broken_files(paths, stops):
    """Read every image as a whole, and tell which cannot be read; or stop there."""
    broken = np.zeros(len(paths), dtype=bool)
    for i, path in enumerate(paths):
        try:
            with opened(path) as image:
                image.load()
        except OSError:
            if stops:
                raise
            broken[i] = True
    return broken


def tell_broken(paths, n_files):
    """Warn of files that are left out, or refuse when no other is there."""
    named = ", ".join(repr(str(path)) for path in paths[:MOST_NAMED])
    if len(paths) > MOST_NAMED:
        named += f" and {len(paths) - MOST_NAMED} more"
    if len(paths) == n_files:
        raise ValueError(f"No image of the table can be read: {named}. Check root.")
    warnings.warn(
        f"{len(paths)} of {n_files} images cannot be read and are left out: {named}.",
        UserWarning,
        stacklevel=4,
    )
