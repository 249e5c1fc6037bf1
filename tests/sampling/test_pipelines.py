"""The samplers as steps of a pipeline of imbalanced-learn, which is optional."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sk_hca.sampling import SMOGN, SMOTER, BinOverSampler, BinUnderSampler

SAMPLERS = [BinOverSampler, BinUnderSampler, SMOTER, SMOGN]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    return X, np.exp(X[:, 0])


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_clone_and_parameters_follow_scikit_learn(Sampler, table):
    sampler = Sampler(random_state=0)
    copy = clone(sampler)
    assert copy.get_params() == sampler.get_params()
    sampler.fit_resample(*table)
    assert sampler.get_params() == copy.get_params()
    np.testing.assert_array_equal(
        sampler.fit_resample(*table)[0], copy.fit_resample(*table)[0]
    )


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_parameters_are_declared_documented_and_but_one_given_by_name(Sampler):
    first, *others = inspect.signature(Sampler).parameters.values()
    names = [first.name, *(each.name for each in others)]
    assert set(Sampler._parameter_constraints) == set(names)
    assert all(each.kind is each.KEYWORD_ONLY for each in others)
    body = (
        inspect.getdoc(Sampler).split("Parameters\n---")[1].split("Attributes\n---")[0]
    )
    told = [line.split(" : ")[0] for line in body.splitlines() if " : " in line[:40]]
    assert told == names


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_pipeline_resamples_in_fit_only(Sampler, table):
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = table
    sampler = Sampler(random_state=0)
    model = pipeline.make_pipeline(sampler, StandardScaler(), LinearRegression())
    predicted = model.fit(X, y).predict(X)
    assert predicted.shape == y.shape
    X_new, y_new = clone(sampler).fit_resample(X, y)
    scaler = StandardScaler().fit(X_new)
    expected = LinearRegression().fit(scaler.transform(X_new), y_new)
    np.testing.assert_allclose(predicted, expected.predict(scaler.transform(X)))


def test_search_reaches_the_parameters_of_a_sampler(table):
    pipeline = pytest.importorskip("imblearn.pipeline")
    model = pipeline.Pipeline(
        [("sampler", SMOGN(random_state=0)), ("regressor", LinearRegression())]
    )
    search = GridSearchCV(model, {"sampler__over": [0.0, 2.0]}, cv=3).fit(*table)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
