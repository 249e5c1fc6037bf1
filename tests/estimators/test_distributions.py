"""What a fitted estimator says of the whole distribution of a target."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from torch import nn

from sk_hca import HCARegressor
from sk_hca.adjustment import ADJUSTMENTS
from sk_hca.binning import LinearBinner
from sk_hca.prediction import BinnedDistribution, QuantileDecoder

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


def make_table(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, np.exp(X[:, 0])


def make_model(**parameters):
    settings = {
        "binner": LinearBinner(12, empty="merge"),
        "max_epochs": 3,
        "device": "cpu",
        "random_state": 0,
    }
    return HCARegressor(**(settings | parameters))


@pytest.mark.parametrize("mode", ADJUSTMENTS)
def test_distribution_and_quantiles_agree_in_every_mode(mode):
    X, y = make_table()
    model = make_model(mode=mode).fit(X, y)
    distribution = model.predict_distribution(X)
    assert isinstance(distribution, BinnedDistribution)
    assert len(distribution) == len(X)
    np.testing.assert_allclose(distribution.probabilities, model.predict_proba(X))
    np.testing.assert_allclose(distribution.edges, model.hierarchy_.edges_)
    quantiles = model.predict_quantiles(X, LEVELS)
    assert quantiles.shape == (len(X), 5)
    np.testing.assert_allclose(quantiles, distribution.quantile(LEVELS), rtol=1e-9)
    interval = model.predict_interval(X)
    np.testing.assert_allclose(interval, quantiles[:, [0, -1]])
    np.testing.assert_allclose(model.predict_interval(X, 0.5), quantiles[:, [1, 3]])


@pytest.mark.parametrize("mode", sorted(set(ADJUSTMENTS) - {"average"}))
@pytest.mark.parametrize(
    ("decoder", "name"), [("mean", "mean"), ("median", "median"), ("argmax", "mode")]
)
def test_numbers_of_the_distribution_are_predictions(mode, decoder, name):
    X, y = make_table()
    model = make_model(mode=mode, decoder=decoder).fit(X, y)
    answer = getattr(model.predict_distribution(X), name)()
    np.testing.assert_allclose(answer, model.predict(X), rtol=1e-9)


def test_mean_of_the_average_mode_is_its_prediction():
    X, y = make_table()
    model = make_model(mode="average", decoder="mean").fit(X, y)
    mean = model.predict_distribution(X).mean()
    np.testing.assert_allclose(mean, model.predict(X), rtol=1e-9)


def test_quantile_decoder_predicts_a_quantile():
    X, y = make_table()
    model = make_model(decoder=QuantileDecoder(0.9)).fit(X, y)
    expected = model.predict_quantiles(X, [0.9])[:, 0]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="'level' parameter of QuantileDecoder"):
        model.set_params(decoder__level=1.5).predict(X)


def test_distributions_of_maps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 3, 2, 4)).astype(np.float32)
    y = np.exp(X.sum(axis=1)).astype(np.float64)
    model = make_model(backbone=nn.Conv2d(3, 8, 1), anchor=None, batch_size=5).fit(X, y)
    distribution = model.predict_distribution(X)
    assert distribution.mean().shape == y.shape
    assert distribution.crps(y).shape == y.shape
    quantiles = model.predict_quantiles(X, LEVELS)
    assert quantiles.shape == (24, 5, 2, 4)
    np.testing.assert_allclose(quantiles, distribution.quantile(LEVELS), rtol=1e-5)
    assert model.predict_interval(X).shape == (24, 2, 2, 4)


@pytest.mark.parametrize("binner", ["linear", "uniform_error", "quantile"])
def test_whole_numbers_and_many_zeros_have_distributions(binner):
    X, y = make_table(200)
    y = np.floor(y).clip(max=9)
    model = make_model(binner=binner).fit(X, y)
    distribution = model.predict_distribution(X)
    assert np.isfinite(distribution.log_score(y)).all()
    assert (distribution.crps(y) >= 0).all()
    np.testing.assert_allclose(distribution.cdf(9.0), 1.0)
    np.testing.assert_allclose(
        model.predict_quantiles(X, LEVELS), distribution.quantile(LEVELS), rtol=1e-9
    )


@pytest.mark.parametrize(
    "method", ["predict_distribution", "predict_quantiles", "predict_interval"]
)
def test_few_shot_models_have_no_distributions(method):
    y = np.arange(19.0)
    model = make_model(max_epochs=1)
    assert hasattr(model, method)
    model.fit(y[:, None], y)
    assert not hasattr(model, method)
    with pytest.raises(AttributeError, match="has no attribute") as got:
        getattr(model, method)
    assert "this model was fitted on 19. Use predict." in str(got.value.__cause__)


def test_bad_levels_are_refused():
    X, y = make_table(30)
    model = make_model(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"between 0 and 1; got \[0.5, 95\]"):
        model.predict_quantiles(X, [0.5, 95])
    with pytest.raises(ValueError, match="coverage must lie between 0 and 1; got 90"):
        model.predict_interval(X, 90)
    for coverage in (None, "0.9", [0.5, 0.9]):
        with pytest.raises(ValueError, match="coverage must lie between 0 and 1; got"):
            model.predict_interval(X, coverage)


@pytest.mark.parametrize("method", ["predict_distribution", "predict_interval"])
def test_distributions_need_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(HCARegressor(), method)(np.ones((2, 3)))
