"""Decoders against the distribution function written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_hca.base import LevelClasses
from sk_hca.prediction import (
    DECODERS,
    ArgmaxDecoder,
    DebiasedMeanDecoder,
    MeanDecoder,
    MedianDecoder,
    decode_argmax,
    decode_debiased_mean,
    decode_mean,
    decode_quantile,
    decode_quantiles,
    make_decoder,
)

EDGES = torch.tensor([-1.0, 0.0, 0.5, 2.0, 6.0, 7.0], dtype=torch.float64)
VALUES = torch.tensor([-0.3, 0.2, 1.5, 3.0, 6.4], dtype=torch.float64)
CLASSES = LevelClasses(EDGES, VALUES, torch.ones(5), torch.arange(5))
# No mean below 0, as the labels of the lowest targets have; two targets of one mean.
LABEL_MEANS = torch.tensor(
    [[-1.0, -0.3, 0.0, 2.0, 3.0, 7.0], [0.0, 0.1, 0.5, 2.5, 2.5, 6.0]],
    dtype=torch.float64,
)
LEVELS = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
each_level = pytest.mark.parametrize("level", LEVELS)


def draw(tail, scale=1.0, dtype=torch.float64):
    """Log-probabilities, the same every time."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(32, 5, *tail, generator=generator, dtype=dtype)
    return (scale * logits).log_softmax(dim=1)


def quantile_written_out(log_p, level):
    """Invert the distribution function: half of a class on either side of its value."""
    p = log_p.exp().double().numpy()
    rows = np.moveaxis(p, 1, -1).reshape(-1, 5)
    knots = np.empty(11)
    knots[::2], knots[1::2] = EDGES, VALUES
    answers = []
    for row in rows:
        halves = np.repeat(row / 2, 2)
        distribution = np.concatenate([[0.0], np.cumsum(halves)])
        answers.append(np.interp(level * distribution[-1], distribution, knots))
    return np.reshape(answers, (len(p), *p.shape[2:]))


@each_tail
@each_dtype
def test_argmax_is_value_of_most_likely_class(tail, dtype):
    log_p = draw(tail, dtype=dtype)
    expected = VALUES.numpy()[log_p.numpy().argmax(axis=1)]
    np.testing.assert_array_equal(decode_argmax(log_p, VALUES), expected)


@each_tail
@each_dtype
def test_mean_is_sum_of_values_by_probability(tail, dtype):
    log_p = draw(tail, dtype=dtype)
    expected = np.einsum("nc...,c->n...", log_p.exp().double().numpy(), VALUES)
    y = decode_mean(log_p, VALUES)
    assert y.dtype == torch.float64
    np.testing.assert_allclose(y, expected, rtol=20 * torch.finfo(dtype).eps)


@each_tail
@each_dtype
def test_debiased_mean_is_the_target_whose_label_has_that_mean(tail, dtype):
    log_p = draw(tail, scale=4.0, dtype=dtype)
    y, means = LABEL_MEANS.numpy()
    expected = np.interp(decode_mean(log_p, VALUES), means, y)
    answer = decode_debiased_mean(log_p, VALUES, LABEL_MEANS)
    assert answer.dtype == torch.float64
    np.testing.assert_allclose(answer, expected, rtol=1e-9, atol=1e-9)
    assert (answer == -1).any(), "no mean lies below those of all labels"
    classes = replace(CLASSES, label_means=LABEL_MEANS)
    decoder = DebiasedMeanDecoder()
    torch.testing.assert_close(decoder(log_p, classes), answer)
    again = decoder.from_weights(3 * log_p.exp(), classes)
    np.testing.assert_allclose(again, answer, rtol=1e-4, atol=1e-4)


def test_debiased_mean_lets_no_nan_become_a_target():
    log_p = draw(()).index_fill(0, torch.tensor([2]), torch.nan)
    answer = decode_debiased_mean(log_p, VALUES, LABEL_MEANS)
    assert answer.isnan().nonzero().tolist() == [[2]]


@each_tail
@each_dtype
@each_level
def test_quantile_inverts_distribution_function(tail, dtype, level):
    log_p = draw(tail, dtype=dtype)
    y = decode_quantile(log_p, EDGES, VALUES, level)
    assert y.dtype == torch.float64
    tolerance = 200 * torch.finfo(dtype).eps
    expected = quantile_written_out(log_p, level)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


@each_tail
def test_quantile_is_median_unless_told(tail):
    log_p = draw(tail)
    torch.testing.assert_close(
        decode_quantile(log_p, EDGES, VALUES),
        decode_quantile(log_p, EDGES, VALUES, level=0.5),
    )


@each_tail
@pytest.mark.parametrize("scale", [1.0, 5.0, 50.0])
def test_quantile_rises_with_level(tail, scale):
    log_p = draw(tail, scale)
    levels = np.linspace(0, 1, 41)
    y = torch.stack([decode_quantile(log_p, EDGES, VALUES, q) for q in levels])
    assert (y.diff(dim=0) >= 0).all()


@each_tail
@pytest.mark.parametrize(("level", "border"), [(0.0, -1.0), (1.0, 7.0)])
def test_outermost_quantile_is_outermost_border(tail, level, border):
    y = decode_quantile(draw(tail), EDGES, VALUES, level)
    torch.testing.assert_close(y, torch.full_like(y, border))


@each_level
def test_quantile_lies_in_class_that_holds_it(level):
    p = draw(()).exp()
    index = (p.cumsum(dim=1) < level).sum(dim=1)
    y = decode_quantile(p.log(), EDGES, VALUES, level)
    assert ((y >= EDGES[index]) & (y <= EDGES[index + 1])).all()


def test_quantile_is_not_quantised_by_coarse_classes():
    edges, values = EDGES[[0, 3, 5]], VALUES[[1, 4]]
    p = torch.linspace(0.55, 0.99, 40, dtype=torch.float64)
    log_p = torch.stack([p, 1 - p], dim=1).log()
    y = decode_quantile(log_p, edges, values)
    assert (y.diff() < 0).all()
    assert len(decode_argmax(log_p, values).unique()) == 1


def test_quantile_of_single_class_is_its_value():
    log_p = torch.zeros(3, 1, dtype=torch.float64)
    y = decode_quantile(log_p, EDGES[:2], VALUES[:1])
    torch.testing.assert_close(y, VALUES[:1].expand(3))


@each_level
def test_quantile_passes_over_classes_without_probability(level):
    log_p = torch.tensor([[0.0, 0.6, 0.0, 0.4, 0.0]], dtype=torch.float64).log()
    y = decode_quantile(log_p, EDGES, VALUES, level)
    tolerance = 200 * torch.finfo(log_p.dtype).eps
    expected = quantile_written_out(log_p, level)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    assert 0.0 <= y <= 0.5 or 2.0 <= y <= 6.0


@pytest.mark.parametrize("index", range(5))
@each_level
def test_quantile_of_certain_class_stays_inside(index, level):
    log_p = torch.full((1, 5), -torch.inf, dtype=torch.float64)
    log_p[0, index] = 0.0
    y = decode_quantile(log_p, EDGES, VALUES, level)
    assert EDGES[index] <= y <= EDGES[index + 1]
    torch.testing.assert_close(
        decode_quantile(log_p, EDGES, VALUES), VALUES[index : index + 1]
    )


@each_tail
@each_level
def test_quantile_does_not_ask_for_normalised_probabilities(tail, level):
    log_p = draw(tail)
    torch.testing.assert_close(
        decode_quantile(log_p + 2.0, EDGES, VALUES, level),
        decode_quantile(log_p, EDGES, VALUES, level),
    )


@each_tail
@each_dtype
@pytest.mark.parametrize("alias", list(DECODERS))
@pytest.mark.parametrize("scale", [30.0, 1e4])
def test_decoder_stays_in_range_at_extreme_probabilities(tail, dtype, alias, scale):
    log_p = draw(tail, scale, dtype)
    log_p[:, 1] = -torch.inf
    y = make_decoder(alias)(log_p, CLASSES)
    assert torch.isfinite(y).all()
    assert ((y >= EDGES[0] - 1e-6) & (y <= EDGES[-1] + 1e-6)).all()


@pytest.mark.parametrize("alias", list(DECODERS))
def test_decoder_of_narrow_distribution_answers_value_of_class(alias):
    log_p = draw((), scale=1e4)
    expected = VALUES[log_p.argmax(dim=1)]
    torch.testing.assert_close(make_decoder(alias)(log_p, CLASSES), expected)


@each_tail
def test_recipes_call_their_functions(tail):
    log_p = draw(tail)
    for decoder, expected in [
        (ArgmaxDecoder(), decode_argmax(log_p, VALUES)),
        (MeanDecoder(), decode_mean(log_p, VALUES)),
        # These classes know nothing of their labels, as those of coarse levels.
        (DebiasedMeanDecoder(), decode_mean(log_p, VALUES)),
        (MedianDecoder(), decode_quantile(log_p, EDGES, VALUES)),
    ]:
        torch.testing.assert_close(decoder(log_p, CLASSES), expected)


@pytest.mark.parametrize("alias", list(DECODERS))
def test_decoder_is_made_of_its_alias_or_object(alias):
    decoder = make_decoder(alias)
    assert type(decoder) is DECODERS[alias]
    assert type(make_decoder(clone(decoder))) is DECODERS[alias]


def test_unknown_decoder_is_refused():
    message = r"decoder must be one of 'argmax', 'mean', .* mean 'median'\?"
    with pytest.raises(ValueError, match=message):
        make_decoder("medan")


def test_argmax_of_no_class_at_all_is_no_answer():
    logits = torch.tensor([[-torch.inf, -torch.inf], [0.0, -torch.inf]])
    answers = decode_argmax(logits, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(answers, torch.tensor([torch.nan, 1.0]), equal_nan=True)


def test_quantiles_need_a_level():
    edges, values = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.5, 1.5])
    with pytest.raises(ValueError, match="at least one level"):
        decode_quantiles(torch.zeros(1, 2), edges, values, [])
