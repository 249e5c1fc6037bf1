"""Smoothing windows: the authors' values, symmetry, and both ways to normalise."""

import numpy as np
import pytest

from sk_hca.base import smoothing_window

KERNELS = ["gaussian", "triang", "laplace"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_window_matches_the_release(load_oracle, kernel):
    expected = load_oracle("lds_weights.npz")[f"window-{kernel}-5-2"]
    np.testing.assert_allclose(smoothing_window(kernel, 5, 2), expected, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [1, 3, 9, 31])
def test_window_is_symmetric_and_normalised(kernel, size):
    window = smoothing_window(kernel, size, 1.5)
    assert len(window) == size
    assert window.argmax() == size // 2
    assert window.max() == 1
    assert (window >= 0).all()
    np.testing.assert_allclose(window, window[::-1], rtol=1e-12)
    share = smoothing_window(kernel, size, 1.5, normalize="sum")
    np.testing.assert_allclose(share, window / window.sum(), rtol=1e-12)


def test_gaussian_window_folds_its_tails_back():
    """Without the fold it would be a Gaussian."""
    x = np.arange(-7, 8)
    narrow = smoothing_window("gaussian", 15, 1)
    np.testing.assert_allclose(narrow, np.exp(-(x**2) / 2), atol=1e-4)
    folded = smoothing_window("gaussian", 5, 2)
    assert (folded > np.exp(-(x[5:10] ** 2) / 8))[[0, -1]].all()


def test_window_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match=r"kernel must be one of .* Did you mean"):
        smoothing_window("gauss", 5, 2)
    with pytest.raises(ValueError, match=r"size must be odd.*Set it to 3 or 5"):
        smoothing_window("triang", 4, 2)
