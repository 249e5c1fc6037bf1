"""Figure 2: adding probabilities up may leave the predicted range.

The paper shows the prediction of a classifier with 8 classes, whose best class lies in
one half of them while the sum of the probabilities (Eq. 10) prefers the other one.  The
maximum (Eq. 13) never does: that is the paper's proposition.  Here a sample of the test
data is drawn, the one of which the sum is most wrongly sure.

    python examples/3_paper/figure2_sum_pooling.py           # a stand-in, in seconds
    python examples/3_paper/figure2_sum_pooling.py --standin FOLDER
    python examples/3_paper/figure2_sum_pooling.py --data IMDB_WIKI
"""

import numpy as np
import torch
from paper import hierarchy, options, repeat, save, tell
from tasks import ages

from sk_hca.binning import LinearBinner
from sk_hca.hierarchy import pool_max, pool_sum


def experiment(task, seed):
    """Train levels of 2, 4 and 8 classes; pool what the finest says."""
    model = hierarchy(task, seed, binner=LinearBinner(8), n_levels=3)
    fine = torch.from_numpy(model.predict_proba(task.X_test))
    best = fine.argmax(dim=1)
    levels = []
    for parent in map(torch.from_numpy, model.hierarchy_.parents_):
        n_classes = int(parent.max()) + 1
        pools = {"sum": pool_sum, "max": pool_max}
        pooled = {name: pool(fine, parent, n_classes) for name, pool in pools.items()}
        pooled["max"] /= pooled["max"].sum(dim=1, keepdim=True)
        levels.append((parent[best], pooled))
    return fine, levels, model.hierarchy_.edges_


def draw(figure, fine, levels):
    """Draw a sample on the finest level and, pooled, on the coarse ones.

    Grey is the range that holds its best class.
    """
    axes = figure.subplots(1, 1 + len(levels))
    axes[0].bar(np.arange(len(fine)), fine)
    axes[0].set(title=f"{len(fine)} classes", ylabel="probability")
    for axis, (right, pooled) in zip(axes[1:], reversed(levels), strict=True):
        for shift, (name, p) in zip((-0.2, 0.2), pooled.items(), strict=True):
            axis.bar(np.arange(len(p)) + shift, p, width=0.4, label=name)
        axis.axvspan(right - 0.5, right + 0.5, color="0.9", zorder=0)
        axis.set(title=f"{len(p)} classes", xticks=np.arange(len(p)))
    axes[-1].legend()


def main(argv=None):
    """Count where the sum leaves the range, and draw the clearest case."""
    arguments = options(__doc__, argv, picture="figure2.png", repeats=1)
    (title, _, (fine, levels, _)), *_ = repeat(experiment, ages, arguments)
    print(f"\n{title}: share of test samples whose pooled best class leaves the range")
    leaves, surplus = {}, torch.zeros(len(fine))
    for right, pooled in levels:
        for name, p in pooled.items():
            wrong = p.argmax(dim=1) != right
            leaves[p.shape[1], name] = wrong.float().mean().item()
        p = pooled["sum"]
        own = p.gather(1, right[:, None])[:, 0]
        surplus = torch.maximum(surplus, p.amax(dim=1) - own)
    for (n_classes, name), share in leaves.items():
        print(f"{n_classes} classes, {name}: {100 * share:.1f} %")
    shares = {
        kind: max(v for k, v in leaves.items() if k[1] == kind)
        for kind in ("sum", "max")
    }
    tell(shares["sum"] > 0, "the sum leaves the range", f"{100 * shares['sum']:.1f} %")
    tell(shares["max"] == 0, "the maximum never does", f"{100 * shares['max']:.1f} %")

    from matplotlib.figure import Figure

    figure, shown = Figure((10, 3), layout="constrained"), int(surplus.argmax())
    one = [
        (int(right[shown]), {name: p[shown].numpy() for name, p in pooled.items()})
        for right, pooled in levels
    ]
    draw(figure, fine[shown].numpy(), one)
    save(figure, arguments)


if __name__ == "__main__":
    main()
