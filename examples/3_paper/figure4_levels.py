"""Figure 4: every level alone, and every level as the range of the finest.

(a) Alone, the coarse levels err more than the finest, by their quantization error.
(b) But they know the range better: in classes of level h, its own answer has a lower
bMAE than that of the finest level. (c) So the finest class within the range that level
h gives has a lower bMAE than the finest class at large.

    python examples/3_paper/figure4_levels.py                # a stand-in, in minutes
    python examples/3_paper/figure4_levels.py --standin FOLDER
    python examples/3_paper/figure4_levels.py --data IMDB_WIKI
"""

import numpy as np
from paper import hierarchy, options, print_table, repeat, save, tell
from tasks import ages

from sk_hca.adjustment import RangeAdjustment
from sk_hca.binning import assign
from sk_hca.metrics import balanced_mean_absolute_error

COLUMNS = ("bMAE", "quantization error", "change of index", "change within range")


def experiment(task, seed):
    """Measure every level of one training; changes are those from the finest level."""
    model = hierarchy(task, seed)
    y, answers = task.y_test, model.predict_levels(task.X_test)

    def balanced(error):
        return balanced_mean_absolute_error(y, y + error, bins=task.bins)

    rows, finest = {}, answers[-1]
    for h, (level, answer) in enumerate(
        zip(model.hierarchy_.levels_, answers, strict=True), start=1
    ):
        index, own, fine = (assign(each, level.edges) for each in (y, answer, finest))
        model.set_params(mode=RangeAdjustment(h))
        rows[f"level {h}"] = [
            balanced(answer - y),
            balanced(level.values[index] - y),
            balanced(own - index) - balanced(fine - index),
            balanced(model.predict(task.X_test) - y) - balanced(finest - y),
        ]
    return rows


def draw(figure, means):
    """Draw the three panels."""
    a, b, c = figure.subplots(1, 3)
    levels = np.arange(1, len(means) + 1)
    a.plot(levels, means[:, 0], "o-", label="bMAE")
    a.plot(levels, means[:, 1], "s--", label="quantization error")
    a.legend()
    b.bar(levels, means[:, 2])
    c.bar(levels, means[:, 3])
    for axis, title in zip(
        (a, b, c),
        (
            "(a) every level alone",
            "(b) change of the class index",
            "(c) change, finest within range",
        ),
        strict=True,
    ):
        axis.set(title=title, xlabel="level", ylabel="bMAE")


def main(argv=None):
    """Measure, draw, and tell what the paper found."""
    arguments = options(__doc__, argv, picture="figure4.png")
    found = [
        (title, COLUMNS, rows) for title, _, rows in repeat(experiment, ages, arguments)
    ]
    print_table(found)
    means = np.mean([list(rows.values()) for *_, rows in found], axis=0)
    error, quantization, index, within = means.T
    tell(
        min(error[:3]) > error[-1] and (np.diff(quantization) < 0).all(),
        "(a) levels 1 to 3 are worse than the finest, and quantization explains it",
        f"{', '.join(f'{e:.2f}' for e in error[:3])} and {error[-1]:.2f}",
    )
    for panel, change in (
        ("(b) own ranges are better", index),
        ("(c) so is the finest class within them", within),
    ):
        tell(
            (change[:-1] < 0).all(),
            f"{panel} on every coarse level",
            ", ".join(f"{each:.2f}" for each in change[:-1]),
        )

    from matplotlib.figure import Figure

    figure = Figure((12, 3.5), layout="constrained")
    draw(figure, means)
    save(figure, arguments)


if __name__ == "__main__":
    main()
