"""How much memory a fit takes above the interpreter and the data.

Every measurement runs in a process of its own: the resident memory before the fit, with
the data loaded and every library warm, is subtracted from the peak.

    python benchmarks/speed/memory.py --check
"""

import re
import resource
import sys
import tempfile
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from timing import read_options
from training import make_data, make_model

PROCESS = Path("/proc/self")


def peak_mib():
    """Return the peak of resident memory of this process, in MiB."""
    if PROCESS.exists():
        # Of this process alone: what getrusage gives begins with the parent's peak.
        found = re.search(r"VmHWM:\s+(\d+)", (PROCESS / "status").read_text())
        return int(found[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def memory_of(call):
    """Return by how much one call raises the peak, in MiB."""
    with suppress(OSError):
        # Linux forgets the peak so far, and begins again at what is resident now.
        (PROCESS / "clear_refs").write_text("5")
    before = peak_mib()
    call()
    return peak_mib() - before


def in_own_process(measure, *arguments):
    """Run a function of this file in a fresh process with one thread."""
    with get_context("spawn").Pool(1, torch.set_num_threads, (1,)) as pool:
        return pool.apply(measure, arguments)


def make_columns(n_samples):
    """Draw inputs in memory."""
    return np.random.default_rng(0).standard_normal((n_samples, 20), dtype=np.float32)


def make_targets(n_samples):
    """Draw targets with 121 classes, most of them rare."""
    rng = np.random.default_rng(1)
    return np.round(np.exp(rng.normal(size=n_samples)) * 10).clip(0, 120)


def fit_in_memory(n_samples):
    """Fit one epoch on an array, and return what that took in MiB."""
    return memory_of_fit(make_columns(n_samples), make_targets(n_samples))


def fit_on_disk(n_samples):
    """Fit one epoch on a memory-mapped file, and return what that took in MiB."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, 20))
        for start in range(0, n_samples, 100_000):
            part = X[start : start + 100_000]
            part[:] = rng.standard_normal(part.shape, dtype=np.float32)
        del X
        return memory_of_fit(np.load(path, mmap_mode="r"), make_targets(n_samples))


def memory_of_fit(X, y):
    """Fit once on a little to warm up, then on everything."""
    make_model(1).fit(X[:1000], y[:1000])
    # The pages of a file are resident once read: they are data, and count before.
    X.max()
    return memory_of(lambda: make_model(1, batch_size=1024).fit(X, y))


def predict_in_memory(n_samples, params=None):
    """Predict once for a little to warm up, then for everything."""
    few = make_data(10_000, n_distinct=None)
    model = make_model(1, **(params or {})).fit(*few)
    model.predict(few[0][:100])
    X = make_columns(n_samples)
    return memory_of(lambda: model.predict(X))


def main():
    """Print one line per measurement."""
    options = read_options(__doc__)
    missed = False
    print("measure                                     MiB  at most")
    for name, measure, n_samples, limit in (
        ("fit, {:,} x 20 float32 in memory", fit_in_memory, 1_000_000, 300),
        ("fit, {:,} x 20 float32 on disk", fit_on_disk, 10_000_000, 700),
    ):
        n_samples //= 50 if options.quick else 1
        mib = in_own_process(measure, n_samples)
        missed |= mib > limit
        mark = "  missed" if mib > limit else ""
        print(f"{name.format(n_samples):40} {mib:6.0f}  {limit:7}{mark}", flush=True)
    sys.exit(missed and options.check)


if __name__ == "__main__":
    main()
