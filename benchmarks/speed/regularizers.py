"""What regularisers cost: RankSim against a loop over rows, both against an epoch.

The loop ranks one sample after the other, as the authors of RankSim do; it draws the
samples by distinct target one by one too.  Both run forward and backward.

    python benchmarks/speed/regularizers.py --check
"""

import sys

import numpy as np
import torch
from timing import Ratio, read_options, report
from torch.nn.functional import mse_loss, normalize

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.regularizers import FeatureSmoothing, RankSim, ranksim_penalty

# Features of the default network.
N_FEATURES = 128


def ranks(row):
    """Rank one row, the largest first, in shares of its length."""
    return (row.argsort().flip(0).argsort() + 1).to(row.dtype) / len(row)


class RowRanks(torch.autograd.Function):
    """Ranks of one row, with the gradient of a blackbox."""

    @staticmethod
    def forward(ctx, row, interpolation):
        """Rank the row."""
        ctx.interpolation = interpolation
        ranked = ranks(row)
        ctx.save_for_backward(row, ranked)
        return ranked

    @staticmethod
    def backward(ctx, grad):
        """Rank it again, moved along the gradient."""
        row, ranked = ctx.saved_tensors
        moved = ranks(row + ctx.interpolation * grad)
        return (moved - ranked) / (ctx.interpolation + 1e-8), None


def penalty_by_row(features, y, interpolation=2.0):
    """Compute the penalty of RankSim in loops over targets and rows."""
    drawn = []
    for value in y.unique():
        equals = (y == value).nonzero()[:, 0]
        drawn.append(equals[torch.randint(len(equals), ())])
    drawn = torch.stack(drawn)
    directions, y = normalize(features[drawn]), y[drawn]
    similarity = directions @ directions.t()
    loss = 0.0
    for i in range(len(y)):
        nearness = ranks(-(y[i] - y).abs()).to(features.dtype)
        loss = loss + mse_loss(RowRanks.apply(similarity[i], interpolation), nearness)
    return loss


def ranksim_ratio(n_samples, n_features, n_distinct):
    """Compare the penalty with its loop, on targets drawn from so many numbers."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_samples, n_features, generator=generator).requires_grad_()
    y = torch.randint(n_distinct, (n_samples,), generator=generator).double()

    def both_ways(penalty):
        return lambda: torch.autograd.grad(penalty(features, y), features)

    return Ratio(
        f"RankSim / loop over rows, {n_samples} x {n_features}, "
        f"{len(y.unique())} distinct",
        both_ways(ranksim_penalty),
        both_ways(penalty_by_row),
        limit=0.10,
    )


def update_epoch(features, parts):
    """Return how FDS keeps its statistics in an epoch."""
    smoothing = FeatureSmoothing(N_FEATURES, np.linspace(0, 1, 101))
    rows = features.detach()

    def epoch():
        smoothing.begin_epoch()
        for y in parts:
            index = torch.bucketize(y, smoothing.borders)
            smoothing._collect(rows[: len(y)], index, None)
        smoothing.end_epoch()

    return epoch


def smooth_epoch(features, parts):
    """Return all that FDS does in an epoch, forward and backward."""
    smoothing = FeatureSmoothing(N_FEATURES, np.linspace(0, 1, 101))

    def epoch():
        smoothing.begin_epoch()
        for y in parts:
            moved = smoothing(features[: len(y)], y)
            torch.autograd.grad(moved, features, moved)
        smoothing.end_epoch()

    return epoch


def rank_epoch(features, parts):
    """Return what RankSim does in an epoch."""
    penalty = RankSim()

    def epoch():
        for y in parts:
            torch.autograd.grad(penalty(features[: len(y)], y), features)

    return epoch


def epoch_ratios(n_rows, batch_size=256):
    """Compare what regularisers do in an epoch with a plain one of the same size."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 20), dtype=np.float32)
    y = rng.random(n_rows)
    parts = torch.tensor(y).split(batch_size)
    # One batch of features for all: in a training, they have just been computed.
    features = torch.randn(batch_size, N_FEATURES).requires_grad_()
    work = {
        "FDS, update": (update_epoch, 0.10),
        "FDS, all": (smooth_epoch, np.inf),
        "RankSim": (rank_epoch, np.inf),
    }
    for kind in (HCARegressor, DirectRegressor):
        model = kind(batch_size=batch_size, max_epochs=1, random_state=0)
        for name, (make_epoch, limit) in work.items():
            yield Ratio(
                f"{name} / fit of {kind.__name__}, {n_rows:,} x 20, one epoch",
                make_epoch(features, parts),
                lambda model=model: model.fit(X, y),
                limit,
            )


def main():
    """Print the tables."""
    options = read_options(__doc__)
    n_samples, n_features = (16, 8) if options.quick else (256, 128)
    print(f"A penalty and its gradient, {n_samples} samples, float32:")
    is_missed = report(
        [ranksim_ratio(n_samples, n_features, n) for n in (100, 10 * n_samples, 10**9)]
    )
    n_rows = 1_000 if options.quick else 50_000
    print("\nWhat they add to an epoch of the default network and recipe, float32:")
    is_missed |= report(epoch_ratios(n_rows))
    sys.exit(is_missed and options.check)


if __name__ == "__main__":
    main()
