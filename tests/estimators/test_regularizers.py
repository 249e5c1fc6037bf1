"""Penalties and smoothers inside the estimators, on all kinds of data, in all modes."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import ADJUSTMENTS
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner
from sk_hca.regularizers import FDS, BasePenalty, BaseSmoother, RankSim

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])
EACH = pytest.mark.parametrize(
    "params", [{"penalty": "ranksim"}, {"smoother": "fds"}], ids=["ranksim", "fds"]
)


def make_table(n=60):
    """A skewed table."""
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 16,
        "lr": 0.01,
        "device": "cpu",
        "random_state": 0,
    }
    if kind is HCARegressor:
        defaults["binner"] = LinearBinner(8)
    return kind(**(defaults | params))


def make_maps(n=8):
    """Images, and maps of targets with places that are missing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2, 4, 4)).astype(np.float32)
    y = X.sum(axis=1)
    y[:, 0, :2] = np.nan
    return X, y


class Watcher(Callback):
    """Writes down what the smoother has been told, epoch by epoch."""

    def __init__(self):
        self.transforms = []

    def on_epoch_end(self, net, **kwargs):
        self.transforms.append(net.module_.smoother.transform.clone())


@BOTH
@EACH
def test_regularisers_change_the_training(kind, params):
    X, y = make_table()
    plain = make_model(kind).fit(X, y)
    model = make_model(kind, **params).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert not np.allclose(model.predict(X), plain.predict(X))
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


@BOTH
def test_nothing_is_added_by_default(kind):
    X, y = make_table()
    module = make_model(kind).fit(X, y).net_.module_
    assert not hasattr(module, "smoother")
    assert kind().penalty is kind().smoother is None


@BOTH
def test_penalty_without_weight_changes_nothing(kind):
    X, y = make_table()
    expected = make_model(kind).fit(X, y).predict(X)
    model = make_model(kind, penalty=RankSim(gamma=0)).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("anchor", ["location", None])
@pytest.mark.parametrize("mode", ADJUSTMENTS)
def test_every_mode_learns_with_both(mode, anchor):
    X, y = make_table(200)
    model = make_model(
        mode=mode,
        anchor=anchor,
        penalty="ranksim",
        # Narrow bins: a window over most of the line would make all features alike.
        smoother=FDS(LinearBinner(100)),
        decoder="argmax",
        max_epochs=40,
    )
    assert model.fit(X, y).score(X, y) > 0.3


@BOTH
def test_ranking_is_learned(kind):
    """Features of neighbouring targets come to be similar, more than without."""
    X, y = make_table(200)

    def disorder(model):
        extractor = model.net_.module_.extractor.eval()
        with torch.no_grad():
            features = extractor(torch.tensor(X))
            return float(RankSim(1.0)(features, torch.tensor(y)))

    params = {
        "backbone": MLPBackbone((32, 32), n_pieces=0),
        "max_epochs": 15,
        "batch_size": 50,
    }
    plain = make_model(kind, **params).fit(X, y)
    ranked = make_model(kind, penalty=RankSim(0.2), **params).fit(X, y)
    assert disorder(ranked) < 0.5 * disorder(plain)


@pytest.mark.parametrize("coarse", [False, True])
def test_smoother_bins_are_the_finest_classes(coarse):
    X, y = make_table()
    smoother = FDS(LinearBinner(5)) if coarse else "fds"
    model = make_model(smoother=smoother).fit(X, y)
    borders = model.net_.module_.smoother.borders
    if coarse:
        expected = LinearBinner(5).fit(y).edges_[1:-1]
    else:
        expected = model.hierarchy_.edges_[1:-1]
    np.testing.assert_array_equal(borders, expected)


def test_direct_regressor_cuts_bins_of_its_own():
    X, y = make_table()
    smoother = make_model(DirectRegressor, smoother="fds").fit(X, y).net_.module_
    assert smoother.smoother.mean.shape == (40, 8)


@BOTH
def test_statistics_are_those_of_the_features(kind):
    """Without a step that changes them, the features of an epoch are known."""
    X, y = make_table()
    smoother = FDS(LinearBinner(4))
    model = make_model(kind, smoother=smoother, max_epochs=2, lr=1e-30).fit(X, y)
    module = model.net_.module_
    features = module.extractor.eval()(torch.tensor(X))
    index = torch.bucketize(torch.tensor(y), module.smoother.borders)
    for b in index.unique():
        mine = features[index == b].detach()
        torch.testing.assert_close(module.smoother.mean[b], mine.mean(dim=0))


@BOTH
def test_smoothing_starts_after_the_first_epoch(kind):
    X, y = make_table()
    watcher = Watcher()
    model = make_model(kind, smoother=FDS(start_epoch=2), callbacks=[watcher])
    model.fit(X, y)
    n_features = 8
    first, second, third = watcher.transforms
    assert (first[:, :n_features] == 1).all()
    assert not first[:, n_features:].any()
    assert not torch.equal(second, first)
    assert not torch.equal(third, second)
    assert model.net_.module_.smoother.n_epochs == 3


@BOTH
def test_prediction_sees_features_unmoved(kind):
    X, y = make_table()
    model = make_model(kind, smoother="fds").fit(X, y)
    module = model.net_.module_
    output = module.eval()(torch.tensor(X))
    direct = module.heads(module.extractor(torch.tensor(X)))
    torch.testing.assert_close(output.location, direct.location)
    expected = model.predict(X)
    module.smoother.transform.fill_(torch.nan)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_student_learns_from_features_unmoved():
    X, y = make_table()
    model = make_model(smoother="fds").fit(X, y)
    expected = model.readjust("distill", X, y).predict(X)
    model.net_.module_.smoother.transform.fill_(torch.nan)
    again = model.readjust("distill", X, y)
    np.testing.assert_array_equal(again.predict(X), expected)
    whole = make_model(smoother="fds", mode="distill").fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), expected)


@BOTH
def test_penalty_sees_features_unmoved(kind):
    seen = []

    class Reader(BasePenalty):
        def __call__(self, features, y, weight=None):
            seen.append(features.detach().clone())
            return 0 * features.sum()

    X, y = make_table(16)
    model = make_model(kind, penalty=Reader(), smoother="fds", lr=1e-30)
    features = model.fit(X, y).net_.module_.extractor.eval()(torch.tensor(X))
    torch.testing.assert_close(seen[-1].sort(dim=0)[0], features.sort(dim=0)[0])


@BOTH
@EACH
def test_validation_looks_at_the_loss_alone(kind, params):
    X, y = make_table()
    if "penalty" in params:
        params = {"penalty": RankSim(gamma=1e6)}
    model = make_model(kind, validation_fraction=0.25, **params).fit(X, y)
    losses = model.history_[:, "valid_loss"]
    assert np.isfinite(losses).all()
    if "penalty" in params:
        assert max(losses) < 1e3 < min(model.history_[:, "train_loss"])


@BOTH
@EACH
@pytest.mark.parametrize("with_mode", [False, True])
def test_maps_are_learned(kind, params, with_mode):
    X, y = make_maps()
    if with_mode and kind is HCARegressor:
        params = {**params, "mode": "distill"}
    backbone = nn.Sequential(nn.Conv2d(2, 6, 1), nn.BatchNorm2d(6), nn.ReLU())
    model = make_model(kind, backbone=backbone, batch_size=3, **params).fit(X, y)
    prediction = model.predict(X)
    assert prediction.shape == y.shape
    assert np.isfinite(prediction).all()
    if "smoother" in params:
        smoother = model.net_.module_.smoother
        counted = smoother.is_known.sum()
        assert counted == len(
            torch.bucketize(
                torch.tensor(y[np.isfinite(y)]).double(), smoother.borders
            ).unique()
        )


@BOTH
def test_model_survives_pickle_and_goes_on(kind):
    X, y = make_table()
    params = {"penalty": "ranksim", "smoother": "fds", "warm_start": True}
    model = make_model(kind, **params).fit(X, y)
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model]
    predictions = [twin.fit(X, y).predict(X) for twin in twins]
    assert model.net_.module_.smoother.n_epochs == 6
    for prediction in predictions[1:]:
        np.testing.assert_array_equal(prediction, predictions[0])


@BOTH
def test_network_with_new_heads_goes_on_with_both(kind):
    """The heads themselves learn from frozen features, which nothing has to move."""
    X, y = make_table()
    plain = make_model(kind).fit(X, y)
    model = make_model(kind, penalty="ranksim", smoother="fds", warm_start=True)
    model.fit(X, y).net_.module_.extractor.load_state_dict(
        plain.net_.module_.extractor.state_dict()
    )
    retrained = model.retrain_heads(X, y)
    expected = plain.retrain_heads(X, y).predict(X)
    np.testing.assert_array_equal(retrained.predict(X), expected)
    assert retrained.fit(X, y).net_.module_.smoother.n_epochs == 3


@BOTH
def test_parts_of_a_stream_are_epochs(kind):
    X, y = make_table()
    model = make_model(kind, penalty="ranksim", smoother="fds")
    for n_parts in (1, 2, 3):
        model.partial_fit(X, y)
        assert model.net_.module_.smoother.n_epochs == n_parts
    model.partial_fit(X[:1], 100 * y[:1])
    assert np.isfinite(model.predict(X)).all()


@BOTH
@pytest.mark.parametrize(
    "change",
    [{"penalty": None}, {"penalty__gamma": 2.0}, {"smoother": "fds"}],
    ids=["penalty", "penalty__gamma", "smoother"],
)
def test_regularisers_must_stay_while_a_network_goes_on(kind, change):
    X, y = make_table()
    model = make_model(kind, penalty=RankSim(), warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=f"{next(iter(change))} was .* cannot go on"):
        model.set_params(**change).fit(X, y)


def test_memory_tells_regularisers_apart(tmp_path):
    X, y = make_table()
    found = []
    for params in ({}, {"penalty": "ranksim"}, {"smoother": "fds"}):
        model = make_model(memory=str(tmp_path), **params).fit(X, y)
        recalled = clone(model).set_params(mode="add").fit(X, y)
        assert len(list(tmp_path.rglob("output.pkl"))) == len(found) + 1
        assert hasattr(recalled.net_.module_, "smoother") == ("smoother" in params)
        found.append(recalled)


@BOTH
@pytest.mark.parametrize("weighting", [None, "lds"])
def test_weights_are_repetitions(kind, weighting):
    X, y = make_table(30)
    y = np.round(y)
    n_times = np.arange(30) % 3
    params = {"batch_size": 100, "penalty": RankSim(10.0), "weighting": weighting}
    if weighting is None:
        params["smoother"] = "fds"
    weighted = make_model(kind, **params).fit(X, y, sample_weight=n_times)
    rows = np.repeat(np.arange(30), n_times)
    repeated = make_model(kind, **params).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-7)


@BOTH
@EACH
@pytest.mark.parametrize("targets", ["equal_but_one", "two", "distinct"])
def test_narrow_targets_are_learned(kind, params, targets):
    X, y = make_table(20)
    y = {"equal_but_one": np.eye(20)[0], "two": np.arange(20) % 2, "distinct": y}[
        targets
    ]
    model = make_model(kind, batch_size=1, max_epochs=2, **params).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_equal_targets_are_learned_with_a_penalty():
    X, _ = make_table()
    model = make_model(DirectRegressor, penalty="ranksim").fit(X, np.full(60, 3.0))
    assert np.isfinite(model.predict(X)).all()


def test_equal_targets_cannot_be_cut_for_a_smoother():
    X, _ = make_table()
    model = make_model(DirectRegressor, smoother="fds")
    with pytest.raises(ValueError, match="distinct targets"):
        model.fit(X, np.full(60, 3.0))


@BOTH
@EACH
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_short_types_are_learned(kind, params, precision):
    X, y = make_table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Scaled losses on a CPU.
        model = make_model(kind, precision=precision, **params).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    if "smoother" in params:
        assert model.net_.module_.smoother.n_epochs == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@BOTH
def test_compiled_network_is_smoothed_as_the_plain_one(kind):
    X, y = make_table(64)
    plain = make_model(kind, smoother="fds").fit(X, y)
    torch.compiler.reset()
    model = make_model(
        kind, smoother="fds", compile=True, net_params={"compile__backend": "eager"}
    ).fit(X, y)
    torch.compiler.reset()
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-6)
    for name, value in plain.net_.module_.smoother.state_dict().items():
        actual = model.net_.module_.smoother.state_dict()[name]
        torch.testing.assert_close(actual, value)


@BOTH
def test_smoother_of_the_user_is_called(kind):
    calls = []

    class Doubler(nn.Module):
        def begin_epoch(self):
            calls.append("begin")

        def end_epoch(self):
            calls.append("end")

        def forward(self, features, y, weight=None):
            calls.append(len(y))
            return 2 * features

    class Doubling(BaseSmoother):
        def build(self, n_features, y, sample_weight=None, edges=None):
            return Doubler()

    X, y = make_table(32)
    make_model(kind, smoother=Doubling(), max_epochs=2).fit(X, y).predict(X)
    assert calls == ["begin", 16, 16, "end"] * 2
