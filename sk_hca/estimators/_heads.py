"""What learns on a frozen backbone: features are computed once and kept.

Features that would fill the memory lie in a temporary file, which has no name where the
system allows it: it is gone with the stage, however that ends.
"""

import math
import os
import tempfile
from contextlib import ExitStack, contextmanager

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sk_hca.backbones import Network
from sk_hca.estimators._base import BaseDeepRegressor
from sk_hca.estimators._design import check_design, design_of
from sk_hca.estimators._execution import draw_seed, seeded
from sk_hca.estimators._weighing import weighed
from sk_hca.targets import make_weighting
from sk_hca.training import ArrayDataset, start_stage, train_stage

# What made the backbone and the classes, which new heads leave as they are.
LASTING = {"backbone", "binner", "merging", "n_levels", "n_estimators", "precision"}

# Features of more bytes than this are kept in a file.
MOST_IN_MEMORY = 2**30


class HeadTrainer(BaseDeepRegressor):
    """Train heads on the features of a backbone that stays as it is."""

    # What a subclass holds.
    weighting: object

    def retrain_heads(self, X, y=None, sample_weight=None, *, weighting="inverse"):
        """Give a new fitted estimator with a new last layer on the same backbone.

        Regressor retraining (RRT): the backbone learns best from all samples alike, the
        last layer from targets that are weighed.  So fit without a `weighting`, and
        retrain the last layer with one.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            Training data.

        weighting : str, BaseWeighting or None, default="inverse"
            How much each target weighs, as in the parameter of that name; the new
            estimator has it.

        Returns
        -------
        estimator : object
            Of the same class.  Backbone, batch statistics, and scale of the inputs are
            those of this one, and so are classes and `target_counts_`.  A student is
            trained again, and a balance that `fit` has chosen is chosen anew.

        Raises
        ------
        ValueError
            If a parameter that made the backbone or the classes has changed since.

        Notes
        -----
        The features are computed once, so that this takes a fraction of a fit.
        Optimiser, `lr`, `max_epochs` and early stopping are those of the fit, unless
        changed in between: ``model.set_params(max_epochs=30).retrain_heads(X, y)``.

        References
        ----------
        Yang et al., "Delving into deep imbalanced regression", ICML 2021, after Kang et
        al., "Decoupling representation and classifier for long-tailed recognition",
        ICLR 2020.

        Examples
        --------
        >>> from sk_hca import HCARegressor
        >>> from sk_hca.datasets import make_imbalanced_table
        >>> X, _, y, _ = make_imbalanced_table(random_state=0)
        >>> model = HCARegressor(max_epochs=5, random_state=0).fit(X, y)
        >>> model.retrain_heads(X, y, weighting="lds").predict(X).shape == y.shape
        True
        """
        check_is_fitted(self)
        make_weighting(weighting)
        retrained = clone(self).set_params(weighting=weighting)
        retrained._adopt(self)
        design = design_of(retrained, self._free_parameters)
        lasting = {k: v for k, v in design.items() if k.split("__")[0] in LASTING}
        check_design(self._design, lasting)
        retrained._design = design
        data = retrained._check_training_data(X, y, sample_weight, reset=False)
        retrained._retrain(data, draw_seed(self.random_state))
        return retrained

    def _retrain(self, data, seed):
        """Put new heads on the backbone, and train them."""
        extractor, device = self.net_.module_.extractor, self.net_.device
        batch_size = head_batch_size(self.batch_size, self.max_epochs * len(data))
        with seeded(seed, device), self._frozen_features(data) as features:
            heads, criterion = self._build_heads(features.X.shape[1], data, device)
            dtype = extractor[0].dtype
            heads, criterion = heads.to(dtype), criterion.to(dtype)
            objective = self._for_all(criterion)
            train, valid = self._split(weighed(features, self.weighting), seed)
            settings = self._settings(device, batch_size=batch_size)
            history = self.net_.history
            trained = train_stage(heads, objective, train, settings, valid, history)
            # What a network needs to be read, and to go on as a whole.
            network = Network(extractor, heads)
            network, criterion = self._regularize(
                network, criterion, features.X.shape[1], data, device
            )
            settings = self._settings(device)
            self.net_ = start_stage(network, criterion, data, settings)
            self.net_.history = trained.history

    @contextmanager
    def _frozen_features(self, data):
        """Give the same targets on features, as long as these are needed."""
        with room_for_features() as make_array:
            extractor = self.net_.module_.extractor
            features = self._read(extractor, data, lambda given: given, make_array)
            yield ArrayDataset(features, *data.targets())


def head_batch_size(batch_size, n_seen):
    """Return how many samples teach a head at once.

    A small head costs about as much for many samples as for few: where the stage sees
    enough of them for 150 steps, a batch is up to 8 times that of stage one.
    """
    return max(batch_size, min(8 * batch_size, n_seen // 150))


@contextmanager
def room_for_features():
    """Give a maker of arrays, which puts a large one into a temporary file."""
    with ExitStack() as files:

        def make_array(shape, dtype):
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes <= MOST_IN_MEMORY:
                return np.empty(shape, dtype)
            file = files.enter_context(tempfile.TemporaryFile(prefix="sk_hca-"))
            if hasattr(os, "posix_fallocate"):
                # A full disk is told here, in an OSError, and not by a crash later on.
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, dtype, "w+", shape=shape)

        yield make_array
