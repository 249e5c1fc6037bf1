"""What the second stage of HCA-d adds to a fit of the default estimator.

On a smaller network, where it adds more, `training.py` times it.

    python benchmarks/speed/stages.py --check
"""

import sys

from timing import read_options, report
from training import make_data, stages_ratio

from sk_hca import HCARegressor


def make_default(epochs, **params):
    """Make the estimator as it comes, with its own network."""
    return HCARegressor(device="cpu", max_epochs=epochs, random_state=0, **params)


def main():
    """Print the table."""
    options = read_options(__doc__)
    n_samples, epochs = (5_000, 2) if options.quick else (50_000, 20)
    row = stages_ratio(make_default, epochs, make_data(n_samples))
    sys.exit(report([row]) and options.check)


if __name__ == "__main__":
    main()
