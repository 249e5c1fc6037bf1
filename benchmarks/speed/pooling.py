"""Moving classes between levels, against the class mappings written out as matrices.

Merging (Eqs. 7 and 8) carries all levels to the finest classes; it is read at
prediction only, so that its limit is that of the forward pass.  Range-preserving
pooling (Eq. 13) brings a student down to all levels, and is trained through.  Here both
run from each level to the next; the dense forms use the mappings `T` of the paper:

- matrix product, ``p @ T``; broadcast, ``(p[:, :, None] * T).sum(dim=1)``;
- masked, ``where(T, logits[:, None], -inf).amax(dim=2)``.

    python benchmarks/speed/pooling.py --check
"""

import sys

import numpy as np
import torch
from timing import Ratio, read_options, report

from sk_hca.adjustment import adjust_add
from sk_hca.binning import LinearBinner
from sk_hca.hierarchy import HierarchicalBinner, level_steps
from sk_hca.losses import pool_student

# Finest classes, on 7 and 10 levels: limits of merging and of pooling.
LIMITS = {121: (0.25, 0.10), 1000: (0.10, 0.01)}


class Levels:
    """The maps of a hierarchy, short and dense."""

    def __init__(self, n_classes):
        y = np.linspace(0, 1, 10 * n_classes)
        hierarchy = HierarchicalBinner(LinearBinner(n_classes)).fit(y)
        self.sizes = [len(level.values) for level in hierarchy.levels_]
        self.parents = [torch.from_numpy(parent) for parent in hierarchy.parents_]
        self.steps = level_steps(self.parents, self.sizes[:-1])
        self.dense = [
            torch.arange(n).unsqueeze(1) == parent
            for n, parent in zip(self.sizes, self.parents, strict=False)
        ]
        self.mappings = [mask.float() for mask in self.dense]

    def scores(self, n_samples):
        """Draw scores of every level, coarse to fine, that take gradients."""
        generator = torch.Generator().manual_seed(0)
        return [
            torch.randn(n_samples, n, generator=generator).requires_grad_()
            for n in self.sizes
        ]

    def merge(self, scores):
        """Merge from each level to the next (telescoped)."""
        return adjust_add(scores, self.parents, self.steps)

    def merge_by_product(self, scores):
        """Merge by one matrix product per level."""
        *coarse, merged = scores
        for p, mapping in zip(coarse, self.mappings, strict=True):
            merged = merged + p @ mapping
        return merged

    def merge_by_broadcast(self, scores):
        """Merge by a sum over the coarse classes of every fine one."""
        *coarse, merged = scores
        for p, mapping in zip(coarse, self.mappings, strict=True):
            merged = merged + (p.unsqueeze(2) * mapping).sum(dim=1)
        return merged

    def pool(self, scores):
        """Pool from each level to the next coarser one (cascade)."""
        sizes = self.sizes[:-1]
        return pool_student(scores[-1], self.parents, sizes, steps=self.steps)[:-1]

    def pool_masked(self, scores):
        """Pool every level from all fine classes, those of other ranges masked."""
        logits = scores[-1].unsqueeze(1)
        return [torch.where(T, logits, -torch.inf).amax(dim=2) for T in self.dense]


def forward(function, scores):
    """Return a call of a function without gradients."""

    def call():
        with torch.inference_mode():
            function(scores)

    return call


def both_ways(function, scores):
    """Return a call of a function, and of its gradient."""

    def call():
        result = function(scores)
        parts = list(result) if isinstance(result, list) else [result]
        torch.autograd.grad(
            parts, scores, [torch.ones_like(part) for part in parts], allow_unused=True
        )

    return call


def class_ratios(n_classes, n_samples):
    """Compare all forms at one number of classes."""
    levels = Levels(n_classes)
    scores = levels.scores(n_samples)
    merging, pooling = LIMITS[n_classes]
    size = f"{n_classes} classes"
    rows = (
        ("merging / matrix product", levels.merge, levels.merge_by_product, merging),
        ("merging / broadcast", levels.merge, levels.merge_by_broadcast, merging),
        ("pooling / masked", levels.pool, levels.pool_masked, pooling),
    )
    for name, ours, theirs, limit in rows:
        calls = (forward(ours, scores), forward(theirs, scores))
        yield Ratio(f"{name}, forward, {size}", *calls, limit)
        limits = [limit] if ours == levels.pool else []
        calls = (both_ways(ours, scores), both_ways(theirs, scores))
        yield Ratio(f"{name}, both ways, {size}", *calls, *limits)


def reading_ratio(n_classes, n_samples):
    """Compare the forms of merging that fit in memory with as many rows as are read."""
    levels = Levels(n_classes)
    scores = levels.scores(n_samples)
    return Ratio(
        f"merging / matrix product, forward, {n_classes} classes",
        forward(levels.merge, scores),
        forward(levels.merge_by_product, scores),
    )


def main():
    """Print the tables."""
    options = read_options(__doc__)
    n_trained, n_read = (16, 64) if options.quick else (256, 4096)
    print(f"A batch of training, {n_trained} samples, float32:")
    is_missed = report([row for n in LIMITS for row in class_ratios(n, n_trained)])
    print(f"\nA batch of prediction, {n_read:,} samples, for orientation:")
    report([reading_ratio(n, n_read) for n in LIMITS])
    sys.exit(is_missed and options.check)


if __name__ == "__main__":
    main()
