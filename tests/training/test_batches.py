"""Batches: every sample once, no batch of one, no copy of the data."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

from sk_hca.training import ArrayDataset, ItemDataset, as_input, batches


class Pairs(Dataset):
    """A torch dataset of inputs with labels, of which only the inputs are wanted."""

    def __init__(self, X):
        self.X = X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return torch.as_tensor(self.X[i]), "a label"


def numbered(n, kind=ArrayDataset, tail=()):
    """A dataset whose inputs, targets and weights tell which sample they are."""
    X = np.arange(n, dtype=np.float64)[:, None] * [1.0, 10.0]
    y = np.broadcast_to(np.arange(n).reshape(-1, *(1,) * len(tail)), (n, *tail)) * 1.0
    return kind(X if kind is ArrayDataset else Pairs(X), y, 100 + y)


def seen(iterator):
    """Which samples the batches hold, after checking that their parts agree."""
    order = []
    for X, (y, weight) in iterator:
        first = y.flatten(1)[:, 0] if y.ndim > 1 else y
        np.testing.assert_array_equal(X, np.outer(first, [1.0, 10.0]))
        np.testing.assert_array_equal(weight, 100 + y)
        order.append(first.long().tolist())
    return order


each_kind = pytest.mark.parametrize("kind", [ArrayDataset, ItemDataset])
each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


@settings(max_examples=100, deadline=None)
@given(n=st.integers(2, 60), batch_size=st.integers(2, 70), shuffle=st.booleans())
def test_batches_hold_every_sample_once_and_never_one_alone(n, batch_size, shuffle):
    iterator = batches(numbered(n), batch_size, shuffle)
    parts = seen(iterator)
    assert sorted(chain.from_iterable(parts)) == list(range(n))
    assert len(parts) == len(iterator)
    assert min(map(len, parts)) > 1
    assert max(map(len, parts)) <= batch_size + 1
    assert all(len(part) == batch_size for part in parts[:-1])


@each_kind
@each_tail
def test_batches_keep_order_unless_shuffled(kind, tail):
    parts = seen(batches(numbered(10, kind, tail), 4))
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@each_kind
@each_tail
def test_batches_of_subset_hold_its_samples(kind, tail):
    part = numbered(10, kind, tail).subset(np.array([7, 2, 2, 9, 5]))
    assert len(part) == 5
    assert seen(batches(part, 2)) == [[7, 2], [2, 9, 5]]


@each_kind
def test_shuffled_batches_hold_every_sample_once(kind):
    parts = seen(batches(numbered(10, kind), 4, shuffle=True))
    assert sorted(chain.from_iterable(parts)) == list(range(10))


@each_kind
def test_shuffled_order_differs_between_epochs_and_follows_seed(kind):
    iterator = batches(numbered(30, kind), 8, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = seen(iterator), seen(iterator)
        torch.manual_seed(0)
        again = seen(iterator)
    assert first != second
    assert first == again


@pytest.mark.parametrize("shuffle", [False, True])
def test_arrays_and_items_make_the_same_batches(shuffle):
    passes = []
    for kind in (ArrayDataset, ItemDataset):
        torch.manual_seed(0)
        passes.append(seen(batches(numbered(9, kind), 4, shuffle=shuffle)))
    assert passes[0] == passes[1]
    assert [len(part) for part in passes[0]] == [4, 5]


def test_items_in_order_are_all_read():
    parts = seen(batches(numbered(9, ItemDataset), 4))
    assert list(chain.from_iterable(parts)) == list(range(9))


def test_subset_of_subset_counts_inside_the_first():
    part = numbered(10).subset(np.array([9, 7, 5, 3])).subset(np.array([3, 0]))
    y, weight = part.targets()
    np.testing.assert_array_equal(y, [3, 9])
    np.testing.assert_array_equal(weight, [103, 109])
    assert seen(batches(part, 2)) == [[3, 9]]


@each_kind
def test_subset_copies_nothing(kind):
    data = numbered(10, kind)
    part = data.subset(np.array([1, 2]))
    assert type(part) is kind
    assert part.X is data.X
    assert part.y is data.y
    assert part.weight is data.weight


@each_tail
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [0, 500, 2000])
def test_batches_are_the_same_however_many_are_cut_together(
    monkeypatch, tail, shuffle, size
):
    def passes():
        torch.manual_seed(0)
        iterator = batches(numbered(43, tail=tail), 7, shuffle)
        return [seen(iterator) for _ in range(2)]

    expected = passes()
    monkeypatch.setattr("sk_hca.training._batches.CUT_SIZE", size)
    assert passes() == expected
    assert len(expected[0]) == 6


def test_batches_in_order_share_memory_with_the_data():
    data = numbered(6)
    X, (y, _) = next(iter(batches(data, 4)))
    assert np.shares_memory(X.numpy(), data.X)
    assert np.shares_memory(y.numpy(), data.y)


@pytest.mark.parametrize("shuffle", [False, True])
def test_read_only_file_is_read_without_warning(tmp_path, shuffle):
    np.save(tmp_path / "X.npy", np.arange(20.0)[:, None] * [1.0, 10.0])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    y = np.arange(20.0)
    y.flags.writeable = False
    parts = seen(batches(ArrayDataset(X, y, 100 + y), 6, shuffle))
    assert sorted(chain.from_iterable(parts)) == list(range(20))


@pytest.mark.parametrize(
    "view",
    [lambda X: X[::2], lambda X: X[::-1], np.asfortranarray],
    ids=["every second row", "backwards", "by column"],
)
def test_strided_arrays_are_read(view):
    X = view(np.arange(24.0).reshape(12, 2))
    batch = torch.cat([X for X, _ in batches(ArrayDataset(X), 4)])
    np.testing.assert_array_equal(batch, X)


def test_single_row_of_a_reversed_array_is_read():
    X = np.arange(6.0).reshape(3, 2)[::-1]
    ((row, _),) = batches(ArrayDataset(X[:1]), 4)
    np.testing.assert_array_equal(row, [[4.0, 5.0]])


@each_kind
def test_targets_are_optional(kind):
    X = np.ones((5, 2))
    data = ArrayDataset(X) if kind is ArrayDataset else ItemDataset(Pairs(X))
    for part, target in batches(data, 5):
        np.testing.assert_array_equal(part, X)
        assert len(target) == 0


@each_kind
def test_weights_are_optional(kind):
    X, y = np.ones((5, 2)), np.arange(5.0)
    data = ArrayDataset(X, y) if kind is ArrayDataset else ItemDataset(Pairs(X), y)
    for part in (data, data.subset(np.arange(5))):
        for _, target in batches(part, 5):
            assert len(target) == 1
            np.testing.assert_array_equal(target[0], y)


def test_items_may_be_inputs_alone_or_begin_with_them():
    X = torch.arange(6.0).reshape(3, 2)

    class Alone(Pairs):
        def __getitem__(self, i):
            return self.X[i]

    for items in (Alone(X), TensorDataset(X), TensorDataset(X, torch.zeros(3))):
        (batch, _), *_ = batches(ItemDataset(items), 3)
        assert torch.equal(batch, X)


@pytest.mark.parametrize("item", [("x", "y"), ["x"], "x"], ids=str)
def test_input_is_item_or_its_first_part(item):
    assert as_input(item) == "x"


@pytest.mark.parametrize("batch_size", [4, 5, 100])
def test_batches_count_themselves(batch_size):
    iterator = batches(numbered(9), batch_size)
    assert len(iterator) == len(list(iterator))


class ManyAtOnce(Pairs):
    """A torch dataset that reads the items of a batch together."""

    def __init__(self, X):
        super().__init__(X)
        self.asked = []

    def __getitems__(self, positions):
        self.asked.append(positions)
        return [self[i] for i in positions]


@pytest.mark.parametrize("index", [None, [7, 2, 2, 9, 5]], ids=["all", "subset"])
def test_items_are_read_together_where_the_dataset_can(index):
    data, plain = numbered(10, ItemDataset), numbered(10, ItemDataset)
    data.X = ManyAtOnce(data.X.X)
    if index is not None:
        data, plain = data.subset(np.array(index)), plain.subset(np.array(index))
    parts = seen(batches(data, 4))
    assert parts == seen(batches(plain, 4)) == data.X.asked
    assert all(type(i) is int for i in chain.from_iterable(data.X.asked))


@pytest.mark.parametrize("shuffle", [False, True])
def test_workers_load_the_same_batches(shuffle):
    passes = []
    for n_workers in (0, 2):
        torch.manual_seed(0)
        data = numbered(9, ItemDataset)
        passes.append(seen(batches(data, 4, shuffle, num_workers=n_workers)))
    assert passes[0] == passes[1]


class Noise(Pairs):
    """A torch dataset that draws a number for every item."""

    def __getitem__(self, i):
        return torch.rand(1)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_numbers_drawn_for_items_follow_seed(n_workers):
    draws = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            data = ItemDataset(Noise(np.zeros(6)), np.zeros(6))
            loader = batches(data, 3, num_workers=n_workers)
            draws.append([torch.cat([X for X, _ in loader]) for _ in range(2)])
    first, again, other = draws
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one, same)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_arrays_need_no_loading():
    assert seen(batches(numbered(5), 5, num_workers=3)) == [[0, 1, 2, 3, 4]]


@each_kind
def test_unknown_parameters_of_batches_are_refused(kind):
    message = r"no parameter 'drop_last'; beside batch_size and shuffle, .*num_workers"
    with pytest.raises(ValueError, match=message):
        batches(numbered(5, kind), 5, drop_last=True)


@each_kind
@each_tail
def test_other_weights_belong_to_the_samples_in_use(kind, tail):
    data = numbered(10, kind, tail).subset(np.array([7, 2, 5]))
    weight = np.broadcast_to(
        np.array([1.0, 2.0, 3.0]).reshape(-1, *(1,) * len(tail)), (3, *tail)
    )
    again = data.reweighted(weight)
    for parts in (again.targets(), next(iter(batches(again, 3)))[1]):
        np.testing.assert_array_equal(parts[0], data.targets()[0])
        np.testing.assert_array_equal(parts[1], weight)
    assert again.X is data.X
    np.testing.assert_array_equal(data.targets()[1], 100 + data.targets()[0])
