"""Windows that smooth along neighbouring bins of the target line (LDS and FDS)."""

from numbers import Integral, Real

import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sk_hca.base._resolve import check_alias


def gaussian_window(offsets, sigma):
    """Filter a unit impulse; the ends reflect what would leave the window."""
    return gaussian_filter1d((offsets == 0).astype(np.float64), sigma, mode="reflect")


def triangular_window(offsets, sigma):
    """Fall linearly, to 0 one bin outside the window; it has no `sigma`."""
    return 1 - np.abs(offsets) / (offsets[-1] + 1)


def laplace_window(offsets, sigma):
    """Fall exponentially to both sides."""
    return np.exp(-np.abs(offsets) / sigma)


WINDOWS = {
    "gaussian": gaussian_window,
    "triang": triangular_window,
    "laplace": laplace_window,
}


@validate_params(
    {
        "kernel": [str],
        "size": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "normalize": [StrOptions({"max", "sum"})],
    },
    prefer_skip_nested_validation=True,
)
def smoothing_window(kernel, size, sigma, normalize="max"):
    r"""Make the symmetric window that label or feature distributions are smoothed with.

    Parameters
    ----------
    kernel : {"gaussian", "triang", "laplace"}
        Shape of the window.

    size : int
        Number of bins under the window; odd, so that it has a middle.

    sigma : float
        Width of the kernel, in bins; a triangle has none but its size.

    normalize : {"max", "sum"}, default="max"
        Whether the largest entry is 1 (label distribution smoothing), or the sum of
        all is (feature distribution smoothing).

    Returns
    -------
    window : ndarray of shape (size,)

    Notes
    -----
    With :math:`m` the middle and :math:`r = (size - 1) / 2`, the triangle is
    :math:`1 - |i - m| / (r + 1)` and the Laplace kernel
    :math:`e^{-|i - m| / \sigma}`.  The Gaussian is that of the authors' release:
    ``scipy.ndimage.gaussian_filter1d`` of a unit impulse of length `size`, whose
    reflecting ends fold the tails back.  For size 5 and sigma 2 it is thus flatter than
    a Gaussian, .858 .946 1 .946 .858.

    References
    ----------
    Yang et al., "Delving into deep imbalanced regression", ICML 2021.

    Examples
    --------
    >>> smoothing_window("gaussian", size=5, sigma=2).round(3)
    array([0.858, 0.946, 1.   , 0.946, 0.858])
    >>> smoothing_window("triang", size=3, sigma=1, normalize="sum")
    array([0.25, 0.5 , 0.25])
    """
    check_alias("kernel", kernel, WINDOWS)
    if size % 2 == 0:
        raise ValueError(
            f"size must be odd, so that the window has a middle; got {size}. "
            f"Set it to {size - 1} or {size + 1}."
        )
    window = WINDOWS[kernel](np.arange(size) - size // 2, sigma)
    return window / (window.max() if normalize == "max" else window.sum())
