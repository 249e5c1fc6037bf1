"""The estimators at work inside scikit-learn, and on all that people feed them."""

import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import Dataset

import sk_hca
from sk_hca import DirectRegressor, HCARegressor, show_versions
from sk_hca.adjustment import ADJUSTMENTS, RangeAdjustment
from sk_hca.backbones import MLPBackbone, ModuleBackbone
from sk_hca.binning import LinearBinner, LogBinner, QuantileBinner
from sk_hca.datasets import load_abalone, make_imbalanced_images, make_imbalanced_maps
from sk_hca.metrics import make_shot_scorer

# On the CPU, so that results are those of float64 everywhere.
TINY = {
    "backbone": MLPBackbone((8,), n_pieces=0),
    "max_epochs": 3,
    "device": "cpu",
}
SEEDED = {**TINY, "random_state": 0}
PAPER = {"anchor": None, "labels": "one_hot", "decoder": "argmax", "binner": "linear"}

MODELS = {
    "default": HCARegressor(**SEEDED),
    "distill": HCARegressor(mode="distill", **SEEDED),
    "paper": HCARegressor(**PAPER, **SEEDED),
    "median": HCARegressor(decoder="median", binner="quantile", **SEEDED),
    "direct": DirectRegressor(**SEEDED),
}


@pytest.fixture(params=MODELS)
def model(request):
    return clone(MODELS[request.param])


def make_table(n=80, seed=0):
    """Draw a table whose targets are few whole numbers, exact in float32."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32).astype(np.float64)
    y = np.minimum(rng.geometric(0.3, n), 12) + np.round(2 * np.abs(X[:, 0]))
    return X, y


class WideNet(nn.Module):
    """A user's network for tables, which asks for the number of columns."""

    def __init__(self, n_features, width=4):
        super().__init__()
        self.layer = nn.Linear(n_features, width)

    def forward(self, X):
        return self.layer(X).relu()


class PooledNet(nn.Module):
    """A user's network for images: one vector of features per image."""

    def __init__(self, n_features=1, width=4):
        super().__init__()
        self.layer = nn.Conv2d(n_features, width, 3)

    def forward(self, X):
        return self.layer(X).relu().mean(dim=(2, 3))


class PixelNet(nn.Module):
    """A user's network for maps: one vector of features per pixel."""

    def __init__(self, n_features=1, width=4):
        super().__init__()
        self.layer = nn.Conv2d(n_features, width, 3, padding=1)

    def forward(self, X):
        return self.layer(X).relu()


class Items(Dataset):
    """A torch dataset that gives (input, target) pairs."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


class ItemsWithTargets(Items):
    """A torch dataset that also tells its targets, as those of torchvision do."""

    @property
    def targets(self):
        return list(self.y)


class Inputs(Items):
    """A torch dataset of inputs alone."""

    def __getitem__(self, i):
        return self.X[i]


class ThreadCount(Callback):
    """Write into the history how many threads torch uses."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("n_threads", torch.get_num_threads())


# Pipelines and searches


@pytest.mark.parametrize("name", ["default", "direct"])
def test_pipeline_scales_what_reaches_the_model(name):
    X, y = make_table()
    pipeline = make_pipeline(StandardScaler(), clone(MODELS[name])).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    alone = clone(MODELS[name]).fit(scaled, y)
    assert_array_equal(pipeline.predict(X), alone.predict(scaled))
    assert pipeline.score(X, y) == alone.score(scaled, y)
    assert pipeline[-1].n_features_in_ == 4


def test_pipeline_takes_a_frame_with_categories():
    pytest.importorskip("pandas")
    frame = load_abalone(as_frame=True).frame.sample(120, random_state=0)
    sexes = frame[["sex_F", "sex_I", "sex_M"]].idxmax(axis=1)
    X = frame[["length", "height"]].assign(sex=sexes)
    columns = make_column_transformer(
        (StandardScaler(), ["length", "height"]), (OneHotEncoder(), ["sex"])
    )
    pipeline = make_pipeline(columns, HCARegressor(**SEEDED)).fit(X, frame["rings"])
    assert pipeline[-1].n_features_in_ == 5
    answers = pipeline.predict(X)
    assert answers.shape == (120,)
    # Columns are found by their names, in any order.
    assert_array_equal(pipeline.predict(X[["sex", "height", "length"]]), answers)


def classes_of(model):
    return model.n_classes_


def levels_of(model):
    return len(model.hierarchy_.levels_)


def widths_of(model):
    layers = model.net_.module_.extractor.modules()
    return tuple(layer.out_features for layer in layers if isinstance(layer, nn.Linear))


@pytest.mark.parametrize(
    ("model", "name", "values", "fitted"),
    [
        (
            HCARegressor(**SEEDED),
            "mode",
            ["none", "distill"],
            lambda model: "none" if model.student_net_ is None else "distill",
        ),
        (
            HCARegressor(binner=LinearBinner(), **SEEDED),
            "binner__n_bins",
            [3, 6],
            classes_of,
        ),
        (
            HCARegressor(binner=LinearBinner(8), **SEEDED),
            "n_levels",
            [1, 2, 3],
            levels_of,
        ),
        (HCARegressor(**SEEDED), "backbone__hidden", [(8, 5), (7,)], widths_of),
        (DirectRegressor(**SEEDED), "backbone__hidden", [(5,), (7, 6)], widths_of),
        (
            HCARegressor(**SEEDED).set_params(
                backbone=ModuleBackbone(WideNet, {"width": 8})
            ),
            "backbone__width",
            [3, 5],
            lambda model: widths_of(model)[0],
        ),
    ],
    ids=["mode", "n_bins", "n_levels", "hidden", "hidden (direct)", "width"],
)
def test_search_sets_what_it_searches(model, name, values, fitted):
    X, y = make_table()
    before = repr(model)
    splits = list(KFold(2).split(X))
    search = GridSearchCV(model, {name: values}, cv=splits).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    for value, mean in zip(values, search.cv_results_["mean_test_score"], strict=True):
        candidate = clone(model).set_params(**{name: value})
        scores = [
            candidate.fit(X[train], y[train]).score(X[test], y[test])
            for train, test in splits
        ]
        assert fitted(candidate) == value
        assert mean == pytest.approx(np.mean(scores), rel=1e-9)
    assert fitted(search.best_estimator_) == search.best_params_[name]
    assert repr(model) == before  # The user's object is as it was.


def few_shot_error(y_train, y, y_pred, few):
    """Average the absolute error over targets seen less than `few` times, by hand."""
    errors = [
        abs(target - answer)
        for target, answer in zip(y, y_pred, strict=True)
        if sum(y_train == target) < few
    ]
    return sum(errors) / len(errors)


@pytest.mark.parametrize(
    "wrap",
    [lambda model: model, lambda model: make_pipeline(StandardScaler(), model)],
    ids=["alone", "pipeline"],
)
@pytest.mark.parametrize("name", ["default", "direct"])
def test_shot_scorer_counts_the_targets_of_its_fold(name, wrap):
    X, y = make_table(120)
    model = wrap(clone(MODELS[name]))
    folds = KFold(3, shuffle=True, random_state=1)
    expected, misled = [], []
    for train, test in folds.split(X):
        answers = clone(model).fit(X[train], y[train]).predict(X[test])
        expected.append(-few_shot_error(y[train], y[test], answers, few=12))
        misled.append(-few_shot_error(y, y[test], answers, few=12))
    assert not np.isclose(expected, misled).any()  # The fold's counts matter here.
    scorer = make_shot_scorer("mae", "few", few=12)
    scores = cross_val_score(model, X, y, scoring=scorer, cv=folds)
    assert_allclose(scores, expected, rtol=1e-9)
    lr = next(key for key in model.get_params() if key.split("__")[-1] == "lr")
    search = GridSearchCV(model, {lr: [None]}, scoring=scorer, cv=folds).fit(X, y)
    assert search.best_score_ == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize("name", ["default", "direct"])
def test_target_counts_are_those_of_training(name):
    X, y = make_table()
    weight = np.ones(len(y))
    weight[y == y.max()] = 0
    weight[:3] = 0.5
    fitted = clone(MODELS[name]).fit(X, y, sample_weight=weight)
    values, counts = np.unique(y[y < y.max()], return_counts=True)
    assert_array_equal(fitted.target_counts_[0], values)
    assert_array_equal(fitted.target_counts_[1], counts)


@pytest.mark.parametrize("name", ["default", "direct"])
def test_bag_averages_its_models(name):
    X, y = make_table()
    bag = BaggingRegressor(clone(MODELS[name]), n_estimators=3, random_state=0)
    bag.fit(X, y)
    answers = [each.predict(X) for each in bag.estimators_]
    assert not np.allclose(answers[0], answers[1])
    assert_allclose(bag.predict(X), np.mean(answers, axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", ["default", "direct"])
def test_transformed_target_is_learned_on_its_scale(name):
    X, y = make_table()
    wrapped = TransformedTargetRegressor(
        clone(MODELS[name]), func=np.log, inverse_func=np.exp
    ).fit(X, y)
    alone = clone(MODELS[name]).fit(X, np.log(y))
    assert_allclose(wrapped.predict(X), np.exp(alone.predict(X)), rtol=1e-12)


# Weights


@pytest.mark.parametrize("name", ["default", "direct"])
def test_weights_are_routed_through_a_pipeline(name):
    X, y = make_table()
    weight = np.where(y > 5, 4.0, 1.0)
    alone = clone(MODELS[name]).fit(X, y, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        routed = clone(MODELS[name]).set_fit_request(sample_weight=True)
        scaler = StandardScaler(with_mean=False, with_std=False)
        scaler.set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, routed)
        pipeline.fit(X, y, sample_weight=weight)
        assert_array_equal(pipeline.predict(X), alone.predict(X))
        # Under another name, too.
        routed.set_fit_request(sample_weight="importance")
        pipeline.fit(X, y, importance=weight)
        assert_array_equal(pipeline.predict(X), alone.predict(X))


@pytest.mark.parametrize("name", ["default", "direct"])
def test_weights_are_routed_through_a_search(name):
    X, y = make_table()
    weight = np.where(y > 5, 4.0, 1.0)
    grid, folds = {"lr": [3e-3, 0.03]}, KFold(2)
    with config_context(enable_metadata_routing=True):
        routed = clone(MODELS[name]).set_fit_request(sample_weight=True)
        routed.set_score_request(sample_weight=True)
        search = GridSearchCV(routed, grid, cv=folds).fit(X, y, sample_weight=weight)
    for lr, mean in zip(grid["lr"], search.cv_results_["mean_test_score"], strict=True):
        scores = [
            clone(MODELS[name])
            .set_params(lr=lr)
            .fit(X[train], y[train], sample_weight=weight[train])
            .score(X[test], y[test], sample_weight=weight[test])
            for train, test in folds.split(X)
        ]
        assert mean == pytest.approx(np.mean(scores), rel=1e-9)


def test_weights_change_the_model(model):
    X, y = make_table()
    plain = model.fit(X, y).predict(X)
    weight = np.where(y > np.median(y), 10.0, 1.0)
    heavy = model.fit(X, y, sample_weight=weight).predict(X)
    assert heavy.mean() > plain.mean()
    light = model.fit(X, y, sample_weight=11.0 - weight).predict(X)
    assert light.mean() < heavy.mean()


def test_weights_of_one_size_change_nothing(model):
    X, y = make_table()
    plain = model.fit(X, y).predict(X)
    for weight in (np.ones(len(y)), np.ones(len(y), dtype=int), [1] * len(y), 1.0):
        assert_array_equal(model.fit(X, y, sample_weight=weight).predict(X), plain)
    scaled = model.fit(X, y, sample_weight=np.full(len(y), 8.0)).predict(X)
    assert_allclose(scaled, plain, rtol=1e-9)


def test_weight_is_repetition_and_no_weight_is_absence(model):
    X, y = make_table()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = model.fit(X, y, sample_weight=weight).predict(X)
    model.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted, model.predict(X), rtol=1e-7)


def test_weight_zero_is_absence_in_small_batches(model):
    X, y = make_table()
    model.set_params(batch_size=16)
    weight = np.random.default_rng(1).integers(0, 2, len(y)).astype(float)
    weighted = model.fit(X, y, sample_weight=weight).predict(X)
    known = weight > 0
    assert_array_equal(weighted, model.fit(X[known], y[known]).predict(X))


# Copies


def test_pickle_and_clone_keep_a_model(model):
    X, y = make_table()
    fitted = model.fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.history_[-1]["train_loss"] == fitted.history_[-1]["train_loss"]
    # What was loaded can be trained on, and anew.
    assert np.isfinite(again.partial_fit(X, y).predict(X)).all()
    assert_array_equal(clone(again).fit(X, y).predict(X), fitted.predict(X))


def test_pickle_does_not_hold_the_training_data(model):
    X, y = make_table(4000)
    model.set_params(max_epochs=1, validation_fraction=0.2)
    size = len(pickle.dumps(model.fit(X[:400], y[:400])))
    assert len(pickle.dumps(model.fit(X, y))) - size < X.nbytes / 4


def test_saved_models_predict_the_same_in_a_fresh_process(tmp_path):
    X, y = make_table()
    (tmp_path / "users_own.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, n_features):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(n_features, 3)\n"
        "    def forward(self, X):\n"
        "        return self.layer(X).relu()\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import users_own

        own = HCARegressor(**SEEDED).set_params(backbone=users_own.Net).fit(X, y)
        joblib.dump(own, tmp_path / "own.joblib")
        for name in ("distill", "direct"):
            fitted = clone(MODELS[name]).fit(X, y)
            (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(fitted))
            np.save(tmp_path / f"{name}.npy", fitted.predict(X))
        np.save(tmp_path / "own.npy", own.predict(X))
        np.save(tmp_path / "X.npy", X)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("users_own", None)
    script = (
        "import joblib, numpy, pickle\n"
        "X = numpy.load('X.npy')\n"
        "models = {n: pickle.load(open(n + '.pickle', 'rb'))\n"
        "          for n in ('distill', 'direct')}\n"
        "models['own'] = joblib.load('own.joblib')\n"
        "for name, model in models.items():\n"
        "    numpy.testing.assert_allclose(\n"
        "        model.predict(X), numpy.load(name + '.npy'), rtol=1e-12)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_clone_keeps_parameters_of_every_kind():
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    callback = ThreadCount()
    original = HCARegressor(
        network,
        mode=RangeAdjustment(2),
        binner=QuantileBinner(7),
        optimizer=torch.optim.SGD,
        callbacks=[("threads", callback)],
        net_params={"optimizer__momentum": 0.5},
        random_state=3,
    )
    copy = clone(original)
    assert copy.get_params().keys() == original.get_params().keys()
    assert copy.binner is not original.binner
    assert copy.binner.n_bins == 7
    assert copy.mode.level == 2
    assert copy.optimizer is torch.optim.SGD
    assert copy.net_params == {"optimizer__momentum": 0.5}
    assert copy.backbone is not network
    for kept, weight in zip(
        copy.backbone.parameters(), network.parameters(), strict=True
    ):
        assert torch.equal(kept, weight)
    for backbone in (WideNet, ModuleBackbone(WideNet, {"width": 3})):
        recipe = clone(DirectRegressor(backbone)).backbone
        assert getattr(recipe, "module", recipe) is WideNet


@pytest.mark.parametrize("estimator", [HCARegressor, DirectRegressor])
def test_parameters_make_a_round_trip(estimator):
    original = estimator(MLPBackbone((3, 4)), lr=0.5, net_params={"verbose": 0})
    params = original.get_params(deep=False)
    assert estimator().set_params(**params).get_params(deep=False) == params
    deep = original.get_params()
    assert deep["backbone__hidden"] == (3, 4)
    assert original.set_params(backbone__dropout=0.25).backbone.dropout == 0.25
    with pytest.raises(ValueError, match="Invalid parameter 'widht'"):
        original.set_params(widht=3)


def test_module_recipe_makes_a_round_trip():
    model = HCARegressor(ModuleBackbone(WideNet, {"width": 8}))
    assert model.get_params()["backbone__width"] == 8
    assert clone(model).set_params(backbone__width=2).backbone.params == {"width": 2}
    assert model.backbone.params == {"width": 8}


# Inputs of every kind


@pytest.mark.parametrize("name", ["default", "direct"])
def test_frames_keep_their_names(name):
    pandas = pytest.importorskip("pandas")
    X, y = make_table()
    names = ["a", "b", "c", "d"]
    frame, column = pandas.DataFrame(X, columns=names), pandas.Series(y)
    weight = np.where(y > 5, 2.0, 1.0)
    fitted = clone(MODELS[name]).fit(frame, column, sample_weight=pandas.Series(weight))
    assert_array_equal(fitted.feature_names_in_, names)
    plain = clone(MODELS[name]).fit(X, y, sample_weight=weight)
    assert not hasattr(plain, "feature_names_in_")
    assert_array_equal(fitted.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"b": "z"}))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[names[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert_array_equal(fitted.predict(X), plain.predict(X))


def as_memmap(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def test_arrays_of_every_kind_agree(model, tmp_path):
    X, y = make_table()
    model.set_params(precision="fp64")
    expected = model.fit(X, y).predict(X)
    same = {
        "list": X.tolist(),
        "memmap": as_memmap(X, tmp_path),
        "Fortran": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=1)[:, ::2],
    }
    for kind, inputs in same.items():
        targets = y.tolist() if kind == "list" else y
        answers = model.fit(inputs, targets).predict(inputs)
        assert_allclose(answers, expected, rtol=1e-12, err_msg=kind)
    single = X.astype(np.float32)
    assert model.fit(single, y.astype(np.float32)).predict(single).dtype == np.float64
    if model.get_params().get("decoder") != "argmax":
        assert_allclose(model.predict(single), expected, rtol=1e-4)
    model.set_params(precision="auto").fit(single, y.astype(int))
    assert {weight.dtype for weight in model.net_.module_.parameters()} == {
        torch.float32
    }
    assert model.predict(single).dtype == np.float64


def test_fit_leaves_its_arrays_alone(model):
    X, y = make_table()
    weight = np.ones(len(y))
    for array in (X, y, weight):
        array.flags.writeable = False
    kept = X.copy(), y.copy()
    model.fit(X, y, sample_weight=weight).predict(X)
    assert_array_equal(X, kept[0])
    assert_array_equal(y, kept[1])


def test_predictions_are_a_column_of_floats(model):
    X, y = make_table()
    answers = model.fit(X, y).predict(X[:7])
    assert answers.shape == (7,)
    assert answers.dtype == np.float64
    assert model.predict(X[:1]).shape == (1,)
    # One at a time or all at once.
    singly = np.concatenate([model.predict(X[i : i + 1]) for i in range(7)])
    assert_allclose(singly, answers, rtol=1e-9)


@pytest.mark.parametrize("name", ["default", "direct"])
def test_other_number_of_columns_is_refused(name):
    X, y = make_table()
    fitted = clone(MODELS[name]).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* expecting 4"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"X has 3 features, but .* expecting 4"):
        fitted.partial_fit(X[:, :3], y)


# Images, maps and torch datasets


def make_images(n=24):
    X, y = make_imbalanced_images(n, size=8, max_blobs=6, random_state=0)
    return X, np.round(y, 1)


@pytest.mark.parametrize("estimator", [HCARegressor, DirectRegressor])
@pytest.mark.parametrize(
    "backbone",
    [
        PooledNet,
        ModuleBackbone(PooledNet, {"width": 5}),
        lambda n_features: PooledNet(n_features, 3),
        lambda: PooledNet(1, 2),
    ],
    ids=["class", "recipe", "factory that is told n_features", "factory"],
)
def test_images_pass_through_the_users_network(estimator, backbone):
    X, y = make_images()
    fitted = estimator(backbone, max_epochs=2, device="cpu", random_state=0).fit(X, y)
    assert fitted.n_features_in_ == 1
    assert fitted.predict(X).shape == (24,)
    assert isinstance(fitted.net_.module_.extractor[1], PooledNet)
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\), as in fit; got .*7, 8"):
        fitted.predict(X[:, :, 1:])
    with pytest.raises(ValueError, match="X has 2 features"):
        fitted.predict(np.repeat(X, 2, axis=1))


@pytest.mark.parametrize("estimator", [HCARegressor, DirectRegressor])
def test_images_of_bytes_and_of_floats_agree(estimator):
    X, y = make_images()
    bytes_ = np.clip(64 * X + 64, 0, 255).astype(np.uint8)
    model = estimator(PooledNet, max_epochs=2, device="cpu", random_state=0)
    answers = model.fit(bytes_, y).predict(bytes_)
    for dtype in (np.float32, np.float64):
        floats = bytes_.astype(dtype)
        assert_allclose(model.fit(floats, y).predict(floats), answers, rtol=1e-5)


def test_images_pass_through_the_default_backbone():
    X, y = make_images()
    assert DirectRegressor(**SEEDED).fit(X, y).predict(X).shape == (24,)


@pytest.mark.parametrize("estimator", [HCARegressor, DirectRegressor])
@pytest.mark.parametrize("given", ["module", "recipe"])
def test_network_that_is_given_as_an_object_is_not_touched(estimator, given):
    X, y = make_images()
    network = PooledNet().eval()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    backbone = network if given == "module" else ModuleBackbone(network)
    model = estimator(backbone, lr=0.1, max_epochs=2, device="cpu", random_state=0)
    model.fit(X, y).partial_fit(X, y)
    trained = model.net_.module_.extractor[1]
    assert trained is not network
    assert not network.training
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name])
        assert not torch.equal(trained.state_dict()[name], weight)
        assert weight.dtype == torch.float32


def make_maps(n=12):
    return make_imbalanced_maps(n, size=6, missing=0.3, random_state=0)


@pytest.mark.parametrize("mode", ["none", "add", "average", "marginal", "distill"])
def test_maps_are_answered_pixel_by_pixel(mode):
    X, y = make_maps()
    model = HCARegressor(
        PixelNet, mode=mode, binner=LogBinner(5), decoder="mean", max_epochs=2,
        device="cpu", random_state=0,
    ).fit(X, y)  # fmt: skip
    answers, proba = model.predict(X), model.predict_proba(X)
    assert answers.shape == (12, 6, 6)
    assert proba.shape == (12, 5, 6, 6)
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-5)
    assert np.isfinite(answers).all()
    known = y[np.isfinite(y)]
    assert answers.min() >= known.min()
    assert answers.max() <= known.max()
    assert model.hierarchy_.counts_.sum() == len(known)
    if mode != "average":  # Which lets every level answer alone.
        expected = np.einsum("nchw,c->nhw", proba, model.hierarchy_.values_)
        assert_allclose(answers, expected, rtol=1e-5)


@pytest.mark.parametrize("estimator", [HCARegressor, DirectRegressor])
def test_pixels_without_target_teach_nothing(estimator):
    X, y = make_maps()
    model = estimator(
        PixelNet, max_epochs=3, device="cpu", precision="fp64", random_state=0
    )
    answers = model.fit(X, y).predict(X)
    assert answers.shape == (12, 6, 6)
    # An image without any target is as good as absent.
    empty = np.full((2, 6, 6), np.nan)
    model.fit(np.concatenate([X, X[:2]]), np.concatenate([y, empty]))
    assert_allclose(model.predict(X), answers, rtol=1e-9)
    weight = np.r_[np.ones(12), np.zeros(2)]
    model.fit(np.concatenate([X, X[:2]]), np.concatenate([y, y[:2]]), weight)
    assert_allclose(model.predict(X), answers, rtol=1e-9)


def test_network_that_pools_is_refused_for_maps():
    X, y = make_maps()
    with pytest.raises(ValueError, match=r"spatial shape \(\), but a target has shape"):
        HCARegressor(PooledNet, device="cpu").fit(X, y)


@pytest.mark.parametrize("kind", [Items, ItemsWithTargets, Inputs])
def test_dataset_and_arrays_agree(model, kind):
    X, y = make_table()
    model.set_params(precision="fp64")
    expected = model.fit(X, y).predict(X)
    dataset = kind(X, y)
    # All in one batch: its order is another one, which changes a sum by its rounding.
    model.fit(dataset, y if kind is Inputs else None)
    assert model.n_features_in_ == 4
    assert_allclose(model.predict(dataset), expected, rtol=1e-6)
    assert_array_equal(model.predict(dataset), model.predict(X))
    assert_array_equal(model.predict(Inputs(X, y)), model.predict(X))


@pytest.mark.parametrize("name", ["default", "direct"])
def test_dataset_takes_weights_and_other_targets(name):
    X, y = make_table()
    model = clone(MODELS[name]).set_params(precision="fp64")
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    expected = model.fit(X, 2 * y, sample_weight=weight).predict(X)
    # Targets given apart win over those of the items.
    model.fit(Items(X, y), 2 * y, sample_weight=weight)
    assert_allclose(model.predict(X), expected, rtol=1e-6)


def test_dataset_of_tensors_and_maps():
    X, y = make_maps()
    dataset = Items(torch.from_numpy(X), torch.from_numpy(y))
    model = HCARegressor(PixelNet, max_epochs=2, device="cpu", random_state=0)
    answers = model.fit(dataset).predict(dataset)
    assert answers.shape == (12, 6, 6)
    assert_allclose(model.fit(X, y).predict(X), answers, rtol=1e-3)
    with pytest.raises(ValueError, match=r"shape \(1, 6, 6\), as in fit"):
        model.predict(Inputs(X[:, :, 1:], y))


# Manners


def test_picture_in_a_notebook_names_the_estimator(model):
    X, y = make_table()
    name = type(model).__name__
    assert name in estimator_html_repr(model)
    assert "Not fitted" in model._repr_html_()
    html = make_pipeline(StandardScaler(), model).fit(X, y)._repr_html_()
    assert name in html
    assert "Not fitted" not in html
    assert "<div" in HCARegressor(PooledNet())._repr_html_()
    assert repr(HCARegressor(lr=0.1)) == "HCARegressor(lr=0.1)"


def test_workers_do_not_share_out_more_threads_than_there_are(monkeypatch):
    """Each of two workers may use half of the processors, or one."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    X, y = make_table()
    model = HCARegressor(callbacks=[ThreadCount()], **SEEDED)
    serial = cross_validate(model, X, y, cv=2)
    try:
        parallel = cross_validate(model, X, y, cv=2, n_jobs=2, return_estimator=True)
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert_allclose(parallel["test_score"], serial["test_score"], rtol=1e-9)
    limit = max(joblib.cpu_count() // 2, 1)
    for fitted in parallel["estimator"]:
        assert max(fitted.history_[:, "n_threads"]) <= limit


@pytest.fixture
def global_state():
    """Return a function that reads all the state a fit could disturb."""

    def read():
        _, keys, *position = np.random.get_state()  # noqa: NPY002
        return [
            torch.get_rng_state().tolist(),
            keys.tolist(),
            position,
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        ]

    return read


def test_fit_leaves_the_global_state_alone(model, global_state):
    X, y = make_table()
    model.set_params(validation_fraction=0.2)
    before = global_state()
    model.fit(X, y).partial_fit(X, y).predict(X)
    assert global_state() == before


@pytest.mark.parametrize("anchor", [None, "location"])
def test_no_mode_draws_from_the_global_generators(global_state, anchor):
    X, y = make_table()
    model = HCARegressor(anchor=anchor, max_epochs=1, device="cpu").fit(X, y)
    before = global_state()
    for mode in [k for k, mode in ADJUSTMENTS.items() if not mode.trains_student]:
        model.set_params(mode=mode).predict(X)
        assert global_state() == before


@pytest.mark.parametrize("name", ["default", "direct"])
def test_fit_on_a_dataset_leaves_the_global_state_alone(name, global_state):
    X, y = make_table()
    before = global_state()
    clone(MODELS[name]).fit(Items(X, y)).predict(Items(X, y))
    assert global_state() == before


def test_failed_fit_leaves_the_global_state_alone(global_state):
    X, y = make_table()
    before = global_state()
    with pytest.raises(ValueError, match="spatial shape"):
        HCARegressor(nn.Unflatten(1, (1, 2, 2)), random_state=0).fit(X, y)
    assert global_state() == before


def test_random_state_decides_everything(model):
    X, y = make_table()
    model.set_params(batch_size=16, backbone__dropout=0.2)
    first = model.fit(X, y).predict(X)
    torch.manual_seed(1)
    assert_array_equal(model.fit(X, y).predict(X), first)
    assert_array_equal(clone(model).fit(X, y).predict(X), first)
    same = np.random.RandomState(5)
    second = model.set_params(random_state=same).fit(X, y).predict(X)
    third = model.fit(X, y).predict(X)  # The same generator, further on.
    fourth = model.set_params(random_state=1).fit(X, y).predict(X)
    different = [first, second, third, fourth]
    for i, one in enumerate(different):
        assert not any(np.array_equal(one, other) for other in different[:i])
    again = model.set_params(random_state=np.random.RandomState(5)).fit(X, y)
    assert_array_equal(again.predict(X), second)


def test_nothing_is_written_to_disk(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    X, y = make_table()
    model.set_params(validation_fraction=0.2)
    model.fit(X, y).partial_fit(X, y).predict(X)
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path


def test_nothing_is_printed_unless_asked_for(model, capsys):
    X, y = make_table()
    model.fit(X, y).predict(X)
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=1).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


def test_versions_are_shown(capsys):
    show_versions()
    shown = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["python"].startswith(sys.version.split()[0])
    assert torch.__version__.startswith(shown["torch"])
    assert shown["sk-hca"] == sk_hca.__version__
