"""The door: what comes in is checked here once, in one clear sentence.

Functions further inside trust their callers and do not check again.
"""

import numpy as np
from sklearn.utils.validation import _check_sample_weight

# Sums of weights that differ by less than this share of them all are equal.
SLACK = 1e-12


def check_targets(y, *, name="y"):
    """Check a column of targets and return it as a float array.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Targets, in the unit of the data.

    name : str, default="y"
        What to call the targets in a message.

    Returns
    -------
    y : ndarray of shape (n,)
        The targets; float32 and float64 are kept, anything else becomes float64.

    Raises
    ------
    ValueError
        If there is no target, one is not finite, or there is more than one column.
    """
    y = np.asarray(y)
    if y.dtype.kind in "mM":
        y = np.where(np.isnat(y), np.nan, y.astype(np.float64))
    if y.dtype not in (np.float32, np.float64):
        y = y.astype(np.float64)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name} must be one column of targets, of shape (n,); got shape {y.shape}."
        )
    if y.size == 0:
        raise ValueError(f"{name} must hold at least one target; it is empty.")
    # One pass without an array of flags: a sum is finite only if its terms are, and
    # a sum that overflows is looked at again.
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(y.sum()) and not np.isfinite(y).all():
            raise ValueError(
                f"{name} must be finite; it contains NaN or infinity. "
                "Drop those rows or fill them first."
            )
    return y


def check_weights(sample_weight, y):
    """Check the weights of the targets and return them as float64.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), float or None
        Weight of each target; None counts every target once.

    y : ndarray of shape (n, *S)
        Targets that the weights belong to.

    Returns
    -------
    sample_weight : ndarray of shape (n,)
        Finite, not negative, and not all zero.

    Raises
    ------
    ValueError
        If a weight is negative, one or their sum is not finite, all are zero, or their
        number is wrong.
    """
    # Before scikit-learn looks: whether it accepts zeros depends on its version.
    if sample_weight is not None and not np.any(np.asarray(sample_weight)):
        raise ValueError(
            "sample_weight must have at least one positive entry; all are zero, "
            "so there is nothing to learn from."
        )
    weight = _check_sample_weight(sample_weight, y, dtype=np.float64)
    if weight.min() < 0:
        raise ValueError(
            "sample_weight must not be negative; its smallest entry is "
            f"{weight.min():.3g}. Use 0 to leave a sample out."
        )
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not np.isfinite(total):
        raise ValueError(
            "sample_weight must have a finite sum; its largest entry is "
            f"{weight.max():.3g}. Divide all of them by it: only their ratios count."
        )
    return weight
