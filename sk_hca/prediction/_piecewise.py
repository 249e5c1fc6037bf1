"""Closed forms on piecewise linear distribution functions, many at a time.

A *line* is given by its knots, the same for all samples, and by its heights there, of
shape (n, K + 1, *S): from 0 to 1, never falling.  Two knots may be at one place: the
line jumps there.  Targets and levels are of shape (n, m, *S).
"""

import numpy as np


def place_values(edges, values):
    """Lay class values inside their classes, whose outermost reach to infinity.

    Parameters
    ----------
    edges : ndarray of shape (C + 1,)
        Borders of the classes.

    values : array-like of shape (C,) or None
        Value of each class; None for the middles.

    Returns
    -------
    edges : ndarray of shape (C + 1,)
        The outer borders have moved out to values beyond them.

    values : ndarray of shape (C,)
    """
    if values is None:
        return edges, edges[:-1] / 2 + edges[1:] / 2
    values = np.array(values, dtype=np.float64)
    if values.shape != (len(edges) - 1,):
        raise ValueError(
            f"values must be {len(edges) - 1} numbers, one for each class; got shape "
            f"{values.shape}."
        )
    inside = values.copy()
    inside[1:] = np.maximum(inside[1:], edges[1:-1])
    inside[:-1] = np.minimum(inside[:-1], edges[1:-1])
    # The mean of equal numbers may be off by rounding.
    if not np.allclose(inside, values, rtol=1e-9, atol=1e-9 * np.ptp(edges)):
        raise ValueError(
            f"values must lie inside their classes; got {values} for the edges {edges}."
        )
    lowest, highest = min(edges[0], inside[0]), max(edges[-1], inside[-1])
    return np.concatenate([[lowest], edges[1:-1], [highest]]), inside


def running_total(parts):
    """Add up along axis 1, from 0 on.

    Parameters
    ----------
    parts : ndarray of shape (n, K, *S)
        What to add.

    Returns
    -------
    total : ndarray of shape (n, K + 1, *S)
    """
    zero = np.zeros_like(parts[:, :1])
    return np.concatenate([zero, parts.cumsum(axis=1)], axis=1)


def read_line(y, knots, heights):
    """Read lines at targets, from the right where they jump.

    Parameters
    ----------
    y : ndarray of shape (n, m, *S)
        Targets.

    knots, heights : ndarray of shape (K + 1,) and (n, K + 1, *S)
        The lines.

    Returns
    -------
    height : ndarray of shape (n, m, *S)
        Between 0 and 1.

    piece : ndarray of shape (n, m, *S)
        Which piece each target lies on; the outermost ones reach to infinity.
    """
    piece = np.searchsorted(knots, y, side="right") - 1
    piece = piece.clip(0, len(knots) - 2)
    lower, upper = knots[piece], knots[piece + 1]
    # A piece without width is met at the outer ends only, and jumped over there.
    width = np.where(upper > lower, upper - lower, 1)
    share = np.where(upper > lower, (y - lower) / width, y >= upper).clip(0, 1)
    start = np.take_along_axis(heights, piece, axis=1)
    rise = np.take_along_axis(heights, piece + 1, axis=1) - start
    return start + share * rise, piece


def invert_line(levels, knots, heights):
    """Find the first place where lines reach levels.

    Parameters
    ----------
    levels : ndarray of shape (n, m, *S)
        Heights between 0 and 1.

    knots, heights : ndarray of shape (K + 1,) and (n, K + 1, *S)
        The lines.

    Returns
    -------
    y : ndarray of shape (n, m, *S)
    """
    last = len(knots) - 2
    low, high = np.zeros(levels.shape, int), np.full(levels.shape, last)
    # By bisection: the piece is the first one whose end reaches the level.
    for _ in range(last.bit_length() + 1):
        middle = (low + high) // 2
        falls_short = np.take_along_axis(heights, middle + 1, axis=1) < levels
        low = np.where(falls_short, middle + 1, low)
        high = np.where(falls_short, high, middle)
    start = np.take_along_axis(heights, low, axis=1)
    rise = np.take_along_axis(heights, low + 1, axis=1) - start
    share = (levels - start) / np.where(rise > 0, rise, 1)
    return knots[low] + share.clip(0, 1) * (knots[low + 1] - knots[low])


def squared_distance(y, knots, heights):
    r"""Integrate the squared distance between lines and steps at targets.

    Parameters
    ----------
    y : ndarray of shape (n, m, *S)
        Where the steps are; also beyond the knots.

    knots, heights : ndarray of shape (K + 1,) and (n, K + 1, *S)
        The lines.

    Returns
    -------
    integral : ndarray of shape (n, m, *S)
        :math:`\int (F(x) - 1[x \ge y])^2 dx`.  Every piece is the integral of a squared
        line, its width times :math:`(a^2 + ab + b^2) / 3`; nothing is subtracted that
        could cancel.
    """
    start, end = heights[:, :-1], heights[:, 1:]
    widths = np.diff(knots).reshape(1, -1, *(1,) * (heights.ndim - 2))
    below = running_total(widths * _mean_square(start, end))
    above = (widths * _mean_square(1 - start, 1 - end))[:, ::-1]
    above = running_total(above)[:, ::-1]
    at_y, piece = read_line(y, knots, heights)
    inside = np.clip(y, knots[0], knots[-1])
    return (
        np.take_along_axis(below, piece, axis=1)
        + (inside - knots[piece])
        * _mean_square(np.take_along_axis(start, piece, axis=1), at_y)
        + (knots[piece + 1] - inside)
        * _mean_square(1 - at_y, 1 - np.take_along_axis(end, piece, axis=1))
        + np.take_along_axis(above, piece + 1, axis=1)
        + np.abs(y - inside)
    )


def _mean_square(start, end):
    """Average the square of a line over where it goes from one number to another."""
    return (start * start + start * end + end * end) / 3
