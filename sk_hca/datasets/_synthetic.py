r"""Imbalanced data drawn from equations: tables, images and maps.

The targets of tables and images follow one *long tail*, the exponential density
:math:`p(y) \propto e^{-y / \text{tail}}` cut off at an upper end; ``tail=None`` draws
them uniformly instead, which makes a balanced set for testing.  Inputs are rendered
from the targets with noise, so that a model which minimises its mean error pulls what
is rare towards what is common.

All randomness comes from `random_state`.  No function loops over samples.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

_SIZE = [Interval(Integral, 4, None, closed="left")]
_COUNT = [Interval(Integral, 1, None, closed="left")]
_TAIL = [Interval(Real, 0, None, closed="neither"), None]
_NOISE = [Interval(Real, 0, None, closed="left")]


@validate_params(
    {
        "n_samples": _COUNT,
        "n_features": _COUNT,
        "tail": _TAIL,
        "noise": _NOISE,
        "test_size": _COUNT,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_imbalanced_table(
    n_samples=2000,
    n_features=8,
    *,
    tail=13.0,
    noise=0.1,
    test_size=1000,
    random_state=None,
):
    r"""Draw a long-tailed table to train on, and a balanced one to test on.

    Targets lie between 0 and 100.  With the default tail, nine training samples in ten
    lie below 30, while the test targets are uniform, so that the plain error on the
    test table is already a balanced one.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of training samples.

    n_features : int, default=8
        Number of columns.

    tail : float or None, default=13.0
        Length of the tail, in units of the target: the smaller, the rarer are large
        targets.  None draws the training targets uniformly too.

    noise : float, default=0.1
        Standard deviation of both noises below; 0 leaves an exact function.

    test_size : int, default=1000
        Number of test samples.

    random_state : int, RandomState instance or None, default=None
        Seed of the table.

    Returns
    -------
    X_train : ndarray of shape (n_samples, n_features)
    X_test : ndarray of shape (test_size, n_features)
    y_train : ndarray of shape (n_samples,)
    y_test : ndarray of shape (test_size,)

    Notes
    -----
    Column j of sample i is

    .. math::
        x_{ij} = \sin(\omega_j z_i + \varphi_j) + \text{noise} \cdot \epsilon_{ij},
        \qquad z_i = y_i / 100 + \text{noise} \cdot \epsilon_i,

    where :math:`\omega_j` is uniform on :math:`[1, 6]`, :math:`\varphi_j` on
    :math:`[0, 2\pi]`, and every :math:`\epsilon` is standard normal.  The noise inside
    the sine is shared by all columns, and no number of them averages it out.

    Examples
    --------
    >>> from sk_hca.datasets import make_imbalanced_table
    >>> X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    >>> X_train.shape, X_test.shape
    ((2000, 8), (1000, 8))
    >>> round(float((y_train < 30).mean()), 1), round(float((y_test < 30).mean()), 1)
    (0.9, 0.3)
    """
    rng = check_random_state(random_state)
    frequencies = rng.uniform(1.0, 6.0, size=n_features)
    phases = rng.uniform(0.0, 2.0 * np.pi, size=n_features)

    def render(y):
        latent = y / 100.0 + noise * rng.standard_normal(y.shape)
        waves = np.sin(np.multiply.outer(latent, frequencies) + phases)
        return waves + noise * rng.standard_normal(waves.shape)

    y_train = _long_tail(rng, n_samples, tail, upper=100.0)
    y_test = _long_tail(rng, test_size, None, upper=100.0)
    return render(y_train), render(y_test), y_train, y_test


@validate_params(
    {
        "n_samples": _COUNT,
        "size": _SIZE,
        "max_blobs": _COUNT,
        "tail": _TAIL,
        "noise": _NOISE,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_imbalanced_images(
    n_samples=1000, size=32, *, max_blobs=40, tail=6.0, noise=0.1, random_state=None
):
    r"""Draw small images of blobs, long-tailed in their number.

    The target is how many blobs an image holds; a blob that the border cuts counts by
    the share of it inside, so that the target is not a whole number.  Draw the test
    images with ``tail=None`` and another seed.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images.

    size : int, default=32
        Height and width of an image, in pixels.

    max_blobs : int, default=40
        Largest number of blobs in an image.

    tail : float or None, default=6.0
        Length of the tail, in blobs.  None draws every number equally often.

    noise : float, default=0.1
        Standard deviation of the noise of a pixel; a whole blob peaks at about 1.

    random_state : int, RandomState instance or None, default=None
        Seed of the images.

    Returns
    -------
    X : ndarray of shape (n_samples, 1, size, size), float32
        Images.

    y : ndarray of shape (n_samples,)
        Number of blobs, positive.

    Notes
    -----
    The number of blobs is one plus the whole part of a long-tailed number below
    `max_blobs`.  Blob b has its centre anywhere in the image and a standard deviation
    of :math:`s = \text{size} / 20` pixels.  Pixel (r, c) and the target are

    .. math::
        x_{rc} = \sum_b a_b \, e^{-((r - r_b)^2 + (c - c_b)^2) / 2 s^2}
            + \text{noise} \cdot \epsilon_{rc},
        \qquad y = \sum_b \sum_{r, c}
            \frac{e^{-((r - r_b)^2 + (c - c_b)^2) / 2 s^2}}{2 \pi s^2},

    where the brightness :math:`a_b` is uniform on [0.5, 1.5] and drawn for each blob,
    so that the sum of the pixels is not the answer.

    Examples
    --------
    >>> from sk_hca.datasets import make_imbalanced_images
    >>> X, y = make_imbalanced_images(200, size=16, random_state=0)
    >>> X.shape, y.shape
    ((200, 1, 16, 16), (200,))
    >>> round(float((y < 15).mean()), 1)
    0.9
    """
    rng = check_random_state(random_state)
    n_blobs = 1 + np.floor(_long_tail(rng, n_samples, tail, upper=max_blobs))
    present = np.arange(max_blobs) < n_blobs[:, np.newaxis]
    centers = rng.uniform(-0.5, size - 0.5, size=(2, n_samples, max_blobs, 1))
    spread = size / 20.0
    rows, columns = np.exp(-0.5 * ((np.arange(size) - centers) / spread) ** 2)
    inside = rows.sum(axis=2) * columns.sum(axis=2) / (2.0 * np.pi * spread**2)
    brightness = present * rng.uniform(0.5, 1.5, size=present.shape)
    images = np.matmul((rows * brightness[..., np.newaxis]).transpose(0, 2, 1), columns)
    images += noise * rng.standard_normal(images.shape)
    return images[:, np.newaxis].astype(np.float32), (inside * present).sum(axis=1)


@validate_params(
    {
        "n_samples": _COUNT,
        "size": _SIZE,
        "median": [Interval(Real, 0, None, closed="neither")],
        "spread": _NOISE,
        "noise": _NOISE,
        "missing": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_imbalanced_maps(
    n_samples=200,
    size=32,
    *,
    median=2.0,
    spread=0.6,
    noise=0.05,
    missing=0.0,
    random_state=None,
):
    r"""Draw small images with one positive target per pixel, like depth in fog.

    The targets vary smoothly over an image and are long-tailed over the pixels: with
    the default spread, one pixel in eight lies beyond twice the median.

    Parameters
    ----------
    n_samples : int, default=200
        Number of images.

    size : int, default=32
        Height and width of an image and of its map, in pixels.

    median : float, default=2.0
        Median of the targets.

    spread : float, default=0.6
        Standard deviation of the logarithm of the targets; the larger, the longer is
        the tail.

    noise : float, default=0.05
        Standard deviation of the noise of a pixel; brightness lies between 0 and 1.

    missing : float, default=0.0
        Share of the target pixels, chosen at random, that are ``nan``.

    random_state : int, RandomState instance or None, default=None
        Seed of the images.

    Returns
    -------
    X : ndarray of shape (n_samples, 1, size, size), float32
        Images.

    y : ndarray of shape (n_samples, size, size)
        Target of each pixel, positive; ``nan`` where it is missing.

    Notes
    -----
    With a smooth random field g, standard normal at every pixel,

    .. math::
        y_{rc} = \text{median} \cdot e^{\text{spread} \cdot g_{rc}},
        \qquad x_{rc} = e^{-y_{rc} / (2 \cdot \text{median})}
            + \text{noise} \cdot \epsilon_{rc}:

    the farther a pixel, the darker it is, and the less a step in depth changes it.

    Examples
    --------
    >>> from sk_hca.datasets import make_imbalanced_maps
    >>> X, y = make_imbalanced_maps(100, size=16, missing=0.25, random_state=0)
    >>> X.shape, y.shape
    ((100, 1, 16, 16), (100, 16, 16))
    >>> import numpy as np
    >>> round(float(np.isnan(y).mean()), 2)
    0.25
    """
    rng = check_random_state(random_state)
    y = median * np.exp(spread * _smooth_field(rng, n_samples, size))
    images = np.exp(-0.5 * y / median) + noise * rng.standard_normal(y.shape)
    y[rng.uniform(size=y.shape) < missing] = np.nan
    return images[:, np.newaxis].astype(np.float32), y


def _long_tail(rng, n, tail, upper):
    """Draw from an exponential density cut off at `upper`, by its inverse."""
    uniform = rng.uniform(size=n)
    if tail is None:
        return upper * uniform
    return -tail * np.log1p(uniform * np.expm1(-upper / tail))


def _smooth_field(rng, n, size):
    """Draw fields of unit variance, white noise blurred along rows and columns."""
    pixel = np.arange(size)
    blur = np.exp(-0.5 * (np.subtract.outer(pixel, pixel) / (size / 8.0)) ** 2)
    blur /= np.sqrt((blur**2).sum(axis=1, keepdims=True))
    return blur @ rng.standard_normal((n, size, size)) @ blur.T
