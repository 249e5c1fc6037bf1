"""Heads in crowds: ShanghaiTech parts A and B, from a folder that the user has.

Every image ``IMG_<number>.jpg`` has a file ``GT_IMG_<number>.mat`` of points, one per
head.  Copies of the dataset differ in the names of two folders; all are known here.
"""

import os
import re

import numpy as np
from scipy.io import loadmat
from sklearn.utils import Bunch

from sk_hca.datasets._folder import (
    absolute_path,
    names_in,
    reading,
    require_files,
    require_folder,
)

_SOURCE = "the ShanghaiTech dataset (Zhang et al., CVPR 2016)"
_DESCR = """\
ShanghaiTech, part {part}
====================

Heads in photographs of crowds, each a point.  Part A has 300 images to train and 182 to
test, of dense crowds from the web, of many sizes; part B has 400 and 316, of streets of
Shanghai, 1024 x 768 pixels.  There is no published validation split.

Zhang, Zhou, Chen, Gao and Ma, "Single-image crowd counting via multi-column
convolutional neural network", CVPR 2016; see the authors' page for its terms.
"""


def load_shanghaitech(root, part="A"):
    """Load the images and points of ShanghaiTech: heads in crowds, from a local folder.

    Nothing is downloaded, and no image is opened.

    Parameters
    ----------
    root : path
        The folder that holds ``part_A`` and ``part_B``, which may also be called
        ``part_A_final`` and ``part_B_final``.  In them are ``train_data`` and
        ``test_data``, and in these ``images`` and ``ground-truth`` or ``ground_truth``.

    part : {"A", "B"}, default="A"
        Dense crowds from the web, or streets of Shanghai.

    Returns
    -------
    shanghaitech : Bunch
        With the entries

        train, test : Bunch
            Each with ``data``, ndarray of shape (n,) of str, absolute paths of the
            images in the order of their numbers, and ``target``, ndarray of shape (n,)
            of object: for every image an ndarray of shape (n_points, 2) of heads
            (x, y), in pixels from the upper left corner.
        val : None
            There is no published validation split.
        DESCR : str
            Meaning, sizes, source and terms.

    Raises
    ------
    FileNotFoundError
        If a folder, an image or the points of an image are missing.

    ValueError
        If `part` is another, or a file holds no points.

    References
    ----------
    Y. Zhang, D. Zhou, S. Chen, S. Gao and Y. Ma, "Single-image crowd counting via
    multi-column convolutional neural network", CVPR 2016.

    Examples
    --------
    >>> from sk_hca.datasets import load_shanghaitech
    >>> crowds = load_shanghaitech("ShanghaiTech", part="B")  # doctest: +SKIP
    >>> counts = [len(points) for points in crowds.train.target]  # doctest: +SKIP
    >>> len(counts)  # doctest: +SKIP
    400
    """
    if part not in ("A", "B"):
        raise ValueError(f"part must be 'A' or 'B'; got {part!r}.")
    root = absolute_path(root)
    folder = require_folder(root, [f"part_{part}", f"part_{part}_final"], _SOURCE)
    train = _read_crowds(require_folder(folder, ["train_data"], _SOURCE))
    test = _read_crowds(require_folder(folder, ["test_data"], _SOURCE))
    return Bunch(train=train, val=None, test=test, DESCR=_DESCR.format(part=part))


def _read_crowds(folder):
    """Read paths and points of one split, in the order of the images' numbers."""
    images = require_folder(folder, ["images"], _SOURCE)
    truths = require_folder(folder, ["ground-truth", "ground_truth"], _SOURCE)
    numbers = sorted(
        _numbers(images, r"IMG_(\d+)\.jpg") | _numbers(truths, r"GT_IMG_(\d+)\.mat")
    )
    if not numbers:
        raise FileNotFoundError(
            f"IMG_1.jpg and the images after it are missing: they belong in {images}, "
            f"and come with {_SOURCE}."
        )
    data = [os.path.join(images, f"IMG_{number}.jpg") for number in numbers]
    files = [os.path.join(truths, f"GT_IMG_{number}.mat") for number in numbers]
    require_files(data + files, _SOURCE)
    target = np.empty(len(files), dtype=object)
    for index, file in enumerate(files):
        target[index] = _read_points(file)
    return Bunch(data=np.array(data), target=target)


def _numbers(folder, pattern):
    """Numbers of the files in a folder whose names follow a pattern."""
    matches = (re.fullmatch(pattern, name) for name in names_in(folder))
    return {int(match[1]) for match in matches if match}


def _read_points(file):
    """Read the (x, y) points of one image."""
    expected = "a MATLAB file before v7.3 with points in image_info{1}.location"
    with reading(file, expected):
        points = np.asarray(loadmat(file)["image_info"][0, 0]["location"][0, 0], float)
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"{file} must hold points of shape (n_points, 2); got {points.shape}."
        )
    return points
