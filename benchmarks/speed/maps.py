"""How much memory dense targets take: seven levels against the finest alone.

Maps of 240 x 320 places are learned two at a time, with 100 classes, by a network that
keeps their size. The peak of every fit is taken in a process of its own, above what is
resident with the data loaded. "By hand" is a loop in plain PyTorch: the same network, a
1 x 1 convolution to 100 logits, and torch's cross-entropy.

    python benchmarks/speed/maps.py --check
"""

import sys

import numpy as np
import torch
from memory import in_own_process, memory_of
from timing import read_options
from torch import nn

from sk_hca import HCARegressor
from sk_hca.binning import LogBinner

N_CLASSES, WIDTH, BATCH = 100, 16, 2


def make_maps(n_maps, shape):
    """Draw images, and depths between 0.7 and 10, most of them small."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_maps, 3, *shape), dtype=np.float32)
    y = 0.7 + 9.3 * rng.beta(1.5, 5, size=(n_maps, *shape))
    return X, y.astype(np.float32).astype(np.float64)


def make_network():
    """Make a small network that keeps the size of an image."""
    return nn.Sequential(
        nn.Conv2d(3, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.ReLU(),
    )


def make_model(**changes):
    """Make a regressor of maps that takes one pass over them."""
    settings = {
        "binner": LogBinner(N_CLASSES),
        "max_epochs": 1,
        "batch_size": BATCH,
        "random_state": 0,
    }
    return HCARegressor(make_network(), **{**settings, **changes})


def fit_by_hand(X, y, batch_size=BATCH, device="cpu"):
    """Train the finest classifier in plain PyTorch, for one pass."""
    binner = LogBinner(N_CLASSES).fit(y.ravel())
    network = nn.Sequential(make_network(), nn.Conv2d(WIDTH, N_CLASSES, 1)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    edges = torch.from_numpy(binner.edges_[1:-1])
    for start in range(0, len(X), batch_size):
        part = slice(start, start + batch_size)
        truth = torch.bucketize(torch.from_numpy(y[part]), edges).to(device)
        logits = network(torch.from_numpy(X[part]).to(device))
        loss = nn.functional.cross_entropy(logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def memory_of_fit(shape, changes):
    """Fit on a little to warm up, then on six maps; by hand where changes are None."""
    X, y = make_maps(6, shape)
    few = X[:2, :, :24, :32].copy(), y[:2, :24, :32].copy()
    if changes is None:
        fit_by_hand(*few)
        return memory_of(lambda: fit_by_hand(X, y))
    make_model(**changes).fit(*few)
    return memory_of(lambda: make_model(**changes).fit(X, y))


def memory_of_prediction(shape, n_maps):
    """Predict maps, and return what that took above the answers, in MiB."""
    X, y = make_maps(n_maps, shape)
    model = make_model().fit(X[:2], y[:2])
    model.predict(X[:2])
    return memory_of(lambda: model.predict(X)) - y.nbytes / 2**20


def main():
    """Print the peaks, and the ratios that have limits."""
    options = read_options(__doc__)
    shape = (60, 80) if options.quick else (240, 320)
    peaks = {}
    print(f"fit of maps of {shape[0]} x {shape[1]}, {BATCH} at a time     MiB")
    for name, changes in (
        ("by hand, 100 classes, one-hot", None),
        ("n_levels=1, one-hot labels", {"n_levels": 1, "labels": "one_hot"}),
        ("seven levels, one-hot labels", {"labels": "one_hot"}),
        ("HCARegressor(), seven levels", {}),
        ("HCARegressor(mode='distill')", {"mode": "distill"}),
    ):
        peaks[name] = in_own_process(memory_of_fit, shape, changes)
        print(f"{name:45} {peaks[name]:7.0f}", flush=True)
    plain = peaks["by hand, 100 classes, one-hot"]
    missed = False
    print("ratio                                          is  at most")
    for name in ("seven levels, one-hot labels", "HCARegressor(), seven levels"):
        ratio = peaks[name] / plain
        missed |= ratio > 1.5
        print(f"{name + ' / by hand':44} {ratio:4.2f}     1.50", flush=True)
    print("predict above its answers                     MiB")
    for n_maps in (4, 32):
        mib = in_own_process(memory_of_prediction, shape, n_maps)
        print(f"{n_maps} maps {' ' * 38} {mib:7.0f}", flush=True)
    sys.exit(missed and options.check)


if __name__ == "__main__":
    main()
