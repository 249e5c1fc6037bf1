"""DC-regression: its formula written out, and what it forgives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sk_hca.binning import LinearBinner
from sk_hca.losses import DCRegression, discrete_constrained_loss

EDGES = torch.tensor([-2.0, -0.5, 0.0, 1.0, 2.0], dtype=torch.float64)


def draw(*shape, seed=0):
    """Normal numbers, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def written_out(pred, target, weight):
    """Compute the loss target by target."""
    rows = [x.flatten().tolist() for x in (pred, target, weight)]
    rows = list(zip(*rows, strict=True))
    inner = EDGES[1:-1].numpy()
    bias = sum(w * (p - y) for p, y, w in rows)
    sums = {"wrong": [0.0, 0.0], "biased": [0.0, 0.0]}
    for p, y, w in rows:
        is_wrong = np.searchsorted(inner, p) != np.searchsorted(inner, y)
        for name, counts in (("wrong", is_wrong), ("biased", (p - y) * bias > 0)):
            sums[name][0] += counts * w * abs(p - y)
            sums[name][1] += counts * w
    return sum(total / share for total, share in sums.values() if share)


@pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
@pytest.mark.parametrize("seed", range(4))
def test_loss_equals_its_formula(seed, tail):
    pred, target = draw(6, *tail, seed=seed), draw(6, *tail, seed=seed + 10)
    weight = (draw(6, *tail, seed=seed + 20).exp()).round()
    loss = discrete_constrained_loss(pred, target, EDGES, weight)
    assert loss.item() == pytest.approx(written_out(pred, target, weight))
    ones = torch.ones_like(pred)
    assert discrete_constrained_loss(pred, target, EDGES).item() == pytest.approx(
        written_out(pred, target, ones)
    )


def test_right_interval_is_forgiven_where_the_batch_has_no_bias():
    target = torch.tensor([0.25, 0.75])
    loss = discrete_constrained_loss(torch.tensor([0.5, 0.5]), target, EDGES.float())
    assert loss == 0


def test_drift_to_one_side_is_not_forgiven():
    pred = torch.tensor([0.5, 0.75], requires_grad=True)
    target = torch.tensor([0.25, 0.875])
    loss = discrete_constrained_loss(pred, target, EDGES.float())
    assert loss == 0.25
    loss.backward()
    assert pred.grad.tolist() == [1.0, 0.0]


def test_weight_counts_as_repetitions():
    pred, target = draw(8), draw(8, seed=1)
    weight = torch.arange(8) % 3
    repeated = [x.repeat_interleave(weight) for x in (pred, target)]
    torch.testing.assert_close(
        discrete_constrained_loss(pred, target, EDGES, weight),
        discrete_constrained_loss(*repeated, EDGES),
    )


@settings(max_examples=60)
@given(
    pairs=arrays.arrays(
        np.float64,
        st.tuples(st.just(2), st.integers(1, 6)),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_batch_has_a_finite_loss_and_gradient(pairs, dtype):
    pred, target = (torch.tensor(row, dtype=dtype) for row in pairs)
    loss = discrete_constrained_loss(pred.requires_grad_(), target, EDGES.to(dtype))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pred.grad).all()


def test_recipe_cuts_in_the_unit_of_the_data():
    y = np.arange(101.0)
    criterion = DCRegression(LinearBinner(4)).criterion(y, None, 50.0, 10.0)
    assert criterion.edges.tolist() == [-5.0, -2.5, 0.0, 2.5, 5.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_target_on_a_border_belongs_to_the_interval_below(dtype):
    """In standardised units too, where a border is rounded as its targets are."""
    edges = np.linspace(0.0, 1.0, 12)
    center, scale = 0.1234567, 0.7654321
    criterion = DCRegression(edges).criterion(edges, None, center, scale).to(dtype)
    border = torch.tensor((edges - center) / scale).to(dtype)[1:-1]
    index = torch.bucketize(border, criterion.edges[1:-1])
    assert index.tolist() == list(range(10))


@pytest.mark.parametrize("shape", [(3, 1), (1,)], ids=str)
def test_weights_of_another_shape_are_refused(shape):
    edges = torch.tensor([0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"shape of the targets, \(3,\); got \("):
        discrete_constrained_loss(
            torch.zeros(3), torch.ones(3), edges, torch.ones(shape)
        )
