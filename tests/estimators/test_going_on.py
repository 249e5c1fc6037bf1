"""A fitted network goes on: warm starts, and streams that come part by part."""

import copy
import pickle
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import Distillation
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)


def make_table(n=60, seed=0):
    """A skewed table."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(kind=HCARegressor, **params):
    """A small estimator that goes on when it is fitted again."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 16,
        "lr": 0.01,
        "warm_start": True,
        "random_state": 0,
    }
    if kind is HCARegressor:
        defaults["binner"] = LinearBinner(8)
    return kind(**(defaults | params))


def weights_of(net):
    """Copy the weights and statistics of a net."""
    return copy.deepcopy(net.module_.state_dict())


def assert_same_weights(first, second):
    """Compare weights bit by bit."""
    assert first.keys() == second.keys()
    for key, weight in first.items():
        assert torch.equal(weight, second[key]), key


class Watcher(Callback):
    """Remembers the weights that a training begins with, and its learning rates."""

    def on_train_begin(self, net, **kwargs):
        self.weights, self.lrs = weights_of(net), []

    def on_batch_begin(self, net, training=False, **kwargs):
        self.lrs.append(net.optimizer_.param_groups[0]["lr"])


# ------------------------------------------------------------------------ warm starts


@BOTH
def test_warm_fit_begins_at_the_present_weights(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    before, watcher = weights_of(model.net_), Watcher()
    model.set_params(callbacks=[watcher]).fit(X, y)
    assert_same_weights(watcher.weights, before)
    assert not np.array_equal(model.predict(X), make_model(kind).fit(X, y).predict(X))


@BOTH
def test_first_warm_fit_is_an_ordinary_fit(kind):
    X, y = make_table()
    cold = make_model(kind, warm_start=False).fit(X, y)
    np.testing.assert_array_equal(
        make_model(kind).fit(X, y).predict(X), cold.predict(X)
    )
    again = clone(make_model(kind).fit(X, y)).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), cold.predict(X))


@BOTH
def test_cold_fit_starts_anew(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    expected = model.predict(X)
    model.set_params(warm_start=False).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert len(model.history_) == 3


@BOTH
def test_warm_fits_add_epochs_of_a_new_schedule(kind):
    X, y = make_table()
    model = make_model(kind, max_epochs=2).fit(X, y)
    watcher = Watcher()
    model.set_params(max_epochs=4, lr=0.02, callbacks=[watcher]).fit(X, y)
    assert model.history_[:, "epoch"] == [1, 2, 3, 4, 5, 6]
    lrs = np.array(watcher.lrs)
    assert len(lrs) == 4 * 4
    assert 0 < lrs.argmax() < len(lrs) - 1
    assert 0.01 < lrs.max() <= 0.02


@BOTH
def test_warm_fit_takes_schedules_of_the_user(kind):
    X, y = make_table()
    schedule = LRScheduler("ExponentialLR", gamma=0.5)
    params = {"callbacks": [schedule], "net_params": {"callbacks__schedule": None}}
    model = make_model(kind, **params).fit(X, y).fit(X, y).partial_fit(X, y)
    rates = model.history_[:6, "event_lr"]
    np.testing.assert_allclose(rates, 0.01 * np.array([1, 0.5, 0.25] * 2))


@BOTH
def test_warm_fits_learn_more_and_more(kind):
    X, y = make_table(200)
    model = make_model(kind)
    scores = [model.fit(X, y).score(X, y) for _ in range(6)]
    assert scores[-1] > scores[0] + 0.1


@BOTH
def test_warm_fit_keeps_what_the_first_fit_measured(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    inputs = copy.deepcopy(model.net_.module_.extractor[0].state_dict())
    hierarchy = getattr(model, "hierarchy_", None)
    model.fit(5 + 2 * X, 3 * y)
    for name, value in model.net_.module_.extractor[0].state_dict().items():
        assert torch.equal(value, inputs[name])
    if kind is HCARegressor:
        assert model.hierarchy_ is hierarchy
        assert model.predict(X).max() <= y.max()
    else:
        assert model.target_center_ == pytest.approx(y.mean())


@BOTH
def test_target_counts_are_those_of_the_last_fit(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y).fit(X[:20], y[:20])
    assert model.target_counts_[1].sum() == 20
    model.partial_fit(X[20:], y[20:])
    assert model.target_counts_[1].sum() == 60


@BOTH
def test_warm_fit_with_validation_stops_early_with_the_best_weights(kind):
    X, y = make_table()
    model = make_model(kind, validation_fraction=0.25, max_epochs=2).fit(X, y)
    noise = np.random.default_rng(1).permutation(y)
    model.set_params(max_epochs=60, patience=2, lr=0.05).fit(X, noise)
    losses = np.array(model.history_[2:, "valid_loss"])
    assert len(losses) == losses.argmin() + 1 + 2 < 60


CHANGES = [
    (HCARegressor, {"n_levels": 2}, "n_levels was 'auto' .* is now 2"),
    (HCARegressor, {"anchor": None}, "anchor was 'location' .* is now None"),
    (HCARegressor, {"labels": "one_hot"}, "labels was .* is now 'one_hot'"),
    (HCARegressor, {"binner": "linear"}, "binner was .* is now 'linear'"),
    (HCARegressor, {"binner__n_bins": 5}, "binner__n_bins was 8 .* is now 5"),
    (HCARegressor, {"binner": [0, 1, 9]}, "binner was .* is now"),
    (HCARegressor, {"merging": "same"}, "merging was 'equal_number'"),
    (HCARegressor, {"precision": "fp32"}, "precision was 'auto'"),
    (HCARegressor, {"backbone": nn.Linear(3, 4)}, "backbone was"),
    (DirectRegressor, {"backbone__hidden": (4,)}, r"backbone__hidden was \(16, 8\)"),
    (DirectRegressor, {"loss": "huber"}, "loss was 'absolute' .* is now 'huber'"),
]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("kind", "change", "message"), CHANGES)
def test_network_of_another_design_cannot_go_on(kind, change, message, method):
    X, y = make_table()
    model = make_model(kind, max_epochs=1).fit(X, y)
    expected, kept = model.predict(X), copy.deepcopy(model.get_params())
    with pytest.raises(ValueError, match=message + ".* cannot go on. Set it back, or"):
        getattr(model.set_params(**change), method)(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)
    back = {name: kept[name] for name in change}
    getattr(model.set_params(**back), method)(X, y)
    model.set_params(warm_start=False, **change).fit(X, y)


@pytest.mark.parametrize(
    "backbone",
    [
        nn.Linear(3, 4),
        MLPBackbone((4,), n_pieces=0),
        "mlp",
        lambda: nn.Linear(3, 4),
    ],
    ids=["module", "recipe", "alias", "factory"],
)
@pytest.mark.parametrize("binner", [[0.0, 1.0, 2.0, 9.0], "quantile"], ids=str)
def test_copies_of_a_model_go_on(backbone, binner, tmp_path):
    X, y = make_table()
    model = make_model(backbone=backbone, binner=binner, max_epochs=1).fit(X, y)
    twins = [model, copy.deepcopy(model), model.readjust("mul")]
    if not callable(backbone) or isinstance(backbone, nn.Module):
        twins.append(pickle.loads(pickle.dumps(model)))
        remembered = clone(model).set_params(memory=str(tmp_path))
        twins.append(remembered.fit(X, y))
    weights = [weights_of(twin.fit(X, y).net_) for twin in twins]
    for other in weights[1:]:
        assert_same_weights(other, weights[0])


@BOTH
def test_warm_fit_that_fails_keeps_the_model(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    expected = model.predict(X)

    class Quitter(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        model.set_params(callbacks=[Quitter()]).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.set_params(callbacks=None).fit(X[:, :2], y)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert len(model.history_) == 3


@BOTH
def test_warm_fit_that_diverges_keeps_the_earlier_weights(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    expected = model.predict(X)
    model.set_params(lr=1e300, optimizer="sgd")
    with pytest.raises(FloatingPointError, match="the first of this training"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_warm_fit_leaves_its_siblings_alone():
    X, y = make_table()
    model = make_model().fit(X, y)
    sibling = model.readjust("mul")
    expected = sibling.predict(X)
    model.fit(X, y)
    np.testing.assert_array_equal(sibling.predict(X), expected)
    assert len(sibling.history_) == 3


def test_warm_fit_goes_on_with_the_student():
    X, y = make_table()
    model = make_model(mode="distill", max_epochs=10).fit(X, y)
    before, watcher = weights_of(model.student_net_), Watcher()
    model.set_params(callbacks=[watcher]).fit(X, y)
    # The last training that was watched is stage two; its teachers are the new ones.
    layers = {k: v for k, v in watcher.weights.items() if k.startswith("layers")}
    assert layers
    assert_same_weights(layers, {name: before[name] for name in layers})
    head = model.net_.module_.heads.weight
    assert torch.equal(watcher.weights["heads.weight"], head)


def test_student_of_other_layers_starts_anew():
    X, y = make_table()
    model = make_model(mode="distill").fit(X, y)
    model.set_params(mode=Distillation(head="linear")).fit(X, y)
    assert len(model.student_net_.module_.layers) == 1
    assert np.isfinite(model.predict(X)).all()


def test_warm_fit_may_change_mode_and_decoder():
    X, y = make_table()
    model = make_model(mode="add", decoder="argmax").fit(X, y)
    model.set_params(mode="distill", decoder="median").fit(X, y)
    assert model.student_net_ is not None
    model.set_params(mode="mul").fit(X, y)
    assert model.student_net_ is None


# --------------------------------------------------------------------------- streams


def parts_of(n_parts, n=60, seed=0):
    """A stream of small tables from the same source."""
    X, y = make_table(n_parts * n, seed)
    return list(zip(np.split(X, n_parts), np.split(y, n_parts), strict=True))


@BOTH
def test_parts_teach_as_much_as_the_whole(kind):
    X_test, y_test = make_table(200, seed=1)
    model = make_model(kind)
    scores = []
    for X, y in parts_of(30, n=100):
        scores.append(model.partial_fit(X, y).score(X_test, y_test))
    assert scores[-1] > scores[0] + 0.3
    assert len(model.history_) == 30
    assert model.target_counts_[1].sum() == 30 * 100


@BOTH
@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_targets_outside_the_first_range_leave_a_stream_sound(kind, loss):
    X, y = make_table()
    params = {"loss": loss} if kind is DirectRegressor else {}
    model = make_model(kind, **params).partial_fit(X, y)
    for factor in (1e3, -1e6, 1.0):
        model.partial_fit(X, factor * y)
    prediction = model.predict(X)
    assert np.isfinite(prediction).all()
    values, counts = model.target_counts_
    assert values[0] == pytest.approx(-1e6 * y.max())
    assert counts.sum() == 4 * 60
    if kind is HCARegressor:
        assert y.min() <= prediction.min() <= prediction.max() <= y.max()
        assert model.hierarchy_.counts_.sum() == 60


def test_student_of_a_stream_remembers_earlier_parts():
    """Small parts: a student that started anew with each would know the last one."""
    X_test, y_test = make_table(200, seed=1)
    gaps, scores = [], []
    for seed in range(5):
        model = make_model(mode="distill", max_epochs=10, random_state=seed)
        for X, y in parts_of(30, n=20):
            model.partial_fit(X, y)
        taught = model.readjust("mul").predict(X_test)
        both = (model, model.readjust("distill", X, y))
        gaps.append([np.abs(m.predict(X_test) - taught).mean() for m in both])
        scores.append(model.score(X_test, y_test))
    goes_on, anew = np.mean(gaps, axis=0)
    assert goes_on < anew
    assert np.mean(scores) > 0.3


@BOTH
def test_parts_may_hold_one_sample(kind):
    X, y = make_table()
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(kind, **params).partial_fit(X, y)
    for i in range(3):
        model.partial_fit(X[[i]], y[[i]])
    assert np.isfinite(model.predict(X)).all()
    assert model.target_counts_[1].sum() == 63


@BOTH
def test_part_without_any_weight_is_refused(kind):
    X, y = make_table()
    model = make_model(kind).partial_fit(X, y)
    with pytest.raises(ValueError, match="at least one positive entry"):
        model.partial_fit(X, y, sample_weight=np.zeros(60))
    assert len(model.history_) == 1


@BOTH
@pytest.mark.parametrize("weighting", ["inverse", "sqrt_inverse", "lds", "dense"])
def test_parts_count_a_weight_of_two_as_two_samples(kind, weighting):
    X, y = make_table()
    y = y.round()
    weight = np.where(y <= np.median(y), 5, 1)
    twice = np.repeat(np.arange(len(y)), weight)
    model = make_model(kind, weighting=weighting, batch_size=1000)
    expected = clone(model)
    for _ in range(2):
        model.partial_fit(X, y, weight)
        expected.partial_fit(X[twice], y[twice])
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-4)


@BOTH
def test_threads_train_the_same_models(kind):
    X, y = make_table()
    models = [make_model(kind, random_state=seed) for seed in range(4)]
    expected = [clone(model).fit(X, y).predict(X) for model in models]
    state = torch.get_rng_state()
    with ThreadPool(4) as pool:
        answers = pool.map(lambda model: model.fit(X, y).predict(X), models)
    np.testing.assert_array_equal(answers, expected)
    assert torch.equal(torch.get_rng_state(), state)


@BOTH
def test_parts_read_the_rate_of_net_params_and_ignore_its_length(kind):
    X, y = make_table()
    watcher = Watcher()
    net_params = {"lr": 0.5e-3, "max_epochs": 7, "callbacks__watcher": watcher}
    model = make_model(kind, callbacks=[("watcher", Watcher())], net_params=net_params)
    for n_parts in (1, 2):
        model.partial_fit(X, y)
        assert len(model.history_) == n_parts
        lrs = dict(model.net_.callbacks_)["watcher"].lrs
        np.testing.assert_allclose(lrs, 0.5e-3)


@BOTH
def test_part_with_targets_of_another_shape_is_refused(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 3, 4, 5)), rng.normal(size=(6, 4, 5))
    model = make_model(kind, backbone=lambda: nn.Conv2d(3, 8, 1)).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"but a target has shape \(2, 5\)"):
        model.partial_fit(X, y[:, :2])
    with pytest.raises(ValueError, match=r"but a target has shape \(\)"):
        model.partial_fit(X, y[:, 0, 0])


@BOTH
def test_stream_goes_on_after_a_pickle(kind):
    X, y = make_table()
    model = make_model(kind).partial_fit(X, y)
    restored = pickle.loads(pickle.dumps(model)).partial_fit(X, y)
    np.testing.assert_array_equal(
        restored.predict(X), model.partial_fit(X, y).predict(X)
    )
