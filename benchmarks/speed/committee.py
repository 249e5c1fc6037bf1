"""What several networks cost that learn side by side, and would batched products help?

    python benchmarks/speed/committee.py

First, a fit of four members against four fits of one.  Then a step of training by hand,
four perceptrons whose layers are one batched product (``baddbmm`` on stacked weights)
against the same four one after another.
"""

import itertools

import torch
from timing import Ratio, read_options, report
from torch import nn
from training import make_data, make_default

N_MEMBERS = 4


class Stacked(nn.Module):
    """Perceptrons of the same widths, every layer one batched product.

    Parameters
    ----------
    widths : sequence of int
        Width of every layer, inputs first.
    """

    def __init__(self, widths):
        super().__init__()
        shapes = list(itertools.pairwise(widths))
        self.weights = nn.ParameterList(
            [torch.randn(N_MEMBERS, *shape) / shape[0] ** 0.5 for shape in shapes]
        )
        self.biases = nn.ParameterList(
            [torch.zeros(N_MEMBERS, 1, width) for width in widths[1:]]
        )

    def forward(self, X):
        """Give the outputs of all members, of shape (K, N, d)."""
        X = X.expand(N_MEMBERS, *X.shape)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            X = torch.baddbmm(bias, X, weight).relu()
        return X


class Separate(nn.ModuleList):
    """The same perceptrons, one after another.

    Parameters
    ----------
    widths : sequence of int
        Width of every layer, inputs first.
    """

    def __init__(self, widths):
        pairs = list(itertools.pairwise(widths))
        super().__init__(
            nn.Sequential(*(nn.Sequential(nn.Linear(*p), nn.ReLU()) for p in pairs))
            for _ in range(N_MEMBERS)
        )

    def forward(self, X):
        """Give the outputs of all members, of shape (K, N, d)."""
        return torch.stack([member(X) for member in self])


def make_step(network, n_columns, batch_size):
    """Return one step of training, as a call without arguments."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    X = torch.randn(batch_size, n_columns)

    def step():
        optimizer.zero_grad()
        network(X).square().mean().backward()
        optimizer.step()

    return step


def fit_rows(n_samples):
    """Four members in one fit against as many fits."""
    X, y = make_data(n_samples)
    together = make_default(3, n_estimators=N_MEMBERS)
    alone = make_default(3)

    def one_by_one():
        for _ in range(N_MEMBERS):
            alone.fit(X, y)

    yield Ratio("fit of 4 members / 4 fits", lambda: together.fit(X, y), one_by_one)


def step_rows(batch_sizes):
    """Batched products against a loop over members."""
    # The last is the default perceptron on 20 columns, which it cuts into pieces.
    for widths in ((20, 32, 16), (20, 128, 64), (480, 256, 128)):
        for batch_size in batch_sizes:
            hidden = "-".join(map(str, widths[1:]))
            yield Ratio(
                f"step of 4 perceptrons {hidden}, batch {batch_size}: stacked / loop",
                make_step(Stacked(widths), widths[0], batch_size),
                make_step(Separate(widths), widths[0], batch_size),
            )


def main():
    """Print all ratios."""
    options = read_options(__doc__)
    rows = fit_rows(2_000 if options.quick else 20_000)
    report([*rows, *step_rows((256,) if options.quick else (32, 256, 1024))])


if __name__ == "__main__":
    main()
