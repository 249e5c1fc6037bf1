"""The score of answers that may be maps."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score


class PlaceRegressor(RegressorMixin):
    """A regressor that answers one number per sample, or one for every place."""

    def score(self, X, y, sample_weight=None):
        """Compute the coefficient of determination, R^2.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        y : array-like of shape (n,) or (n, *S)
            Targets; of maps, all places that are not NaN are compared together.

        sample_weight : array-like of shape (n,), default=None
            How much each sample counts, in all of its places.

        Returns
        -------
        score : float
            1 where all answers are right, 0 for those of a constant.

        Raises
        ------
        ValueError
            If `y` does not have the shape of what is predicted.
        """
        answers = self.predict(X)
        if answers.ndim == 1:
            return r2_score(y, answers, sample_weight=sample_weight)
        y = np.asarray(y, dtype=np.float64)
        if y.shape != answers.shape:
            raise ValueError(
                f"y must hold a target for every place, in shape {answers.shape}; got "
                f"shape {y.shape}."
            )
        known = np.isfinite(y)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight).repeat(known[0].size)
            sample_weight = sample_weight.reshape(y.shape)[known]
        return r2_score(y[known], answers[known], sample_weight=sample_weight)
