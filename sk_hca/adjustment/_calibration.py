r"""Modes with numbers that held-out targets decide: a temperature, a weight per level.

Both are products of powers of distributions, whose exponents make held-out targets most
probable.  In logs that is a convex problem of a few unknowns.
"""

from numbers import Real

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.adjustment._adjustments import ADJUSTMENTS, make_adjustment
from sk_hca.adjustment._base import BaseAdjustment
from sk_hca.hierarchy import lift


class TemperedAdjustment(BaseAdjustment):
    """Another mode, made surer or less sure of itself.

    Parameters
    ----------
    mode : str or BaseAdjustment, default="consult"
        The other mode, one without a student.

    temperature : float, default=1.0
        What scores are divided by: above 1 the distributions are wider, below narrower.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """

    _parameter_constraints: dict = {
        "mode": [
            StrOptions({k for k, v in ADJUSTMENTS.items() if not v.trains_student}),
            BaseAdjustment,
        ],
        "temperature": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, mode="consult", temperature=1.0):
        self.mode = mode
        self.temperature = temperature

    def scores(self, output, levels):
        """Divide the logarithms of what the mode gives."""
        mode = make_adjustment(self.mode)
        if mode.trains_student:
            raise ValueError(
                f"TemperedAdjustment takes a mode without a student; got {mode!r}."
            )
        return mode.scores(output, levels) / self.temperature


def level_votes(output, levels):
    """Return what every level says of the finest classes, in logs.

    Parameters
    ----------
    output : NetworkOutput
        Logits of every level for one batch.

    levels : list of LevelClasses
        Classes of every level, coarse to fine.

    Returns
    -------
    votes : Tensor of shape (N, H, C_H, *S)
        A :class:`VoteAdjustment` adds them up.
    """
    coarse = zip(output.levels[:-1], levels[:-1], strict=True)
    lifted = [lift(logits, classes.parent) for logits, classes in coarse]
    return torch.stack([*lifted, output.levels[-1]], dim=1)


def fit_exponents(log_scores, index, sample_weight=None):
    r"""Return the exponents that make the right classes most probable together.

    Parameters
    ----------
    log_scores : ndarray of shape (n, H, C)
        Logarithms of H distributions over C classes, each up to a constant.

    index : ndarray of shape (n,)
        The right class.

    sample_weight : ndarray of shape (n,), optional
        Weight of each sample.

    Returns
    -------
    exponents : ndarray of shape (H,)
        None negative.

    Notes
    -----
    They minimise :math:`-\sum_i w_i \log \mathrm{softmax}(\sum_h e_h s_{ih})_{c_i}`.

    Examples
    --------
    >>> log_scores = np.log([[[0.9, 0.1]], [[0.9, 0.1]], [[0.9, 0.1]], [[0.9, 0.1]]])
    >>> fit_exponents(log_scores, np.array([0, 0, 0, 1])).round(3)  # odds 3, not 9
    array([0.5])
    """
    at = np.arange(len(index))
    weight = np.ones(len(index)) if sample_weight is None else sample_weight
    weight = weight / weight.sum()

    def loss(exponents):
        log_p = log_softmax(np.einsum("nhc,h->nc", log_scores, exponents), axis=1)
        expected = np.einsum("nhc,nc->nh", log_scores, np.exp(log_p))
        return -weight @ log_p[at, index], weight @ (expected - told)

    told = log_scores[at, :, index]
    start = np.ones(log_scores.shape[1])
    bounds = [(0.0, None)] * len(start)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
