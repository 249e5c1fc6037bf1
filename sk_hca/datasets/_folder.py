"""Folders of benchmarks: what must be there, and what to say when it is not.

The *root* of a benchmark is the folder that holds its list (a csv or tsv file).  Paths
are made absolute by :func:`absolute_path` and stay strings, since there may be hundreds
of thousands of them.  Nothing is downloaded: a message names the missing file, where it
belongs, and who hands it out (its *source*).
"""

import csv
import math
import os
from contextlib import contextmanager


def absolute_path(root, path=""):
    """Place a path of a list, which has ``/`` between its parts, in its root."""
    root = os.path.expanduser(os.fspath(root))
    return os.path.abspath(os.path.join(root, path))


def require_file(root, name, source):
    """Path of a file that must lie in the root of a benchmark."""
    path = os.path.join(root, name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{name} is missing: it belongs in {root}, and comes with {source}."
        )
    return path


def require_folder(parent, names, source):
    """Path of a folder that must lie in another, under one of its names."""
    for name in names:
        path = os.path.join(parent, name)
        if os.path.isdir(path):
            return path
    raise FileNotFoundError(
        f"The folder {' or '.join(names)} is missing: it belongs in {parent}, "
        f"and comes with {source}."
    )


def require_files(paths, source):
    """Check that all files of a list exist, by one look at each of their folders."""
    folders: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = set(names_in(folder))
        if name not in folders[folder]:
            missing.append(path)
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} files are missing, the first of them "
            f"{missing[0]}: put them there; they come with {source}."
        )


def names_in(folder):
    """Names of the files in a folder, none where there is no such folder."""
    if not os.path.isdir(folder):
        return []
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_file()]


def require_columns(path, expected, found):
    """Check that a table has the columns that are read from it."""
    if not set(expected) <= set(found):
        raise ValueError(
            f"{path} must have the columns {', '.join(expected)}; "
            f"found {', '.join(map(str, found)) or 'none'}."
        )


def read_columns(path, columns):
    """Read some columns of a csv file with a header, each as a list of texts."""
    with open(path, encoding="utf-8-sig", newline="") as table:
        reader = csv.DictReader(table)
        with reading(path, "text in UTF-8"):
            rows, names = list(reader), reader.fieldnames
    require_columns(path, columns, names or [])
    return [[row[column] for row in rows] for column in columns]


def finite_number(text):
    """Read a number; what is none, NaN or infinite is a ValueError."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not finite.")
    return number


@contextmanager
def reading(path, expected):
    """Name a file, and what it must be, in whatever goes wrong when it is decoded."""
    try:
        yield
    except (MemoryError, FileNotFoundError, PermissionError):
        raise  # What the file holds is not at fault.
    except Exception as error:  # Readers raise many kinds for a broken file.
        raise ValueError(
            f"{path} must be {expected}, but cannot be read: {error}. Replace the file."
        ) from error
