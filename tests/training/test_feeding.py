"""The ways to a device: the same batches in the same order, and no thread is left."""

import threading

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import Dataset

from sk_hca.training import (
    ArrayDataset,
    ItemDataset,
    PrefetchedBatches,
    ResidentBatches,
    StageNet,
    StageSettings,
    batches,
    feed,
    one_pass,
    train_stage,
)

CPU = torch.device("cpu")
each_shuffle = pytest.mark.parametrize("shuffle", [False, True])
each_way = pytest.mark.parametrize("way", [ResidentBatches, PrefetchedBatches])


class Rows(Dataset):
    """A torch dataset of rows."""

    def __init__(self, X):
        self.X = X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return torch.from_numpy(self.X[i])


def make_data(n=23, kind=ArrayDataset, tail=(2, 3)):
    """Inputs of bytes, maps of targets, weights; every sample another."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    y = rng.normal(size=(n, *tail))
    return kind(X if kind is ArrayDataset else Rows(X), y, rng.random(y.shape))


def seeded_pass(batches_):
    """All batches of a pass, flat, and the state that torch's generator is left in."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = [(X, *target) for X, target in batches_]
        return parts, torch.get_rng_state()


def assert_same_pass(batches_, expected):
    """Compare all batches bit by bit, and what was drawn for them."""
    assert len(batches_) == len(expected)
    (parts, state), (others, other_state) = map(seeded_pass, (batches_, expected))
    assert len(parts) == len(others)
    for part, other in zip(parts, others, strict=True):
        for column, same in zip(part, other, strict=True):
            assert column.dtype == same.dtype
            assert torch.equal(column.cpu(), same)
    assert torch.equal(state, other_state)


def feeding_threads():
    return [t for t in threading.enumerate() if t.name.startswith("sk_hca-batches")]


@each_way
@each_shuffle
@pytest.mark.parametrize("index", [None, [7, 2, 2, 19, 5, 11]], ids=["all", "subset"])
def test_feeding_changes_no_batch(way, shuffle, index):
    data = make_data()
    data = data if index is None else data.subset(np.array(index))
    plain = batches(data, 4, shuffle)
    for _ in range(2):
        assert_same_pass(way(plain, CPU), plain)


@each_way
def test_feeding_leaves_out_what_the_data_do_not_have(way):
    X = np.ones((5, 2))
    for data, n_parts in [(ArrayDataset(X), 0), (ArrayDataset(X, X[:, 0]), 1)]:
        for _, target in way(batches(data, 2), CPU):
            assert len(target) == n_parts


@each_shuffle
def test_prefetching_changes_no_batch_of_items(shuffle):
    plain = batches(make_data(kind=ItemDataset), 4, shuffle)
    assert_same_pass(PrefetchedBatches(plain, CPU), plain)


def test_resident_data_are_copied_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr("sk_hca.training._feeding.COPY_SIZE", 200)
    plain = batches(make_data(), 4)
    assert_same_pass(ResidentBatches(plain, CPU), plain)


def test_resident_data_are_all_on_the_device():
    plain = batches(make_data(), 4, shuffle=True)
    for X, target in ResidentBatches(plain, torch.device("meta")):
        assert {part.device.type for part in (X, *target)} == {"meta"}


def test_prefetching_is_one_batch_ahead():
    taken = []

    class Watched(list):
        def __iter__(self):
            for batch in super().__iter__():
                taken.append(batch)
                yield batch

    source = Watched((torch.ones(1), ()) for _ in range(5))
    iterator = iter(PrefetchedBatches(source, CPU))
    for n_used in range(1, 5):
        next(iterator)
        assert n_used <= len(taken) <= n_used + 1
    iterator.close()
    assert feeding_threads() == []


def test_no_thread_outlives_a_pass():
    prefetched = PrefetchedBatches(batches(make_data(), 4), CPU)
    with one_pass(prefetched) as every_batch:
        assert len(list(every_batch)) == len(prefetched)
    assert feeding_threads() == []
    with one_pass(prefetched) as every_batch:
        next(every_batch)
        assert len(feeding_threads()) == 1
    assert feeding_threads() == []


def test_error_while_a_batch_is_prepared_is_raised_where_it_is_used():
    class Broken(Rows):
        def __getitem__(self, i):
            if i == 9:
                raise OSError("row 9 is unreadable")
            return super().__getitem__(i)

    data = make_data(kind=ItemDataset)
    data.X = Broken(data.X.X)
    seen = []
    with (
        pytest.raises(OSError, match="row 9 is unreadable"),
        one_pass(PrefetchedBatches(batches(data, 4), CPU)) as every_batch,
    ):
        seen.extend(every_batch)
    assert len(seen) == 2
    assert feeding_threads() == []


# ------------------------------------------------------------------ inside a training


class SquaredError(nn.Module):
    """A loss that is already averaged."""

    def forward(self, output, target):
        return (output.squeeze(1) - target[0]).square().mean()


class Interrupts(Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, error):
        self.error = error
        self.n_threads = 0

    def on_batch_end(self, net, **kwargs):
        self.n_threads = max(self.n_threads, len(feeding_threads()))
        if self.error is not None and len(net.history[-1, "batches"]) == 2:
            raise self.error


@pytest.fixture
def prefetch_on_cpu(monkeypatch):
    """Let the net treat the CPU as a device that is fed by a thread."""
    plain = super(StageNet, StageNet).get_iterator

    def get_iterator(net, dataset, training=False):
        return PrefetchedBatches(plain(net, dataset, training), CPU)

    monkeypatch.setattr(StageNet, "get_iterator", get_iterator)


def train(callbacks=()):
    """Train a small stage."""
    X = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    settings = StageSettings("adam", 0.05, 3, 8, callbacks=list(callbacks))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
        data = ArrayDataset(X, X.sum(axis=1))
        train_stage(module, SquaredError(), data, settings, valid=data)
        return module


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()], ids=repr)
def test_no_thread_outlives_a_training_that_breaks_off(prefetch_on_cpu, error):
    interrupts = Interrupts(error)
    if isinstance(error, KeyboardInterrupt):  # skorch ends the training quietly
        train([interrupts])
    else:
        with pytest.raises(ValueError, match="stop"):
            train([interrupts])
    assert interrupts.n_threads == 1
    assert feeding_threads() == []


def test_prefetching_changes_no_training(request):
    expected = train().state_dict()
    request.getfixturevalue("prefetch_on_cpu")
    watcher = Interrupts(None)
    for name, weight in train([watcher]).state_dict().items():
        assert torch.equal(weight, expected[name])
    assert watcher.n_threads == 1


# --------------------------------------------------------------------- which way, CUDA


def test_batches_on_the_cpu_are_where_they_have_to_be():
    for kind in (ArrayDataset, ItemDataset):
        plain = batches(make_data(kind=kind), 4)
        assert feed(plain, "cpu") is plain


def test_iterators_of_the_user_are_left_alone():
    mine = [(torch.ones(2, 3), ())]
    assert feed(mine, "cuda") is mine


@pytest.mark.parametrize(
    ("free", "again", "expected"),
    [
        (10**9, True, ResidentBatches),
        (10**9, False, PrefetchedBatches),
        (2000, True, PrefetchedBatches),
    ],
    ids=["fits", "read once", "does not fit"],
)
def test_data_stay_on_cuda_when_they_fit_and_are_read_again(
    monkeypatch, free, again, expected
):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    monkeypatch.setattr("sk_hca.training._feeding.columns_on", lambda *args: [])
    assert type(feed(batches(make_data(), 4), "cuda", again)) is expected


def test_items_are_prefetched_to_cuda():
    plain = batches(make_data(kind=ItemDataset), 4)
    assert isinstance(feed(plain, "cuda"), PrefetchedBatches)


@pytest.mark.cuda
@each_way
@each_shuffle
def test_feeding_cuda_changes_no_batch(way, shuffle):
    plain = batches(make_data(), 4, shuffle)
    fed = way(plain, torch.device("cuda"))
    assert_same_pass(fed, plain)
    assert all(X.is_cuda for X, _ in fed)
