"""Training that diverges, and the rise and fall of the learning rate."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from sk_hca.losses import weighted_mean
from sk_hca.training import (
    ArrayDataset,
    FiniteLoss,
    StageSettings,
    continue_stage,
    train_stage,
)

N_SAMPLES, BATCH_SIZE = 32, 8
N_BATCHES = N_SAMPLES // BATCH_SIZE


class SquaredError(nn.Module):
    """A loss that is already averaged."""

    def forward(self, output, target):
        y, *weight = target
        return weighted_mean((output.squeeze(1) - y).square(), *weight)


class Fragile(nn.Module):
    """A linear network whose answer, or gradient, is NaN at one step of training."""

    def __init__(self, bad_step=None, where="loss"):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.bad_step = bad_step
        self.where = where
        self.n_steps = 0

    def forward(self, X):
        answer = self.layer(X)
        if self.training:
            self.n_steps += 1
            if self.n_steps == self.bad_step:
                if self.where == "loss":
                    return answer * torch.nan
                answer.register_hook(lambda gradient: gradient * torch.nan)
        return answer


class Recorder(Callback):
    """Remembers the learning rate of every batch."""

    def __init__(self):
        self.lrs = []

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.lrs.append(net.optimizer_.param_groups[0]["lr"])


def make_data(n=N_SAMPLES):
    """A linear table."""
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    return ArrayDataset(X, X.sum(axis=1))


def make_settings(**changes):
    """A short stage with a constant learning rate."""
    defaults = {
        "optimizer": "adamw",
        "lr": 0.05,
        "max_epochs": 3,
        "batch_size": BATCH_SIZE,
        "anneals": False,
    }
    return StageSettings(**(defaults | changes))


def train(module, valid=None, **changes):
    """Train from the same weights and in the same order every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module.layer.reset_parameters()
        settings = make_settings(**changes)
        return train_stage(module, SquaredError(), make_data(), settings, valid)


def test_training_that_stays_finite_is_left_alone():
    net = train(Fragile())
    assert len(net.history) == 3
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


@pytest.mark.parametrize(
    ("where", "bad_step"),
    [
        ("loss", N_BATCHES + 1),
        ("loss", 2 * N_BATCHES),
        ("gradient", N_BATCHES + 1),
        ("gradient", 2 * N_BATCHES),
    ],
    ids=["loss_first", "loss_last", "gradient_first", "gradient_last"],
)
def test_divergence_goes_back_to_last_good_weights(where, bad_step):
    good = Fragile()
    train(good, max_epochs=1)
    fragile = Fragile(bad_step, where)
    message = (
        r"became NaN or infinite in epoch 2: training stopped, and the weights of "
        r"epoch 1 are kept\. Lower lr"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        net = train(fragile)
    assert len(net.history) == 2
    torch.testing.assert_close(fragile.layer.weight, good.layer.weight)
    torch.testing.assert_close(fragile.layer.bias, good.layer.bias)


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("bad_step", [1, N_BATCHES])
def test_divergence_in_first_epoch_is_an_error(where, bad_step):
    message = "became NaN or infinite in epoch 1, the first of this training"
    with pytest.raises(FloatingPointError, match=message):
        train(Fragile(bad_step, where))


def test_divergence_of_infinite_loss_is_seen():
    data = make_data()
    data.y[3] = np.inf
    with pytest.raises(FloatingPointError, match="in epoch 1, the first"):
        train_stage(Fragile(), SquaredError(), data, make_settings())


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_training_can_continue_after_divergence(where):
    fragile = Fragile(N_BATCHES + 2, where)
    with pytest.warns(ConvergenceWarning, match="in epoch 2"):
        net = train(fragile)
    kept = fragile.layer.weight.clone()
    continue_stage(net, make_data(), lr=0.05)
    assert torch.isfinite(fragile.layer.weight).all()
    assert not torch.equal(fragile.layer.weight, kept)


def test_divergence_while_continuing_goes_back_to_trained_weights():
    fragile = Fragile(3 * N_BATCHES + 1)
    net = train(fragile)
    trained = fragile.layer.weight.clone()
    with pytest.warns(ConvergenceWarning, match=r"epoch 4: .* weights of epoch 3 are"):
        continue_stage(net, make_data(), lr=0.05)
    assert torch.equal(fragile.layer.weight, trained)


def test_divergence_in_validation_does_not_stop_training():
    valid = make_data(8)
    valid.y[:] = np.nan
    net = train(Fragile(), valid=valid, patience=10)
    assert len(net.history) == 3


def test_copy_of_weights_is_let_go_after_training():
    watch = FiniteLoss()
    train(Fragile(), net_params={"callbacks": [watch]})
    assert watch.good_epoch_ == 3
    assert watch.good_weights_ is None


def test_learning_rate_rises_and_falls_once():
    recorder = Recorder()
    train(Fragile(), anneals=True, max_epochs=5, callbacks=[recorder])
    lrs = np.array(recorder.lrs)
    assert len(lrs) == 5 * N_BATCHES
    peak = lrs.argmax()
    assert 0 < peak < len(lrs) / 2
    assert (np.diff(lrs[: peak + 1]) > 0).all()
    assert (np.diff(lrs[peak:]) < 0).all()
    assert lrs[0] < 0.1 * 0.05
    assert 0.9 * 0.05 < lrs[peak] <= 0.05
    assert 0 < lrs[-1] < 0.1 * 0.05


@pytest.mark.parametrize("max_epochs", [1, 2, 7])
def test_learning_rate_is_that_of_torch(max_epochs):
    recorder = Recorder()
    train(Fragile(), anneals=True, max_epochs=max_epochs, callbacks=[recorder])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05)
    n_steps = max_epochs * N_BATCHES
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.05, total_steps=n_steps + 1, cycle_momentum=False
    )
    expected = []
    for _ in range(n_steps):
        expected += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(recorder.lrs, expected)


def test_more_steps_than_were_planned_leave_the_learning_rate_at_its_end():
    recorder = Recorder()
    net = train(Fragile(), anneals=True, callbacks=[recorder])
    net.run_single_epoch(
        net.get_iterator(make_data(), training=True),
        training=True,
        prefix="train",
        step_fn=net.train_step,
    )
    assert 0 < max(recorder.lrs[-N_BATCHES + 1 :]) < 1e-6


def test_learning_rate_is_constant_when_asked():
    recorder = Recorder()
    train(Fragile(), callbacks=[recorder])
    np.testing.assert_allclose(recorder.lrs, 0.05)


def test_single_step_is_trained_without_schedule():
    recorder = Recorder()
    train(Fragile(), anneals=True, max_epochs=1, batch_size=100, callbacks=[recorder])
    np.testing.assert_allclose(recorder.lrs, [0.05])


@pytest.mark.parametrize("alias", ["adamw", "adam", "sgd"])
def test_schedule_serves_every_optimizer(alias):
    recorder = Recorder()
    net = train(Fragile(), optimizer=alias, anneals=True, callbacks=[recorder])
    assert recorder.lrs[0] < max(recorder.lrs)
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


def test_every_group_of_parameters_rises_to_its_own_rate():
    class Watcher(Callback):
        def __init__(self):
            self.lrs = []

        def on_batch_begin(self, net, training=False, **kwargs):
            groups = net.optimizer_.param_groups
            self.lrs.append({group["lr"] for group in groups})

    watcher = Watcher()
    groups = {"optimizer__param_groups": [("*bias", {"lr": 0.01})]}
    train(
        Fragile(), anneals=True, callbacks=[watcher], net_params=groups, max_epochs=20
    )
    rates = np.array([sorted(lrs) for lrs in watcher.lrs])
    np.testing.assert_allclose(rates.max(axis=0), [0.01, 0.05], rtol=0.01)
    np.testing.assert_allclose(rates[:, 0] / rates[:, 1], 0.2)


@pytest.mark.parametrize("alias", ["adamw", "adam", "sgd"])
def test_averages_of_silent_units_end_at_nothing_and_change_no_weight(alias):
    def train_silenced(**changes):
        """After the first step, all gradients but that of the bias are zero."""
        module = Fragile()
        module.layer.weight.register_hook(lambda g: g * (module.n_steps == 1))
        net = train(module, optimizer=alias, max_epochs=200, **changes)
        state = net.optimizer_.state[module.layer.weight]
        return module, state["momentum_buffer" if alias == "sgd" else "exp_avg"]

    module, average = train_silenced()
    assert (average == 0).all()
    plain, faded = train_silenced(net_params={"callbacks": []})
    assert (faded != 0).all()
    assert (faded.abs() < 1e-32).all()
    assert torch.equal(module.layer.weight, plain.layer.weight)
    assert torch.equal(module.layer.bias, plain.layer.bias)


def test_averages_end_at_nothing_over_many_short_trainings_too():
    module = Fragile()
    module.layer.weight.register_hook(lambda g: g * (module.n_steps == 1))
    net = train(module, max_epochs=1)
    for _ in range(200):
        continue_stage(net, make_data(), lr=0.01)
    assert (net.optimizer_.state[module.layer.weight]["exp_avg"] == 0).all()
