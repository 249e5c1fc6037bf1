"""The skorch net of one stage of training."""

from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, ProgressBar
from skorch.helper import predefined_split

from sk_hca.training._batches import batches
from sk_hca.training._callbacks import FiniteLoss, OneCycle

OPTIMIZERS = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


class StageNet(NeuralNet):
    """A skorch net for batches that are tensors, and whose table is optional.

    What skorch does for any kind of batch, at every step, is done here for ours: a
    tensor of inputs, and a tuple of tensors for the criterion.
    """

    def infer(self, x, **fit_params):
        """Run the module on one batch."""
        return self.module_(x.to(self.device, non_blocking=True))

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Compute the loss of one batch; the criterion has averaged it."""
        target = [part.to(self.device, non_blocking=True) for part in y_true]
        return self.criterion_(y_pred, target)

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks that have something to do: few have, at every batch."""
        getattr(self, method_name)(self, **cb_kwargs)
        unused = getattr(Callback, method_name)
        for _, callback in self.callbacks_:
            if getattr(type(callback), method_name, None) is not unused:
                getattr(callback, method_name)(self, **cb_kwargs)

    def run_single_epoch(self, iterator, training, **kwargs):
        """Pass once over the data, whatever the module was used for before."""
        super()._set_training(training)
        super().run_single_epoch(iterator, training, **kwargs)

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
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if not hasattr(callback, "on_train_begin"):
            raise ValueError(
                "callbacks must hold skorch callbacks, or (name, callback) pairs; got "
                f"{item!r}."
            )


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
        "verbose": settings.verbose,
        **(settings.net_params or {}),
    }
    check_callbacks(settings.callbacks)
    n_steps = params["max_epochs"] * len(batches(train, params["batch_size"]))
    callbacks = [("finite_loss", FiniteLoss())]
    if settings.anneals and n_steps > 1:
        # One step more than there are batches: the last batch still learns a little.
        callbacks.append(("schedule", OneCycle(params["lr"], n_steps + 1)))
    if valid is not None:
        stopping = EarlyStopping(patience=settings.patience, load_best=True)
        callbacks.append(("early_stopping", stopping))
    if settings.verbose > 1:
        callbacks.append(("progress_bar", ProgressBar()))
    params.setdefault("callbacks", callbacks + list(settings.callbacks or []))
    return StageNet(Given(module), Given(criterion), **params)
