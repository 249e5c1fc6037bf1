"""Correct a distribution over classes for another prior than that of training.

A classifier learns that common targets are common.  Bayes' rule takes that back, as far
as a user wants, without retraining: probabilities times (wanted prior / prior of
training) to a power.
"""

from functools import cache
from numbers import Real

import numpy as np
import torch
from scipy.ndimage import convolve1d
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sk_hca.adjustment._base import WeightAdjustment, along_classes
from sk_hca.base import resolve, smoothing_window
from sk_hca.binning import assign

# Factors of classes differ by less than the exponential of this where weights can take
# them: the smallest number of single precision is the exponential of -87.
MILD_SPAN = 60.0


def log_prior_ratio(counts, widths, wanted=None, size=5, sigma=2.0, parent=None):
    r"""Return how much rarer than wanted every class was in training, in logs.

    Parameters
    ----------
    counts : ndarray of shape (C,)
        Training samples (or their weights) in each class.

    widths : ndarray of shape (C,)
        Width of each class, in any unit.

    wanted : ndarray of shape (C,), optional
        Wanted prior of each class, up to a factor; by default its width: every range of
        the target is then equally common.

    size : int, default=5
        Classes under the window that smooths the prior of training.

    sigma : float, default=2.0
        Width of that window, in classes.

    parent : ndarray of shape (C,), optional
        Coarse class of every class; both priors are then added up to coarse classes.

    Returns
    -------
    log_ratio : ndarray of shape (C,), or of one number per coarse class
        With mean 0.

    Notes
    -----
    The prior of training is the density of its samples, smoothed over neighbouring
    classes as in label distribution smoothing (Yang et al., ICML 2021).  A class whose
    smoothed density is 0 takes the smallest that is not, and a class that is not wanted
    at all gets minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> log_prior_ratio(np.array([90, 10]), np.array([1.0, 1.0]), size=1).round(3)
    array([-1.099,  1.099])
    """
    density = smoothed_masses(counts, widths, size, sigma) / widths
    seen = np.maximum(density, density[density > 0].min()) * widths
    wanted = widths if wanted is None else wanted
    if parent is not None:
        seen, wanted = np.bincount(parent, seen), np.bincount(parent, wanted)
    with np.errstate(divide="ignore"):
        log_ratio = np.log(wanted) - np.log(seen)
    return log_ratio - log_ratio[np.isfinite(log_ratio)].mean()


def relative_widths(edges):
    """Return the widths of classes, in a unit in which no float is too large or small.

    Examples
    --------
    >>> import numpy as np
    >>> relative_widths(np.array([0.0, 1e308, 1.5e308])).round(3)
    array([0.556, 0.278])
    """
    _, exponent = np.frexp(np.abs(edges).max())
    return np.diff(np.ldexp(edges, -exponent))


def smoothed_masses(counts, widths, size=5, sigma=2.0):
    """Smooth the density of classes over their neighbours, and return their masses."""
    window = smoothing_window("gaussian", size, sigma, normalize="sum")
    return convolve1d(counts / widths, window, mode="reflect") * widths


class PriorCorrection(BaseEstimator):
    """Answer as if another distribution of targets had been learned from.

    Parameters
    ----------
    strength : float, default=1.0
        0 is as trained; 1 is as if the wanted prior had been that of training; between
        them, and beyond, the ratio of both is raised to this power.

    prior : array-like of shape (C_H,), optional
        Wanted prior of every finest class, up to a factor; smoothed as that of training
        is, but 0 where it is 0.  By default every range of the target is equally
        common.

    targets : array-like of shape (n_targets,), optional
        A sample of targets with the wanted prior, in place of `prior`.

    Examples
    --------
    >>> from sk_hca import HCARegressor
    >>> from sk_hca.datasets import make_imbalanced_table
    >>> X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    >>> model = HCARegressor(max_epochs=5, random_state=0).fit(X_train, y_train)
    >>> as_trained = model.predict(X_test)
    >>> balanced = model.set_params(balance=PriorCorrection(0.5)).predict(X_test)
    >>> shifted = model.set_params(balance=PriorCorrection(targets=y_test))
    >>> shifted.predict(X_test).shape == y_test.shape
    True
    """

    _parameter_constraints: dict = {
        "strength": [Interval(Real, 0, None, closed="left")],
        "prior": ["array-like", None],
        "targets": ["array-like", None],
    }

    def __init__(self, strength=1.0, *, prior=None, targets=None):
        self.strength = strength
        self.prior = prior
        self.targets = targets

    def log_ratio(self, classes, finest=None):
        """Return the logarithm of the factor of every class of one level.

        Parameters
        ----------
        classes : LevelClasses
            Classes of any level.

        finest : LevelClasses, optional
            Classes of the finest level, whose priors are added up, if not `classes`.

        Returns
        -------
        log_ratio : Tensor of shape (C_h,)
        """
        if self.strength == 0:
            return torch.zeros_like(classes.counts)
        finest = classes if finest is None else finest
        edges = finest.edges.cpu().numpy()
        log_ratio = log_prior_ratio(
            finest.counts.cpu().numpy(),
            relative_widths(edges),
            self._wanted(edges),
            parent=None if classes is finest else classes.parent.cpu().numpy(),
        )
        return self.strength * torch.as_tensor(log_ratio).to(classes.counts)

    def _wanted(self, edges):
        """Return the wanted prior of the finest classes, or None for the widths."""
        if self.prior is not None and self.targets is not None:
            raise ValueError("PriorCorrection takes either prior or targets; got both.")
        if self.prior is not None:
            return self._wanted_by_prior(edges)
        return None if self.targets is None else self._wanted_by_targets(edges)

    def _wanted_by_prior(self, edges):
        prior = np.asarray(self.prior, dtype=np.float64)
        is_prior = np.isfinite(prior).all() and (prior >= 0).all() and prior.any()
        n_classes = len(edges) - 1
        if prior.shape != (n_classes,) or not is_prior:
            raise ValueError(
                f"prior must hold one finite number per finest class, {n_classes}, "
                f"none negative and not all 0; got shape {prior.shape}."
            )
        # As smooth as the prior of training; what is not wanted at all stays so.
        return np.where(prior > 0, smoothed_masses(prior, relative_widths(edges)), 0.0)

    def _wanted_by_targets(self, edges):
        targets = np.asarray(self.targets, dtype=np.float64)
        if targets.ndim != 1 or not targets.size or not np.isfinite(targets).all():
            raise ValueError(
                "targets must be a sample of finite targets of shape (n_targets,); got "
                f"shape {targets.shape}."
            )
        counts = np.bincount(assign(targets, edges), minlength=len(edges) - 1)
        return smoothed_masses(counts, relative_widths(edges))


class AutoBalance(BaseEstimator):
    """Choose the strength of the correction on the validation part of the data.

    Parameters
    ----------
    objective : {"mae", "bmae"} or float, default=0.5
        What the chosen strength makes smallest: the absolute error over samples, over
        classes, or a weighted sum of both, each relative to its value as trained; a
        number is the weight of ``"bmae"``.

    strengths : array-like of float, default=None
        Which strengths to try beside 0, none negative; by default 0.1, 0.2, ... 1.
    """

    _parameter_constraints: dict = {
        "objective": [StrOptions({"mae", "bmae"}), Interval(Real, 0, 1, closed="both")],
        "strengths": ["array-like", None],
    }

    def __init__(self, objective=0.5, *, strengths=None):
        self.objective = objective
        self.strengths = strengths


class CorrectedAdjustment:
    """A mode at work, whose distributions are corrected for another prior.

    Parameters
    ----------
    mode : BaseAdjustment
        How the levels become one distribution.

    correction : PriorCorrection
        Wanted prior and strength.
    """

    def __init__(self, mode, correction):
        self.mode = mode
        # Most modes answer with the finest level alone.
        self.log_ratio = cache(correction.log_ratio)
        self.is_mild = cache(self._is_mild)

    def scores(self, output, levels):
        """Correct the distribution over the finest classes."""
        scores, finest = self.mode.scores(output, levels), levels[-1]
        return self.corrected_logits(scores, finest, finest)

    def decode(self, output, levels, decoder):
        """Decode what the mode decodes, corrected."""
        if isinstance(self.mode, WeightAdjustment) and not self.is_mild(levels[-1]):
            return decoder(self.scores(output, levels), levels[-1])
        corrected = _CorrectedDecoder(decoder, self, levels[-1])
        return self.mode.decode(output, levels, corrected)

    def _is_mild(self, classes):
        """Tell whether weights can take the factors: none vanishes that would count."""
        lowest, highest = self.log_ratio(classes, classes).aminmax()
        return bool(highest - lowest < MILD_SPAN)

    def corrected_logits(self, logits, classes, finest):
        """Add the logarithms of the factors."""
        return logits + along_classes(self.log_ratio(classes, finest), logits)

    def corrected_weights(self, weights, classes, finest):
        """Multiply by the factors."""
        return weights * along_classes(self.log_ratio(classes, finest).exp(), weights)


class _CorrectedDecoder:
    """Decode distributions after their correction."""

    def __init__(self, decoder, correction, finest):
        self.decoder = decoder
        self.correction = correction
        self.finest = finest

    def __call__(self, logits, classes):
        logits = self.correction.corrected_logits(logits, classes, self.finest)
        return self.decoder(logits, classes)

    def from_weights(self, weights, classes):
        weights = self.correction.corrected_weights(weights, classes, self.finest)
        return self.decoder.from_weights(weights, classes)


BALANCES = {"auto": AutoBalance}


def make_balance(balance):
    """Return the recipe of a correction, given as a number, an alias or an object."""
    if isinstance(balance, Real) and not isinstance(balance, bool):
        balance = PriorCorrection(float(balance))
    elif not (
        isinstance(balance, (PriorCorrection, AutoBalance))
        or (isinstance(balance, str) and balance == "auto")
    ):
        raise ValueError(
            "balance must be a number from 0 (as trained) to 1 (as if every range of "
            "the target were equally common), 'auto', a PriorCorrection or an "
            f"AutoBalance; got {balance!r}."
        )
    kind = AutoBalance if isinstance(balance, AutoBalance) else PriorCorrection
    return resolve("balance", balance, BALANCES, kind)
