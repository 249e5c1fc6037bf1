"""Ages of faces: IMDB-WIKI-DIR and AgeDB-DIR, from folders that the user has.

Both come as a csv with the columns ``age``, ``path`` and ``split``; paths are relative
to the folder that holds it.  The splits are those of Yang et al. (2021): validation and
test hold about equally many images of every age, training is left imbalanced.
"""

import os

import numpy as np
from sklearn.utils import Bunch

from sk_hca.datasets._folder import (
    absolute_path,
    finite_number,
    names_in,
    read_columns,
    require_file,
    require_files,
)

_SPLITS = ["train", "val", "test"]

_IMDB_WIKI_SOURCE = (
    "the repository YyzHarry/imbalanced-regression (folder imdb-wiki-dir), the images "
    "with the IMDB-WIKI project of ETH Zurich"
)
_IMDB_WIKI_DESCR = """\
IMDB-WIKI-DIR
=============

Ages of celebrities' faces, with 191509 images to train, 11022 to validate and 11022 to
test.  Ages are whole years, from the dates of birth and of the photograph; some are
wrong, as those above 120.

Images: Rothe, Timofte and Van Gool, "Deep expectation of real and apparent age from a
single image without facial landmarks", IJCV 126, 2018; for academic research only.
Split: Yang, Zha, Chen, Wang and Katabi, "Delving into deep imbalanced regression",
ICML 2021; repository YyzHarry/imbalanced-regression, MIT licence.
"""

_AGEDB_SOURCE = (
    "the repository YyzHarry/imbalanced-regression (folder agedb-dir), the images with "
    "the AgeDB project of Imperial College London, which gives the password on request"
)
_AGEDB_DESCR = """\
AgeDB-DIR
=========

Ages of famous people in photographs of all kinds, with 12208 images to train, 2140 to
validate and 2140 to test.  Ages are whole years, 1 to 101.

Images: Moschoglou, Papaioannou, Sagonas, Deng, Kotsia and Zafeiriou, "AgeDB: the first
manually collected, in-the-wild age database", CVPR workshops 2017; for non-commercial
research, on request.
Split: Yang, Zha, Chen, Wang and Katabi, "Delving into deep imbalanced regression",
ICML 2021; repository YyzHarry/imbalanced-regression, MIT licence.
"""


def load_imdb_wiki_dir(root, *, check_files=True):
    """Load the list of IMDB-WIKI-DIR: ages of 213553 faces, from a local folder.

    Nothing is downloaded, and no image is opened.

    Parameters
    ----------
    root : path
        The folder that holds ``imdb_wiki.csv``, and beside it the folders ``imdb_crop``
        and ``wiki_crop`` of images.

    check_files : bool, default=True
        Check that every listed image exists.

    Returns
    -------
    imdb_wiki : Bunch
        With the entries

        train, val, test : Bunch
            Each with ``data``, ndarray of shape (n,) of str, absolute paths of the
            images, and ``target``, ndarray of shape (n,), ages in years.
        DESCR : str
            Meaning, sizes, sources and licences.

    Raises
    ------
    FileNotFoundError
        If the csv or a listed image is missing.

    ValueError
        If the csv has other columns, a row without a path, an age that is no finite
        number, or other splits.

    See Also
    --------
    load_agedb_dir : Fewer faces, cleaner ages.

    References
    ----------
    Y. Yang, K. Zha, Y. Chen, H. Wang and D. Katabi, "Delving into deep imbalanced
    regression", ICML 2021.

    Examples
    --------
    >>> from sk_hca.datasets import load_imdb_wiki_dir
    >>> faces = load_imdb_wiki_dir("imdb-wiki-dir/data")  # doctest: +SKIP
    >>> faces.train.target.shape  # doctest: +SKIP
    (191509,)
    """
    root = absolute_path(root)
    table = require_file(root, "imdb_wiki.csv", _IMDB_WIKI_SOURCE)
    images, ages, splits = _read_faces(root, table)
    if check_files:
        require_files(images, _IMDB_WIKI_SOURCE)
    return _split_faces(images, ages, splits, _IMDB_WIKI_DESCR)


def load_agedb_dir(root, *, check_files=True):
    """Load the list of AgeDB-DIR: ages of 16488 faces, from a local folder.

    Nothing is downloaded, and no image is opened.

    Parameters
    ----------
    root : path
        The folder that holds ``agedb.csv``, and beside it the folder ``AgeDB`` of
        images.

    check_files : bool, default=True
        Check that every listed image exists.

    Returns
    -------
    agedb : Bunch
        With the entries

        train, val, test : Bunch
            Each with ``data``, ndarray of shape (n,) of str, absolute paths of the
            images, and ``target``, ndarray of shape (n,), ages in years.
        DESCR : str
            Meaning, sizes, sources and licences.

    Raises
    ------
    FileNotFoundError
        If the csv or a listed image is missing.

    ValueError
        If the csv has other columns, a row without a path, an age that is no finite
        number, or other splits.

    See Also
    --------
    load_imdb_wiki_dir : More faces, noisier ages.

    Notes
    -----
    Some names have accents, which the csv spells as one program unpacked them and other
    programs spell otherwise.  Those images are found by the number that every name
    begins with.

    References
    ----------
    Y. Yang, K. Zha, Y. Chen, H. Wang and D. Katabi, "Delving into deep imbalanced
    regression", ICML 2021.

    Examples
    --------
    >>> from sk_hca.datasets import load_agedb_dir
    >>> faces = load_agedb_dir("agedb-dir/data")  # doctest: +SKIP
    >>> faces.train.target.shape  # doctest: +SKIP
    (12208,)
    """
    root = absolute_path(root)
    table = require_file(root, "agedb.csv", _AGEDB_SOURCE)
    images, ages, splits = _read_faces(root, table)
    images = _spell_as_on_disk(images)
    if check_files:
        require_files(images, _AGEDB_SOURCE)
    return _split_faces(images, ages, splits, _AGEDB_DESCR)


def _read_faces(root, table):
    """Read paths, ages and splits, row by row."""
    written, paths, splits = read_columns(table, ["age", "path", "split"])
    ages = []
    for number, (age, path) in enumerate(zip(written, paths, strict=True), start=1):
        if not path:
            raise ValueError(
                f"The column path of {table} must name an image in every row; it is "
                f"empty in row {number}. Complete that row, or drop it."
            )
        try:
            ages.append(finite_number(age))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The column age of {table} must hold finite numbers; got {age!r} in "
                f"row {number}, for {path}."
            ) from error
    if set(splits) != set(_SPLITS):
        raise ValueError(
            f"The column split of {table} must hold train, val and test, and nothing "
            f"else; found {sorted(set(splits), key=str)}."
        )
    return [absolute_path(root, path) for path in paths], ages, splits


def _split_faces(images, ages, splits, description):
    images, ages, splits = np.array(images), np.array(ages), np.array(splits)
    parts = {
        split: Bunch(data=images[splits == split], target=ages[splits == split])
        for split in _SPLITS
    }
    return Bunch(**parts, DESCR=description)


def _spell_as_on_disk(paths):
    """Replace names beyond ASCII by those on disk that begin with the same number."""
    spelled = list(paths)
    folders: dict[str, dict[str, str]] = {}
    for index, path in enumerate(paths):
        folder, name = os.path.split(path)
        if name.isascii():
            continue
        if folder not in folders:
            folders[folder] = {other.split("_")[0]: other for other in names_in(folder)}
        found = folders[folder].get(name.split("_")[0], name)
        spelled[index] = os.path.join(folder, found)
    return spelled
