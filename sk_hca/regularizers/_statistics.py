"""What feature smoothing does with the statistics of bins: pure functions.

Statistics have one row per bin of the target line and one column per feature.
"""

import torch

# A calibration changes a variance by these factors at most.
LEAST_FACTOR, MOST_FACTOR = 0.1, 10.0


def fill_empty_bins(statistics, is_known):
    """Fill the bins without samples from the nearest ones that have any.

    Parameters
    ----------
    statistics : Tensor of shape (C, d)
        A statistic of every bin.

    is_known : Tensor of shape (C,), bool
        Which bins have samples; one of them at least.

    Returns
    -------
    filled : Tensor of shape (C, d)
        Interpolated between the nearest bins on both sides, by their distance; beyond
        the outermost one, equal to it.

    Examples
    --------
    >>> import torch
    >>> known = torch.tensor([False, True, False, False, True])
    >>> fill_empty_bins(torch.tensor([[0.0], [3.0], [0.0], [0.0], [6.0]]), known).T
    tensor([[3., 3., 4., 5., 6.]])
    """
    n_bins = len(is_known)
    place = torch.arange(n_bins, device=statistics.device)
    left = torch.where(is_known, place, -1).cummax(dim=0).values
    right = torch.where(is_known, place, n_bins).flip(0).cummin(dim=0).values.flip(0)
    left, right = (
        torch.where(left < 0, right, left),
        torch.where(right == n_bins, left, right),
    )
    share = (place - left) / (right - left).clamp_min(1)
    share = share.unsqueeze(1).to(statistics.dtype)
    return torch.lerp(statistics[left], statistics[right], share)


def smooth_along_bins(statistics, window):
    """Average statistics over neighbouring bins; the ends are reflected.

    Parameters
    ----------
    statistics : Tensor of shape (C, d)
        A statistic of every bin.

    window : Tensor of shape (size,)
        Weights of a bin and its neighbours, of sum 1; the size is odd.

    Returns
    -------
    smoothed : Tensor of shape (C, d)

    Examples
    --------
    >>> import torch
    >>> window = torch.tensor([0.25, 0.5, 0.25])
    >>> smooth_along_bins(torch.tensor([[0.0], [4.0], [0.0]]), window).T
    tensor([[2., 2., 2.]])
    """
    n_bins, reach = len(statistics), len(window) // 2
    offset = torch.arange(-reach, reach + 1, device=statistics.device)
    place = torch.arange(n_bins, device=statistics.device).unsqueeze(1) + offset
    # Reflected as often as a wide window asks for; the end itself is not repeated.
    period = max(1, 2 * (n_bins - 1))
    place = place.remainder(period)
    place = torch.minimum(place, period - place) if n_bins > 1 else place
    return torch.einsum("ckd,k->cd", statistics[place], window)


def calibration(mean, variance, new_mean, new_variance):
    """Return the scale and shift that calibrate the features of every bin.

    Parameters
    ----------
    mean, variance : Tensor of shape (C, d)
        Statistics of the features as they are.

    new_mean, new_variance : Tensor of shape (C, d)
        Statistics that they are given.

    Returns
    -------
    scale, shift : Tensor of shape (C, d)
        1 and 0 where a variance is 0.
    """
    varies = variance > 0
    factor = new_variance / torch.where(varies, variance, 1)
    scale = torch.where(varies, factor.clamp(LEAST_FACTOR, MOST_FACTOR).sqrt(), 1)
    return scale, torch.where(varies, new_mean - scale * mean, 0)


def calibrate_features(features, mean, variance, new_mean, new_variance):
    r"""Give features another mean and variance.

    Parameters
    ----------
    features, mean, variance, new_mean, new_variance : Tensor of shape (N, d)
        Features, the statistics of their bins, and those that they are given.

    Returns
    -------
    features : Tensor of shape (N, d)
        With :math:`m_1, v_1` the old statistics and :math:`m_2, v_2` the new ones,
        :math:`(x - m_1) \sqrt{\mathrm{clamp}(v_2 / v_1, 0.1, 10)} + m_2`; a feature
        with :math:`v_1 = 0` stays as it is.

    References
    ----------
    Yang et al., "Delving into deep imbalanced regression", ICML 2021.

    Examples
    --------
    >>> import torch
    >>> x, one = torch.tensor([[3.0, 3.0]]), torch.ones(1, 2)
    >>> calibrate_features(x, one, torch.tensor([[1.0, 0.0]]), 5 * one, 4 * one)
    tensor([[9., 3.]])
    """
    scale, shift = calibration(mean, variance, new_mean, new_variance)
    return features * scale + shift
