"""What lies in each class of a cut: values and counts, from the distinct targets."""

import numpy as np

from sk_hca.binning._edges import midpoints
from sk_hca.binning._partitions import counts_are_ones


def class_starts(values, edges):
    """Return where each class begins among the distinct targets, and their number."""
    inner = np.searchsorted(values, edges[1:-1], side="right")
    return np.concatenate([[0], inner, [len(values)]])


def class_statistics(values, counts, edges):
    """Average and count the targets of every class, from the sorted distinct ones."""
    starts = class_starts(values, edges)
    occupied = np.flatnonzero(np.diff(starts))
    first, end = starts[occupied], starts[occupied + 1]
    ones = counts_are_ones(counts)
    total = end - first if ones else np.add.reduceat(counts, first)
    scale, scaled = 1.0, values
    if not np.isfinite(float(total.sum()) * max(-float(values[0]), float(values[-1]))):
        scale = float(total.sum())
        scaled = values / scale
    if ones:
        sums = np.add.reduceat(scaled, first)
    else:
        pairs = zip(first, end, strict=True)
        sums = np.array([(scaled[a:b] * counts[a:b]).sum() for a, b in pairs])
    class_values = midpoints(edges)
    # Rounding may not carry a mean out of its class.
    class_values[occupied] = np.clip(
        sums / total * scale, values[first], values[end - 1]
    )
    class_counts = np.zeros(len(class_values), dtype=counts.dtype)
    class_counts[occupied] = total
    return class_values, class_counts
