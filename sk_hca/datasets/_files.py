"""Images that lie in files, and are read when they are needed.

An image is bytes of shape ``(H, W, 3)``, or ``(H, W)`` where it is grey.  A size is
``(height, width)``, here as everywhere; Pillow's own is the other way round, and stays
inside of this file.
"""

import os
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data


class ImageFiles(TransformerMixin, BaseEstimator):
    """Turn paths into images that are read when they are needed.

    For images that do not fit into memory, or that a table names: a first step before
    an estimator with a backbone for images, which then takes paths wherever
    scikit-learn takes data.

    Parameters
    ----------
    size : (height, width) or None, default=None
        What every image is brought to, by bilinear interpolation that does not alias;
        None keeps them as they are, and they must all be of one size.

    mode : {"RGB", "L"}, default="RGB"
        Colour, or grey.

    root : path or None, default=None
        Folder that relative paths start from; None is the working directory.

    column : str or None, default=None
        Column of a DataFrame that holds the paths; None takes the only one.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns that are read, 1.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column, where `fit` has seen a DataFrame.

    See Also
    --------
    read_image_table : Paths and targets of a table, without the files that are broken.

    Notes
    -----
    An image is taken as it is stored: what its metadata say of a rotation is not
    applied.  Grey images of 16 or 32 bits are refused, since bytes would cut them off.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from sk_hca.datasets import ImageFiles
    >>> with TemporaryDirectory() as folder:
    ...     for grey in (0, 80, 255):
    ...         Image.new("L", (12, 9), grey).save(f"{folder}/{grey}.png")
    ...     files = ImageFiles(size=(6, 8), mode="L", root=folder)
    ...     images = files.fit_transform(["0.png", "80.png", "255.png"])
    ...     print(images.shape, images[1].mean())
    (3, 6, 8) 80.0
    """

    _parameter_constraints: dict = {
        "size": [tuple, list, None],
        "mode": [StrOptions({"RGB", "L"})],
        "root": [str, os.PathLike, None],
        "column": [str, None],
    }

    def __init__(self, size=None, *, mode="RGB", root=None, column=None):
        self.size = size
        self.mode = mode
        self.root = root
        self.column = column

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check parameters and paths; there is nothing to learn, and no file is opened.

        Parameters
        ----------
        X : array-like of shape (n,) or (n, 1), Series or DataFrame
            Paths.

        y : None
            Not used.

        Returns
        -------
        self : ImageFiles
        """
        check_size(self.size)
        self._paths_in(X, reset=True)
        return self

    def transform(self, X):
        """Give images that are read when they are needed.

        Every file is opened, but no more than its header is read.

        Parameters
        ----------
        X : array-like of shape (n,) or (n, 1), Series or DataFrame
            Paths.

        Returns
        -------
        images : dataset of shape (n, H, W, 3) or (n, H, W)
            ``images[i]`` reads one image as bytes; a slice or an array of positions
            gives part of them, unread.  Estimators of this package and torch's
            DataLoader take it as a dataset.

        Raises
        ------
        OSError
            If a file is missing or no image; it is named.

        ValueError
            If images differ in size and `size` is None, or X is no column of paths.
        """
        check_is_fitted(self)
        paths = self._paths_in(X, reset=False)
        return ImageFileDataset(paths, check_files(paths, self.size), self.mode)

    def _paths_in(self, X, reset):
        """Return the paths of a column, from the root on."""
        column = paths_column(X, self.column)
        validate_data(self, column, reset=reset, skip_check_array=True)
        return full_paths(np.asarray(column)[:, 0], self.root)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


class ImageFileDataset:
    """Images of one size that lie in files.

    Torch reads it as one of its datasets, by position, and scikit-learn cuts it like an
    array: it has a shape, and a part of it is another one.

    Parameters
    ----------
    paths : ndarray of str of shape (n,)
        Where they lie.

    size : tuple of int
        Height and width that they are brought to.

    mode : {"RGB", "L"}
        Colour, or grey.
    """

    def __init__(self, paths, size, mode):
        self.paths = paths
        self.size = size
        self.mode = mode

    def __len__(self):
        return len(self.paths)

    @property
    def shape(self):
        """Shape of all images together."""
        return (len(self), *self.size, *((3,) if self.mode == "RGB" else ()))

    def __getitem__(self, part):
        """Read one image, or return some, for a slice or an array, without reading."""
        if isinstance(part, tuple):  # scikit-learn asks for X[positions, ...].
            part, *_ = part
        paths = self.paths[part]
        if isinstance(paths, str):
            return read_image(paths, self.size, self.mode)
        return type(self)(paths, self.size, self.mode)

    def __getitems__(self, positions):
        """Read the images of one batch."""
        return [self[i] for i in positions]


def load_pillow():
    """Import what reads images, or say how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading image files needs Pillow, which is not installed. Install it "
            "with: pip install 'sk-hca[vision]', or pip install pillow."
        ) from error
    return Image


@contextmanager
def opened(path):
    """Open an image, and name its file in whatever goes wrong with it."""
    pillow = load_pillow()
    try:
        with pillow.open(path) as image:
            if image.mode[0] in "IF":
                raise ValueError("it holds more than 8 bits a channel")
            yield image
    except MemoryError:  # That is no fault of the file.
        raise
    except Exception as error:  # Pillow raises many kinds for a broken file.
        raise OSError(
            f"The image {str(path)!r} cannot be read: {error}. Replace the file, or "
            "drop it: read_image_table(..., unreadable='skip') drops all such files."
        ) from error


def read_image(path, size, mode):
    """Read one image as bytes, at a size."""
    with opened(path) as image:
        image = image.convert(mode)
        if image.size != size[::-1]:
            image = image.resize(size[::-1], load_pillow().Resampling.BILINEAR)
        return np.array(image)


def check_size(size):
    """Check that a size is a height and a width."""
    if size is None:
        return
    if len(size) != 2 or not all(isinstance(n, Integral) and int(n) > 0 for n in size):
        raise ValueError(
            f"size must be (height, width), two positive integers; got {size!r}."
        )


def check_files(paths, size):
    """Open every file, and return the size that all images have or are brought to."""
    first = None
    for path in paths:
        with opened(path) as image:
            found = image.size[::-1]
        first = first or found
        if size is None and found != first:
            raise ValueError(
                f"Images must be of one size, but {str(paths[0])!r} is of size {first} "
                f"and {str(path)!r} of {found}. Give size=(height, width), which all "
                "are brought to."
            )
    return first if size is None else tuple(size)


def paths_column(X, name):
    """Return the column of X that holds the paths: shape (n, 1), or such a frame."""
    if hasattr(X, "columns"):
        names = list(X.columns)
        if name is None and len(names) == 1:
            return X
        if name not in names:
            raise ValueError(
                f"column must name the column of paths, one of {names}; got {name!r}."
            )
        return X[[name]]
    if hasattr(X, "to_frame"):
        return X.to_frame()
    X = np.asarray(X)
    if X.ndim not in (1, 2) or X.shape[1:] not in ((), (1,)):
        raise ValueError(
            "X must hold one path per image, in an array of shape (n,) or (n, 1) or "
            f"in a column of a DataFrame; got shape {X.shape}."
        )
    return X.reshape(-1, 1)


def full_paths(paths, root):
    """Return paths as an array of strings, from the root on."""
    paths = list(paths)
    if not paths:
        raise ValueError("There must be one path at least; got none.")
    for i, path in enumerate(paths):
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                f"Paths must be strings or path objects; got {path!r} at position {i}."
            )
    return np.array([os.path.join(root or "", path) for path in paths], dtype=str)
