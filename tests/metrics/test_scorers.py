"""Scorers know the shots of their own fold, wherever the estimator is kept."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_hca.metrics import find_target_counts, make_shot_scorer, shot_report

METRICS = ("mae", "bmae", "rmse", "brmse", "gm")


class ConstantRegressor(RegressorMixin, BaseEstimator):
    """Predict a constant, and keep the training counts as this package does."""

    def __init__(self, constant=0.0):
        self.constant = constant

    def fit(self, X, y, sample_weight=None):
        self.target_counts_ = np.unique(y, return_counts=True)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return np.full(len(X), self.constant)


def data(seed=0, n=1200):
    rng = np.random.default_rng(seed)
    y = np.minimum(rng.geometric(0.3, n), 15).astype(float)
    return rng.normal(size=(n, 2)), y


def as_if(model):
    """Say that all inputs of a model are important."""
    return np.ones(2)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shot", ["all", "many", "medium", "few"])
def test_scorer_is_the_negated_entry_of_the_report(metric, shot):
    X, y = data()
    model = ConstantRegressor(2.5).fit(X, y)
    score = make_shot_scorer(metric, shot)(model, X, y)
    assert score == -shot_report(y, model.predict(X), y)[shot, metric]


def test_scorer_counts_the_training_targets_of_its_own_fold():
    X, y = data()
    scorer = make_shot_scorer("bmae", "medium", bins=5, many=150, few=12)
    folds = KFold(3)
    scores = cross_val_score(ConstantRegressor(), X, y, scoring=scorer, cv=folds)
    for score, (train, test) in zip(scores, folds.split(X), strict=True):
        report = shot_report(
            y[test], np.zeros(len(test)), y[train], bins=5, many=150, few=12
        )
        assert score == -report["medium", "bmae"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: make_pipeline(
            StandardScaler(), make_pipeline(StandardScaler(), model)
        ),
        lambda model: GridSearchCV(model, {"constant": [1.0]}, cv=2),
        lambda model: make_pipeline(
            StandardScaler(), GridSearchCV(model, {"constant": [1.0]}, cv=2)
        ),
        lambda model: RFE(model, n_features_to_select=2, importance_getter=as_if),
    ],
    ids=[
        "pipeline",
        "nested pipeline",
        "search",
        "search in a pipeline",
        "wrapper",
    ],
)
def test_scorer_finds_the_counts_inside_other_estimators(wrap):
    X, y = data()
    bare = ConstantRegressor(1.0).fit(X, y)
    wrapped = wrap(ConstantRegressor(1.0)).fit(X, y)
    scorer = make_shot_scorer("mae", "few")
    assert scorer(wrapped, X, y) == scorer(bare, X, y)
    for found, kept in zip(
        find_target_counts(wrapped), bare.target_counts_, strict=True
    ):
        np.testing.assert_array_equal(found, kept)


@pytest.mark.parametrize(
    "model",
    [
        Ridge(),
        make_pipeline(StandardScaler(), Ridge()),
        TransformedTargetRegressor(
            ConstantRegressor(), func=np.log, inverse_func=np.exp
        ),
    ],
    ids=["foreign", "foreign in a pipeline", "transformed target"],
)
def test_scorer_asks_for_training_targets_where_the_estimator_holds_none(model):
    X, y = data()
    model = clone(model).fit(X, y)
    with pytest.raises(ValueError, match=r"Give y_train to make_shot_scorer\."):
        make_shot_scorer()(model, X, y)
    report = shot_report(y, model.predict(X), y)
    assert make_shot_scorer(y_train=y)(model, X, y) == -report["few", "mae"]
    # All targets together need no training counts.
    assert make_shot_scorer("bmae", "all")(model, X, y) == -report["all", "bmae"]


def test_scorer_leaves_it_to_the_estimator_to_say_that_it_is_not_fitted():
    with pytest.raises(NotFittedError):
        make_shot_scorer()(Ridge(), *data())


def test_given_training_targets_outrank_those_of_the_fold():
    X, y = data()
    model = ConstantRegressor().fit(X, y)
    scorer = make_shot_scorer("mae", "many", y_train=[7.0] * 101)
    assert scorer(model, X, y) == -7.0


def test_scorer_serves_a_search_with_several_metrics_in_parallel():
    X, y = data()
    scoring = {f"{shot}_mae": make_shot_scorer("mae", shot) for shot in ("few", "many")}
    grid = {"constant": [0.0, 1.0, 8.0]}
    kept = {}
    for n_jobs in (None, 2):
        # Threads start at once; that a scorer survives the way to a process is below.
        search = GridSearchCV(
            ConstantRegressor(), grid, scoring=scoring, refit="few_mae", cv=2,
            n_jobs=n_jobs,
        )  # fmt: skip
        with parallel_config(backend="threading"):
            kept[n_jobs] = search.fit(X, y)
    serial, parallel = kept[None], kept[2]
    assert serial.best_params_ == {"constant": 8.0}
    many = serial.cv_results_["mean_test_many_mae"]
    assert many.argmax() == 1  # the common targets are small
    np.testing.assert_array_equal(parallel.cv_results_["mean_test_many_mae"], many)
    # A fitted search scores with its metric, through its best estimator.
    assert serial.score(X, y) == scoring["few_mae"](serial.best_estimator_, X, y)


def test_scorer_takes_weights_as_repetition():
    X, y = data()
    model = ConstantRegressor(2.0).fit(X, y)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    for metric in METRICS:
        scorer = make_shot_scorer(metric, "medium")
        repeated = scorer(model, np.repeat(X, weight, axis=0), np.repeat(y, weight))
        assert scorer(model, X, y, sample_weight=weight) == pytest.approx(repeated)


@pytest.mark.parametrize("alias", [True, "importance"])
def test_scorer_is_routed_its_weights(alias):
    X, y = data()
    weight = np.where(y == 1, 5.0, 1.0)
    scorer = make_shot_scorer("mae", "many")
    name = "sample_weight" if alias is True else alias
    with config_context(enable_metadata_routing=True):
        model = ConstantRegressor().set_fit_request(sample_weight=False)
        plain = cross_val_score(model, X, y, scoring=scorer, cv=2, params={})
        routed = cross_validate(
            model,
            X,
            y,
            scoring={"many": scorer.set_score_request(sample_weight=alias)},
            cv=2,
            params={name: weight},
        )["test_many"]
    folds = KFold(2).split(X)
    for score, (train, test) in zip(routed, folds, strict=True):
        report = shot_report(y[test], 0 * y[test], y[train], sample_weight=weight[test])
        assert score == -report["many", "mae"]
    assert not np.allclose(plain, routed)


def test_scorer_must_be_told_before_weights_are_routed():
    X, y = data(n=60)
    with config_context(enable_metadata_routing=True):
        model = ConstantRegressor().set_fit_request(sample_weight=False)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            cross_val_score(
                model, X, y, scoring=make_shot_scorer("mae", "all"), cv=2,
                params={"sample_weight": np.ones(60)},
            )  # fmt: skip


def test_search_hands_its_weights_to_the_scorer():
    X, y = data()
    weight = (y < 3).astype(float)
    scorer = make_shot_scorer("mae", "many")
    search = GridSearchCV(
        ConstantRegressor(), {"constant": [2.0]}, scoring=scorer, cv=2
    )
    search.fit(X, y, sample_weight=weight)
    assert np.isfinite(search.best_score_)


def test_empty_shot_of_a_fold_is_nan_with_a_warning():
    X, y = data()
    model = ConstantRegressor().fit(X, y)
    with pytest.warns(UserWarning, match="No target of y_true is few-shot") as caught:
        score = make_shot_scorer("mae", "few")(model, X[:5], np.ones(5))
    assert np.isnan(score)
    assert len(caught) == 1


def test_scorer_survives_pickle_and_clone_and_names_itself():
    X, y = data()
    model = ConstantRegressor().fit(X, y)
    scorer = make_shot_scorer("gm", "medium", bin_width=0.5)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy(model, X, y) == scorer(model, X, y)
    assert repr(scorer) == "make_shot_scorer('gm', 'medium', bin_width=0.5)"
    assert repr(make_shot_scorer(bins=4)) == "make_shot_scorer('mae', 'few', bins=4)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "mse"}, "metric must be one of 'mae', 'bmae'.*got 'mse'"),
        ({"shot": "rare"}, "shot must be one of 'all', 'many'.*got 'rare'"),
        ({"bins": "rare"}, "bins must be 'unique'"),
        ({"few": 30, "many": 10}, "0 <= few <= many"),
        ({"y_train": [np.nan]}, "y_train must be finite"),
    ],
)
def test_scorer_refuses_wrong_options_when_it_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        make_shot_scorer(**options)


def test_scorer_of_a_foreign_estimator_serves_cross_validation():
    X, y = data()
    scorer = make_shot_scorer("rmse", "few", y_train=y)
    scores = cross_val_score(DummyRegressor(), X, y, scoring=scorer, cv=3)
    assert (scores < 0).all()
