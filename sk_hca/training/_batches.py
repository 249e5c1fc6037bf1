"""Feed data to a network: whole batches from arrays, item by item from datasets.

Arrays in memory (or memory-mapped) are cut a whole batch at a time, which costs a
fraction of collating samples one by one.  A batch is ``(X, (y, weight))``.
"""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


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
        self.y = np.zeros(len(X)) if y is None else y
        self.weight = np.ones(self.y.shape) if weight is None else weight
        self.index = index

    def __len__(self):
        return len(self.X) if self.index is None else len(self.index)

    def subset(self, index):
        """Return some of the samples, without a copy."""
        index = index if self.index is None else self.index[index]
        return type(self)(self.X, self.y, self.weight, index)

    def targets(self):
        """Return targets and weights of the samples in use."""
        if self.index is None:
            return self.y, self.weight
        return self.y[self.index], self.weight[self.index]


class ArrayDataset(TargetDataset):
    """Inputs in an array, in memory or memory-mapped; cut in whole batches."""

    def __getitem__(self, part):
        """Return one batch, for a slice or an array of positions."""
        if self.index is not None:
            part = self.index[part]
        return (
            as_tensor(self.X[part]),
            (as_tensor(self.y[part]), as_tensor(self.weight[part])),
        )


class ItemDataset(TargetDataset):
    """A torch dataset that gives an input, or a tuple that begins with one."""

    def __getitem__(self, position):
        """Return one sample."""
        i = int(position if self.index is None else self.index[position])
        return as_input(self.X[i]), (self.y[i], self.weight[i])


class ArrayBatches:
    """Iterate over an :class:`ArrayDataset`, a whole batch at a time.

    Parameters
    ----------
    dataset : ArrayDataset
        What to iterate over.

    batch_size : int
        Samples in a batch.  A last batch of a single sample joins the one before it,
        since batch normalisation cannot train on one.

    shuffle : bool, default=False
        Whether to draw a new order for every pass, from torch's generator.
    """

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self):
        return len(batch_starts(len(self.dataset), self.batch_size))

    def __iter__(self):
        n = len(self.dataset)
        starts = batch_starts(n, self.batch_size)
        order = torch.randperm(n).numpy() if self.shuffle else None
        for start, stop in zip(starts, [*starts[1:], n], strict=True):
            part = slice(start, stop)
            yield self.dataset[part if order is None else order[part]]


def batch_starts(n, batch_size):
    """Return where the batches of `n` samples begin; none holds a single sample.

    Examples
    --------
    >>> batch_starts(9, 4)
    [0, 4]
    """
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return starts


def item_batches(dataset, batch_size, shuffle=False):
    """Iterate over an :class:`ItemDataset` with torch's loader."""
    lonely = shuffle and len(dataset) > batch_size and len(dataset) % batch_size == 1
    return DataLoader(
        dataset, batch_size=batch_size, shuffle=shuffle, drop_last=bool(lonely)
    )


def batches(dataset, batch_size, shuffle=False):
    """Iterate over any dataset of this room."""
    kind = ArrayBatches if isinstance(dataset, ArrayDataset) else item_batches
    return kind(dataset, batch_size=batch_size, shuffle=shuffle)


def as_tensor(array):
    """Share an array with torch; a read-only one is copied first."""
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def as_input(item):
    """Return the input of a dataset's item, which may come with its target."""
    return item[0] if isinstance(item, (tuple, list)) else item
