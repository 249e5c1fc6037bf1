"""Counts of every cell of an image: targets of a network that counts by maps."""

from numbers import Integral

import numpy as np


def local_counts(points, shape, stride):
    """Count the points in every cell of an image.

    A cell holds its left and upper border, so that every point is counted once: the
    counts of all cells add up to the number of points, and an image that is cropped
    between cells has the crop of the counts.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Points (x, y) in pixels from the upper left corner, such as
        :func:`load_shanghaitech` gives.

    shape : tuple (H, W)
        Height and width of the image, in pixels.

    stride : int
        Height and width of a cell, in pixels.

    Returns
    -------
    counts : ndarray of shape (ceil(H / stride), ceil(W / stride)), float64
        Cells at the right and lower end may be cut by the image.

    Raises
    ------
    ValueError
        If points have another shape, or one is outside the image.

    Examples
    --------
    >>> from sk_hca.datasets import local_counts
    >>> local_counts([(0, 0), (5, 0), (7.5, 3)], shape=(4, 8), stride=4)
    array([[1., 2.]])
    """
    height, width = _check_sizes(shape, stride)
    points = np.asarray(points, dtype=np.float64)
    if points.size and (points.ndim != 2 or points.shape[1] != 2):
        raise ValueError(
            f"points must be of shape (n_points, 2); got {points.shape}. Give one row "
            "(x, y) per point."
        )
    points = points.reshape(-1, 2)  # No points may come as [].
    is_inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    if not is_inside.all():
        at = int(np.argmin(is_inside))
        raise ValueError(
            f"Points must lie in the image, 0 <= x < {width} and 0 <= y < {height}; "
            f"{len(points) - is_inside.sum()} of {len(points)} do not, the first is "
            f"point {at}, {tuple(points[at].tolist())}. Drop or move them."
        )
    column, row = (points // stride).astype(int).T
    n_rows, n_columns = -(-height // stride), -(-width // stride)
    counts = np.bincount(row * n_columns + column, minlength=n_rows * n_columns)
    return counts.reshape(n_rows, n_columns).astype(np.float64)


def local_sums(density, stride):
    """Add up a density map in every cell.

    Parameters
    ----------
    density : array-like of shape (H, W) or (n, H, W)
        How many there are of what is counted, in every pixel.

    stride : int
        Height and width of a cell, in pixels.

    Returns
    -------
    counts : ndarray of shape (ceil(H / stride), ceil(W / stride)) or (n, ...), float64
        They add up to the sum of the density.

    See Also
    --------
    local_counts : The same for points.

    Examples
    --------
    >>> from sk_hca.datasets import local_sums
    >>> local_sums([[1, 0, 0.5], [0, 2, 0.5]], stride=2)
    array([[3., 1.]])
    """
    density = np.asarray(density, dtype=np.float64)
    if density.ndim not in (2, 3):
        raise ValueError(
            "density must be one map (H, W) or several (n, H, W); got shape "
            f"{density.shape}."
        )
    height, width = _check_sizes(density.shape[-2:], stride)
    rows = np.add.reduceat(density, np.arange(0, height, stride), axis=-2)
    return np.add.reduceat(rows, np.arange(0, width, stride), axis=-1)


def _check_sizes(shape, stride):
    """Check the size of an image and of a cell."""
    if not isinstance(stride, Integral) or int(stride) < 1:
        raise ValueError(f"stride must be a positive integer; got {stride!r}.")
    return check_size(shape)


def check_size(shape):
    """Check the size of an image."""
    if np.shape(shape) != (2,) or not all(
        isinstance(n, Integral) and int(n) > 0 for n in shape
    ):
        raise ValueError(
            f"shape must be (height, width), two positive integers; got {shape!r}."
        )
    return shape
