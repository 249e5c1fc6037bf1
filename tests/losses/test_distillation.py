"""Distillation against Eqs. 10 to 14 in their probability form, and the release."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from sk_hca.hierarchy import pool_max, pool_sum
from sk_hca.losses import (
    distillation_loss,
    distillation_map,
    divergence_map,
    pool_student,
)

PARENTS = [torch.tensor([0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 1, 2, 2, 3, 3])]
SIZES = [2, 4, 7]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
each_alignment = pytest.mark.parametrize("alignment", ["max", "sum"])


def draw(tail, scale=1.0, dtype=torch.float64, seed=1):
    """Logits of every level, and of a student; the same every time."""
    generator = torch.Generator().manual_seed(seed)
    *levels, student = [
        scale * torch.randn(8, size, *tail, generator=generator, dtype=dtype)
        for size in [*SIZES, SIZES[-1]]
    ]
    return student, levels


def pooled_probabilities(student, parent, n_classes, alignment):
    """Eqs. 13 and 14, or Eq. 10, on probabilities and with the dense T."""
    p = student.exp() / student.exp().sum(dim=1, keepdim=True)
    inside = one_hot(parent, n_classes).T.to(p.dtype)
    if alignment == "sum":
        return torch.einsum("jk,nk...->nj...", inside, p)
    inside = inside.view(1, *inside.shape, *(1,) * (p.ndim - 2))
    largest = (inside * p.unsqueeze(1)).amax(dim=2)
    return largest / largest.sum(dim=1, keepdim=True)


def written_out(student, levels, alignment):
    """Eqs. 11 and 12: the sum of KL(teacher || pooled student) over all levels."""
    loss = 0
    for logits, parent in zip(levels, [*PARENTS, torch.arange(7)], strict=True):
        q = pooled_probabilities(student, parent, logits.shape[1], alignment)
        p = logits.softmax(dim=1)
        loss = loss + (p * (p / q).log()).sum(dim=1)
    return loss


@each_tail
@each_alignment
def test_distillation_equals_probability_form(tail, alignment):
    student, levels = draw(tail)
    expected = written_out(student, levels, alignment)
    torch.testing.assert_close(
        distillation_map(student, levels, PARENTS, alignment), expected
    )
    torch.testing.assert_close(
        distillation_loss(student, levels, PARENTS, alignment), expected.mean()
    )


@each_tail
@each_alignment
def test_distillation_gradient_equals_that_of_probability_form(tail, alignment):
    student, levels = draw(tail)
    student.requires_grad_()
    distillation_loss(student, levels, PARENTS, alignment).backward()
    fast, student.grad = student.grad, None
    written_out(student, levels, alignment).mean().backward()
    torch.testing.assert_close(fast, student.grad)


def pooled_log_probabilities(student, parent, n_classes, alignment="max"):
    """The student on one level alone."""
    return pool_student(student, [parent], [n_classes], alignment)[0].log_softmax(dim=1)


@each_tail
@each_alignment
@pytest.mark.parametrize("nested", [True, False])
def test_cascade_equals_pooling_each_level_from_the_finest(tail, alignment, nested):
    student, _ = draw(tail)
    parents = PARENTS if nested else [PARENTS[0].flip(0), *PARENTS[1:]]
    sizes = [int(parent.max()) + 1 for parent in parents]
    levels = pool_student(student, parents, sizes, alignment)
    for level, parent, size in zip(levels, parents, sizes, strict=False):
        torch.testing.assert_close(
            level.log_softmax(dim=1),
            pooled_log_probabilities(student, parent, size, alignment),
        )


@each_tail
@each_alignment
def test_pooled_log_probabilities_equal_probability_form(tail, alignment):
    student, _ = draw(tail)
    pooled = pooled_log_probabilities(student, PARENTS[1], 4, alignment)
    expected = pooled_probabilities(student, PARENTS[1], 4, alignment)
    torch.testing.assert_close(pooled.exp(), expected)


@each_tail
def test_distillation_aligns_by_maximum_unless_told(tail):
    student, levels = draw(tail)
    torch.testing.assert_close(
        distillation_map(student, levels, PARENTS),
        distillation_map(student, levels, PARENTS, "max"),
    )


@each_tail
def test_distillation_is_averaged_by_weight(tail):
    student, levels = draw(tail)
    weight = torch.linspace(0, 1, 8).view(8, *(1,) * len(tail)).expand(8, *tail)
    loss = distillation_map(student, levels, PARENTS)
    expected = (loss * weight).sum() / weight.sum()
    torch.testing.assert_close(
        distillation_loss(student, levels, PARENTS, weight=weight), expected
    )


@each_tail
def test_distillation_of_one_level_is_plain_divergence(tail):
    student, levels = draw(tail)
    p, q = levels[-1].softmax(dim=1), student.softmax(dim=1)
    expected = (p * (p / q).log()).sum(dim=1)
    torch.testing.assert_close(distillation_map(student, levels[-1:], []), expected)


@each_tail
@each_alignment
def test_distillation_is_zero_when_student_equals_teachers(tail, alignment):
    student, _ = draw(tail)
    if alignment == "max":
        coarse = [
            pool_max(student, parent, size)
            for parent, size in zip(PARENTS, SIZES, strict=False)
        ]
    else:
        coarse = [
            pool_sum(student.softmax(dim=1), parent, size).log()
            for parent, size in zip(PARENTS, SIZES, strict=False)
        ]
    student.requires_grad_()
    # A constant added to the logits of a teacher says nothing.
    teachers = [logits.detach() + 5.0 for logits in [*coarse, student]]
    loss = distillation_map(student, teachers, PARENTS, alignment)
    torch.testing.assert_close(loss, torch.zeros_like(loss))
    loss.sum().backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


@each_tail
@each_alignment
def test_distillation_is_positive_when_levels_differ(tail, alignment):
    student, levels = draw(tail)
    assert (distillation_map(student, levels, PARENTS, alignment) > 0).all()


@each_tail
def test_pooled_student_predicts_range_that_holds_its_class(tail):
    """The proposition of Sec. 3.4, on what the loss compares."""
    student, _ = draw(tail, scale=3.0)
    for parent, size in zip(PARENTS, SIZES, strict=False):
        pooled = pooled_log_probabilities(student, parent, size)
        assert torch.equal(parent[student.argmax(dim=1)], pooled.argmax(dim=1))


@each_tail
@each_alignment
@pytest.mark.parametrize("scale", [30.0, 1e4])
def test_distillation_is_finite_at_extreme_logits(tail, alignment, scale):
    student, levels = draw(tail, scale, dtype=torch.float32)
    student.requires_grad_()
    loss = distillation_loss(student, levels, PARENTS, alignment)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
    original = distillation_loss(
        student.detach().double(),
        [logits.double() for logits in levels],
        PARENTS,
        alignment,
    )
    torch.testing.assert_close(loss.detach().double(), original, rtol=1e-5, atol=1e-5)


@each_alignment
def test_every_level_teaches_the_student(alignment):
    """A softmax taken again in the loop over levels would silence the finer ones."""
    parents = [torch.arange(128) // 2**k for k in range(6, 0, -1)]
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(16, 128, generator=generator, dtype=torch.float64)
    student.requires_grad_()
    norms = []
    for parent in [*parents, torch.arange(128)]:
        n_classes = int(parent.max()) + 1
        teacher = torch.randn(16, n_classes, generator=generator, dtype=torch.float64)
        pooled = pooled_log_probabilities(student, parent, n_classes, alignment)
        p = teacher.softmax(dim=1)
        loss = (p * (p.log() - pooled)).sum(dim=1).mean()
        (gradient,) = torch.autograd.grad(loss, student)
        norms.append(float(gradient.norm()))
    assert min(norms) > 0.1 * max(norms)


@each_alignment
def test_finest_level_teaches_beside_the_coarse_ones(alignment):
    student, levels = draw(())
    student.requires_grad_()
    wrong = levels[-1].flip(1)
    gradients = []
    for finest in (levels[-1], wrong):
        loss = distillation_loss(student, [*levels[:-1], finest], PARENTS, alignment)
        gradients.append(torch.autograd.grad(loss, student)[0])
    expected = (levels[-1].softmax(dim=1) - wrong.softmax(dim=1)) / len(student)
    torch.testing.assert_close(gradients[1] - gradients[0], expected)


@pytest.fixture
def oracle(load_oracle):
    """Logits and maps that the authors' release was run on, and what it gave."""
    numbers = load_oracle("hca_adjustment.npz")
    student = torch.from_numpy(numbers["distilled_logits"])
    names = [f"coarse_logits_{h}" for h in range(1, 7)] + ["fine_logits"]
    levels = [torch.from_numpy(numbers[name]) for name in names]
    parents = [torch.from_numpy(numbers[f"parent_{h}"]) for h in range(1, 7)]
    return student, levels, parents, numbers


@pytest.mark.parametrize("h", range(1, 7))
def test_pooled_student_equals_release(oracle, h):
    student, levels, parents, expected = oracle
    parent, n_classes = parents[h - 1], levels[h - 1].shape[1]
    np.testing.assert_allclose(
        pool_max(student, parent, n_classes), expected[f"maxpool_{h}"], rtol=1e-5
    )
    np.testing.assert_allclose(
        pool_sum(student.softmax(dim=1), parent, n_classes),
        expected[f"sumpool_{h}"],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        pooled_log_probabilities(student, parent, n_classes, "sum").exp(),
        expected[f"sumpool_{h}"],
        rtol=1e-5,
    )


def test_divergence_of_every_level_equals_release(oracle):
    student, levels, parents, expected = oracle
    finest = torch.arange(student.shape[1])
    for logits, parent, kl in zip(
        levels, [*parents, finest], expected["kl_max"], strict=True
    ):
        pooled = pool_max(student, parent, logits.shape[1])
        alone = distillation_loss(pooled, [logits], [])
        np.testing.assert_allclose(alone, kl, rtol=1e-5)


def test_distillation_loss_is_sum_of_divergences_of_release(oracle):
    student, levels, parents, expected = oracle
    loss = distillation_loss(student, levels, parents)
    np.testing.assert_allclose(loss, expected["kl_max"].sum(), rtol=1e-5)


def test_distillation_refuses_level_without_map():
    student, levels = draw(())
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        distillation_map(student, levels, PARENTS[:1])


@pytest.mark.parametrize("nested", [True, False])
def test_unknown_alignment_is_refused(nested):
    student, levels = draw(())
    parents = PARENTS if nested else [PARENTS[0].flip(0), *PARENTS[1:]]
    with pytest.raises(ValueError, match=r"alignment must be one of .*; got 'mean'"):
        distillation_loss(student, levels, parents, "mean")


@each_tail
@each_alignment
def test_autocast_does_not_shorten_the_distillation(tail, alignment):
    student, levels = draw(tail, dtype=torch.float32)
    expected = distillation_loss(student, levels, PARENTS, alignment)
    with torch.autocast("cpu", torch.bfloat16):
        actual = distillation_loss(student, levels, PARENTS, alignment)
    torch.testing.assert_close(actual, expected)


@each_tail
def test_autocast_does_not_shorten_the_divergence_of_short_logits(tail):
    student, teacher = (
        torch.cat(draw(tail, dtype=torch.bfloat16, seed=seed)[1], dim=1)
        for seed in (1, 2)
    )
    student.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        actual = divergence_map(student, teacher, tuple(SIZES))
    expected = divergence_map(student.float(), teacher.float(), tuple(SIZES))
    torch.testing.assert_close(actual, expected)
    gradients = [torch.autograd.grad(x.sum(), student)[0] for x in (actual, expected)]
    torch.testing.assert_close(*gradients)
