"""What a fit costs on a CUDA device, against loops written by hand on the same device.

Times are taken in turns, after the device has finished; memory is what torch's
allocator held at its peak.  Without a device there is nothing to measure, and `--check`
exits with 2.

    python benchmarks/speed/gpu.py --check
"""

import sys
from dataclasses import replace
from importlib.util import find_spec

import maps
import torch
from images import make_images, make_resnet
from timing import Ratio, read_options, report
from training import loop_ratio, make_data, make_model, model_ratio

from sk_hca.training import ArrayDataset, PrefetchedBatches, ResidentBatches, batches

DEVICE = "cuda"
ANY = float("inf")
EPOCHS = 2


def finished(row):
    """Let both calls of a row return when the device has done their work."""

    def wait_for(call):
        def run():
            call()
            torch.cuda.synchronize()

        return run

    return replace(row, ours=wait_for(row.ours), theirs=wait_for(row.theirs))


def make_ours(**params):
    """Make the recipe of the paper for the device."""
    return make_model(EPOCHS, device=DEVICE, **params)


def table_ratios(n_samples):
    """Compare levels and stages on a table."""
    data, add = make_data(n_samples), make_ours()
    one, distilled = make_ours(n_levels=1), make_ours(mode="distill")
    for name, ours, theirs, limit in (
        ("7 levels / fit of the finest alone", add, one, 1.30),
        ("HCA-d / fit of HCA-add", distilled, add, 1.10),
    ):
        yield model_ratio(f"fit of {name}, table", ours, theirs, data, limit)


def prediction_ratio(n_samples, limit):
    """Compare a prediction with a raw pass in one batch, sent and brought back."""
    X, y = make_data(n_samples)
    model = make_ours().fit(X, y)
    module = model.net_.module_.eval()

    def raw():
        with torch.inference_mode():
            module(torch.from_numpy(X).to(DEVICE)).logits.argmax(dim=1).cpu()

    name = "predict, mode 'add' / raw forward in one batch, table"
    return Ratio(name, lambda: model.predict(X), raw, limit)


def image_ratios(n_samples):
    """Compare levels and short types on a ResNet-18 of images of 32 x 32."""
    if find_spec("torchvision") is None:
        return
    data = make_images(n_samples)
    settings = {"backbone": make_resnet, "batch_size": 64}
    seven = make_ours(precision="fp32", **settings)
    one = make_ours(precision="fp32", n_levels=1, **settings)
    short = make_ours(precision="bf16", **settings)
    name = "fit of 7 levels / fit of the finest alone, ResNet-18"
    yield model_ratio(name, seven, one, data, 1.03)
    yield model_ratio("fit in bf16 / in fp32, ResNet-18", short, seven, data, ANY)


def feeding_ratio(n_samples):
    """Compare an epoch of batches cut on the device with one of batches sent there."""
    X, y = make_data(n_samples)
    plain = batches(ArrayDataset(X, y), 256, shuffle=True)
    device = torch.device(DEVICE)
    resident, sent = ResidentBatches(plain, device), PrefetchedBatches(plain, device)

    def read(fed):
        return lambda: [X.sum() for X, _ in fed]

    name = "batches of 256 that lie on the device / that are sent"
    return Ratio(name, read(resident), read(sent), ANY)


def peak_mib(call):
    """Return by how much a call raises what is allocated on the device, in MiB."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def memory_missed(n_maps, shape, limit=1.5):
    """Print the peaks of fits on maps in one batch; tell whether one is too high."""
    X, y = maps.make_maps(n_maps, shape)
    by_hand = peak_mib(lambda: maps.fit_by_hand(X, y, n_maps, DEVICE))
    size = f"{n_maps} maps of {shape[0]} x {shape[1]}, {maps.N_CLASSES} classes"
    print(f"\nmemory of the device, {size}       MiB  of by hand")
    print(f"{'the finest level by hand, one-hot':50} {by_hand:12.0f}")
    missed = False
    for name, changes in (
        ("seven levels, one-hot labels", {"labels": "one_hot"}),
        ("HCARegressor(), seven levels", {}),
    ):
        shared = {"batch_size": n_maps, "precision": "fp32", "device": DEVICE}
        model = maps.make_model(**shared, **changes)
        peak = peak_mib(lambda model=model: model.fit(X, y))
        missed |= peak > limit * by_hand
        print(f"{name:50} {peak:12.0f} {peak / by_hand:11.2f}", flush=True)
    return missed


def main():
    """Print the tables."""
    options = read_options(__doc__)
    if not torch.cuda.is_available():
        print("There is no CUDA device: nothing was measured.")
        sys.exit(2 if options.check else 0)
    quick = options.quick
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}\n")
    n_samples = 5_000 if quick else 20_000
    rows = [
        loop_ratio(n_samples, 256, EPOCHS, 1.10, DEVICE),
        loop_ratio(50 * n_samples, 4096, EPOCHS, 1.10, DEVICE),
        *table_ratios(n_samples),
        prediction_ratio(50 * n_samples, 1.25),
        *image_ratios(512 if quick else 2048),
        feeding_ratio(n_samples),
    ]
    missed = report(map(finished, rows))
    missed |= memory_missed(*((2, (60, 80)) if quick else (8, (480, 640))))
    sys.exit(missed and options.check)


if __name__ == "__main__":
    main()
