"""Turn a distribution over classes into a number.

A decoder takes logits of shape (N, C_h, *S), whose softmax is the distribution, and the
classes that they belong to, and gives targets of shape (N, *S) in the unit of the data.
Log-probabilities are logits too.  It serves every level.
"""

import torch
from sklearn.base import BaseEstimator

from sk_hca.base import resolve


def decode_argmax(logits, values):
    """Answer with the value of the most likely class.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or any scores.

    values : Tensor of shape (C,)
        Class values.

    Returns
    -------
    y : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.2, 0.5, 0.3]])
    >>> decode_argmax(p.log(), torch.tensor([0.0, 1.0, 5.0]))
    tensor([1.])
    """
    highest, index = logits.max(dim=1)
    # A NaN would win every comparison: it must not turn into a class.
    return torch.where(highest.isnan(), torch.nan, values[index])


def decode_mean(logits, values):
    """Answer with the mean of the distribution, which is best for squared errors.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or log-probabilities.

    values : Tensor of shape (C,)
        Class values.

    Returns
    -------
    y : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.2, 0.5, 0.3]])
    >>> decode_mean(p.log(), torch.tensor([0.0, 1.0, 5.0])).round(decimals=3)
    tensor([2.])
    """
    p = logits.softmax(dim=1).to(values.dtype)
    return torch.tensordot(p, values, dims=([1], [0]))


def decode_quantile(logits, edges, values, level=0.5):
    """Answer with a quantile, interpolated inside the class that holds it.

    Half of a class's probability lies on either side of its value: the distribution
    function is linear from a border to the value, and from there to the next border.  A
    coarse class therefore does not quantise the answer.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or log-probabilities.

    edges : Tensor of shape (C + 1,)
        Borders of the classes.

    values : Tensor of shape (C,)
        Value of each class.

    level : float, default=0.5
        Which quantile, between 0 and 1; the default is the median, which is best for
        absolute errors.

    Returns
    -------
    y : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.25, 0.75, 0.0]])
    >>> edges = torch.tensor([0.0, 1.0, 3.0, 9.0])
    >>> values = torch.tensor([0.5, 2.0, 4.0])
    >>> decode_quantile(p.log(), edges, values)
    tensor([1.6667])
    """
    cumulative = logits.softmax(dim=1).to(values.dtype).cumsum(dim=1)
    target = level * cumulative[:, -1:]
    last = len(values) - 1
    index = (cumulative < target).sum(dim=1, keepdim=True).clamp_max(last)
    upto = cumulative.gather(1, index)
    before = torch.where(index > 0, cumulative.gather(1, (index - 1).clamp_min(0)), 0.0)
    tiny = torch.finfo(values.dtype).tiny
    share = ((target - before) / (upto - before).clamp_min(tiny)).clamp(0, 1)
    index, share = index.squeeze(1), 2 * share.squeeze(1)
    lower, value, upper = edges[index], values[index], edges[index + 1]
    return torch.where(
        share < 1, torch.lerp(lower, value, share), torch.lerp(value, upper, share - 1)
    )


class BaseDecoder(BaseEstimator):
    """A way to read one number off a distribution."""


class ArgmaxDecoder(BaseDecoder):
    """The value of the most likely class, as in the paper."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_argmax(logits, classes.values)


class MeanDecoder(BaseDecoder):
    """The mean of the distribution; best for squared errors."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_mean(logits, classes.values)


class MedianDecoder(BaseDecoder):
    """The median of the distribution, interpolated; best for absolute errors."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_quantile(logits, classes.edges, classes.values)


DECODERS = {"argmax": ArgmaxDecoder, "mean": MeanDecoder, "median": MedianDecoder}


def make_decoder(decoder):
    """Return the recipe of a decoder, given as an alias or an object."""
    return resolve("decoder", decoder, DECODERS, BaseDecoder)
