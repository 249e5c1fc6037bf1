"""Feature distribution smoothing: neighbouring targets get neighbouring features.

Statistics are collected while an epoch trains, from the features before they are
smoothed; they count from the next epoch on.  Nothing is written in place into what
gradients flow through.
"""

import numpy as np
import torch
from torch import nn

from sk_hca.base import smoothing_window
from sk_hca.regularizers._statistics import (
    calibration,
    fill_empty_bins,
    smooth_along_bins,
)


class FeatureSmoothing(nn.Module):
    r"""Smooth the statistics of features along the target line (FDS).

    It stands between a backbone and its heads, in training only: ``forward`` takes the
    targets of the batch, and ``end_epoch`` is called after every epoch.

    Parameters
    ----------
    n_features : int
        Number of features, d.

    edges : array-like of shape (C + 1,)
        Borders of the bins, in the unit of the targets; the outer ones reach to
        infinity.

    kernel : {"gaussian", "triang", "laplace"}, default="gaussian"
        Window along the bins.

    size : int, default=5
        Bins under the window; odd.

    sigma : float, default=2.0
        Width of the window, in bins.

    momentum : float, default=0.9
        What share of the running statistics of a bin stays in every epoch.

    start_epoch : int, default=1
        Epochs to wait, of which the statistics are collected but not used.

    Attributes
    ----------
    mean, variance : Tensor of shape (C, d)
        Running statistics of the features of every bin.

    is_known : Tensor of shape (C,), bool
        Which bins have had any sample.

    n_epochs : Tensor of shape ()
        Epochs that have ended.

    Notes
    -----
    Every epoch gives, for every bin, the mean and the unbiased variance of its features
    (0 for a single sample), which the running ones follow; the first ones of a bin
    replace them.  A weight counts as a repetition: variances are divided by the sum of
    weights minus 1, and by no less than half of that sum.

    After an epoch, bins without any sample so far are filled from their neighbours, for
    smoothing only, and the statistics are averaged under a window along the bins, whose
    ends are reflected.  In the next epoch the features of a bin become
    :math:`(x - m_1) \sqrt{\mathrm{clamp}(v_2 / v_1, 0.1, 10)} + m_2`, with
    :math:`m_1, v_1` the running statistics and :math:`m_2, v_2` the smoothed ones, both
    of that last epoch.  Features with :math:`v_1 = 0` and bins without statistics stay.

    The authors' release mixes two epochs (:math:`m_2, v_2` lag one behind
    :math:`m_1, v_1`), smooths in place, takes its statistics in a pass of its own, and
    lets a bin without samples count with mean 0 and variance 1.

    References
    ----------
    Yang et al., "Delving into deep imbalanced regression", ICML 2021.

    Examples
    --------
    >>> import torch
    >>> smoothing = FeatureSmoothing(1, [0, 1, 2], kernel="triang", size=3)
    >>> features = torch.tensor([[1.0], [3.0], [8.0], [12.0]])
    >>> y = torch.tensor([0.5, 0.5, 1.5, 1.5])
    >>> _ = smoothing(features, y)
    >>> smoothing.end_epoch()
    >>> smoothing.mean.T, smoothing.variance.T
    (tensor([[ 2., 10.]], dtype=torch.float64), tensor([[2., 8.]], dtype=torch.float64))
    >>> smoothing(features, y).T
    tensor([[4.4189, 7.5811, 4.4189, 7.5811]])
    >>> smoothing.eval()(features, y) is features
    True
    """

    # Buffers.
    borders: torch.Tensor
    window: torch.Tensor
    n_epochs: torch.Tensor
    is_known: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    transform: torch.Tensor
    counts: torch.Tensor
    totals: torch.Tensor
    squares: torch.Tensor

    def __init__(
        self,
        n_features,
        edges,
        *,
        kernel="gaussian",
        size=5,
        sigma=2.0,
        momentum=0.9,
        start_epoch=1,
    ):
        super().__init__()
        self.momentum = momentum
        self.start_epoch = start_epoch
        edges = np.asarray(edges, dtype=np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(
                "edges must be two or more numbers that increase strictly; got "
                f"{edges!r}."
            )
        window = smoothing_window(kernel, size, sigma, normalize="sum")
        shape = (len(edges) - 1, n_features)
        ones, zeros = (make(*shape).double() for make in (torch.ones, torch.zeros))
        self.register_buffer("borders", torch.tensor(edges[1:-1]))
        self.register_buffer("window", torch.tensor(window))
        self.register_buffer("n_epochs", torch.tensor(0))
        self.register_buffer("is_known", torch.zeros(len(ones), dtype=torch.bool))
        self.register_buffer("mean", zeros)
        self.register_buffer("variance", ones)
        # Scale and shift of every bin, side by side: looked up together.
        self.register_buffer("transform", torch.cat([ones, zeros], dim=1))
        # Sums of an epoch that is not over: of weights, and of x and x squared.
        self.register_buffer("counts", zeros[:, 0].clone(), persistent=False)
        self.register_buffer("totals", zeros.clone(), persistent=False)
        self.register_buffer("squares", zeros.clone(), persistent=False)

    def forward(self, features, y=None, weight=None):
        """Smooth the features of a batch, and collect their statistics.

        Parameters
        ----------
        features : Tensor of shape (N, d, *S)
            Features of a batch.

        y : Tensor of shape (N, *S), optional
            Targets; without them, or in evaluation mode, features stay as they are.

        weight : Tensor of shape (N, *S), optional
            How often every target counts.

        Returns
        -------
        features : Tensor of shape (N, d, *S)
        """
        if y is None or not self.training:
            return features
        last = features.movedim(1, -1)
        rows = last.reshape(-1, features.shape[1])
        index = torch.bucketize(y.reshape(-1).to(self.borders.dtype), self.borders)
        self._collect(rows.detach(), index, weight)
        moves = self.transform.to(rows.dtype).index_select(0, index)
        scale, shift = moves.chunk(2, dim=1)
        return torch.addcmul(shift, rows, scale).view(last.shape).movedim(-1, 1)

    def _collect(self, rows, index, weight):
        """Add the features of a batch to the sums of their bins."""
        rows = rows.to(self.totals.dtype)
        if weight is None:
            weight, weighted = rows.new_ones(len(rows)), rows
        else:
            weight = weight.reshape(-1).to(rows.dtype)
            weighted = rows * weight.unsqueeze(1)
        self.counts.index_add_(0, index, weight)
        self.totals.index_add_(0, index, weighted)
        self.squares.index_add_(0, index, weighted * rows)

    def begin_epoch(self):
        """Forget the sums of an epoch that never ended."""
        for sums in (self.counts, self.totals, self.squares):
            sums.zero_()

    def end_epoch(self):
        """Let the running statistics follow those of the epoch, and smooth them."""
        self._follow(*self._epoch_statistics())
        self.begin_epoch()
        self.n_epochs += 1
        if self.n_epochs >= self.start_epoch and self.is_known.any():
            self._calibrate()

    def _calibrate(self):
        """Set what the features of every known bin become."""
        smoothed = [
            smooth_along_bins(fill_empty_bins(known, self.is_known), self.window)
            for known in (self.mean, self.variance)
        ]
        moved = torch.cat(calibration(self.mean, self.variance, *smoothed), dim=1)
        is_known = self.is_known.unsqueeze(1)
        self.transform = torch.where(is_known, moved, self.transform)

    def _epoch_statistics(self):
        """Return how much every bin counted in the epoch, its means and variances."""
        count = self.counts.unsqueeze(1)
        mean = self.totals / torch.where(count > 0, count, 1)
        spread = self.squares - mean * self.totals
        # What is left of equal numbers is the rounding of their sums.
        rounding = 4 * count.clamp_min(1).sqrt() * torch.finfo(mean.dtype).eps
        rounding = rounding * self.squares
        divisor = torch.maximum(count - 1, count / 2)
        variance = spread / torch.where(count > 0, divisor, 1)
        return count, mean, torch.where(spread > rounding, variance, 0)

    def _follow(self, count, mean, variance):
        """Move the running statistics of the bins that counted."""
        share = torch.where(self.is_known.unsqueeze(1), 1 - self.momentum, 1.0)
        share = torch.where(count > 0, share, 0.0).to(mean.dtype)
        self.mean = torch.lerp(self.mean, mean, share)
        self.variance = torch.lerp(self.variance, variance, share)
        self.is_known = self.is_known | (count.squeeze(1) > 0)
