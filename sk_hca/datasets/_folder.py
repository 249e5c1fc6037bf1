"""Folders of benchmarks: what must be there, and what to say when it is not.

The *root* of a benchmark is the folder that holds its list (a csv or tsv file).  Paths
are made absolute by :func:`absolute_path` and stay strings, since there may be hundreds
of thousands of them.  Nothing is downloaded: a message names the missing file, where it
belongs, and who hands it out (its *source*).
"""

import csv
import os


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
    """Names of what lies in a folder, none where there is no such folder."""
    return os.listdir(folder) if os.path.isdir(folder) else []


def require_columns(path, expected, found):
    """Check that a table has the columns that are read from it."""
    if not set(expected) <= set(found):
        raise ValueError(
            f"{path} must have the columns {', '.join(expected)}; "
            f"found {', '.join(found) or 'none'}."
        )


def read_columns(path, columns):
    """Read some columns of a csv file with a header, each as a list of texts."""
    with open(path, encoding="utf-8-sig", newline="") as table:
        reader = csv.DictReader(table)
        require_columns(path, columns, reader.fieldnames or [])
        rows = list(reader)
    return [[row[column] for row in rows] for column in columns]
