"""Turn a distribution over classes into a number.

A decoder takes logits of shape (N, C_h, *S), whose softmax is the distribution, and the
classes that they belong to, and gives targets of shape (N, *S) in the unit of the data.
Log-probabilities are logits too.  It serves every level.
"""

from numbers import Real

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

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
    logits = logits.detach()
    highest = logits.amax(dim=1, keepdim=True)
    # The first of the largest, found with whole rows of floats: several times faster
    # than a search for its index.
    n_classes = logits.shape[1]
    dtype = torch.promote_types(logits.dtype, torch.float32)
    rank = torch.arange(n_classes, 0, -1, dtype=dtype, device=logits.device)
    is_largest = torch.empty_like(logits, dtype=dtype)
    torch.eq(logits, highest, out=is_largest)
    ranks = is_largest.mul_(rank.view(1, -1, *(1,) * (logits.ndim - 2)))
    index = (n_classes - ranks.amax(dim=1).long()).clamp_max_(n_classes - 1)
    # Neither NaN nor infinity must turn into a class: times zero, both are NaN.
    return values[index] + (0 * highest.squeeze(1)).to(values.dtype)


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
    return mean_of_weights(weights_of(logits), values)


def weights_of(logits):
    """Exponentiate logits, of every distribution by its largest: no sum is needed."""
    return logits.sub(logits.amax(dim=1, keepdim=True)).exp_()


def mean_of_weights(weights, values):
    """Average the class values by weights, which need not sum to 1."""
    # In halves of their range around its middle, so that a float32 neither overflows
    # nor loses more than a part of the range.
    middle = values[0] / 2 + values[-1] / 2
    half = (values - middle).abs().amax()
    offsets = (values - middle) / torch.where(half > 0, half, 1.0)
    total = weights.sum(dim=1)
    offset = torch.tensordot(weights, offsets.to(weights.dtype), ([1], [0])) / total
    return middle + half * offset.clamp(-1, 1).to(values.dtype)


def decode_debiased_mean(logits, values, label_means):
    """Answer with the target whose own label has the mean of the distribution.

    A label spreads a target over the classes around it.  Where these differ in width,
    and at the ends of the line, the mean of a label is not its target, and neither is
    that of a distribution learned from such labels.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or log-probabilities.

    values : Tensor of shape (C,)
        Class values.

    label_means : Tensor of shape (2, K)
        Rising targets, and the mean of the class values under the label of each, which
        never falls.

    Returns
    -------
    y : Tensor of shape (N, *S)
        Linear in the mean between two of these targets.

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.2, 0.5, 0.3]])
    >>> values = torch.tensor([0.0, 1.0, 5.0])
    >>> label_means = torch.tensor([[0.0, 1.0, 5.0], [0.5, 1.5, 4.5]])
    >>> decode_debiased_mean(p.log(), values, label_means).round(decimals=3)
    tensor([1.6670])
    """
    return _match(decode_mean(logits, values), label_means)


def _match(mean, label_means):
    """Find the target of a mean on the line that joins targets and means."""
    y, means = label_means
    index = torch.searchsorted(means, mean.contiguous()).clamp(1, len(y) - 1)
    lower, upper = means[index - 1], means[index]
    tiny = torch.finfo(means.dtype).tiny
    share = ((mean - lower) / (upper - lower).clamp_min(tiny)).clamp(0, 1)
    return torch.lerp(y[index - 1], y[index], share)


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
    return quantile_of_weights(weights_of(logits), edges, values, level)


def decode_quantiles(logits, edges, values, levels):
    """Answer with several quantiles, each as :func:`decode_quantile` reads it.

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        Logits, or log-probabilities.

    edges : Tensor of shape (C + 1,)
        Borders of the classes.

    values : Tensor of shape (C,)
        Value of each class.

    levels : sequence of float
        Which quantiles, between 0 and 1.

    Returns
    -------
    y : Tensor of shape (N, n_levels, *S)

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.25, 0.75, 0.0]])
    >>> edges = torch.tensor([0.0, 1.0, 3.0, 9.0])
    >>> values = torch.tensor([0.5, 2.0, 4.0])
    >>> decode_quantiles(p.log(), edges, values, [0.25, 0.5])
    tensor([[1.0000, 1.6667]])
    """
    if not len(levels):
        raise ValueError("levels must hold at least one level, such as 0.5; got none.")
    cumulative = _running_total(weights_of(logits))
    answers = [_invert(cumulative, edges, values, level) for level in levels]
    return torch.stack(answers, dim=1)


def interval_levels(coverage):
    """Return which two quantiles bound the central interval of a coverage.

    Parameters
    ----------
    coverage : float
        Probability inside, between 0 and 1.

    Returns
    -------
    levels : list of float

    Examples
    --------
    >>> interval_levels(0.5)
    [0.25, 0.75]
    """
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(f"coverage must lie between 0 and 1; got {coverage!r}.")
    coverage = float(coverage)
    return [(1 - coverage) / 2, (1 + coverage) / 2]


def quantile_of_weights(weights, edges, values, level=0.5):
    """Read a quantile off weights, which need not sum to 1."""
    return _invert(_running_total(weights), edges, values, level)


def _running_total(weights):
    """Add weights up along the classes, in single precision at least."""
    dtype = torch.promote_types(weights.dtype, torch.float32)
    return weights.to(dtype).cumsum(dim=1)


def _invert(cumulative, edges, values, level):
    """Find where the running total of the weights reaches a share of all."""
    target = level * cumulative[:, -1:]
    last = len(values) - 1
    # Counted in floats, in place: several times faster than in booleans.
    index = (cumulative - target).lt_(0).sum(dim=1, keepdim=True)
    index = index.long().clamp_max(last)
    upto = cumulative.gather(1, index)
    before = torch.where(index > 0, cumulative.gather(1, (index - 1).clamp_min(0)), 0.0)
    tiny = torch.finfo(cumulative.dtype).tiny
    share = ((target - before) / (upto - before).clamp_min(tiny)).clamp(0, 1)
    index, share = index.squeeze(1), 2 * share.squeeze(1).to(values.dtype)
    value = values[index]
    # The outermost classes reach to infinity, and so may their values.
    lower, upper = edges[index].minimum(value), edges[index + 1].maximum(value)
    return torch.where(
        share < 1, torch.lerp(lower, value, share), torch.lerp(value, upper, share - 1)
    )


class BaseDecoder(BaseEstimator):
    """A way to read one number off a distribution, given as logits or as weights."""

    def from_weights(self, weights, classes):
        """Decode a batch of probabilities, each distribution times any factor."""
        return self(weights.log(), classes)


class ArgmaxDecoder(BaseDecoder):
    """The value of the most likely class, as in the paper."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_argmax(logits, classes.values)

    def from_weights(self, weights, classes):
        """Decode a batch: weights are in the order of their logits."""
        return decode_argmax(weights, classes.values)


class MeanDecoder(BaseDecoder):
    """The mean of the distribution; best for squared errors."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_mean(logits, classes.values)

    def from_weights(self, weights, classes):
        """Decode a batch of weights."""
        return mean_of_weights(weights, classes.values)


class DebiasedMeanDecoder(BaseDecoder):
    """The mean, without the bias of the labels: the target whose label has that mean.

    It is for the finest level; coarse ones, whose labels are hardly spread, are decoded
    by the mean.
    """

    def __call__(self, logits, classes):
        """Decode a batch."""
        return self._debiased(decode_mean(logits, classes.values), classes)

    def from_weights(self, weights, classes):
        """Decode a batch of weights."""
        return self._debiased(mean_of_weights(weights, classes.values), classes)

    def _debiased(self, mean, classes):
        """Take the bias from a mean, where it is known."""
        if classes.label_means is None:
            return mean
        return _match(mean, classes.label_means)


class QuantileDecoder(BaseDecoder):
    """A quantile of the distribution, interpolated; best for the pinball loss.

    Parameters
    ----------
    level : float, default=0.5
        Which quantile, between 0 and 1.
    """

    _parameter_constraints: dict = {"level": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, level=0.5):
        self.level = level

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_quantile(logits, classes.edges, classes.values, self.level)

    def from_weights(self, weights, classes):
        """Decode a batch of weights."""
        return quantile_of_weights(weights, classes.edges, classes.values, self.level)


class MedianDecoder(BaseDecoder):
    """The median of the distribution, interpolated; best for absolute errors."""

    def __call__(self, logits, classes):
        """Decode a batch."""
        return decode_quantile(logits, classes.edges, classes.values)

    def from_weights(self, weights, classes):
        """Decode a batch of weights."""
        return quantile_of_weights(weights, classes.edges, classes.values)


DECODERS = {
    "argmax": ArgmaxDecoder,
    "mean": MeanDecoder,
    "debiased_mean": DebiasedMeanDecoder,
    "median": MedianDecoder,
}


def make_decoder(decoder):
    """Return the recipe of a decoder, given as an alias or an object."""
    return resolve("decoder", decoder, DECODERS, BaseDecoder)
