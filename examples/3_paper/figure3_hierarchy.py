"""Figure 3 (a): class splits, label counts and class mappings of three levels.

The paper shows that the labels of the coarse levels are more balanced than those of the
finest: their classes are merged so that they hold about equal numbers of samples.

    python examples/3_paper/figure3_hierarchy.py             # a stand-in, in seconds
    python examples/3_paper/figure3_hierarchy.py --standin FOLDER
    python examples/3_paper/figure3_hierarchy.py --data IMDB_WIKI
"""

import numpy as np
from paper import options, save, tell
from tasks import ages

from sk_hca.binning import LinearBinner
from sk_hca.hierarchy import HierarchicalBinner


def draw(figure, levels):
    """Draw every level, the finest on top, and its mapping T beside it."""
    axes = figure.subplots(len(levels), 2, width_ratios=(2, 1))
    for (left, right), level in zip(axes, reversed(levels), strict=True):
        widths = np.diff(level.edges)
        left.bar(level.edges[:-1], level.counts, widths, align="edge", edgecolor="w")
        left.set(ylabel="samples", xlim=level.edges[[0, -1]], xticks=level.edges)
        left.set_xticklabels([f"{edge:.3g}" for edge in level.edges], fontsize=7)
        mapping = np.arange(len(level.values))[:, None] == level.parent
        right.imshow(mapping, cmap="Greys", aspect="auto")
        right.set(ylabel=f"{len(level.values)} classes", yticks=[], xticks=[])
    axes[0, 0].set_title("class splits and label counts")
    axes[0, 1].set_title("mapping from the finest classes")


def main(argv=None):
    """Cut the targets into 8 classes, merge them into 4 and 2, and draw all."""
    arguments = options(__doc__, argv, picture="figure3a.png")
    task = ages(arguments, 0)
    levels = HierarchicalBinner(LinearBinner(8), n_levels=3).fit(task.y_train).levels_
    print(f"\n{task.title}: samples of every class")
    ratios = []
    for h, level in enumerate(levels, start=1):
        counts = level.counts.astype(int)
        ratios.append(counts.max() / max(1, counts.min()))
        print(f"level {h}: {counts.tolist()}, largest : smallest {ratios[-1]:.1f}")
    tell(
        max(ratios[:-1]) < ratios[-1],
        "the coarse levels are more balanced than the finest",
        ", ".join(f"{ratio:.1f}" for ratio in ratios),
    )

    from matplotlib.figure import Figure

    figure = Figure((9, 6), layout="constrained")
    draw(figure, levels)
    save(figure, arguments)


if __name__ == "__main__":
    main()
