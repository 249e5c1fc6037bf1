"""What a hierarchy adds to the training of a convolutional network.

A ResNet-18 on images of 32 x 32: seven levels against the finest level alone.  Needs
torchvision; without it there is nothing to measure, and `--check` exits with 2.

    python benchmarks/speed/images.py --check
"""

import sys
from importlib.util import find_spec

import numpy as np
from timing import read_options, report
from torch import nn
from training import make_model, model_ratio


def make_resnet():
    """Make a ResNet-18 that gives its 512 features, with random weights."""
    from torchvision.models import resnet18

    network = resnet18(weights=None)
    network.fc = nn.Identity()
    return network


def make_images(n_samples):
    """Draw images of noise, and targets with 121 classes, most of them rare."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 3, 32, 32), dtype=np.float32)
    return X, np.round(np.exp(rng.normal(size=n_samples)) * 10).clip(0, 120)


def main():
    """Print the row."""
    options = read_options(__doc__)
    if find_spec("torchvision") is None:
        print("torchvision is not installed: nothing was measured.")
        sys.exit(2 if options.check else 0)
    settings = {"backbone": make_resnet, "batch_size": 64}
    row = model_ratio(
        "fit of 7 levels / fit of the finest alone, ResNet-18",
        make_model(1, **settings),
        make_model(1, n_levels=1, **settings),
        make_images(64 if options.quick else 512),
        limit=1.03,
        pairs=3 if options.quick else 11,
    )
    sys.exit(report([row]) and options.check)


if __name__ == "__main__":
    main()
