"""DirectRegressor with every loss: it learns, goes on, and refuses what it cannot."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn

from sk_hca import DirectRegressor
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner
from sk_hca.losses import LOSSES, BalancedMSE, DCRegression, FocalR, HuberLoss

each_loss = pytest.mark.parametrize("loss", LOSSES)
each_balanced = pytest.mark.parametrize("form", ["bmc", "gai", "bni"])


def make_table(n=60, seed=0):
    """A skewed table."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.exp(X @ [0.5, 1.0, -0.5])


def make_model(loss, **params):
    """A small estimator."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 16,
        "lr": 0.01,
        "random_state": 0,
    }
    return DirectRegressor(loss=loss, **(defaults | params))


def noise_of(model):
    """Read the learned noise."""
    return model.net_.criterion_.loss.noise.variance().detach().sqrt().item()


@each_loss
def test_every_loss_learns(loss):
    """Balanced MSE the least, by a score that does not balance."""
    X, y = make_table(200)
    plain = {"optimizer__weight_decay": 1.0}
    model = make_model(loss, max_epochs=25, lr=0.005, net_params=plain)
    assert model.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.4


@each_loss
@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16", "fp16"])
def test_every_loss_runs_in_every_precision(loss, precision):
    X, y = make_table()
    model = make_model(loss, precision=precision, max_epochs=1).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    dtype = torch.float64 if precision == "fp64" else torch.float32
    for part in (model.net_.module_.heads, model.net_.criterion_):
        assert all(weight.dtype is dtype for weight in part.state_dict().values())


@each_loss
def test_every_loss_goes_on_after_a_pickle(loss):
    X, y = make_table()
    model = make_model(loss, warm_start=True).fit(X, y)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(X), model.predict(X))
    for method in ("fit", "partial_fit"):
        for each in (model, restored):
            getattr(each, method)(X[:20], y[:20])
        np.testing.assert_array_equal(restored.predict(X), model.predict(X))


@each_loss
def test_targets_outside_the_first_range_leave_a_stream_sound(loss):
    X, y = make_table()
    model = make_model(loss).partial_fit(X, y)
    for factor in (1e3, -1e6, 1.0):
        model.partial_fit(X, factor * y)
    assert np.isfinite(model.predict(X)).all()


@each_loss
def test_missing_places_of_maps_are_never_seen(loss):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 3, 4, 5)), rng.normal(size=(8, 4, 5))
    y[:, 0], y[3] = np.nan, np.nan
    y[5, 1:], y[5, 1, 1] = np.nan, 0.5
    model = make_model(loss, backbone=lambda: nn.Conv2d(3, 8, 1), batch_size=2)
    prediction = model.fit(X, y).predict(X)
    assert prediction.shape == y.shape
    assert np.isfinite(prediction).all()


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"dc"}))
def test_equal_targets_are_learned(loss):
    X, _ = make_table(40)
    model = make_model(loss, max_epochs=20).fit(X, np.full(40, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0, atol=1.0)


def test_equal_targets_leave_nothing_to_cut():
    X, _ = make_table(40)
    with pytest.raises(ValueError, match=r"Binner needs .* distinct"):
        make_model("dc").fit(X, np.full(40, 3.0))


@each_loss
def test_validation_and_weights_work_together(loss):
    X, y = make_table()
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    params = {"validation_fraction": 0.2, "patience": 2}
    model = make_model(loss, **params).fit(X, y, weight)
    assert np.isfinite(model.history_[:, "valid_loss"]).all()
    assert np.isfinite(model.predict(X)).all()


def test_only_the_gaussian_has_a_scale():
    X, y = make_table()
    for loss, n_outputs in (("absolute", 1), ("bmc", 1), ("dc", 1), ("gaussian", 2)):
        model = make_model(loss, max_epochs=1).fit(X, y)
        assert len(model.net_.module_.heads.weight) == n_outputs


def test_gaussian_knows_where_it_is_unsure():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 1))
    y = X[:, 0] + np.where(X[:, 0] > 0, 1.0, 0.1) * rng.normal(size=400)
    model = make_model("gaussian", max_epochs=40).fit(X, y)
    module = model.net_.module_.eval()
    with torch.no_grad():
        scale = module(torch.tensor([[-1.0], [1.0]], dtype=torch.float64)).scale
    assert scale[1] > 2 * scale[0]


# -------------------------------------------------------------------------- the noise


@each_balanced
def test_optimiser_learns_the_noise(form):
    X, y = make_table(200)
    model = make_model(BalancedMSE(form), max_epochs=20).fit(X, y)
    assert noise_of(model) > 0
    assert noise_of(model) != pytest.approx(0.25, rel=1e-2)
    fixed = make_model(BalancedMSE(form, learn_noise=False)).fit(X, y)
    assert noise_of(fixed) == pytest.approx(0.25)


@each_balanced
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_noise_goes_on(form, method):
    X, y = make_table()
    model = make_model(BalancedMSE(form), warm_start=True).fit(X, y)
    before = noise_of(model)

    class Watcher(Callback):
        def on_train_begin(self, net, **kwargs):
            self.noise = net.criterion_.loss.noise.variance().detach().sqrt().item()

    watcher = Watcher()
    name, params = "fit", {"callbacks": [watcher]}
    if method == "partial_fit":
        model.net_.callbacks_.append(("watcher", watcher))
        name, params = method, {}
    getattr(model.set_params(**params), name)(X, y)
    watcher = dict(model.net_.callbacks_).get("watcher", watcher)
    assert watcher.noise == before != noise_of(model)


def test_training_that_diverges_goes_back_to_a_good_noise():
    X, y = make_table()

    class Spoiler(Callback):
        def on_epoch_begin(self, net, **kwargs):
            self.noise = copy.deepcopy(net.criterion_.state_dict())

        def on_grad_computed(self, net, **kwargs):
            if len(net.history) == 3:
                net.criterion_.loss.noise.log_sigma.grad.fill_(torch.nan)

    spoiler = Spoiler()
    with pytest.warns(
        UserWarning, match="stopped, and the weights of epoch 2 are kept"
    ):
        model = make_model("gai", callbacks=[spoiler]).fit(X, y)
    noise = model.net_.criterion_.state_dict()
    assert all(torch.equal(noise[name], kept) for name, kept in spoiler.noise.items())
    assert np.isfinite(model.partial_fit(X, y).predict(X)).all()


def test_noise_lowers_the_error_of_rare_targets():
    X, y = make_table(400)
    X_test, y_test = make_table(400, seed=1)
    rare = y_test > np.quantile(y, 0.9)
    noise = np.random.default_rng(0).normal(size=400)
    bias = {}
    for loss in ("squared", BalancedMSE("gai", noise_sigma=0.5, learn_noise=False)):
        model = make_model(loss, max_epochs=15, batch_size=64).fit(X, y + noise)
        bias[str(loss)] = (model.predict(X_test) - y_test)[rare].mean()
    plain, balanced = bias.values()
    assert balanced > plain + 0.1


# ------------------------------------------------------------------------ the batches


class Sizes(Callback):
    """Remembers how many samples were in each batch."""

    def on_train_begin(self, net, **kwargs):
        self.sizes = []

    def on_batch_begin(self, net, batch=None, **kwargs):
        self.sizes.append(len(batch[0]))


def test_last_batch_of_one_joins_its_neighbour():
    X, y = make_table(33)
    sizes = Sizes()
    make_model("bmc", max_epochs=1, callbacks=[sizes]).fit(X, y)
    assert sizes.sizes == [16, 17]


def test_batches_of_one_are_refused_and_the_model_kept():
    X, y = make_table()
    model = make_model("bmc").fit(X, y)
    expected = model.predict(X)
    message = "Batch-based Monte Carlo .* two at least; this batch has 1. Give larger"
    with pytest.raises(ValueError, match=message):
        model.set_params(batch_size=1).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.set_params(batch_size=16).partial_fit(X[:1], y[:1])
    np.testing.assert_array_equal(model.predict(X), expected)
    for form in ("gai", "bni"):
        make_model(form, batch_size=1, max_epochs=1).fit(X[:8], y[:8])


# ------------------------------------------------------------------------ the recipes


def test_parameters_of_a_loss_are_searched():
    X, y = make_table()
    for recipe, name, values in (
        (BalancedMSE("gai"), "loss__noise_sigma", [0.1, 1.0]),
        (FocalR(), "loss__beta", [0.5, 5.0]),
        (HuberLoss(), "loss__delta", [0.1, 10.0]),
        (DCRegression(LinearBinner()), "loss__binner__n_bins", [2, 50]),
    ):
        model = make_model(recipe, max_epochs=2)
        search = GridSearchCV(model, {name: values}, cv=2).fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        assert np.isfinite(scores).all()
        assert scores[0] != scores[1]


def test_alias_is_its_recipe():
    X, y = make_table()
    for alias, recipe in (
        ("bmc", BalancedMSE()),
        ("gai", BalancedMSE("gai")),
        ("focal_squared", FocalR("squared")),
        ("huber", HuberLoss()),
    ):
        np.testing.assert_array_equal(
            make_model(alias).fit(X, y).predict(X),
            clone(make_model(recipe)).fit(X, y).predict(X),
        )


def test_network_of_another_loss_cannot_go_on():
    X, y = make_table()
    model = make_model(BalancedMSE(), warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"loss__form was 'bmc' .* is now 'gai'"):
        model.set_params(loss__form="gai").fit(X, y)
    with pytest.raises(ValueError, match=r"loss was .*BalancedMSE.* is now 'absolute'"):
        model.set_params(loss="absolute").fit(X, y)


def test_fit_leaves_the_recipe_alone():
    X, y = make_table()
    recipe = BalancedMSE("gai")
    before = dict(vars(recipe))
    make_model(recipe).fit(X, y)
    assert vars(recipe) == before
