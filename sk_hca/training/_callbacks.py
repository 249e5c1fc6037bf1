"""What watches over a training, beside skorch's own callbacks."""

import copy
import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

# Averages of gradients below this move no weight.  Shrinking by a tenth a step, they
# take longer than that many steps from there to 1e-38.
FADED, FADING_STEPS = 1e-32, 100

# Share of a training in which the learning rate rises.
RISE = 0.3


class FiniteLoss(Callback):
    """Stop when the loss is no longer finite, and go back to the last good weights.

    A copy of the weights is kept, in memory, after every epoch that ended well; what
    the criterion learns is among them.

    Raises
    ------
    FloatingPointError
        If the very first epoch diverges, since there is nothing to go back to.

    ValueError
        If it is the inputs that are not finite, as those of a dataset may be.
    """

    def on_train_begin(self, net, **kwargs):
        """Keep the weights of an earlier training, if there was one."""
        self.good_epoch_ = len(net.history)
        trained = self.good_epoch_ > 0
        self.good_weights_ = copy.deepcopy(weights_of(net)) if trained else None

    def on_batch_end(self, net, batch=None, training=False, loss=None, **kwargs):
        """Look at the loss of the batch, and at its inputs where that is not finite."""
        if training and not math.isfinite(loss.item()):
            if not torch.isfinite(batch[0]).all():
                raise ValueError(
                    "X holds NaN or infinity, which a network cannot learn from. Fill "
                    "in what is missing, or leave those samples out."
                )
            self._go_back(net)

    def on_epoch_end(self, net, **kwargs):
        """Keep the weights if all of them are finite."""
        weights = weights_of(net)
        if not all(is_finite(part) for part in weights):
            self._go_back(net)
        self.good_weights_ = copy.deepcopy(weights)
        self.good_epoch_ = len(net.history)

    def on_train_end(self, net, **kwargs):
        """Let go of the copy."""
        self.good_weights_ = None

    def _go_back(self, net):
        epoch = len(net.history)
        advice = "Lower lr, or clip the gradients with callbacks."
        if self.good_weights_ is None:
            raise FloatingPointError(
                f"The loss became NaN or infinite in epoch {epoch}, the first of this "
                f"training, so there are no good weights to keep. {advice}"
            )
        for part, weights in zip(parts_of(net), self.good_weights_, strict=True):
            part.load_state_dict(weights)
        net.optimizer_.state.clear()  # Its averages may have seen the NaN.
        warnings.warn(
            f"The loss became NaN or infinite in epoch {epoch}: training stopped, and "
            f"the weights of epoch {self.good_epoch_} are kept. {advice}",
            ConvergenceWarning,
            stacklevel=2,
        )
        raise KeyboardInterrupt  # skorch's way to end a training


def watches_validation(callback):
    """Tell whether a callback of skorch looks at the validation data of every epoch."""
    monitor = getattr(callback, "monitor", None)
    return isinstance(monitor, str) and monitor.startswith("valid")


def without_validation(callbacks):
    """Return the callbacks that a stage without validation data can have."""
    return [c for c in callbacks or [] if not watches_validation(callback_of(c))]


def refuse_watchers(callbacks):
    """Refuse callbacks that look at validation data, where there are none."""
    for item in callbacks or []:
        callback = callback_of(item)
        if watches_validation(callback):
            raise ValueError(
                f"{type(callback).__name__} watches {callback.monitor!r}, and there "
                "are no validation data. Set validation_fraction."
            )


def callback_of(item):
    """Return a callback that may come with a name."""
    return item[1] if isinstance(item, tuple) and len(item) == 2 else item


def parts_of(net):
    """Return what a net trains."""
    return net.module_, net.criterion_


def weights_of(net):
    """Return the weights of all that a net trains."""
    return [part.state_dict() for part in parts_of(net)]


def is_finite(weights):
    """Tell whether no weight is NaN or infinite."""
    return all(
        torch.isfinite(weight).all()
        for weight in weights.values()
        if weight.is_floating_point()
    )


class FadeOut(Callback):
    """Let what an optimiser remembers end at nothing, where it has faded next to it.

    The averages of the gradients of a silent unit shrink at every step.  Below 1e-38 a
    CPU handles each number by itself, and a step takes many times as long.
    """

    def initialize(self):
        """Begin to count steps; many short trainings of one net count as one."""
        self.n_steps_ = 0
        return self

    def on_batch_end(self, net, training=False, **kwargs):
        """Look at the averages, once in a while."""
        self.n_steps_ += training
        if training and self.n_steps_ % FADING_STEPS == 0:
            for state in net.optimizer_.state.values():
                for average in state.values():
                    if torch.is_tensor(average) and average.ndim:
                        fade_out(average)


def fade_out(average):
    """Set numbers to 0 that count for nothing in a step; a GPU is not slowed by any."""
    if average.device.type == "cpu" and average.is_floating_point():
        average.copy_(torch.nn.functional.hardshrink(average, FADED))


class OneCycle(Callback):
    """Raise the learning rate, then lower it to nothing, over the whole training.

    The peak of every group of parameters is the rate that it was given.  The rates are
    those of torch's ``OneCycleLR``, set at a fraction of its cost per step.

    Parameters
    ----------
    total_steps : int
        Batches of the whole training.
    """

    def __init__(self, total_steps):
        self.total_steps = total_steps

    def on_train_begin(self, net, **kwargs):
        """Begin at the foot of the cycle."""
        self.peaks_ = [group["lr"] for group in net.optimizer_.param_groups]
        self.step_ = 0
        self._set_rates(net)

    def on_batch_end(self, net, training=False, **kwargs):
        """Record the rate of this batch, and set that of the next."""
        if training:
            net.history.record_batch("event_lr", net.optimizer_.param_groups[0]["lr"])
            self.step_ += 1
            self._set_rates(net)

    def _set_rates(self, net):
        groups = net.optimizer_.param_groups
        for group, peak in zip(groups, self.peaks_, strict=True):
            group["lr"] = one_cycle(self.step_, self.total_steps, peak)


def one_cycle(step, total_steps, peak):
    """Return the learning rate of a step: half a cosine up, and half a cosine down.

    Parameters
    ----------
    step, total_steps : int
        Which step, from 0, and how many there are, two at least; later ones are as the
        last.

    peak : float
        Highest rate; it begins at a 25th of it, and ends at a ten thousandth of that.

    Returns
    -------
    lr : float

    Examples
    --------
    >>> [round(one_cycle(step, 11, 0.1), 4) for step in (0, 2, 10)]
    [0.004, 0.096, 0.0]
    """
    foot, top, last = peak / 25, RISE * total_steps - 1, total_steps - 1
    step = min(step, last)
    if step <= top:
        start, end, share = foot, peak, step / top
    else:
        start, end, share = peak, foot / 1e4, (step - top) / (last - top)
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
