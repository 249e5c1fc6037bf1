"""Table 9: depths of pixels (NYUD2-DIR).

The paper finds a small gain of HCA over CLS (MAE 0.987 after 1.011, RMSE 1.475 after
1.512), for every class has millions of pixels: imbalanced, but sufficient.  With LDS
and RankSim, HCA-d is best of all (MAE 0.895, RMSE 1.321).

    python examples/3_paper/table9_depth.py                  # a stand-in, in minutes
    python examples/3_paper/table9_depth.py --data NYUD2
"""

import numpy as np
from paper import (
    four_modes,
    hierarchy,
    lds,
    lower,
    options,
    print_table,
    read,
    regression,
    repeat,
    tell,
)
from tasks import depths


def experiment(task, seed):
    """Train regressions and levels, plain, with LDS, and with RankSim too."""
    weighted = {"weighting": lds(task)}
    ranked = weighted | task.ranked
    groups = {"": {}, " + LDS": weighted, " + LDS + RankSim": ranked}
    rows = {}
    for suffix, changes in groups.items():
        rows[f"Regression{suffix}"] = regression(task, seed, loss="squared", **changes)
    rows["Balanced MSE"] = regression(task, seed, loss="bni")
    for suffix, changes in groups.items():
        model = hierarchy(task, seed, **changes)
        for name, mode in four_modes(task).items():
            rows[name + suffix] = read(task, model, mode)
    return rows


def main(argv=None):
    """Run every method."""
    arguments = options(__doc__, argv, repeats=3)
    found = repeat(experiment, depths, arguments)
    print_table(found)
    for variant in ("HCA-add", "HCA-mul", "HCA-d"):
        lower(found, variant, "CLS")
    mae = {
        name: np.mean([rows[name][0] for _, _, rows in found]) for name in found[0][2]
    }
    share = 1 - min(mae[name] for name in ("HCA-add", "HCA-mul", "HCA-d")) / mae["CLS"]
    tell(share < 0.05, "The gain over CLS is small, below 5 %", f"{100 * share:.1f} %")


if __name__ == "__main__":
    main()
