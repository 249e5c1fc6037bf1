"""Where an estimator computes, in which numbers, and from which seed."""

import threading
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

from sk_hca.training import ArrayDataset

# Small tables are trained in float64, which costs them little and makes results
# independent of the order of sums.
SMALL_TABLE = 1_000

# Short types that a backbone runs in; its weights are float32.
SHORT_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

PRECISIONS = {"auto", "fp32", "fp64", *SHORT_TYPES}

# Threads share torch's generators: one of them trains at a time.
_GENERATORS = threading.RLock()


def has_cuda():
    """Tell whether there is a CUDA device to compute on."""
    return torch.cuda.is_available()


def resolve_device(name):
    """Return the device that an estimator's parameter names."""
    if name == "auto":
        return "cuda" if has_cuda() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            "device must be 'auto' or a device of torch, such as 'cpu', 'cuda' or "
            f"'cuda:1'; got {name!r}."
        ) from error
    if device.type == "cuda" and not has_cuda():
        raise ValueError(
            f"device={name!r} needs a CUDA device, but torch finds none. "
            "Use device='auto', which takes one where there is one."
        )
    return name


def resolve_precision(precision, data, device):
    """Return the type of the weights, and the short type to run in or None."""
    autocast = SHORT_TYPES.get(precision)
    if precision != "auto":
        return torch.float64 if precision == "fp64" else torch.float32, autocast
    small = isinstance(data, ArrayDataset) and len(data) <= SMALL_TABLE
    is_table = small and data.X.ndim == 2 and data.X.dtype == np.float64
    return torch.float64 if is_table and device == "cpu" else torch.float32, autocast


def draw_seed(random_state):
    """Turn a random state into one integer."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def seeded(seed, device):
    """Seed torch inside, for one thread at a time; leave its generators as found."""
    n_devices = torch.cuda.device_count() if device.startswith("cuda") else 0
    with _GENERATORS, torch.random.fork_rng(devices=range(n_devices)):
        torch.manual_seed(seed)
        yield
