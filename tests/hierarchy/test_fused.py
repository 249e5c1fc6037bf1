"""All levels side by side against every level by itself."""

import pytest
import torch

from sk_hca.hierarchy import (
    LevelCascade,
    as_rows,
    class_softmax,
    exponentials,
    from_rows,
    level_softmax,
    level_steps,
    lift,
    pool_max,
    pool_sum,
)

SIZES = (2, 4, 7)
PARENTS = [torch.tensor([0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 1, 2, 2, 3, 3])]
STEPS = level_steps(PARENTS, SIZES[:-1])

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
each_scale = pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])


def draw(n_classes, tail=(), scale=1.0, dtype=torch.float64):
    """Logits, the same every time."""
    generator = torch.Generator().manual_seed(4)
    shape = (8, n_classes, *tail)
    return scale * torch.randn(shape, generator=generator, dtype=dtype)


def class_major(x):
    """The same numbers, class by class in memory."""
    return x.transpose(0, 1).contiguous().transpose(0, 1)


@each_tail
def test_rows_are_the_same_numbers_and_come_back(tail):
    x = draw(5, tail)
    rows = as_rows(x)
    assert rows.data_ptr() == x.data_ptr()
    assert rows.shape[1] == 5
    assert torch.equal(from_rows(rows, x.shape), x)


@each_tail
@each_scale
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_softmax_side_by_side_equals_that_of_every_level(tail, scale, dtype):
    logits = draw(sum(SIZES), tail, scale, dtype)
    probs, log_sums = level_softmax(as_rows(logits), SIZES)
    probs = from_rows(probs, logits.shape)
    log_sums = from_rows(log_sums, logits.shape)
    for h, level in enumerate(logits.split(SIZES, dim=1)):
        expected = level.softmax(dim=1)
        torch.testing.assert_close(probs.split(SIZES, dim=1)[h], expected)
        torch.testing.assert_close(log_sums[:, h], level.logsumexp(dim=1))


def test_exponentials_are_shifted_only_where_they_have_to_be():
    logits = as_rows(draw(sum(SIZES), dtype=torch.float32))
    plain, shift = exponentials(logits, SIZES)
    assert shift is None
    torch.testing.assert_close(plain, logits.exp())
    shifted, shift = exponentials(1e4 * logits, SIZES)
    assert shift.shape == (1, len(SIZES), 8)
    assert torch.isfinite(shifted).all()
    assert all((level.amax(dim=1) == 1).all() for level in shifted.split(SIZES, dim=1))


def test_softmax_of_nan_is_nan():
    logits = draw(sum(SIZES))
    logits[2, 0] = torch.nan
    probs, _ = level_softmax(as_rows(logits), SIZES)
    assert probs[0, : SIZES[0], 2].isnan().all()


def test_layout_made_without_gradients_serves_training():
    sizes = (2, 3, 6)
    logits = draw(sum(sizes)).requires_grad_()
    with torch.inference_mode():
        level_softmax(as_rows(logits.detach()), sizes)
    probs, _ = level_softmax(as_rows(logits.detach()), sizes)
    (probs.squeeze(0).t() * logits).sum().backward()
    assert logits.grad.shape == logits.shape


@each_tail
@pytest.mark.parametrize("alignment", ["max", "sum"])
def test_cascade_equals_pooling_from_the_finest(tail, alignment):
    logits = draw(SIZES[-1], tail)
    pooled = LevelCascade(STEPS, SIZES).pool(logits, alignment)
    *coarse, finest = pooled.split(SIZES, dim=1)
    for level, parent, size in zip(coarse, PARENTS, SIZES, strict=False):
        if alignment == "max":
            assert torch.equal(level, pool_max(logits, parent, size))
        else:
            expected = pool_sum(logits.softmax(dim=1), parent, size)
            torch.testing.assert_close(level.softmax(dim=1), expected)
    torch.testing.assert_close(finest.softmax(dim=1), logits.softmax(dim=1))


@each_tail
@pytest.mark.parametrize("n_tied", [0, 1, 8])
def test_cascade_gradient_equals_that_of_its_steps(tail, n_tied):
    logits = draw(SIZES[-1], tail)
    logits[:n_tied] = logits[:n_tied].round()
    logits.requires_grad_()
    weight = draw(sum(SIZES), tail)
    (LevelCascade(STEPS, SIZES).pool(logits) * weight).sum().backward()
    fast, logits.grad = logits.grad, None
    middle = pool_max(logits, STEPS[1], SIZES[1])
    levels = [pool_max(middle, STEPS[0], SIZES[0]), middle, logits]
    (torch.cat(levels, dim=1) * weight).sum().backward()
    torch.testing.assert_close(fast, logits.grad)


def test_cascade_shares_gradient_among_ties():
    logits = torch.zeros(1, 3, requires_grad=True)
    cascade = LevelCascade([torch.tensor([0, 0, 1])], [2, 3])
    cascade.pool(logits)[:, :2].sum().backward()
    assert logits.grad.tolist() == [[0.5, 0.5, 1.0]]


@pytest.mark.parametrize("alignment", ["mean", "Sum", None])
def test_cascade_refuses_unknown_alignment(alignment):
    with pytest.raises(ValueError, match="alignment must be one of 'max', 'sum'; got"):
        LevelCascade(STEPS, SIZES).pool(draw(SIZES[-1]), alignment)


def test_cascade_of_one_level_is_the_level():
    logits = draw(5)
    assert torch.equal(LevelCascade([], [5]).pool(logits), logits)


@each_tail
@each_scale
@pytest.mark.parametrize("layout", [class_major, torch.clone])
def test_class_softmax_equals_that_of_torch(tail, scale, layout):
    logits = draw(7, tail, scale).requires_grad_()
    weight = draw(7, tail)
    gradients = []
    for normalise in (class_softmax, lambda x: x.softmax(dim=1)):
        probs = normalise(layout(logits))
        (probs * weight).sum().backward()
        gradients.append(logits.grad)
        logits.grad = None
    torch.testing.assert_close(class_softmax(layout(logits)), logits.softmax(dim=1))
    torch.testing.assert_close(*gradients)


def test_class_softmax_of_impossible_classes_is_nothing():
    logits = class_major(torch.tensor([[0.0, -torch.inf], [-torch.inf, 3.0]]))
    assert class_softmax(logits).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@each_tail
@pytest.mark.parametrize("pool", [pool_sum, pool_max])
def test_memory_layout_changes_no_result(tail, pool):
    x, parent = draw(7, tail), PARENTS[1]
    torch.testing.assert_close(pool(class_major(x), parent, 4), pool(x, parent, 4))
    coarse = draw(4, tail)
    assert torch.equal(lift(class_major(coarse), parent), lift(coarse, parent))
