"""What held-out targets say of a fitted hierarchy: how sure it may be, and of whom."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_hca.adjustment import (
    BaseAdjustment,
    RangeAdjustment,
    TemperedAdjustment,
    VoteAdjustment,
    fit_exponents,
    level_votes,
    make_adjustment,
)
from sk_hca.base import check_alias
from sk_hca.binning import assign
from sk_hca.estimators._reader import LevelReader, has_seen_enough


class LevelCalibrator(LevelReader):
    """Fit the numbers of a mode on data that the network was not trained on."""

    @available_if(has_seen_enough)
    def calibrate(self, X, y=None, sample_weight=None, *, by="temperature"):
        """Give a new fitted estimator whose mode fits held-out targets.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            Data that the network has not seen in training.  For maps, the scores of all
            places are held at once: a few maps are enough.

        by : {"temperature", "levels"}, default="temperature"
            "temperature" makes the mode of this estimator surer or less sure of itself
            (:class:`~sk_hca.adjustment.TemperedAdjustment`); "levels" takes HCA-mul
            with a weight for every level instead
            (:class:`~sk_hca.adjustment.VoteAdjustment`), of which CLS and HCA-mul
            are special cases.

        Returns
        -------
        estimator : HCARegressor
            Its `mode` holds what was found, and its targets are more probable, or as
            probable, than with a temperature of 1 or weights of 1.

        Raises
        ------
        ValueError
            If the mode of this estimator has a student, or if a temperature is asked
            for a mode that leaves classes without probability.

        Notes
        -----
        No network is trained.  The numbers make the classes of the held-out targets
        most probable together; `balance` is applied to what they give, and has no part
        in it.

        Examples
        --------
        >>> from sk_hca import HCARegressor
        >>> from sk_hca.datasets import make_imbalanced_table
        >>> X, X_new, y, y_new = make_imbalanced_table(random_state=0)
        >>> model = HCARegressor(max_epochs=5, random_state=0).fit(X[:1500], y[:1500])
        >>> calibrated = model.calibrate(X[1500:], y[1500:])
        >>> calibrated.mode.temperature > 1  # It was too sure of itself.
        True
        """
        check_is_fitted(self)
        check_alias("by", by, ("temperature", "levels"))
        mode = make_adjustment(self.mode)
        if mode.trains_student:
            raise ValueError(
                f"calibrate is for modes without a student; this one is {mode!r}. Set "
                "another mode, or train the student with a calibrated one."
            )
        if by == "temperature" and isinstance(mode, RangeAdjustment):
            raise ValueError(
                "A temperature is fitted to the probabilities of all classes, and "
                f"{mode!r} leaves those outside a range none. Set another mode, or "
                "by='levels'."
            )
        calibrated = clone(self)
        calibrated._adopt(self)
        # What is no mode of its own yet asks for all heads, as they are.
        calibrated.mode = BaseAdjustment() if by == "levels" else self.mode

        def votes(mode, output, levels):
            if by == "levels":
                return level_votes(output, levels)
            return mode.scores(output, levels).unsqueeze(1)

        data = calibrated._check_training_data(X, y, sample_weight, reset=False)
        scores = calibrated._read_levels(data, votes, lambda mode: mode)
        exponents = fit_exponents(*self._known_places(data, scores))
        if by == "levels":
            calibrated.mode = VoteAdjustment(exponents.tolist())
        else:
            # No bet at all, an exponent of 0, is a temperature beyond all numbers.
            temperature = 1 / max(exponents[0], 1e-6)
            calibrated.mode = TemperedAdjustment(mode, float(temperature))
        return calibrated

    def _known_places(self, data, scores):
        """Return scores, classes and weights of the places that have a target."""
        y, weight = data.targets()
        known = np.ones(y.shape, bool) if weight is None else weight > 0
        index = assign(y[known], self.hierarchy_.edges_)
        scores = np.moveaxis(scores, (1, 2), (-2, -1))[known]
        return scores, index, None if weight is None else weight[known]
