"""Feature smoothing: statistics, formula and order against loops and the release."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sk_hca.base import smoothing_window
from sk_hca.regularizers import (
    FDS,
    SMOOTHERS,
    FeatureSmoothing,
    calibrate_features,
    fill_empty_bins,
    make_smoother,
    smooth_along_bins,
)

# The release's 30 buckets of whole numbers, 0 to 29.
BUCKETS = np.arange(31) - 0.5
WINDOW = torch.tensor(smoothing_window("gaussian", 5, 2, normalize="sum"))


@pytest.fixture
def epochs(load_oracle):
    """The four epochs of the release, and the bucket of every label or -1."""
    oracle = load_oracle("fds_smoothing.npz")
    names = ("features", "labels", "smoothed", "running_mean", "running_var")
    found = []
    for epoch in range(4):
        parts = [torch.tensor(oracle[f"{name}_{epoch}"]).double() for name in names]
        labels = parts[1][:, 0]
        # Larger labels are ignored, unless the last bucket has a label of its own.
        has_last = bool((labels == 29).any())
        larger = 29.0 if has_last else -1.0
        bucket = torch.where(labels > 29, larger, labels).long()
        found.append((*parts, bucket))
    return found


def make_smoothing(n_features=2, n_bins=4, **params):
    """Feature smoothing over whole numbers, from 0 to one less than `n_bins`."""
    return FeatureSmoothing(n_features, np.arange(n_bins + 1) - 0.5, **params)


def make_batch(n=40, n_features=2, n_bins=4):
    """Features and targets of every bin."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n, n_features, generator=generator, dtype=torch.float64)
    y = torch.arange(n).double() % n_bins
    return features + y.unsqueeze(1) ** 2, y


def train_epoch(smoothing, features, y, weight=None, n_batches=1):
    """Run one epoch, and return what the features become."""
    parts = torch.arange(len(y)).chunk(n_batches)
    smoothing.begin_epoch()
    moved = [
        smoothing(features[i], y[i], None if weight is None else weight[i])
        for i in parts
    ]
    smoothing.end_epoch()
    return torch.cat(moved)


def expected_features(features, y, mean, variance):
    """The formula, loop by loop: reflected window, clamped factor, v1 = 0 stays."""
    n_bins, reach = len(mean), len(WINDOW) // 2
    padded = [
        torch.tensor(np.pad(s, ((reach, reach), (0, 0)), mode="reflect"))
        for s in (mean, variance)
    ]
    new_mean, new_variance = (
        torch.stack([(p[b : b + 5] * WINDOW[:, None]).sum(0) for b in range(n_bins)])
        for p in padded
    )
    moved = features.clone()
    for i, b in enumerate(y.long()):
        for j in range(features.shape[1]):
            if variance[b, j] > 0:
                factor = (new_variance[b, j] / variance[b, j]).clamp(0.1, 10)
                moved[i, j] = (features[i, j] - mean[b, j]) * factor.sqrt()
                moved[i, j] += new_mean[b, j]
    return moved


# ------------------------------------------------------------------------ the release


def test_first_statistics_are_those_of_the_release(epochs):
    features, _, _, mean, variance, bucket = epochs[0]
    smoothing = FeatureSmoothing(8, BUCKETS)
    known = bucket >= 0
    train_epoch(smoothing, features[known], bucket[known].double(), n_batches=3)
    seen = smoothing.is_known
    assert seen.sum() == len(bucket[known].unique())
    torch.testing.assert_close(smoothing.mean[seen], mean[seen], rtol=0, atol=1e-6)
    torch.testing.assert_close(
        smoothing.variance[seen], variance[seen], rtol=1e-6, atol=1e-6
    )


def test_running_statistics_are_those_of_the_release_where_a_bin_was_seen(epochs):
    smoothing = FeatureSmoothing(8, BUCKETS)
    always = torch.ones(30, dtype=torch.bool)
    for features, _, _, mean, variance, bucket in epochs:
        known = bucket >= 0
        train_epoch(smoothing, features[known], bucket[known].double())
        # The release blends the first statistics of a later bin with 0 and 1.
        if smoothing.n_epochs == 1:
            always &= smoothing.is_known
        torch.testing.assert_close(
            smoothing.mean[always], mean[always], rtol=1e-6, atol=2e-6
        )
        torch.testing.assert_close(
            smoothing.variance[always], variance[always], rtol=1e-6, atol=2e-6
        )
    late = smoothing.is_known & ~always
    assert late.any()
    assert (smoothing.mean - epochs[3][3])[late].abs().max() > 0.1


@pytest.mark.parametrize("epoch", [2, 3])
def test_formula_reproduces_the_release(epochs, epoch):
    """Which takes the old statistics of the last epoch, the new ones of that before."""
    features, _, smoothed, _, _, bucket = epochs[epoch]
    statistics = [s[bucket] for s in epochs[epoch - 1][3:5]]
    statistics += [smooth_along_bins(s, WINDOW)[bucket] for s in epochs[epoch - 2][3:5]]
    moved = calibrate_features(features, *statistics)
    moved = torch.where(bucket.unsqueeze(1) >= 0, moved, features)
    torch.testing.assert_close(moved, smoothed, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("epoch", [2, 3])
def test_order_differs_from_the_release(epochs, epoch):
    """Ours takes all statistics from the last epoch; theirs mixes two."""
    features, _, smoothed, _, _, bucket = epochs[epoch]
    last = epochs[epoch - 1][3:5]
    ours = [s[bucket] for s in last] + [
        smooth_along_bins(s, WINDOW)[bucket] for s in last
    ]
    gap = (calibrate_features(features, *ours) - smoothed).abs()[bucket >= 0]
    assert gap.max() > 1


def test_release_waits_one_epoch_longer(epochs):
    features, _, smoothed, _, _, _ = epochs[1]
    assert torch.equal(smoothed, features)
    smoothing = FeatureSmoothing(8, BUCKETS)
    train_epoch(smoothing, *(epochs[0][i] for i in (0, 5)))
    moved = train_epoch(smoothing, features, epochs[1][1][:, 0])
    assert not torch.allclose(moved, features)


def test_larger_targets_belong_to_the_last_bin():
    """The release ignores them unless another target equals the last bucket."""
    features, _ = make_batch(3)
    smoothing = make_smoothing()
    train_epoch(smoothing, features, torch.tensor([2.0, 7.0, 99.0]))
    torch.testing.assert_close(smoothing.mean[3], features[1:].mean(dim=0))
    torch.testing.assert_close(smoothing.mean[2], features[0])


# ------------------------------------------------------------------------ statistics


@pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
@pytest.mark.parametrize("n_batches", [1, 7])
def test_statistics_are_those_of_every_bin(tail, n_batches):
    generator = torch.Generator().manual_seed(0)
    features = 1e3 + torch.randn(60, 3, *tail, generator=generator)
    y = torch.randint(0, 4, (60, *tail), generator=generator).double()
    smoothing = make_smoothing(3)
    train_epoch(smoothing, features, y, n_batches=n_batches)
    rows = features.movedim(1, -1).double()
    for b in range(4):
        mine = rows[y == b]
        torch.testing.assert_close(smoothing.mean[b], mine.mean(dim=0))
        torch.testing.assert_close(smoothing.variance[b], mine.var(dim=0))


def test_momentum_keeps_a_share_and_the_first_statistics_replace():
    features, y = make_batch()
    smoothing = make_smoothing(momentum=0.75)
    few = y < 3
    train_epoch(smoothing, features[few], y[few])
    first = smoothing.mean.clone()
    train_epoch(smoothing, 5 + 2 * features, y)
    expected = 0.75 * first[:3] + 0.25 * (5 + 2 * first[:3])
    torch.testing.assert_close(smoothing.mean[:3], expected)
    torch.testing.assert_close(smoothing.mean[3], 5 + 2 * features[y == 3].mean(dim=0))


def test_bin_without_samples_keeps_its_running_statistics():
    features, y = make_batch()
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y)
    before = smoothing.mean[1].clone()
    train_epoch(smoothing, features[y != 1] + 3, y[y != 1])
    assert torch.equal(smoothing.mean[1], before)


def test_weights_are_repetitions():
    features, y = make_batch()
    n_times = torch.arange(40) % 3
    weighted, repeated = make_smoothing(), make_smoothing()
    train_epoch(weighted, features, y, n_times.double())
    train_epoch(
        repeated, features.repeat_interleave(n_times, 0), y.repeat_interleave(n_times)
    )
    for name, value in repeated.state_dict().items():
        torch.testing.assert_close(weighted.state_dict()[name], value)


@pytest.mark.parametrize("scale", [1e-6, 0.01, 1.0, 1e3])
def test_no_scale_of_the_weights_breaks_the_variance(scale):
    features, y = make_batch()
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y, torch.full((40,), scale))
    biased = torch.stack([features[y == b].var(0, unbiased=False) for b in range(4)])
    ratio = smoothing.variance / biased
    assert (ratio > 0.99).all()
    assert (ratio < 2.01).all()


def test_missing_places_are_not_counted():
    features, y = make_batch()
    weight = torch.ones(40)
    weight[::3] = 0
    masked, short = make_smoothing(), make_smoothing()
    dirty = torch.where(weight.unsqueeze(1) > 0, features, 1e6)
    train_epoch(masked, dirty, torch.where(weight > 0, y, 0.0), weight)
    train_epoch(short, features[weight > 0], y[weight > 0])
    torch.testing.assert_close(masked.mean, short.mean)
    torch.testing.assert_close(masked.variance, short.variance)


# ------------------------------------------------------------------------- smoothing


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_follow_the_formula_of_the_last_epoch(dtype):
    features, y = make_batch()
    features[y == 2, 1] = 3.0  # No variance in one dimension of one bin.
    smoothing = make_smoothing(kernel="gaussian", size=5, sigma=2)
    first = train_epoch(smoothing, features.to(dtype), y)
    assert torch.equal(first, features.to(dtype))
    mean, variance = smoothing.mean.clone(), smoothing.variance.clone()
    assert variance[2, 1] == 0
    moved = train_epoch(smoothing, features.to(dtype) + 0.5, y)
    expected = expected_features(features + 0.5, y, mean, variance)
    torch.testing.assert_close(moved, expected.to(dtype))
    assert torch.equal(moved[y == 2, 1], features.to(dtype)[y == 2, 1] + 0.5)


def test_smoothed_bins_have_the_smoothed_statistics():
    features, y = make_batch(400)
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y)
    new_mean = smooth_along_bins(smoothing.mean, smoothing.window)
    moved = smoothing(features, y)
    for b in range(4):
        torch.testing.assert_close(moved[y == b].mean(dim=0), new_mean[b])


def test_maps_are_smoothed_place_by_place():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 3, 4, 2, generator=generator)
    y = torch.randint(0, 4, (20, 4, 2), generator=generator).double()
    of_maps, of_rows = make_smoothing(3), make_smoothing(3)
    rows = features.movedim(1, -1).reshape(-1, 3)
    for _ in range(2):
        maps = train_epoch(of_maps, features, y)
        moved = train_epoch(of_rows, rows, y.reshape(-1))
    assert maps.shape == features.shape
    torch.testing.assert_close(maps.movedim(1, -1).reshape(-1, 3), moved)


def test_gradients_flow_and_features_are_not_written_to():
    features, y = make_batch()
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y)
    leaf = features.clone().requires_grad_()
    between = leaf * 1
    smoothing(between, y).sum().backward()
    assert torch.equal(between, features)
    scale = smoothing.transform[y.long(), :2]
    torch.testing.assert_close(leaf.grad, scale)
    assert torch.autograd.gradcheck(lambda x: smoothing(x, y), leaf)
    assert not any(buffer.requires_grad for buffer in smoothing.buffers())


@pytest.mark.parametrize("start_epoch", [1, 3])
def test_smoothing_waits_for_its_first_epoch(start_epoch):
    features, y = make_batch()
    smoothing = make_smoothing(start_epoch=start_epoch)
    same = [torch.equal(train_epoch(smoothing, features, y), features)] * 1
    for _ in range(start_epoch):
        same.append(torch.equal(train_epoch(smoothing, features, y), features))
    assert same == [True] * start_epoch + [False]


def test_prediction_and_missing_targets_leave_features_alone():
    features, y = make_batch()
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y)
    before = copy.deepcopy(smoothing.state_dict())
    assert smoothing(features) is features
    assert smoothing.eval()(features, y) is features
    smoothing.end_epoch()
    assert torch.equal(smoothing.mean, before["mean"])


def test_epoch_that_never_ended_is_forgotten():
    features, y = make_batch()
    smoothing, expected = make_smoothing(), make_smoothing()
    smoothing(features * torch.nan, y)
    train_epoch(smoothing, features, y)
    train_epoch(expected, features, y)
    torch.testing.assert_close(smoothing.state_dict(), expected.state_dict())


@pytest.mark.parametrize("through", ["pickle", "state"])
def test_state_is_saved(through):
    features, y = make_batch()
    smoothing = make_smoothing()
    train_epoch(smoothing, features, y)
    if through == "pickle":
        restored = pickle.loads(pickle.dumps(smoothing))
    else:
        restored = make_smoothing()
        restored.load_state_dict(smoothing.state_dict())
    assert restored.n_epochs == 1
    torch.testing.assert_close(restored(features, y), smoothing(features, y))


# ------------------------------------------------------------------- empty bins, ends


def test_empty_bins_are_filled_from_the_nearest_on_both_sides():
    known = torch.tensor([False, True, False, False, True, False])
    statistics = torch.tensor([[9.0, 9], [0, 3], [9, 9], [9, 9], [3, 0], [9, 9]])
    filled = fill_empty_bins(statistics, known)
    expected = torch.tensor([[0.0, 3], [0, 3], [1, 2], [2, 1], [3, 0], [3, 0]])
    torch.testing.assert_close(filled, expected)


def test_empty_bins_do_not_pull_at_their_neighbours():
    """The release lets them count with mean 0 and variance 1."""
    features, y = make_batch()
    smoothing = make_smoothing(n_bins=40)
    train_epoch(smoothing, features + 100, 10 * (y % 2) + 5)
    moved = smoothing(features + 100, 10 * (y % 2) + 5)
    assert (moved - features - 100).abs().max() < 10
    assert smoothing.is_known.sum() == 2
    later = smoothing(features, torch.full_like(y, 20))
    assert torch.equal(later, features)


@pytest.mark.parametrize("n_bins", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 3, 9])
def test_window_may_be_wider_than_the_line(n_bins, size):
    statistics = torch.rand(n_bins, 2, dtype=torch.float64)
    window = torch.tensor(smoothing_window("laplace", size, 2, normalize="sum"))
    smoothed = smooth_along_bins(statistics, window)
    if n_bins > 1:
        pad = ((size // 2, size // 2), (0, 0))
        padded = torch.tensor(np.pad(statistics, pad, mode="reflect"))
        expected = [window @ padded[b : b + size] for b in range(n_bins)]
        torch.testing.assert_close(smoothed, torch.stack(expected))
    else:
        torch.testing.assert_close(smoothed, statistics)


@given(
    n_bins=st.integers(1, 6),
    n=st.integers(0, 12),
    scale=st.sampled_from([0.0, 1e-20, 1.0, 1e12]),
    offset=st.sampled_from([0.0, 0.1, -1e5]),
    size=st.sampled_from([1, 5, 11]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    number=st.integers(0, 9),
)
def test_degenerate_epochs_give_finite_features(
    n_bins, n, scale, offset, size, dtype, number
):
    """Empty bins, single samples, no variance, all targets equal, no batch at all."""
    generator = torch.Generator().manual_seed(number)
    features = torch.randn(n, 2, generator=generator, dtype=dtype) * scale + offset
    features[:, 0] = offset
    y = torch.randint(0, n_bins, (n,), generator=generator).double()
    smoothing = make_smoothing(n_bins=n_bins, size=size)
    for _ in range(3):
        moved = train_epoch(smoothing, features, y)
    assert moved.isfinite().all()
    # What does not vary within a bin stays.
    assert torch.equal(moved[:, 0], features[:, 0])
    assert all(value.isfinite().all() for value in smoothing.state_dict().values())


def test_single_samples_stay():
    smoothing = make_smoothing()
    features, y = torch.randn(4, 2), torch.arange(4.0)
    for _ in range(3):
        moved = train_epoch(smoothing, features, y)
    assert torch.equal(moved, features)
    assert not smoothing.variance.any()


# --------------------------------------------------------------------------- recipes


def test_recipe_takes_the_classes_of_the_estimator_or_its_own():
    y = np.linspace(0, 10, 50)
    assert len(FDS().build(3, y).mean) == 40
    assert len(FDS().build(3, y, edges=[0, 1, 2]).mean) == 2
    assert len(FDS("quantile").build(3, y, edges=[0, 1, 2]).mean) == 50
    assert len(FDS([0, 5, 10, 20]).build(3, y, edges=[0, 1, 2]).mean) == 3


def test_recipe_hands_its_parameters_on():
    recipe = FDS([0, 1, 2], kernel="triang", size=3, momentum=0.5, start_epoch=2)
    module = recipe.build(3, [0.5, 1.5])
    torch.testing.assert_close(module.window, torch.tensor([0.25, 0.5, 0.25]).double())
    assert (module.momentum, module.start_epoch) == (0.5, 2)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("fsd", "smoother must be one of 'fds' or a BaseSmoother object.*'fds'"),
        (FDS, r"got the class FDS. Give an object: FDS\(\)"),
        (FDS(momentum=1.0), "momentum"),
        (FDS(start_epoch=0), "start_epoch"),
    ],
)
def test_bad_recipes_are_refused(recipe, message):
    assert set(SMOOTHERS) == {"fds"}
    with pytest.raises(ValueError, match=message):
        make_smoother(recipe)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"edges": [0.0]}, "edges must be two or more numbers"),
        ({"edges": [0.0, 2.0, 1.0]}, "edges must be two or more numbers"),
        ({"edges": [0, 1], "size": 4}, "size must be odd"),
        ({"edges": [0, 1], "kernel": "box"}, "kernel must be one of"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        FeatureSmoothing(2, **params)
