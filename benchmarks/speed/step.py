"""What one step of training is made of.

python benchmarks/speed/step.py
"""

import cProfile
import pstats

from timing import read_options
from training import make_data, make_model

# Part of a step, and the function whose calls it is made of.
PARTS = {
    "backward": ("run_backward",),
    "forward: backbone and heads": ("infer",),
    "cross-entropies": ("cross_entropy_map",),
    "optimiser": ("_fused_adam", "zero_grad"),
    "labels": ("encode",),
    "cutting the batch": ("__getitem__", "_batches.py"),
    "callbacks and schedule": ("notify",),
}


def main():
    """Print the share of each part in the time of a training."""
    options = read_options(__doc__)
    X, y = make_data(5_000 if options.quick else 50_000)
    model = make_model(5).fit(X, y)
    profile = cProfile.Profile()
    profile.runcall(model.fit, X, y)
    calls = pstats.Stats(profile).stats
    whole = max(cumulative for *_, cumulative, _ in calls.values())
    left = 1.0
    for part, names in PARTS.items():
        share = 0.0
        for (file, _, function), (*_, cumulative, _) in calls.items():
            is_named = any(name in function for name in names if ".py" not in name)
            in_file = all(name in file for name in names if ".py" in name)
            if is_named and in_file:
                share = max(share, cumulative / whole)
        left -= share
        print(f"{part:30} {share:5.0%}")
    print(f"{'all else':30} {left:5.0%}")


if __name__ == "__main__":
    main()
