"""Fused, anchored and student heads against plain layers and formulas."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from sk_hca.backbones import (
    AnchoredHeads,
    FusedHeads,
    LocationHead,
    Network,
    Student,
    linear,
)

N_FEATURES = 8
SIZES = [2, 3, 5]
POSITIONS = [
    torch.tensor([-0.5, 1.0]),
    torch.tensor([-0.7, 0.2, 1.4]),
    torch.tensor([-1.0, -0.4, 0.2, 1.0, 2.0]),
]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])


def draw(tail, n_samples=6):
    """Features, the same every time."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn(n_samples, N_FEATURES, *tail, generator=generator)


@pytest.fixture(autouse=True)
def seeded():
    """Layers start from the same weights in every test."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def fused(detach_coarse=False):
    """Classifiers of three levels."""
    return FusedHeads(N_FEATURES, SIZES, detach_coarse)


def anchored(detach_coarse=False):
    """Anchored classifiers whose free logits are no longer zero."""
    heads = AnchoredHeads(N_FEATURES, POSITIONS, detach_coarse)
    nn.init.normal_(heads.weight)
    nn.init.normal_(heads.bias)
    return heads


each_heads = pytest.mark.parametrize("make", [fused, anchored])


def test_linear_of_table_equals_layer():
    layer = nn.Linear(N_FEATURES, 4)
    x = draw(())
    torch.testing.assert_close(linear(x, layer.weight, layer.bias), layer(x))


def test_linear_of_map_equals_convolution_of_one_pixel():
    layer = nn.Linear(N_FEATURES, 4)
    x = draw((3, 2))
    expected = functional.conv2d(x, layer.weight[:, :, None, None], layer.bias)
    torch.testing.assert_close(linear(x, layer.weight, layer.bias), expected)


@each_tail
@pytest.mark.parametrize("detach_coarse", [False, True])
def test_fused_heads_equal_separate_layers(tail, detach_coarse):
    heads, x = fused(detach_coarse), draw(tail)
    output = heads(x)
    assert output.features is x
    weights, biases = heads.weight.split(SIZES), heads.bias.split(SIZES)
    assert len(output.levels) == len(SIZES)
    for logits, weight, bias in zip(output.levels, weights, biases, strict=True):
        layer = nn.Linear(N_FEATURES, len(bias))
        layer.weight.data, layer.bias.data = weight.data, bias.data
        expected = layer(x.movedim(1, -1)).movedim(-1, 1)
        torch.testing.assert_close(logits, expected)


@each_heads
@each_tail
def test_detached_heads_give_the_same_logits(make, tail):
    attached, detached = make(), make(detach_coarse=True)
    detached.load_state_dict(attached.state_dict())
    for logits, expected in zip(
        detached(draw(tail)).levels, attached(draw(tail)).levels, strict=True
    ):
        torch.testing.assert_close(logits, expected)


@each_heads
@each_tail
@pytest.mark.parametrize("level", [0, 1, 2])
def test_detached_heads_stop_gradients_of_coarse_levels_only(make, tail, level):
    heads = make(detach_coarse=True)
    x = draw(tail).requires_grad_()
    logits = heads(x).levels[level]
    logits.square().sum().backward()
    assert heads.weight.grad.split(SIZES)[level].any()
    assert (x.grad is not None and bool(x.grad.any())) == (level == 2)


@each_heads
@each_tail
@pytest.mark.parametrize("level", [0, 1, 2])
def test_attached_heads_pass_gradients_of_every_level(make, tail, level):
    x = draw(tail).requires_grad_()
    make()(x).levels[level].square().sum().backward()
    assert x.grad.any()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_detached_anchor_is_moved_by_finest_level_only(level):
    heads = anchored(detach_coarse=True)
    heads(draw(())).levels[level].square().sum().backward()
    gradient = heads.location.weight.grad
    assert (gradient is not None and bool(gradient.any())) == (level == 2)


@each_tail
def test_anchored_logits_equal_formula(tail):
    heads, x = anchored(), draw(tail)
    output = heads(x)
    rows = x.movedim(1, -1)
    both = rows @ heads.location.weight.T + heads.location.bias
    location = both[..., 0]
    scale = (1 + both[..., 1].exp()).log() + 1e-3
    free = rows @ heads.weight.T + heads.bias
    distance = (torch.cat(POSITIONS) - location[..., None]).abs()
    expected = (free - distance / scale[..., None]).movedim(-1, 1)
    torch.testing.assert_close(torch.cat(output.levels, dim=1), expected)
    torch.testing.assert_close(output.location, location)


@each_tail
def test_anchored_heads_start_as_distances_alone(tail):
    heads = AnchoredHeads(N_FEATURES, POSITIONS)
    output = heads(draw(tail))
    assert output.location.shape == (6, *tail)
    for logits, positions in zip(output.levels, POSITIONS, strict=True):
        gap = positions.view(1, -1, *(1,) * len(tail)) - output.location.unsqueeze(1)
        assert torch.equal(logits.argmax(dim=1), gap.abs().argmin(dim=1))


@each_tail
def test_anchored_heads_scale_is_positive_at_any_features(tail):
    heads = AnchoredHeads(N_FEATURES, POSITIONS)
    _, scale = heads.locate(1e6 * draw(tail))
    assert scale.shape == (6, 1, *tail)
    assert (scale > 0).all()
    assert all(torch.isfinite(p).all() for p in heads(1e6 * draw(tail)).levels)


def test_anchored_heads_travel_with_their_positions():
    heads = AnchoredHeads(N_FEATURES, [p.double() for p in POSITIONS]).float()
    other = AnchoredHeads(N_FEATURES, [torch.zeros_like(p) for p in POSITIONS])
    other.load_state_dict(heads.state_dict())
    for logits, expected in zip(
        other(draw(())).levels, heads(draw(())).levels, strict=True
    ):
        torch.testing.assert_close(logits, expected)


@each_tail
def test_location_head_equals_layer_of_one_output(tail):
    head, x = LocationHead(N_FEATURES), draw(tail)
    output = head(x)
    expected = (x.movedim(1, -1) @ head.weight.T + head.bias)[..., 0]
    torch.testing.assert_close(output.location, expected)
    assert output.features is x
    assert output.levels == ()


def apply_layers(student, x):
    """What the student's own layers give, place by place."""
    rows = x.movedim(1, -1)
    for layer in student.layers:
        rows = layer(rows)
    return rows.movedim(-1, 1)


@each_tail
@pytest.mark.parametrize("hidden", [True, False], ids=["softplus", "linear"])
def test_student_on_fused_heads_equals_its_layers(tail, hidden):
    heads, x = fused(), draw(tail)
    student = Student(heads, N_FEATURES, hidden)
    output = student(x)
    torch.testing.assert_close(output.student, apply_layers(student, x))
    for logits, expected in zip(output.levels, heads(x).levels, strict=True):
        torch.testing.assert_close(logits, expected)


@each_tail
@pytest.mark.parametrize("hidden", [True, False], ids=["softplus", "linear"])
def test_student_on_anchored_heads_leans_on_their_anchor(tail, hidden):
    heads, x = anchored(), draw(tail)
    student = Student(heads, N_FEATURES, hidden)
    output = student(x)
    free = heads.logits(x).split(SIZES, dim=1)[-1]
    anchor = heads(x).levels[-1] - free
    torch.testing.assert_close(output.student, apply_layers(student, x) + anchor)
    torch.testing.assert_close(output.location, heads(x).location)


@pytest.mark.parametrize(("n_features", "width"), [(8, 64), (256, 64), (301, 75)])
def test_hidden_student_is_a_quarter_as_wide_or_64_units(n_features, width):
    student = Student(FusedHeads(n_features, SIZES), n_features, hidden=True)
    first, activation, last = student.layers
    assert (first.in_features, first.out_features) == (n_features, width)
    assert isinstance(activation, nn.Softplus)
    assert (last.in_features, last.out_features) == (width, 5)


@pytest.mark.parametrize("hidden", [True, False], ids=["softplus", "linear"])
@each_heads
def test_student_learns_and_teachers_stay(make, hidden):
    heads, x = make(), draw(())
    student = Student(heads, N_FEATURES, hidden).train()
    before = [logits.clone() for logits in student(x).levels]
    trained = [p for p in student.parameters() if p.requires_grad]
    assert len(trained) == (4 if hidden else 2)
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-4)
    loss = student(x).student.square().sum()
    loss.backward()
    optimizer.step()
    assert student(x).student.square().sum() < loss
    for logits, kept in zip(student(x).levels, before, strict=True):
        assert not logits.requires_grad
        torch.testing.assert_close(logits, kept, rtol=0, atol=0)


@each_heads
def test_student_keeps_teachers_in_evaluation_mode(make):
    student = Student(make(), N_FEATURES, hidden=True).train()
    assert student.training
    assert all(layer.training for layer in student.layers)
    assert not student.heads.training
    student.eval()
    assert not student.layers[0].training


@each_heads
def test_student_copies_its_teachers(make):
    heads, x = make(), draw(())
    student = Student(heads, N_FEATURES, hidden=False)
    expected = student(x).levels[-1].clone()
    assert all(p.requires_grad for p in heads.parameters())
    with torch.no_grad():
        heads.weight.zero_()
    torch.testing.assert_close(student(x).levels[-1], expected, rtol=0, atol=0)


def test_network_puts_heads_on_features():
    extractor = nn.Sequential(nn.Linear(4, N_FEATURES), nn.Tanh())
    network = Network(extractor, fused())
    x = torch.randn(6, 4)
    output = network(x)
    torch.testing.assert_close(output.features, extractor(x))
    torch.testing.assert_close(output.levels[0], network.heads(extractor(x)).levels[0])


def test_fused_heads_start_like_one_linear_layer():
    heads = fused()
    bound = 1 / math.sqrt(N_FEATURES)
    assert heads.weight.abs().max() <= bound
    assert heads.bias.abs().max() <= bound
    assert heads.weight.std() > 0.4 * bound
