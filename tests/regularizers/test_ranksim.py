"""RankSim against its loop and the authors' numbers, and where it degenerates."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from torch.nn.functional import normalize

from sk_hca.regularizers import PENALTIES, RankSim, make_penalty, ranksim_penalty


def seed(number):
    """A generator of its own."""
    return torch.Generator().manual_seed(number)


def make_batch(n=12, d=6, dtype=torch.float64):
    """Features that take gradients, and targets that are all different."""
    features = torch.randn(n, d, generator=seed(0), dtype=dtype)
    return features.requires_grad_(), torch.randperm(n, generator=seed(1)).double()


def ranks_of(row):
    """Rank one row, the largest first; of equals the later one comes first."""
    order = sorted(range(len(row)), key=lambda j: (-row[j], -j))
    ranks = torch.empty_like(row)
    for place, j in enumerate(order, start=1):
        ranks[j] = place / len(row)
    return ranks


def penalty_and_gradient(features, y, interpolation):
    """Loop over the rows; the gradient is that of the equation, written out."""
    n = len(y)
    similarity = normalize(features) @ normalize(features).t()
    loss, at_similarity = 0.0, torch.zeros_like(similarity)
    for i in range(n):
        ranks = ranks_of(similarity[i].detach())
        gap = ranks - ranks_of(-(y[i] - y).abs())
        loss += (gap**2).mean()
        moved = ranks_of(similarity[i].detach() + interpolation * 2 * gap / n)
        at_similarity[i] = -(ranks - moved) / (interpolation + 1e-8)
    return loss, torch.autograd.grad(similarity, features, at_similarity)[0]


def test_penalty_reproduces_the_authors_numbers(load_oracle):
    oracle = load_oracle("ranksim.npz")
    features = torch.tensor(oracle["features"], requires_grad=True)
    y = torch.tensor(oracle["targets"][:, 0])
    loss = ranksim_penalty(features, y, float(oracle["interpolation"]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), oracle["loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(features.grad, oracle["grad"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("interpolation", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("n", [2, 3, 12, 40])
def test_penalty_equals_the_loop_over_rows(n, interpolation):
    features, y = make_batch(n)
    loss = ranksim_penalty(features, y, interpolation)
    expected, gradient = penalty_and_gradient(features, y, interpolation)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, features)[0], gradient)


def test_penalty_is_zero_where_ranks_agree():
    angle = torch.tensor([0.0, 0.1, 0.37, 1.1, 1.5], dtype=torch.float64)
    features = torch.stack([angle.cos(), angle.sin()], dim=1).requires_grad_()
    loss = ranksim_penalty(features, angle)
    loss.backward()
    assert loss == 0
    assert not features.grad.any()


def test_penalty_falls_as_it_is_minimised():
    features, y = make_batch(32, d=8)
    features = features.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([features], lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = 30 * ranksim_penalty(features, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def test_one_sample_of_every_target_is_drawn():
    features, y = make_batch(40)
    y = y % 7
    loss = ranksim_penalty(features, y, generator=seed(0))
    loss.backward()
    is_drawn = features.grad.any(dim=1)
    assert sorted(y[is_drawn].tolist()) == list(range(7))
    drawn = features.detach()[is_drawn]
    torch.testing.assert_close(loss.detach(), ranksim_penalty(drawn, y[is_drawn]))


def test_draws_give_every_sample_its_chance():
    features, y = make_batch(8, d=16)
    y = torch.tensor([0, 0, 0, 0, 1, 2, 3, 4]).double()
    counts = torch.zeros(8)
    for number in range(400):
        (grad,) = torch.autograd.grad(
            ranksim_penalty(features, y, generator=seed(number)), features
        )
        counts += grad.any(dim=1)
    assert (counts[:4] / 400).sub(0.25).abs().max() < 0.08


def test_generator_makes_draws_repeatable():
    features, y = make_batch(40)
    state = torch.random.get_rng_state()
    losses = [
        ranksim_penalty(features, y % 8, generator=seed(number)).item()
        for number in (0, 0, 1, 2, 3)
    ]
    assert losses[0] == losses[1]
    assert len(set(losses)) > 2
    assert torch.equal(torch.random.get_rng_state(), state)


def test_maps_are_averaged():
    features = torch.randn(10, 4, 3, 2, generator=seed(0), dtype=torch.float64)
    y = torch.randn(10, 3, 2, generator=seed(1), dtype=torch.float64)
    expected = ranksim_penalty(features.mean(dim=(2, 3)), y.mean(dim=(1, 2)))
    torch.testing.assert_close(ranksim_penalty(features, y), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("tail", [(), (3,)], ids=["table", "map"])
def test_targets_may_be_of_any_type(dtype, tail):
    features = torch.randn(12, 4, *tail, generator=seed(0))
    y = torch.randint(0, 90, (12, *tail), generator=seed(1))
    expected = ranksim_penalty(features, y.float(), generator=seed(2))
    actual = ranksim_penalty(features, y.to(dtype), generator=seed(2))
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        RankSim(1.0)(features, y.to(dtype)), RankSim(1.0)(features, y.float())
    )


def test_short_features_are_compared_in_float32():
    features, y = make_batch(dtype=torch.bfloat16)
    loss = ranksim_penalty(features, y)
    loss.backward()
    torch.testing.assert_close(loss, ranksim_penalty(features.float(), y))
    assert features.grad.dtype == torch.bfloat16


def test_autocast_does_not_shorten_the_similarities():
    features, y = make_batch(40, dtype=torch.float32)
    expected = ranksim_penalty(features, y % 7, generator=seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        actual = ranksim_penalty(features, y % 7, generator=seed(0))
    assert torch.equal(actual, expected)


def test_missing_places_of_maps_are_left_out():
    features = torch.randn(5, 4, 3, generator=seed(0), dtype=torch.float64)
    y = torch.randn(5, 3, generator=seed(1), dtype=torch.float64)
    weight = torch.tensor([1.0, 1.0, 0.0]).expand(5, 3).clone()
    y[:, 2] = torch.nan
    weight[4] = 0
    expected = RankSim(1.0)(features[:4, :, :2], y[:4, :2])
    torch.testing.assert_close(RankSim(1.0)(features, y, weight), expected)


@pytest.mark.parametrize("tail", [(), (2,)], ids=["table", "map"])
def test_recipe_takes_weights_for_repetitions(tail):
    features = torch.randn(20, 4, *tail, generator=seed(0), dtype=torch.float64)
    y = torch.randint(0, 5, (20, *tail), generator=seed(1)).double()
    n_times = torch.randint(0, 3, (20,), generator=seed(2))
    repeated = n_times.repeat_interleave(n_times)
    assert len(repeated) > 10
    rows = torch.arange(20).repeat_interleave(n_times).flip(0)
    weight = n_times.double().view(-1, *[1] * len(tail)).expand_as(y)
    expected = RankSim(1.0)(features[rows], y[rows])
    torch.testing.assert_close(RankSim(1.0)(features, y, weight), expected)


def test_recipe_weighs_the_penalty():
    features, y = make_batch()
    plain = RankSim(gamma=1.0, interpolation=0.5)(features, y)
    torch.testing.assert_close(RankSim(3.0, interpolation=0.5)(features, y), 3 * plain)


@given(
    n=st.integers(0, 9),
    n_distinct=st.integers(1, 4),
    scale=st.sampled_from([0.0, 1e-30, 1e-8, 1.0, 1e15]),
    kept=st.sampled_from([0.0, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    number=st.integers(0, 9),
)
def test_degenerate_batches_give_finite_numbers(
    n, n_distinct, scale, kept, dtype, number
):
    """Empty, single, all of one target, all zero, without one dimension."""
    features = torch.randn(n, 3, generator=seed(number), dtype=dtype) * scale
    features[:, 0] *= kept
    features[: n // 2] *= kept
    features.requires_grad_()
    y = torch.randint(0, n_distinct, (n,), generator=seed(number)).double()
    loss = ranksim_penalty(features, y, generator=seed(number))
    loss.backward()
    assert loss.isfinite()
    assert features.grad.isfinite().all()
    if len(y.unique()) < 2:
        assert loss == 0


@pytest.mark.parametrize(
    ("shape", "targets"), [((4, 2), (4, 1)), ((4,), (4,)), ((4, 2, 3), (4, 2))]
)
def test_shapes_that_do_not_match_are_refused(shape, targets):
    with pytest.raises(ValueError, match=r"features must have shape \(N, d, \*S\)"):
        ranksim_penalty(torch.zeros(shape), torch.zeros(targets))


@pytest.mark.parametrize("interpolation", [0, -1.0, float("nan")])
def test_interpolation_must_be_positive(interpolation):
    with pytest.raises(ValueError, match="interpolation must be positive"):
        ranksim_penalty(torch.zeros(2, 2), torch.zeros(2), interpolation)


def test_alias_and_object_give_recipes():
    assert set(PENALTIES) == {"ranksim"}
    assert isinstance(make_penalty("ranksim"), RankSim)
    recipe = RankSim(gamma=5.0)
    assert make_penalty(recipe) is not recipe
    assert clone(recipe).gamma == 5.0
    with pytest.raises(ValueError, match="penalty must be one of 'ranksim' or a Base"):
        make_penalty("ranksin")
    with pytest.raises(ValueError, match="gamma"):
        make_penalty(RankSim(gamma=-1.0))


@pytest.mark.parametrize("thing", [RankSim, ranksim_penalty])
def test_patent_application_is_told(thing):
    assert "20230214651" in thing.__doc__


@pytest.mark.cuda
def test_devices_agree():
    features, y = make_batch(40)
    expected = ranksim_penalty(features, y)
    actual = ranksim_penalty(features.cuda(), y.cuda())
    torch.testing.assert_close(actual.cpu(), expected)
