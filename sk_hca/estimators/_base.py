"""What all estimators share: the door, the network, one stage of training, reading.

An estimator holds parameters and wires rooms together; it computes nothing itself.
"""

import copy
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.utils.data import Dataset

from sk_hca.backbones import Extractor, Inputs, feature_shape, make_backbone
from sk_hca.base import check_targets, check_weights
from sk_hca.binning import distinct_targets
from sk_hca.estimators._execution import PRECISIONS, resolve_device, resolve_precision
from sk_hca.training import (
    ArrayDataset,
    ItemDataset,
    StageSettings,
    as_input,
    batches,
    continue_stage,
    read_network,
    train_stage,
)

KEPT_TYPES = (np.float64, np.float32, np.float16, np.uint8)


class BaseDeepRegressor(RegressorMixin, BaseEstimator):
    """A regressor that holds a network, trained by gradient descent.

    A subclass lists the parameters in its own ``__init__`` and writes `fit`.
    """

    _parameter_constraints: dict = {
        "optimizer": [str, callable],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "device": [str],
        "precision": [StrOptions(PRECISIONS)],
        "compile": ["boolean"],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def history_(self):
        """History of stage one, as skorch writes it."""
        check_is_fitted(self)
        return self.net_.history

    def _check_training_data(self, X, y, sample_weight, reset=True):
        """Check inputs, targets and weights, and lay them side by side."""
        if isinstance(X, Dataset):
            data = self._check_dataset(X, y, sample_weight, reset)
        else:
            X, y = self._check_arrays(X, y, reset)
            data = ArrayDataset(X, *weighted_targets(y, sample_weight))
        if reset and len(data) < 2:
            raise ValueError(
                "At least 2 samples of positive weight are needed to learn from; got "
                f"{len(data)}. Check sample_weight, and y for maps without any target."
            )
        if reset:
            self._input_shape = shape_of_input(X)
        return data

    def _check_arrays(self, X, y, reset):
        """Check inputs and targets that are arrays."""
        options = {
            "dtype": list(KEPT_TYPES),
            "allow_nd": True,
            "reset": reset,
            "ensure_min_samples": 2 if reset else 1,
        }
        if y is None or np.asarray(y).ndim < 3:
            X, y = validate_data(self, X, y, y_numeric=True, **options)
            y = y.astype(np.float64, copy=False)
        else:
            X = validate_data(self, X, **options)
            y = check_maps(y, len(X))
        if not reset:
            self._check_input_shape(X)
        return X, y

    def _check_dataset(self, dataset, y, sample_weight, reset):
        """Check a torch dataset, whose targets may come with its items."""
        if len(dataset) < 2:
            raise ValueError(
                "A dataset must hold at least 2 samples to learn from; it holds "
                f"{len(dataset)}."
            )
        y = np.asarray(dataset_targets(dataset) if y is None else y, dtype=np.float64)
        if len(y) != len(dataset):
            raise ValueError(
                f"y must hold one target per item of the dataset, {len(dataset)}; it "
                f"holds {len(y)}."
            )
        y = check_maps(y, len(dataset)) if y.ndim > 1 else check_targets(y)
        if reset:
            self.n_features_in_ = shape_of_input(dataset)[0]
        else:
            self._check_input_shape(dataset)
        return ItemDataset(dataset, *weighted_targets(y, sample_weight))

    def _check_inputs(self, X):
        """Check inputs to predict for."""
        check_is_fitted(self)
        if isinstance(X, Dataset):
            self._check_input_shape(X)
            return ItemDataset(X)
        X = validate_data(self, X, dtype=list(KEPT_TYPES), allow_nd=True, reset=False)
        self._check_input_shape(X)
        return ArrayDataset(X)

    def _check_input_shape(self, X):
        shape = shape_of_input(X)
        if shape != self._input_shape:
            raise ValueError(
                f"X must hold inputs of shape {self._input_shape}, as in fit; got "
                f"inputs of shape {shape}."
            )

    def _count_targets(self, data, seen=None):
        """Count the distinct training targets, which shots are made of."""
        y, weight = data.targets()
        if weight is not None:
            y = y[weight > 0]
        if seen is None:
            return distinct_targets(y)
        values, counts = distinct_targets(y)
        return distinct_targets(
            np.concatenate([seen[0], values]), np.concatenate([seen[1], counts])
        )

    def _stage_one(self, data, device):
        """Make the network and what it minimises."""
        raise TypeError(f"{type(self).__name__} must define _stage_one.")

    def _train(self, data, seed):
        """Train stage one from the start."""
        device = resolve_device(self.device)
        self.target_counts_ = self._count_targets(data)
        with seeded(seed, device):
            train, valid = self._split(data, seed)
            network, criterion = self._stage_one(data, device)
            settings = self._settings(device)
            self.net_ = train_stage(network, criterion, train, settings, valid)

    def _train_once(self, data, seed):
        """Train stage one, new or going on, in one pass at a constant learning rate."""
        if hasattr(self, "net_"):
            self.target_counts_ = self._count_targets(data, self.target_counts_)
            with seeded(seed, self.net_.device):
                # A copy: a readjusted estimator may share the net, and a failure must
                # leave it as it was.
                self.net_ = continue_stage(copy.deepcopy(self.net_), data, self.lr)
            return
        device = resolve_device(self.device)
        self.target_counts_ = self._count_targets(data)
        with seeded(seed, device):
            network, criterion = self._stage_one(data, device)
            settings = self._settings(device, max_epochs=1, anneals=False)
            self.net_ = train_stage(network, criterion, data, settings)

    def _split(self, data, seed):
        """Set a validation part aside, if asked for."""
        if self.validation_fraction is None:
            return data, None
        train, valid = train_test_split(
            np.arange(len(data)), test_size=self.validation_fraction, random_state=seed
        )
        return data.subset(train), data.subset(valid)

    def _build_extractor(self, data, device):
        """Make the backbone behind its inputs, and learn how many features it gives."""
        recipe = make_backbone(self.backbone)
        dtype, autocast = resolve_precision(self.precision, data, device)
        inputs = Inputs(dtype)
        backbone = recipe.build(self._input_shape).to(dtype)
        extractor = Extractor(inputs, backbone, autocast)
        if recipe.standardizes:
            inputs.measure(
                (X, weight[0] if weight else None)
                for X, (_, *weight) in batches(data, self._reading_size())
            )
        few, _ = next(iter(batches(data.subset(np.arange(2)), 2)))
        return extractor, feature_shape(extractor, few, data.y.shape[1:])

    def _settings(self, device, **changes):
        """Collect what a stage of training needs to know."""
        settings = {
            name: getattr(self, name)
            for name in (
                "optimizer",
                "lr",
                "max_epochs",
                "batch_size",
                "patience",
                "callbacks",
                "compile",
                "net_params",
            )
        }
        settings |= {"device": device, "verbose": int(self.verbose)}
        settings["scales_loss"] = self.precision == "fp16"
        return StageSettings(**(settings | changes))

    def _reading_size(self):
        """Return how many samples are read at once: more table rows than images."""
        is_table = len(self._input_shape) == 1
        return max(self.batch_size, 4096) if is_table else self.batch_size

    def _read(self, module, data, answer):
        """Run a network over data, keep what `answer` makes of it, and check it."""
        net, size = self.net_, self._reading_size()
        loading = {"batch_size": size} | net.get_params_for("iterator_valid")
        answers = read_network(module, data, net.device, answer, **loading)
        if not np.isfinite(answers).all():
            rows = ~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)
            raise FloatingPointError(
                f"The network gave NaN or infinity for {rows.sum()} of {len(rows)} "
                f"samples, first for sample {rows.argmax()}: its inputs are too far "
                "from those of training."
            )
        return answers


@contextmanager
def keeping_the_model(estimator):
    """Leave an estimator as it was when what happens inside fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def draw_seed(random_state):
    """Turn a random state into one integer."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def seeded(seed, device):
    """Seed torch inside, and give its generators back as they were."""
    n_devices = torch.cuda.device_count() if device.startswith("cuda") else 0
    with torch.random.fork_rng(devices=range(n_devices)):
        torch.manual_seed(seed)
        yield


def measure_targets(data):
    """Return mean and standard deviation of the training targets.

    Targets that do not vary are given a standard deviation of 1.
    """
    y, weight = data.targets()
    # In a unit of the order of the targets, so that no square leaves the range of
    # floats; a power of two, so that nothing is rounded.
    unit = np.ldexp(1.0, np.frexp(np.abs(y).max())[1] - 1)
    y = y / unit
    center = np.average(y, weights=weight)
    spread = np.sqrt(np.average((y - center) ** 2, weights=weight))
    return center * unit, spread * unit or 1.0


def weighted_targets(y, sample_weight):
    """Return targets, their weights, and which samples weigh anything.

    A missing target of a map weighs nothing.  Weights are None where all samples in use
    weigh the same, and the samples in use are None where all are.
    """
    if y.ndim == 1 and sample_weight is None:
        return y, None, None
    weight = check_weights(sample_weight, y)
    if y.ndim > 1:
        known = np.isfinite(y)
        weight = weight.reshape(-1, *(1,) * (y.ndim - 1)) * known
        y = np.where(known, y, 0.0)
    is_used = weight.reshape(len(y), -1).any(axis=1)
    used = None if is_used.all() else np.flatnonzero(is_used)
    if y.ndim == 1 and np.ptp(weight[is_used]) == 0:
        return y, None, used
    return y, weight, used


def check_maps(y, n_samples):
    """Check target maps, whose missing places are NaN."""
    y = np.asarray(y, dtype=np.float64)
    if len(y) != n_samples:
        raise ValueError(
            f"y must hold one map per sample, {n_samples}; it holds {len(y)}."
        )
    if np.isinf(y).any() or np.isnan(y).all():
        raise ValueError(
            "y must hold finite targets (NaN where a place of a map has none); got "
            "infinity, or NaN everywhere."
        )
    return y


def dataset_targets(dataset):
    """Return a torch dataset's ``targets``, or read every item once for them."""
    if hasattr(dataset, "targets"):
        return dataset.targets
    first = dataset[0]
    if not isinstance(first, (tuple, list)) or len(first) < 2:
        raise ValueError(
            "The dataset must give (input, target) pairs or have an attribute targets; "
            f"its items are {type(first).__name__}. Or give the targets as y."
        )
    return [np.asarray(dataset[i][1]) for i in range(len(dataset))]


def shape_of_input(X):
    """Return the shape of one input of an array or a torch dataset."""
    if isinstance(X, Dataset):
        return tuple(np.shape(as_input(X[0])))
    return tuple(X.shape[1:])
