"""Folds span the range of the targets, are a partition, and keep groups whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)

from sk_hca.metrics import StratifiedRegressionKFold, shot_groups

TARGETS = st.lists(
    st.one_of(st.integers(-3, 3), st.floats(-1e6, 1e6)), min_size=6, max_size=60
).map(lambda y: np.array(y, dtype=float))
BINS = st.sampled_from(["unique", 1, 3, 50, [-1e7, -1.0, 0.5, 2e6], None])
SEEDS = st.integers(0, 2**32 - 1)


def fold_of_each(folds, y, groups=None):
    """Fold of each sample in every repeat, and that the folds are a partition."""
    n_repeats = folds.n_repeats
    fold = np.full((n_repeats, len(y)), -1)
    splits = list(folds.split(np.zeros(len(y)), y, groups))
    assert len(splits) == folds.get_n_splits()
    for number, (train, test) in enumerate(splits):
        repeat, label = divmod(number, folds.n_splits)
        assert np.array_equal(np.union1d(train, test), np.arange(len(y)))
        assert len(train) + len(test) == len(y)
        assert (fold[repeat, test] == -1).all()
        fold[repeat, test] = label
    assert (fold >= 0).all()
    return fold


def spread(fold, n_splits):
    """Samples in the largest fold, less those in the smallest."""
    return np.ptp(np.bincount(fold, minlength=n_splits))


def long_tail(n=600, seed=0):
    return np.random.default_rng(seed).lognormal(0, 1.2, n)


@given(y=TARGETS, bins=BINS, n_splits=st.integers(2, 6), seed=SEEDS)
def test_folds_hold_the_same_of_every_bin(y, bins, n_splits, seed):
    codes = shot_groups(y, bins).bins.find(y)
    for options, slack in ({}, 1), ({"shuffle": True, "random_state": seed}, 2):
        folds = StratifiedRegressionKFold(n_splits, bins=bins, **options)
        (fold,) = fold_of_each(folds, y)
        assert spread(fold, n_splits) <= 1
        for low in np.unique(codes):
            assert spread(fold[codes == low], n_splits) <= slack
            assert spread(fold[codes <= low], n_splits) <= 1


@given(y=TARGETS, n_splits=st.integers(2, 6), seed=SEEDS)
def test_every_run_of_neighbours_is_dealt_one_to_each_fold(y, n_splits, seed):
    """Ties are neighbours in any order, so the targets are made distinct first."""
    y = np.unique(y)
    if y.size < n_splits:
        return
    for options in {}, {"shuffle": True, "random_state": seed}:
        folds = StratifiedRegressionKFold(n_splits, bins="unique", **options)
        (fold,) = fold_of_each(folds, y)
        for start in range(0, y.size, n_splits):
            block = fold[start : start + n_splits]
            assert np.unique(block).size == block.size


@given(
    y=TARGETS,
    bins=BINS,
    n_splits=st.integers(2, 4),
    data=st.data(),
    shuffle=st.booleans(),
)
def test_groups_stay_whole_and_every_fold_has_some(y, bins, n_splits, data, shuffle):
    labels = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
    groups = np.array(data.draw(st.lists(labels, min_size=y.size, max_size=y.size)))
    if np.unique(groups).size < n_splits:
        return
    seed = data.draw(SEEDS) if shuffle else None
    folds = StratifiedRegressionKFold(
        n_splits, bins=bins, shuffle=shuffle, random_state=seed
    )
    (fold,) = fold_of_each(folds, y, groups)
    assert np.unique(fold).size == n_splits
    for group in np.unique(groups):
        assert np.unique(fold[groups == group]).size == 1


def test_groups_of_one_are_balanced_as_samples_are():
    y = long_tail()
    folds = StratifiedRegressionKFold(5, bins=20)
    (fold,) = fold_of_each(folds, y, groups=np.arange(y.size))
    codes = shot_groups(y, 20).bins.find(y)
    assert spread(fold, 5) <= 3
    assert all(spread(fold[codes == code], 5) <= 3 for code in np.unique(codes))


def test_groups_are_balanced_better_than_without_strata():
    """Patients with an offset each: the tail belongs to few of them."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 1200)
    y = np.exp(rng.normal(size=40))[groups] + 0.1 * rng.normal(size=1200)
    is_rare = y > np.quantile(y, 0.8)
    (fold,) = fold_of_each(StratifiedRegressionKFold(5, bins=20), y, groups)
    plain = np.empty(y.size, dtype=int)
    for label, (_, test) in enumerate(GroupKFold(5).split(y, y, groups)):
        plain[test] = label
    assert spread(fold[is_rare], 5) < 0.5 * spread(plain[is_rare], 5)
    assert spread(fold, 5) < 0.3 * y.size / 5


def test_rare_targets_are_in_every_fold():
    y = np.concatenate([np.zeros(95), [10.0, 20.0, 40.0, 80.0, 160.0]])
    for _, test in StratifiedRegressionKFold(5).split(y, y):
        assert (y[test] > 0).sum() == 1


def test_folds_are_the_same_for_a_seed_and_differ_between_seeds_and_repeats():
    y = long_tail()
    groups = np.arange(y.size) // 3

    def folds(seed):
        return StratifiedRegressionKFold(
            4, n_repeats=3, shuffle=True, random_state=seed
        )

    for labels in None, groups:
        first = fold_of_each(folds(0), y, labels)
        assert np.array_equal(first, fold_of_each(folds(0), y, labels))
        assert not np.array_equal(first, fold_of_each(folds(1), y, labels))
        together = first[0][:, None] == first[0]
        assert not np.array_equal(together, first[1][:, None] == first[1])


def test_folds_serve_searches_and_cross_validation():
    y = long_tail(120)
    X = np.log(y)[:, None]
    folds = StratifiedRegressionKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(Ridge(), X, y, cv=folds)
    expected = cross_val_score(Ridge(), X, y, cv=list(folds.split(X, y)))
    np.testing.assert_array_equal(scores, expected)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=folds).fit(X, y)
    assert search.n_splits_ == 3
    groups = np.arange(120) // 4
    search = GridSearchCV(Ridge(), {"alpha": [0.1]}, cv=folds).fit(X, y, groups=groups)
    assert clone(search).cv.n_splits == 3


def test_folds_take_groups_under_metadata_routing():
    y, groups = long_tail(60), np.arange(60) // 6
    folds = StratifiedRegressionKFold(3)
    with config_context(enable_metadata_routing=True):
        done = cross_validate(
            DummyRegressor(),
            y[:, None],
            y,
            cv=folds,
            params={"groups": groups},
            return_indices=True,
        )
    for (_, test), routed in zip(
        folds.split(y, y, groups), done["indices"]["test"], strict=True
    ):
        assert np.array_equal(test, routed)


def test_folds_vary_less_than_plain_ones_in_what_they_hold():
    y = long_tail(500)

    def deviation(folds):
        means = [y[test].mean() for _, test in folds.split(y[:, None], y)]
        return np.std(means)

    stratified = StratifiedRegressionKFold(5, shuffle=True, random_state=0)
    plain = KFold(5, shuffle=True, random_state=0)
    assert deviation(stratified) < 0.5 * deviation(plain)


def test_folds_show_their_parameters():
    text = repr(StratifiedRegressionKFold(3, bins=10, shuffle=True))
    assert text.startswith("StratifiedRegressionKFold(")
    assert "bins=10" in text


@pytest.mark.parametrize(
    ("options", "groups", "message"),
    [
        ({"n_splits": 1}, None, "'n_splits' parameter .* must be an int"),
        ({"n_splits": 9}, None, "at least as many samples; got 8. Set a smaller"),
        ({"n_splits": 3}, [0] * 4 + [1] * 4, "at least as many groups; got 2"),
        ({"n_repeats": 2}, None, "without shuffling. Set shuffle=True"),
        ({"random_state": 0}, None, "no effect without shuffling"),
        ({"bins": "rare"}, None, "bins must be 'unique'"),
        ({"bins": 3, "bin_width": 1.0}, None, "either bins or bin_width"),
    ],
)
def test_folds_are_refused_with_a_reason(options, groups, message):
    folds = StratifiedRegressionKFold(**options)
    with pytest.raises(ValueError, match=message):
        list(folds.split(np.zeros(8), np.arange(8.0), groups))


def test_folds_need_targets():
    with pytest.raises(ValueError, match="needs the targets y"):
        next(StratifiedRegressionKFold().split(np.zeros(8)))
