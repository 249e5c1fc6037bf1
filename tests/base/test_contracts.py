"""Parcels that travel: frozen, and moved as one."""

from dataclasses import FrozenInstanceError, fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.utils import to_device

from sk_hca.base import LevelClasses, NetworkOutput


@pytest.fixture
def level():
    """A level as a fitted hierarchy holds it, at a magnitude that float32 cannot."""
    edges = 1e9 + np.array([0.0, 0.25, 1.0])
    return SimpleNamespace(
        edges=edges,
        values=1e9 + np.array([0.125, 0.5]),
        counts=np.array([3, 1]),
        parent=np.array([0, 1, 1], dtype=np.int32),
    )


def test_output_moves_tensors_tuples_and_gaps():
    output = NetworkOutput(
        torch.rand(2, 3), torch.rand(2, 6), (2, 4), location=torch.rand(2)
    )
    moved = output.to("meta")
    assert moved.features.device.type == "meta"
    assert isinstance(moved.levels, tuple)
    assert [logits.shape for logits in moved.levels] == [(2, 2), (2, 4)]
    assert {logits.device.type for logits in moved.levels} == {"meta"}
    assert moved.location.device.type == "meta"
    assert moved.student is None
    assert output.features.device.type == "cpu"


def test_output_survives_skorch_moving_it():
    output = NetworkOutput(torch.rand(2, 3), torch.rand(2, 2), (2,))
    moved = to_device(output, "meta")
    assert isinstance(moved, NetworkOutput)
    assert moved.levels[0].device.type == "meta"


def test_classes_move_every_tensor(level):
    more = {"step": torch.zeros(3, dtype=torch.int64), "label_means": torch.zeros(2, 4)}
    moved = replace(LevelClasses.from_level(level), **more).to("meta")
    assert all(getattr(moved, f.name).device.type == "meta" for f in fields(moved))


@pytest.mark.parametrize(
    ("parcel", "name"),
    [
        (NetworkOutput(torch.rand(1, 1)), "features"),
        (LevelClasses(*torch.rand(4, 1).unbind()), "values"),
    ],
    ids=["output", "classes"],
)
def test_parcel_is_frozen(parcel, name):
    with pytest.raises(FrozenInstanceError, match=name):
        setattr(parcel, name, None)


def test_classes_from_level_keep_double_precision(level):
    classes = LevelClasses.from_level(level)
    for name in ("edges", "values", "counts"):
        tensor = getattr(classes, name)
        assert tensor.dtype == torch.float64
        np.testing.assert_array_equal(tensor.numpy(), getattr(level, name))
    assert classes.parent.dtype == torch.int64
    np.testing.assert_array_equal(classes.parent.numpy(), level.parent)


def test_classes_from_level_share_no_memory(level):
    classes = LevelClasses.from_level(level)
    level.values[0] = -1.0
    assert classes.values[0] > 0
