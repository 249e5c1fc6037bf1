"""The door of an estimator: inputs, targets and weights are checked here once.

Inputs are arrays, in memory or memory-mapped, which are never copied whole, or
datasets, torch's or like them, of which no more than a batch of inputs is held at any
time.
"""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.utils.data import DataLoader, Dataset, IterableDataset

from sk_hca.base import check_targets, check_weights
from sk_hca.training import ArrayDataset, ItemDataset, as_input, items_at

# Types that inputs keep; any other one becomes float64 in a copy.
KEPT_TYPES = (np.float64, np.float32, np.float16, np.uint8)

# Weights are scaled where their largest is not between 2^-64 and 2^64.
WIDEST_EXPONENT = 64


class DataDoor:
    """Check what comes in against what the first fit has seen."""

    # What an estimator gives.
    batch_size: int

    def _check_training_data(self, X, y, sample_weight, reset=True):
        """Check inputs, targets and weights, and lay them side by side."""
        if is_dataset(X):
            data = self._check_dataset(X, y, sample_weight, reset)
        else:
            X, y = self._check_arrays(X, y, reset)
            data = ArrayDataset(X, *weighted_targets(y, sample_weight))
        least = least_samples(reset)
        if len(data) < least:
            raise ValueError(
                f"At least {least} samples of positive weight are needed to learn "
                f"from; got {len(data)}. Check sample_weight, and y for maps without "
                "any target."
            )
        if reset:
            self._input_shape = shape_of_input(X)
        return data

    def _check_arrays(self, X, y, reset):
        """Check inputs and targets that are arrays."""
        options = {
            "dtype": list(KEPT_TYPES),
            "allow_nd": True,
            "reset": reset,
            "ensure_min_samples": least_samples(reset),
        }
        X = in_its_type(X)
        if not is_map(X, y):
            X, y = validate_data(self, X, y, y_numeric=True, **options)
            y = check_targets(y).astype(np.float64, copy=False)
        else:
            X = validate_data(self, X, **options)
            y = check_maps(y, len(X))
        if not reset:
            self._check_input_shape(X)
        return X, y

    def _check_dataset(self, dataset, y, sample_weight, reset):
        """Check a torch dataset, whose targets may come with its items."""
        check_items(dataset, least_samples(reset))
        if reset:
            self.n_features_in_ = shape_of_input(dataset)[0]
            self.__dict__.pop("feature_names_in_", None)
        else:
            self._check_input_shape(dataset)
        if y is None:
            y = dataset_targets(dataset, self.batch_size)
        y = np.asarray(y, dtype=np.float64)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]  # as torch's losses want targets
        if len(y) != len(dataset):
            raise ValueError(
                f"y must hold one target per item of the dataset, {len(dataset)}; it "
                f"holds {len(y)}."
            )
        y = check_maps(y, len(dataset)) if y.ndim > 1 else check_targets(y)
        return ItemDataset(dataset, *weighted_targets(y, sample_weight))

    def _check_inputs(self, X):
        """Check inputs to predict for."""
        check_is_fitted(self)
        if is_dataset(X):
            check_items(X, 1)
            self._check_input_shape(X)
            return ItemDataset(X)
        X = in_its_type(X)
        X = validate_data(self, X, dtype=list(KEPT_TYPES), allow_nd=True, reset=False)
        self._check_input_shape(X)
        return ArrayDataset(X)

    def _check_input_shape(self, X):
        shape = shape_of_input(X)
        if shape != self._input_shape:
            raise ValueError(
                f"X must hold inputs of shape {self._input_shape}, as in fit; got "
                f"inputs of shape {shape}."
            )


def in_its_type(X):
    """See a tensor as an array, whose type scikit-learn can tell."""
    return X.numpy(force=True) if isinstance(X, torch.Tensor) else X


def is_map(X, y):
    """Tell whether targets have places: rows of numbers are a map where inputs have."""
    shape = np.asarray(y).shape
    is_row = len(shape) == 2 and shape[1] > 1
    return len(shape) > 2 or (is_row and np.asarray(X).ndim > 2)


def least_samples(starts):
    """Return how many samples a training needs: a first one has a line to cut."""
    return 2 if starts else 1


def is_dataset(X):
    """Tell whether inputs are torch's kind of data: by type, or by what they do.

    What gives many items at once, by ``__getitems__``, is a dataset to torch's loaders;
    neither arrays nor frames do.
    """
    return isinstance(X, (Dataset, DataLoader)) or hasattr(X, "__getitems__")


def weighted_targets(y, sample_weight):
    """Return targets, their weights, and which samples weigh anything.

    A missing target of a map weighs nothing.  Weights are None where all samples in use
    weigh the same, and the samples in use are None where all are.
    """
    if y.ndim == 1 and sample_weight is None:
        return y, None, None
    weight = near_one(check_weights(sample_weight, y))
    if y.ndim > 1:
        known = np.isfinite(y)
        weight = weight.reshape(-1, *(1,) * (y.ndim - 1)) * known
        y = np.where(known, y, 0.0)
    is_used = weight.reshape(len(y), -1).any(axis=1)
    used = None if is_used.all() else np.flatnonzero(is_used)
    if y.ndim == 1 and np.ptp(weight[is_used]) == 0:
        return y, None, used
    return y, weight, used


def near_one(weight):
    """Scale weights that single precision does not hold: only their ratios count."""
    _, exponent = np.frexp(weight.max())
    # By a power of two, so that their ratios stay the same to the bit.
    return weight if abs(exponent) < WIDEST_EXPONENT else np.ldexp(weight, -exponent)


def check_maps(y, n_samples):
    """Check target maps, whose missing places are NaN."""
    y = np.asarray(y, dtype=np.float64)
    if len(y) != n_samples:
        raise ValueError(
            f"y must hold one map per sample, {n_samples}; it holds {len(y)}."
        )
    if np.isinf(y).any() or np.isnan(y).all():
        raise ValueError(
            "y must hold finite targets (NaN where a place of a map has none); got "
            "infinity, or NaN everywhere."
        )
    return y


def check_items(dataset, least):
    """Check that a torch dataset gives its items by position, and enough of them."""
    is_stream = isinstance(dataset, (IterableDataset, DataLoader))
    if is_stream or not hasattr(dataset, "__len__"):
        raise TypeError(
            "X must be an array or a torch Dataset with __getitem__ and __len__; got "
            f"{type(dataset).__name__}, which is not read by position. Give such a "
            "Dataset, or the parts of the stream as arrays to partial_fit and predict."
        )
    if len(dataset) < least:
        raise ValueError(
            f"The dataset must hold {least} samples at least; it holds {len(dataset)}."
        )


def dataset_targets(dataset, batch_size):
    """Return a torch dataset's ``targets``, or keep those of its items, in one pass."""
    targets = getattr(dataset, "targets", None)
    if targets is not None:
        return targets
    for start in range(0, len(dataset), batch_size):
        part = range(start, min(start + batch_size, len(dataset)))
        for i, item in zip(part, items_at(dataset, part), strict=True):
            target = target_of(item)
            if targets is None:
                targets = np.empty((len(dataset), *target.shape))
            if target.shape != targets.shape[1:]:
                raise ValueError(
                    "All targets of the dataset must be of one shape; the first is of "
                    f"shape {targets.shape[1:]}, that of item {i} of {target.shape}."
                )
            targets[i] = target
    return targets


def target_of(item):
    """Return the target that a dataset's item comes with."""
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise ValueError(
            "The dataset must give (input, target) pairs or have an attribute targets; "
            f"its items are {type(item).__name__}. Or give the targets as y."
        )
    return np.asarray(item[1])


def shape_of_input(X):
    """Return the shape of one input of an array or a dataset."""
    if not is_dataset(X):
        return tuple(X.shape[1:])
    item = X[0]
    shape = tuple(np.shape(as_input(item)))
    if not shape:
        raise ValueError(
            "The dataset must give arrays, or tuples that begin with one; its first "
            f"item is a {type(item).__name__}."
        )
    return shape
