"""Feed data to a network: whole batches from arrays, item by item from datasets.

Arrays in memory (or memory-mapped) are cut a whole batch at a time, which costs a
fraction of collating samples one by one.  A batch is ``(X, (y, weight))``, without what
the data do not have: ``(X, (y,))`` where all weigh the same, ``(X, ())`` to predict.
"""

from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

# Parameters of a DataLoader that say how items are loaded, not which.
LOADING = {
    "collate_fn",
    "generator",
    "multiprocessing_context",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "timeout",
    "worker_init_fn",
}


# Batches of fewer bytes are cut from their array together: cutting costs a call each.
CUT_SIZE = 2**20


class TargetDataset(Dataset):
    """Inputs, with their targets and weights, and which of them to use.

    Parameters
    ----------
    X : ndarray of shape (n, *) or Dataset
        Inputs.

    y : ndarray of shape (n, *S), optional
        Targets.

    weight : ndarray of shape (n, *S), optional
        Weights.

    index : ndarray of int, optional
        Which samples to use; all by default.
    """

    def __init__(self, X, y=None, weight=None, index=None):
        self.X = X
        self.y = y
        self.weight = weight
        self.index = index

    def __len__(self):
        return len(self.X) if self.index is None else len(self.index)

    def subset(self, index):
        """Return some of the samples, without a copy."""
        index = index if self.index is None else self.index[index]
        return type(self)(self.X, self.y, self.weight, index)

    def reweighted(self, weight):
        """Return the samples in use with other weights, without a copy of inputs."""
        if self.index is not None:
            column = np.zeros(self.y.shape)
            column[self.index] = weight
            weight = column
        return type(self)(self.X, self.y, weight, self.index)

    def targets(self):
        """Return targets and weights of the samples in use, or None for either."""
        if self.index is None:
            return self.y, self.weight
        weight = None if self.weight is None else self.weight[self.index]
        return self.y[self.index], weight

    def target_at(self, part):
        """Return what there is of targets and weights, of one batch or item."""
        return tuple(
            column[part] for column in (self.y, self.weight) if column is not None
        )


class ArrayDataset(TargetDataset):
    """Inputs in an array, in memory or memory-mapped; cut in whole batches."""

    def __getitem__(self, part):
        """Return one batch, for a slice or an array of positions."""
        if self.index is not None:
            part = self.index[part]
        target = tuple(as_tensor(column) for column in self.target_at(part))
        return as_tensor(self.X[part]), target


class ItemDataset(TargetDataset):
    """A torch dataset that gives an input, or a tuple that begins with one."""

    def __getitem__(self, position):
        """Return one sample."""
        return self.__getitems__([position])[0]

    def __getitems__(self, positions):
        """Return the samples of one batch, of which torch makes tensors."""
        index = positions if self.index is None else self.index[positions]
        inputs = [as_input(item) for item in items_at(self.X, index)]
        for i, X in zip(index, inputs, strict=True):
            if X.shape != inputs[0].shape:
                raise ValueError(
                    "All inputs of the dataset must be of one shape; that of item "
                    f"{index[0]} is {tuple(inputs[0].shape)}, of item {i} "
                    f"{tuple(X.shape)}. Crop, pad or resize them."
                )
        targets = [self.target_at(int(i)) for i in index]
        return list(zip(inputs, targets, strict=True))


class BatchOrder:
    """Say which samples make each batch of a pass.

    Parameters
    ----------
    n_samples : int
        Samples in all.

    batch_size : int
        Samples in a batch.  A last batch of a single sample joins the one before it,
        since batch normalisation cannot train on one.

    shuffle : bool, default=False
        Whether to draw a new order for every pass, from torch's generator.
    """

    def __init__(self, n_samples, batch_size, shuffle=False):
        starts = list(range(0, n_samples, batch_size))
        if len(starts) > 1 and batch_size > 1 and n_samples - starts[-1] == 1:
            starts.pop()
        self.borders = [*starts, n_samples]
        self.shuffle = shuffle

    def __len__(self):
        return len(self.borders) - 1

    def positions(self):
        """Draw the order of a pass: a range, or a tensor of positions when shuffled."""
        n_samples = self.borders[-1]
        return torch.randperm(n_samples) if self.shuffle else range(n_samples)

    def __iter__(self):
        """Yield a range of positions, or an array of them when shuffled."""
        positions = self.positions()
        if self.shuffle:
            positions = positions.numpy()
        for start, stop in pairwise(self.borders):
            yield positions[start:stop]


class ArrayBatches:
    """Iterate over an :class:`ArrayDataset`, a whole batch at a time.

    Parameters
    ----------
    dataset : ArrayDataset
        What to iterate over.

    order : BatchOrder
        Which samples make each batch.
    """

    def __init__(self, dataset, order):
        self.dataset = dataset
        self.order = order

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        """Cut small batches several at a time, and part them without a copy."""
        positions, borders = self.order.positions(), self.order.borders
        if torch.is_tensor(positions):
            positions = positions.numpy()
        n_together = max(1, CUT_SIZE // max(1, n_bytes(self.dataset, borders[:2][-1])))
        for first in range(0, len(self), n_together):
            cut = borders[first : first + n_together + 1]
            part = positions[cut[0] : cut[-1]]
            in_order = isinstance(part, range)
            X, target = self.dataset[slice(part.start, part.stop) if in_order else part]
            sizes = [stop - start for start, stop in pairwise(cut)]
            columns = [column.split(sizes) for column in (X, *target)]
            for X, *target in zip(*columns, strict=True):
                yield X, tuple(target)


def n_bytes(dataset, n_samples):
    """Count the bytes of so many samples of an ArrayDataset."""
    X, target = dataset[:1]
    return n_samples * sum(part.nbytes for part in (X, *target))


def batches(dataset, batch_size, shuffle=False, **loading):
    """Iterate over any dataset of this room, in batches ``(X, (y, weight))``.

    Parameters
    ----------
    dataset : TargetDataset
        What to iterate over.

    batch_size : int
        Samples in a batch.

    shuffle : bool, default=False
        Whether to draw a new order for every pass.

    **loading
        How items are loaded: ``num_workers`` and such parameters of torch's
        ``DataLoader``.  Arrays need no loading: for them, these change nothing.

    Returns
    -------
    batches : ArrayBatches or DataLoader
    """
    if unknown := sorted(set(loading) - LOADING):
        raise ValueError(
            f"Batches have no parameter {unknown[0]!r}; beside batch_size and shuffle, "
            f"the loading of items has {', '.join(sorted(LOADING))}."
        )
    order = BatchOrder(len(dataset), batch_size, shuffle)
    if isinstance(dataset, ArrayDataset):
        return ArrayBatches(dataset, order)
    # A loader draws seeds for its workers: they follow torch's own generator without
    # moving it.
    generator = torch.Generator().manual_seed(torch.initial_seed())
    return DataLoader(
        dataset, batch_sampler=order, **{"generator": generator} | loading
    )


def as_tensor(array):
    """Share an array with torch; a read-only one is copied first."""
    array = np.asarray(array, order="C")  # one number stays one without an axis
    # Of a single row, a reversed array is in order too, and no tensor.
    is_shared = array.flags.writeable and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if is_shared else array.copy())


def items_at(dataset, positions):
    """Give the items of a torch dataset: together where it can, else one by one."""
    positions = [int(i) for i in positions]
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(positions)
    return (dataset[i] for i in positions)


def as_input(item):
    """Return the input of a dataset's item, which may come with its target."""
    X = item[0] if isinstance(item, (tuple, list)) else item
    return X if hasattr(X, "shape") else np.array(X)  # as of an image of Pillow
