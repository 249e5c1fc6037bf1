"""The one way to average a loss."""

import pytest
import torch

from sk_hca.losses import weighted_mean

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw(tail, dtype=torch.float64):
    """A loss of each target, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(8, *tail, generator=generator, dtype=dtype)


@each_tail
def test_weighted_mean_without_weights_is_plain_mean(tail):
    loss = draw(tail)
    torch.testing.assert_close(weighted_mean(loss), loss.sum() / loss.numel())
    torch.testing.assert_close(weighted_mean(loss, torch.ones_like(loss)), loss.mean())


@each_tail
def test_weighted_mean_divides_by_sum_of_weights(tail):
    loss, weight = draw(tail), draw(tail).flip(0)
    expected = (loss * weight).sum() / weight.sum()
    torch.testing.assert_close(weighted_mean(loss, weight), expected)
    torch.testing.assert_close(weighted_mean(loss, 1e-6 * weight), expected)


@each_tail
def test_weighted_mean_takes_integers_as_repetitions(tail):
    loss = draw(tail)
    weight = torch.arange(loss.numel()).view_as(loss) % 3
    repeated = loss.flatten().repeat_interleave(weight.flatten())
    torch.testing.assert_close(weighted_mean(loss, weight), repeated.mean())


@each_tail
def test_weighted_mean_leaves_masked_targets_out(tail):
    loss = draw(tail)
    mask = loss > 0.5
    torch.testing.assert_close(weighted_mean(loss, mask), loss[mask].mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@each_tail
def test_weighted_mean_is_zero_when_no_target_counts(dtype, tail):
    loss = draw(tail, dtype).requires_grad_()
    mean = weighted_mean(loss, torch.zeros(loss.shape, dtype=torch.float64))
    assert mean == 0
    assert mean.dtype == dtype
    mean.backward()
    assert (loss.grad == 0).all()


def test_weighted_mean_keeps_type_of_loss():
    loss = draw((), torch.float32)
    assert weighted_mean(loss, torch.ones(8, dtype=torch.float64)).dtype == loss.dtype


def test_weighted_mean_of_nothing_is_zero():
    assert weighted_mean(torch.zeros(0)) == 0
    assert weighted_mean(torch.zeros(0), torch.zeros(0)) == 0


@pytest.mark.parametrize(
    ("shape", "weight"), [((3,), (3, 1)), ((2, 4, 4), (2, 1, 1)), ((3, 1), (3,))]
)
def test_weighted_mean_refuses_weights_that_would_broadcast(shape, weight):
    with pytest.raises(ValueError, match="weight must have the shape of the targets"):
        weighted_mean(torch.ones(shape), torch.ones(weight))
