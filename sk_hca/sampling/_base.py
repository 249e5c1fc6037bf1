"""What all samplers share: they look at training data once, and give new ones.

A sampler is no transformer: ``fit_resample`` returns inputs *and* targets, of another
number of samples, and belongs before training only.  imbalanced-learn's Pipeline knows
that: it resamples when it is fitted, and passes inputs through when it predicts.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import indexable
from sklearn.utils.validation import validate_data

from sk_hca.base import check_targets


class BaseSampler(BaseEstimator):
    """A sampler; a subclass writes ``fit_resample``."""

    def _check_samples(self, X, y):
        """Check inputs and targets against each other, and let the inputs be indexed.

        Returns
        -------
        X : array, sparse matrix or data frame
            The inputs; a list becomes an array, and any sparse matrix a CSR one.

        targets : ndarray of shape (n,)
        """
        X = np.asarray(X) if isinstance(X, list | tuple) else X
        targets = check_targets(y)
        X, targets = indexable(X, targets)
        validate_data(self, X, skip_check_array=True)
        return X, targets
