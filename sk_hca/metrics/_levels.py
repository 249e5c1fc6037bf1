"""How far the levels of a hierarchy disagree.

The class axis is axis 1, levels run coarse to fine, and ``*S`` stands for any trailing
axes, as everywhere in this package.  Arrays and tensors are both welcome.
"""

import numpy as np


def range_inconsistency(levels, parents):
    """Measure how often sum-pooling moves the best class out of its range (Fig. 5).

    The finest classes of a coarse class may hold the largest probability together
    though none of them is the likeliest class.  Aligning levels by sums then
    contradicts the finest level; aligning them by maxima never does.

    Parameters
    ----------
    levels : list of array-like of shape (N, C_h, *S)
        Probabilities of each level, coarse to fine.  Only the last one, the finest, is
        read.

    parents : list of array-like of shape (C_H,)
        For every coarse level, the coarse class that holds each finest class.

    Returns
    -------
    shares : ndarray of shape (n_levels - 1,)
        For every coarse level, the share of samples whose likeliest coarse class by
        sums differs from the one that holds the likeliest finest class.

    Examples
    --------
    >>> import numpy as np
    >>> fine = np.array([[0.20, 0.20, 0.20, 0.25, 0.15], [0.6, 0.1, 0.1, 0.1, 0.1]])
    >>> coarse = np.array([[0.6, 0.4], [0.8, 0.2]])
    >>> range_inconsistency([coarse, fine], [[0, 0, 0, 1, 1]])
    array([0.5])
    """
    if len(levels) != len(parents) + 1:
        raise ValueError(
            "parents must hold one map for every level but the last, the finest; got "
            f"{len(levels)} levels and {len(parents)} maps."
        )
    fine = _as_array(levels[-1])
    if fine.ndim < 2 or not fine.size:
        raise ValueError(
            "The finest of levels must hold probabilities of shape (N, C_H, *S), for "
            f"at least one sample; got shape {fine.shape}."
        )
    if not np.isfinite(fine).all():
        raise ValueError(
            "The finest of levels must be finite; it contains NaN or infinity. "
            "Give probabilities, not their logarithms, and leave out missing samples."
        )
    best = fine.argmax(axis=1)
    return np.array([_share_outside(fine, best, _as_array(p)) for p in parents])


def _share_outside(fine, best, parent):
    """Share of samples whose sum-pooled argmax is not the parent of the best class."""
    if parent.shape != fine.shape[1:2] or parent.dtype.kind not in "iu":
        raise ValueError(
            f"Every map of parents must hold {fine.shape[1]} class indices, one for "
            f"each finest class; got shape {parent.shape} of {parent.dtype}."
        )
    classes, parent = np.unique(parent, return_inverse=True)
    mapping = (np.arange(classes.size)[:, None] == parent).astype(fine.dtype)
    pooled = np.tensordot(mapping, fine, axes=(1, 1))
    return float((pooled.argmax(axis=0) != parent[best]).mean())


def _as_array(x):
    """Take a tensor off its graph and device; leave anything else to numpy."""
    if not hasattr(x, "detach"):
        return np.asarray(x)
    x = x.detach().cpu()
    return np.asarray(x.float() if str(x.dtype) == "torch.bfloat16" else x)
