"""Lift and pool against the dense class mapping T, and the paper's propositions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.nn.functional import one_hot

from sk_hca.hierarchy import lift, pool_logsumexp, pool_max, pool_sum

PARENT = torch.tensor([0, 0, 1, 2, 2, 2])
N_FINE, N_COARSE = 6, 3
TAILS = [(), (3, 2)]
DTYPES = [torch.float32, torch.float64]

each_tail = pytest.mark.parametrize("tail", TAILS, ids=["table", "map"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def mapping(parent, n_classes, dtype=torch.float64):
    """The dense T of the paper, ``T[j, k] == (parent[k] == j)``."""
    return one_hot(parent, n_classes).T.to(dtype)


def dense_max(x, parent, n_classes):
    """The maximum over the fine classes that T gives to each coarse class."""
    inside = mapping(parent, n_classes, torch.bool)
    inside = inside.view(1, *inside.shape, *(1,) * (x.ndim - 2))
    return x.unsqueeze(1).masked_fill(~inside, -torch.inf).amax(dim=2)


def dense_logsumexp(x, parent, n_classes):
    """The log of the sum over the fine classes that T gives to each coarse class."""
    inside = mapping(parent, n_classes, torch.bool)
    inside = inside.view(1, *inside.shape, *(1,) * (x.ndim - 2))
    return x.unsqueeze(1).masked_fill(~inside, -torch.inf).logsumexp(dim=2)


def dense_sum(x, parent, n_classes):
    """The product with T."""
    return torch.einsum("jk,nk...->nj...", mapping(parent, n_classes, x.dtype), x)


POOLS = [
    (pool_sum, dense_sum),
    (pool_max, dense_max),
    (pool_logsumexp, dense_logsumexp),
]
each_pool = pytest.mark.parametrize(
    ("pool", "dense"), POOLS, ids=["sum", "max", "logsumexp"]
)


def draw(n_classes, tail, dtype=torch.float64, scale=1.0):
    """Random numbers on a class axis, the same every time."""
    generator = torch.Generator().manual_seed(len(tail))
    shape = (8, n_classes, *tail)
    return scale * torch.randn(shape, generator=generator, dtype=dtype)


@each_tail
@each_dtype
def test_lift_equals_transposed_class_mapping(tail, dtype):
    x = draw(N_COARSE, tail, dtype)
    expected = torch.einsum("jk,nj...->nk...", mapping(PARENT, N_COARSE, dtype), x)
    torch.testing.assert_close(lift(x, PARENT), expected, rtol=0, atol=0)


@each_pool
@each_tail
@each_dtype
def test_pool_equals_class_mapping(pool, dense, tail, dtype):
    x = draw(N_FINE, tail, dtype)
    pooled = pool(x, PARENT, N_COARSE)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled, dense(x, PARENT, N_COARSE))


@each_pool
@each_tail
def test_pool_takes_parents_in_any_order(pool, dense, tail):
    parent = torch.tensor([2, 0, 1, 0, 2, 1])
    x = draw(N_FINE, tail)
    torch.testing.assert_close(pool(x, parent, N_COARSE), dense(x, parent, N_COARSE))


@each_pool
@each_tail
def test_pool_takes_strided_tensors(pool, dense, tail):
    x = draw(N_FINE, tail).movedim(1, -1).contiguous().movedim(-1, 1)[::2]
    assert not x.is_contiguous()
    parent = torch.stack([PARENT, PARENT], dim=1)[:, 0]
    assert not parent.is_contiguous()
    torch.testing.assert_close(pool(x, parent, N_COARSE), dense(x, PARENT, N_COARSE))


@each_tail
def test_lift_takes_strided_tensors(tail):
    x = draw(N_COARSE, tail).movedim(1, -1).contiguous().movedim(-1, 1)[::2]
    parent = torch.stack([PARENT, PARENT], dim=1)[:, 0]
    torch.testing.assert_close(lift(x, parent), lift(x.contiguous(), PARENT))


@each_pool
@each_tail
def test_pool_to_same_classes_changes_nothing(pool, dense, tail):
    x = draw(N_FINE, tail)
    torch.testing.assert_close(pool(x, torch.arange(N_FINE), N_FINE), x)


@each_pool
@each_tail
def test_pool_by_cascade_equals_pool_at_once(pool, dense, tail):
    x, above = draw(N_FINE, tail), torch.tensor([0, 0, 1])
    cascade = pool(pool(x, PARENT, N_COARSE), above, 2)
    torch.testing.assert_close(cascade, pool(x, above[PARENT], 2))


@each_tail
def test_pool_sum_keeps_total_of_a_distribution(tail):
    pooled = pool_sum(draw(N_FINE, tail).softmax(dim=1), PARENT, N_COARSE)
    total = pooled.sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total))


@each_tail
def test_pool_logsumexp_is_log_of_pool_sum(tail):
    log_p = draw(N_FINE, tail).log_softmax(dim=1)
    expected = pool_sum(log_p.exp(), PARENT, N_COARSE)
    torch.testing.assert_close(pool_logsumexp(log_p, PARENT, N_COARSE).exp(), expected)


def gradient(function, x, *args):
    """Gradient of a weighted sum of what `function` gives."""
    x = x.clone().requires_grad_()
    y = function(x, *args)
    weight = torch.linspace(1, 2, y.numel(), dtype=x.dtype).view_as(y)
    (y * weight).sum().backward()
    return x.grad


@each_pool
@each_tail
def test_pool_gradient_equals_dense_gradient(pool, dense, tail):
    x = draw(N_FINE, tail)
    torch.testing.assert_close(
        gradient(pool, x, PARENT, N_COARSE), gradient(dense, x, PARENT, N_COARSE)
    )


@each_pool
@each_tail
def test_pool_gradient_equals_dense_gradient_at_ties(pool, dense, tail):
    x = draw(N_FINE, tail).round()
    ties = (x == lift(dense_max(x, PARENT, N_COARSE), PARENT)).sum(dim=1)
    assert (ties > N_COARSE).any()
    torch.testing.assert_close(
        gradient(pool, x, PARENT, N_COARSE), gradient(dense, x, PARENT, N_COARSE)
    )


def test_pool_max_shares_gradient_among_ties():
    x = torch.tensor([[5.0, 5.0, 1.0, 7.0, 7.0, 7.0]], requires_grad=True)
    pool_max(x, PARENT, N_COARSE).sum().backward()
    expected = torch.tensor([[1 / 2, 1 / 2, 1.0, 1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(x.grad, expected)


@each_pool
@each_tail
def test_pool_gradient_equals_finite_differences(pool, dense, tail):
    x = draw(N_FINE, tail)[:2].requires_grad_()
    assert gradcheck(lambda x: pool(x, PARENT, N_COARSE), (x,))


@each_tail
def test_lift_gradient_equals_finite_differences(tail):
    x = draw(N_COARSE, tail)[:2].requires_grad_()
    assert gradcheck(lambda x: lift(x, PARENT), (x,))


@each_pool
@each_tail
@each_dtype
def test_pool_stays_exact_at_extreme_logits(pool, dense, tail, dtype):
    x = draw(N_FINE, tail, dtype, scale=1e4)
    original = dense(x.double(), PARENT, N_COARSE)
    pooled = pool(x, PARENT, N_COARSE)
    assert torch.isfinite(pooled).all()
    torch.testing.assert_close(pooled.double(), original, rtol=1e-6, atol=1e-2)
    torch.testing.assert_close(
        pool(x.double(), PARENT, N_COARSE), original, rtol=0, atol=1e-6
    )


def test_pool_logsumexp_stays_finite_between_extremes():
    x = torch.tensor([[1e4, -1e4, -1e4, -1e4, -1e4, 1e4]], requires_grad=True)
    pooled = pool_logsumexp(x, PARENT, N_COARSE)
    torch.testing.assert_close(pooled, torch.tensor([[1e4, -1e4, 1e4]]))
    pooled.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[1.0, 0, 1, 0, 0, 1]]))


@each_tail
def test_pool_logsumexp_ignores_impossible_classes(tail):
    x = draw(N_FINE, tail)
    x[:, 0] = -torch.inf
    x[:, 2] = -torch.inf
    pooled = pool_logsumexp(x, PARENT, N_COARSE)
    torch.testing.assert_close(pooled[:, 0], x[:, 1])
    assert (pooled[:, 1] == -torch.inf).all()
    torch.testing.assert_close(pooled[:, 2], x[:, 3:].logsumexp(dim=1))


def test_pool_logsumexp_gives_impossible_classes_no_gradient():
    x = torch.tensor([[0.0, -torch.inf, -torch.inf, 1.0, 1.0, -torch.inf]])
    x.requires_grad_()
    pool_logsumexp(x, PARENT, N_COARSE).exp().sum().backward()
    e = torch.e
    torch.testing.assert_close(x.grad, torch.tensor([[1.0, 0, 0, e, e, 0]]))


def random_parent(n_fine, n_coarse, generator):
    """A parent map over neighbouring classes; no coarse class is empty."""
    cuts = torch.randperm(n_fine - 1, generator=generator)[: n_coarse - 1] + 1
    starts = torch.zeros(n_fine, dtype=torch.int64)
    starts[cuts] = 1
    return starts.cumsum(dim=0)


@each_tail
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_fine=st.integers(2, 12),
    scale=st.sampled_from([0.1, 1.0, 30.0, 1e4]),
    data=st.data(),
)
def test_pool_max_preserves_range(tail, seed, n_fine, scale, data):
    """The proposition of Sec. 3.4: T[v, u] = 1 for the two most likely classes."""
    n_coarse = data.draw(st.integers(1, n_fine))
    generator = torch.Generator().manual_seed(seed)
    parent = random_parent(n_fine, n_coarse, generator)
    logits = scale * torch.randn(16, n_fine, *tail, generator=generator)
    u = logits.argmax(dim=1)
    v = pool_max(logits, parent, n_coarse).softmax(dim=1).argmax(dim=1)
    assert mapping(parent, n_coarse, torch.bool)[v, u].all()


def test_pool_sum_breaks_range_in_counterexample():
    """Fig. 2: the sum prefers the left range, the most likely class is in the right."""
    p = torch.tensor([[0.20, 0.20, 0.20, 0.25, 0.15]])
    parent = torch.tensor([0, 0, 0, 1, 1])
    u = p.argmax(dim=1)
    assert parent[u] == 1
    torch.testing.assert_close(pool_sum(p, parent, 2), torch.tensor([[0.6, 0.4]]))
    assert pool_sum(p, parent, 2).argmax(dim=1) == 0
    assert pool_max(p, parent, 2).argmax(dim=1) == 1
    assert pool_max(p.log(), parent, 2).argmax(dim=1) == 1
