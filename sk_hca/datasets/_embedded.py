"""Real data that travels with the package: nothing is downloaded.

Each loader returns a :class:`sklearn.utils.Bunch`, like the loaders of scikit-learn,
and its ``DESCR`` names the source and the licence.
"""

import csv
import gzip
from importlib import resources

import numpy as np
from sklearn.utils import Bunch

_ABALONE_MEASUREMENTS = [
    "length",
    "diameter",
    "height",
    "whole_weight",
    "shucked_weight",
    "viscera_weight",
    "shell_weight",
]
_ABALONE_SEXES = ["F", "I", "M"]


def load_abalone(*, return_X_y=False, as_frame=False):
    """Load the abalone table: the age of a sea snail, in shell rings.

    A real table whose target is rare at both ends: of 4177 animals, most have 7 to 12
    rings (73 %), and 36 have more than 20.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Return a pandas DataFrame and Series instead of arrays; needs pandas.

    Returns
    -------
    abalone : Bunch
        With the entries

        data : ndarray of shape (4177, 10)
            Seven measurements, then the sex one-hot as ``sex_F``, ``sex_I`` (infant)
            and ``sex_M``; a DataFrame if `as_frame`.
        target : ndarray of shape (4177,)
            Number of rings, 1 to 29; a Series if `as_frame`.
        feature_names : list of str
            Names of the ten columns.
        target_names : list of str
            Name of the target, ``["rings"]``.
        frame : DataFrame of shape (4177, 11) or None
            Data and target together, if `as_frame`.
        DESCR : str
            Meaning of the columns, source, licence, and what was changed.

    (data, target) : tuple
        If `return_X_y`.

    Notes
    -----
    Nash, Sellers, Talbot, Cawthorn and Ford, "Abalone", UCI Machine Learning
    Repository, 1994, doi:10.24432/C55C7W, licensed CC BY 4.0.

    Examples
    --------
    >>> from sk_hca.datasets import load_abalone
    >>> abalone = load_abalone()
    >>> abalone.data.shape
    (4177, 10)
    >>> int(abalone.target.min()), int(abalone.target.max())
    (1, 29)
    """
    rows = _read_rows("abalone.csv.gz")
    sex = np.array([row[0] for row in rows])
    numbers = np.array([row[1:] for row in rows], dtype=np.float64)
    one_hot = (sex[:, np.newaxis] == _ABALONE_SEXES).astype(np.float64)
    data = np.hstack([numbers[:, :-1], one_hot])
    target = numbers[:, -1].copy()
    names = _ABALONE_MEASUREMENTS + [f"sex_{letter}" for letter in _ABALONE_SEXES]
    frame = None
    if as_frame:
        frame = _make_frame(data, target, names, "rings")
        data, target = frame[names], frame["rings"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=names,
        target_names=["rings"],
        DESCR=_data_file("abalone.txt").read_text(encoding="utf-8"),
    )


def _data_file(name):
    return resources.files("sk_hca.datasets").joinpath("data", name)


def _read_rows(name):
    """Read the rows of a compressed table, without its header."""
    with _data_file(name).open("rb") as packed, gzip.open(packed, "rt") as table:
        return list(csv.reader(table))[1:]


def _make_frame(data, target, feature_names, target_name):
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "as_frame=True needs pandas, which is not installed. "
            "Install it with: pip install 'sk-hca[data]', or leave as_frame=False."
        ) from error
    return pd.DataFrame(data, columns=feature_names).assign(**{target_name: target})
