"""Figure 5: how often adding probabilities up leaves the predicted range.

The paper finds that the sum over the finest classes of a range (Eq. 10) contradicts the
best of the finest classes the more often, the more ranges there are, and explains it by
how unsure fine classifiers are: their largest probability falls with the level.

    python examples/3_paper/figure5_inconsistency.py         # a stand-in, in minutes
    python examples/3_paper/figure5_inconsistency.py --standin FOLDER
    python examples/3_paper/figure5_inconsistency.py --data IMDB_WIKI
"""

import numpy as np
from paper import hierarchy, options, print_table, repeat, save, tell
from tasks import ages

from sk_hca.adjustment import BaseAdjustment
from sk_hca.metrics import range_inconsistency

COLUMNS = ("inconsistent, %", "largest probability")


class LevelAlone(BaseAdjustment):
    """A mode that hands on what one level says, in its own classes."""

    def __init__(self, level=1):
        self.level = level

    def scores(self, output, levels):
        """Read one level only."""
        return output.levels[self.level - 1]


def experiment(task, seed):
    """Measure all levels of one training."""
    model = hierarchy(task, seed)
    n_levels = len(model.hierarchy_.levels_)
    levels = [
        model.set_params(mode=LevelAlone(h)).predict_proba(task.X_test)
        for h in range(1, n_levels + 1)
    ]
    shares = [*range_inconsistency(levels, model.hierarchy_.parents_), 0.0]
    return {
        f"level {h}": [100 * share, p.max(axis=1).mean()]
        for h, (share, p) in enumerate(zip(shares, levels, strict=True), start=1)
    }


def main(argv=None):
    """Measure, draw, and tell what the paper found."""
    arguments = options(__doc__, argv, picture="figure5.png")
    found = [
        (title, COLUMNS, rows) for title, _, rows in repeat(experiment, ages, arguments)
    ]
    print_table(found)
    means = np.mean([list(rows.values()) for *_, rows in found], axis=0)
    share, largest = means.T
    tell(
        (np.diff(share[:-1]) > 0).all(),
        "inconsistency rises with the number of classes",
        ", ".join(f"{each:.1f} %" for each in share[:-1]),
    )
    tell(
        (np.diff(largest) < 0).all(),
        "the largest probability falls",
        ", ".join(f"{each:.2f}" for each in largest),
    )

    from matplotlib.figure import Figure

    figure = Figure((6, 3.5), layout="constrained")
    left = figure.subplots()
    levels = np.arange(1, len(means) + 1)
    left.bar(levels[:-1], share[:-1], color="0.7")
    left.set(xlabel="level", ylabel="inconsistent samples, %")
    right = left.twinx()
    right.plot(levels, largest, "o-")
    right.set(ylabel="largest probability", ylim=(0, 1))
    save(figure, arguments)


if __name__ == "__main__":
    main()
