"""Conformal intervals around any regressor: what they promise, and what they hold."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import TensorDataset

from sk_hca import HCARegressor
from sk_hca.estimators import ConformalRegressor
from sk_hca.prediction import QuantileDecoder

SHORT = {"max_epochs": 2, "lr": 0.01, "device": "cpu", "random_state": 0}


def make_table(n=600, seed=0):
    """Targets with a long tail, whose noise grows with them."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3))
    y = np.exp(3 * X[:, 0] ** 3) * (1 + 0.2 * rng.normal(size=n))
    return X, y


def coverage_of(model, X, y):
    interval = model.predict_interval(X)
    return (interval[:, 0] <= y) & (y <= interval[:, 1])


@parametrize_with_checks(
    [
        ConformalRegressor(Ridge(), random_state=0),
        ConformalRegressor(Ridge(), condition="shot", random_state=0),
        ConformalRegressor(
            # Long enough to learn what the checks ask for.
            HCARegressor(**(SHORT | {"max_epochs": 20})),
            condition="shot",
            random_state=0,
        ),
    ]
)
@pytest.mark.filterwarnings("ignore")  # The checks provoke warnings on purpose.
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: make_pipeline("passthrough", model),
        lambda model: make_pipeline(make_pipeline("passthrough", model)),
        lambda model: GridSearchCV(model, {"mode": ["consult"]}, cv=2),
        lambda model: make_pipeline(GridSearchCV(model, {"mode": ["consult"]}, cv=2)),
    ],
    ids=["pipeline", "pipelines", "search", "both"],
)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_intervals_are_found_behind_pipelines_and_searches(wrap, is_frozen):
    X, y = make_table(200)
    model, wrapped = HCARegressor(**SHORT), wrap(HCARegressor(**SHORT))
    if is_frozen:
        model = FrozenEstimator(model.fit(X, y))
        wrapped = FrozenEstimator(wrapped.fit(X, y))
    expected = ConformalRegressor(model, random_state=0).fit(X, y)
    given = ConformalRegressor(wrapped, random_state=0).fit(X, y).predict_interval(X)
    np.testing.assert_allclose(given, expected.predict_interval(X), rtol=1e-6)
    assert np.ptp(np.diff(given, axis=1)) > 0.01


def test_maps_and_datasets_are_refused():
    X, y = make_table(50)
    data = TensorDataset(torch.tensor(X), torch.tensor(y))
    for given, targets in ((data, y), (X, np.ones((50, 2, 2)))):
        with pytest.raises(ValueError, match="one target per sample, and inputs that"):
            ConformalRegressor(HCARegressor(**SHORT)).fit(given, targets)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_coverage_is_met_on_average_over_draws(coverage):
    """Between coverage and coverage + 1 / (n + 1), up to the noise of 100 draws."""
    covered = []
    for seed in range(100):
        X, y = make_table(250, seed)
        model = ConformalRegressor(Ridge(), coverage=coverage, random_state=seed)
        covered.append(coverage_of(model.fit(X[:150], y[:150]), X[150:], y[150:]))
    assert coverage - 0.02 < np.mean(covered) < coverage + 1 / 31 + 0.02


def test_shots_are_covered_each_by_themselves():
    """A straight line fails the tail; one margin for all leaves it uncovered."""
    rates = {}
    for condition in (None, "shot"):
        covered, few = [], []
        for seed in range(8):
            X, y = make_table(3000, seed)
            model = ConformalRegressor(
                LinearRegression(), condition=condition, bins=30, random_state=seed
            ).fit(X[:1500], y[:1500])
            covered.append(coverage_of(model, X[1500:], y[1500:]))
            few.append(y[1500:] > 10)
        covered, few = np.concatenate(covered), np.concatenate(few)
        rates[condition] = covered.mean(), covered[few].mean()
    assert rates[None][0] == pytest.approx(0.9, abs=0.02)
    assert rates[None][1] < 0.6
    assert rates["shot"][0] > 0.89
    assert rates["shot"][1] > 0.87


def test_own_intervals_are_widened_or_narrowed_by_one_margin():
    X, y = make_table(200)
    model = ConformalRegressor(HCARegressor(**SHORT), random_state=0).fit(X, y)
    own = model.estimator_.predict_interval(X, 0.9)
    interval = model.predict_interval(X)
    np.testing.assert_allclose(own[:, 0] - interval[:, 0], model.margins_[0])
    np.testing.assert_allclose(interval[:, 1] - own[:, 1], model.margins_[0])
    np.testing.assert_array_equal(model.predict(X), model.estimator_.predict(X))


@pytest.mark.parametrize("condition", [None, "shot"])
def test_frozen_model_is_calibrated_on_all_that_comes(condition):
    X, y = make_table(400)
    fitted = HCARegressor(**SHORT).fit(X[:200], y[:200])
    before = fitted.predict(X)
    model = ConformalRegressor(FrozenEstimator(fitted), condition=condition, bins=10)
    model.fit(X[200:], y[200:])
    np.testing.assert_array_equal(model.predict(X), before)
    held = coverage_of(model, X[200:], y[200:])
    assert 0.9 <= held.mean() < (0.93 if condition is None else 1.0)


def test_shots_of_a_frozen_model_are_those_of_its_training():
    X, y = make_table(200)
    frozen = FrozenEstimator(Ridge().fit(X, y))
    with pytest.raises(ValueError, match=r"Ridge does not hold them in target_counts_"):
        ConformalRegressor(frozen, condition="shot").fit(X, y)


def test_few_shot_model_has_absolute_residuals():
    X, y = make_table(21)
    model = ConformalRegressor(HCARegressor(**SHORT), coverage=0.5, random_state=0)
    interval = model.fit(X, y).predict_interval(X)
    np.testing.assert_allclose(interval.mean(axis=1), model.predict(X))


def test_regions_join_until_each_can_tell():
    X, y = make_table(400)
    by_shot = ConformalRegressor(Ridge(), condition="shot", bins=20, random_state=0)
    few = by_shot.fit(X, y)
    assert len(np.unique(few.margins_)) > 1
    assert np.isfinite(few.margins_).all()
    assert few.borders_[0] == -np.inf
    assert few.borders_[-1] == np.inf
    assert (np.diff(few.borders_) > 0).all()
    # With 60 samples no shot but the few-shot one has enough.
    one = clone(by_shot).fit(X[:60], y[:60])
    assert len(one.margins_) == 1
    assert np.isfinite(one.margins_).all()


def test_empty_bins_belong_to_the_nearest_that_is_not():
    """Whole numbers in 100 bins: what lies between them is no shot of its own."""
    rng = np.random.default_rng(0)
    y = rng.geometric(0.4, size=2000).astype(float)
    X = y[:, np.newaxis] + rng.normal(size=(2000, 2))
    model = ConformalRegressor(Ridge(), condition="shot", random_state=0).fit(X, y)
    distinct = clone(model).set_params(bins="unique").fit(X, y)
    region = np.searchsorted(model.borders_[1:-1], np.unique(y), side="left")
    np.testing.assert_array_equal(
        model.margins_[region],
        distinct.margins_[np.searchsorted(distinct.borders_[1:-1], np.unique(y))],
    )
    assert len(model.margins_) < 5


def test_too_few_held_out_targets_give_infinite_intervals_and_say_so():
    X, y = make_table(30)
    model = ConformalRegressor(Ridge(), random_state=0)
    with pytest.warns(UserWarning, match=r"6 held-out .* takes 9 .* or lower coverage"):
        model.fit(X, y)
    assert np.isinf(model.predict_interval(X)).all()
    assert np.isfinite(model.predict(X)).all()


def test_held_out_part_is_repeatable_and_the_recipe_left_alone():
    X, y = make_table()
    recipe = Ridge()
    model = ConformalRegressor(recipe, random_state=3).fit(X, y)
    again = pickle.loads(pickle.dumps(clone(model).fit(X, y)))
    np.testing.assert_array_equal(model.predict_interval(X), again.predict_interval(X))
    assert not hasattr(recipe, "coef_")


def test_pipelines_frames_and_searches_work():
    pd = pytest.importorskip("pandas")
    X, y = make_table()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = ConformalRegressor(
        make_pipeline(
            StandardScaler(),
            TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh),
        ),
        random_state=0,
    ).fit(frame, pd.Series(y))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.predict_interval(frame).shape == (600, 2)
    search = GridSearchCV(
        ConformalRegressor(Ridge()), {"estimator__alpha": [0.1, 1.0]}, cv=2
    )
    assert search.fit(X, y).best_estimator_.predict_interval(X).shape == (600, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"coverage": 90},
        {"condition": "shots"},
        {"calibration_fraction": 1.0},
        {"bins": 0},
    ],
)
def test_bad_parameters_are_refused(wrong):
    X, y = make_table(60)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ConformalRegressor(Ridge(), **wrong).fit(X, y)


# ------------------------------------------------------------------------ MAPIE


def test_mapie_makes_split_conformal_intervals():
    mapie = pytest.importorskip("mapie.regression")
    X, y = make_table(300)
    model = mapie.SplitConformalRegressor(
        HCARegressor(**SHORT), confidence_level=0.9, prefit=False
    )
    model.fit(X[:150], y[:150]).conformalize(X[150:250], y[150:250])
    _, interval = model.predict_interval(X[250:])
    assert interval.shape == (50, 2, 1)
    assert np.isfinite(interval).all()


def test_mapie_conformalizes_quantiles_of_one_training():
    mapie = pytest.importorskip("mapie.regression")
    X, y = make_table(400)
    fitted = HCARegressor(**SHORT).fit(X[:150], y[:150])
    quantiles = [
        fitted.readjust(fitted.mode).set_params(decoder=QuantileDecoder(level))
        for level in (0.05, 0.95, 0.5)
    ]
    model = mapie.ConformalizedQuantileRegressor(
        quantiles, confidence_level=0.9, prefit=True
    )
    model.conformalize(X[150:], y[150:])
    _, interval = model.predict_interval(X[150:], symmetric_correction=True)
    held = (interval[:, 0, 0] <= y[150:]) & (y[150:] <= interval[:, 1, 0])
    assert held.mean() == pytest.approx(0.9, abs=0.02)


class Speechless(LinearRegression):
    """Learns from any table, and has no answer for those of two columns."""

    def predict(self, X):
        if X.shape[1] == 2:
            raise ValueError("no answer")
        return super().predict(X)


def test_failed_fit_leaves_the_earlier_model_whole():
    X, y = make_table()
    model = ConformalRegressor(Speechless(), random_state=0).fit(X, y)
    expected = model.predict_interval(X)
    with pytest.raises(ValueError, match="no answer"):
        model.fit(X[:, :2], y)
    np.testing.assert_array_equal(model.predict_interval(X), expected)
    assert model.n_features_in_ == 3


def test_coverage_is_that_of_the_fit():
    X, y = make_table()
    model = ConformalRegressor(HCARegressor(max_epochs=1), random_state=0).fit(X, y)
    expected = model.predict_interval(X)
    model.set_params(coverage=0.5)
    np.testing.assert_array_equal(model.predict_interval(X), expected)


def test_targets_may_be_numbers_in_text():
    X, y = make_table()
    model = ConformalRegressor(LinearRegression(), random_state=0)
    expected = model.fit(X, y).predict_interval(X)
    answers = model.fit(X, y.astype(str)).predict_interval(X)
    np.testing.assert_array_equal(answers, expected)


def test_intervals_of_another_kind_are_passed_by():
    X, y = make_table()
    inner = ConformalRegressor(LinearRegression(), random_state=1)  # asks no coverage
    interval = ConformalRegressor(inner, random_state=0).fit(X, y).predict_interval(X)
    np.testing.assert_allclose(np.ptp(np.diff(interval)), 0, atol=1e-9)
