"""Cross-entropy over all levels against Eqs. 5 and 6 written out."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from sk_hca.losses import cross_entropy_map, hierarchical_cross_entropy

SIZES = [2, 4, 7]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw_logits(tail, scale=1.0, dtype=torch.float64):
    """Logits of every level, the same every time."""
    generator = torch.Generator().manual_seed(1)
    return [
        scale * torch.randn(8, size, *tail, generator=generator, dtype=dtype)
        for size in SIZES
    ]


def draw_classes(tail):
    """A class of every target on every level, the same every time."""
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(size, (8, *tail), generator=generator) for size in SIZES]


def soft(classes):
    """The classes as one-hot distributions on axis 1."""
    return [
        one_hot(index, size).movedim(-1, 1).double()
        for index, size in zip(classes, SIZES, strict=True)
    ]


@each_tail
def test_cross_entropy_equals_sum_over_levels_written_out(tail):
    levels = draw_logits(tail)
    targets = [logits.softmax(dim=1) for logits in draw_logits(tail, scale=2.0)]
    expected = 0
    for logits, p in zip(levels, targets, strict=True):
        predicted = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        expected = expected - (p * predicted.log()).sum(dim=1)
    loss = cross_entropy_map(levels, targets)
    assert loss.shape == (8, *tail)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        hierarchical_cross_entropy(levels, targets), expected.mean()
    )


@each_tail
def test_cross_entropy_of_index_equals_that_of_one_hot_distribution(tail):
    levels, classes = draw_logits(tail), draw_classes(tail)
    torch.testing.assert_close(
        cross_entropy_map(levels, classes), cross_entropy_map(levels, soft(classes))
    )


@each_tail
def test_cross_entropy_is_averaged_by_weight(tail):
    levels, classes = draw_logits(tail), draw_classes(tail)
    weight = torch.linspace(0, 1, 8).view(8, *(1,) * len(tail)).expand(8, *tail)
    loss = cross_entropy_map(levels, classes)
    expected = (loss * weight).sum() / weight.sum()
    torch.testing.assert_close(
        hierarchical_cross_entropy(levels, classes, weight), expected
    )


@each_tail
def test_cross_entropy_never_sees_masked_targets(tail):
    levels, classes = draw_logits(tail), draw_classes(tail)
    weight = torch.ones(8, *tail)
    weight[2:] = 0
    expected = hierarchical_cross_entropy(
        [logits[:2] for logits in levels], [index[:2] for index in classes]
    )
    for logits in levels:
        logits.requires_grad_()
    loss = hierarchical_cross_entropy(levels, classes, weight)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all((logits.grad[2:] == 0).all() for logits in levels)


@each_tail
def test_cross_entropy_gradient_is_prediction_minus_truth(tail):
    levels, classes = draw_logits(tail), draw_classes(tail)
    for logits in levels:
        logits.requires_grad_()
    cross_entropy_map(levels, classes).sum().backward()
    for logits, p in zip(levels, soft(classes), strict=True):
        torch.testing.assert_close(logits.grad, logits.detach().softmax(dim=1) - p)


@pytest.mark.parametrize("form", ["index", "distribution"])
@each_tail
def test_cross_entropy_is_finite_at_extreme_logits(form, tail):
    levels = draw_logits(tail, scale=1e4, dtype=torch.float32)
    classes = draw_classes(tail)
    targets = classes if form == "index" else [p.float() for p in soft(classes)]
    for logits in levels:
        logits.requires_grad_()
    loss = hierarchical_cross_entropy(levels, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(logits.grad).all() for logits in levels)


def test_cross_entropy_refuses_level_without_targets():
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        cross_entropy_map(draw_logits(()), draw_classes(())[:2])


@each_tail
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32], ids=str)
@pytest.mark.parametrize("n_soft", [0, 1])
def test_cross_entropy_takes_indices_of_any_integer_type(tail, dtype, n_soft):
    levels, classes = draw_logits(tail), draw_classes(tail)
    short = [*soft(classes)[:n_soft], *(index.to(dtype) for index in classes[n_soft:])]
    torch.testing.assert_close(
        cross_entropy_map(levels, short), cross_entropy_map(levels, classes)
    )


def assert_same_loss_and_slopes(loss, expected, levels):
    torch.testing.assert_close(loss, expected)
    gradients = (torch.autograd.grad(value, levels) for value in (loss, expected))
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow)


def test_cross_entropy_of_index_takes_impossible_classes():
    levels, classes = draw_logits(()), draw_classes(())
    other = (classes[1] + 1) % SIZES[1]
    levels[1][torch.arange(8), other] = -torch.inf
    for logits in levels:
        logits.requires_grad_()
    loss = hierarchical_cross_entropy(levels, classes)
    expected = sum(map(cross_entropy, levels, classes))
    assert_same_loss_and_slopes(loss, expected, levels)


@pytest.mark.parametrize("index", [-1, 2])
def test_cross_entropy_refuses_index_of_another_level(index):
    levels, classes = draw_logits(()), draw_classes(())
    classes[0][3] = index
    with pytest.raises(ValueError, match="of 2 classes must lie between 0 and 1; got"):
        cross_entropy_map(levels, classes)


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 3, 2), (8,)], ids=str)
def test_cross_entropy_refuses_indices_that_would_broadcast(shape):
    classes = [torch.zeros(shape, dtype=torch.long)] * len(SIZES)
    with pytest.raises(ValueError, match=r"must have shape \(8, 3, 2\) for logits of"):
        cross_entropy_map(draw_logits((3, 2)), classes)


@each_tail
@pytest.mark.parametrize("form", ["index", "distribution"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_does_not_shorten_the_cross_entropy(tail, form, dtype):
    levels = [logits.requires_grad_() for logits in draw_logits(tail, dtype=dtype)]
    classes = draw_classes(tail)
    targets = classes if form == "index" else soft(classes)
    with torch.autocast("cpu", torch.bfloat16):
        loss = hierarchical_cross_entropy(levels, targets)
    expected = sum(
        cross_entropy(logits.float(), index)
        for logits, index in zip(levels, classes, strict=True)
    )
    assert loss.dtype == torch.float32
    assert_same_loss_and_slopes(loss, expected, levels)
