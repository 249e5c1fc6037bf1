"""What all estimators share: the network, one stage of training, reading.

An estimator holds parameters and wires rooms together; it computes nothing itself.
"""

import copy
import math
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sk_hca.backbones import (
    Committee,
    CommitteeHeads,
    Extractor,
    Inputs,
    Network,
    SmoothedNetwork,
    feature_shape,
    make_backbone,
)
from sk_hca.base import check_alias
from sk_hca.estimators._design import check_design, design_of
from sk_hca.estimators._door import DataDoor
from sk_hca.estimators._execution import (
    PRECISIONS,
    resolve_device,
    resolve_precision,
    seeded,
)
from sk_hca.estimators._scoring import PlaceRegressor
from sk_hca.estimators._stages import CommitteeCriterion, PenalizedCriterion
from sk_hca.estimators._weighing import tally_targets, weighed
from sk_hca.regularizers import make_penalty, make_smoother
from sk_hca.training import (
    StageSettings,
    batches,
    continue_stage,
    read_network,
    start_stage,
    train_stage,
)

# A rate that never falls is this share of one that does.
STEADY_SHARE = 0.3

# Rows of a table that are read at once, and the most logits that they may have: few
# enough for a CPU's caches, and so many that an accelerator does not wait for the next.
ROWS_ON_CPU, LOGITS_ON_CPU = 2**12, 2**21
ROWS_ELSEWHERE, LOGITS_ELSEWHERE = 2**15, 2**26


class BaseDeepRegressor(DataDoor, PlaceRegressor, BaseEstimator):
    """A regressor that holds a network, trained by gradient descent.

    A subclass lists the parameters in its own ``__init__`` and writes `fit`.
    """

    _parameter_constraints: dict = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [str, callable],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "augment": [callable, None],
        "callbacks": [list, None],
        "device": [str],
        "precision": [StrOptions(PRECISIONS)],
        "compile": ["boolean"],
        "net_params": [dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Parameters that say how to train, not what, and may change before a network goes
    # on.  All others made it or its loss, and must stay as they were.  Weights may come
    # late: that is deferred re-weighting.
    _free_parameters = frozenset(
        [
            "weighting",
            "optimizer",
            "lr",
            "max_epochs",
            "batch_size",
            "validation_fraction",
            "patience",
            "augment",
            "callbacks",
            "device",
            "compile",
            "net_params",
            "warm_start",
            "random_state",
            "verbose",
        ]
    )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def history_(self):
        """History of stage one, as skorch writes it."""
        check_is_fitted(self)
        return self.net_.history

    def _plan_heads(self, n_features, data, device):
        """Return what makes heads on the features, and what these minimise."""
        raise TypeError(f"{type(self).__name__} must define _plan_heads.")

    def _build_heads(self, n_features, data, device):
        """Make the heads of one network, or of every member, and what one minimises."""
        make_heads, criterion = self._plan_heads(n_features, data, device)
        if self.n_estimators == 1:
            return make_heads(), criterion
        return CommitteeHeads(make_heads() for _ in range(self.n_estimators)), criterion

    def _for_all(self, criterion):
        """Make the criterion of one network that of all members."""
        return criterion if self.n_estimators == 1 else CommitteeCriterion(criterion)

    def _stage_one(self, data, device):
        """Make the network and what it minimises."""
        extractor, n_features = self._build_extractor(data, device)
        heads, criterion = self._build_heads(n_features, data, device)
        dtype = extractor[0].dtype
        network = Network(extractor, heads.to(dtype))
        return self._regularize(network, criterion.to(dtype), n_features, data, device)

    def _adopt(self, other):
        """Share what another estimator has learned."""
        own = {"_input_shape", "_design", "_target_weights"}
        learned = {k: v for k, v in vars(other).items() if k[-1] == "_" or k in own}
        self.__dict__.update(learned)

    def _finest_edges(self):
        """Return the borders of the finest classes, where there are any."""

    def _regularize(self, network, criterion, n_features, data, device):
        """Add penalty and smoother, where there are any."""
        if self.penalty is not None:
            criterion = PenalizedCriterion(criterion, make_penalty(self.penalty))
        if self.smoother is not None:
            if self.n_estimators > 1:
                raise ValueError(
                    "A smoother moves the features of one network; got n_estimators="
                    f"{self.n_estimators}. Set n_estimators=1 or smoother=None."
                )
            smoother = make_smoother(self.smoother).build(
                n_features, *known_targets(data), self._finest_edges()
            )
            if torch.device(device).type == "mps":
                smoother = smoother.float()  # It has no double precision.
            network = SmoothedNetwork(network.extractor, network.heads, smoother)
        return network, self._for_all(criterion)

    def _earlier_net(self, goes_on):
        """Return the net to go on from, or None to start anew."""
        if not (goes_on and hasattr(self, "net_")):
            return None
        check_design(self._design, design_of(self, self._free_parameters))
        # A copy: a readjusted estimator may share the net, and a failure must leave it
        # as it was.  Epochs that are over change no more, and a stream has many.
        history = self.net_.history
        return copy.deepcopy(self.net_, {id(history): copy.copy(history)})

    def _begin(self, data, device, earlier):
        """Make the network and what it minimises, or take those of an earlier net."""
        if earlier is None:
            self._design = design_of(self, self._free_parameters)
            return self._stage_one(data, device)
        extractor = earlier.module_.extractor
        extractor[0].augment = self.augment
        count_features(extractor, data, device)
        return earlier.module_, earlier.criterion_

    def _train(self, data, seed, earlier=None):
        """Train stage one for all epochs, anew or from an earlier net's weights."""
        self.target_counts_, self._target_weights = tally_targets(data)
        device = resolve_device(self.device) if earlier is None else earlier.device
        with seeded(seed, device):
            train, valid = self._split(weighed(data, self.weighting), seed)
            network, criterion = self._begin(data, device, earlier)
            n_inputs = make_backbone(self.backbone).count_inputs(self._input_shape)
            settings = self._settings(device, n_inputs=n_inputs)
            history = () if earlier is None else earlier.history
            self.net_ = train_stage(network, criterion, train, settings, valid, history)

    def _train_once(self, data, seed, earlier=None):
        """Train stage one in one pass at a constant rate, anew or going on."""
        seen = (None, None)
        if earlier is not None:
            seen = self.target_counts_, self._target_weights
        self.target_counts_, self._target_weights = tally_targets(data, seen)
        device = resolve_device(self.device) if earlier is None else earlier.device
        with seeded(seed, device):
            network, criterion = self._begin(data, device, earlier)
            data = weighed(data, self.weighting, self._target_weights)
            if earlier is None:
                settings = self._settings(device, anneals=False)
                earlier = start_stage(network, criterion, data, settings)
            lr = (self.net_params or {}).get("lr", self._learning_rate(STEADY_SHARE))
            self.net_ = continue_stage(earlier, data, lr)

    def _learning_rate(self, share=1.0):
        """Return the rate that was asked for, or a share of the backbone's peak."""
        if self.lr is not None:
            return self.lr
        return share * make_backbone(self.backbone).peak_lr(self._input_shape)

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
        recipe, shape = make_backbone(self.backbone), self._input_shape
        dtype, autocast = resolve_precision(self.precision, data, device)
        inputs = Inputs(dtype, arrange=recipe.arrange, augment=self.augment)
        backbone = recipe.build(shape)
        if self.n_estimators > 1:
            others = [recipe.build(shape) for _ in range(self.n_estimators - 1)]
            backbone = Committee([backbone, *others])
        backbone = backbone.to(dtype)
        extractor = Extractor(inputs, backbone, autocast)
        if recipe.scales_inputs:
            # A part of large data has the same scale.
            few = data.subset(spread_out(len(data), shape))
            extractor.measure(
                (X, weight[0] if weight else None)
                for X, (_, *weight) in batches(few, self._reading_size())
            )
        return extractor, count_features(extractor, data, "cpu")

    def _settings(self, device, **changes):
        """Collect what a stage of training needs to know."""
        settings = {
            name: getattr(self, name)
            for name in (
                "optimizer",
                "max_epochs",
                "batch_size",
                "patience",
                "callbacks",
                "compile",
                "net_params",
            )
        }
        settings["lr"] = self._learning_rate()
        recipe = make_backbone(self.backbone)
        settings["least_decay"] = recipe.least_decay(self._input_shape)
        settings |= {"device": device, "verbose": int(self.verbose)}
        settings["scales_loss"] = self.precision == "fp16"
        return StageSettings(**(settings | changes))

    def _reading_size(self, device="cpu", n_logits=0):
        """Return how many samples are read at once: more table rows than images."""
        if len(self._input_shape) > 1:
            return self.batch_size
        n_rows, most = ROWS_ELSEWHERE, LOGITS_ELSEWHERE
        if torch.device(device).type == "cpu":
            n_rows, most = ROWS_ON_CPU, LOGITS_ON_CPU
        return max(self.batch_size, min(n_rows, most // max(1, n_logits)))

    def _read(self, module, data, answer, make_array=np.empty):
        """Run a network over data, keep what `answer` makes of it, and check it."""
        net = self.net_
        # Features alone are read from an extractor.
        n_logits = module.heads.n_values if isinstance(module, Network) else 0
        batching = {"batch_size": self._reading_size(net.device, n_logits)}
        batching |= net.get_params_for("iterator_valid")
        answers = read_network(module, data, net.device, answer, make_array, **batching)
        rows = ~finite_rows(answers)
        if rows.any():
            raise FloatingPointError(
                f"The network gave NaN or infinity for {rows.sum()} of {len(rows)} "
                f"samples, first for sample {rows.argmax()}: its inputs are NaN or "
                "infinite, or too far from those of training."
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


def spread_out(n_samples, shape, n_values=2_000_000):
    """Return evenly spaced positions: all, or as many as hold about so many values."""
    n_most = max(100, n_values // math.prod(shape))
    return np.linspace(0, n_samples - 1, min(n_samples, n_most)).round().astype(int)


def count_features(extractor, data, device):
    """Return how many features a backbone gives, where the targets are."""
    few, _ = next(iter(batches(data.subset(np.arange(min(2, len(data)))), 2)))
    return feature_shape(extractor.member(), few.to(device), data.y.shape[1:])


def make_reduction(reduce):
    """Return what adds up or averages the answers of every map, or leaves them.

    Parameters
    ----------
    reduce : {"sum", "mean"} or None
        What becomes of a map.

    Returns
    -------
    reduction : callable
        Takes answers of shape (n, *S), gives (n,) or leaves them.
    """
    if reduce is not None:
        check_alias("reduce", reduce, ("sum", "mean"))

    def reduction(maps):
        if reduce is None:
            return maps
        if maps.ndim == 1:
            raise ValueError(
                f"reduce={reduce!r} is for maps, but this model was fitted on one "
                "target per sample. Leave it out."
            )
        return getattr(maps, reduce)(axis=tuple(range(1, maps.ndim)))

    return reduction


def finite_rows(answers, size=4096):
    """Tell which samples have finite answers, a few at a time."""
    parts = [answers[i : i + size] for i in range(0, len(answers), size)]
    flags = [np.isfinite(part.reshape(len(part), -1)).all(axis=1) for part in parts]
    return np.concatenate(flags)


def known_targets(data):
    """Return the training targets that count, in a row, and their weights or None."""
    y, weight = data.targets()
    return (y, None) if weight is None else (y[weight > 0], weight[weight > 0])


def measure_targets(data):
    """Return mean and standard deviation of the training targets.

    Targets that do not vary are given their own size for one, or 1.
    """
    y, weight = data.targets()
    # In a unit of the order of the targets, so that no square leaves the range of
    # floats; a power of two, so that nothing is rounded.
    unit = np.ldexp(1.0, np.frexp(np.abs(y).max())[1] - 1)
    y = y / unit
    center = np.average(y, weights=weight)
    spread = np.sqrt(np.average((y - center) ** 2, weights=weight))
    return center * unit, spread * unit or np.abs(center) * unit or 1.0
