"""What regularisers cost: RankSim against a loop over rows, FDS against a plain fit.

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
from sk_hca.regularizers import ranksim_penalty

EPOCHS = 3


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


def fit_ratio(name, kind, data, limit, **params):
    """Compare a fit with a regulariser with one without."""
    settings = {"max_epochs": EPOCHS, "random_state": 0}
    ours, theirs = kind(**settings, **params), kind(**settings)
    n_rows = f"{len(data[0]):,} x {data[0].shape[1]}"
    return Ratio(
        f"{kind.__name__}, {name} / plain, {n_rows}",
        lambda: ours.fit(*data),
        lambda: theirs.fit(*data),
        limit,
        pairs=9,
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
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 20), dtype=np.float32)
    data = X, np.exp(rng.normal(size=n_rows)) * 10 + 5 * X[:, 0]
    print("\nA fit of the default network and recipe:")
    is_missed |= report(
        [
            fit_ratio("FDS", HCARegressor, data, 1.10, smoother="fds"),
            fit_ratio("FDS", DirectRegressor, data, np.inf, smoother="fds"),
            fit_ratio("RankSim", HCARegressor, data, np.inf, penalty="ranksim"),
        ]
    )
    sys.exit(is_missed and options.check)


if __name__ == "__main__":
    main()
