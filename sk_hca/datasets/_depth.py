"""Depth per pixel: NYUD2-DIR, from a folder that the user has.

Two csv files without a header list pairs of files, image and depth map.  Maps to train
are 8-bit, 255 for 10 metres; maps to test are 16-bit, in millimetres.  A pixel of 0 was
not measured.
"""

import csv
import os

import numpy as np
from numpy.lib.format import read_array
from sklearn.utils import Bunch

from sk_hca.datasets._cells import check_size
from sk_hca.datasets._folder import (
    absolute_path,
    reading,
    require_file,
    require_files,
)

_MASK = "test_balanced_mask.npy"
_SHORT_SIDE = 240
_WINDOW = (228, 304)
_SOURCE = (
    "the repository YyzHarry/imbalanced-regression (folder nyud2-dir), which hands out "
    "its copy of the NYU Depth Dataset V2"
)
_DESCR = """\
NYUD2-DIR
=========

Depth of indoor scenes, in metres up to 10, with 50688 images to train and 654 to test;
there is no published validation split.  The mask chooses equally many test pixels per
0.1 m, from 0.7 m on.

Images: Silberman, Hoiem, Kohli and Fergus, "Indoor segmentation and support inference
from RGBD images", ECCV 2012; see the page of the NYU Depth Dataset V2 for its terms.
Split: Yang, Zha, Chen, Wang and Katabi, "Delving into deep imbalanced regression",
ICML 2021; repository YyzHarry/imbalanced-regression, MIT licence.
"""


def load_nyud2_dir(root, *, check_files=True):
    """Load the lists of NYUD2-DIR: depth maps of indoor scenes, from a local folder.

    Nothing is downloaded, and no image is opened: :func:`read_depth_maps` does that.

    Parameters
    ----------
    root : path
        The folder that holds ``nyu2_train.csv`` and ``nyu2_test.csv``, the folders
        ``nyu2_train`` and ``nyu2_test`` and, for balanced errors,
        ``test_balanced_mask.npy``.  The lists call this folder ``data``.

    check_files : bool, default=True
        Check that every listed image and depth map exists.

    Returns
    -------
    nyud2 : Bunch
        With the entries

        train, test : Bunch
            Each with ``data`` and ``target``, ndarrays of shape (n,) of str, absolute
            paths of the images and of their depth maps.
        val : None
            There is no published validation split.
        test_balanced_mask : ndarray of shape (n, 228, 304) of bool, or None
            True for the test pixels of a balanced error, on the maps that
            ``read_depth_maps(test.target, shape=(228, 304))`` gives; None where the
            folder has no such file.
        DESCR : str
            Meaning, sizes, sources and licences.

    Raises
    ------
    FileNotFoundError
        If a csv or a listed file is missing.

    ValueError
        If a row of a csv is no pair of paths, or the mask cannot be read or is not for
        as many maps as the list.

    References
    ----------
    Y. Yang, K. Zha, Y. Chen, H. Wang and D. Katabi, "Delving into deep imbalanced
    regression", ICML 2021.

    Examples
    --------
    >>> from sk_hca.datasets import load_nyud2_dir, read_depth_maps
    >>> scenes = load_nyud2_dir("nyud2-dir/data")  # doctest: +SKIP
    >>> read_depth_maps(scenes.train.target[:8]).shape  # doctest: +SKIP
    (8, 114, 152)
    """
    root = absolute_path(root)
    train_csv = require_file(root, "nyu2_train.csv", _SOURCE)
    test_csv = require_file(root, "nyu2_test.csv", _SOURCE)
    train, test = _read_pairs(root, train_csv), _read_pairs(root, test_csv)
    if check_files:
        for split in (train, test):
            require_files([*split.data.tolist(), *split.target.tolist()], _SOURCE)
    mask = _read_mask(os.path.join(root, _MASK), len(test.data))
    return Bunch(
        train=train, val=None, test=test, test_balanced_mask=mask, DESCR=_DESCR
    )


def read_depth_maps(paths, shape=(114, 152)):
    """Read depth maps of NYUD2-DIR, in metres.

    Maps are cut as the benchmark cuts them: the shorter side is brought to 240 pixels,
    the middle 228 x 304 pixels are kept and brought to `shape`.  The nearest pixel is
    taken each time, so that no depth is invented at an edge and none next to a hole.
    An image has to be cut to the same window.

    Parameters
    ----------
    paths : array-like of shape (n,) of path
        Files of the depth maps: 8-bit ones are to train, 16-bit ones are to test.

    shape : tuple (H, W), default=(114, 152)
        Shape of a map; (228, 304) is that of the mask for balanced errors.

    Returns
    -------
    depth : ndarray of shape (n, H, W), float32
        Depth in metres, NaN where it is missing.

    Raises
    ------
    ImportError
        If Pillow is not installed.

    FileNotFoundError
        If a file is missing.

    ValueError
        If `shape` is no pair of sizes, or a file is no depth map.

    See Also
    --------
    load_nyud2_dir : Gives the paths.

    Notes
    -----
    The authors' code leaves the last step to Pillow's default, which once was the
    nearest pixel and is now bicubic for 8-bit maps.

    Examples
    --------
    >>> from sk_hca.datasets import read_depth_maps
    >>> depth = read_depth_maps(["nyu2_test/00000_depth.png"])  # doctest: +SKIP
    >>> depth.shape  # doctest: +SKIP
    (1, 114, 152)
    """
    shape = check_size(shape)
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "read_depth_maps needs Pillow, which is not installed. "
            "Install it with: pip install 'sk-hca[vision]'."
        ) from error
    files = [os.fspath(path) for path in np.ravel(np.asarray(paths, dtype=object))]
    depth = np.empty((len(files), *shape), dtype=np.float32)
    for index, file in enumerate(files):
        with reading(file, "a depth map"), Image.open(file) as image:
            pixels, mode = np.asarray(image), image.mode
        metres = _as_metres(pixels, mode, file)
        rows, columns = _kept_pixels(metres.shape, shape, file)
        depth[index] = metres[np.ix_(rows, columns)]
    return depth


def _read_pairs(root, table):
    """Read the paths of images and depth maps; the lists call the root ``data``."""
    with (
        open(table, encoding="utf-8-sig", newline="") as lines,
        reading(table, "text in UTF-8"),
    ):
        rows = [row for row in csv.reader(lines) if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row):
            raise ValueError(
                f"{table} must have two columns, image and depth map, and no header; "
                f"found {row} in row {number}. Complete that row, or drop it."
            )
    if not rows:
        raise ValueError(f"{table} must list pairs of image and depth map; found none.")
    paths = np.array(
        [
            [absolute_path(root, path.removeprefix("data/")) for path in row]
            for row in rows
        ]
    )
    return Bunch(data=paths[:, 0].copy(), target=paths[:, 1].copy())


def _read_mask(path, n_maps):
    """Read the mask for balanced errors, None where there is none."""
    if not os.path.isfile(path):
        return None
    with reading(path, "an array in NumPy's format"), open(path, "rb") as file:
        mask = read_array(file).astype(bool)
    if mask.shape != (n_maps, *_WINDOW):
        raise ValueError(
            f"{path} must have the shape {(n_maps, *_WINDOW)}, a map for each row of "
            f"nyu2_test.csv; got {mask.shape}."
        )
    return mask


def _as_metres(pixels, mode, file):
    """Turn the pixels of a depth map into metres, NaN where nothing was measured."""
    if mode == "L":
        metres = pixels.astype(np.float32) / 255 * 10
    elif mode.startswith("I"):
        metres = pixels.astype(np.float32) / 1000
    else:
        raise ValueError(
            f"{file} must be a depth map with one channel of 8 or 16 bits; got one "
            f"of Pillow's mode {mode!r}."
        )
    return np.where(pixels > 0, metres, np.float32(np.nan))


def _kept_pixels(full, shape, file):
    """Rows and columns of the file that make up the map: its nearest pixels."""
    scaled = [size * _SHORT_SIDE // min(full) for size in full]
    if scaled[0] < _WINDOW[0] or scaled[1] < _WINDOW[1]:
        raise ValueError(
            f"{file} must be a landscape image of about 4 : 3, as 640 x 480 pixels; "
            f"got {full[1]} x {full[0]}."
        )
    kept = []
    for n_file, n_scaled, n_window, n_map in zip(
        full, scaled, _WINDOW, shape, strict=True
    ):
        start = round((n_scaled - n_window) / 2)
        inside = start + _nearest(n_window, n_map)
        kept.append(_nearest(n_file, n_scaled)[inside])
    return kept


def _nearest(n_given, n_wanted):
    """Index of the pixel below the middle of each wanted one, along an axis."""
    return ((np.arange(n_wanted) + 0.5) * n_given / n_wanted).astype(int)
