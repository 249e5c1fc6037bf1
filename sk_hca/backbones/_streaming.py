"""Heads on large maps, some rows at a time: all their logits never lie in memory."""

import math

from torch import nn

from sk_hca.base import StreamedOutput

# Heads give so many logits at once: what a CPU's memory takes well, and what keeps an
# accelerator busy.
MOST_ON_CPU, MOST_ELSEWHERE = 2**20, 2**24


class Heads(nn.Module):
    """Heads that answer for a small batch, and promise to for large maps.

    A subclass writes :meth:`answer`.

    Attributes
    ----------
    n_values : int
        Logits of one place.
    """

    def answer(self, features):
        """Give all there is to say of the features."""
        raise TypeError(f"{type(self).__name__} must define answer.")

    def forward(self, features):
        """Answer now, or when a part of the maps is asked for."""
        return answer_or_promise(self, features, features.shape)


def answer_or_promise(heads, features, shape):
    """Let heads answer, or promise to where their logits would fill the memory.

    Parameters
    ----------
    heads : nn.Module
        With `n_values` and `answer`, as :class:`Heads` has them.

    features : Tensor of shape (N, d, *S) or (N, d, *S, K)
        Output of the backbone, or of all members of a committee.

    shape : tuple of int
        Shape of the features of one network, (N, d, *S).

    Returns
    -------
    output : NetworkOutput or StreamedOutput
    """
    if len(shape) == 2:
        return heads.answer(features)
    is_cpu = features.device.type == "cpu"
    most = MOST_ON_CPU if is_cpu else MOST_ELSEWHERE
    n_rows = rows_at_once(shape, heads.n_values, most)
    if n_rows is None:
        return heads.answer(features)
    return StreamedOutput(features, features, heads, n_rows, len(shape) - 2)


def rows_at_once(shape, n_values, most):
    """Return how many rows of maps are answered at once, or None for all.

    Parameters
    ----------
    shape : tuple of int
        Shape of the features, (N, d, *S).

    n_values : int
        Logits of one place.

    most : int
        Logits of one part, where a row has no more.

    Returns
    -------
    n_rows : int or None

    Examples
    --------
    >>> rows_at_once((8, 64, 480, 640), n_values=226, most=2**24)
    14
    >>> rows_at_once((8, 64, 4, 4), n_values=226, most=2**24) is None
    True
    """
    n_of_row = shape[0] * math.prod(shape[3:]) * n_values
    n_rows = max(1, most // max(1, n_of_row))
    return n_rows if n_rows < shape[2] else None
