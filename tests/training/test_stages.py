"""One stage: early stopping, settings, pickling, continuing and reading."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_hca.base import NetworkOutput
from sk_hca.losses import weighted_mean
from sk_hca.training import (
    OPTIMIZERS,
    ArrayDataset,
    ItemDataset,
    StageNet,
    StageSettings,
    continue_stage,
    read_network,
    start_stage,
    train_stage,
)

BATCH_SIZE = 8


class SquaredError(nn.Module):
    """A loss that is already averaged."""

    def forward(self, output, target):
        y, *weight = target
        return weighted_mean((output.squeeze(1) - y).square(), *weight)


class Counter(Callback):
    """Counts what it was called for."""

    def __init__(self):
        self.n_epochs = 0
        self.lrs = []

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.lrs.append(net.optimizer_.param_groups[0]["lr"])


class Keeper(Callback):
    """Keeps the weights of every epoch."""

    def __init__(self):
        self.weights = []

    def on_epoch_end(self, net, **kwargs):
        self.weights.append(copy.deepcopy(net.module_.state_dict()))


def make_data(n=32, n_features=3):
    """A linear table."""
    X = np.random.default_rng(0).normal(size=(n, n_features)).astype(np.float32)
    return ArrayDataset(X, X.sum(axis=1))


def make_module(n_features=3, width=1):
    """A network with the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if width == 1:
            return nn.Linear(n_features, 1)
        return nn.Sequential(nn.Linear(n_features, width), nn.Linear(width, 1))


def train(module=None, data=None, valid=None, **changes):
    """Train a short stage, in the same order every time."""
    defaults = {
        "optimizer": "adamw",
        "lr": 0.05,
        "max_epochs": 3,
        "batch_size": BATCH_SIZE,
    }
    settings = StageSettings(**(defaults | changes))
    module = make_module() if module is None else module
    data = make_data() if data is None else data
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return train_stage(module, SquaredError(), data, settings, valid)


def state_of(module):
    """The weights, as they are now."""
    return {name: w.clone() for name, w in module.state_dict().items()}


def assert_same_weights(state, expected):
    """Compare weights bit by bit."""
    assert state.keys() == expected.keys()
    for name, weight in state.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=0)


def test_stage_trains_module_in_place():
    module = make_module()
    before = state_of(module)
    net = train(module)
    assert isinstance(net, StageNet)
    assert net.module_ is module
    assert not torch.equal(module.weight, before["weight"])


def test_stage_minimises_the_loss():
    net = train(max_epochs=40, optimizer="adam")
    assert net.history[-1, "train_loss"] < 0.05 * net.history[0, "train_loss"]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, torch.optim.RMSprop], ids=str)
def test_stage_takes_optimizer_as_alias_or_class(optimizer):
    net = train(optimizer=optimizer, lr=0.02)
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


@pytest.mark.parametrize("grouped", [True, False])
def test_adamw_decays_matrices_alone(grouped):
    module = make_module(width=4)
    groups = [{"params": [*layer.parameters()], "lr": 0.5} for layer in module]
    given = groups if grouped else module.parameters()
    optimizer = OPTIMIZERS["adamw"](given, lr=0.5)
    before = [weight.clone() for weight in module.parameters()]
    for weight in module.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight, old in zip(module.parameters(), before, strict=True):
        torch.testing.assert_close(weight, 0.5 * old if old.ndim > 1 else old)


def test_stage_follows_seed_of_torch():
    assert_same_weights(train().module_.state_dict(), train().module_.state_dict())


def test_samples_without_weight_are_never_learned():
    clean, spoiled = make_data(), make_data()
    clean.weight = spoiled.weight = np.ones(len(clean))
    clean.weight[:4] = 0
    spoiled.y[:4] = 1e6
    first, second = train(data=clean), train(data=spoiled)
    assert_same_weights(first.module_.state_dict(), second.module_.state_dict())


def test_stage_trains_on_items_as_on_arrays():
    class Items(torch.utils.data.Dataset):
        X = make_data().X

        def __len__(self):
            return len(self.X)

        def __getitem__(self, i):
            return self.X[i]

    data = make_data()
    settings = {"data": ItemDataset(Items(), data.y, data.weight), "max_epochs": 20}
    net = train(**settings)
    assert net.history[-1, "train_loss"] < 0.2 * net.history[0, "train_loss"]


def opposed_data():
    """Validation data that a module fits less and less while it trains."""
    data = make_data(16)
    return ArrayDataset(data.X, -data.y)


def test_early_stopping_restores_best_weights():
    keeper = Keeper()
    net = train(
        valid=opposed_data(), max_epochs=50, patience=4, callbacks=[keeper], lr=0.2
    )
    losses = net.history[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert len(losses) < 50
    assert len(losses) == best + 1 + 4
    assert_same_weights(net.module_.state_dict(), keeper.weights[best])


def test_early_stopping_keeps_last_weights_while_they_improve():
    keeper = Keeper()
    net = train(valid=make_data(16), max_epochs=5, patience=2, callbacks=[keeper])
    assert len(net.history) == 5
    assert_same_weights(net.module_.state_dict(), keeper.weights[-1])


def test_training_writes_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = train(valid=opposed_data(), max_epochs=10, patience=2)
    continue_stage(net, make_data(), lr=0.01)
    pickle.loads(pickle.dumps(net))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("anneals", [True, False])
@pytest.mark.parametrize("with_valid", [True, False])
def test_continuing_is_one_more_epoch_at_constant_rate(anneals, with_valid):
    counter = Counter()
    valid = make_data(16) if with_valid else None
    net = train(anneals=anneals, valid=valid, callbacks=[counter])
    for n_more in (1, 2):
        continue_stage(net, make_data(24), lr=0.01)
        assert counter.n_epochs == len(net.history) == 3 + n_more
    np.testing.assert_allclose(counter.lrs[3 * 4 :], 0.01)
    assert len(counter.lrs) == 3 * 4 + 2 * 3


def test_continuing_takes_a_net_without_a_step_yet():
    module = make_module()
    before = state_of(module)
    counter = Counter()
    settings = StageSettings("adamw", 0.1, 7, BATCH_SIZE, callbacks=[counter])
    net = start_stage(module, SquaredError(), make_data(), settings)
    assert_same_weights(module.state_dict(), before)
    continue_stage(net, make_data(), lr=0.01)
    assert len(net.history) == 1
    np.testing.assert_allclose(counter.lrs, [0.01] * 4)


def test_history_stands_behind_an_earlier_one():
    first = train(max_epochs=2)
    earlier = copy.deepcopy(first.history)
    settings = StageSettings("adamw", 0.05, 3, BATCH_SIZE)
    net = train_stage(
        first.module_, SquaredError(), make_data(), settings, history=first.history
    )
    assert net.history[:, "epoch"] == [1, 2, 3, 4, 5]
    assert net.history[:2] == earlier == first.history
    continue_stage(net, make_data(), lr=0.01)
    assert net.history[-1, "epoch"] == 6


@pytest.mark.parametrize("pickled", [False, True])
def test_continuing_keeps_state_of_optimizer(pickled):
    net = train()
    if pickled:
        net = pickle.loads(pickle.dumps(net))
    continue_stage(net, make_data(), lr=0.01)
    continue_stage(net, make_data(), lr=0.01)
    steps = {int(state["step"]) for state in net.optimizer_.state.values()}
    assert steps == {(3 + 2) * 4}


def test_continuing_trains_the_module():
    net = train()
    before = state_of(net.module_)
    continue_stage(net, make_data(), lr=0.01)
    assert not torch.equal(net.module_.weight, before["weight"])


def test_continuing_a_copy_leaves_the_net_alone():
    net = train()
    before = state_of(net.module_)
    twin = copy.deepcopy(net)
    continue_stage(twin, make_data(), lr=0.05)
    assert_same_weights(net.module_.state_dict(), before)
    assert not torch.equal(twin.module_.weight, net.module_.weight)
    assert len(net.history) == 3


@pytest.mark.parametrize("with_valid", [True, False])
def test_pickle_holds_module_once(with_valid):
    data = make_data(n_features=100)
    module = make_module(n_features=100, width=500)
    net = train(module, data, valid=data if with_valid else None)
    n_bytes = sum(w.numel() * w.element_size() for w in module.state_dict().values())
    # AdamW keeps two numbers per weight.
    assert len(pickle.dumps(net)) < 1.1 * 3 * n_bytes


def test_pickle_restores_a_net_that_answers_alike():
    net = train()
    restored = pickle.loads(pickle.dumps(net))
    assert_same_weights(restored.module_.state_dict(), net.module_.state_dict())
    assert restored.history[:, "train_loss"] == net.history[:, "train_loss"]
    assert restored.module_ is not net.module_


def test_net_params_win_over_settings():
    counter = Counter()
    net = train(
        net_params={
            "max_epochs": 2,
            "lr": 0.5,
            "batch_size": 16,
            "optimizer__weight_decay": 0.25,
            "iterator_train__shuffle": False,
        },
        callbacks=[counter],
    )
    assert len(net.history) == 2
    assert len(counter.lrs) == 2 * 2
    assert 0.3 < max(counter.lrs) <= 0.5
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.25


@pytest.mark.parametrize(("max_epochs", "lr"), [(1, 0.05), (30, 0.05), (30, 0.5)])
def test_weights_shrink_alike_in_short_stages_of_adamw(max_epochs, lr):
    """By exp(-2.5) or further, unless that takes a decay above 2.5."""
    counter = Counter()
    net = train(max_epochs=max_epochs, lr=lr, callbacks=[counter])
    decay = net.optimizer_.param_groups[0]["weight_decay"]
    half_of_all_rates = lr * len(counter.lrs) / 2
    expected = np.clip(2.5 / half_of_all_rates, 1.0, 2.5)
    assert decay == pytest.approx(expected)


def test_stage_of_a_steady_rate_or_of_another_optimizer_keeps_its_decay():
    steady = train(anneals=False)
    assert steady.optimizer_.param_groups[0]["weight_decay"] == 1.0
    other = train(optimizer=torch.optim.AdamW)
    assert other.optimizer_.param_groups[0]["weight_decay"] == 0.01


def test_pickle_changes_nothing_about_how_weight_files_are_read():
    net = train(net_params={"torch_load_kwargs": {"weights_only": True}})
    copied = pickle.loads(pickle.dumps(net))
    assert copied.torch_load_kwargs == {"weights_only": True}
    assert pickle.loads(pickle.dumps(train())).torch_load_kwargs is None


def test_net_params_may_replace_all_callbacks():
    counter = Counter()
    net = train(net_params={"callbacks": [("mine", counter)]})
    assert counter.n_epochs == 3
    np.testing.assert_allclose(counter.lrs, 0.05)
    assert not {"finite_loss", "schedule"} & set(dict(net.callbacks_))


def test_unknown_net_params_are_refused():
    with pytest.raises(ValueError, match=r"unexpected argument.* nonsense"):
        train(net_params={"nonsense": 1})


@pytest.mark.parametrize("wrap", [lambda cb: cb, lambda cb: ("mine", cb)])
def test_callbacks_of_the_user_are_called(wrap):
    counter = Counter()
    train(callbacks=[wrap(counter)])
    assert counter.n_epochs == 3
    assert len(counter.lrs) == 3 * 4


def test_stage_is_silent_unless_told(capsys):
    net = train(valid=opposed_data(), max_epochs=30, patience=2)
    continue_stage(net, make_data(), lr=0.01)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_stage_prints_table_when_told(capsys):
    train(valid=make_data(16), verbose=1)
    header, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert header.split()[:3] == ["epoch", "train_loss", "valid_loss"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]


def test_stage_shows_progress_when_told_twice(capsys):
    train(verbose=2)
    captured = capsys.readouterr()
    assert "train_loss" in captured.out
    assert "/4" in captured.out + captured.err


def test_settings_are_frozen():
    settings = StageSettings("adamw", 0.1, 1, 8)
    with pytest.raises(AttributeError, match="lr"):
        settings.lr = 1.0


@pytest.mark.parametrize("batch_size", [4, 7, 100])
def test_reading_joins_answers_of_all_batches(batch_size):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    data = make_data(9)
    answers = read_network(
        module, data, "cpu", lambda output: output, batch_size=batch_size
    )
    assert isinstance(answers, np.ndarray)
    assert not module.training
    with torch.no_grad():
        expected = module(torch.from_numpy(data.X))
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 4])
def test_reading_writes_all_answers_into_one_array(width):
    made = []

    def make_array(shape, dtype):
        made.append(np.full(shape, 7, dtype))
        return made[-1]

    data = make_data(10)
    module = nn.Linear(3, width)
    answers = read_network(
        module, data, "cpu", lambda output: output, make_array, batch_size=4
    )
    assert len(made) == 1
    assert answers is made[0]
    assert answers.dtype == np.float32
    expected = read_network(module, data, "cpu", lambda output: output, batch_size=100)
    np.testing.assert_allclose(answers, expected, rtol=1e-6, atol=1e-6)


def test_reading_keeps_only_answers():
    module = make_module()
    shapes = []

    def answer(output):
        shapes.append(output.shape)
        assert not output.requires_grad
        return output.squeeze(1) > 0

    answers = read_network(module, make_data(10), "cpu", answer, batch_size=4)
    assert answers.shape == (10,)
    assert answers.dtype == bool
    assert shapes == [(4, 1), (4, 1), (2, 1)]


def test_stage_trains_module_that_gives_a_parcel():
    class Parcel(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, X):
            return NetworkOutput(X, location=self.layer(X).squeeze(1))

    class Located(nn.Module):
        def forward(self, output, target):
            return (output.location - target[0]).square().mean()

    settings = StageSettings("adam", 0.1, 10, BATCH_SIZE)
    net = train_stage(Parcel(), Located(), make_data(), settings, valid=make_data(10))
    assert net.history[-1, "valid_loss"] < net.history[0, "valid_loss"]
