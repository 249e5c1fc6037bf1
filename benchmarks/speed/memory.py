"""How much memory a fit takes above the interpreter and the data.

Every measurement runs in a process of its own: the resident memory before the fit, with
the data loaded and every library warm, is subtracted from the peak.

    python benchmarks/speed/memory.py --check
"""

import argparse
import resource
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from training import make_model


def peak_mib():
    """Return the peak of resident memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_in_memory(n_samples):
    """Fit one epoch on an array, and return what that took in MiB."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    # Drawn in place: a larger temporary array would hide what the fit takes.
    X = rng.standard_normal((n_samples, 20), dtype=np.float32)
    y = np.round(np.exp(rng.normal(size=n_samples)) * 10).clip(0, 120)
    return peak_of_fit(X, y)


def fit_on_disk(n_samples):
    """Fit one epoch on a memory-mapped file, and return what that took in MiB."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, 20))
        for start in range(0, n_samples, 100_000):
            X[start : start + 100_000] = rng.normal(size=(100_000, 20))
        del X
        y = np.round(np.exp(rng.normal(size=n_samples)) * 10).clip(0, 120)
        return peak_of_fit(np.load(path, mmap_mode="r"), y)


def peak_of_fit(X, y):
    """Fit once on a little to warm up, then on everything."""
    make_model(1).fit(X[:1000], y[:1000])
    before = peak_mib()
    make_model(1, batch_size=1024).fit(X, y)
    return peak_mib() - before


def main():
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 on a miss")
    arguments = parser.parse_args()
    missed = False
    print("measure                                     MiB  at most")
    for name, measure, n_samples, limit in (
        ("fit, 1,000,000 x 20 float32 in memory", fit_in_memory, 1_000_000, 300),
        ("fit, 10,000,000 x 20 float32 on disk", fit_on_disk, 10_000_000, 700),
    ):
        with get_context("spawn").Pool(1) as pool:
            mib = pool.apply(measure, (n_samples,))
        missed |= mib > limit
        mark = "  missed" if mib > limit else ""
        print(f"{name:40} {mib:6.0f}  {limit:7}{mark}", flush=True)
    sys.exit(arguments.check and missed)


if __name__ == "__main__":
    main()
