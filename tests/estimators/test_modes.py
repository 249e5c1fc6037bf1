"""One training, many ways to read it: modes, decoders, students, and more data."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sk_hca import HCARegressor
from sk_hca.adjustment import ADJUSTMENTS, Distillation, RangeAdjustment
from sk_hca.backbones import MLPBackbone
from sk_hca.base import ClassTable, LevelClasses
from sk_hca.binning import BaseBinner, CustomBinner, LinearBinner, QuantileBinner
from sk_hca.targets import make_labels

LEARNING_FREE = [k for k, mode in ADJUSTMENTS.items() if not mode.trains_student]
DECODERS = ["argmax", "mean", "debiased_mean", "median"]
N_SAMPLES = 60


def make_table(n=N_SAMPLES, seed=0):
    """A skewed table: many small targets, few large ones."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5] + 0.1 * rng.normal(size=n))


def make_model(**params):
    """A small estimator with a handful of classes."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "binner": QuantileBinner(12),
        "max_epochs": 5,
        "lr": 0.02,
        "batch_size": 16,
        "random_state": 0,
    }
    return HCARegressor(**(defaults | params))


def weights_of(net):
    """Copy the weights and statistics of a net."""
    return copy.deepcopy(net.module_.state_dict())


def assert_same_weights(net, expected):
    """Compare the weights and statistics of a net bit by bit."""
    weights = net.module_.state_dict()
    assert weights.keys() == expected.keys()
    for key, weight in weights.items():
        assert torch.equal(weight, expected[key]), key


@pytest.fixture(scope="module")
def fitted():
    """A fitted estimator that no test may change."""
    return make_model().fit(*make_table())


@pytest.fixture(scope="module")
def free():
    """Free logits as in the paper, and classes without samples."""
    binner = LinearBinner(20)
    return make_model(anchor=None, labels="one_hot", binner=binner).fit(*make_table())


# ----------------------------------------------------------- formulas, with a dense T


def class_mapping(parent):
    """The class mapping T of the paper, of shape (C_h, C_H)."""
    return (np.arange(parent.max() + 1)[:, None] == parent).astype(float)


def softmax(logits):
    """Normalise along the classes."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def level_probabilities(model, X):
    """Run the network by hand: probabilities of every level, coarse to fine."""
    with torch.no_grad():
        output = model.net_.module_.eval()(torch.from_numpy(X))
    return [softmax(logits.numpy()) for logits in output.levels]


def merged(model, X, mode):
    """Compute the distribution of a mode by its formula."""
    *coarse, finest = level_probabilities(model, X)
    mappings = [class_mapping(parent) for parent in model.hierarchy_.parents_]
    if mode == "add":
        p = finest + sum(p @ T for p, T in zip(coarse, mappings, strict=True))
    elif mode == "mul":
        p = finest.copy()
        for p_coarse, T in zip(coarse, mappings, strict=True):
            p *= p_coarse @ T
    elif mode in ("vote", "consult"):
        p = finest.copy()
        for p_coarse, T in zip(coarse, mappings, strict=True):
            p *= (p_coarse @ T) ** 0.5
    elif mode == "range":
        p = finest * mappings[0][coarse[0].argmax(axis=1)]
    elif mode == "marginal":
        p = finest
        for p_coarse, T in reversed(list(zip(coarse, mappings, strict=True))):
            p = p * ((p_coarse / (p @ T.T)) @ T)
    else:
        p = finest
    p = p / p.sum(axis=1, keepdims=True)
    if mode == "consult":
        place = np.arange(finest.shape[1])
        variance = finest @ place**2 - (finest @ place) ** 2
        share = np.maximum(0, 1 - 1 / variance)[:, None]
        p = (1 - share) * finest + share * p
    return p


def decoded(p, decoder, values, edges):
    """Decode by the formula; a median by the inverse of the distribution function."""
    if decoder == "argmax":
        return values[p.argmax(axis=1)]
    if decoder in ("mean", "debiased_mean"):
        return p @ values
    positions = np.empty(2 * len(values) + 1)
    positions[::2], positions[1::2] = edges, values
    halves = np.repeat(p / 2, 2, axis=1).cumsum(axis=1)
    return np.array([np.interp(0.5, np.append(0, half), positions) for half in halves])


def debiased(mean, model):
    """Find the target whose label has a mean, from labels made anew."""
    if model.labels == "one_hot":
        return mean
    finest = LevelClasses.from_level(model.hierarchy_.levels_[-1])
    y = np.unique(np.concatenate([finest.edges, finest.values]))
    p = make_labels(model.labels).encode(
        torch.from_numpy(y), ClassTable.from_levels([finest]), torch.float64
    )
    return np.interp(mean, p.numpy() @ finest.values.numpy(), y)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("mode", LEARNING_FREE)
@pytest.mark.parametrize("name", ["fitted", "free"])
def test_mode_equals_its_formula(request, name, mode, decoder):
    model = copy.copy(request.getfixturevalue(name))
    X, _ = make_table(seed=1)
    levels = model.hierarchy_.levels_
    if mode == "average":
        answers = [
            decoded(p, decoder, level.values, level.edges)
            for p, level in zip(level_probabilities(model, X), levels, strict=True)
        ]
        if decoder == "debiased_mean":  # Coarse levels have the plain mean.
            answers[-1] = debiased(answers[-1], model)
        expected = np.mean(answers, axis=0)
    else:
        p = merged(model, X, mode)
        expected = decoded(p, decoder, levels[-1].values, levels[-1].edges)
        if decoder == "debiased_mean":
            expected = debiased(expected, model)
    prediction = model.set_params(mode=mode, decoder=decoder).predict(X)
    np.testing.assert_allclose(prediction, expected, rtol=1e-7)


def test_targets_that_the_inputs_settle_keep_their_place():
    """Prices of six kinds: the mean of a label lies between two of them."""
    kind = np.arange(240) % 6
    y = np.array([1.0, 1.5, 4.0, 4.2, 9.0, 20.0])[kind]
    params = {"max_epochs": 60, "net_params": {"optimizer__weight_decay": 0.0}}
    model = make_model(mode="none", **params).fit(np.eye(6)[kind], y)
    errors = {
        decoder: np.abs(model.set_params(decoder=decoder).predict(np.eye(6)) - y[:6])
        for decoder in ("mean", "debiased_mean")
    }
    assert errors["mean"].max() > 3
    assert errors["debiased_mean"].max() < 0.1


def test_answers_rest_on_the_labels_of_the_fit(fitted):
    X, _ = make_table(seed=1)
    model = copy.copy(fitted)
    before = model.predict(X)
    np.testing.assert_array_equal(model.set_params(labels="one_hot").predict(X), before)


@pytest.mark.parametrize("mode", [m for m in LEARNING_FREE if m != "average"])
def test_probabilities_equal_the_formula(fitted, mode):
    X, _ = make_table(seed=1)
    p = fitted.readjust(mode).predict_proba(X)
    np.testing.assert_allclose(p, merged(fitted, X, mode), rtol=1e-7, atol=1e-12)


def test_probabilities_of_average_have_its_mean(fitted):
    X, _ = make_table(seed=1)
    average = fitted.readjust("average").set_params(decoder="mean")
    p = average.predict_proba(X)
    np.testing.assert_allclose(
        p @ fitted.hierarchy_.values_, average.predict(X), rtol=1e-7
    )


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("mode", [*LEARNING_FREE, RangeAdjustment(level=2)], ids=str)
def test_set_params_and_readjust_answer_alike(fitted, mode, decoder):
    X, _ = make_table(seed=1)
    model = copy.copy(fitted).set_params(decoder=decoder)
    readjusted = model.readjust(mode)
    expected = model.set_params(mode=mode).predict(X)
    np.testing.assert_array_equal(readjusted.predict(X), expected)


@pytest.mark.parametrize("mode", LEARNING_FREE)
def test_fit_trains_every_learning_free_mode_alike(fitted, mode):
    X, y = make_table()
    trained = make_model(mode=mode).fit(X, y)
    np.testing.assert_array_equal(trained.predict(X), fitted.readjust(mode).predict(X))


def test_readjust_shares_stage_one_and_leaves_the_original(fitted):
    X, y = make_table()
    before, expected = dict(vars(fitted)), fitted.predict(X)
    for mode in [*LEARNING_FREE, "distill"]:
        readjusted = fitted.readjust(mode, X, y)
        assert readjusted is not fitted
        assert readjusted.mode == mode
        assert readjusted.net_ is fitted.net_
        assert readjusted.hierarchy_ is fitted.hierarchy_
        assert readjusted.n_features_in_ == 3
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict(X), expected)


def test_readjusted_estimator_can_be_readjusted(fitted):
    X, y = make_table()
    chain = fitted.readjust("distill", X, y).readjust("mul")
    np.testing.assert_array_equal(chain.predict(X), fitted.readjust("mul").predict(X))


@pytest.mark.parametrize("mode", LEARNING_FREE)
@pytest.mark.parametrize("decoder", DECODERS)
def test_modes_of_one_level_are_all_the_same(mode, decoder):
    X, y = make_table()
    model = make_model(n_levels=1, max_epochs=1, decoder=decoder).fit(X, y)
    assert model.hierarchy_.parents_ == []
    plain = model.readjust("none").predict(X)
    np.testing.assert_allclose(model.readjust(mode).predict(X), plain, rtol=1e-9)


# ------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("mode", [*LEARNING_FREE, "distill"])
def test_probabilities_are_a_distribution(fitted, mode):
    X, y = make_table()
    p = fitted.readjust(mode, X, y).predict_proba(X)
    assert p.shape == (N_SAMPLES, fitted.n_classes_)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-9)


@pytest.mark.parametrize("mode", [m for m in LEARNING_FREE if m != "average"])
def test_argmax_is_the_value_of_the_most_probable_class(fitted, mode):
    X, _ = make_table()
    model = fitted.readjust(mode).set_params(decoder="argmax")
    index = model.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.hierarchy_.values_[index])


@pytest.mark.parametrize("decoder", DECODERS)
def test_levels_answer_alone_coarse_to_fine(fitted, decoder):
    X, _ = make_table()
    model = fitted.readjust("mul").set_params(decoder=decoder)
    answers = model.predict_levels(X)
    levels = model.hierarchy_.levels_
    assert len(answers) == len(levels) == 4
    expected = [
        decoded(p, decoder, level.values, level.edges)
        for p, level in zip(level_probabilities(model, X), levels, strict=True)
    ]
    if decoder == "debiased_mean":
        expected[-1] = debiased(expected[-1], model)
    np.testing.assert_allclose(answers, expected, rtol=1e-7)
    plain = model.readjust("none").predict(X)
    np.testing.assert_allclose(answers[-1], plain, rtol=1e-12)


# --------------------------------------------------------------------- classes


def test_hierarchy_tells_the_classes_of_every_level(fitted):
    _, y = make_table()
    hierarchy = fitted.hierarchy_
    n_classes = fitted.n_classes_
    assert n_classes == len(hierarchy.values_) == len(hierarchy.counts_) == 12
    assert len(hierarchy.edges_) == n_classes + 1
    assert hierarchy.counts_.sum() == N_SAMPLES
    edges = hierarchy.edges_
    for c, (value, count) in enumerate(
        zip(hierarchy.values_, hierarchy.counts_, strict=True)
    ):
        inside = (y > edges[c]) & (y <= edges[c + 1])
        if c == 0:
            inside |= y == edges[0]
        assert inside.sum() == count
        np.testing.assert_allclose(y[inside].mean(), value)
    for parent, level in zip(hierarchy.parents_, hierarchy.levels_[:-1], strict=True):
        T = class_mapping(parent)
        np.testing.assert_array_equal(T @ hierarchy.counts_, level.counts)
    values, counts = fitted.target_counts_
    np.testing.assert_array_equal(values, np.unique(y))
    assert counts.sum() == N_SAMPLES


def test_heads_have_the_classes_of_the_hierarchy(fitted):
    X, _ = make_table()
    sizes = [p.shape[1] for p in level_probabilities(fitted, X)]
    assert sizes == [2, 4, 8, 12]
    assert sizes == [len(level.values) for level in fitted.hierarchy_.levels_]


@pytest.mark.parametrize("merging", ["equal_number", "equal_length", "recursive"])
def test_merging_halves_the_classes(merging):
    X, y = make_table()
    model = make_model(merging=merging, max_epochs=1).fit(X, y)
    sizes = [len(level.values) for level in model.hierarchy_.levels_]
    assert sizes[0] == 2
    assert sizes[-1] == 12
    assert sizes == sorted(sizes)
    for level in model.hierarchy_.levels_:
        assert (level.counts > 0).all()
        assert level.counts.sum() == N_SAMPLES


def test_merging_by_number_and_by_length_differ_on_a_skewed_target():
    X, y = make_table()
    first = {}
    for merging in ("equal_number", "equal_length"):
        model = make_model(merging=merging, max_epochs=1).fit(X, y)
        first[merging] = model.hierarchy_.levels_[0]
    np.testing.assert_array_equal(first["equal_number"].counts, [30, 30])
    middle = first["equal_length"].edges[1]
    assert middle > 2 * np.median(y)


def test_same_classes_repeat_the_finest_level():
    X, y = make_table()
    model = make_model(merging="same", n_levels=3).fit(X, y)
    assert [p.shape[1] for p in level_probabilities(model, X)] == [12] * 3
    for parent in model.hierarchy_.parents_:
        np.testing.assert_array_equal(parent, np.arange(12))


@pytest.mark.parametrize(("n_levels", "n_expected"), [(1, 1), (3, 3), (9, 4)])
def test_levels_are_no_more_than_asked_for(n_levels, n_expected):
    X, y = make_table()
    model = make_model(n_levels=n_levels, max_epochs=1).fit(X, y)
    assert len(model.hierarchy_.levels_) == n_expected


class HalfBinner(BaseBinner):
    """A binner of a user: it cuts at whole halves."""

    def make_edges(self, values, counts):
        """Start below the smallest target."""
        return np.arange(np.floor(values[0]), np.ceil(values[-1]) + 0.5, 0.5)


def test_binner_of_a_user_cuts_the_classes():
    X, y = make_table()
    model = make_model(binner=HalfBinner()).fit(X, y)
    np.testing.assert_allclose(np.diff(model.hierarchy_.edges_), 0.5)
    prediction = model.predict(X)
    assert y.min() <= prediction.min() <= prediction.max() <= y.max()


@pytest.mark.parametrize(
    "binner",
    [[0.0, 0.5, 1.0, 3.0, 20.0], np.array([0, 0.5, 1, 3, 20]), (0, 0.5, 1, 3, 20)],
    ids=["list", "array", "tuple"],
)
def test_edges_may_be_given_as_they_are(binner):
    X, y = make_table()
    model = make_model(binner=binner).fit(X, y)
    np.testing.assert_array_equal(model.hierarchy_.edges_, [0, 0.5, 1, 3, 20])
    expected = make_model(binner=CustomBinner([0, 0.5, 1, 3, 20])).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize("labels", ["one_hot", "gaussian", "histogram_gaussian"])
@pytest.mark.parametrize("anchor", [None, "location"])
def test_every_label_and_anchor_learns(labels, anchor):
    X, y = make_table()
    model = make_model(labels=labels, anchor=anchor, max_epochs=20).fit(X, y)
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert model.score(X, y) > 0.5


def test_anchored_network_has_a_location(fitted, free):
    X, _ = make_table()
    with torch.no_grad():
        anchored = fitted.net_.module_(torch.from_numpy(X))
        plain = free.net_.module_(torch.from_numpy(X))
    assert anchored.location.shape == (N_SAMPLES,)
    assert plain.location is None


def test_detached_heads_train_but_leave_the_features_to_the_finest():
    X, y = make_table()
    params = {"detach_heads": True, "anchor": None, "labels": "one_hot"}
    model = make_model(**params, max_epochs=20).fit(X, y)
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    module = model.net_.module_
    output = module.train()(torch.from_numpy(X))
    for h, logits in enumerate(output.levels):
        module.zero_grad()
        logits.square().sum().backward(retain_graph=True)
        reached = any(
            p.grad is not None and p.grad.any() for p in module.extractor.parameters()
        )
        assert reached == (h == len(output.levels) - 1)


# -------------------------------------------------------------------- students


@pytest.mark.parametrize("weighted", [False, True])
def test_readjusting_to_a_student_is_fitting_one(fitted, weighted):
    X, y = make_table()
    weight = np.linspace(0.1, 2, N_SAMPLES) if weighted else None
    stage_one = make_model().fit(X, y, weight) if weighted else fitted
    trained = make_model(mode="distill").fit(X, y, weight)
    readjusted = stage_one.readjust("distill", X, y, weight)
    assert_same_weights(readjusted.student_net_, weights_of(trained.student_net_))
    np.testing.assert_array_equal(readjusted.predict(X), trained.predict(X))
    np.testing.assert_array_equal(readjusted.predict_proba(X), trained.predict_proba(X))


def test_student_does_not_change_learning_free_modes(fitted):
    X, y = make_table()
    trained = make_model(mode="distill").fit(X, y)
    for mode in LEARNING_FREE:
        expected = fitted.readjust(mode).predict(X)
        np.testing.assert_array_equal(trained.readjust(mode).predict(X), expected)
        prediction = copy.copy(trained).set_params(mode=mode).predict(X)
        np.testing.assert_array_equal(prediction, expected)


@pytest.mark.parametrize("alignment", ["max", "sum"])
@pytest.mark.parametrize("head", ["linear", "softplus"])
@pytest.mark.parametrize("supervision", ["levels", "targets"])
@pytest.mark.parametrize("name", ["fitted", "free"])
def test_every_student_learns(request, name, alignment, head, supervision):
    X, y = make_table()
    model = request.getfixturevalue(name)
    mode = Distillation(alignment, head=head, supervision=supervision, epochs=3.0)
    student = model.readjust(mode, X, y)
    losses = student.student_net_.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    prediction = student.predict(X)
    assert y.min() <= prediction.min() <= prediction.max() <= y.max()


def test_distilled_student_follows_its_teachers_and_not_the_targets(fitted):
    X, y = make_table()
    shuffled = np.random.default_rng(3).permutation(y)
    students = [fitted.readjust("distill", X, target) for target in (y, shuffled)]
    np.testing.assert_array_equal(students[0].predict(X), students[1].predict(X))
    told = [
        fitted.readjust(Distillation(supervision="targets"), X, target)
        for target in (y, shuffled)
    ]
    assert not np.array_equal(told[0].predict(X), told[1].predict(X))


def test_student_preserves_the_range_of_its_teachers(free):
    """With max alignment, a well-trained student agrees with every level."""
    X, y = make_table()
    student = free.readjust(Distillation(head="linear", epochs=40.0, lr=0.05), X, y)
    fine = student.predict_proba(X).argmax(axis=1)
    *coarse, _ = level_probabilities(free, X)
    agrees = free.hierarchy_.parents_[0][fine] == coarse[0].argmax(axis=1)
    assert agrees.mean() > 0.8


@pytest.mark.parametrize(("width", "hidden"), [(8, 64), (256, 64), (320, 80)])
def test_student_has_a_quarter_of_the_features_or_64_units(width, hidden):
    X, y = make_table()
    model = make_model(backbone=MLPBackbone((width,)), mode="distill", max_epochs=1)
    student = model.fit(X, y).student_net_.module_
    shapes = [tuple(layer.weight.shape) for layer in student.layers[::2]]
    assert shapes == [(hidden, width), (12, hidden)]
    linear = model.readjust(Distillation(head="linear"), X, y).student_net_.module_
    assert [tuple(layer.weight.shape) for layer in linear.layers] == [(12, width)]


@pytest.mark.parametrize(
    ("max_epochs", "share", "n_epochs"),
    [(20, 0.2, 4), (10, 0.2, 2), (1, 0.2, 1), (4, 1.5, 6)],
)
def test_student_trains_for_a_share_of_stage_one(max_epochs, share, n_epochs):
    X, y = make_table()
    mode = Distillation(epochs=share)
    model = make_model(max_epochs=max_epochs, mode=mode, batch_size=60).fit(X, y)
    assert len(model.history_) == max_epochs
    assert len(model.student_net_.history) == n_epochs


def test_default_student_trains_for_a_fifth():
    assert Distillation().epochs == 0.2
    assert round(Distillation().epochs * 90) == 18


class Normalized(nn.Module):
    """A backbone with statistics, which writes down every call."""

    def __init__(self, calls):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5)
        )
        self.calls = calls

    def forward(self, X):
        self.calls.append((len(X), self.training, torch.is_grad_enabled()))
        return self.layers(X)


@pytest.mark.parametrize("head", ["linear", "softplus"])
@pytest.mark.parametrize("supervision", ["levels", "targets"])
def test_stage_one_is_frozen_while_the_student_trains(head, supervision):
    X, y = make_table()
    model = make_model(backbone=lambda: Normalized([])).fit(X, y)
    before = weights_of(model.net_)
    assert any("running_mean" in key for key in before)
    mode = Distillation(head=head, supervision=supervision, epochs=1.0)
    student = model.readjust(mode, X, y)
    assert_same_weights(model.net_, before)
    assert_same_weights(student.net_, before)
    teachers = student.student_net_.module_.heads
    for key, weight in teachers.state_dict().items():
        assert torch.equal(weight, before[f"heads.{key}"])
        assert not weight.requires_grad
    assert not teachers.training


def test_features_of_the_student_are_computed_once():
    X, y = make_table()
    calls = []
    model = make_model(backbone=lambda: Normalized(calls)).fit(X, y)
    calls.clear()
    student = model.readjust(Distillation(epochs=2.0), X, y)
    assert len(student.student_net_.history) == 10
    # One batch holds them all; neither training mode nor gradients are needed.
    assert calls == [(N_SAMPLES, False, False)]


def test_fit_forgets_the_student_of_another_mode():
    X, y = make_table()
    model = make_model(mode="distill", max_epochs=1).fit(X, y)
    assert model.student_net_ is not None
    assert model.set_params(mode="mul").fit(X, y).student_net_ is None


# ------------------------------------------------------------------------- maps


@pytest.mark.parametrize("mode", [*LEARNING_FREE, "distill"])
@pytest.mark.parametrize("anchor", [None, "location"])
def test_modes_read_maps_place_by_place(mode, anchor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 3, 2, 4)).astype(np.float32)
    y = np.exp(X.sum(axis=1)).astype(np.float64)
    y[0, 0] = np.nan
    model = make_model(
        backbone=nn.Conv2d(3, 8, 1), mode=mode, anchor=anchor, batch_size=3
    ).fit(X, y)
    prediction = model.predict(X)
    assert prediction.shape == y.shape
    assert np.nanmin(y) <= prediction.min() <= prediction.max() <= np.nanmax(y)
    assert model.hierarchy_.counts_.sum() == 6 * 8 - 4
    p = model.predict_proba(X)
    assert p.shape == (6, 12, 2, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert [answer.shape for answer in model.predict_levels(X)] == [y.shape] * 4


# ------------------------------------------------------------------- partial_fit


def test_first_part_sets_the_classes():
    X, y = make_table()
    model = make_model().partial_fit(X[:30], y[:30])
    hierarchy, net = model.hierarchy_, model.net_
    edges = hierarchy.edges_.copy()
    model.partial_fit(X[30:], y[30:])
    assert model.hierarchy_ is hierarchy
    np.testing.assert_array_equal(hierarchy.edges_, edges)
    assert hierarchy.counts_.sum() == 30
    assert model.net_ is not net


def test_more_parts_go_on_learning():
    X, y = make_table()
    model = make_model()
    for _ in range(20):
        model.partial_fit(X, y)
    losses = model.history_[:, "train_loss"]
    assert len(losses) == 20
    assert losses[-1] < 0.9 * losses[0]
    assert model.score(X, y) > 0.5


def test_target_counts_of_the_parts_add_up():
    X, y = make_table()
    y = y.round()
    model = make_model()
    for part in (slice(0, 20), slice(20, 35), slice(35, 60)):
        model.partial_fit(X[part], y[part])
    values, counts = np.unique(y, return_counts=True)
    np.testing.assert_array_equal(model.target_counts_[0], values)
    np.testing.assert_array_equal(model.target_counts_[1], counts)


def test_partial_fit_of_a_readjusted_estimator_leaves_its_sibling():
    X, y = make_table()
    model = make_model().fit(X, y)
    sibling = model.readjust("mul")
    expected, before = sibling.predict(X), weights_of(sibling.net_)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(sibling.predict(X), expected)
    assert_same_weights(sibling.net_, before)
    assert not np.array_equal(model.readjust("mul").predict(X), expected)
    assert len(sibling.history_) + 1 == len(model.history_)


def test_partial_fit_goes_on_from_fit():
    X, y = make_table()
    model = make_model(max_epochs=3).fit(X, y)
    hierarchy = model.hierarchy_
    model.partial_fit(X, y)
    assert model.hierarchy_ is hierarchy
    assert len(model.history_) == 4


def test_fit_after_partial_fit_starts_anew():
    X, y = make_table()
    expected = make_model().fit(X, y)
    model = make_model().partial_fit(X[:20], 9 * y[:20]).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert_same_weights(model.net_, weights_of(expected.net_))


def test_partial_fit_of_a_student_trains_it_again():
    X, y = make_table()
    model = make_model(mode="distill").partial_fit(X, y)
    student, expected = model.student_net_, model.predict(X)
    model.partial_fit(X, y)
    assert model.student_net_ is not student
    assert not np.array_equal(model.predict(X), expected)


def test_partial_fit_reads_sample_weights():
    X, y = make_table()
    weight = np.repeat([0.0, 1.0], [20, 40])
    y_spoiled = np.where(weight > 0, y, 1e6)
    expected = make_model().partial_fit(X[20:], y[20:]).partial_fit(X[20:], y[20:])
    model = make_model().partial_fit(X[20:], y[20:])
    model.partial_fit(X, y_spoiled, sample_weight=weight)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    doubled = make_model().partial_fit(X, y, sample_weight=np.full(60, 2.0))
    once = make_model().partial_fit(X, y)
    np.testing.assert_allclose(doubled.predict(X), once.predict(X), rtol=1e-5)


def test_student_is_forgotten_once_stage_one_has_moved_on():
    X, y = make_table()
    model = make_model(mode="distill").fit(X, y)
    model.set_params(mode="add").partial_fit(X, y)
    with pytest.raises(ValueError, match="needs a student"):
        model.set_params(mode="distill").predict(X)


def test_student_takes_larger_batches_where_it_sees_enough_samples():
    X, y = make_table()
    model = HCARegressor(max_epochs=1, batch_size=4, random_state=0).fit(X, y)
    steps = []
    for epochs in (1, 50):
        student = model.readjust(Distillation(epochs=epochs), X, y)
        steps.append(student.student_net_.history[-1]["train_batch_count"])
    assert len(X) == 60
    assert steps == [15, 3]  # batches of 4, and of 60 * 50 / 150 = 20
