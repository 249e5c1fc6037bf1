"""What comes in wrong is refused in one clear sentence, and nothing is lost."""

import copy
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import TensorDataset

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import AddAdjustment, Distillation, RangeAdjustment
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import BINNERS, LinearBinner, QuantileBinner
from sk_hca.losses import LOSSES
from sk_hca.prediction import MeanDecoder
from sk_hca.targets import OneHotLabels

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])
MODES = ["none", "add", "mul", "vote", "consult", "average", "range", "marginal"]
DECODERS = ["argmax", "mean", "debiased_mean", "median"]


def make_table(n=40):
    """A linear table with a bit of everything in the range of its targets."""
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, X @ [1.0, 2.0, -1.0]


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 2,
        "batch_size": 10,
    }
    return kind(**(defaults | {"random_state": 0} | params))


@pytest.fixture(scope="module")
def fitted_models():
    """One fitted estimator of each kind, to be copied."""
    kinds = (HCARegressor, DirectRegressor)
    X, y = make_table()
    return {kind: make_model(kind).fit(X, y.round(1)) for kind in kinds}


@pytest.fixture
def assert_refused(fitted_models):
    """Return a check that fit refuses, new or again, and loses nothing."""

    def check(kind, error, message, X=None, y=None, weight=None, **params):
        X_good, y_good = make_table()
        X = X_good if X is None else X
        y = y_good if y is None else y
        given = copy.deepcopy((X, y, weight))
        with pytest.raises(error, match=message):
            make_model(kind, **params).fit(X, y, weight)

        model = copy.deepcopy(fitted_models[kind])
        attributes = list(vars(model))
        expected = model.predict(X_good)
        usual = {name: model.get_params()[name] for name in params}
        with pytest.raises(error, match=message):
            model.set_params(**params).fit(X, y, weight)
        model.set_params(**usual)
        np.testing.assert_array_equal(model.predict(X_good), expected)
        assert list(vars(model)) == attributes
        for now, before in zip((X, y, weight), given, strict=True):
            assert_same_bytes(now, before)

    return check


def assert_same_bytes(now, before):
    """Check that an array was not written into."""
    if isinstance(now, np.ndarray):
        assert now.dtype == before.dtype
        assert now.tobytes() == before.tobytes()


def spoiled(array, value):
    """Put one value into a copy."""
    array = array.copy()
    array.flat[7] = value
    return array


# ---------------------------------------------------------------- data at the door


@BOTH
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
@pytest.mark.parametrize("name", ["X", "y"])
def test_fit_refuses_what_is_not_finite(assert_refused, kind, name, value, message):
    X, y = make_table()
    data = {name: spoiled(X if name == "X" else y, value)}
    assert_refused(kind, ValueError, f"Input {name} contains {message}", **data)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predict_refuses_what_is_not_finite(fitted_models, kind, value):
    X, y = make_table()
    with pytest.raises(ValueError, match="Input X contains"):
        fitted_models[kind].predict(spoiled(X, value))
    with pytest.raises(ValueError, match="contains"):
        fitted_models[kind].score(X, spoiled(y, value))


def map_backbone():
    """Three channels become eight, place by place."""
    return nn.Conv2d(3, 8, kernel_size=1)


def make_maps(n=6):
    """Images, and a target at each of their places."""
    X = np.random.default_rng(1).normal(size=(n, 3, 4, 5)).astype(np.float32)
    return X, X.sum(axis=1).astype(np.float64)


@BOTH
def test_maps_may_have_missing_targets_only(kind):
    X, y = make_maps()
    model = make_model(kind, backbone=map_backbone)
    y_missing = y.copy()
    y_missing[:, :2] = np.nan
    expected = model.fit(X, y_missing).predict(X)
    assert expected.shape == y.shape
    assert np.isfinite(expected).all()
    for bad in (spoiled(y, np.inf), np.full_like(y, np.nan)):
        with pytest.raises(ValueError, match="y must hold finite targets"):
            model.fit(X, bad)
    np.testing.assert_array_equal(model.predict(X), expected)


@BOTH
def test_score_compares_all_known_places_of_maps(kind):
    X, y = make_maps()
    y[1, 2:] = np.nan
    weight = np.arange(1.0, 1 + len(y))
    model = make_model(kind, backbone=map_backbone).fit(X, y)
    answers, known = model.predict(X), np.isfinite(y)
    error = np.nansum((y - answers) ** 2) / np.sum((y[known] - y[known].mean()) ** 2)
    assert model.score(X, y) == pytest.approx(1 - error)
    place_weight = np.broadcast_to(weight[:, None, None], y.shape)[known]
    expected = r2_score(y[known], answers[known], sample_weight=place_weight)
    assert model.score(X, y, weight) == pytest.approx(expected)
    with pytest.raises(
        ValueError, match=r"in shape \(6, 4, 5\); got shape \(6, 2, 5\)"
    ):
        model.score(X, y[:, :2])


@BOTH
def test_rows_of_numbers_are_maps_where_inputs_have_places(kind):
    X, y = make_maps()
    X, y = X[:, :, 0], y[:, 0]
    data = TensorDataset(torch.tensor(X), torch.tensor(y))
    model = make_model(kind, backbone=lambda: nn.Conv1d(3, 8, 1))
    answers = model.fit(X, y).predict(X)
    assert answers.shape == y.shape
    np.testing.assert_array_equal(model.fit(data).predict(data), answers)


def test_fit_refuses_constant_targets(assert_refused):
    y = np.full(40, 3.0)
    message = "at least two distinct targets to cut between; got n_samples=40, all equa"
    assert_refused(HCARegressor, ValueError, message, y=y)


@pytest.mark.parametrize("constant", [3.0, -1e-30, 1e300])
def test_direct_regression_learns_constant_targets(constant):
    X, _ = make_table()
    model = make_model(DirectRegressor, max_epochs=20, lr=0.01)
    model.fit(X, np.full(40, constant))
    np.testing.assert_allclose(model.predict(X), constant, rtol=0.2)
    assert model.fit(X, np.zeros(40)).target_scale_ == 1


@BOTH
@pytest.mark.parametrize("n", [0, 1])
def test_fit_refuses_too_few_samples(assert_refused, kind, n):
    X, y = make_table()
    message = rf"Found array with {n} sample\(s\).* minimum of 2 is required"
    assert_refused(kind, ValueError, message, X=X[:n], y=y[:n])


@BOTH
def test_fit_refuses_too_few_samples_of_positive_weight(assert_refused, kind):
    message = "At least 2 samples of positive weight are needed to learn from; got 1"
    assert_refused(kind, ValueError, message, weight=np.eye(40)[3])


@BOTH
def test_fit_refuses_lengths_that_differ(assert_refused, kind):
    _, y = make_table()
    message = r"inconsistent numbers of samples: \[40, 39\]"
    assert_refused(kind, ValueError, message, y=y[:-1])


@BOTH
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.linspace(-0.5, 1, 40), "not be negative; its smallest entry is -0.5. Use"),
        (np.zeros(40), "at least one positive entry; all are zero"),
        (np.ones(39), r"sample_weight.shape == \(39,\), expected \(40,\)"),
        (np.ones((40, 2)), "Sample weights must be 1D"),
        (np.full(40, np.nan), "Input sample_weight contains NaN"),
        (np.full(40, np.inf), "Input sample_weight contains infinity"),
    ],
    ids=["negative", "zero", "short", "two_columns", "nan", "infinite"],
)
def test_fit_refuses_bad_weights(assert_refused, kind, weight, message):
    assert_refused(kind, ValueError, message, weight=weight)


@BOTH
@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (csr_array, TypeError, "Sparse data was passed.*toarray"),
        (lambda X: X + 1j, ValueError, "Complex data not supported"),
        (
            lambda X: np.full(X.shape, "red"),
            ValueError,
            "could not convert string.*red",
        ),
        (lambda X: X[:, 0], ValueError, "Expected 2D array, got 1D array"),
        (lambda X: X[:, :0], ValueError, r"Found array with 0 feature\(s\)"),
    ],
    ids=["sparse", "complex", "strings", "one_axis", "no_columns"],
)
def test_fit_refuses_inputs_that_are_no_table(
    assert_refused, kind, convert, error, message
):
    X, _ = make_table()
    assert_refused(kind, error, message, X=convert(X))


@BOTH
@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda y: y + 1j, "Complex data not supported"),
        (lambda y: np.full(y.shape, "red"), "could not convert string.*red"),
        (lambda y: np.c_[y, y], r"y should be a 1d array, got an array of shape \(40"),
    ],
    ids=["complex", "strings", "two_columns"],
)
def test_fit_refuses_targets_that_are_no_column(assert_refused, kind, convert, message):
    _, y = make_table()
    assert_refused(kind, ValueError, message, y=convert(y))


@BOTH
def test_fit_refuses_missing_targets(kind):
    with pytest.raises(ValueError, match="requires y to be passed"):
        make_model(kind).fit(make_table()[0])


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (HCARegressor, "predict"),
        (HCARegressor, "predict_levels"),
        (HCARegressor, "predict_proba"),
        (DirectRegressor, "predict"),
    ],
)
def test_prediction_needs_a_fit(kind, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(make_model(kind), method)(make_table()[0])


def test_readjust_needs_a_fit():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        make_model().readjust("mul")


@BOTH
def test_predict_refuses_inputs_of_another_width(fitted_models, kind):
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        fitted_models[kind].predict(make_table()[0][:, :2])


@BOTH
def test_predict_refuses_images_of_another_size(kind):
    X, y = make_maps()
    model = make_model(kind, backbone=map_backbone).fit(X, y)
    message = r"inputs of shape \(3, 4, 5\), as in fit; got inputs of shape \(3, 4, 4\)"
    with pytest.raises(ValueError, match=message):
        model.predict(X[..., :4])


@BOTH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (spoiled(X, np.nan), y), "Input X contains NaN"),
        (lambda X, y: (X, spoiled(y, np.inf)), "Input y contains infinity"),
        (lambda X, y: (X[:, :2], y), "X has 2 features"),
        (lambda X, y: (X[:0], y[:0]), "Found array with 0 sample"),
    ],
    ids=["nan_X", "infinite_y", "narrow", "empty"],
)
def test_partial_fit_refuses_and_keeps_the_model(fitted_models, kind, change, message):
    X, y = make_table()
    model = copy.deepcopy(fitted_models[kind])
    expected, seen = model.predict(X), model.target_counts_[1].sum()
    with pytest.raises(ValueError, match=message):
        model.partial_fit(*change(X, y))
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.target_counts_[1].sum() == seen


# --------------------------------------------------------------- few targets, many bins


@pytest.mark.parametrize("binner", sorted(BINNERS))
@pytest.mark.parametrize("mode", [*MODES, "distill"])
def test_fit_takes_fewer_samples_than_classes(binner, mode):
    X, y = make_table(12)
    y = np.exp(y)
    recipe = BINNERS[binner](n_bins=100)
    model = make_model(binner=recipe, mode=mode).fit(X, y)
    prediction = model.predict(X)
    assert np.isfinite(prediction).all()
    assert y.min() <= prediction.min() <= prediction.max() <= y.max()


@pytest.mark.parametrize("binner", ["quantile", "uniform_error"])
def test_classes_are_never_more_than_distinct_targets(binner):
    X, y = make_table()
    model = make_model(binner=binner).fit(X, y.round())
    assert model.n_classes_ <= len(np.unique(y.round()))
    assert (model.hierarchy_.counts_ > 0).all()


# --------------------------------------------------------------- recipes and parameters


@pytest.mark.parametrize(
    ("name", "alias", "message"),
    [
        ("mode", "ad", "one of 'none', 'add', .* got 'ad'. Did you mean 'add'"),
        ("binner", "quantiles", "'linear', 'log', .* Did you mean 'quantile'"),
        ("labels", "one-hot", "'one_hot', 'gaussian', .* Did you mean 'one_hot'"),
        ("decoder", "means", "'argmax', 'mean', .* Did you mean 'mean'"),
        ("backbone", "mpl", "one of 'mlp', .* Did you mean 'mlp'"),
        (
            "merging",
            "equal_size",
            "merging must be .*'equal_number'.* got 'equal_size'",
        ),
        ("optimizer", "adamm", "optimizer must be .*'adamw', .* Did you mean 'adam'"),
        ("anchor", "mean", "'anchor' parameter .*'location'.* Got 'mean'"),
        ("mode", 3, "mode must be one of .* BaseAdjustment object; got 3"),
        ("backbone", 3, "backbone must be one of 'mlp', .* or a BaseBackbone .* got 3"),
    ],
)
def test_unknown_alias_is_answered_with_the_known(assert_refused, name, alias, message):
    assert_refused(HCARegressor, ValueError, message, **{name: alias})


def test_unknown_loss_is_answered_with_the_known(assert_refused):
    message = "loss must be one of 'absolute', 'huber', 'squared'.* got 'l1'"
    assert_refused(DirectRegressor, ValueError, message, loss="l1")


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("mode", AddAdjustment),
        ("binner", QuantileBinner),
        ("labels", OneHotLabels),
        ("decoder", MeanDecoder),
        ("backbone", MLPBackbone),
    ],
)
def test_class_instead_of_object_is_answered_with_the_object(
    assert_refused, name, recipe
):
    message = rf"{name} must be .* Give an object: {recipe.__name__}\(\)"
    assert_refused(HCARegressor, ValueError, message, **{name: recipe})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1),
        ("lr", 0.0),
        ("lr", np.nan),
        ("max_epochs", 0),
        ("max_epochs", 1.5),
        ("batch_size", 0),
        ("validation_fraction", 1.5),
        ("validation_fraction", 0.0),
        ("patience", 0),
        ("callbacks", "early"),
        ("device", None),
        ("precision", "fp8"),
        ("net_params", 3),
        ("warm_start", "no"),
        ("random_state", "a"),
        ("verbose", "loud"),
        ("n_levels", 0),
        ("n_levels", "all"),
        ("detach_heads", "yes"),
    ],
)
def test_parameter_out_of_range_is_named(assert_refused, name, value):
    for kind in (HCARegressor, DirectRegressor):
        if name in kind().get_params():
            message = rf"The '{name}' parameter of {kind.__name__} must be"
            assert_refused(kind, ValueError, message, **{name: value})


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        ("binner", LinearBinner(n_bins=1), "'n_bins' parameter of LinearBinner"),
        ("mode", RangeAdjustment(level=0), "'level' parameter of RangeAdjustment"),
        ("mode", Distillation(lr=-1), "'lr' parameter of Distillation"),
        ("backbone", MLPBackbone(dropout=1), "'dropout' parameter of MLPBackbone"),
        ("backbone", MLPBackbone(hidden=()), "hidden must name the width"),
        ("binner", [0.0, 2.0, 1.0], "strictly increasing edges; got 2 followed by 1"),
        ("binner", [0.0, np.nan, 1.0], "finite edges"),
    ],
    ids=["n_bins", "level", "lr", "dropout", "hidden", "edges", "nan_edges"],
)
def test_parameter_of_a_recipe_is_checked_in_fit(assert_refused, name, recipe, message):
    assert_refused(HCARegressor, ValueError, message, **{name: recipe})


@BOTH
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"device": "nowhere"}, "device must be 'auto' or .* got 'nowhere'"),
        ({"callbacks": ["early"]}, r"skorch callbacks, or \(name, .* got 'early'"),
        ({"net_params": {"nonsense": 1}}, "unexpected argument.* nonsense"),
        ({"validation_fraction": 0.99}, "the resulting train set will be empty"),
    ],
    ids=["device", "callbacks", "net_params", "validation_fraction"],
)
def test_parameter_that_only_fit_can_judge_is_named(
    assert_refused, kind, params, message
):
    assert_refused(kind, ValueError, message, **params)


@BOTH
def test_device_that_is_not_there_is_named(assert_refused, kind):
    message = "device='cuda' needs a CUDA device, but torch finds none. Use device='au"
    assert_refused(kind, ValueError, message, device="cuda")


# ------------------------------------------------------------------ backbones of a user


class Odd(nn.Module):
    """A linear backbone whose features are changed before they are given."""

    def __init__(self, change):
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.change = change

    def forward(self, X):
        return self.change(self.layer(X))


@BOTH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z: (z, z), "must return one tensor of features; it returned a tuple"),
        (lambda z: z[:, 0], r"shape \(n, d\) or .* it returned shape \(2,\)"),
        (lambda z: z[:1], r"for 2 inputs it returned shape \(1, 4\)"),
        (lambda z: z[:, :0], r"for 2 inputs it returned shape \(2, 0\)"),
        (lambda z: z[..., None], r"spatial shape \(1,\), but a target has shape \(\)"),
    ],
    ids=["tuple", "one_axis", "batch", "no_features", "spatial"],
)
def test_backbone_of_a_wrong_shape_is_refused(assert_refused, kind, change, message):
    assert_refused(kind, ValueError, message, backbone=Odd(change))


@BOTH
def test_backbone_of_two_answers_is_refused_in_a_short_type_too(assert_refused, kind):
    message = "must return one tensor of features; it returned a tuple"
    pair = Odd(lambda z: (z, z))
    assert_refused(kind, ValueError, message, backbone=pair, precision="bf16")


@BOTH
def test_dataset_whose_inputs_are_not_finite_is_refused(kind):
    X, y = make_table()
    data = TensorDataset(torch.tensor(spoiled(X, np.nan)), torch.tensor(y))
    with pytest.raises(ValueError, match="X holds NaN or infinity"):
        make_model(kind).fit(data)


@BOTH
def test_backbone_must_give_features_where_targets_are(kind):
    X, y = make_maps()
    message = r"spatial shape \(4, 5\), but a target has shape \(2, 2\). .* give y at"
    with pytest.raises(ValueError, match=message):
        make_model(kind, backbone=map_backbone).fit(X, y[:, :2, :2])


@BOTH
def test_factory_that_makes_no_module_is_refused(assert_refused, kind):
    message = "backbone must make a torch nn.Module; it made a int"
    assert_refused(kind, ValueError, message, backbone=lambda: 3)


@BOTH
def test_module_of_the_user_is_never_modified(kind):
    X, y = make_table()
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = copy.deepcopy(module.state_dict())
    model = make_model(kind, backbone=module).fit(X, y)
    model.partial_fit(X, y).predict(X)
    for key, weight in module.state_dict().items():
        assert torch.equal(weight, before[key])
    assert module.training
    assert model.backbone is module


@BOTH
def test_arrays_and_recipes_of_the_user_are_never_modified(kind):
    X, y = make_table()
    weight = np.linspace(0.0, 2.0, 40)
    given = copy.deepcopy((X, y, weight))
    params = {
        "backbone": MLPBackbone((4,), n_pieces=0),
        "net_params": {"lr": 0.01},
    }
    if kind is HCARegressor:
        params |= {"binner": LinearBinner(5), "mode": Distillation()}
    before = {name: repr(value) for name, value in params.items()}
    keys = {name: list(vars(v)) for name, v in params.items() if hasattr(v, "fit")}
    model = make_model(kind, **params).fit(X, y, weight).partial_fit(X, y, weight)
    model.predict(X)
    for now, then in zip((X, y, weight), given, strict=True):
        assert_same_bytes(now, then)
    assert {name: repr(value) for name, value in params.items()} == before
    assert {name: list(vars(params[name])) for name in keys} == keys
    for name, value in params.items():
        assert getattr(model, name) is value


class InPlace(nn.Module):
    """A backbone that writes into what it is given."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, X):
        return self.layer(X.mul_(2))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backbone_cannot_write_into_the_data(kind, dtype):
    X, y = make_table()
    X = X.astype(dtype)
    before = X.copy()
    make_model(kind, backbone=InPlace).fit(X, y).predict(X)
    np.testing.assert_array_equal(X, before)


@BOTH
def test_data_may_be_read_only(kind):
    X, y = make_table()
    weight = np.ones(40)
    for array in (X, y, weight):
        array.flags.writeable = False
    prediction = make_model(kind).fit(X, y, weight).predict(X)
    assert np.isfinite(prediction).all()


@BOTH
def test_fit_writes_no_files(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y = make_table()
    make_model(kind, validation_fraction=0.25, max_epochs=4).fit(X, y).predict(X)
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------- students


def test_student_that_was_never_trained_is_asked_for(fitted_models):
    X, _ = make_table()
    model = copy.deepcopy(fitted_models[HCARegressor])
    expected = model.predict(X)
    mode = model.mode
    for method in ("predict", "predict_proba"):
        with pytest.raises(ValueError, match=r"needs a student.* Call readjust\(mode"):
            getattr(model.set_params(mode="distill"), method)(X)
    np.testing.assert_array_equal(model.set_params(mode=mode).predict(X), expected)


def test_readjust_to_a_student_needs_data(fitted_models):
    with pytest.raises(ValueError, match="trains a student and needs data: give X and"):
        fitted_models[HCARegressor].readjust("distill")


def test_readjust_refuses_what_fit_refuses(fitted_models):
    X, y = make_table()
    model = fitted_models[HCARegressor]
    expected = model.predict(X)
    with pytest.raises(ValueError, match="Did you mean 'distill'"):
        model.readjust("distil", X, y)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.readjust("distill", X, spoiled(y, np.nan))
    with pytest.raises(ValueError, match="X has 2 features"):
        model.readjust("distill", X[:, :2], y)
    np.testing.assert_array_equal(model.predict(X), expected)


# ------------------------------------------------------------------ far from training


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_predictions_stay_in_the_range_of_training(fitted_models, mode, decoder):
    X, y = make_table()
    model = copy.deepcopy(fitted_models[HCARegressor])
    prediction = model.set_params(mode=mode, decoder=decoder).predict(100 * X)
    slack = 1e-12 * np.ptp(y)
    assert y.min() - slack <= prediction.min()
    assert prediction.max() <= y.max() + slack
    assert np.isfinite(model.score(X, 1e6 * y))


@pytest.mark.parametrize("labels", ["one_hot", "gaussian", "histogram_gaussian"])
def test_partial_fit_takes_targets_outside_the_first_range(labels):
    X, y = make_table()
    model = make_model(labels=labels).partial_fit(X, y)
    edges = model.hierarchy_.edges_
    prediction = model.partial_fit(X, 1e3 * y).predict(X)
    assert y.min() <= prediction.min() <= prediction.max() <= y.max()
    assert model.hierarchy_.edges_ is edges


def test_direct_partial_fit_takes_targets_outside_the_first_range():
    X, y = make_table()
    model = make_model(DirectRegressor).partial_fit(X, y).partial_fit(X, 1e3 * y)
    assert np.isfinite(model.predict(X)).all()


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [1e30, 3e38, 1e300])
def test_inputs_far_away_give_finite_predictions(kind, dtype, size):
    X, y = make_table()
    model = make_model(kind).fit(X.astype(dtype), y)
    far = np.array([[size, -size, size], [0.0, size, 0.0], [-size] * 3])
    prediction = model.predict(far)
    assert np.isfinite(prediction).all()
    if size < 1e38 * 3.4:
        with_float32 = model.predict(far.astype(np.float32))
        np.testing.assert_allclose(with_float32, prediction, rtol=1e-4)


@BOTH
@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_targets_of_any_magnitude_are_learned_alike(kind, size):
    X, y = make_table()
    usual = make_model(kind).fit(X, y).predict(X)
    scaled = make_model(kind).fit(X, size * y).predict(X)
    np.testing.assert_allclose(scaled, size * usual, rtol=1e-6, atol=1e-6 * size)


@BOTH
@pytest.mark.filterwarnings("ignore:.*encountered in reduce")  # In scikit-learn.
def test_inputs_that_cannot_be_scaled_are_refused(assert_refused, kind):
    X, _ = make_table()
    X[:, 1] = np.where(np.arange(len(X)) % 2, 1.7e308, -1.7e308)
    message = "Feature 1 of X is too large to be scaled.* Divide it"
    assert_refused(kind, ValueError, message, X=X)


@BOTH
def test_inputs_too_small_for_their_type_are_finite(kind):
    _, y = make_table()
    X = np.zeros((40, 2), dtype=np.float32)
    X[:20] = 1e-45
    assert np.isfinite(make_model(kind).fit(X, y).predict(X)).all()


# ----------------------------------------------------------------- NaN while training


class Fragile(nn.Module):
    """A backbone that gives NaN after some steps of training."""

    def __init__(self, n_good):
        super().__init__()
        self.layer = nn.Linear(3, 8)
        self.n_left = n_good

    def forward(self, X):
        features = self.layer(X).relu()
        if not self.training:
            return features
        self.n_left -= 1
        return features if self.n_left >= 0 else features * torch.nan


class Keeper(Callback):
    """Remembers the weights at the end of every epoch."""

    def __init__(self):
        self.weights = []

    def on_epoch_end(self, net, **kwargs):
        self.weights.append(copy.deepcopy(net.module_.state_dict()))


@BOTH
def test_divergence_stops_and_keeps_the_last_good_weights(kind):
    X, y = make_table()
    keeper = Keeper()
    model = make_model(
        kind, backbone=Fragile(2 * 4 + 1), max_epochs=9, callbacks=[keeper]
    )
    message = "NaN or infinite in epoch 3: .* weights of epoch 2 are kept. Lower lr"
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(X, y)
    assert len(model.history_) == 3
    for key, weight in model.net_.module_.state_dict().items():
        assert torch.equal(weight, keeper.weights[1][key])
    assert np.isfinite(model.predict(X)).all()


@BOTH
def test_divergence_in_the_first_epoch_keeps_the_earlier_model(assert_refused, kind):
    message = "NaN or infinite in epoch 1, the first of this training"
    assert_refused(kind, FloatingPointError, message, backbone=Fragile(2))


@BOTH
def test_divergence_of_partial_fit_keeps_the_earlier_weights(kind):
    X, y = make_table()
    model = make_model(kind, backbone=Fragile(4)).partial_fit(X, y)
    expected = model.predict(X)
    with pytest.warns(ConvergenceWarning, match="weights of epoch 1 are kept"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)


class BlindSpot(nn.Module):
    """A backbone that gives NaN for inputs that it never met in training."""

    def __init__(self, value=torch.nan):
        super().__init__()
        self.layer = nn.Linear(3, 8)
        self.value = value

    def forward(self, X):
        return torch.where(X[:, :1] > 50, self.value, self.layer(X))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_nan_of_a_backbone_never_comes_out(value, mode, decoder):
    X, y = make_table()
    model = make_model(
        backbone=BlindSpot(value), mode=mode, decoder=decoder, binner=LinearBinner(9)
    ).fit(X, y)
    X[5, 0] = X[9, 0] = 100.0
    message = "NaN or infinity for 2 of 40 samples, first for sample 5"
    with pytest.raises(FloatingPointError, match=message):
        model.predict(X)
    with pytest.raises(FloatingPointError, match=message):
        model.predict_proba(X)
    assert np.isfinite(model.predict(X[10:])).all()


def test_nan_of_a_backbone_never_comes_out_of_a_regression():
    X, y = make_table()
    model = make_model(DirectRegressor, backbone=BlindSpot()).fit(X, y)
    with pytest.raises(FloatingPointError, match="for 40 of 40 samples, first for sam"):
        model.predict(X + 100)


# ------------------------------------------------------------------------------ fuzz

MAGNITUDES = [0.0, 1e-300, 1e-30, 1e-3, 1.0, 7.0, 1e3, 1e30, 1e140, 1e300]
NUMBERS = st.one_of(
    st.builds(
        lambda size, sign: sign * size,
        st.sampled_from(MAGNITUDES),
        st.sampled_from([-1.0, 1.0]),
    ),
    st.floats(-1e300, 1e300),
    st.floats(-10, 10),
    st.integers(-3, 3).map(float),
)


@st.composite
def tables(draw):
    """A tiny table with ties, zeros, and magnitudes of every kind."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    some = draw(st.lists(NUMBERS, min_size=1, max_size=6))
    y = draw(st.lists(st.sampled_from(some), min_size=n, max_size=n))
    X = draw(st.lists(NUMBERS, min_size=n * d, max_size=n * d))
    return np.array(X).reshape(n, d), np.array(y)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    table=tables(),
    kind=st.sampled_from([HCARegressor, HCARegressor, DirectRegressor]),
    mode=st.sampled_from([*MODES, "distill"]),
    decoder=st.sampled_from(DECODERS),
    binner=st.sampled_from(sorted(BINNERS)),
    labels=st.sampled_from(["one_hot", "gaussian", "histogram_gaussian"]),
    anchor=st.sampled_from(["location", None]),
    loss=st.sampled_from(sorted(LOSSES)),
    precision=st.sampled_from(["auto", "fp32"]),
)
def test_any_table_is_learned_or_refused_in_a_sentence(table, kind, **params):
    X, y = table
    if kind is DirectRegressor:
        params = {name: params[name] for name in ("loss", "precision")}
    else:
        params.pop("loss")
    model = make_model(
        kind,
        backbone=MLPBackbone((4,), n_pieces=0),
        max_epochs=1,
        **params,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            prediction = model.fit(X, y).predict(X)
        except ValueError as refusal:
            message = str(refusal)
        else:
            message = None
    if message is not None:
        assert len(message.split()) > 5
        return
    assert prediction.shape == y.shape
    assert np.isfinite(prediction).all()
    if kind is HCARegressor:
        slack = 1e-6 * (y.max() - y.min())
        assert y.min() - slack <= prediction.min()
        assert prediction.max() <= y.max() + slack
