"""Stage two: a student learns on the features of a frozen network."""

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sk_hca.adjustment import make_adjustment
from sk_hca.estimators._balance import renew_balance
from sk_hca.estimators._calibration import LevelCalibrator
from sk_hca.estimators._execution import draw_seed, seeded
from sk_hca.estimators._heads import HeadTrainer, head_batch_size
from sk_hca.estimators._stages import student_stage
from sk_hca.estimators._weighing import weighed
from sk_hca.targets import make_labels
from sk_hca.training import train_stage, without_validation


class StudentTrainer(HeadTrainer, LevelCalibrator):
    """Train the student of a mode that has one."""

    # What a subclass holds.
    labels: object

    def readjust(self, mode, X=None, y=None, sample_weight=None):
        """Give a new fitted estimator with another mode, on the same stage one.

        One training fills a whole table: every mode but ``"distill"`` is learning-free.
        A balance that was chosen in `fit` stays as it is.

        Parameters
        ----------
        mode : str or BaseAdjustment
            The new mode.

        X, y, sample_weight : as in `fit`, optional
            Training data, from which a mode with a student trains it, and only it.

        Returns
        -------
        estimator : HCARegressor

        Raises
        ------
        ValueError
            If the mode needs a student, and no data was given.
        """
        check_is_fitted(self)
        adjustment = make_adjustment(mode)
        readjusted = clone(self).set_params(mode=mode)
        readjusted._adopt(self)
        if adjustment.trains_student:
            if X is None:
                raise ValueError(
                    f"readjust({mode!r}) trains a student and needs data: give X and y."
                )
            data = readjusted._check_training_data(X, y, sample_weight, reset=False)
            seed = draw_seed(self.random_state)
            readjusted.student_net_ = readjusted._train_student(data, adjustment, seed)
        return readjusted

    def _retrain(self, data, seed):
        """Put new heads on the backbone, for a student and a balance to follow."""
        super()._retrain(data, seed)
        self._renew_student(data, make_adjustment(self.mode), seed, goes_on=False)
        renew_balance(self, data, seed)

    def _renew_student(self, data, adjustment, seed, goes_on):
        """Train the student of a mode that has one; an older one has lost touch."""
        earlier = self.student_net_ if goes_on else None
        self.student_net_ = None
        if adjustment.trains_student:
            self.student_net_ = self._train_student(data, adjustment, seed, earlier)

    def _train_student(self, data, distillation, seed, earlier=None):
        """Train a student, from the weights of an earlier one of the same layers."""
        network, device = self.net_.module_, self.net_.device
        own = {"lr", "max_epochs"}  # the recipe's own
        shared = {k: v for k, v in (self.net_params or {}).items() if k not in own}
        if distillation.supervision == "levels" and isinstance(self.optimizer, str):
            # Teachers whose weights have decayed are soft enough.
            shared = {"optimizer__weight_decay": 0.0} | shared
        n_epochs = max(1, round(distillation.epochs * self.max_epochs))
        settings = self._settings(
            device,
            batch_size=head_batch_size(self.batch_size, n_epochs * len(data)),
            lr=distillation.lr,
            max_epochs=n_epochs,
            callbacks=without_validation(self.callbacks),
            net_params=shared,
        )
        with seeded(seed, device), self._frozen_features(data) as features:
            student, criterion = student_stage(
                network.heads,
                features.X.shape[1],
                distillation,
                self._level_classes(device),
                make_labels(self.labels),
            )
            if earlier is not None:
                take_over(student.layers, earlier.module_.layers)
            if distillation.supervision == "targets":
                features = weighed(features, self.weighting)
            return train_stage(student, criterion, features, settings)


def take_over(layers, earlier):
    """Copy the weights of earlier layers, if they are of the same shapes."""
    weights, given = layers.state_dict(), earlier.state_dict()
    shapes = {name: weight.shape for name, weight in weights.items()}
    if shapes == {name: weight.shape for name, weight in given.items()}:
        layers.load_state_dict(given)
