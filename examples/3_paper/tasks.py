"""The data of every script: the benchmark, a stand-in, or what the package ships.

Without options a script runs on what ships: the rings of real abalones for ages, and
drawn images for crowds and depths.  ``--standin FOLDER`` takes a folder of data with

- ``label_distributions/agedb_dir_age_counts.csv``: columns age, train, val, test;
- ``nuclei_count/nuclei_count_64.npz``: X (n, 64, 64), target, group, split;
- ``sts_b_dir/sts_b_dir_minilm_features.npz``: X (n, d), score, split.

``--data ROOT`` is the benchmark itself; see benchmarks.py.
"""

from functools import partial
from pathlib import Path

import numpy as np
from paper import (
    COUNT_COLUMNS,
    DEPTH_COLUMNS,
    SHOT_COLUMNS,
    Task,
    count_errors,
    depth_errors,
    shot_errors,
)
from sklearn.model_selection import train_test_split
from torch import nn

from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LogBinner
from sk_hca.datasets import (
    load_abalone,
    make_imbalanced_maps,
    make_imbalanced_table,
)
from sk_hca.regularizers import RankSim

YEARS = np.arange(-0.5, 121.0)  # 121 classes, of the ages 0 to 120
# A fifth of the few epochs on few images is no more than some dozens of steps.
SMALL_STUDENT = {"epochs": 1.0}
FACES = {"backbone": MLPBackbone((256,), n_pieces=0, n_frequencies=0)}


def ages(arguments, seed, benchmark="imdb_wiki"):
    """Ages: IMDB-WIKI-DIR or AgeDB-DIR; drawn faces; or the rings of abalones."""
    if arguments.data:
        from benchmarks import faces

        return faces(benchmark, arguments.data)
    if arguments.standin:
        return drawn_ages(arguments, seed)
    return rings(arguments, seed)


def ablations(arguments):
    """The tasks of Tables 1 to 4: ages, and the crowds of ShanghaiTech A."""
    if not arguments.is_real:
        return [ages, crowds]
    return [ages] * bool(arguments.data) + [crowds] * bool(arguments.crowds)


def crowds(arguments, seed, part="A"):
    """Counts: ShanghaiTech; nuclei in tiles; or drawn crowds, denser in part A."""
    root = arguments.crowds or arguments.data
    if root:
        from benchmarks import people

        return people(root, part)
    if arguments.standin:
        return nuclei(arguments, seed)
    return drawn_crowds(arguments, seed, part)


# Ages --------------------------------------------------------------------------------


def rings(arguments, seed):
    """Age sea snails by the rings of their shell: a real table, split anew."""
    X, y = load_abalone(return_X_y=True)
    keep = 600 if arguments.quick else len(y)
    X_train, X_test, y_train, y_test = train_test_split(
        X[:keep].astype(np.float32), y[:keep], test_size=0.25, random_state=seed
    )
    return Task(
        "Rings of abalones",
        *(X_train, y_train, X_test, y_test),
        edges=np.arange(0.5, 30.0),
        measure=shot_errors,
        columns=SHOT_COLUMNS,
        weighting_bins=np.arange(0.5, 30.0),
        settings={"max_epochs": 2 if arguments.quick else 50, "batch_size": 128},
    )


def drawn_ages(arguments, seed):
    """Draw a face, 64 numbers, for every label of AgeDB-DIR."""
    file = Path(arguments.standin, "label_distributions", "agedb_dir_age_counts.csv")
    table = np.genfromtxt(file, delimiter=",", names=True)
    rng = np.random.default_rng(seed)
    share = 0.1 if arguments.quick else 1.0
    y_train, y_test = (
        np.repeat(table["age"], np.ceil(share * table[part]).astype(int))
        for part in ("train", "test")
    )
    X_train, X_test = draw_faces(rng, y_train, y_test)
    return Task(
        "Ages of AgeDB-DIR, drawn faces",
        *(X_train, y_train, X_test, y_test),
        edges=YEARS,
        measure=shot_errors,
        columns=SHOT_COLUMNS,
        weighting_bins=YEARS,
        settings=FACES | {"max_epochs": 2 if arguments.quick else 20},
    )


def draw_faces(rng, *ages, n_features=64, looks=8.0, noise=0.7):
    """Draw waves of the age that a face looks, which is some years off its age.

    With 8 years, errors are as large as the paper's on AgeDB-DIR.
    """
    frequencies = rng.uniform(0.5, 3.0, n_features)
    phases = rng.uniform(0.0, 2.0 * np.pi, n_features)
    faces = []
    for y in ages:
        seen = (y + looks * rng.standard_normal(y.size)) / 50.0
        waves = np.sin(np.multiply.outer(seen, frequencies) + phases)
        waves += noise * rng.standard_normal(waves.shape)
        faces.append(waves.astype(np.float32))
    return faces


def similarities(arguments, seed):
    """Similarity of sentences (STS-B-DIR), from features of both; fixed split."""
    stored = np.load(Path(arguments.standin, "sts_b_dir/sts_b_dir_minilm_features.npz"))
    X, y = stored["X"].astype(np.float32), stored["score"].astype(np.float64)
    train, test = (
        np.flatnonzero(stored["split"] == part) for part in ("train", "test")
    )
    if arguments.quick:
        train, test = train[:500], test[:200]
    bins = np.arange(-0.05, 5.1, 0.1)
    return Task(
        "Similarities of STS-B-DIR",
        *(X[train], y[train], X[test], y[test]),
        edges=bins,
        measure=shot_errors,
        columns=SHOT_COLUMNS,
        settings=FACES | {"max_epochs": 2 if arguments.quick else 15},
        bins=bins,
        weighting_bins=bins,
        ranked={"penalty": RankSim(3e-4)},
    )


def long_tail(arguments, seed):
    """A drawn table whose test targets are spread evenly, as AgeDB-DIR's nearly are."""
    n_samples = 300 if arguments.quick else 4000
    X_train, X_test, y_train, y_test = make_imbalanced_table(
        n_samples, 16, test_size=n_samples // 2, random_state=seed
    )
    edges = np.arange(0.0, 101.0)
    return Task(
        "A drawn table with a long tail",
        *(X_train.astype(np.float32), y_train, X_test.astype(np.float32), y_test),
        edges=edges,
        measure=shot_errors,
        columns=SHOT_COLUMNS,
        settings=FACES | {"max_epochs": 2 if arguments.quick else 40},
        bins=edges,
        weighting_bins=edges,
    )


def rows_of(stored, part):
    """Find the rows of a part of a stored split."""
    return np.flatnonzero(stored["split"] == part)


# Counts ------------------------------------------------------------------------------


def local_network(strides, width=16):
    """Make a small fully convolutional network, which halves the image at stride 2."""
    n_channels, layers = 1, []
    for stride in strides:
        layers += [
            nn.Conv2d(n_channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(stride),
        ]
        n_channels, width = width, 2 * width
    return nn.Sequential(*layers)


def drawn_crowds(arguments, seed, part="A"):
    """Draw crowds: targets are the people in every cell of 8 x 8 pixels."""
    rng = np.random.default_rng(seed)
    median = 60.0 if part == "A" else 8.0
    sizes = (30, 20) if arguments.quick else (400, 200)
    (X_train, y_train), (X_test, y_test) = (draw_crowd(rng, n, median) for n in sizes)
    return Task(
        f"Drawn crowds, {'dense' if part == 'A' else 'sparse'}",
        *(X_train, y_train, X_test, y_test),
        edges=LogBinner(100, lower=5e-3),
        measure=count_errors,
        columns=COUNT_COLUMNS,
        settings={
            "backbone": partial(local_network, (2, 2, 2)),
            "max_epochs": 1 if arguments.quick else 15,
            "batch_size": 16,
        },
        student=SMALL_STUDENT,
        groups=np.arange(len(y_test)),
    )


def draw_crowd(rng, n_images, median, size=64, cell=8, head=1.2):
    """Draw images of heads that stand in clusters, and the heads in every cell."""
    images, counts = [], []
    pixels = np.arange(size)
    for n_heads in 1 + (median * np.exp(0.9 * rng.standard_normal(n_images))).astype(
        int
    ):
        middles = rng.uniform(0, size, (1 + n_heads // 15, 2))
        heads = middles[rng.integers(len(middles), size=n_heads)]
        heads = (heads + 8.0 * rng.standard_normal(heads.shape)) % size
        rows, columns = np.exp(-0.5 * ((pixels - heads.T[..., None]) / head) ** 2)
        bright = rng.uniform(0.5, 1.5, (n_heads, 1))
        image = (bright * rows).T @ columns + 0.2 * rng.standard_normal((size, size))
        images.append(image[None])
        heights, widths = (
            side.reshape(n_heads, -1, cell).sum(axis=2) for side in (rows, columns)
        )
        counts.append(heights.T @ widths / (2.0 * np.pi * head**2))
    return np.array(images, dtype=np.float32), np.array(counts)


def nuclei(arguments, seed):
    """Count nuclei in real tiles; the count of an image is the sum of its tiles'."""
    stored = np.load(Path(arguments.standin, "nuclei_count", "nuclei_count_64.npz"))
    tiles = stored["X"].astype(np.float32)
    tiles = tiles.reshape(len(tiles), 32, 2, 32, 2).mean(axis=(2, 4))
    y = stored["target"].astype(np.float64)
    train, test = (
        np.flatnonzero(stored["split"] == part) for part in ("train", "test")
    )
    if arguments.quick:
        train, test = train[:200], test[:100]
    return Task(
        "Nuclei in tiles of microscopy images",
        *(tiles[train], y[train], tiles[test], y[test]),
        edges=LogBinner(100, lower=5e-3),
        measure=count_errors,
        columns=COUNT_COLUMNS,
        settings={
            "backbone": "cnn",
            "max_epochs": 1 if arguments.quick else 15,
            "batch_size": 64,
        },
        student=SMALL_STUDENT,
        groups=stored["group"][test].astype(int),
    )


# Depths ------------------------------------------------------------------------------


def depths(arguments, seed):
    """Depths of pixels: NYUD2-DIR, or drawn images in fog."""
    if arguments.data:
        from benchmarks import rooms

        return rooms(arguments.data)
    n_train, n_test = (20, 10) if arguments.quick else (200, 100)
    X, y = make_imbalanced_maps(n_train + n_test, missing=0.1, random_state=seed)
    return Task(
        "Depths of drawn images",
        *(X[:n_train], y[:n_train], X[n_train:], y[n_train:]),
        edges=LogBinner(100),
        measure=depth_errors,
        columns=DEPTH_COLUMNS,
        settings={
            "backbone": partial(local_network, (1, 1)),
            "max_epochs": 1 if arguments.quick else 10,
            "batch_size": 16,
        },
        weighting_bins=np.linspace(0.0, 20.0, 101),
        student=SMALL_STUDENT,
    )
