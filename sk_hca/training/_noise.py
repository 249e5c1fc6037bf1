"""A weight decay that grows with the noise that targets turn out to have."""

import numpy as np
import torch
from skorch.callbacks import Callback

from sk_hca.training._batches import batches

# When a network has taken so many steps, it knows what is easy to know, and little by
# heart.
KNOWING_STEPS = 120

# A large table is looked at in part.
MOST_ROWS = 10_000

# A stage of so many steps times its rate is too short to learn noise by heart.
SHORT_STAGE = 2.0

# Decay never grows beyond this.
MOST_DECAY = 5.0


class NoiseDecay(Callback):
    """Look at the error early in a stage, and decay weights more where it is large.

    Parameters
    ----------
    n_inputs : int
        Inputs of the first layer, in any of which noise can be learned by heart.

    max_epochs : int
        Epochs of the stage.

    lr : float
        Peak learning rate.

    n_steps : int
        Steps of the stage.
    """

    def __init__(self, n_inputs, max_epochs, lr, n_steps):
        self.n_inputs = n_inputs
        self.max_epochs = max_epochs
        self.lr = lr
        self.n_steps = n_steps

    def on_train_begin(self, net, **kwargs):
        """Choose the epoch after which to look, in the first third of the stage."""
        known = -(-KNOWING_STEPS * self.max_epochs // self.n_steps)
        first_part = max(1, round(0.3 * self.max_epochs))
        self.epoch_ = len(net.history) + min(known, first_part)

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        """Raise the decay, once."""
        if len(net.history) != self.epoch_:
            return
        n_samples = len(dataset_train)
        n_looked_at = min(n_samples, MOST_ROWS)
        index = np.linspace(0, n_samples - 1, n_looked_at).round().astype(int)
        few = dataset_train.subset(index)
        noise = noise_over_signal(read_order(net, few), *few.targets())
        extra = extra_decay(noise, self.n_inputs / n_samples, self.lr * self.n_steps)
        for group in net.optimizer_.param_groups:
            decay = group["weight_decay"]
            if decay > 0:
                group["weight_decay"] = max(decay, min(decay + extra, MOST_DECAY))


def read_order(net, data):
    """Return what orders samples as a net does: their location, or expected class."""
    module = net.module_.eval()
    batching = {"batch_size": net.batch_size} | net.get_params_for("iterator_valid")
    with torch.inference_mode():
        parts = [
            location_or_class(module(X.to(net.device)))
            for X, _ in batches(data, **batching)
        ]
    return torch.cat(parts).double().cpu().numpy()


def location_or_class(output):
    """Return the locations of a batch, or the expected classes where it has none."""
    if output.location is not None:
        return output.location
    probs = output.levels[-1].softmax(dim=1)
    return probs @ torch.arange(probs.shape[1]).to(probs)


def noise_over_signal(order, y, weight=None):
    r"""Compare what a network leaves unexplained of targets with what it explains.

    Parameters
    ----------
    order, y : ndarray of shape (n,)
        What orders samples as a network does, and their targets.

    weight : ndarray of shape (n,), optional
        Weights of the samples.

    Returns
    -------
    ratio : float
        :math:`(1 - \rho^2) / \rho^2`, with :math:`\rho` the correlation of ranks, on
        which neither the unit nor a few extreme targets have a say; infinity where
        the two do not rise together.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 3.0, 100.0])
    >>> noise_over_signal(np.log(y), y)
    0.0
    >>> round(noise_over_signal(np.array([2.0, 1.0, 3.0, 4.0]), y), 3)
    0.562
    """
    weight = np.ones(len(y)) if weight is None else weight
    ranks = np.stack([mean_ranks(order, weight), mean_ranks(y, weight)])
    ranks -= np.average(ranks, axis=1, weights=weight)[:, None]
    (order_power, shared), (_, power) = (weight * ranks) @ ranks.T
    if shared <= 0:
        return np.inf
    return max(0.0, float(order_power * power / shared**2) - 1)


def mean_ranks(values, weight):
    """Return the share of weight below each value, and half of that upon it."""
    _, code = np.unique(values, return_inverse=True)
    mass = np.bincount(code, weight)
    return ((mass.cumsum() - mass / 2) / mass.sum())[code]


def extra_decay(noise, inputs_per_sample, length):
    r"""Choose how much more the weights of a stage decay because of noise.

    A ridge that knew them would shrink weights by the noise over the signal, times
    inputs over samples.  Little noise changes nothing, and a short fit has no time to
    learn noise by heart.

    Parameters
    ----------
    noise : float
        Noise over signal.

    inputs_per_sample : float
        Inputs of the first layer, over samples.

    length : float
        Number of steps of the stage times its peak learning rate.

    Returns
    -------
    decay : float

    Notes
    -----
    With :math:`q` the noise over the signal, and :math:`r` inputs per sample, it is
    :math:`25 \, r \max(q - 0.2, 0)` where `length` is 10 at least, and falls to
    nothing where that is 2.

    Examples
    --------
    >>> extra_decay(1.0, 0.1, length=10), extra_decay(1.0, 0.1, length=6)
    (2.0, 1.0)
    >>> extra_decay(1.0, 0.1, length=2), extra_decay(0.1, 0.1, length=10)
    (0.0, 0.0)
    """
    if length <= SHORT_STAGE:
        return 0.0
    share = min((length - SHORT_STAGE) / 8, 1.0)
    return 25 * share * inputs_per_sample * max(noise - 0.2, 0.0)
