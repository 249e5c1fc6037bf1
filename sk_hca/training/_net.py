"""The skorch net of one stage of training."""

import math
import warnings
from functools import partial

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, ProgressBar
from skorch.helper import predefined_split

from sk_hca.training._batches import batches
from sk_hca.training._callbacks import FadeOut, FiniteLoss, OneCycle, callback_of
from sk_hca.training._feeding import feed, one_pass
from sk_hca.training._noise import SHORT_STAGE, NoiseDecay
from sk_hca.training._script import pickled


def adamw(params, weight_decay=1.0, betas=(0.9, 0.95), **settings):
    """Return an AdamW that decays matrices and kernels: no bias, no scale, no noise.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What to train, or groups of it.

    weight_decay : float, default=1.0
        Share of the learning rate by which weights shrink at every step; a stage that
        ends takes that of :func:`decay_for`.

    betas : tuple of float, default=(0.9, 0.95)
        How much of the averages of gradients and of their squares lasts a step; torch's
        own (0.9, 0.999) remembers squares longer than a fit of a small table takes.

    **settings
        Other parameters of torch's AdamW.

    Returns
    -------
    optimizer : torch.optim.AdamW
    """
    params = list(params)
    groups = params if isinstance(params[0], dict) else [{"params": params}]
    halves = [half for group in groups for half in split_group(group)]
    return torch.optim.AdamW(halves, weight_decay=weight_decay, betas=betas, **settings)


def split_group(group):
    """Split a group of parameters into what decays and what does not."""
    decaying = [p for p in group["params"] if p.ndim > 1]
    lasting = [p for p in group["params"] if p.ndim <= 1]
    halves = ({"params": decaying}, {"params": lasting, "weight_decay": 0.0})
    return [group | half for half in halves if half["params"]]


OPTIMIZERS = {
    "adamw": partial(adamw, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


def decay_for(lr, n_steps, least=1.0):
    """Choose how strongly AdamW decays weights over a stage: 2.5 if that is short.

    Over its cycle a rate averages to half of its peak, so that a decay of d shrinks
    weights by ``exp(-lr * n_steps * d / 2)``.  Few steps, as a small table takes, would
    leave them near where they began: d grows so that they shrink to a twelfth,
    ``exp(-2.5)``, up to where it would keep a network from learning.

    Parameters
    ----------
    lr : float
        Peak learning rate.

    n_steps : int
        Steps of the stage.

    least : float, default=1.0
        Decay of a stage that is long.

    Returns
    -------
    decay : float

    Examples
    --------
    >>> [decay_for(0.01, n_steps) for n_steps in (50, 200, 1000)]
    [2.5, 2.5, 1.0]
    """
    return max(least, 5 / max(2.0, lr * n_steps))


class Stopped(KeyboardInterrupt):
    """A callback has ended the training, in skorch's way."""


class StageNet(NeuralNet):
    """A skorch net for batches that are tensors, and whose table is optional.

    What skorch does for any kind of batch, at every step, is done here for ours: a
    tensor of inputs, and a tuple of tensors for the criterion.

    A module with a true ``takes_targets`` is given that tuple too, while it trains, and
    its ``begin_epoch()`` and ``end_epoch()`` are called around every epoch of training.
    """

    @property
    def _shows_targets(self):
        return getattr(self.module_, "takes_targets", False)

    def infer(self, x, target=None, **fit_params):
        """Run the module on one batch, with its targets if it takes them."""
        x = x.to(self.device, non_blocking=True)
        if target is None or not self._shows_targets:
            return self.module_(x)
        target = [part.to(self.device, non_blocking=True) for part in target]
        return self.module_(x, target)

    def train_step_single(self, batch, **fit_params):
        """Compute the loss of one batch, and its gradients."""
        return super().train_step_single(batch, target=batch[1], **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Compute the loss of one batch; the criterion has averaged it."""
        target = [part.to(self.device, non_blocking=True) for part in y_true]
        return self.criterion_(y_pred, target)

    def get_iterator(self, dataset, training=False):
        """Give the batches of a stage, on their way to the device."""
        return feed(super().get_iterator(dataset, training), self.device)

    def run_single_epoch(self, iterator, training, **kwargs):
        """Run one epoch; nothing that prepares its batches outlives it."""
        if iterator is not None:
            # Whoever read the module since may have switched a part of it.
            super()._set_training(training)
            watches = training and self._shows_targets
            if watches:
                self.module_.begin_epoch()
            with one_pass(iterator) as batches_:
                super().run_single_epoch(batches_, training, **kwargs)
            if watches:
                self.module_.end_epoch()

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train, and remember whether it was the user who ended it."""
        self.interrupted_ = False
        try:
            return super().fit_loop(X, y, epochs, **fit_params)
        except Stopped:
            raise
        except KeyboardInterrupt:
            self.interrupted_ = True
            warnings.warn(
                f"Training was interrupted in epoch {len(self.history)}: the model is "
                "what it has learned until then.",
                ConvergenceWarning,
                stacklevel=2,
            )
            raise

    def torch_compile(self, module, name):
        """Compile the module where it is, if asked: what is pickled stays plain."""
        if self.compile and name == "module":
            module.compile(**self.get_params_for("compile"))
        return module

    def __getstate__(self):
        """Give all there is; modules, as skorch does, in bytes of their own."""
        state = self.__dict__.copy()
        own = tuple(self.cuda_dependent_attributes_)
        held = {key: state.pop(key) for key in [*state] if key.startswith(own)}
        return state | {"__cuda_dependent_attributes__": pickled(held)}

    def __setstate__(self, state):
        """Compile a copy again, when it is first run."""
        # Whoever reads a pickle trusts it: torch need not guard what lies inside, which
        # takes it longer than all the rest.
        guard = state.get("torch_load_kwargs")
        super().__setstate__(state | {"torch_load_kwargs": {"weights_only": False}})
        self.torch_load_kwargs = guard
        if hasattr(self, "module_"):
            self.torch_compile(self.module_, "module")

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks that have something to do: few have, at every batch."""
        getattr(self, method_name)(self, **cb_kwargs)
        unused = getattr(Callback, method_name)
        for _, callback in self.callbacks_:
            if getattr(type(callback), method_name, None) is not unused:
                try:
                    getattr(callback, method_name)(self, **cb_kwargs)
                except KeyboardInterrupt as error:
                    raise Stopped from error

    def _set_training(self, training=True):
        """Switch the module where it is not switched yet: once an epoch, not a step."""
        if self.module_.training != training:
            super()._set_training(training)

    @property
    def _default_callbacks(self):
        quiet = () if self.verbose else ("print_log",)
        return [
            (name, callback)
            for name, callback in super()._default_callbacks
            if name not in quiet
        ]


class ScaledNet(StageNet):
    """A net whose loss is scaled up, so that float16 can hold its small gradients.

    A step whose gradients overflow is left out, and the scale halved.
    """

    def on_train_begin(self, net, **kwargs):
        """Start with a scale that seldom overflows; it grows by itself."""
        device = torch.device(self.device).type
        self.scaler_ = torch.amp.GradScaler(device, init_scale=2.0**12)

    def on_train_end(self, net, **kwargs):
        """Let go of the scale, which belongs to the device."""
        del self.scaler_

    def train_step(self, batch, **fit_params):
        """Take one step on scaled gradients; callbacks see them unscaled."""
        self._set_training(True)
        X, target = batch
        self.optimizer_.zero_grad()
        output = self.infer(X, target)
        loss = self.get_loss(output, target, X=X, training=True)
        self.scaler_.scale(loss).backward()
        self.scaler_.unscale_(self.optimizer_)
        self.notify(
            "on_grad_computed",
            named_parameters=list(self.get_all_learnable_params()),
            batch=batch,
            training=True,
        )
        self.scaler_.step(self.optimizer_)
        self.scaler_.update()
        return {"loss": loss, "y_pred": output}


class Given:
    """Hand out a module that exists already; a pickle of the net holds it only once."""

    def __init__(self, module):
        self.module = module

    def __call__(self):
        return self.module

    def __getstate__(self):
        return {"module": None}


def check_callbacks(callbacks):
    """Refuse what skorch cannot call, since it would fail without a word about it."""
    for item in callbacks or []:
        callback = callback_of(item)
        if not hasattr(callback, "on_train_begin"):
            raise ValueError(
                "callbacks must hold skorch callbacks, or (name, callback) pairs; got "
                f"{item!r}."
            )
        if isinstance(callback, EpochScoring) and (
            callback.use_caching or not callable(callback.scoring)
        ):
            raise ValueError(
                "EpochScoring must have use_caching=False and as scoring a function of "
                "(net, dataset, y): what a net answers here are no targets, but what "
                "a loss takes."
            )


def settle_decay(params, n_steps, settings):
    """Choose the decay of AdamW; return the callbacks that may raise it."""
    length = params["lr"], n_steps
    params["optimizer__weight_decay"] = decay_for(*length, settings.least_decay)
    if settings.n_inputs == 0 or math.prod(length) <= SHORT_STAGE:
        return []
    watch = NoiseDecay(settings.n_inputs, params["max_epochs"], *length)
    return [("noise_decay", watch)]


def make_net(module, criterion, train, settings, valid=None):
    """Wire one stage of training.

    Parameters
    ----------
    module : nn.Module
        What to train.

    criterion : nn.Module
        Takes the output of `module` and ``(y, weight)`` or ``(y,)``, gives a loss of
        shape ().

    train : TargetDataset
        Training data, whose batches the schedule of the learning rate counts.

    settings : StageSettings
        Optimiser, length and so on.

    valid : TargetDataset, optional
        What early stopping looks at.

    Returns
    -------
    net : StageNet
    """
    params = {
        "optimizer": settings.make_optimizer(),
        "lr": settings.lr,
        "max_epochs": settings.max_epochs,
        "batch_size": settings.batch_size,
        "iterator_train": batches,
        "iterator_train__shuffle": True,
        "iterator_valid": batches,
        "train_split": None if valid is None else predefined_split(valid),
        "device": settings.device,
        "compile": settings.compile,
        "verbose": settings.verbose,
        **(settings.net_params or {}),
    }
    check_callbacks(settings.callbacks)
    n_steps = params["max_epochs"] * len(batches(train, params["batch_size"]))
    anneals = settings.anneals and n_steps > 1
    callbacks = [("finite_loss", FiniteLoss()), ("fade_out", FadeOut())]
    is_ours = params["optimizer"] is OPTIMIZERS["adamw"]
    if anneals and is_ours and "optimizer__weight_decay" not in params:
        callbacks += settle_decay(params, n_steps, settings)
    if anneals:
        # One step more than there are batches: the last batch still learns a little.
        callbacks.append(("schedule", OneCycle(n_steps + 1)))
    if valid is not None and params["train_split"] is not None:
        stopping = EarlyStopping(patience=settings.patience, load_best=True)
        callbacks.append(("early_stopping", stopping))
    if settings.verbose > 1:
        callbacks.append(("progress_bar", ProgressBar()))
    params.setdefault("callbacks", callbacks + list(settings.callbacks or []))
    kind = ScaledNet if settings.scales_loss else StageNet
    return kind(Given(module), Given(criterion), **params)
