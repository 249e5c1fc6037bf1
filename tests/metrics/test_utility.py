"""Utility-weighted precision, recall and F1: the formulas, and where they are nan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_hca.metrics import (
    relevance_function,
    utility_f1_score,
    utility_precision_score,
    utility_recall_score,
)

SCORES = [utility_precision_score, utility_recall_score, utility_f1_score]
POINTS = [[2.0, 0.0], [8.0, 1.0]]


def skewed(seed=0, n=300):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(size=n)
    return y, y + rng.normal(size=n)


def written_out(y_true, y_pred, phi, tolerance, threshold, steepness, weight):
    """Precision and recall, sample by sample."""
    sums = np.zeros((2, 2))
    for y, guess, w in zip(y_true, y_pred, weight, strict=True):
        gap = abs(guess - y)
        accuracy = float(gap <= tolerance)
        if steepness is not None:
            fall = np.exp(-steepness * (gap - tolerance) ** 2 / tolerance**2)
            accuracy *= 1 - fall
        for k, place in enumerate((guess, y)):
            relevance = float(phi(np.array([place]))[0])
            if relevance >= threshold:
                sums[k] += w * relevance * np.array([accuracy, 1])
    return sums[:, 0] / sums[:, 1]


@pytest.mark.parametrize("steepness", [None, 3.0])
@pytest.mark.parametrize("threshold", [0.3, 0.8])
def test_scores_equal_the_formulas_written_out(steepness, threshold):
    y_true, y_pred = skewed()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y_true))
    phi = relevance_function(skewed(seed=2)[0])
    options = {"tolerance": 0.7, "threshold": threshold, "steepness": steepness}
    expected = written_out(y_true, y_pred, phi, weight=weight, **options)
    options |= {"relevance": phi, "sample_weight": weight}
    precision = utility_precision_score(y_true, y_pred, **options)
    recall = utility_recall_score(y_true, y_pred, **options)
    np.testing.assert_allclose([precision, recall], expected)
    harmonic = 2 / (1 / precision + 1 / recall)
    assert utility_f1_score(y_true, y_pred, **options) == pytest.approx(harmonic)


@pytest.mark.parametrize("score", SCORES)
def test_perfect_predictions_score_one_and_hopeless_ones_zero(score):
    y_true, _ = skewed()
    options = {"y_train": y_true, "tolerance": 0.1}
    assert score(y_true, y_true, **options) == 1
    is_high = y_true > np.median(y_true)
    assert score(y_true, np.where(is_high, 0.5, 99.0), **options) == 0


@pytest.mark.parametrize("score", SCORES)
def test_weight_counts_samples(score):
    y_true, y_pred = skewed(n=60)
    options = {"relevance": POINTS, "threshold": 0.1, "tolerance": 1.0}
    times = np.random.default_rng(3).integers(0, 3, 60)
    repeated = score(np.repeat(y_true, times), np.repeat(y_pred, times), **options)
    assert score(y_true, y_pred, sample_weight=times, **options) == pytest.approx(
        repeated
    )


@given(seed=st.integers(0, 200), tolerance=st.floats(1e-3, 10))
def test_scores_lie_between_zero_and_one_and_grow_with_tolerance(seed, tolerance):
    y_true, y_pred = skewed(seed, n=80)
    options = {"y_train": skewed(1)[0], "threshold": 0.2}
    for score in SCORES:
        strict = score(y_true, y_pred, tolerance=tolerance, **options)
        assert 0 <= strict <= score(y_true, y_pred, tolerance=2 * tolerance, **options)
        assert score(y_true, y_pred, tolerance=2 * tolerance, **options) <= 1


def test_training_targets_decide_the_relevance():
    y_train, (y_true, y_pred) = skewed(seed=1)[0], skewed()
    phi = relevance_function(y_train)
    for score in SCORES:
        fitted = score(y_true, y_pred, tolerance=1.0, y_train=y_train)
        assert fitted == score(y_true, y_pred, tolerance=1.0, relevance=phi)
        with pytest.raises(
            ValueError, match=r"got neither\. Fit it on training targets"
        ):
            score(y_true, y_pred, tolerance=1.0)


@pytest.mark.parametrize("score", SCORES)
def test_score_is_nan_with_a_warning_where_nothing_is_relevant(score):
    common, rare = [1.0, 2.0], [1.0, 9.0]
    options = {"relevance": POINTS, "tolerance": 1.0}
    if score is not utility_recall_score:
        with pytest.warns(UserWarning, match="No prediction reaches the threshold"):
            assert np.isnan(score(rare, common, **options))
    if score is not utility_precision_score:
        with pytest.warns(UserWarning, match="No target reaches the threshold") as told:
            assert np.isnan(score(common, rare, **options))
        assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tolerance": 0}, "tolerance must be a positive number"),
        ({"threshold": 0}, r"threshold must be a number in \(0, 1\]"),
        ({"steepness": -1}, "steepness must be a positive number or None"),
        ({"y_train": [1.0, 2.0, 99.0]}, "got both"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(wrong, message):
    options = {"tolerance": 1.0, "relevance": POINTS} | wrong
    for score in SCORES:
        with pytest.raises(ValueError, match=message):
            score([1.0, 9.0], [1.0, 9.0], **options)
