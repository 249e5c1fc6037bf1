"""The modes: distributions of all levels, and the numbers decoded from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_hca.adjustment import (
    ADJUSTMENTS,
    AddAdjustment,
    AverageAdjustment,
    BaseAdjustment,
    ConsultAdjustment,
    Distillation,
    MarginalAdjustment,
    MulAdjustment,
    NoAdjustment,
    RangeAdjustment,
    VoteAdjustment,
    adjust_add,
    adjust_marginal,
    adjust_mul,
    adjust_range,
    make_adjustment,
)
from sk_hca.backbones import AnchoredHeads, FusedHeads, Student
from sk_hca.base import LevelClasses, NetworkOutput
from sk_hca.hierarchy import level_steps, pool_sum
from sk_hca.prediction import ArgmaxDecoder, MeanDecoder, MedianDecoder

PARENTS = [
    torch.tensor([0, 0, 0, 1, 1]),
    torch.tensor([0, 0, 1, 2, 2]),
    torch.arange(5),
]
EDGES = torch.tensor([0.0, 1.0, 2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
VALUES = torch.tensor([0.5, 1.2, 3.0, 5.0, 10.0], dtype=torch.float64)

LEARNING_FREE = [
    NoAdjustment(),
    AddAdjustment(),
    MulAdjustment(),
    VoteAdjustment(),
    ConsultAdjustment(),
    MarginalAdjustment(),
    RangeAdjustment(),
    RangeAdjustment(level=2),
    AverageAdjustment(),
]
DECODERS = [ArgmaxDecoder(), MeanDecoder(), MedianDecoder()]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
each_mode = pytest.mark.parametrize("mode", LEARNING_FREE, ids=repr)
each_decoder = pytest.mark.parametrize("decoder", DECODERS, ids=repr)


def make_levels(counts=(40, 20, 6, 3, 1)):
    """Three nested levels, whose coarse values are means of training samples."""
    counts = torch.tensor(counts, dtype=torch.float64)
    levels = []
    for parent in PARENTS:
        n_classes = int(parent.max()) + 1
        pooled = pool_sum(counts[None], parent, n_classes)[0]
        means = pool_sum((counts * VALUES)[None], parent, n_classes)[0] / pooled
        values = VALUES if n_classes == len(VALUES) else means
        starts = [int((parent == j).nonzero()[0]) for j in range(n_classes)]
        edges = EDGES[[*starts, -1]]
        levels.append(LevelClasses(edges, values, pooled, parent))
    return levels


def make_output(tail=(), dtype=torch.float64, scale=2.0):
    """Logits of three levels and of a student, the same every time."""
    generator = torch.Generator().manual_seed(len(tail))

    def draw(n_classes):
        shape = (16, n_classes, *tail)
        return scale * torch.randn(shape, generator=generator, dtype=dtype)

    return side_by_side(draw(1), (draw(2), draw(3), draw(5)), student=draw(5))


def side_by_side(features, levels, **rest):
    """The output of a network with these levels."""
    n_classes = tuple(logits.shape[1] for logits in levels)
    return NetworkOutput(features, torch.cat(levels, dim=1), n_classes, **rest)


def log_probs(output):
    """Every level normalised, in logs."""
    return [logits.log_softmax(dim=1) for logits in output.levels]


@pytest.mark.parametrize("mode", [*LEARNING_FREE, Distillation()], ids=repr)
@each_tail
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_mode_gives_a_distribution_over_finest_classes(mode, tail, dtype):
    output = make_output(tail, dtype)
    log_p = mode.scores(output, make_levels()).log_softmax(dim=1)
    assert log_p.shape == (16, 5, *tail)
    assert log_p.dtype == dtype
    total = log_p.exp().sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total))


@each_mode
@each_decoder
def test_mode_survives_extreme_logits(mode, decoder):
    output = make_output(dtype=torch.float32, scale=1e4)
    y = mode.decode(output, make_levels(), decoder)
    assert torch.isfinite(y).all()
    assert ((y >= EDGES[0]) & (y <= EDGES[-1])).all()


@each_tail
def test_none_reads_finest_level_alone(tail):
    output = make_output(tail)
    log_p = NoAdjustment().scores(output, make_levels()).log_softmax(dim=1)
    torch.testing.assert_close(log_p, output.levels[-1].log_softmax(dim=1))


@each_tail
def test_add_normalises_raw_scores(tail):
    output = make_output(tail)
    scores = adjust_add([log_p.exp() for log_p in log_probs(output)], PARENTS[:-1])
    log_p = AddAdjustment().scores(output, make_levels()).log_softmax(dim=1)
    torch.testing.assert_close(log_p.exp(), scores / scores.sum(dim=1, keepdim=True))
    assert torch.equal(log_p.argmax(dim=1), scores.argmax(dim=1))


@each_tail
def test_mul_normalises_raw_scores(tail):
    output = make_output(tail)
    scores = adjust_mul(log_probs(output), PARENTS[:-1])
    log_p = MulAdjustment().scores(output, make_levels()).log_softmax(dim=1)
    expected = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(log_p.exp(), expected)
    assert torch.equal(log_p.argmax(dim=1), scores.argmax(dim=1))


@each_tail
def test_vote_gives_every_coarse_level_half_a_vote(tail):
    output = make_output(tail)
    first, second, finest = log_probs(output)
    scores = finest + (first[:, PARENTS[0]] + second[:, PARENTS[1]]) / 2
    expected = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    log_p = VoteAdjustment().scores(output, make_levels()).log_softmax(dim=1)
    torch.testing.assert_close(log_p.exp(), expected)


@each_tail
@pytest.mark.parametrize("scale", [0.3, 2.0, 300.0])
def test_consult_votes_as_far_as_finest_is_unsure(tail, scale):
    output = make_output(tail, scale=scale)
    alone = output.levels[-1].softmax(dim=1)
    votes = VoteAdjustment().scores(output, make_levels()).softmax(dim=1)
    place = torch.arange(5.0, dtype=torch.float64).view(1, 5, *(1,) * len(tail))
    mean = (alone * place).sum(dim=1, keepdim=True)
    variance = (alone * place**2).sum(dim=1, keepdim=True) - mean**2
    share = (1 - 1 / variance).clamp(0, 1)
    expected = (1 - share) * alone + share * votes
    mode = ConsultAdjustment()
    torch.testing.assert_close(mode.weights(output, make_levels()), expected)
    log_p = mode.scores(output, make_levels())
    torch.testing.assert_close(log_p.exp(), expected)
    assert log_p.isfinite().all()  # Where a probability is too small for a number too.


def test_consult_keeps_the_place_of_a_target_that_is_sure():
    # At the border between classes 1 and 2, which is one of the middle level too.
    finest = torch.tensor([[-9.0, 0.1, 0.0, -9.0, -9.0]], dtype=torch.float64)
    coarse = torch.tensor([[3.0, -3.0]], dtype=torch.float64)
    middle = torch.tensor([[3.0, -3.0, -9.0]], dtype=torch.float64)
    output = side_by_side(finest, (coarse, middle, finest))
    levels, decoder = make_levels(), MeanDecoder()
    answers = {
        mode: mode.decode(output, levels, decoder).item()
        for mode in (NoAdjustment(), ConsultAdjustment(), VoteAdjustment())
    }
    alone, consulted, voted = answers.values()
    assert consulted == alone
    assert abs(voted - alone) > 0.5


@each_tail
def test_marginal_reweights_finest_level(tail):
    output = make_output(tail)
    log_p = MarginalAdjustment().scores(output, make_levels()).log_softmax(dim=1)
    expected = adjust_marginal(log_probs(output), PARENTS[:-1])
    torch.testing.assert_close(log_p, expected)


@each_tail
@pytest.mark.parametrize("level", [1, 2])
def test_range_stays_in_class_of_chosen_level(tail, level):
    output = make_output(tail)
    log_p = RangeAdjustment(level).scores(output, make_levels()).log_softmax(dim=1)
    coarse = log_probs(output)[level - 1]
    expected = adjust_range([coarse, log_probs(output)[-1]], PARENTS[level - 1])
    torch.testing.assert_close(log_p, expected)
    answered = PARENTS[level - 1][log_p.argmax(dim=1)]
    assert torch.equal(answered, coarse.argmax(dim=1))


@pytest.mark.parametrize("level", [3, 4, 100])
@each_decoder
def test_range_from_finest_level_on_equals_none(level, decoder):
    output, levels = make_output(), make_levels()
    torch.testing.assert_close(
        RangeAdjustment(level).decode(output, levels, decoder),
        NoAdjustment().decode(output, levels, decoder),
    )


@each_tail
@each_decoder
def test_average_is_mean_of_what_levels_answer(tail, decoder):
    output, levels = make_output(tail), make_levels()
    answers = [
        decoder(log_p, classes)
        for log_p, classes in zip(log_probs(output), levels, strict=True)
    ]
    y = AverageAdjustment().decode(output, levels, decoder)
    torch.testing.assert_close(y, sum(answers) / 3)


@each_tail
@pytest.mark.parametrize("counts", [(40, 20, 6, 3, 1), (40, 0, 6, 0, 1)], ids=str)
def test_average_of_means_is_mean_of_average_distribution(tail, counts):
    output, levels = make_output(tail), make_levels(counts)
    mode = AverageAdjustment()
    log_p = mode.scores(output, levels).log_softmax(dim=1)
    torch.testing.assert_close(
        MeanDecoder()(log_p, levels[-1]), mode.decode(output, levels, MeanDecoder())
    )


@each_tail
def test_average_spreads_coarse_classes_as_their_samples(tail):
    counts = torch.tensor([40.0, 20.0, 6.0, 3.0, 1.0], dtype=torch.float64)
    output = make_output(tail)
    p = AverageAdjustment().scores(output, make_levels()).softmax(dim=1)
    first, second, finest = [log_p.exp() for log_p in log_probs(output)]
    share = counts[4] / (counts[3] + counts[4])
    expected = (first[:, 1] * share + second[:, 2] * share + finest[:, 4]) / 3
    torch.testing.assert_close(p[:, 4], expected)


@each_decoder
def test_average_keeps_finest_class_without_samples(decoder):
    output, levels = make_output(dtype=torch.float32), make_levels((40, 0, 6, 0, 1))
    log_p = AverageAdjustment().scores(output, levels).log_softmax(dim=1)
    expected = output.levels[-1].softmax(dim=1)[:, 1] / 3
    torch.testing.assert_close(log_p.exp()[:, 1], expected)
    assert torch.isfinite(decoder(log_p, levels[-1])).all()


@each_tail
@each_mode
def test_mode_equals_none_when_there_is_one_level(tail, mode):
    output = side_by_side(None, make_output(tail).levels[-1:])
    levels = make_levels()[-1:]
    torch.testing.assert_close(
        mode.scores(output, levels).log_softmax(dim=1),
        NoAdjustment().scores(output, levels).log_softmax(dim=1),
    )
    for decoder in DECODERS:
        torch.testing.assert_close(
            mode.decode(output, levels, decoder),
            NoAdjustment().decode(output, levels, decoder),
        )


@each_tail
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("mode", [AddAdjustment(), MarginalAdjustment()], ids=repr)
def test_weights_equal_softmax_of_scores(tail, scale, mode):
    output, levels = make_output(tail, scale=scale), make_nested_levels()
    weights = mode.weights(output, levels)
    torch.testing.assert_close(
        weights / weights.sum(dim=1, keepdim=True),
        mode.scores(output, levels).softmax(dim=1),
    )


def make_nested_levels():
    """The levels, each tied to the next finer one as an estimator ties them."""
    levels = make_levels()
    steps = level_steps(PARENTS[:-1], [2, 3])
    coarse = [replace(c, step=s) for c, s in zip(levels, steps, strict=False)]
    return [*coarse, levels[-1]]


@each_mode
@each_decoder
@pytest.mark.parametrize("anchored", [False, True])
def test_simplified_heads_decode_to_the_same_targets(mode, decoder, anchored):
    levels = make_nested_levels()
    torch.manual_seed(0)
    positions = [torch.linspace(-1, 1, len(c.values)) for c in levels]
    heads = FusedHeads(4, [2, 3, 5])
    if anchored:
        heads = AnchoredHeads(4, positions)
        torch.nn.init.normal_(heads.weight)
    heads.double()
    features = torch.randn(16, 4, dtype=torch.float64)
    with torch.no_grad():
        expected = mode.decode(heads(features), levels, decoder)
        simpler, reading = mode.simplified(heads, levels)
        y = reading.decode(simpler(features), levels, decoder)
    torch.testing.assert_close(y, expected)


def test_simplified_student_answers_without_its_teachers():
    heads = FusedHeads(4, [2, 3, 5])
    student = Student(heads, 4, hidden=True)
    features = torch.randn(16, 4)
    alone, mode = Distillation().simplified(student, make_levels())
    output = alone(features)
    assert output.logits is None
    assert torch.equal(output.student, student(features).student)
    assert isinstance(mode, Distillation)


@each_tail
def test_distillation_reads_student_alone(tail):
    output = make_output(tail)
    log_p = Distillation().scores(output, make_levels()).log_softmax(dim=1)
    torch.testing.assert_close(log_p, output.student.log_softmax(dim=1))


def test_only_distillation_trains_a_student():
    training = [alias for alias, make in ADJUSTMENTS.items() if make().trains_student]
    assert training == ["distill"]


@pytest.mark.parametrize(
    ("mode", "name"),
    [(AddAdjustment(), "add_value"), (MulAdjustment(), "mul_value")],
    ids=["add", "mul"],
)
def test_mode_decodes_values_of_release(mode, name, load_oracle):
    numbers = load_oracle("hca_adjustment.npz")
    values = torch.from_numpy(numbers["class_values"])
    names = [f"coarse_logits_{h}" for h in range(1, 7)] + ["fine_logits"]
    output = side_by_side(None, [torch.from_numpy(numbers[n]) for n in names])
    parents = [torch.from_numpy(numbers[f"parent_{h}"]) for h in range(1, 7)]
    levels = [
        LevelClasses(None, values, None, parent)
        for parent in [*parents, torch.arange(len(values))]
    ]
    y = mode.decode(output, levels, ArgmaxDecoder())
    np.testing.assert_array_equal(y, numbers[name].squeeze(1))


@pytest.mark.parametrize("alias", list(ADJUSTMENTS))
def test_mode_is_made_of_its_alias(alias):
    assert type(make_adjustment(alias)) is ADJUSTMENTS[alias]


def test_mode_is_cloned_with_its_parameters():
    given = Distillation(
        "sum", head="linear", supervision="targets", epochs=0.5, lr=0.1
    )
    made = make_adjustment(given)
    assert made is not given
    assert made.get_params() == given.get_params() == clone(given).get_params()


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (RangeAdjustment(level=0), "'level' parameter of RangeAdjustment"),
        (Distillation(alignment="mean"), "'alignment' parameter of Distillation"),
        (Distillation(head="deep"), "'head' parameter of Distillation"),
        (Distillation(supervision="none"), "'supervision' parameter of Distillation"),
        (Distillation(epochs=0), "'epochs' parameter of Distillation"),
        (Distillation(lr=-1.0), "'lr' parameter of Distillation"),
        ("distil", r"mode must be one of 'none', 'add', .* Did you mean 'distill'\?"),
    ],
    ids=str,
)
def test_mode_out_of_range_is_refused(mode, message):
    with pytest.raises(ValueError, match=message):
        make_adjustment(mode)


def test_mode_without_its_own_distribution_is_refused():
    class Unfinished(BaseAdjustment):
        pass

    with pytest.raises(TypeError, match="Unfinished must define scores"):
        Unfinished().decode(make_output(), make_levels(), ArgmaxDecoder())
