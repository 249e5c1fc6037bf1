"""What layout, short types, compiling and feeding change, on the machine at hand.

Each row compares two ways to compute the same answer; a ratio below 1 is a gain.

    python benchmarks/speed/execution.py
"""

import copy
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from timing import Ratio, report
from torch import nn
from torch.utils.data import Dataset

from sk_hca.backbones import (
    AnchoredHeads,
    Extractor,
    FusedHeads,
    Inputs,
    MLPBackbone,
    Network,
)
from sk_hca.training import (
    ArrayDataset,
    ItemDataset,
    PrefetchedBatches,
    batches,
    one_pass,
)

ANY = float("inf")
CPU = torch.device("cpu")


def block(n_in, n_out, stride=1):
    """Make a layer of convolutions."""
    layer = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out), nn.ReLU())


def image_backbone():
    """Make a backbone that gives 64 features per image."""
    pool, ends = nn.MaxPool2d(2), (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(block(3, 32), pool, block(32, 64), pool, block(64, 64), *ends)


def map_backbone():
    """Make a backbone that gives 32 features per pixel."""
    return nn.Sequential(block(3, 32), block(32, 32), block(32, 32))


def hourglass():
    """Make a backbone that gives 32 features per pixel, through a smaller map."""
    up = nn.ConvTranspose2d(64, 32, 2, stride=2)
    return nn.Sequential(block(3, 32), block(32, 64, 2), block(64, 64), up)


def draw(*shape):
    """Draw images."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator).to(torch.uint8)


def step(network, X):
    """Run a network forward and back."""
    network.train()
    levels = network(X).levels
    sum(logits.log_softmax(dim=1)[:, 0].mean() for logits in levels).backward()


def read(network, X):
    """Run a network without gradients."""
    network.eval()
    with torch.inference_mode():
        network(X)


def compare(name, ours, theirs, X, repeats=1):
    """Compare two networks while they train, and while they answer."""
    for what, run in (("train", step), ("answer", read)):

        def timed(network, run=run):
            return lambda: [run(network, X) for _ in range(repeats)]

        yield Ratio(f"{name}, {what}", timed(ours), timed(theirs), ANY)


def layout_ratios():
    """Compare channels last with the layout that images come in."""
    for name, make, n_features, X, dtype in (
        ("images", image_backbone, 64, draw(64, 3, 32, 32), torch.float32),
        ("maps", map_backbone, 32, draw(8, 3, 48, 48), torch.float32),
        ("hourglass", hourglass, 32, draw(8, 3, 48, 48), torch.float32),
        ("images in float64", image_backbone, 64, draw(16, 3, 32, 32), torch.float64),
        ("maps in float64", map_backbone, 32, draw(4, 3, 48, 48), torch.float64),
    ):
        backbone, heads = make().to(dtype), FusedHeads(n_features, [120]).to(dtype)
        plain = nn.Sequential(Inputs(dtype), copy.deepcopy(backbone))
        ours = Network(Extractor(Inputs(dtype), backbone), heads)
        yield from compare(
            f"channels last / first: {name}", ours, Network(plain, heads), X
        )


def make_networks():
    """Make a small network on a table and one on images, each with its inputs."""
    positions = [torch.linspace(-1, 1, 2**level) for level in range(1, 8)]
    for name, backbone, X, repeats in (
        (
            "table",
            MLPBackbone((128, 64), n_pieces=0).build((20,)),
            torch.randn(256, 20),
            50,
        ),
        ("images", image_backbone(), draw(32, 3, 32, 32), 3),
    ):

        def make(autocast=None, backbone=backbone):
            extractor = Extractor(
                Inputs(torch.float32), copy.deepcopy(backbone), autocast
            )
            return Network(extractor, AnchoredHeads(64, positions))

        yield name, make, X, repeats


def network_ratios():
    """Compare short types, and compiled networks, with plain ones."""
    for name, make, X, repeats in make_networks():
        for short, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            yield from compare(
                f"{short} / fp32: {name}", make(dtype), make(), X, repeats
            )
        compiled = make()
        compiled.compile()
        yield from compare(f"compiled / plain: {name}", compiled, make(), X, repeats)


class Rows(Dataset):
    """A torch dataset of the rows of an array."""

    def __init__(self, X):
        self.X = X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return torch.from_numpy(self.X[i])


def train_from(path, fed, n_steps=150):
    """Train on shuffled batches of a file, brought by a way to feed."""
    X = np.load(path, mmap_mode="r")
    network = nn.Sequential(nn.Linear(200, 256), nn.ReLU(), nn.Linear(256, 240))
    with one_pass(fed(batches(ArrayDataset(X), 256, shuffle=True))) as every_batch:
        for _, (part, _) in zip(range(n_steps), every_batch, strict=False):
            network(part).log_softmax(dim=1).square().mean().backward()


def forget(path):
    """Drop a file from the page cache."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def feeding_ratios(path):
    """Compare a thread that prepares batches with none, and items with arrays."""
    X = np.random.default_rng(0).normal(size=(400_000, 200)).astype(np.float32)
    np.save(path, X)
    os.sync()

    def threaded(plain):
        return PrefetchedBatches(plain, CPU)

    for state, prepare in (("cached", lambda path: None), ("cold", forget)):

        def run(fed, prepare=prepare):
            prepare(path)
            train_from(path, fed)

        yield Ratio(
            f"thread / no thread: training from a {state} file",
            lambda run=run: run(threaded),
            lambda run=run: run(lambda plain: plain),
            ANY,
        )
    few = X[:20_000, :20].copy()
    array, items = ArrayDataset(few), ItemDataset(Rows(few))
    yield Ratio(
        "items / array: cutting batches of 256 rows",
        lambda: list(batches(items, 256, shuffle=True)),
        lambda: list(batches(array, 256, shuffle=True)),
        ANY,
    )


def main():
    """Print the table."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        report([*layout_ratios(), *network_ratios(), *feeding_ratios(path)], False)


if __name__ == "__main__":
    main()
