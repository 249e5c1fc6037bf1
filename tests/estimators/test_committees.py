"""Several networks in one fit."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import ADJUSTMENTS
from sk_hca.backbones import MLPBackbone, Network
from sk_hca.losses import LOSSES

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])


def make_table(n=120, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(kind=HCARegressor, **params):
    defaults = {
        "backbone": MLPBackbone((8,), n_pieces=0),
        "n_estimators": 3,
        "max_epochs": 3,
        "lr": 0.01,
        "random_state": 0,
    }
    return kind(**(defaults | params))


def members_of(model):
    """Every member as a network of its own."""
    network = model.net_.module_.eval()
    inputs, backbones = network.extractor
    return [
        Network(torch.nn.Sequential(inputs, backbone), heads)
        for backbone, heads in zip(backbones, network.heads, strict=True)
    ]


@pytest.mark.parametrize("mode", ["none", "average"])
def test_probabilities_are_the_mean_of_the_members(mode):
    X, y = make_table()
    model = make_model(mode=mode).fit(X, y)
    with torch.no_grad():
        outputs = [member(torch.from_numpy(X)) for member in members_of(model)]
    levels = model.hierarchy_.levels_
    expected = np.mean([o.levels[-1].softmax(dim=1).numpy() for o in outputs], axis=0)
    if mode == "none":
        np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-10)
    answers = model.set_params(decoder="mean").predict_levels(X)[-1]
    np.testing.assert_allclose(answers, expected @ levels[-1].values, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_direct_regression_answers_by_the_mean(loss):
    X, y = make_table()
    model = make_model(DirectRegressor, loss=loss).fit(X, y)
    with torch.no_grad():
        outputs = [member(torch.from_numpy(X)) for member in members_of(model)]
    mean = np.mean([o.location.numpy() for o in outputs], axis=0)
    expected = mean * model.target_scale_ + model.target_center_
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-6)


@BOTH
def test_every_member_learns_as_if_alone(kind):
    X, y = make_table()
    model = make_model(kind).fit(X, y)
    X, target = torch.from_numpy(X), [torch.from_numpy(y)]
    network, criterion = model.net_.module_.train(), model.net_.criterion_
    network.zero_grad()
    criterion(network(X), target).backward()
    for member in members_of(model):
        weights = [*member.train().parameters()]
        loss = criterion.criterion(member(X), target)
        for given, weight in zip(
            torch.autograd.grad(loss, weights), weights, strict=True
        ):
            torch.testing.assert_close(given, weight.grad)


@pytest.mark.parametrize("mode", ADJUSTMENTS)
def test_every_mode_answers(mode):
    X, y = make_table()
    model = make_model(mode=mode).fit(X, y)
    assert model.predict(X).shape == y.shape
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    interval = model.predict_interval(X)
    assert (interval[:, 0] <= interval[:, 1]).all()


@BOTH
def test_committee_is_copied_and_goes_on(kind):
    X, y = make_table()
    model = make_model(kind, warm_start=True).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    assert len(model.fit(X, y).history_) == 6
    assert len(model.partial_fit(X, y).history_) == 7
    assert clone(model).get_params()["n_estimators"] == 3
    with pytest.raises(ValueError, match="n_estimators was 3"):
        model.set_params(n_estimators=2).fit(X, y)


@BOTH
def test_last_layers_are_trained_again(kind):
    X, y = make_table()
    model = make_model(kind, max_epochs=10).fit(X, y)
    again = model.retrain_heads(X, y, weighting="inverse")
    assert not np.allclose(again.predict(X), model.predict(X))
    frozen = zip(
        again.net_.module_.extractor.parameters(),
        model.net_.module_.extractor.parameters(),
        strict=True,
    )
    assert all(torch.equal(now, before) for now, before in frozen)


def test_students_belong_to_their_members():
    X, y = make_table()
    model = make_model().fit(X, y)
    student = model.readjust("distill", X, y).student_net_.module_
    for one, heads in zip(student, model.net_.module_.heads, strict=True):
        for given, expected in zip(
            one.heads.parameters(), heads.parameters(), strict=True
        ):
            assert torch.equal(given, expected)


def test_committee_with_penalty_early_stopping_and_balance():
    X, y = make_table(200)
    model = make_model(
        penalty="ranksim", validation_fraction=0.3, balance="auto", max_epochs=20
    ).fit(X, y)
    assert 0 <= model.balance_ <= 1
    assert np.isfinite(model.history_[:, "valid_loss"]).all()


def test_maps_have_committees():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2, 4, 4)).astype(np.float32)
    model = make_model(backbone=torch.nn.Conv2d(2, 4, 1)).fit(X, X[:, 0])
    assert model.predict(X).shape == (20, 4, 4)


@BOTH
def test_committee_refuses_a_smoother(kind):
    X, y = make_table()
    with pytest.raises(ValueError, match="n_estimators=1 or smoother=None"):
        make_model(kind, smoother="fds").fit(X, y)
