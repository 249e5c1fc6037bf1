"""Data that do not fit into memory: files, datasets read bit by bit, large features."""

import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner
from sk_hca.estimators import _heads

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)
N_SAMPLES = 60


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {
        "backbone": MLPBackbone((8,), n_pieces=0),
        "max_epochs": 2,
        "batch_size": 10,
        "precision": "fp64",
        "random_state": 0,
    }
    if kind is HCARegressor:
        defaults["binner"] = LinearBinner(6)
    return kind(**(defaults | params))


def make_table(n=N_SAMPLES):
    """A linear table."""
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, X @ [1.0, 2.0, -1.0]


# ------------------------------------------------------------------------------ files


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """A file of 80 MB that is opened, not read."""
    path = tmp_path_factory.mktemp("large") / "X.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float32, (20_000, 1000))
    for start in range(0, len(X), 1000):
        X[start : start + 1000] = np.linspace(-1, 1, 1000) * (start + 1)
    X.flush()
    return np.load(path, mmap_mode="r")


@BOTH
def test_large_file_is_never_copied(kind, large_file):
    y = np.arange(20_000.0)
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(
        kind, precision="auto", max_epochs=1, batch_size=1000, **params
    ).set_params(validation_fraction=0.2)
    model.fit(large_file[:10], y[:10])  # Libraries load some of their parts late.
    tracemalloc.start()
    try:
        model.fit(large_file, y).partial_fit(large_file, y).predict(large_file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Scales are measured in float64 and 4096 rows at a time.
    assert large_file.nbytes == 80e6
    assert peak < 60e6


# --------------------------------------------------------------------------- datasets


class Sample(np.ndarray):
    """An array that can be watched until it is let go."""


class Lazy(Dataset):
    """A dataset that makes every input when it is asked for, and counts those alive."""

    def __init__(self, X, y, with_target=True):
        self.table, self.y, self.with_target = X, y, with_target
        self.alive = weakref.WeakSet()
        self.most_alive = 0
        self.n_read = 0

    def __len__(self):
        return len(self.table)

    def make_input(self, i):
        x = self.table[i].copy().view(Sample)
        self.alive.add(Kept.of(x))
        self.most_alive = max(self.most_alive, len(self.alive))
        self.n_read += 1
        return x

    def __getitem__(self, i):
        assert isinstance(i, int)
        x = self.make_input(i)
        return (x, self.y[i]) if self.with_target else x


class Kept:
    """Lives as long as the sample that holds it; arrays themselves are not hashable."""

    @classmethod
    def of(cls, sample):
        sample.kept = cls()
        return sample.kept


class LazyWithTargets(Lazy):
    """A lazy dataset that tells its targets without reading inputs."""

    @property
    def targets(self):
        return torch.from_numpy(self.y)


class LazyParts(Lazy):
    """A lazy dataset that reads many items at once, and only so."""

    def __getitems__(self, positions):
        assert all(isinstance(i, int) for i in positions)
        return [(self.make_input(i), self.y[i]) for i in positions]

    def __getitem__(self, i):
        assert i == 0  # for its shape
        return super().__getitem__(i)


LAZY = pytest.mark.parametrize("lazy", [Lazy, LazyWithTargets, LazyParts])


class PooledNet(nn.Module):
    """A user's network for images."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)

    def forward(self, X):
        return self.layer(X).mean(dim=(2, 3))


@BOTH
@LAZY
def test_no_more_than_a_few_batches_of_inputs_are_held(kind, lazy):
    X, y = make_table(200)
    dataset = lazy(X.reshape(200, 3, 1, 1), y)
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(kind, backbone=PooledNet, max_epochs=1, **params)
    model.fit(dataset).partial_fit(dataset).predict(dataset)
    # Rows of a table are read 4096 at a time; images, as many as in a batch of 10.
    assert dataset.most_alive <= 20


@BOTH
@LAZY
def test_lazy_data_teach_as_arrays_do(kind, lazy):
    X, y = make_table()
    # One batch: its order is another one, which changes a sum by its rounding.
    model = make_model(kind, batch_size=100)
    expected = model.fit(X, y).predict(X)
    dataset = lazy(X, y)
    np.testing.assert_allclose(model.fit(dataset).predict(X), expected, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(dataset), model.predict(X))
    np.testing.assert_array_equal(model.target_counts_[0], np.sort(y))


@BOTH
def test_inputs_are_not_read_for_targets_that_are_told(kind):
    X, y = make_table()
    n_read = {}
    for name, dataset, targets in (
        ("targets", LazyWithTargets(X, y), None),
        ("y", Lazy(X, y, with_target=False), y),
        ("items", Lazy(X, y), None),
    ):
        make_model(kind).fit(dataset, targets)
        n_read[name] = dataset.n_read
    assert n_read["targets"] == n_read["y"] == n_read["items"] - N_SAMPLES


@BOTH
def test_part_of_a_dataset_is_a_dataset(kind):
    X, y = make_table()
    model = make_model(kind, batch_size=100)
    expected = model.fit(X[10:40], y[10:40]).predict(X)
    for whole in (Lazy(X, y), TensorDataset(torch.from_numpy(X), torch.from_numpy(y))):
        part = Subset(whole, range(10, 40))
        np.testing.assert_allclose(model.fit(part).predict(X), expected, rtol=1e-6)


class Rows(Dataset):
    """Items whose target is a view of all that was read for them."""

    def __init__(self, n, size):
        self.n, self.size = n, size

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        row = np.full((1, self.size, self.size), float(i), dtype=np.float32)
        return row[:, :4, :4], row[0, :4, :4]


def test_targets_do_not_keep_what_was_read_for_them():
    dataset = Rows(50, 300)
    model = make_model(backbone=lambda: nn.Conv2d(1, 4, 1), max_epochs=1)
    model.set_params(precision="fp32", batch_size=2)
    tracemalloc.start()
    try:
        model.fit(dataset)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 300 * 300 * 4 / 4
    assert model.predict(dataset).shape == (50, 4, 4)


class Endless(IterableDataset):
    """A stream."""

    def __iter__(self):
        yield torch.zeros(3), 0.0


class NoLength(Dataset):
    """Items without an end."""

    def __getitem__(self, i):
        return torch.zeros(3), 0.0


@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict"])
@pytest.mark.parametrize(
    "stream",
    [Endless(), NoLength(), DataLoader(TensorDataset(torch.zeros(4, 3)))],
    ids=lambda stream: type(stream).__name__,
)
def test_stream_of_torch_is_answered_with_what_to_give(kind, method, stream):
    X, y = make_table()
    model = make_model(kind)
    if method == "predict":
        model.fit(X, y)
    message = "must be an array or a torch Dataset with __getitem__ and __len__; got "
    message += f"{type(stream).__name__}, .* as arrays to partial_fit and predict"
    with pytest.raises(TypeError, match=message):
        getattr(model, method)(stream)


@BOTH
def test_empty_dataset_is_refused(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    empty = Lazy(X[:0], y[:0])
    with pytest.raises(ValueError, match="must hold 2 samples at least; it holds 0"):
        model.fit(empty)
    for method in ("partial_fit", "predict"):
        with pytest.raises(ValueError, match="must hold 1 samples at least"):
            getattr(model, method)(empty)


def test_targets_of_different_shapes_are_refused():
    class Ragged(Rows):
        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            return x, y if i < 3 else y[0]

    message = r"of one shape; the first is of shape \(4, 4\), that of item 3 of \(4,\)"
    with pytest.raises(ValueError, match=message):
        make_model().fit(Ragged(5, 8))


# --------------------------------------------------------------------- large features


class FileWatcher(Callback):
    """Writes down where the features of stage two lie, and may end the training."""

    def __init__(self, fails=False):
        self.fails = fails
        self.kinds = []

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        if not hasattr(net.module_, "extractor"):
            self.kinds.append(type(dataset_train.X))
            if self.fails:
                raise RuntimeError("enough")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, and what was opened there."""
    opened = []
    make_file = _heads.tempfile.TemporaryFile

    def watched(*args, **kwargs):
        opened.append(make_file(*args, dir=tmp_path, **kwargs))
        return opened[-1]

    monkeypatch.setattr(_heads.tempfile, "TemporaryFile", watched)
    return tmp_path, opened


def make_maps():
    """Images, and a target at each of their places, some of them missing."""
    X = np.random.default_rng(0).normal(size=(12, 3, 4, 5)).astype(np.float32)
    y = X.sum(axis=1).astype(np.float64)
    y[:, 0, 0] = np.nan
    return X, y


@pytest.mark.parametrize("data", ["table", "maps", "dataset"])
def test_large_features_lie_in_a_file_and_teach_the_same(data, temporary, monkeypatch):
    X, y = make_maps() if data == "maps" else make_table()
    params = {"backbone": lambda: nn.Conv2d(3, 4, 1)} if data == "maps" else {}
    source = (Lazy(X, y),) if data == "dataset" else (X, y)
    answers = []
    for limit, kind in ((2**30, np.ndarray), (0, np.memmap)):
        monkeypatch.setattr(_heads, "MOST_IN_MEMORY", limit)
        watcher = FileWatcher()
        model = make_model(mode="distill", callbacks=[watcher], max_epochs=10, **params)
        answers.append(model.fit(*source).predict(X))
        assert watcher.kinds == [kind] * 2
    np.testing.assert_array_equal(*answers)
    folder, opened = temporary
    assert [file.closed for file in opened] == [True]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_file_of_features_is_gone_when_stage_two_fails(method, temporary, monkeypatch):
    X, y = make_table()
    model = make_model(mode="add").fit(X, y)
    expected = model.predict(X)
    monkeypatch.setattr(_heads, "MOST_IN_MEMORY", 0)
    model.set_params(mode="distill", callbacks=[FileWatcher(fails=True)])
    with pytest.raises(RuntimeError, match="enough"):
        getattr(model, method)(X, y)
    folder, opened = temporary
    assert [file.closed for file in opened] == [True]
    assert list(folder.iterdir()) == []
    np.testing.assert_array_equal(model.set_params(mode="add").predict(X), expected)


def test_full_disk_is_told_and_the_model_kept(temporary, monkeypatch):
    if not hasattr(_heads.os, "posix_fallocate"):
        pytest.skip("needs a system that can reserve room in a file")
    X, y = make_table()
    model = make_model(mode="add").fit(X, y)
    monkeypatch.setattr(_heads, "MOST_IN_MEMORY", 0)

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_heads.os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left"):
        model.set_params(mode="distill").fit(X, y)
    _, opened = temporary
    assert [file.closed for file in opened] == [True]
    assert np.isfinite(model.set_params(mode="mul").predict(X)).all()
