"""Bring batches to the device of the network, without letting it wait for them.

Which batches there are, and in which order, is decided elsewhere: the ways of this file
give the same ones, and differ in time and memory only.  On a CPU the batches are where
they have to be.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch.utils.data import DataLoader

from sk_hca.training._batches import ArrayBatches, n_bytes

# Data stay on a device when they take a quarter of its free memory at most, which
# leaves the rest to the network.
RESIDENT_SHARE = 0.25

# Bytes of host memory that a copy to a device may use at once.
COPY_SIZE = 2**26


def feed(batches, device, again=True):
    """Choose how batches arrive on a device.

    Parameters
    ----------
    batches : ArrayBatches or DataLoader
        Batches on the CPU; any other iterator is left as it is.

    device : str or torch.device
        Where the network is.

    again : bool, default=True
        Whether there will be more than one pass over the batches, so that data may
        stay on the device.

    Returns
    -------
    batches : iterable of (X, (y, weight))
        The same batches.
    """
    device = torch.device(device)
    if device.type != "cuda" or not isinstance(batches, (ArrayBatches, DataLoader)):
        return batches
    if again and isinstance(batches, ArrayBatches):
        free, _ = torch.cuda.mem_get_info(device)
        if n_bytes(batches.dataset, len(batches.dataset)) <= RESIDENT_SHARE * free:
            return ResidentBatches(batches, device)
    return PrefetchedBatches(batches, device)


@contextmanager
def one_pass(batches):
    """Give one pass over batches, and end whatever prepares them, however it ends."""
    iterator = iter(batches)
    try:
        yield iterator
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


class ResidentBatches:
    """Batches of data that are on a device as a whole, and are cut there.

    Parameters
    ----------
    batches : ArrayBatches
        Batches on the CPU.

    device : torch.device
        Where the data go, once.
    """

    def __init__(self, batches, device):
        self.order = batches.order
        self.device = device
        self.columns = columns_on(batches.dataset, device)

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        positions = self.order.positions()
        if isinstance(positions, torch.Tensor):
            positions = positions.to(self.device)
        for start, stop in pairwise(self.order.borders):
            in_order = isinstance(positions, range)
            part = slice(start, stop) if in_order else positions[start:stop]
            X, *target = (column[part] for column in self.columns)
            yield X, tuple(target)


class PrefetchedBatches:
    """Batches that a thread brings to a device, one ahead of the one in use.

    Parameters
    ----------
    batches : iterable of (X, (y, weight))
        Batches on the CPU.

    device : torch.device
        Where they go; a CUDA device gets them from pinned memory, beside its own work.
    """

    def __init__(self, batches, device):
        self.batches = batches
        self.device = device

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        """Yield the batches; the thread ends with the pass, or when it is closed."""
        source = iter(self.batches)
        is_cuda = self.device.type == "cuda"
        stream = torch.cuda.Stream(self.device) if is_cuda else None
        with ThreadPoolExecutor(1, thread_name_prefix="sk_hca-batches") as thread:
            ahead = thread.submit(send_next, source, self.device, stream)
            while (sent := ahead.result()) is not None:
                ahead = thread.submit(send_next, source, self.device, stream)
                yield receive(*sent)


def send_next(source, device, stream):
    """Take the next batch and start its copy to a device; None when there is none."""
    batch = next(source, None)
    if batch is None:
        return None
    parts = (batch[0], *batch[1])
    if stream is None:
        return [part.to(device) for part in parts], None
    with torch.cuda.stream(stream):
        pinned = [
            part.pin_memory() if part.device.type == "cpu" else part for part in parts
        ]
        sent = [part.to(device, non_blocking=True) for part in pinned]
        return sent, stream.record_event()


def receive(parts, arrival):
    """Let the network's own stream wait for a batch, and own it."""
    if arrival is not None:
        stream = torch.cuda.current_stream(parts[0].device)
        stream.wait_event(arrival)
        for part in parts:
            part.record_stream(stream)
    X, *target = parts
    return X, tuple(target)


def columns_on(dataset, device):
    """Copy inputs, targets and weights in use to a device, a part at a time."""
    X, target = dataset[:1]
    n_samples = len(dataset)
    columns = [
        torch.empty((n_samples, *part.shape[1:]), dtype=part.dtype, device=device)
        for part in (X, *target)
    ]
    n_rows = max(1, COPY_SIZE // n_bytes(dataset, 1))
    for start in range(0, n_samples, n_rows):
        part = slice(start, start + n_rows)
        X, target = dataset[part]
        for column, rows in zip(columns, (X, *target), strict=True):
            column[part] = rows
    return columns
