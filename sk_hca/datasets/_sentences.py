"""Similarity of sentences: STS-B-DIR, from a folder that the user has.

Three tsv files, one per split, whose lines are read raw: a quotation mark is a letter
like any other, and often stands alone.
"""

import warnings

import numpy as np
from sklearn.utils import Bunch

from sk_hca.datasets._folder import (
    absolute_path,
    finite_number,
    reading,
    require_columns,
    require_file,
)

_COLUMNS = ["sentence1", "sentence2", "score"]
_SOURCE = (
    "the repository YyzHarry/imbalanced-regression (folder sts-b-dir/glue_data/STS-B)"
)
_DESCR = """\
STS-B-DIR
=========

Similarity of two sentences as people judged it, 0 (unrelated) to 5 (the same meaning),
with 5249 pairs to train, 1000 to validate and 1000 to test.  Validation and test hold
50 pairs from each of 20 equal ranges of the score.

Sentences: Cer, Diab, Agirre, Lopez-Gazpio and Specia, "SemEval-2017 task 1: semantic
textual similarity", SemEval 2017, as handed out by GLUE; gathered from sources with
terms of their own.
Split: Yang, Zha, Chen, Wang and Katabi, "Delving into deep imbalanced regression",
ICML 2021; repository YyzHarry/imbalanced-regression, MIT licence.
"""


def load_sts_b_dir(root):
    """Load STS-B-DIR: the similarity of 7249 pairs of sentences, from a local folder.

    Nothing is downloaded.

    Parameters
    ----------
    root : path
        The folder that holds ``train_new.tsv``, ``dev_new.tsv`` and ``test_new.tsv``.

    Returns
    -------
    sts_b : Bunch
        With the entries

        train, val, test : Bunch
            Each with ``data``, ndarray of shape (n, 2) of object, the two sentences as
            str, and ``target``, ndarray of shape (n,), the score, 0 to 5.
        DESCR : str
            Meaning, sizes, sources and licences.

    Raises
    ------
    FileNotFoundError
        If one of the three files is missing.

    ValueError
        If a file has other columns, or no pair of sentences.

    Warns
    -----
    UserWarning
        If lines were skipped: those with fewer fields than the header, a sentence that
        is blank, or a score that is empty or no finite number.  The authors' code skips
        the same, but for NaN and infinity; the files they released have no such line.

    References
    ----------
    Y. Yang, K. Zha, Y. Chen, H. Wang and D. Katabi, "Delving into deep imbalanced
    regression", ICML 2021.

    Examples
    --------
    >>> from sk_hca.datasets import load_sts_b_dir
    >>> pairs = load_sts_b_dir("sts-b-dir/glue_data/STS-B")  # doctest: +SKIP
    >>> pairs.train.data.shape, pairs.train.target.shape  # doctest: +SKIP
    ((5249, 2), (5249,))
    """
    root = absolute_path(root)
    names = {"train": "train_new.tsv", "val": "dev_new.tsv", "test": "test_new.tsv"}
    paths = {split: require_file(root, name, _SOURCE) for split, name in names.items()}
    sts_b = Bunch(DESCR=_DESCR)
    for split, path in paths.items():
        sts_b[split] = _read_pairs(path)
    return sts_b


def _read_pairs(path):
    """Read the pairs and scores of one split."""
    with open(path, encoding="utf-8-sig") as table, reading(path, "text in UTF-8"):
        header, *lines = [line.strip().split("\t") for line in table] or [[]]
    require_columns(path, _COLUMNS, header)
    places = [header.index(column) for column in _COLUMNS]
    pairs, scores, skipped = [], [], []
    for number, fields in enumerate(lines, start=2):
        try:
            first, second, score = (fields[place] for place in places)
            scores.append(_checked_score(first, second, score))
        except (IndexError, ValueError):
            skipped.append(number)
        else:
            pairs.append([first, second])
    if skipped:
        warnings.warn(
            f"{path}: skipped {len(skipped)} of {len(lines)} lines, the first of them "
            f"line {skipped[0]}, which lack a sentence or a score.",
            stacklevel=3,
        )
    if not pairs:
        raise ValueError(f"{path} must hold pairs of sentences; found none.")
    return Bunch(data=np.array(pairs, dtype=object), target=np.array(scores))


def _checked_score(first, second, score):
    """Score of a pair as a number; a blank sentence or a bad score is a ValueError."""
    if not first.strip() or not second.strip():
        raise ValueError("A sentence is blank.")
    return finite_number(score)
