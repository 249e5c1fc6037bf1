"""Group sorted distinct targets into classes of equal count or of equal error.

A grouping is a list of *ends*: class ``k`` holds the distinct targets from
``ends[k - 1]`` up to, not including, ``ends[k]``; the end of the last class is left
out.  Loops run over classes, never over targets: where a class ends is found by
bisection of running totals.
"""

from bisect import bisect_left, bisect_right
from heapq import heapify, heappop, heappush

import numpy as np

from sk_hca.base import SLACK


def counts_are_ones(counts):
    """Tell whether the counts are one number, 1, seen once per distinct target."""
    return counts.strides == (0,) and counts[0] == 1


def running_total(counts):
    """Return the cumulative counts, to be indexed; those of ones need no array."""
    if counts_are_ones(counts):
        return range(1, len(counts) + 1)
    return np.cumsum(counts).data


def cap_heavy_targets(counts, n_bins):
    """Let no target count for more than one class.

    The cap solves ``sum(min(counts, cap)) == n_bins * cap``: a heavier target fills one
    class, and the classes that it leaves over go to the others.
    """
    if counts_are_ones(counts) or counts.max() <= counts.sum() / n_bins:
        return counts
    cap = counts.sum() / n_bins
    while (heavy := counts > cap).any():
        n_free = n_bins - np.count_nonzero(heavy)
        lower = counts[~heavy].sum() / max(n_free, 1)
        if n_free < 1 or lower >= cap:
            break
        cap = lower
    return np.minimum(counts, cap)


def quantile_ends(counts, n_bins):
    """Group distinct targets so that every class holds about as many samples."""
    n_distinct = len(counts)
    if n_distinct <= n_bins:
        return np.arange(1, n_distinct)
    totals = running_total(cap_heavy_targets(counts, n_bins))
    slack = SLACK * totals[-1]
    ends, start, done = [], 0, 0
    for n_left in range(n_bins, 1, -1):
        share = (totals[-1] - done) / n_left
        aim = done + share
        # Each class that is still to come needs one distinct target at least.
        last = min(bisect_left(totals, aim, start, n_distinct), n_distinct - n_left)
        if last > start and (
            counts[last] >= share - slack
            or aim - totals[last - 1] <= totals[last] - aim + slack
        ):
            last -= 1
        start, done = last + 1, totals[last]
        ends.append(start)
    return np.array(ends)


def uniform_error_ends(values, counts, n_bins):
    """Group distinct targets so that the largest count times width is the smallest.

    Greedy classes under a budget are the fewest possible, so that the budget can be
    bisected: over the bit patterns of positive floats, which are ordered like the
    floats, so that any range of magnitudes takes about one step per bit of a float.
    """
    n_distinct = len(values)
    if n_distinct <= n_bins:
        return np.arange(1, n_distinct)
    points, totals = np.ascontiguousarray(values).data, running_total(counts)
    most = float(totals[-1]) * (points[-1] - points[0])
    low, high = 0, _bits(most)
    probe, stride = _bits(most / n_bins**2), _bits(1.0) - _bits(0.5)
    # Ends grow with the budget, so that those of both sides fence the next search in.
    shortest, longest = [0] * n_bins, [n_distinct] * n_bins
    while high - low > 1:
        budget = float(np.int64(probe).view(np.float64))
        ends = _ends_within(budget, points, totals, shortest, longest)
        if ends[-1] == n_distinct:
            high, longest = probe, ends
        else:
            low, shortest = probe, ends
        # The guess is near in most cases: leave it by strides that double.
        probe, stride = max((low + high) // 2, high - stride), 2 * stride
    return _spend_leftover(points, totals, longest)


def _bits(number):
    """Read the bit pattern of a positive float as an integer of the same order."""
    return int(np.float64(number).view(np.int64))


def _ends_within(budget, points, totals, shortest, longest):
    """Extend each class, from the left, while its error is within the budget."""
    n_distinct = len(points)
    ends, start = [], 0
    for short, long in zip(shortest, longest, strict=True):
        if start < n_distinct:
            error = _error_from(start, points, totals)
            after = max(short, start + 1)
            start = bisect_right(range(n_distinct), budget, after, long, key=error)
        ends.append(start)
    return ends


def _error_from(start, points, totals):
    """Return the count times width of a class, as a function of its last target."""
    done = totals[start - 1] if start else 0
    origin = points[start]
    return lambda last: (totals[last] - done) * (points[last] - origin)


def _spend_leftover(points, totals, ends):
    """Split the classes of the largest error where ties left some classes unused."""
    n_bins, n_distinct = len(ends), len(points)
    ends = list(dict.fromkeys(ends))
    if len(ends) == n_bins:
        return np.array(ends[:-1])

    def by_error(start, end):
        return -_error_from(start, points, totals)(end - 1), start, end

    classes = [by_error(*pair) for pair in zip([0, *ends], ends, strict=False)]
    waiting = [item for item in classes if item[2] - item[1] > 1]
    heapify(waiting)
    for _ in range(n_bins - len(ends)):
        _, start, end = heappop(waiting)
        cut = _balanced_cut(start, end, points, totals)
        ends.append(cut)
        for part in ((start, cut), (cut, end)):
            if part[1] - part[0] > 1:
                heappush(waiting, by_error(*part))
    return np.array(sorted(set(ends) - {n_distinct}))


def _balanced_cut(start, end, points, totals):
    """Cut one class in two so that the larger of both errors is the smallest."""
    left_error = _error_from(start, points, totals)

    def errors(cut):
        return left_error(cut - 1), _error_from(cut, points, totals)(end - 1)

    def left_is_larger(cut):
        left, right = errors(cut)
        return left >= right

    cut = bisect_left(range(end), True, start + 1, end - 1, key=left_is_larger)
    return min((max(start + 1, cut - 1), cut), key=lambda cut: max(errors(cut)))
