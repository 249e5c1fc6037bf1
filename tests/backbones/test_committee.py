"""Networks side by side."""

import pytest
import torch
from torch import nn

from sk_hca.backbones import (
    AnchoredHeads,
    Committee,
    CommitteeHeads,
    FusedHeads,
    LocationHead,
    LocationScaleHead,
    Student,
)

TAILS = pytest.mark.parametrize("tail", [(), (2, 3)], ids=["table", "maps"])


def draw_heads(kind, n_members=3):
    """Heads of every kind, with weights that tell the classes apart."""
    torch.manual_seed(0)
    positions = [torch.linspace(-1, 1, 2), torch.linspace(-1, 1, 5)]
    make = {
        "free": lambda: FusedHeads(4, (2, 5)),
        "anchored": lambda: AnchoredHeads(4, positions),
        "location": lambda: LocationHead(4),
        "scale": lambda: LocationScaleHead(4),
        "student": lambda: Student(FusedHeads(4, (2, 5)), 4, hidden=True),
    }[kind]
    heads = CommitteeHeads(make() for _ in range(n_members))
    for weight in heads.parameters():
        nn.init.normal_(weight)
    return heads


def draw_features(tail, n_members=3):
    return torch.randn(6, 4, *tail, n_members)


def test_features_of_members_have_an_axis_of_their_own():
    committee = Committee([nn.Linear(4, 2), nn.Linear(4, 2)])
    X = torch.randn(5, 4)
    for k, member in enumerate(committee):
        assert torch.equal(committee(X)[..., k], member(X))


@TAILS
@pytest.mark.parametrize("kind", ["free", "anchored", "location", "scale", "student"])
def test_members_answer_alone_while_training(kind, tail):
    heads, features = draw_heads(kind).train(), draw_features(tail)
    for k, output in enumerate(heads(features)):
        alone = heads[k](features[..., k])
        for field in ("logits", "location", "scale", "student"):
            given, expected = getattr(output, field), getattr(alone, field)
            assert (given is None) == (expected is None)
            assert given is None or torch.equal(given, expected)


@TAILS
@pytest.mark.parametrize("kind", ["free", "anchored"])
def test_trained_members_answer_by_the_mean_of_their_distributions(kind, tail):
    heads, features = draw_heads(kind), draw_features(tail)
    outputs = heads.train()(features)
    average = heads.eval()(features)
    for level in range(2):
        expected = torch.stack([o.levels[level].softmax(dim=1) for o in outputs])
        given = average.levels[level]
        torch.testing.assert_close(given.exp(), expected.mean(dim=0))
        torch.testing.assert_close(given.exp(), given.softmax(dim=1))


def test_students_answer_by_the_mean_of_their_distributions():
    students, features = draw_heads("student"), draw_features(())
    expected = [o.student.softmax(dim=1) for o in students.train()(features)]
    expected = torch.stack(expected).mean(dim=0)
    for answered in (students.eval(), students.alone().eval()):
        torch.testing.assert_close(answered(features).student.exp(), expected)


def test_scale_is_that_of_all_members_together():
    heads, features = draw_heads("scale"), draw_features(())
    outputs, average = heads.train()(features), heads.eval()(features)
    noise = torch.randn(200_000, 1, dtype=torch.float64)
    draws = torch.cat([o.location + o.scale * noise for o in outputs])
    torch.testing.assert_close(
        average.location, draws.mean(0).float(), rtol=0, atol=0.05
    )
    torch.testing.assert_close(average.scale, draws.std(0).float(), rtol=0.02, atol=0)


def test_extreme_logits_stay_finite():
    heads, features = draw_heads("free"), 1e6 * draw_features(())
    assert torch.isfinite(heads.eval()(features).logits).all()


def test_levels_can_be_left_out():
    heads, features = draw_heads("free").eval(), draw_features(())
    finest = heads.selected(torch.arange(2, 7)).eval()
    torch.testing.assert_close(finest(features).logits, heads(features).levels[-1])
