"""Weights decay more where the targets turn out to be noise."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from skorch.callbacks import Callback
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.training import _noise
from sk_hca.training._noise import extra_decay, noise_over_signal

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])


def make_table(noise, n_samples=320, n_columns=20):
    """Draw a table whose target is its first column and some noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_columns)).astype(np.float32)
    return X, X[:, 0] + noise * rng.normal(size=n_samples)


def make_model(kind, **params):
    """Make a model that takes 1,000 steps on 320 rows, at a rate of 1e-2."""
    backbone = MLPBackbone((8,), n_pieces=4, n_frequencies=0)
    settings = {"backbone": backbone, "batch_size": 32, "random_state": 0}
    return kind(**{**settings, **params})


def decays_of(net):
    """Return the weight decay of every group of parameters."""
    return [group["weight_decay"] for group in net.optimizer_.param_groups]


def test_noise_over_signal_is_that_of_the_correlation_of_ranks():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 9, 50).astype(float)
    order = y + rng.normal(scale=3.0, size=50)
    rho = spearmanr(order, y).statistic
    assert noise_over_signal(order, y) == pytest.approx((1 - rho**2) / rho**2)


def test_noise_over_signal_does_not_depend_on_units_or_extremes():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    order = y + rng.normal(size=50)
    expected = noise_over_signal(order, y)
    assert noise_over_signal(3 * order - 7, np.exp(5 * y)) == pytest.approx(expected)


def test_a_weight_of_2_makes_the_noise_that_of_the_sample_twice():
    rng = np.random.default_rng(0)
    order, y = rng.normal(size=(2, 30)).round(1) + rng.normal(size=30).round(1)
    weight = rng.integers(0, 4, 30)
    repeated = noise_over_signal(order.repeat(weight), y.repeat(weight))
    assert noise_over_signal(order, y, weight) == pytest.approx(repeated)


@pytest.mark.parametrize("sign", [-1.0, 0.0])
def test_noise_is_infinite_where_nothing_is_explained(sign):
    y = np.arange(20.0)
    assert noise_over_signal(sign * y, y) == np.inf


@pytest.mark.parametrize(
    ("noise", "length", "expected"),
    [
        (1.2, 10.0, 25 * 0.3),
        (1.2, 50.0, 25 * 0.3),
        (1.2, 6.0, 12.5 * 0.3),
        (0.2, 50.0, 0.0),
        (np.inf, 2.0, 0.0),
        (np.inf, 3.0, np.inf),
    ],
)
def test_extra_decay_grows_with_noise_inputs_and_length(noise, length, expected):
    assert extra_decay(noise, 0.3, length) == pytest.approx(expected)


@BOTH
def test_noisy_targets_make_weights_decay_more(kind):
    steady = make_model(kind).fit(*make_table(noise=0.0))
    noisy = make_model(kind).fit(*make_table(noise=1.0))
    hopeless = make_model(kind).fit(*make_table(noise=9.0))
    assert decays_of(steady.net_) == [1.0, 0.0]
    assert 1.0 < decays_of(noisy.net_)[0] <= decays_of(hopeless.net_)[0] == 5.0
    assert decays_of(noisy.net_)[1] == 0.0


def test_a_network_without_a_location_is_judged_by_its_expected_classes():
    settings = {"anchor": None, "labels": "one_hot"}
    steady, noisy = (
        make_model(HCARegressor, **settings).fit(*make_table(noise, n_columns=1))
        for noise in (0.0, 9.0)
    )
    assert decays_of(steady.net_)[0] == 1.0
    assert decays_of(noisy.net_)[0] > 2.0


@BOTH
@pytest.mark.parametrize(
    "params",
    [
        {"net_params": {"optimizer__weight_decay": 0.5}},
        {"optimizer": "sgd", "lr": 1e-3},
        {"batch_size": 320},
    ],
    ids=["decay asked for", "another optimiser", "too short to learn noise"],
)
def test_decay_stays_where_it_was_chosen_or_suits(kind, params):
    X, y = make_table(noise=9.0)
    model = make_model(kind, **params).fit(X, y)
    expected = decays_of(make_model(kind, **params).fit(X, X[:, 0]).net_)
    assert decays_of(model.net_) == expected


@pytest.mark.parametrize("n_pieces", [0, 4, "auto"])
@pytest.mark.parametrize("n_frequencies", [0, 4, "auto"])
@pytest.mark.parametrize("shape", [(3,), (101,), (2, 4, 5)])
def test_inputs_are_those_of_the_first_layer(n_pieces, n_frequencies, shape):
    backbone = MLPBackbone((8,), n_pieces=n_pieces, n_frequencies=n_frequencies)
    first = next(m for m in backbone.build(shape) if isinstance(m, nn.Linear))
    assert backbone.count_inputs(shape) == first.in_features


class UncountedInputs(MLPBackbone):
    """A perceptron that does not tell how many inputs it has."""

    def count_inputs(self, shape):
        """Count none."""
        return 0


@BOTH
def test_a_backbone_can_keep_its_decay(kind):
    model = make_model(kind, backbone=UncountedInputs((8,)))
    assert decays_of(model.fit(*make_table(noise=9.0)).net_) == [1.0, 0.0]


class DecayLog(Callback):
    """Write down the decay after every epoch."""

    def on_train_begin(self, net, **kwargs):
        """Start a new page."""
        self.decays_ = []

    def on_epoch_end(self, net, **kwargs):
        """Write."""
        self.decays_.append(decays_of(net)[0])


@pytest.mark.parametrize(
    ("params", "epoch"),
    [
        ({"batch_size": 32}, 12),  # 10 steps an epoch
        ({"batch_size": 80}, 30),  # 4, so that 120 are past the first third
        ({"batch_size": 2, "max_epochs": 8}, 1),  # 160
    ],
)
def test_the_look_comes_after_120_steps_but_in_the_first_third(params, epoch):
    log = DecayLog()
    model = make_model(DirectRegressor, callbacks=[("log", log)], **params)
    net = model.fit(*make_table(noise=9.0)).net_
    decays = np.array(dict(net.callbacks_)["log"].decays_)
    is_raised = np.arange(1, len(decays) + 1) >= epoch
    np.testing.assert_array_equal(decays == decays[-1], is_raised)
    assert decays[-1] > 1.5


def test_a_part_of_a_large_table_is_looked_at(monkeypatch):
    monkeypatch.setattr(_noise, "MOST_ROWS", 100)
    sizes, known = [], noise_over_signal
    monkeypatch.setattr(
        _noise,
        "noise_over_signal",
        lambda order, y, *weight: (
            sizes.append((len(order), len(y))) or known(order, y, *weight)
        ),
    )
    make_model(DirectRegressor, max_epochs=30).fit(*make_table(noise=1.0))
    assert sizes == [(100, 100)]


@BOTH
def test_less_noise_is_learned_by_heart(kind):
    X, y = make_table(noise=3.0, n_samples=1_320)
    train, test = slice(320), slice(320, None)
    fixed = {"net_params": {"optimizer__weight_decay": 1.0}}
    errors = [
        np.abs(
            make_model(kind, **params).fit(X[train], y[train]).predict(X[test])
            - y[test]
        ).mean()
        for params in ({}, fixed)
    ]
    assert errors[0] < 0.97 * errors[1]
