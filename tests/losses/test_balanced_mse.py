"""Balanced MSE: the released values, the formulas written out, and hard batches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sk_hca.losses import (
    BalancedMSE,
    _balanced_mse,
    batch_monte_carlo,
    binned_integration,
    gaussian_mixture_integration,
)

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw(*shape, seed=0):
    """Normal numbers, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def mixture(n=3):
    """A density of three components."""
    return draw(n, seed=1), draw(n, seed=2).exp(), draw(n, seed=3).softmax(dim=0)


def integrate(pred, target, sigma, form="gai", weight=None):
    """Call one of the three forms."""
    if form == "bmc":
        return batch_monte_carlo(pred, target, sigma, weight)
    means, variances, shares = (part.to(pred.dtype) for part in mixture())
    if form == "bni":
        return binned_integration(pred, target, sigma, means, shares, weight)
    return gaussian_mixture_integration(
        pred, target, sigma, means, variances, shares, weight
    )


each_form = pytest.mark.parametrize("form", ["bmc", "gai", "bni"])


# ------------------------------------------------------------------------- the oracle

RELEASED = {
    "bmc": (batch_monte_carlo, ()),
    "gai": (
        gaussian_mixture_integration,
        ("gmm_means", "gmm_variances", "gmm_weights"),
    ),
    "bni": (binned_integration, ("bucket_centers", "bucket_weights")),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("form", RELEASED)
def test_loss_and_gradient_match_the_release(load_oracle, form, dtype):
    oracle = load_oracle("balanced_mse.npz")
    function, names = RELEASED[form]
    density = [torch.tensor(oracle[name], dtype=dtype) for name in names]
    pred = torch.tensor(oracle["pred"], dtype=dtype, requires_grad=True)
    target = torch.tensor(oracle["target"], dtype=dtype)
    loss = function(pred, target, float(oracle["noise_sigma"]), *density)
    loss.backward()
    assert loss.item() == pytest.approx(float(oracle[form]), abs=1e-6)
    np.testing.assert_allclose(pred.grad, oracle[f"{form}_grad"], rtol=0, atol=1e-6)


# -------------------------------------------------------------- formulas written out


def written_out(pred, target, sigma, form):
    """Compute the likelihood ratio of the three forms, number by number."""
    means, variances, shares = (part.tolist() for part in mixture())
    pred, target = pred.flatten().tolist(), target.flatten().tolist()
    losses = []
    for p, y in zip(pred, target, strict=True):
        if form == "bmc":
            terms = [math.exp(-((p - t) ** 2) / (2 * sigma**2)) for t in target]
            own = math.exp(-((p - y) ** 2) / (2 * sigma**2))
        else:
            own = math.exp(-((p - y) ** 2) / (2 * sigma**2)) / sigma
            terms = []
            for mean, variance, share in zip(means, variances, shares, strict=True):
                spread = sigma**2 + (variance if form == "gai" else 0.0)
                bell = math.exp(-((p - mean) ** 2) / (2 * spread)) / math.sqrt(spread)
                terms.append(share * bell)
        losses.append(-math.log(own / sum(terms)))
    return 2 * sigma**2 * sum(losses) / len(losses)


@each_tail
@each_form
def test_loss_is_the_likelihood_on_balanced_data(form, tail):
    pred, target = draw(5, *tail), draw(5, *tail, seed=4)
    loss = integrate(pred, target, 0.7, form)
    assert loss.item() == pytest.approx(written_out(pred, target, 0.7, form))


@each_tail
@each_form
def test_weight_counts_as_repetitions(form, tail):
    pred, target = draw(6, *tail), draw(6, *tail, seed=4)
    weight = torch.arange(pred.numel()).view_as(pred) % 3
    times = weight.flatten()
    repeated = [x.flatten().repeat_interleave(times) for x in (pred, target)]
    torch.testing.assert_close(
        integrate(pred, target, 0.7, form, weight), integrate(*repeated, 0.7, form)
    )


@each_form
def test_noise_is_learned_by_its_likelihood_only(form):
    """The factor of twice the variance gives the noise no gradient."""
    pred, target = draw(6), draw(6, seed=4)
    sigma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    integrate(pred, target, sigma, form).backward()

    def likelihood(s):
        return written_out(pred, target, s, form) / (2 * s**2)

    slope = (likelihood(0.7 + 1e-6) - likelihood(0.7 - 1e-6)) / 2e-6
    assert sigma.grad.item() == pytest.approx(2 * 0.49 * slope, rel=1e-5)


def test_best_answer_leans_to_the_rare_side():
    """One input, nine targets of 0 and one of 1: balanced data would say 1/2."""
    target = torch.tensor([0.0] * 9 + [1.0], dtype=torch.float64)
    p = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        batch_monte_carlo(p.expand(10), target, 1.0).backward()
        optimizer.step()
    probability = 1 / (1 + math.exp(0.5 - p.item()))
    assert p.item() > target.mean() + 0.3
    # What the model says of balanced data, times how common each target is, is right.
    assert 0.1 * probability / (
        0.1 * probability + 0.9 * (1 - probability)
    ) == pytest.approx(0.1, abs=0.02)


# ------------------------------------------------------------------- many, and missing


def test_large_batches_are_compared_in_groups(monkeypatch):
    pred, target = draw(5, 4, 2).requires_grad_(), draw(5, 4, 2, seed=4)
    weight = draw(5, 4, 2, seed=5).exp()
    monkeypatch.setattr(_balanced_mse, "MOST_COMPARED", 15)
    loss = batch_monte_carlo(pred, target, 0.7, weight)
    (grad,) = torch.autograd.grad(loss, pred)
    flat = [x.flatten() for x in (pred, target, weight)]
    expected = sum(
        batch_monte_carlo(*(x[g::3] for x in flat[:2]), 0.7, flat[2][g::3])
        * flat[2][g::3].sum()
        for g in range(3)
    )
    expected = expected / weight.sum()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grad, torch.autograd.grad(expected, pred)[0])


def test_comparison_of_a_large_batch_is_not_kept():
    """Of 6,400 targets; all at once would be 41 million numbers."""
    sizes = []

    def note(tensor):
        sizes.append(tensor.numel())
        return tensor

    pred = draw(4, 40, 40).float().requires_grad_()
    target = draw(4, 40, 40, seed=4).float()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = batch_monte_carlo(pred, target, 0.5)
    assert max(sizes) <= pred.numel()
    loss.backward()
    assert torch.isfinite(pred.grad).all()
    assert pred.grad.any()


@each_form
def test_missing_targets_are_left_out(form):
    pred, target = draw(6, 2).requires_grad_(), draw(6, 2, seed=4)
    weight = (torch.arange(12).view(6, 2) % 3 > 0).double()
    loss = integrate(pred, torch.where(weight > 0, target, 1e9), 0.7, form, weight)
    kept = integrate(pred[weight > 0], target[weight > 0], 0.7, form)
    torch.testing.assert_close(loss, kept)
    (grad,) = torch.autograd.grad(loss, pred)
    assert (grad[weight == 0] == 0).all()


@each_form
def test_batch_without_any_target_loses_nothing(form):
    pred = draw(3, 2).requires_grad_()
    loss = integrate(pred, torch.zeros(3, 2).double(), 0.7, form, torch.zeros(3, 2))
    loss.backward()
    assert loss == 0
    assert (pred.grad == 0).all()


# -------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("n", [0, 1])
def test_batch_of_one_is_refused(n):
    with pytest.raises(ValueError, match=f"needs two at least; this batch has {n}"):
        batch_monte_carlo(torch.zeros(n), torch.zeros(n), 1.0)


@each_form
def test_shapes_that_would_broadcast_are_refused(form):
    with pytest.raises(ValueError, match=r"of one shape; got \(4, 1\) and \(4,\)"):
        integrate(draw(4, 1), draw(4), 1.0, form)


@each_form
@pytest.mark.parametrize("shape", [(4, 2), (2, 1), (2,)], ids=str)
def test_weights_of_another_shape_are_refused(form, shape):
    with pytest.raises(ValueError, match=r"shape of the targets, \(2, 4\); got \("):
        integrate(draw(2, 4), draw(2, 4), 1.0, form, torch.ones(shape))


def test_batch_with_a_single_weighted_target_teaches_nothing():
    pred, weight = draw(4).requires_grad_(), torch.eye(4)[1]
    loss = batch_monte_carlo(pred, draw(4, seed=1), 1.0, weight)
    loss.backward()
    assert loss == 0
    assert not pred.grad.any()


@each_form
@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_noise_that_is_not_positive_is_refused(form, sigma):
    with pytest.raises(ValueError, match="noise_sigma must be positive; got"):
        integrate(draw(4), draw(4), sigma, form)


NUMBERS = st.floats(-1e6, 1e6, width=32)


@each_form
@settings(max_examples=60)
@given(
    pairs=arrays.arrays(
        np.float64, st.tuples(st.just(2), st.integers(2, 9)), elements=NUMBERS
    ),
    sigma=st.floats(1e-3, 1e3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_batch_has_a_finite_loss_and_gradient(form, pairs, sigma, dtype):
    pred, target = (torch.tensor(row, dtype=dtype) for row in pairs)
    noise = torch.tensor(sigma, dtype=dtype, requires_grad=True)
    loss = integrate(pred.requires_grad_(), target, noise, form)
    loss.backward()
    for number in (loss, pred.grad, noise.grad):
        assert torch.isfinite(number).all()


# -------------------------------------------------------------------------- criterion


class Output:
    """What a location head gives."""

    def __init__(self, location):
        self.location = location


@each_form
def test_criterion_measures_the_density_in_standardised_units(form):
    y = np.random.default_rng(0).gamma(2.0, 10.0, size=300)
    pred, target = draw(20), draw(20, seed=4)
    recipe = BalancedMSE(form, noise_sigma=0.6, n_components=3, n_bins=10)
    plain = recipe.criterion((y - y.mean()) / y.std(), None, 0.0, 1.0)
    scaled = recipe.criterion(y, None, y.mean(), y.std())
    assert plain(Output(pred), target).item() == pytest.approx(
        scaled(Output(pred), target).item(), rel=1e-4
    )


@each_form
def test_criterion_averages_over_the_targets_that_count(form):
    pred, target = draw(20, 2), draw(20, 2, seed=4)
    weight = draw(20, 2, seed=5).exp()
    recipe = BalancedMSE(form, noise_sigma=0.6)
    criterion = recipe.criterion(draw(50, seed=6).numpy(), None, 0.0, 1.0)
    times = torch.ones(20, 2) + (torch.arange(40).view(20, 2) % 2)
    twice = [
        x.flatten().repeat_interleave(times.long().flatten()) for x in (pred, target)
    ]
    torch.testing.assert_close(
        criterion(Output(pred), target, times), criterion(Output(twice[0]), twice[1])
    )
    assert torch.isfinite(criterion(Output(pred), target, weight))


def test_noise_stays_within_its_limits():
    criterion = BalancedMSE().criterion(np.arange(4.0), None, 0.0, 1.0)
    for log_sigma, sigma in ((1e30, 1e3), (-1e30, 1e-3)):
        criterion.noise.log_sigma.data.fill_(log_sigma)
        assert criterion.noise.variance().item() == pytest.approx(sigma**2)


def test_noise_that_is_not_learned_has_no_gradient():
    recipe = BalancedMSE(learn_noise=False)
    criterion = recipe.criterion(np.arange(4.0), None, 0.0, 1.0)
    loss = criterion(Output(draw(4).requires_grad_()), draw(4, seed=4))
    loss.backward()
    assert not any(p.requires_grad for p in criterion.parameters())
