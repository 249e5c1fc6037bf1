"""A comparison is fair: the same folds, nobody's test targets, honest intervals."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_hca import HCARegressor
from sk_hca.evaluation import Comparison, compare
from sk_hca.metrics import (
    StratifiedRegressionKFold,
    relevance_function,
    sera,
    shot_groups,
    shot_report,
)

SHOTS = ("all", "many", "medium", "few")
EDGES = [0.0, 1.0, 2.0, 4.0, 99.0]
CUT = {"bins": EDGES, "many": 50, "few": 20}
MODELS = {"mean": DummyRegressor(), "line": LinearRegression()}


class Answer(RegressorMixin, BaseEstimator):
    """Answer what it is told, whatever was asked."""

    def __init__(self, answer=None):
        self.answer = answer

    def fit(self, X, y):
        if self.answer is None:
            raise OSError("no answer given")
        return self

    def predict(self, X):
        return np.full(self.answer[0] or len(X), self.answer[1])


def data(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(0, 0.8, n)
    return np.column_stack([np.log(y), rng.normal(size=n)]), y


def comparison_of(values, test_ratio=0.25):
    """A comparison with the same given values, by estimator and fold, everywhere."""
    values = np.asarray(values, dtype=float)
    names = tuple("abcd"[: len(values)])
    everywhere = np.broadcast_to(values[:, :, None, None], (*values.shape, 4, 9))
    return Comparison(names, everywhere, test_ratio)


def test_comparison_holds_the_reports_of_every_fold():
    X, y = data()
    folds = KFold(3)
    comparison = compare(MODELS, X, y, cv=folds, **{**CUT, "bins": 6})
    cut = {**CUT, "bins": shot_groups(y, 6).edges}
    for fold, (train, test) in enumerate(folds.split(X)):
        shots = shot_groups(y[train], **cut).shots_of(y[test])
        relevance = relevance_function(y[train])
        for name, model in MODELS.items():
            y_pred = clone(model).fit(X[train], y[train]).predict(X[test])
            report = shot_report(y[test], y_pred, y[train], **cut)
            for shot in SHOTS:
                for column in ("mae", "bmae", "rmse", "gm", "n_samples", "n_bins"):
                    assert comparison[name, shot, column][fold] == report[shot, column]
                rows = (shots == shot) | (shot == "all")
                expected = sera(y[test][rows], y_pred[rows], relevance=relevance)
                assert comparison[name, shot, "sera"][fold] == pytest.approx(expected)


def test_sera_of_the_shots_adds_up():
    X, y = data()
    comparison = compare(MODELS, X, y, **CUT)
    parts = sum(comparison["line", shot, "sera"] for shot in SHOTS[1:])
    np.testing.assert_allclose(parts, comparison["line", "all", "sera"])


def test_estimators_of_all_kinds_take_part_and_are_left_as_they_were():
    pd = pytest.importorskip("pandas", reason="compares on a DataFrame")
    X, y = data()
    models = {
        "pipeline": make_pipeline(StandardScaler(), Ridge()),
        "search": GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
        "hca": HCARegressor(max_epochs=1, device="cpu", random_state=0),
    }
    before = {name: set(vars(model)) for name, model in models.items()}
    frame = pd.DataFrame(X, columns=["a", "b"])
    comparison = compare(models, frame, y, cv=2, **CUT)
    assert comparison.names == ("pipeline", "search", "hca")
    assert np.isfinite(comparison.values).all()
    assert (comparison["hca", "all", "fit_seconds"] > 0).all()
    assert {name: set(vars(model)) for name, model in models.items()} == before


def test_comparison_is_the_same_one_by_one_and_side_by_side():
    X, y = data()
    alone = compare(MODELS, X, y, cv=3, **CUT)
    with parallel_config(backend="threading"):
        together = compare(MODELS, X, y, cv=3, n_jobs=2, **CUT)
    for column in ("mae", "bmae", "rmse", "gm", "sera"):
        for name in MODELS:
            np.testing.assert_array_equal(
                alone[name, "few", column], together[name, "few", column]
            )


def test_folds_are_stratified_unless_others_are_given():
    X, y = data()

    def errors(cv, **options):
        return compare({"line": LinearRegression()}, X, y, cv=cv, **CUT, **options)[
            "line", "all", "mae"
        ]

    five, three = (StratifiedRegressionKFold(n, bins=EDGES) for n in (5, 3))
    np.testing.assert_array_equal(errors(None), errors(five))
    np.testing.assert_array_equal(errors(3), errors(three))
    np.testing.assert_array_equal(errors(3), errors(list(three.split(X, y))))
    groups = np.arange(y.size) % 10
    np.testing.assert_array_equal(
        errors(GroupKFold(4), groups=groups),
        errors(list(GroupKFold(4).split(X, y, groups))),
    )


def test_bins_are_distinct_targets_where_they_are_few():
    X, y = data()
    y = y.round()
    comparison = compare(MODELS, X, y, cv=2, many=50, few=20)
    expected = compare(MODELS, X, y, cv=2, bins="unique", many=50, few=20)
    np.testing.assert_array_equal(
        comparison["line", "all", "bmae"], expected["line", "all", "bmae"]
    )


def test_missing_shots_and_relevance_are_nan_with_one_warning_each():
    X = np.arange(40.0)[:, None]
    y = np.arange(40.0)
    with pytest.warns(UserWarning, match="folds") as caught:
        comparison = compare(MODELS, X, y, cv=2, bins=4)
    messages = sorted(str(warning.message) for warning in caught)
    assert len(messages) == 2
    assert messages[0].startswith("SERA is nan in 2 of 2 folds")
    assert "many (2 of 2 folds), medium (2 of 2 folds). Their errors" in messages[1]
    assert np.isnan(comparison["line", "all", "sera"]).all()
    assert np.isnan(comparison["line", "many", "mae"]).all()
    assert "nan" in str(comparison)


def test_interval_without_overlap_is_that_of_student():
    values = np.random.default_rng(0).normal(size=(2, 7))
    mean, lower, upper = comparison_of(values, test_ratio=0).means()["b", "few", "gm"]
    sem = stats.sem(values[1])
    expected = stats.t.interval(0.95, 6, loc=values[1].mean(), scale=sem)
    assert mean == pytest.approx(values[1].mean())
    assert (lower, upper) == pytest.approx(expected)


def test_interval_is_widened_for_the_samples_that_folds_share():
    values = np.random.default_rng(0).normal(size=(2, 5))
    table = comparison_of(values, test_ratio=0.25).differences("a", coverage=0.9)
    mean, lower, upper = table["b", "all", "mae"]
    gaps = values[1] - values[0]
    half_width = stats.t.ppf(0.95, 4) * np.sqrt((1 / 5 + 1 / 4) * gaps.var(ddof=1))
    assert mean == pytest.approx(gaps.mean())
    assert (upper - mean, mean - lower) == pytest.approx((half_width, half_width))


def test_differences_are_paired():
    """Folds that are hard for everybody do not blur who is worse."""
    hard, worse = np.array([0.0, 10.0, 5.0, 20.0]), np.array([1.0, 1.1, 0.9, 1.0])
    table = comparison_of([hard, hard + worse]).differences("a")
    _, lower, upper = table["b", "all", "mae"]
    assert 0.5 < lower < upper < 1.5
    assert table.names == ("b",)
    turned = comparison_of([hard, hard + worse]).differences("b")
    assert turned["a", "all", "mae"] == pytest.approx((-1.0, -upper, -lower))


def test_means_leave_out_folds_without_a_value():
    values = [[1.0, 2.0, np.nan, 6.0], [np.nan, np.nan, np.nan, 2.0], [np.nan] * 4]
    comparison = comparison_of(values)
    table = comparison.means()
    expected = comparison_of([[1.0, 2.0, 6.0]]).means()
    assert table["a", "all", "mae"] == expected["a", "all", "mae"]
    one_fold, none = table["b", "all", "mae"], table["c", "all", "mae"]
    assert one_fold[0] == 2.0
    assert np.isnan(one_fold[1:]).all()
    assert np.isnan(none).all()
    assert table.n_folds[:, 0, 0].tolist() == [3, 1, 0]
    assert np.isnan(comparison.differences("c")["a", "all", "mae"]).all()


def test_stars_mark_differences_that_leave_out_zero():
    text = str(
        comparison_of([[1, 1, 1], [2.0, 2.1, 1.9], [2.0, 0.0, 1.1]]).differences("a")
    )
    lines = text.split("\n")
    assert "Mean differences from a over 3 folds" in lines[0]
    assert "95 % intervals" in lines[0]
    marked, unmarked = lines[3:5]
    assert marked.split()[0] == "b"
    assert marked.count("*") == 7
    assert "*" not in unmarked


def test_print_shows_every_shot_and_estimator():
    X, y = data()
    comparison = compare(MODELS, X, y, **CUT)
    text = str(comparison)
    assert text == repr(comparison) == str(comparison.means())
    names = [line.split()[0] for line in text.split("\n")[2:]]
    assert names == [word for shot in SHOTS for word in (shot, *MODELS)]
    mean, _, upper = comparison.means()["line", "all", "mae"]
    assert f"{mean:.3f} ± {upper - mean:.3f}" in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1234.0, 1235.0, 1999.0], "1,490 ± 1,100"),
        ([1.0, 9.0, 14.0], "8.00 ± 16.29"),
        ([-4.0, 4.0, 0.0], "0.0 ± 9.9"),
        ([0.12345, 0.12355, 0.12365], "0.12355 ± 0.00025"),
        ([2.0, 2.0, 2.0], "2 ± 0"),
        ([2.5], "2.5"),
        ([1e300, -1e300], "0 ± inf"),
    ],
)
def test_means_are_printed_as_exactly_as_they_are_known(values, text):
    lines = str(comparison_of([values], test_ratio=0).means()).split("\n")
    assert lines[3].split("  ")[-1].strip() == text


def test_comparison_becomes_a_tidy_data_frame():
    pytest.importorskip("pandas", reason="to_frame needs pandas")
    X, y = data()
    comparison = compare(MODELS, X, y, cv=3, **CUT)
    frame = comparison.to_frame()
    assert list(frame.columns) == ["estimator", "fold", "shot", *comparison.columns]
    assert len(frame) == 2 * 3 * 4
    assert frame["n_samples"].dtype.kind == "i"
    row = frame.query("estimator == 'line' and fold == 1 and shot == 'few'").iloc[0]
    assert row["mae"] == comparison["line", "few", "mae"][1]
    table = comparison.differences("mean")
    frame = table.to_frame()
    assert len(frame) == 1 * 4 * 7
    row = frame.query("shot == 'few' and measure == 'mae'").iloc[0]
    assert (row["mean"], row["lower"], row["upper"]) == table["line", "few", "mae"]
    assert row["n_folds"] == 3


def test_comparison_survives_pickle_and_refuses_unknown_entries():
    comparison = comparison_of([[1.0, 2.0], [3.0, 4.0]])
    assert str(pickle.loads(pickle.dumps(comparison))) == str(comparison)
    for key in ("a", ("a", "rare", "mae"), ("z", "all", "mae"), ("a", "all", "mse")):
        with pytest.raises(KeyError, match="asked for an estimator of"):
            comparison[key]
    with pytest.raises(ValueError, match="reference must be one of 'a', 'b'; got 'c'"):
        comparison.differences("c")
    with pytest.raises(ValueError, match="coverage must lie between 0 and 1"):
        comparison.means(coverage=95)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "'bad' failed in fold 0: OSError: no answer given"),
        (
            (None, np.nan),
            "'bad' failed in fold 0: ValueError: The prediction must be fi",
        ),
        ((3, 0.0), "The prediction must hold 200 numbers; got 3"),
    ],
)
def test_estimator_that_fails_is_named(answer, message):
    X, y = data()
    with pytest.raises(RuntimeError, match=message):
        compare({"good": DummyRegressor(), "bad": Answer(answer)}, X, y, cv=2, **CUT)


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ([Ridge()], "must be a dict from names to estimators.*got list"),
        ({}, "got an empty one"),
        ({"ridge": Ridge}, "'ridge' must be an object with fit"),
        ({"ridge": "ridge"}, "'ridge' must be an object with fit"),
    ],
)
def test_estimators_are_refused_with_a_reason(estimators, message):
    with pytest.raises(ValueError, match=message):
        compare(estimators, *data())


def test_targets_and_folds_are_refused_with_a_reason():
    X, y = data()
    with pytest.raises(ValueError, match="y must be finite"):
        compare(MODELS, X, np.where(y > 3, np.nan, y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare(MODELS, X[:-1], y)
    with pytest.raises(ValueError, match="0 <= few <= many"):
        compare(MODELS, X, y, many=1, few=20)
    with pytest.raises(ValueError, match="cv must give at least one fold"):
        compare(MODELS, X, y, cv=[])


def test_folds_may_be_masks():
    X, y = data()
    test = np.arange(len(y)) % 3 == 0
    masks = compare(MODELS, X, y, cv=[(~test, test)], **CUT)
    places = [(np.flatnonzero(~test), np.flatnonzero(test))]
    places = compare(MODELS, X, y, cv=places, **CUT)
    np.testing.assert_array_equal(
        masks["line", "all", "mae"], places["line", "all", "mae"]
    )


def test_comparison_hands_out_copies():
    comparison = comparison_of([[1.0, 2.0]])
    comparison["a", "all", "mae"][:] = 0.0
    np.testing.assert_array_equal(comparison["a", "all", "mae"], [1.0, 2.0])
