"""Compare estimators over the same folds, shot by shot.

Every estimator of scikit-learn's interface can take part.  What decides the shots and
the relevance of targets is known from the training part of each fold alone.
"""

import time
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.parallel import Parallel, delayed

from sk_hca.base import check_targets
from sk_hca.evaluation._comparison import COLUMNS, SHOTS, Comparison
from sk_hca.metrics import (
    StratifiedRegressionKFold,
    relevance_function,
    sera,
    shot_groups,
    shot_report,
)


def compare(
    estimators,
    X,
    y,
    *,
    cv=None,
    bins=None,
    bin_width=None,
    many=100,
    few=20,
    groups=None,
    n_jobs=None,
):
    """Compare estimators over the same folds, shot by shot.

    Parameters
    ----------
    estimators : dict of str to estimator
        Regressors by name: of this package or any other, pipelines and searches among
        them.  They are cloned, never fitted themselves.

    X : array-like, DataFrame or sparse matrix of shape (n, ...)
        Inputs.

    y : array-like of shape (n,)
        Targets.

    cv : int, splitter, iterable of (train, test) or None, default=None
        Number of folds of a :class:`~sk_hca.metrics.StratifiedRegressionKFold` with the
        same bins, or any splitter of scikit-learn.  None means 5 folds.

    bins : "unique", int or array-like of shape (n_bins + 1,), optional
        Each distinct target, so many intervals of equal width over the range of `y`, or
        the edges of intervals.  By default each distinct target where there are at most
        100, else 100 intervals.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    many, few : float, default=100, 20
        Bins with more than `many` training samples of the fold are many-shot, those
        with less than `few` are few-shot.

    groups : array-like of shape (n,), optional
        Group of each sample, for the splitter.

    n_jobs : int, optional
        Fits at a time, as joblib counts them.  Times of fits that run side by side are
        longer.

    Returns
    -------
    comparison : Comparison
        MAE, bMAE, RMSE, GM, SERA and seconds by estimator, fold and shot.

    Warns
    -----
    UserWarning
        If a shot has no test sample in some fold, or the training targets of some fold
        have no outliers, so that SERA is not defined.

    Raises
    ------
    RuntimeError
        If an estimator fails; the message names it.

    See Also
    --------
    sk_hca.metrics.shot_report : Errors by shot of one set of predictions.
    imbalance_report : What the targets look like beforehand.

    Notes
    -----
    SERA is a sum, so that the shots of a fold add up to all of it; its relevance comes
    from the box plot of the fold's training targets.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> from sk_hca.datasets import load_abalone
    >>> X, y = load_abalone(return_X_y=True)
    >>> models = {"median": DummyRegressor(strategy="median")}
    >>> models["line"] = LinearRegression()
    >>> comparison = compare(models, X, y, cv=3)
    >>> comparison["line", "few", "mae"].round(1)
    array([6.3, 5.5, 6.1])
    >>> differences = comparison.differences("median")
    >>> mean, lower, upper = differences["line", "all", "mae"]
    >>> upper < 0
    True
    """
    estimators = _check_estimators(estimators)
    y = check_targets(y)
    X, y, groups = indexable(X, y, groups)
    cut = {"many": many, "few": few}
    edges = shot_groups(y, bins, bin_width=bin_width, **cut).edges
    cut["bins"] = "unique" if edges is None else edges
    if cv is None or isinstance(cv, Integral):
        cv = StratifiedRegressionKFold(5 if cv is None else cv, bins=cut["bins"])
    splits = [
        tuple(np.arange(len(y))[part] for part in split)
        for split in check_cv(cv, y).split(X, y, groups)
    ]
    if not splits:
        raise ValueError(
            "cv must give at least one fold; got none. Give splits, or a number."
        )
    outcomes = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_predict)(name, clone(estimator), X, y, fold, splits[fold])
        for name, estimator in estimators.items()
        for fold in range(len(splits))
    )
    values = np.empty((len(estimators), len(splits), len(SHOTS), len(COLUMNS)))
    for fold, (train, test) in enumerate(splits):
        measure = _Measure(y[train], y[test], cut)
        for place in range(len(estimators)):
            values[place, fold] = measure(*outcomes[place * len(splits) + fold])
    _warn_of_missing(values[0])
    return Comparison(
        names=tuple(estimators),
        values=values,
        test_ratio=float(np.mean([len(test) / len(train) for train, test in splits])),
    )


class _Measure:
    """What decides the shots and the relevance of one fold, found once."""

    def __init__(self, y_train, y_test, cut):
        self.y_train = y_train
        self.y_test = y_test
        self.cut = cut
        self.shots = shot_groups(y_train, **cut).shots_of(y_test)
        try:
            self.relevance = relevance_function(y_train)
        except ValueError:  # No outliers: nothing is relevant.
            self.relevance = None

    def __call__(self, y_pred, fit_seconds, predict_seconds):
        """Give all columns for every shot."""
        with warnings.catch_warnings():  # They are gathered for all folds.
            warnings.filterwarnings("ignore", message="No target of y_true is")
            report = shot_report(self.y_test, y_pred, self.y_train, **self.cut)
        seconds = {"fit_seconds": fit_seconds, "predict_seconds": predict_seconds}
        rows = [
            report[shot] | seconds | {"sera": self._sera(y_pred, shot)}
            for shot in SHOTS
        ]
        return [[row[column] for column in COLUMNS] for row in rows]

    def _sera(self, y_pred, shot):
        present = np.full(len(y_pred), True) if shot == "all" else self.shots == shot
        if self.relevance is None or not present.any():
            return np.nan
        return sera(self.y_test[present], y_pred[present], relevance=self.relevance)


def _fit_and_predict(name, estimator, X, y, fold, split):
    """Fit one estimator on one fold; give its predictions and its seconds."""
    train, test = split
    try:
        X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
        start = time.perf_counter()
        estimator.fit(X_train, y[train])
        fitted = time.perf_counter()
        y_pred = estimator.predict(X_test)
        end = time.perf_counter()
        y_pred = check_targets(y_pred, name="The prediction")
        if len(y_pred) != len(test):
            raise ValueError(
                f"The prediction must hold {len(test)} numbers; got {len(y_pred)}."
            )
    except Exception as error:
        raise RuntimeError(
            f"Estimator {name!r} failed in fold {fold}: {type(error).__name__}: {error}"
        ) from error
    return y_pred, fitted - start, end - fitted


def _check_estimators(estimators):
    if not isinstance(estimators, dict) or not estimators:
        raise ValueError(
            "estimators must be a dict from names to estimators, such as "
            "{'ridge': Ridge()}; got "
            f"{'an empty one' if estimators == {} else type(estimators).__name__}."
        )
    for name, estimator in estimators.items():
        has_all = all(hasattr(estimator, part) for part in ("fit", "get_params"))
        if isinstance(estimator, type) or not has_all:
            raise ValueError(
                f"The estimator {name!r} must be an object with fit, predict and "
                f"get_params, as scikit-learn's are; got {estimator!r}."
            )
    return estimators


def _warn_of_missing(values):
    """Say once which shots, and which SERA, are nan in some folds."""
    n_folds = len(values)
    n_empty = (values[..., COLUMNS.index("n_samples")] == 0).sum(axis=0)
    empty = [
        f"{shot} ({n} of {n_folds} folds)"
        for shot, n in zip(SHOTS, n_empty, strict=True)
        if n
    ]
    if empty:
        warnings.warn(
            f"Shots without a test target: {', '.join(empty)}. Their errors are nan "
            "there, and means leave these folds out; shots follow from bins, many and "
            "few.",
            UserWarning,
            stacklevel=3,
        )
    n_missing = np.isnan(values[:, 0, COLUMNS.index("sera")]).sum()
    if n_missing:
        warnings.warn(
            f"SERA is nan in {n_missing} of {n_folds} folds: their training targets "
            "have no outliers, so that none is relevant.",
            UserWarning,
            stacklevel=3,
        )
