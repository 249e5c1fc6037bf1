"""What a fitted hierarchy answers: targets, class probabilities, every level alone."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from sk_hca.adjustment import (
    AutoBalance,
    CorrectedAdjustment,
    PriorCorrection,
    make_adjustment,
    make_balance,
)
from sk_hca.backbones import Network
from sk_hca.base import LevelClasses
from sk_hca.estimators._base import BaseDeepRegressor, make_reduction
from sk_hca.hierarchy import HierarchicalBinner, class_softmax, level_steps
from sk_hca.prediction import (
    BinnedDistribution,
    decode_quantiles,
    interval_levels,
    make_decoder,
)
from sk_hca.training import StageNet

# Fewer samples than this are few-shot.
FEW = 20


def has_seen_enough(estimator):
    """Tell whether the training data of a model, as a whole, are more than few-shot."""
    if not hasattr(estimator, "net_"):
        return True
    n_samples = max(
        estimator.target_counts_[1].sum(), estimator.hierarchy_.counts_.sum()
    )
    if n_samples >= FEW:
        return True
    raise AttributeError(
        f"It takes {FEW} training samples at least to speak of probabilities; "
        f"this model was fitted on {n_samples:g}. Use predict."
    )


class LevelReader(BaseDeepRegressor):
    """Read the levels of a fitted estimator, batch by batch.

    Mode, decoder and balance are looked up at every call, so that all can be changed
    after a fit.
    """

    # What a fitted subclass holds.
    mode: object
    decoder: object
    balance: object
    hierarchy_: HierarchicalBinner
    label_means_: np.ndarray
    student_net_: StageNet | None

    def _finest_edges(self):
        """Return the borders of the finest classes."""
        return self.hierarchy_.edges_

    def predict(self, X, reduce=None):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        reduce : {"sum", "mean"} or None, default=None
            What becomes of a map: its sum, such as the count of an image whose cells
            were counted, its mean, or the map itself.

        Returns
        -------
        y : ndarray of shape (n, *S), or (n,) where maps are reduced
            Targets, in the unit of the data and within the range of training.
        """
        decoder, reduction = make_decoder(self.decoder), make_reduction(reduce)
        answers = self._answer(
            X, lambda mode, output, levels: mode.decode(output, levels, decoder)
        )
        return reduction(answers)

    @available_if(has_seen_enough)
    def predict_proba(self, X):
        """Predict how probable every finest class is.

        Missing from a model fitted on fewer than 20 samples, which is few-shot as a
        whole: scikit-learn's rules know no probabilities of regressors.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        Returns
        -------
        p : ndarray of shape (n, C_H, *S)
            Sums to 1 over axis 1.
        """
        return self._answer(
            X, lambda mode, output, levels: class_softmax(mode.scores(output, levels))
        )

    @available_if(has_seen_enough)
    def predict_distribution(self, X):
        """Predict a distribution of the target, with everything it can answer.

        Available where `predict_proba` is, whose probabilities it holds all at once:
        for maps, `predict_quantiles` takes less memory.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        Returns
        -------
        distribution : BinnedDistribution
            One for each sample, over the finest classes.  Its mean, median and mode are
            what the decoders "mean", "median" and "argmax" answer, but for
            ``mode="average"``, which decodes every level by itself.

        See Also
        --------
        ConformalRegressor : Intervals that cover as often as they say.
        """
        probs, hierarchy = self.predict_proba(X), self.hierarchy_
        return BinnedDistribution(probs, hierarchy.edges_, hierarchy.values_)

    @available_if(has_seen_enough)
    def predict_quantiles(self, X, quantiles):
        """Predict quantiles of the target, decoded batch by batch.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        quantiles : array-like of shape (n_quantiles,)
            Which ones, between 0 and 1.

        Returns
        -------
        y : ndarray of shape (n, n_quantiles, *S)
            Quantiles of `predict_distribution`, in the unit of the data.
        """
        wanted = np.asarray(quantiles, dtype=np.float64)
        if wanted.ndim != 1 or not ((wanted >= 0) & (wanted <= 1)).all():
            raise ValueError(
                "quantiles must be a list of numbers between 0 and 1; got "
                f"{quantiles!r}."
            )

        def read_off(mode, output, levels):
            scores, finest = mode.scores(output, levels), levels[-1]
            return decode_quantiles(scores, finest.edges, finest.values, wanted)

        return self._answer(X, read_off)

    @available_if(has_seen_enough)
    def predict_interval(self, X, coverage=0.9):
        """Predict the central interval of the target's distribution.

        It covers as often as the model believes, and models are over-confident:
        :class:`~sk_hca.estimators.ConformalRegressor` widens it to what held-out
        targets ask for.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        coverage : float, default=0.9
            Probability inside, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n, 2, *S)
            Lower and upper end, in the unit of the data.
        """
        return self.predict_quantiles(X, interval_levels(coverage))

    def predict_levels(self, X):
        """Predict targets with every level alone.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        Returns
        -------
        answers : list of ndarray of shape (n, *S)
            One per level, coarse to fine.
        """
        decoder = make_decoder(self.decoder)

        def every_level(output):
            answers = [
                decoder(logits, classes)
                for logits, classes in zip(output.levels, levels, strict=True)
            ]
            return torch.stack(answers, dim=1)

        data = self._check_inputs(X)
        levels = self._level_classes(self.net_.device)
        answers = self._read(self.net_.module_, data, every_level)
        return list(np.moveaxis(answers, 1, 0))

    def _answer(self, X, answer):
        """Run the network over inputs and keep what `answer` makes of its output."""
        return self._read_levels(self._check_inputs(X), answer, self._balanced)

    def _read_levels(self, data, answer, correct):
        """Read the heads that the mode needs; `correct` takes the mode."""
        mode = make_adjustment(self.mode)
        heads = self.net_.module_.heads
        if mode.trains_student:
            if self.student_net_ is None:
                raise ValueError(
                    f"mode={self.mode!r} needs a student, but this model was fitted "
                    "without one. Call readjust(mode, X, y) with the training data."
                )
            heads = self.student_net_.module_
        levels = self._level_classes(self.net_.device)
        heads, mode = mode.simplified(heads, levels)
        mode = correct(mode)
        module = Network(self.net_.module_.extractor, heads)
        return self._read(module, data, lambda output: answer(mode, output, levels))

    def _balanced(self, mode):
        """Correct what a mode answers, as far as the estimator is asked to."""
        correction = make_balance(self.balance)
        if isinstance(correction, AutoBalance):
            if not hasattr(self, "balance_"):
                raise ValueError(
                    f"balance={self.balance!r} is chosen by fit on validation data, "
                    "which this model has not done. Fit again, or set a number."
                )
            correction = PriorCorrection(self.balance_)
        if correction.strength == 0:
            return mode
        return CorrectedAdjustment(mode, correction)

    def _level_classes(self, device):
        """Return the classes of every level as tensors, coarse to fine."""
        levels = [
            LevelClasses.from_level(level, device) for level in self.hierarchy_.levels_
        ]
        steps = level_steps(
            [classes.parent for classes in levels[:-1]],
            [len(classes.values) for classes in levels[:-1]],
        )
        coarse = [
            replace(classes, step=step)
            for classes, step in zip(levels[:-1], steps, strict=True)
        ]
        means = levels[-1].edges.new_tensor(self.label_means_)
        return [*coarse, replace(levels[-1], label_means=means)]
