"""A weighting multiplies the weights of training, and nothing else."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import Distillation
from sk_hca.backbones import MLPBackbone
from sk_hca.targets import (
    WEIGHTINGS,
    BaseWeighting,
    InverseWeighting,
    LDSWeighting,
    dense_weights,
    lds_weights,
    make_weighting,
)

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)
EDGES = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 100.0])
RARE = InverseWeighting(EDGES)


def make_table(n=60, seed=0):
    """A skewed table."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(kind=HCARegressor, **params):
    """A small estimator, trained in float64."""
    defaults = {
        "backbone": MLPBackbone((8,), n_pieces=0),
        "max_epochs": 2,
        "device": "cpu",
        "random_state": 0,
    }
    if kind is HCARegressor:
        defaults["binner"] = EDGES
    return kind(**(defaults | params))


class WeightLog(Callback):
    """Remembers targets and weights of every batch of the last training."""

    def __deepcopy__(self, memo):
        """Stay in sight when a network goes on in a copy."""
        return self

    def on_train_begin(self, net, **kwargs):
        self.seen = {True: [], False: []}

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.seen[training].append(batch[1])

    def targets(self, training=True):
        """Return targets and weights, batch after batch; weights are 1 if missing."""
        pairs = [(y, *(w or [torch.ones_like(y)])) for y, *w in self.seen[training]]
        return (torch.cat(column).numpy() for column in zip(*pairs, strict=True))


def logged(model, X, y, **fit_params):
    """Fit with a log of what the training was fed."""
    log = WeightLog()
    model.set_params(callbacks=[log]).fit(X, y, **fit_params)
    return log


@BOTH
@pytest.mark.parametrize("alias", WEIGHTINGS)
def test_training_is_fed_the_weights_of_all_targets(kind, alias):
    X, y = make_table()
    log = logged(make_model(kind, weighting=alias, max_epochs=1, batch_size=16), X, y)
    fed, weight = log.targets()
    expected = make_weighting(alias).weigh(y)
    np.testing.assert_allclose(weight[np.argsort(fed)], expected[np.argsort(y)])
    assert np.ptp(weight) > 0.1


def test_aliases_are_the_public_functions():
    _, y = make_table()
    expected = {
        "inverse": lds_weights(y, 50, reweight="inverse", smooth=False),
        "sqrt_inverse": lds_weights(y, 50, smooth=False),
        "lds": lds_weights(y, 50),
        "dense": dense_weights(y),
    }
    assert set(expected) == set(WEIGHTINGS)
    for alias, weight in expected.items():
        np.testing.assert_array_equal(make_weighting(alias).weigh(y), weight)


@BOTH
def test_weights_multiply_sample_weight(kind):
    X, y = make_table()
    sample_weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    model = make_model(kind, weighting=RARE, max_epochs=1)
    fed, weight = logged(model, X, y, sample_weight=sample_weight).targets()
    expected = sample_weight * RARE.weigh(y, sample_weight)
    np.testing.assert_allclose(weight[np.argsort(fed)], expected[np.argsort(y)])


@BOTH
def test_validation_part_is_weighed_too(kind):
    X, y = make_table()
    model = make_model(kind, weighting=RARE, validation_fraction=0.25, max_epochs=1)
    log = logged(model, X, y)
    parts = [log.targets(training) for training in (True, False)]
    fed, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    np.testing.assert_allclose(weight[np.argsort(fed)], RARE.weigh(y)[np.argsort(y)])


@BOTH
def test_weights_leave_classes_scales_and_shots_alone(kind):
    X, y = make_table()
    plain = make_model(kind).fit(X, y)
    weighed = make_model(kind, weighting="inverse").fit(X, y)
    for first, second in zip(plain.target_counts_, weighed.target_counts_, strict=True):
        np.testing.assert_array_equal(first, second)
    inputs = [
        model.net_.module_.extractor[0].state_dict() for model in (plain, weighed)
    ]
    for name, value in inputs[0].items():
        assert torch.equal(value, inputs[1][name])
    if kind is DirectRegressor:
        assert plain.target_center_ == weighed.target_center_
        assert plain.target_scale_ == weighed.target_scale_
    else:
        for name in ("edges_", "values_", "counts_"):
            first, second = (getattr(m.hierarchy_, name) for m in (plain, weighed))
            np.testing.assert_array_equal(first, second)
    assert not np.allclose(plain.predict(X), weighed.predict(X))


@BOTH
def test_weights_of_maps_are_weights_of_places(kind):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(6, 3, 4, 4)).astype(np.float32)
    y = np.exp(generator.normal(size=(6, 4, 4)))
    y[generator.random(y.shape) < 0.2] = np.nan
    y[5] = np.nan
    model = make_model(
        kind, backbone=nn.Conv2d(3, 4, 3, padding=1), weighting=RARE, max_epochs=1
    )
    fed, weight = logged(model, X, y).targets()
    known = weight > 0
    assert known.sum() == np.isfinite(y).sum()
    values = y[np.isfinite(y)]
    np.testing.assert_allclose(
        weight[known][np.argsort(fed[known])], RARE.weigh(values)[np.argsort(values)]
    )


@BOTH
@pytest.mark.parametrize("alias", WEIGHTINGS)
def test_weight_of_two_is_a_row_given_twice(kind, alias):
    X, y = make_table(30)
    repeats = np.random.default_rng(2).integers(0, 3, len(y))
    model = make_model(kind, weighting=alias)
    weighed = clone(model).fit(X, y, sample_weight=repeats)
    repeated = clone(model).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    np.testing.assert_allclose(weighed.predict(X), repeated.predict(X), atol=1e-7)


@BOTH
def test_parts_are_weighed_by_all_targets_seen(kind):
    X, y = make_table()
    log = WeightLog()
    model = make_model(kind, weighting=RARE, callbacks=[log])
    model.partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])
    fed, weight = log.targets()
    expected = RARE.weigh(y)[40:]
    np.testing.assert_allclose(weight[np.argsort(fed)], expected[np.argsort(y[40:])])


@BOTH
def test_weighting_may_come_late(kind):
    """Deferred re-weighting: the same network goes on with other weights."""
    X, y = make_table()
    model = make_model(kind, warm_start=True).fit(X, y)
    model.set_params(weighting="lds").fit(X, y)
    assert len(model.history_) == 4


def test_weights_reach_a_student_only_where_the_targets_teach_it():
    X, y = make_table()
    for supervision, is_weighed in [("targets", True), ("levels", False)]:
        mode = Distillation(supervision=supervision)
        _, weight = logged(make_model(weighting=RARE, mode=mode), X, y).targets()
        assert (np.ptp(weight) > 0.1) == is_weighed


@BOTH
def test_weighted_model_survives_copies(kind):
    X, y = make_table()
    model = make_model(kind, weighting=LDSWeighting(20)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    nested = clone(model).set_params(weighting__bins=4).fit(X, y)
    assert not np.array_equal(nested.predict(X), model.predict(X))


def test_memory_tells_weightings_apart(tmp_path):
    X, y = make_table()
    plain = make_model(memory=str(tmp_path)).fit(X, y)
    weighed = make_model(memory=str(tmp_path), weighting="lds").fit(X, y)
    expected = make_model(weighting="lds").fit(X, y)
    np.testing.assert_array_equal(weighed.predict(X), expected.predict(X))
    assert not np.array_equal(weighed.predict(X), plain.predict(X))


class Wrong(BaseWeighting):
    """A weighting of a user, who has made a mistake."""

    def __init__(self, answer):
        self.answer = answer

    def weigh(self, y, sample_weight=None):
        return np.resize(self.answer, 1 if self.answer == 7 else len(y))


@BOTH
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (7, "must give one finite weight per target, not all zero, of shape"),
        (np.nan, "must give one finite weight per target"),
        (0.0, "must give one finite weight per target, not all zero"),
        (-1.0, "must not give negative weights; the smallest is -1"),
    ],
)
def test_weights_of_the_user_are_checked(kind, answer, message):
    X, y = make_table()
    with pytest.raises(ValueError, match=rf"Wrong\.weigh {message}"):
        make_model(kind, weighting=Wrong(answer)).fit(X, y)
