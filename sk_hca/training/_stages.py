"""One stage of gradient descent, and reading a network batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sk_hca.base import StreamedOutput, check_alias
from sk_hca.training._batches import batches
from sk_hca.training._callbacks import refuse_watchers, without_validation
from sk_hca.training._feeding import feed, one_pass
from sk_hca.training._net import OPTIMIZERS, make_net


@dataclass(frozen=True)
class StageSettings:
    """How one stage is trained.

    Parameters
    ----------
    optimizer : str or callable
        Alias, or an optimiser class (or factory) that takes parameters and ``lr``.

    lr : float
        Peak learning rate.

    max_epochs, batch_size : int
        Passes over the data, and samples in a batch.

    least_decay : float, default=1.0
        How much AdamW decays weights where the stage is long.

    n_inputs : int, default=0
        Inputs of the first layer, by which AdamW decays weights more where targets are
        noisy; 0 for a stage that does not look.

    anneals : bool, default=True
        Whether the learning rate rises and falls once over the stage, or is constant.

    patience : int
        Epochs without progress on the validation data before the stage ends.

    device : str
        Where to train.

    compile : bool, default=False
        Whether torch compiles the module.

    scales_loss : bool, default=False
        Whether the loss is scaled up for gradients in float16.

    callbacks : list, optional
        Callbacks of skorch, beside the stage's own.

    net_params : dict, optional
        Any parameter of a skorch net; wins over all others.

    verbose : int
        0 is silent, 1 prints a line per epoch, 2 shows a progress bar too.
    """

    optimizer: str | Callable
    lr: float
    max_epochs: int
    batch_size: int
    least_decay: float = 1.0
    n_inputs: int = 0
    anneals: bool = True
    patience: int = 10
    device: str = "cpu"
    compile: bool = False
    scales_loss: bool = False
    callbacks: list | None = None
    net_params: dict | None = None
    verbose: int = 0

    def make_optimizer(self):
        """Return the optimiser's class."""
        if not isinstance(self.optimizer, str):
            return self.optimizer
        check_alias("optimizer", self.optimizer, OPTIMIZERS)
        return OPTIMIZERS[self.optimizer]


def start_stage(module, criterion, train, settings, valid=None):
    """Set up a stage of training without a step yet; parameters as in `train_stage`.

    Returns
    -------
    net : StageNet
        Ready for :func:`continue_stage`.
    """
    return make_net(module, criterion, train, settings, valid).initialize()


def train_stage(module, criterion, train, settings, valid=None, history=()):
    """Train a module from its present weights.

    Parameters
    ----------
    module : nn.Module
        What to train, in place.

    criterion : nn.Module
        Takes the output of `module` and ``(y, weight)`` or ``(y,)``, gives a loss of
        shape ().

    train : TargetDataset
        Training data.

    settings : StageSettings
        Optimiser, length and so on.

    valid : TargetDataset, optional
        With it, training stops early and the best weights are restored, in memory.

    history : sequence of dict, default=()
        What earlier trainings of the module recorded, to stand before this one.

    Returns
    -------
    net : StageNet
        Fitted; its ``module_`` is `module`.
    """
    net = make_net(module, criterion, train, settings, valid)
    if net.train_split is None:
        refuse_watchers(settings.callbacks)
    net.fit(train, y=None)
    # Only now: a schedule takes a net with a history for one whose optimiser goes on.
    for row in net.history:
        row["epoch"] += len(history)
    net.history[:0] = history
    # The validation data hold the user's table: a fitted net, and its pickle, do not.
    return net.set_params(train_split=None)


def continue_stage(net, train, lr):
    """Train a net for one more epoch at a constant learning rate.

    Parameters
    ----------
    net : StageNet
        A net that was trained before, or is ready to be.

    train : TargetDataset
        New data.

    lr : float
        Learning rate.

    Returns
    -------
    net : StageNet
    """
    # The schedule and early stopping belong to the stage that is over.
    net.callbacks_ = [
        (name, callback)
        for name, callback in without_validation(net.callbacks_)
        if name not in ("schedule", "early_stopping", "noise_decay")
    ]
    net.set_params(lr=lr, train_split=None)
    return net.partial_fit(train, y=None, epochs=1)


def read_network(module, dataset, device, answer, make_array=np.empty, **batching):
    """Run a network over data without gradients, and keep only the answers.

    Answers are written where they stay, one batch after the other.

    Parameters
    ----------
    module : nn.Module
        Network, put in evaluation mode.

    dataset : TargetDataset
        Inputs.

    device : str
        Where the network is.

    answer : callable
        Takes the output for a batch, or for some rows of its maps, gives a tensor of
        shape (N, ...) or (N, ..., *S).

    make_array : callable, default=numpy.empty
        Takes the shape and the type of all answers, gives an array to write them to.

    **batching
        Parameters of :func:`batches`.

    Returns
    -------
    answers : ndarray of shape (n, ...)
    """
    module.eval()
    inputs = feed(batches(dataset, **batching), device, again=False)
    answers, start = None, 0
    with torch.inference_mode(), one_pass(inputs) as every_batch:
        for X, _ in every_batch:
            output = module(X.to(device))
            is_promise = isinstance(output, StreamedOutput)
            part = output.map(answer) if is_promise else answer(output)
            part = part.cpu().numpy()
            if answers is None:
                answers = make_array((len(dataset), *part.shape[1:]), part.dtype)
            answers[start : start + len(part)] = part
            start += len(part)
    return answers
