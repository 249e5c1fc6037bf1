"""Scorers for model selection: the error of one shot, where greater is better.

Shots depend on how many training samples a target has, and in cross-validation that
differs from fold to fold.  A scorer therefore reads the counts from the fitted
estimator itself, which holds those of its own fold.
"""

from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from sk_hca.metrics._errors import MEASURES, check_samples
from sk_hca.metrics._shots import SHOTS, shot_groups, shot_measures, warn_of_empty


def make_shot_scorer(
    metric="mae",
    shot="few",
    *,
    bins=None,
    bin_width=None,
    y_train=None,
    many=100,
    few=20,
):
    """Make a scorer of one shot for cross-validation and model selection.

    Parameters
    ----------
    metric : {"mae", "bmae", "rmse", "brmse", "gm"}, default="mae"
        Column of :func:`shot_report`.

    shot : {"all", "many", "medium", "few"}, default="few"
        Row of :func:`shot_report`.

    bins : "unique", int or array-like of shape (n_bins + 1,), optional
        As in :func:`shot_groups`; None means "unique".

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
        Training targets that decide the shots.  By default they are those of the fold,
        read from the ``target_counts_`` of the fitted estimator, which may be the last
        step of a pipeline or the best one of a search.  An estimator of another
        package, or one behind a `TransformedTargetRegressor`, does not tell them.

    many, few : float, default=100, 20
        As in :func:`shot_groups`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)`` gives the negated error; nan
        with a warning where a fold has no sample in the shot.

    Notes
    -----
    ``shot="all"`` needs no training targets: where there are none, the bins are those
    of the targets that are scored.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> X, y = np.zeros((200, 1)), np.repeat([1.0, 2.0, 3.0], [150, 40, 10])
    >>> scorer = make_shot_scorer("mae", "few", y_train=y)
    >>> scorer
    make_shot_scorer('mae', 'few', y_train=...)
    >>> scorer(DummyRegressor(strategy="median").fit(X, y), X, y)
    -2.0
    """
    if metric not in MEASURES:
        raise ValueError(_unknown("metric", metric, MEASURES))
    if shot not in SHOTS:
        raise ValueError(_unknown("shot", shot, SHOTS))
    cut = {
        "bins": "unique" if bins is None else bins,
        "bin_width": bin_width,
        "many": many,
        "few": few,
    }
    # Grouping shows at once whether bins, many and few are right.
    groups = shot_groups([0.0] if y_train is None else y_train, **cut)
    return ShotScorer(metric, shot, cut, groups=None if y_train is None else groups)


class ShotScorer:
    """The negated error of one shot, as a scorer.

    Made by :func:`make_shot_scorer`.

    Parameters
    ----------
    metric, shot : str
        Column and row of a shot report.

    cut : dict
        How :func:`shot_groups` is to cut the target line.

    groups : ShotGroups, optional
        The shots, where the training targets are known beforehand.
    """

    def __init__(self, metric, shot, cut, groups=None):
        self.metric = metric
        self.shot = shot
        self.cut = cut
        self.groups = groups
        self._requests = {"sample_weight": None}

    def __call__(self, estimator, X, y, sample_weight=None):
        """Score a fitted estimator; greater is better.

        Parameters
        ----------
        estimator : object
            Fitted regressor.

        X : array-like of shape (n, ...)
            Inputs.

        y : array-like of shape (n,)
            Targets.

        sample_weight : array-like of shape (n,), optional
            Weight of each sample.

        Returns
        -------
        score : float
            Negated error; nan if the shot has no samples.
        """
        y_pred = estimator.predict(X)  # First: what is not fitted says so here.
        groups = self._groups_for(estimator, y)
        y, y_pred, weight = check_samples(y, y_pred, sample_weight)
        row = shot_measures(y, y_pred, weight, groups, self.shot, [self.metric])
        if not row["n_samples"]:
            warn_of_empty([self.shot])
        return -row[self.metric]

    def _groups_for(self, estimator, y):
        if self.groups is not None:
            return self.groups
        counts = find_target_counts(estimator)
        if counts is None and self.shot != "all":
            raise ValueError(
                f"The {self.shot} shot is decided by training targets, which "
                f"{type(estimator).__name__} does not hold on the scale of y (no "
                "target_counts_ was found). Give y_train to make_shot_scorer."
            )
        return shot_groups(y if counts is None else counts, **self.cut)

    def set_score_request(self, *, sample_weight=True):
        """Say whether metadata routing hands `sample_weight` to this scorer.

        Parameters
        ----------
        sample_weight : bool, str or None, default=True
            Whether to take them, or the name under which they are given.

        Returns
        -------
        self : ShotScorer
        """
        self._requests = {"sample_weight": sample_weight}
        return self

    def get_metadata_routing(self):
        """Give what this scorer requests, for scikit-learn's metadata routing."""
        request = MetadataRequest(owner=self)
        for name, alias in self._requests.items():
            request.score.add_request(param=name, alias=alias)
        return request

    def _accept_sample_weight(self):
        """Answer scikit-learn's question to the scorers of a search."""
        return True

    def __repr__(self):
        shown = [repr(self.metric), repr(self.shot)]
        if self.cut["bin_width"] is not None:
            shown.append(f"bin_width={self.cut['bin_width']!r}")
        elif not isinstance(self.cut["bins"], str):
            shown.append(f"bins={self.cut['bins']!r}")
        if self.groups is not None:
            shown.append("y_train=...")
        return f"make_shot_scorer({', '.join(shown)})"


def find_target_counts(estimator):
    """Find the training counts that a fitted estimator holds.

    Parameters
    ----------
    estimator : object
        Fitted estimator; pipelines are followed to their last step, searches to their
        best estimator, and what wraps another to the one that it has fitted.

    Returns
    -------
    target_counts : tuple of two ndarrays, or None
        Distinct training targets and how often each occurs; None if the estimator does
        not hold them, or holds them on a transformed scale.
    """
    while not isinstance(estimator, TransformedTargetRegressor):
        if hasattr(estimator, "target_counts_"):
            return estimator.target_counts_
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "estimator_"):
            estimator = estimator.estimator_
        else:
            return None
    return None


def _unknown(name, value, known):
    return f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}."
