"""Corrections for another prior than that of training."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import convolve1d

from sk_hca.adjustment import (
    AutoBalance,
    CorrectedAdjustment,
    NoAdjustment,
    PriorCorrection,
    log_prior_ratio,
    make_adjustment,
    make_balance,
)
from sk_hca.adjustment._balance import smoothed_masses
from sk_hca.base import LevelClasses, NetworkOutput
from sk_hca.prediction import make_decoder
from sk_hca.targets import smoothing_window

EDGES = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
COUNTS = np.array([40.0, 30.0, 8.0, 2.0])


def make_level(counts=COUNTS, edges=EDGES, parent=None):
    """Classes of one level, as the finest or with a map from four finest ones."""
    parent = np.arange(len(counts)) if parent is None else np.asarray(parent)
    return LevelClasses(
        edges=torch.as_tensor(edges),
        values=torch.as_tensor((edges[:-1] + edges[1:]) / 2),
        counts=torch.as_tensor(counts),
        parent=torch.as_tensor(parent),
    )


def make_levels():
    coarse = make_level(np.array([70.0, 10.0]), np.array([0.0, 2.0, 8.0]), [0, 0, 1, 1])
    return [coarse, make_level()]


def make_output(n=6, shape=(), seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 6, *shape, generator=generator, dtype=torch.float64)
    return NetworkOutput(features=logits, logits=logits, n_classes=(2, 4))


def test_ratio_is_wanted_over_smoothed_density():
    widths = np.diff(EDGES)
    window = smoothing_window("gaussian", 5, 2.0, normalize="sum")
    density = convolve1d(COUNTS / widths, window, mode="reflect")
    expected = -np.log(density)
    ratio = log_prior_ratio(COUNTS, widths)
    np.testing.assert_allclose(ratio, expected - expected.mean())


@given(
    counts=st.lists(st.integers(0, 1000), min_size=2, max_size=30).filter(any),
    scale=st.floats(1e-3, 1e3),
)
def test_ratio_is_finite_and_free_of_units(counts, scale):
    counts = np.array(counts, dtype=float)
    widths = np.ones(len(counts))
    ratio = log_prior_ratio(counts, widths)
    assert np.isfinite(ratio).all()
    np.testing.assert_allclose(
        log_prior_ratio(scale * counts, scale * widths), ratio, atol=1e-9
    )


def test_equal_density_needs_no_correction():
    np.testing.assert_allclose(log_prior_ratio(np.diff(EDGES), np.diff(EDGES)), 0.0)


def test_correction_is_the_rule_of_bayes():
    """Posteriors under one prior become those under another, exactly."""
    generator = np.random.default_rng(0)
    likelihood = generator.uniform(size=(5, 4))
    trained, wanted = COUNTS / COUNTS.sum(), np.array([0.1, 0.2, 0.3, 0.4])
    ratio = log_prior_ratio(COUNTS, np.ones(4), wanted, size=1)
    logits = np.log(likelihood * trained) + ratio
    expected = likelihood * wanted
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
        expected / expected.sum(axis=1, keepdims=True),
    )


@pytest.mark.parametrize("shape", [(), (2, 3)], ids=["table", "maps"])
@pytest.mark.parametrize("decoder", ["argmax", "mean", "median"])
@pytest.mark.parametrize("mode", ["none", "add", "mul", "marginal", "range"])
def test_corrected_answer_is_that_of_corrected_scores(mode, decoder, shape):
    levels, output = make_levels(), make_output(shape=shape)
    mode, decoder = make_adjustment(mode), make_decoder(decoder)
    correction = PriorCorrection(0.5)
    corrected = CorrectedAdjustment(mode, correction)
    ratio = correction.log_ratio(levels[-1]).view(1, -1, *(1,) * len(shape))
    scores = mode.scores(output, levels) + ratio
    torch.testing.assert_close(corrected.scores(output, levels), scores)
    torch.testing.assert_close(
        corrected.decode(output, levels, decoder), decoder(scores, levels[-1])
    )


def test_average_corrects_every_level():
    levels, output = make_levels(), make_output()
    decoder, correction = make_decoder("mean"), PriorCorrection(0.5)
    corrected = CorrectedAdjustment(make_adjustment("average"), correction)
    answers = [
        decoder(logits + correction.log_ratio(classes, levels[-1]), classes)
        for logits, classes in zip(output.levels, levels, strict=True)
    ]
    torch.testing.assert_close(
        corrected.decode(output, levels, decoder), torch.stack(answers).mean(dim=0)
    )


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_strength_is_a_power_of_the_ratio(strength):
    level = make_level()
    torch.testing.assert_close(
        PriorCorrection(strength).log_ratio(level),
        strength * PriorCorrection().log_ratio(level),
    )


def test_prior_of_finest_classes_is_pooled_for_coarse_ones():
    coarse, finest = make_levels()
    prior, widths = np.array([0.1, 0.2, 0.3, 0.4]), np.diff(EDGES)
    ratio = PriorCorrection(prior=prior).log_ratio(coarse, finest)
    seen, wanted = smoothed_masses(COUNTS, widths), smoothed_masses(prior, widths)
    expected = np.log(wanted[[0, 2]] + wanted[[1, 3]])
    expected -= np.log(seen[[0, 2]] + seen[[1, 3]])
    np.testing.assert_allclose(ratio, expected - expected.mean())


def test_every_range_is_wanted_alike_by_coarse_classes_too():
    """Of two classes, the correction is that of widths against samples, not less."""
    counts = 1000 * 0.8 ** np.arange(40)
    halves = counts.reshape(2, 20).sum(axis=1)
    parent = np.repeat([0, 1], 20)
    coarse = make_level(halves, np.array([0.0, 20.0, 40.0]), parent)
    low, high = PriorCorrection().log_ratio(coarse, make_level(counts, np.arange(41.0)))
    assert high - low == pytest.approx(np.log(halves[0] / halves[1]), rel=0.05)


@pytest.mark.parametrize("level", [0, 1])
def test_prior_of_training_changes_nothing(level):
    levels = make_levels()
    ratio = PriorCorrection(prior=3 * COUNTS).log_ratio(levels[level], levels[1])
    np.testing.assert_allclose(ratio, 0.0, atol=1e-12)


def test_targets_like_those_of_training_change_nothing():
    targets = np.repeat([0.5, 1.5, 3.0, 6.0], COUNTS.astype(int))
    ratio = PriorCorrection(targets=targets).log_ratio(make_level())
    np.testing.assert_allclose(ratio, 0.0, atol=1e-12)


def test_strength_of_zero_corrects_nothing_whatever_is_wanted():
    ratio = PriorCorrection(0.0, prior=[1, 1, 1, 0]).log_ratio(make_level())
    assert (ratio == 0).all()


def test_class_that_is_not_wanted_is_never_answered():
    levels, output = make_levels(), make_output(n=50)
    correction = PriorCorrection(prior=[1, 1, 1, 0])
    corrected = CorrectedAdjustment(NoAdjustment(), correction)
    probs = corrected.scores(output, levels).softmax(dim=1)
    assert (probs[:, 3] == 0).all()
    assert torch.isfinite(probs).all()


@pytest.mark.parametrize("decoder", ["argmax", "mean", "median"])
@pytest.mark.parametrize("mode", ["consult", "marginal", "mul"])
@pytest.mark.parametrize(
    "correction", [PriorCorrection(prior=[0, 0, 0, 1]), PriorCorrection(200.0)], ids=str
)
def test_class_that_alone_is_wanted_is_answered_however_improbable(
    mode, decoder, correction
):
    levels = make_levels()
    logits = torch.tensor([[0.0, -60.0, 0.0, 0.0, 0.0, -60.0]])
    output = NetworkOutput(features=logits, logits=logits, n_classes=(2, 4))
    corrected = CorrectedAdjustment(make_adjustment(mode), correction)
    answer = corrected.decode(output, levels, make_decoder(decoder))
    assert levels[-1].edges[3] < answer <= levels[-1].edges[4]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prior": [1, 2]}, "one finite number per finest class, 4"),
        ({"prior": [1, 2, 3, np.inf]}, "one finite number"),
        ({"prior": [1, 2, 3, 4], "targets": [1.0]}, "either prior or targets"),
        ({"prior": [1, 2, 3, -1]}, "none negative"),
        ({"prior": [0, 0, 0, 0]}, "not all 0"),
        ({"targets": []}, "sample of finite targets"),
        ({"targets": [[1.0]]}, "sample of finite targets"),
        ({"targets": [np.nan]}, "sample of finite targets"),
    ],
    ids=str,
)
def test_prior_that_cannot_be_used_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        PriorCorrection(**params).log_ratio(make_level())


def test_balance_is_a_number_an_alias_or_a_recipe():
    assert make_balance(0.5).strength == 0.5
    assert isinstance(make_balance("auto"), AutoBalance)
    recipe = PriorCorrection(0.2)
    assert make_balance(recipe) is not recipe
    assert make_balance(recipe).strength == 0.2


@pytest.mark.parametrize("balance", [-0.1, "full", None, True])
def test_balance_that_is_none_of_them_is_refused(balance):
    with pytest.raises(ValueError, match=r"balance must be|'strength' parameter"):
        make_balance(balance)
