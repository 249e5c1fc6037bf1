"""Parcels that travel between rooms: what a network gives, and what a class means.

All are frozen, and know how to move to a device.  Class or feature axis is axis 1;
``*S`` is the tail of the target: empty for tables and whole images, ``(H, W)`` for
maps.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch


class _Movable:
    """A dataclass of tensors (or parcels, numbers, None) that moves as one."""

    def to(self, device):
        """Return the same parcel on another device."""
        return type(self)(
            **{
                field.name: _move(getattr(self, field.name), device)
                for field in fields(self)  # type: ignore[arg-type]
            }
        )


def _move(value, device):
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(_move(item, device) for item in value)
    return value.to(device) if hasattr(value, "to") else value


@dataclass(frozen=True)
class NetworkOutput(_Movable):
    """What a network gives for one batch.

    Parameters
    ----------
    features : Tensor of shape (N, d, *S)
        Output of the backbone.

    logits : Tensor of shape (N, sum of C_h, *S), optional
        Logits of all classifiers side by side, coarse to fine.

    n_classes : tuple of int
        Number of classes of every classifier, coarse to fine.

    location : Tensor of shape (N, *S), optional
        Standardised target that a location head points at.

    scale : Tensor of shape (N, *S), optional
        How far off the location may be, above zero, in the same unit.

    student : Tensor of shape (N, C_H, *S), optional
        Logits of the distilled classifier.
    """

    features: torch.Tensor
    logits: torch.Tensor | None = None
    n_classes: tuple = ()
    location: torch.Tensor | None = None
    scale: torch.Tensor | None = None
    student: torch.Tensor | None = None

    @property
    def levels(self):
        """Logits of every classifier, coarse to fine, as views; the last is finest."""
        return () if self.logits is None else self.logits.split(self.n_classes, dim=1)


@dataclass(frozen=True)
class StreamedOutput:
    """What heads promise for maps whose logits would fill the memory.

    Parameters
    ----------
    features : Tensor of shape (N, d, *S) or (N, d, *S, K)
        Output of the backbone, or of all K members of a committee.

    given : Tensor of the same shape
        What the heads take: the features, or what a smoother has made of them.

    heads : callable
        Takes a part of `given`, gives its :class:`NetworkOutput`.

    n_rows : int
        Rows of the maps, along the first axis of S, that are answered at once.

    n_axes : int
        Number of axes of S.
    """

    features: torch.Tensor
    given: torch.Tensor
    heads: Callable
    n_rows: int
    n_axes: int

    def parts(self):
        """Return what the heads take, cut into parts along axis 2."""
        return self.given.split(self.n_rows, dim=2)

    def map(self, answer):
        """Apply a function of an output to every part, and join what it gives.

        Parameters
        ----------
        answer : callable
            Takes a :class:`NetworkOutput`, gives a tensor of shape (N, ..., *S).

        Returns
        -------
        answers : Tensor of shape (N, ..., *S)
        """
        parts = [answer(self.heads(part)) for part in self.parts()]
        return torch.cat(parts, dim=-self.n_axes)


@dataclass(frozen=True)
class LevelClasses(_Movable):
    """The classes of one level, as tensors.

    Parameters
    ----------
    edges : Tensor of shape (C_h + 1,)
        Borders of the classes, in the unit of the data.

    values : Tensor of shape (C_h,)
        Value of each class, in the unit of the data.

    counts : Tensor of shape (C_h,)
        Training samples (or the sum of their weights) in each class.

    parent : Tensor of shape (C_H,)
        Class of this level that holds each class of the finest level.

    step : Tensor of shape (C_{h+1},), optional
        Class of this level that holds each class of the next finer level.

    label_means : Tensor of shape (2, K), optional
        Rising targets, and the mean of the class values under the label of each.
    """

    edges: torch.Tensor
    values: torch.Tensor
    counts: torch.Tensor
    parent: torch.Tensor
    step: torch.Tensor | None = None
    label_means: torch.Tensor | None = None

    @classmethod
    def from_level(cls, level, device="cpu"):
        """Copy a level of a fitted hierarchy to a device.

        Edges and values keep float64 where the device has it, so that a target of any
        magnitude finds its class.
        """
        single = torch.device(device).type == "mps"
        real = torch.float32 if single else torch.float64
        return cls(
            edges=torch.tensor(level.edges, dtype=real, device=device),
            values=torch.tensor(level.values, dtype=real, device=device),
            counts=torch.tensor(level.counts, dtype=real, device=device),
            parent=torch.tensor(level.parent, dtype=torch.int64, device=device),
        )


@dataclass(frozen=True)
class ClassTable(_Movable):
    """The classes of all levels side by side, as their logits are.

    Parameters
    ----------
    finest : LevelClasses
        Classes of the finest level.

    n_classes : tuple of int
        Number of classes of every level, coarse to fine.

    holders : Tensor of shape (C_H, H)
        Where, side by side, the class of every level is that holds a finest class.

    lower, upper : Tensor of shape (sum of C_h,)
        Borders of every class, by their positions among those of the finest level.
    """

    finest: LevelClasses
    n_classes: tuple
    holders: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor

    @classmethod
    def from_levels(cls, levels):
        """Lay levels side by side, coarse to fine."""
        n_classes = tuple(len(classes.values) for classes in levels)
        before = [sum(n_classes[:h]) for h in range(len(levels))]
        ends = [classes.parent.bincount().cumsum(0) for classes in levels]
        upper = torch.cat(ends)
        widths = [end.diff(prepend=end.new_zeros(1)) for end in ends]
        return cls(
            finest=levels[-1],
            n_classes=n_classes,
            holders=torch.stack(
                [
                    classes.parent + start
                    for classes, start in zip(levels, before, strict=True)
                ],
                dim=1,
            ),
            lower=upper - torch.cat(widths),
            upper=upper,
        )
