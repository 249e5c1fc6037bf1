"""Regression with the same backbones and training: what HCA is up against."""

from functools import partial

from sklearn.base import _fit_context

from sk_hca.estimators._base import (
    keeping_the_model,
    known_targets,
    make_reduction,
    measure_targets,
)
from sk_hca.estimators._execution import draw_seed
from sk_hca.estimators._heads import HeadTrainer
from sk_hca.estimators._stages import StandardCriterion
from sk_hca.losses import make_loss


class DirectRegressor(HeadTrainer):
    """Regress the target with one linear output on a backbone.

    It shares backbone, training and manners with
    :class:`~sk_hca.HCARegressor`, and is what to compare it with.

    Parameters
    ----------
    backbone : str, recipe, nn.Module or its class, default="mlp"
        Network that turns inputs into features.

    loss : str or BaseLoss, default="absolute"
        Loss of the standardised target: ``"absolute"``, ``"squared"``, ``"huber"``,
        ``"focal_absolute"`` and ``"focal_squared"`` (Focal-R), ``"bmc"``, ``"gai"`` and
        ``"bni"`` (Balanced MSE), ``"dc"`` (DC-regression), ``"gaussian"`` (negative
        log-likelihood), or an object such as
        :class:`~sk_hca.losses.BalancedMSE`, whose parameters can be searched
        (``loss__noise_sigma``).

    weighting, penalty, smoother, n_estimators, optimizer, lr, max_epochs, batch_size, \
validation_fraction, patience, augment, callbacks, device, precision, compile, \
net_params, warm_start, random_state, verbose
        As in :class:`~sk_hca.HCARegressor`.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the network.

    history_ : skorch.history.History
        What the training recorded, epoch by epoch.

    target_center_, target_scale_ : float
        Mean and standard deviation of the training targets; of the first ones where
        the network has gone on.

    target_counts_ : tuple of two ndarrays
        Distinct training targets, and how many samples each has: those of the last
        fit, and of all parts since.

    n_features_in_ : int
        Size of axis 1 of the inputs.

    feature_names_in_ : ndarray of str
        Column names, where the inputs had any.

    Examples
    --------
    >>> from sk_hca import DirectRegressor
    >>> from sk_hca.datasets import make_imbalanced_table
    >>> X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    >>> model = DirectRegressor(max_epochs=5, random_state=0).fit(X_train, y_train)
    >>> model.predict(X_test).shape == y_test.shape
    True
    >>> from sk_hca.losses import BalancedMSE
    >>> loss = BalancedMSE("gai", noise_sigma=0.5)
    >>> model = DirectRegressor(loss=loss, max_epochs=5).fit(X_train, y_train)
    """

    _parameter_constraints: dict = {
        **HeadTrainer._parameter_constraints,
    }

    def __init__(
        self,
        backbone="mlp",
        *,
        loss="absolute",
        weighting=None,
        penalty=None,
        smoother=None,
        n_estimators=1,
        optimizer="adamw",
        lr=None,
        max_epochs=100,
        batch_size=256,
        validation_fraction=None,
        patience=10,
        augment=None,
        callbacks=None,
        device="auto",
        precision="auto",
        compile=False,
        net_params=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.loss = loss
        self.weighting = weighting
        self.penalty = penalty
        self.smoother = smoother
        self.n_estimators = n_estimators
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.augment = augment
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.compile = compile
        self.net_params = net_params
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn from training data; go on from the last fit with ``warm_start=True``.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs.

        y : array-like of shape (n,) or (n, *S)
            Targets; a place of a map without one is NaN.

        sample_weight : array-like of shape (n,), optional
            Weight of each sample.

        Returns
        -------
        self : DirectRegressor
        """
        with keeping_the_model(self):
            make_loss(self.loss)
            earlier = self._earlier_net(self.warm_start)
            data = self._check_training_data(X, y, sample_weight, earlier is None)
            self._train(data, draw_seed(self.random_state), earlier)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one more part of the data, in one pass.

        As in :meth:`HCARegressor.partial_fit <sk_hca.HCARegressor.partial_fit>`.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            One part of the data; the first one sets the scale of inputs and targets.

        Returns
        -------
        self : DirectRegressor
        """
        with keeping_the_model(self):
            make_loss(self.loss)
            earlier = self._earlier_net(True)
            data = self._check_training_data(X, y, sample_weight, earlier is None)
            self._train_once(data, draw_seed(self.random_state), earlier)
        return self

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
            Targets, in the unit of the data: the location, whatever the loss.
        """
        reduction = make_reduction(reduce)
        data = self._check_inputs(X)
        location = self._read(
            self.net_.module_, data, lambda output: output.location.double()
        )
        answers = self.target_center_ + self.target_scale_ * location
        return reduction(answers)

    def _plan_heads(self, n_features, data, device):
        """Return what makes the linear output, and what this minimises."""
        self.target_center_, self.target_scale_ = measure_targets(data)
        scaling = self.target_center_, self.target_scale_
        recipe = make_loss(self.loss)
        loss = recipe.criterion(*known_targets(data), *scaling)
        return partial(recipe.head, n_features), StandardCriterion(loss, *scaling)
