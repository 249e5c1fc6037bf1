"""Intervals that cover as often as they say, around any regressor."""

import warnings
from inspect import signature
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_y, check_is_fitted, validate_data
from torch.utils.data import Dataset

from sk_hca.base import check_targets
from sk_hca.estimators._base import keeping_the_model
from sk_hca.estimators._execution import draw_seed
from sk_hca.metrics import find_target_counts, shot_groups
from sk_hca.prediction import (
    conformal_hull,
    conformal_margin,
    conformity_scores,
    least_calibration_samples,
    pool_regions,
)

# Shots, rarest first.
RARITY = {"few": 0, "medium": 1, "many": 2}


class ConformalRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    r"""Give any regressor intervals that cover as often as they say.

    A part of the training data is held out; how far its targets lie outside of the
    intervals that the regressor gives tells how much wider they must be (split
    conformal prediction).  An :class:`~sk_hca.HCARegressor` gives intervals of its own
    to start from; of any other regressor, the absolute errors are taken.

    Parameters
    ----------
    estimator : object
        A regressor for one target per sample, with `fit` and `predict`; where it has
        ``predict_interval(X, coverage)``, that is widened, or narrowed: it, the last
        step of a pipeline, or the best estimator of a search.  One that is
        fitted already, given as :class:`sklearn.frozen.FrozenEstimator`, stays as it
        is; then all data of `fit` must be new to it, and count as held out.

    coverage : float, default=0.9
        How probable it shall be that an interval holds the target.

    condition : {None, "shot"}, default=None
        Over which targets the coverage is promised: over all, or over the few-shot, the
        medium-shot and the many-shot ones, each of them by themselves.

    bins : int, "unique" or array-like of shape (n_bins + 1,), default=100
        Bins of the target line whose training samples are counted to tell the shots:
        so many of equal width, the distinct targets, or edges; for ``"shot"`` only.

    calibration_fraction : float, default=0.2
        Share of the training data that is held out.

    random_state : int, RandomState or None, default=None
        Draws the held-out part.

    Attributes
    ----------
    estimator_ : object
        The regressor, fitted on what is not held out.

    borders_ : ndarray of shape (n_regions + 1,)
        Borders of the regions of the target line that have margins of their own; the
        outer ones are infinite.

    margins_ : ndarray of shape (n_regions,)
        What is added to both sides of an interval for targets in each region.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where they all are strings.

    See Also
    --------
    HCARegressor.predict_interval : What the model itself believes.

    Notes
    -----
    With scores :math:`s_i` (how far the held-out target :math:`y_i` lies outside of its
    interval), the margin is their :math:`\lceil (n + 1) c \rceil`-th smallest, and a
    new target :math:`y`, exchangeable with them, lies in its interval with probability
    :math:`c` at least.  This is a mean over all targets: rare ones may be covered far
    less often.

    Under ``condition="shot"`` every shot :math:`g` has a margin of its own, from the
    held-out targets in it.  The set :math:`\{y: s(y) \le q_{g(y)}\}` then holds the
    target with probability :math:`c` in each shot, although nobody knows beforehand
    which one it is, and the answer is the smallest interval around this set.  It covers
    a little more than asked for overall.  Shots with too few targets to tell join the
    next more common one, as do empty bins the nearest bin that is not.  The held-out
    part has its share of each shot.

    Where too few targets are held out to promise anything (nine for a coverage of 0.9),
    intervals are infinite, and a warning says so.

    References
    ----------
    Vovk, Gammerman and Shafer, *Algorithmic learning in a random world*, 2005, for
    conditions on the label; Romano, Patterson and Candes, *Conformalized quantile
    regression*, NeurIPS 2019.

    Examples
    --------
    >>> from sk_hca import HCARegressor
    >>> from sk_hca.datasets import make_imbalanced_table
    >>> X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    >>> model = ConformalRegressor(HCARegressor(max_epochs=5, random_state=0))
    >>> interval = model.fit(X_train, y_train).predict_interval(X_test)
    >>> interval.shape == (len(X_test), 2)
    True
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "coverage": [Interval(Real, 0, 1, closed="neither")],
        "condition": [StrOptions({"shot"}), None],
        "bins": [
            StrOptions({"unique"}),
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        coverage=0.9,
        condition=None,
        bins=100,
        calibration_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.coverage = coverage
        self.condition = condition
        self.bins = bins
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the regressor on one part, and learn from the other how wrong it is.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W)
            Inputs.

        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        self : ConformalRegressor

        Warns
        -----
        UserWarning
            If too few targets are held out, so that intervals are infinite.
        """
        with keeping_the_model(self):
            if isinstance(X, Dataset) or getattr(y, "ndim", 1) > 2:
                raise ValueError(
                    "ConformalRegressor takes one target per sample, and inputs that "
                    "can be split: an array, a frame, or what ImageFiles gives. It got "
                    f"X as {type(X).__name__} and y with {getattr(y, 'ndim', 1)} axes."
                )
            X, y = validate_data(self, X, y, skip_check_array=True)
            y = check_targets(_check_y(y, y_numeric=True))
            X, y = indexable(X, y)
            borders, regions = self._cut_regions(y.astype(np.float64, copy=False))
            index = np.searchsorted(borders[1:-1], y, side="left")
            train, held_out = self._split(regions[index])
            self.coverage_ = self.coverage
            self.estimator_ = clone(self.estimator)
            self.estimator_.fit(_safe_indexing(X, train), y[train])
            interval = self._own_interval(_safe_indexing(X, held_out))
            scores = conformity_scores(y[held_out], interval)
            self._calibrate(borders, regions, regions[index[held_out]], scores)
        return self

    def predict(self, X):
        """Predict targets with the fitted regressor.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n,)
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def predict_interval(self, X):
        """Predict intervals that hold the target with probability `coverage`.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W)
            Inputs.

        Returns
        -------
        interval : ndarray of shape (n, 2)
            Lower and upper end, in the unit of the data.
        """
        check_is_fitted(self)
        return conformal_hull(self._own_interval(X), self.margins_, self.borders_)

    def _own_interval(self, X):
        """Ask the regressor for its interval."""
        return own_interval(self.estimator_, X, self.coverage_)

    def _cut_regions(self, y):
        """Return borders on the target line, and the region between each two."""
        if self.condition is None:
            return np.array([-np.inf, np.inf]), np.zeros(1, int)
        groups = shot_groups(self._training_targets(y), self.bins)
        values, edges = groups.values, groups.edges
        inner = values[:-1] / 2 + values[1:] / 2 if edges is None else edges[1:-1]
        index = np.searchsorted(inner, y, side="left")
        counts = np.bincount(index, minlength=len(groups.counts))
        shots = np.array([RARITY[shot] for shot in groups.shots])
        occupied = np.flatnonzero(groups.counts)
        place = np.arange(len(shots))
        after = np.searchsorted(occupied, place).clip(max=len(occupied) - 1)
        before = (after - 1).clip(min=0)
        is_nearer = place - occupied[before] < occupied[after] - place
        shots = shots[occupied[np.where(is_nearer, before, after)]]
        least = least_calibration_samples(self.coverage)
        if not self._is_frozen():
            # One more than needed: parts of a split are rounded.
            least = (least + 1) / self.calibration_fraction
        regions = pool_regions(shots, counts, least)
        return np.concatenate([[-np.inf], inner, [np.inf]]), regions

    def _is_frozen(self):
        """Tell whether the regressor is fitted already, on other data."""
        return isinstance(self.estimator, FrozenEstimator)

    def _training_targets(self, y):
        """Return the targets that tell the shots, those of training."""
        if not self._is_frozen():
            return y
        counts = find_target_counts(self.estimator.estimator)
        if counts is None:
            raise ValueError(
                "condition='shot' needs the training targets of a frozen estimator, "
                f"and {type(self.estimator.estimator).__name__} does not hold them in "
                "target_counts_. Fit it here, without FrozenEstimator."
            )
        return counts

    def _split(self, region):
        """Draw the samples that are held out, of every region its share."""
        if self._is_frozen():
            return np.arange(0), np.arange(len(region))
        return train_test_split(
            np.arange(len(region)),
            test_size=self.calibration_fraction,
            stratify=region if np.ptp(region) > 0 else None,
            random_state=draw_seed(self.random_state),
        )

    def _calibrate(self, borders, regions, region, scores):
        """Learn the margin of every region, and join neighbours that share one."""
        margins = np.full(regions.max() + 1, np.inf)
        for present in np.unique(region):
            margins[present] = conformal_margin(
                scores[region == present], self.coverage
            )
        if np.isinf(margins[np.unique(regions)]).any():
            warnings.warn(
                f"{len(scores)} held-out targets are too few for a coverage of "
                f"{self.coverage:g}, which takes "
                f"{least_calibration_samples(self.coverage)} in every region: "
                "intervals are infinite. Give more data, or lower coverage.",
                stacklevel=3,
            )
        starts = np.flatnonzero(np.diff(regions, prepend=-1))
        self.borders_ = borders[np.append(starts, len(regions))]
        self.margins_ = margins[regions[starts]]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def own_interval(estimator, X, coverage):
    """Ask a regressor for its interval; its answer, twice, where it has none.

    Pipelines are followed to their last step, searches to their best estimator.
    """
    if isinstance(estimator, FrozenEstimator):
        return own_interval(estimator.estimator, X, coverage)
    if hasattr(estimator, "best_estimator_"):
        return own_interval(estimator.best_estimator_, X, coverage)
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            # "passthrough" has none, nor has what resamples the training data.
            X = step.transform(X) if hasattr(step, "transform") else X
        return own_interval(estimator.steps[-1][1], X, coverage)
    own = getattr(estimator, "predict_interval", None)
    if own is not None and "coverage" in signature(own).parameters:
        return own(X, coverage=coverage)
    answer = np.asarray(estimator.predict(X), dtype=np.float64)
    return np.stack([answer, answer], axis=1)
