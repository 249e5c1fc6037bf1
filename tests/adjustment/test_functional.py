"""Add, mul, range and marginal against the dense class mapping T."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from sk_hca.adjustment import adjust_add, adjust_marginal, adjust_mul, adjust_range

PARENTS = [torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 2, 2])]
SIZES = [2, 3, 5]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw(tail, scale=1.0, dtype=torch.float64):
    """Log-probabilities of every level, the same every time."""
    generator = torch.Generator().manual_seed(len(tail))
    return [
        (
            scale * torch.randn(16, size, *tail, generator=generator, dtype=dtype)
        ).log_softmax(dim=1)
        for size in SIZES
    ]


def mapping(parent, n_classes):
    """The dense T of the paper, ``T[j, k] == (parent[k] == j)``."""
    return one_hot(parent, n_classes).T.double()


def up(x, parent):
    """The product with the transposed T."""
    return torch.einsum("jk,nj...->nk...", mapping(parent, x.shape[1]), x)


def down(x, parent, n_classes):
    """The product with T."""
    return torch.einsum("jk,nk...->nj...", mapping(parent, n_classes), x)


@each_tail
def test_add_equals_sum_of_lifted_probabilities(tail):
    first, second, finest = probs = [log_p.exp() for log_p in draw(tail)]
    expected = up(first, PARENTS[0]) + up(second, PARENTS[1]) + finest
    torch.testing.assert_close(adjust_add(probs, PARENTS), expected)


@each_tail
def test_mul_equals_product_of_lifted_probabilities(tail):
    log_probs = draw(tail)
    first, second, finest = [log_p.exp() for log_p in log_probs]
    expected = up(first, PARENTS[0]) * up(second, PARENTS[1]) * finest
    torch.testing.assert_close(adjust_mul(log_probs, PARENTS).exp(), expected)


@pytest.mark.parametrize("adjust", [adjust_add, adjust_mul])
@each_tail
def test_sum_leaves_levels_unchanged(adjust, tail):
    levels = draw(tail)
    before = [log_p.clone() for log_p in levels]
    adjust(levels, PARENTS)
    for log_p, kept in zip(levels, before, strict=True):
        torch.testing.assert_close(log_p, kept, rtol=0, atol=0)


def test_mul_does_not_underflow_in_single_precision():
    log_probs = draw((), scale=200.0, dtype=torch.float32)
    scores = adjust_mul(log_probs, PARENTS)
    assert torch.isfinite(scores).all()
    original = adjust_mul([log_p.double() for log_p in log_probs], PARENTS)
    torch.testing.assert_close(scores.double(), original, rtol=1e-6, atol=1e-5)


@each_tail
def test_range_equals_masked_and_normalised_probabilities(tail):
    coarse, _, finest = draw(tail)
    chosen = one_hot(coarse.argmax(dim=1), 2).movedim(-1, 1).double()
    masked = finest.exp() * up(chosen, PARENTS[0])
    expected = masked / masked.sum(dim=1, keepdim=True)
    log_p = adjust_range([coarse, finest], PARENTS[0])
    torch.testing.assert_close(log_p.exp(), expected)
    assert (log_p[masked == 0] == -torch.inf).all()


def test_range_excludes_most_likely_class_outside_it():
    coarse = torch.tensor([[0.6, 0.4]]).log()
    finest = torch.tensor([[0.1, 0.2, 0.1, 0.5, 0.1]]).log()
    assert adjust_range([coarse, finest], PARENTS[0]).argmax(dim=1) == 1


@each_tail
def test_marginal_equals_reweighting_written_out(tail):
    log_probs = draw(tail)
    first, second, p = [log_p.exp() for log_p in log_probs]
    p = p * up(second / down(p, PARENTS[1], 3), PARENTS[1])
    p = p * up(first / down(p, PARENTS[0], 2), PARENTS[0])
    torch.testing.assert_close(adjust_marginal(log_probs, PARENTS).exp(), p)


@each_tail
def test_marginal_sums_to_coarsest_prediction(tail):
    log_probs = draw(tail, scale=3.0)
    p = adjust_marginal(log_probs, PARENTS).exp()
    torch.testing.assert_close(down(p, PARENTS[0], 2), log_probs[0].exp())


@each_tail
def test_marginal_keeps_shares_of_finer_levels_inside_coarse_class(tail):
    log_probs = draw(tail)
    p = adjust_marginal(log_probs, PARENTS).exp()
    second = log_probs[1].exp()
    pooled = down(p, PARENTS[1], 3)
    torch.testing.assert_close(pooled[:, 0] / pooled[:, 1], second[:, 0] / second[:, 1])
    finest = log_probs[-1].exp()
    torch.testing.assert_close(p[:, 3] / p[:, 4], finest[:, 3] / finest[:, 4])


@each_tail
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_marginal_stays_a_distribution_at_any_scale(tail, scale, dtype):
    log_p = adjust_marginal(draw(tail, scale, dtype), PARENTS)
    assert torch.isfinite(log_p).all()
    total = log_p.exp().sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=5e-3)


@each_tail
def test_marginal_changes_nothing_when_levels_agree(tail):
    finest = draw(tail)[-1]
    coarse = [
        down(finest.exp(), parent, size).log()
        for parent, size in zip(PARENTS, SIZES, strict=False)
    ]
    torch.testing.assert_close(adjust_marginal([*coarse, finest], PARENTS), finest)


@pytest.mark.parametrize("adjust", [adjust_add, adjust_mul, adjust_marginal])
def test_single_level_is_left_alone(adjust):
    finest = draw(())[-1]
    torch.testing.assert_close(adjust([finest], []), finest, rtol=0, atol=0)


@pytest.mark.parametrize("adjust", [adjust_add, adjust_mul, adjust_marginal])
def test_levels_without_their_maps_are_refused(adjust):
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        adjust(draw(()), PARENTS[:1])


@pytest.fixture
def oracle(load_oracle):
    """Logits and maps that the authors' release was run on, and what it gave."""
    numbers = load_oracle("hca_adjustment.npz")
    names = [f"coarse_logits_{h}" for h in range(1, 7)] + ["fine_logits"]
    levels = [torch.from_numpy(numbers[name]) for name in names]
    parents = [torch.from_numpy(numbers[f"parent_{h}"]) for h in range(1, 7)]
    return levels, parents, numbers


def test_add_equals_release(oracle):
    levels, parents, expected = oracle
    scores = adjust_add([logits.softmax(dim=1) for logits in levels], parents)
    np.testing.assert_allclose(scores, expected["add"], rtol=1e-5)


def test_mul_equals_release(oracle):
    levels, parents, expected = oracle
    scores = adjust_mul([logits.log_softmax(dim=1) for logits in levels], parents)
    np.testing.assert_allclose(scores.exp(), expected["mul"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("adjust", [adjust_add, adjust_mul, adjust_marginal])
def test_levels_need_not_be_nested_nor_full(adjust):
    """Maps of one's own: not nested, or with a last coarse class that is empty."""
    not_nested = [torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])]
    last_is_empty = [torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 1])]
    generator = torch.Generator().manual_seed(0)
    for parents, sizes in ((not_nested, (2, 2, 4)), (last_is_empty, (2, 3, 4))):
        logits = [
            torch.randn(5, c, generator=generator, dtype=torch.float64) for c in sizes
        ]
        levels = [z.log_softmax(dim=1) for z in logits]
        if adjust is adjust_marginal:
            p = levels[-1].exp()
            for coarse, parent in zip(levels[1::-1], parents[::-1], strict=True):
                T = torch.eye(coarse.shape[1], dtype=torch.float64)[parent].T
                ratio = coarse.exp() / (p @ T.T).clamp_min(1e-300)
                p = p * (ratio @ T)
            expected = p.log()
        else:
            lifted = [z[:, m] for z, m in zip(levels[:-1], parents, strict=True)]
            expected = levels[-1] + sum(lifted)
        torch.testing.assert_close(adjust(levels, parents), expected)
