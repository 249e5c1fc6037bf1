"""Table 6: counting crowds by local counts (ShanghaiTech A and B).

The paper finds that HCA improves plain classification of local counts by a large
margin, and both regression and DC-regression: MAE on part A 65.4 (regression), 60.7
(DC-regression), 58.2 (CLS), 55.9 (HCA-add), 54.7 (HCA-mul) and 53.7 (HCA-d); on part B
10.7, 7.1, 7.0, 6.7, 6.8 and 6.8.

    python examples/3_paper/table6_crowds.py                 # a stand-in, in minutes
    python examples/3_paper/table6_crowds.py --standin FOLDER
    python examples/3_paper/table6_crowds.py --data SHTECH
"""

from functools import partial

from paper import (
    four_modes,
    hierarchy,
    lower,
    options,
    print_table,
    read,
    regression,
    repeat,
)
from tasks import crowds

from sk_hca.losses import DCRegression


def experiment(task, seed):
    """Train two regressions and the levels."""
    model = hierarchy(task, seed)
    return {
        "Regression": regression(task, seed),
        "DC-regression": regression(task, seed, loss=DCRegression(task.edges)),
        **{name: read(task, model, mode) for name, mode in four_modes(task).items()},
    }


def main(argv=None):
    """Run the experiment on both parts; there is one set of nuclei."""
    arguments = options(__doc__, argv, repeats=3)
    for part in "A" if arguments.standin else "AB":
        found = repeat(experiment, partial(crowds, part=part), arguments)
        print_table(found)
        for variant in ("HCA-add", "HCA-mul", "HCA-d"):
            lower(found, variant, "CLS")
        lower(found, "CLS", "DC-regression")
        lower(found, "HCA-d", "Regression")


if __name__ == "__main__":
    main()
