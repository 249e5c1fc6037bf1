"""Retraining the last layer on a frozen backbone (RRT)."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.estimators import _heads
from sk_hca.targets import InverseWeighting

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)
EDGES = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 100.0])


def make_table(n=80, seed=0):
    """A skewed table."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(kind=HCARegressor, **params):
    """A small estimator, trained in float64."""
    defaults = {
        "backbone": MLPBackbone((8,), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 16,
        "lr": 0.01,
        "device": "cpu",
        "random_state": 0,
    }
    if kind is HCARegressor:
        defaults["binner"] = EDGES
    return kind(**(defaults | params))


def normalized_backbone():
    """A backbone that keeps statistics of its batches."""
    layers = [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers).double()


@BOTH
def test_retraining_leaves_the_backbone_as_it_is_to_the_bit(kind):
    X, y = make_table()
    model = make_model(kind, backbone=normalized_backbone()).fit(X, y)
    before = copy.deepcopy(model.net_.module_.state_dict())
    predicted = model.predict(X)
    retrained = model.retrain_heads(X, y)
    after = retrained.net_.module_.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        if name.startswith("extractor."):
            assert torch.equal(after[name], value), name
    heads = [name for name in before if not name.startswith("extractor.")]
    assert not all(torch.equal(after[name], before[name]) for name in heads)
    np.testing.assert_array_equal(model.predict(X), predicted)


@BOTH
def test_retrained_layer_begins_anew(kind):
    """Two models with one backbone, however different their heads, give one."""
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    first = model.retrain_heads(X, y)
    second = first.retrain_heads(X, y)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


@BOTH
def test_retrained_layer_learns_on_the_features_that_predict(kind):
    """Its loss in the whole network is that of the last layer alone."""
    X, y = make_table()
    params = {"max_epochs": 30, "batch_size": 80, "lr": 0.02}
    model = make_model(kind, backbone=normalized_backbone(), **params).fit(X, y)
    model = model.retrain_heads(X, y, weighting=None)
    first, *_, last = model.history_[30:, "train_loss"]
    assert last < first
    net = model.net_
    with torch.no_grad():
        output = net.module_.eval()(torch.from_numpy(X))
        loss = net.criterion_(output, (torch.from_numpy(y),)).item()
    assert loss == pytest.approx(last, rel=0.05)


@BOTH
def test_retraining_weighs_the_targets(kind):
    X, y = make_table()
    model = make_model(kind, max_epochs=30, batch_size=80).fit(X, y)
    plain = model.retrain_heads(X, y, weighting=None)
    weighed = model.retrain_heads(X, y, weighting=InverseWeighting(EDGES))
    rare = y > 8
    assert 0 < rare.sum() < 8
    errors = [np.abs(m.predict(X) - y)[rare].mean() for m in (plain, weighed)]
    assert errors[1] < errors[0]


@BOTH
def test_retrained_estimator_is_a_fitted_one_of_its_own(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    retrained = model.retrain_heads(X, y, weighting="lds")
    assert type(retrained) is kind
    assert (model.weighting, retrained.weighting) == (None, "lds")
    assert retrained.lr == model.lr
    assert retrained.history_[:, "epoch"] == [1, 2, 3, 4, 5, 6]
    assert model.history_[:, "epoch"] == [1, 2, 3]
    for first, second in zip(
        model.target_counts_, retrained.target_counts_, strict=True
    ):
        np.testing.assert_array_equal(first, second)
    again = pickle.loads(pickle.dumps(retrained))
    np.testing.assert_array_equal(again.predict(X), retrained.predict(X))


@BOTH
def test_retrained_estimator_goes_on(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    retrained = model.retrain_heads(X, y)
    predicted = [m.predict(X) for m in (model, retrained)]
    going = pickle.loads(pickle.dumps(retrained)).partial_fit(X, y)
    assert not np.array_equal(going.predict(X), predicted[1])
    going = retrained.set_params(warm_start=True).fit(X, y)
    assert going.history_[:, "epoch"] == list(range(1, 10))
    np.testing.assert_array_equal(model.predict(X), predicted[0])


@BOTH
def test_retraining_minds_sample_weight(kind):
    X, y = make_table()
    model = make_model(kind, batch_size=256).fit(X, y)
    repeats = np.random.default_rng(0).integers(0, 3, len(y))
    weighed = model.retrain_heads(X, y, sample_weight=repeats)
    repeated = model.retrain_heads(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    np.testing.assert_allclose(weighed.predict(X), repeated.predict(X), atol=1e-7)


@BOTH
def test_retraining_stops_early_on_a_validation_part(kind):
    X, y = make_table()
    model = make_model(kind, validation_fraction=0.25, patience=2).fit(X, y)
    retrained = model.retrain_heads(X, y)
    assert "valid_loss" in retrained.history_[-1]


@BOTH
def test_retraining_works_on_maps(kind):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(6, 3, 4, 4)).astype(np.float32)
    y = np.exp(generator.normal(size=(6, 4, 4)))
    y[0, 0] = np.nan
    model = make_model(kind, backbone=nn.Conv2d(3, 4, 3, padding=1)).fit(X, y)
    retrained = model.retrain_heads(X, y)
    assert retrained.predict(X).shape == y.shape
    assert not np.array_equal(retrained.predict(X), model.predict(X))


@BOTH
def test_retraining_reads_a_torch_dataset(kind):
    X, y = make_table()
    model = make_model(kind, precision="fp32").fit(X, y)
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    expected = model.retrain_heads(X, y).predict(X)
    np.testing.assert_allclose(
        model.retrain_heads(dataset).predict(X), expected, rtol=1e-4
    )


@BOTH
def test_retraining_keeps_large_features_in_a_file(kind, monkeypatch):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    expected = model.retrain_heads(X, y).predict(X)
    monkeypatch.setattr(_heads, "MOST_IN_MEMORY", 0)
    np.testing.assert_array_equal(model.retrain_heads(X, y).predict(X), expected)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (HCARegressor, {"n_estimators": 2}),
        (HCARegressor, {"binner": "linear"}),
        (DirectRegressor, {"backbone": MLPBackbone((5,))}),
    ],
)
def test_what_new_heads_cannot_change_is_refused(kind, change):
    X, y = make_table()
    model = make_model(kind).fit(X, y).set_params(**change)
    with pytest.raises(ValueError, match=f"^{next(iter(change))}.* was .* is now"):
        model.retrain_heads(X, y)


@pytest.mark.parametrize(
    ("kind", "change"),
    [(HCARegressor, {"anchor": None}), (DirectRegressor, {"loss": "gaussian"})],
)
def test_new_heads_go_on_as_what_they_are(kind, change):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    before = {name: model.get_params()[name] for name in change}
    model = model.set_params(**change).retrain_heads(X, y)
    model.partial_fit(X, y)
    with pytest.raises(ValueError, match="cannot go on"):
        model.set_params(**before).partial_fit(X, y)


def test_retraining_keeps_the_classes_and_trains_a_student_again():
    X, y = make_table()
    model = make_model(mode="distill").fit(X, y)
    retrained = model.retrain_heads(X[:40], y[:40])
    assert retrained.hierarchy_ is model.hierarchy_
    assert retrained.student_net_ is not model.student_net_
    assert not np.array_equal(retrained.predict(X), model.predict(X))
    assert make_model().fit(X, y).retrain_heads(X, y).student_net_ is None


@BOTH
def test_retraining_refuses_what_it_cannot_weigh(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    with pytest.raises(ValueError, match="weighting must be one of 'inverse'"):
        model.retrain_heads(X, y, weighting="invers")
    with pytest.raises(ValueError, match="X has 2 features"):
        model.retrain_heads(X[:, :2], y)
