"""Several networks on the same inputs, which answer together.

Members differ in their first weights alone, and learn side by side: every one as if it
were alone.  Their features have a last axis K, for the members.
"""

import math

import torch
from torch import nn

from sk_hca.backbones._streaming import answer_or_promise
from sk_hca.base import NetworkOutput


class Committee(nn.ModuleList):
    """Backbones side by side.

    Examples
    --------
    >>> committee = Committee([nn.Linear(4, 8) for _ in range(3)])
    >>> committee(torch.zeros(5, 4)).shape
    torch.Size([5, 8, 3])
    """

    def forward(self, X):
        """Give the features of all members, of shape (N, d, *S, K)."""
        return torch.stack([member(X) for member in self], dim=-1)


class CommitteeHeads(nn.ModuleList):
    """Heads (or students) side by side, each on the features of its member."""

    is_linear = False

    @property
    def n_outputs(self):
        """Number of classes of every level, coarse to fine."""
        return self[0].n_outputs

    @property
    def layers(self):
        """What the students train."""
        return nn.ModuleList(student.layers for student in self)  # type: ignore[misc]

    def selected(self, index):
        """Return heads of one level, with these outputs only."""
        return CommitteeHeads(heads.selected(index) for heads in self)  # type: ignore[operator]

    def alone(self):
        """Return what gives the students' logits without the teachers'."""
        return CommitteeHeads(student.alone() for student in self)  # type: ignore[operator]

    @property
    def n_values(self):
        """Number of logits of one place, of all members."""
        return sum(heads.n_values for heads in self)

    def answer(self, features):
        """Give the average of all members' outputs."""
        members = zip(self, features.unbind(-1), strict=True)
        return average([h.answer(part) for h, part in members], features)  # type: ignore[operator]

    def forward(self, features):
        """Give the outputs of all members while training, and else their average."""
        if self.training:
            members = zip(self, features.unbind(-1), strict=True)
            return [heads(part) for heads, part in members]
        return answer_or_promise(self, features, features.shape[:-1])


def average(outputs, features):
    """Average the members' distributions, level by level, as one output.

    Parameters
    ----------
    outputs : list of NetworkOutput
        One per member.

    features : Tensor of shape (N, d, *S, K)
        Features of all members.

    Returns
    -------
    output : NetworkOutput
        Logits are logarithms of mean probabilities.  The scale is that of the mixture
        of all locations and scales.

    Examples
    --------
    >>> sure = torch.tensor([[0.9, 0.1]]).log()
    >>> outputs = [NetworkOutput(sure, z, (2,)) for z in (sure, sure.flip(1))]
    >>> average(outputs, torch.stack([sure, sure], dim=-1)).logits.exp()
    tensor([[0.5000, 0.5000]])
    """

    def joined(name):
        """Stack one field of all members, where they have it."""
        parts = [getattr(output, name) for output in outputs]
        return None if parts[0] is None else torch.stack(parts)

    logits, student, n_classes = (
        joined("logits"),
        joined("student"),
        outputs[0].n_classes,
    )
    if logits is not None:
        levels = [mean_log(level) for level in logits.split(n_classes, dim=2)]
        logits = torch.cat(levels, dim=1)
    if student is not None:
        student = mean_log(student)
    location, scale = joined("location"), joined("scale")
    if scale is not None:
        variance = scale.square().mean(dim=0) + location.var(dim=0, correction=0)
        scale = variance.sqrt()
    if location is not None:
        location = location.mean(dim=0)
    return NetworkOutput(features, logits, n_classes, location, scale, student)


def mean_log(logits):
    """Average softmax distributions over axis 0, in logarithms; classes on axis 2."""
    return logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))
