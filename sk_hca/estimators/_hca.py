"""Hierarchical Classification Adjustment as a scikit-learn regressor."""

import math
from functools import partial
from numbers import Integral, Real

from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sk_hca.adjustment import AutoBalance, PriorCorrection, make_adjustment
from sk_hca.base import LevelClasses
from sk_hca.estimators._balance import check_balance, refuse_choice, renew_balance
from sk_hca.estimators._base import (
    keeping_the_model,
    known_targets,
    measure_targets,
)
from sk_hca.estimators._execution import draw_seed
from sk_hca.estimators._memory import recall_stage_one
from sk_hca.estimators._stages import LevelCriterion, level_heads, location_weights
from sk_hca.estimators._student import StudentTrainer
from sk_hca.hierarchy import HierarchicalBinner
from sk_hca.prediction import make_decoder
from sk_hca.targets import make_labels


class HCARegressor(StudentTrainer):
    r"""Regress an imbalanced target by Hierarchical Classification Adjustment.

    The target line is cut into classes.  One fine classifier and a hierarchy of
    coarser, better balanced ones learn on the same features; at prediction the coarse
    ones adjust the fine one, and a decoder turns the distribution into a number.
    Errors fall in the rare ranges and hold in the common ones, most of all where rare
    ranges have few samples.

    Parameters
    ----------
    backbone : str, recipe, nn.Module or its class, default="mlp"
        Network that turns inputs into features: ``"mlp"``, a recipe such as
        :class:`~sk_hca.backbones.MLPBackbone`, or your own module, class or factory
        that gives features of shape (n, d), or (n, d, *S) for maps.

    mode : str or BaseAdjustment, default="consult"
        How the levels become one distribution: ``"none"`` (the finest alone), ``"add"``
        (Eq. 7), ``"mul"`` (Eq. 8), ``"vote"`` (Eq. 8, half a vote for coarse levels),
        ``"consult"`` (a vote where the finest is unsure), ``"distill"`` (HCA-d),
        ``"average"``, ``"range"``, ``"marginal"``, or an object.  All but "distill" are
        learning-free: ``set_params(mode="mul")`` needs no fit.

    binner : str, BaseBinner or array of edges, default="mixed"
        How the target line is cut: ``"mixed"``, ``"linear"``, ``"log"``,
        ``"uniform_error"``, ``"quantile"``, an object, or the edges themselves.

    merging : {"equal_number", "equal_length", "same", "recursive"}
        How coarse classes are made of fine ones; by default, of equally many samples.

    n_levels : "auto" or int, default="auto"
        Number of levels.  Level h has up to 2^h classes, and fewer than the finest;
        "auto" makes all of them, 1 is plain classification.

    labels : str or BaseLabels, default="histogram_gaussian"
        What the classifiers are told: ``"one_hot"``, ``"gaussian"`` (SORD),
        ``"histogram_gaussian"`` (HL-Gauss), or an object.

    anchor : {"location", None}, default="location"
        Whether the logits lean on a location head, minus the distance of the class to
        it, or are free as in the paper (None).

    decoder : str or BaseDecoder, default="debiased_mean"
        How a distribution becomes a number: ``"argmax"`` (the paper), ``"mean"`` (best
        for squared errors), ``"debiased_mean"`` (the same, where a sure answer keeps
        its place), ``"median"`` (best for absolute errors), or an object.

    balance : float, "auto", PriorCorrection or AutoBalance, default=0.0
        How far rare ranges are favoured when answering, without training anew: 0 is as
        trained, 1 as if every range of the target were equally common.  "auto" chooses
        it on the validation data.

    detach_heads : bool, default=False
        Whether the coarse classifiers leave the features to the finest.

    weighting : str, BaseWeighting or None, default=None
        How much each target weighs in training: ``"inverse"`` or ``"sqrt_inverse"``
        frequency, ``"lds"`` (label distribution smoothing), ``"dense"`` (DenseWeight),
        or an object.  It multiplies `sample_weight` in the loss only: classes, scales
        and shots know nothing of it, and a student neither, unless the targets teach
        it.  `partial_fit` counts all targets seen so far, one each.

    penalty : str, BasePenalty or None, default=None
        What is added to the loss for the features: ``"ranksim"``, or an object.

    smoother : str, BaseSmoother or None, default=None
        What moves features before the heads learn from them: ``"fds"``, or an object.

    n_estimators : int, default=1
        Networks that learn side by side, and answer by the mean of their distributions.

    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        Optimiser, or what makes one of parameters and ``lr``.  "adamw" has betas of 0.9
        and 0.95, and decays matrices and kernels: by 1.0, of a perceptron on more than
        100 columns by 2.0, in short fits by up to 2.5, on noisy targets by up to 5.0.

    lr : float, optional
        Peak learning rate, which rises and falls once; 1e-2 for a perceptron, else
        3e-3.  `partial_fit`, with a steady rate, takes 0.3 of these.

    max_epochs : int, default=100
        Passes over the training data.

    batch_size : int, default=256
        Samples in a batch.

    validation_fraction : float or None, default=None
        Share of the training data set aside for early stopping, which restores the best
        weights; None trains on everything, for all epochs.

    patience : int, default=10
        Epochs without progress on the validation data before training stops.

    augment : callable or None, default=None
        Changes batches of inputs (channels on axis 1) while stage one trains: any
        callable, as in ``torchvision.transforms.v2``, which draw once for all of it.

    callbacks : list or None, default=None
        Callbacks of skorch, for stage one and two; those that watch validation data,
        for stage one.  ``EpochScoring`` takes a function and ``use_caching=False``.

    device : str, default="auto"
        Where to train; "auto" takes a CUDA device if there is one, else the CPU.

    precision : {"auto", "fp32", "fp64", "bf16", "fp16"}, default="auto"
        Type of the network; "auto" takes float64 for float64 tables of up to 1,000
        rows on the CPU, and float32 otherwise.  "bf16" and "fp16" run the backbone in a
        short type (autocast); weights, heads, losses and answers are float32.

    compile : bool, default=False
        Whether torch compiles the network: first batches take half a minute, and C++.

    memory : str, object with the joblib.Memory interface, or None, default=None
        Where stage one is kept on disk, by its data and parameters: a search over
        `mode`, `decoder` or students trains it once per fold, and processes may share
        the folder.  It cannot see that code of a module, or a dataset's file, changed.

    net_params : dict or None, default=None
        Any parameter of a skorch net, as the last word on both stages (but for the
        ``lr`` and ``max_epochs`` of stage two): ``{"optimizer__weight_decay": 0.1}``.
        ``iterator_train__num_workers`` loads datasets and image files by processes.

    warm_start : bool, default=False
        Whether `fit` again goes on from the present weights, for `max_epochs` further
        epochs of a new schedule.  Classes, scale of the inputs and device stay; so
        must all that made the network or its loss.  The `memory` does not keep it.

    random_state : int, RandomState or None, default=None
        Makes results repeatable; the global seeds are left alone.

    verbose : int, default=0
        1 prints skorch's table, a line per epoch; 2 shows a progress bar too.

    Attributes
    ----------
    hierarchy_ : HierarchicalBinner
        The classes of every level: ``edges_``, ``values_``, ``counts_`` of the finest,
        ``parents_``, ``levels_``.  Values and counts too are those of the data that
        cut the classes, the first part or fit, where the network has gone on.

    n_classes_ : int
        Number of finest classes, C_H.

    label_means_ : ndarray of shape (2, K)
        Targets, and the means of their labels, by which ``"debiased_mean"`` answers.

    net_ : skorch.NeuralNet
        Stage one; ``net_.module_`` is the network.

    student_net_ : skorch.NeuralNet or None
        Stage two, where the mode has one.

    history_ : skorch.history.History
        What stage one recorded, epoch by epoch.

    target_counts_ : tuple of two ndarrays
        Distinct training targets, and how many samples each has: those of the last
        fit, and of all parts since.

    balance_ : float
        The balance that was chosen, where ``balance="auto"``.

    n_features_in_ : int
        Size of axis 1 of the inputs.

    feature_names_in_ : ndarray of str
        Column names, where the inputs had any.

    Notes
    -----
    Thread counts are left alone: small networks train fastest with one thread
    (``torch.set_num_threads(1)``).

    References
    ----------
    Xiong and Yao, "Deep imbalanced regression via hierarchical classification
    adjustment", 2023.

    Examples
    --------
    >>> from sk_hca import HCARegressor
    >>> from sk_hca.datasets import make_imbalanced_table
    >>> X_train, X_test, y_train, y_test = make_imbalanced_table(random_state=0)
    >>> model = HCARegressor(max_epochs=5, random_state=0).fit(X_train, y_train)
    >>> model.predict(X_test).shape == y_test.shape
    True
    >>> model.set_params(mode="mul").predict(X_test).shape == y_test.shape
    True
    """

    _parameter_constraints: dict = {
        **StudentTrainer._parameter_constraints,
        "n_levels": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "anchor": [StrOptions({"location"}), None],
        "balance": [Real, StrOptions({"auto"}), PriorCorrection, AutoBalance],
        "detach_heads": ["boolean"],
        "memory": [str, HasMethods("cache"), None],
    }

    _free_parameters = StudentTrainer._free_parameters | {
        "mode",
        "decoder",
        "balance",
        "memory",
    }

    def __init__(
        self,
        backbone="mlp",
        *,
        mode="consult",
        binner="mixed",
        merging="equal_number",
        n_levels="auto",
        labels="histogram_gaussian",
        anchor="location",
        decoder="debiased_mean",
        balance=0.0,
        detach_heads=False,
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
        memory=None,
        net_params=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.mode = mode
        self.binner = binner
        self.merging = merging
        self.n_levels = n_levels
        self.labels = labels
        self.anchor = anchor
        self.decoder = decoder
        self.balance = balance
        self.detach_heads = detach_heads
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
        self.memory = memory
        self.net_params = net_params
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn all levels, and the student if the mode has one.

        Parameters
        ----------
        X : array-like of shape (n, n_features) or (n, C, H, W), or torch Dataset
            Inputs, of which a memory-mapped file or a dataset is read batch by batch.
            A dataset may have ``targets``, or give (input, target) pairs.

        y : array-like of shape (n,) or (n, *S)
            Targets; a place of a map without one is NaN.

        sample_weight : array-like of shape (n,), optional
            Weight of each sample; 2 is the same as giving it twice.

        Returns
        -------
        self : HCARegressor

        Raises
        ------
        ValueError
            If the input cannot be learned from; an earlier model is then kept.

        FloatingPointError
            If the loss is not finite in the very first epoch.
        """
        with keeping_the_model(self):
            adjustment = make_adjustment(self.mode)
            make_decoder(self.decoder)
            check_balance(self)
            earlier = self._earlier_net(self.warm_start)
            data = self._check_training_data(X, y, sample_weight, earlier is None)
            seed = draw_seed(self.random_state)
            if earlier is None and self.memory is not None:
                self._adopt(recall_stage_one(self, X, y, sample_weight, seed))
            else:
                self._train(data, seed, earlier)
            self._renew_student(data, adjustment, seed, goes_on=earlier is not None)
            renew_balance(self, data, seed)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one more part of the data, in one pass.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            One part of the data.  The first one sets the classes and the scale of the
            inputs: let it hold the whole range.  Later targets outside of it count for
            the outermost classes, and no prediction leaves it.

        Returns
        -------
        self : HCARegressor

        Notes
        -----
        The learning rate is steady (see `lr`); optimiser, batch size and callbacks stay
        those of the first part; `max_epochs`, `validation_fraction` and `patience` are
        ignored.  A student goes on too, over the part, for its usual number of epochs.
        """
        with keeping_the_model(self):
            adjustment = make_adjustment(self.mode)
            refuse_choice(self)
            earlier = self._earlier_net(True)
            data = self._check_training_data(X, y, sample_weight, earlier is None)
            seed = draw_seed(self.random_state)
            self._train_once(data, seed, earlier)
            self._renew_student(data, adjustment, seed, goes_on=earlier is not None)
        return self

    def _begin(self, data, device, earlier):
        """Cut the targets, before there is a network."""
        if earlier is None:
            y, weight = known_targets(data)
            self.hierarchy_ = HierarchicalBinner(
                self.binner, merging=self.merging, n_levels=self.n_levels
            ).fit(y, sample_weight=weight)
            self.n_classes_ = self.hierarchy_.n_classes_
            finest = LevelClasses.from_level(self.hierarchy_.levels_[-1])
            self.label_means_ = make_labels(self.labels).means(finest).numpy()
        return super()._begin(data, device, earlier)

    def _plan_heads(self, n_features, data, device):
        """Return what makes the classifiers of all levels, and what these minimise."""
        center, scale = measure_targets(data)
        levels = self._level_classes(device)
        positions = None
        if self.anchor == "location":
            positions = [(classes.values - center) / scale for classes in levels]
        make_heads = partial(
            level_heads, n_features, levels, positions, self.detach_heads
        )
        n_steps = self.max_epochs * math.ceil(len(data) / self.batch_size)
        length = self._learning_rate() * n_steps
        labels = make_labels(self.labels)
        weights = location_weights(levels[-1], length, self.weighting is None)
        return make_heads, LevelCriterion(labels, levels, center, scale, weights)
