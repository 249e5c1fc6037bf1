"""How costs grow: with rows, classes, levels and the size of a batch.

Every cell of a table is a median: microseconds per row and, in brackets, their ratio to
the first size of the column, or to the size with a star.  All cells of a table are
timed in turns.  What one row costs should not depend on how many there are.  At the
end, plain arithmetic goes on to a thousand million rows (`cluster.py`).

    python benchmarks/speed/scale.py --check
"""

import sys
from functools import partial
from statistics import median

import numpy as np
from binning import make_targets
from by_hand import train_plain
from cluster import Cluster, duration, mlp_counts, print_cluster
from memory import fit_in_memory, in_own_process, predict_in_memory
from timing import print_header, print_row, ratios, read_options, time_in_turns
from training import HIDDEN, fitted_hierarchy, make_data, make_default, make_model

from sk_hca.binning import QuantileBinner, UniformErrorBinner
from sk_hca.hierarchy import HierarchicalBinner

MODES = ("none", "add", "mul", "vote", "marginal", "range", "average", "distill")
FIT, PREDICT, BINNING = "fit, one epoch", "predict, add", "binning"
# How many times as long ten times as many rows may take; a sort takes n log n.
LIMITS = {FIT: 11, PREDICT: 11, BINNING: 14}
MEASURED = "measured above, from the largest size"


class Table:
    """A table of costs: one line per size, one column per thing that is timed.

    Parameters
    ----------
    title : str
        What grows, and what is held.

    rounds : int
        How often every cell is timed.

    reference : int, optional
        The size that the others are compared with; by default the first of a column.
    """

    def __init__(self, title, rounds, reference=None):
        self.title = title
        self.rounds = rounds
        self.reference = reference
        self.calls = {}
        self.n_rows = {}

    def add(self, column, size, call, n_rows):
        """Add a cell: a call, and how many rows it serves."""
        self.calls[column, size] = call
        self.n_rows[column, size] = n_rows

    def sizes(self, column):
        """Return the sizes of one column, increasing."""
        return sorted(size for name, size in self.n_rows if name == column)

    def measure(self):
        """Time all cells in turns, print the table, and let go of the calls."""
        self.times = time_in_turns(self.calls, self.rounds)
        self.calls = {}
        columns = list(dict.fromkeys(name for name, _ in self.n_rows))
        print(f"\n{self.title}: us per row (ratio)")
        print(f"{'':>12}" + "".join(f"{name:>18}" for name in columns))
        for size in sorted({size for _, size in self.n_rows}):
            star = "*" if size == self.reference else " "
            cells = "".join(f"{self.cell(name, size):>18}" for name in columns)
            print(f"{size:>11,}{star}{cells}".rstrip(), flush=True)

    def cell(self, column, size):
        """Write the time per row, and its ratio to that of the reference."""
        if (column, size) not in self.n_rows:
            return ""
        return f"{1e6 * self.per_row(column, size):.3g} ({self.growth(column, size)})"

    def per_row(self, column, size):
        """Return the median seconds per row."""
        return median(self.times[column, size]) / self.n_rows[column, size]

    def growth(self, column, size):
        """Write the ratio of the time per row to that of the reference."""
        base = self.reference or self.sizes(column)[0]
        pairs = ratios(self.times, (column, size), (column, base))
        share = self.n_rows[column, size] / self.n_rows[column, base]
        return f"{median(pairs) / share:.2f}"

    def exponent(self, column):
        """Fit the slope of time against the largest sizes, in logs; 1 is linear."""
        sizes = self.sizes(column)[-3:]
        seconds = [median(self.times[column, size]) for size in sizes]
        return np.polyfit(np.log(sizes), np.log(seconds), 1)[0]


def scale_rows(sizes, rounds):
    """Measure one epoch of training, prediction and binning against rows."""
    table = Table("Rows, of 121 classes on 7 levels, batches of 256", rounds)
    model = make_model(1).fit(*make_data(sizes[0]))
    for n in sizes:
        X, y = make_data(n)
        # An epoch of the largest size would take a minute, five times.
        if n <= 1_000_000:
            table.add(FIT, n, lambda X=X, y=y: make_model(1).fit(X, y), n)
        table.add(PREDICT, n, lambda X=X: model.predict(X), n)
        binner = HierarchicalBinner(UniformErrorBinner(121))
        tail = make_targets(n)["float64"]
        table.add(BINNING, n, partial(binner.fit, tail), n)
    table.measure()
    return table


def scale_classes(sizes, n_rows, rounds):
    """Measure training and the prediction of every mode against finest classes."""
    title = f"Finest classes, on all levels that they allow, {n_rows:,} rows"
    fits = Table(f"{title}, one epoch", rounds)
    reads = Table(f"{title}, predict", rounds)
    X, y = make_data(n_rows, n_distinct=None)
    for size in sizes:
        binner = QuantileBinner(size)
        model = make_model(1, binner=binner).fit(X, y)
        default = make_default(1, binner=binner)
        fits.add("paper's recipe", size, lambda m=model: m.fit(X, y), n_rows)
        fits.add("default recipe", size, lambda m=default: m.fit(X, y), n_rows)
        for mode in MODES:
            reading = model.readjust(mode, X, y)
            reads.add(mode, size, lambda m=reading: m.predict(X), n_rows)
    fits.measure()
    print_arithmetic(sizes)
    reads.measure()


def print_arithmetic(sizes):
    """Print how the products of backbone and heads grow, to compare with."""
    products = []
    for size in sizes:
        levels = [2**h for h in range(1, (size - 1).bit_length())]
        products.append(mlp_counts((20, *HIDDEN), [*levels, size])[0])
    shares = ", ".join(f"{product / products[0]:.2f}" for product in products)
    print(f"products of the network grow as {shares}")


def scale_levels(n_levels, n_rows, rounds):
    """Measure training and prediction against the number of levels."""
    table = Table(f"Levels, {n_rows:,} rows, one epoch and predict", rounds)
    X, y = make_data(n_rows, n_distinct=None)
    for n_classes in (121, 4096):
        for n in n_levels:
            if 2 ** (n - 1) >= n_classes:
                continue
            settings = {"binner": QuantileBinner(n_classes), "n_levels": n}
            model = make_model(1, mode="mul", **settings).fit(X, y)
            fit, read = f"fit, C = {n_classes}", f"mul, C = {n_classes}"
            table.add(fit, n, lambda m=model: m.fit(X, y), n_rows)
            table.add(read, n, lambda m=model: m.predict(X), n_rows)
    table.measure()


def scale_batch(sizes, n_rows, rounds):
    """Measure training against the size of a batch, beside the hand-written loop."""
    table = Table(f"Rows in a batch, {n_rows:,} in all, one epoch", rounds, 256)
    X, y = make_data(n_rows)
    hierarchy = fitted_hierarchy(make_model(1), X, y)
    codes = hierarchy.transform(y)
    classes = [len(level.values) for level in hierarchy.levels_]
    for size in sizes:
        model = make_model(1, batch_size=size)
        table.add("fit", size, lambda m=model: m.fit(X, y), n_rows)
        by_hand = partial(train_plain, X, codes, classes, size, 1)
        table.add("by hand", size, by_hand, n_rows)
    table.measure()


def scale_memory(sizes, classes):
    """Print the peak of memory above the data, each in a process of its own."""
    print("\nPeak memory above data and interpreter, MiB")
    for n in sizes:
        fit, read = (
            in_own_process(fit_in_memory, n),
            in_own_process(predict_in_memory, n),
        )
        print(f"{n:>11,} rows: one epoch {fit:.0f}, predict {read:.0f}", flush=True)
    for size in classes:
        settings = {"binner": QuantileBinner(size)}
        read = in_own_process(predict_in_memory, sizes[0], settings)
        print(f"{size:>11,} classes: predict {read:.0f}", flush=True)


def print_growth(table):
    """Print how time grows with rows; tell whether a limit is missed."""
    print()
    for column in LIMITS:
        print(f"{column}: time grows as rows to the power {table.exponent(column):.2f}")
    print()
    print_header()
    missed = False
    for column, limit in LIMITS.items():
        for n in table.sizes(column):
            if (column, 10 * n) in table.times:
                pairs = ratios(table.times, (column, 10 * n), (column, n))
                missed |= print_row(f"{column}: {10 * n:,} / {n:,} rows", pairs, limit)
    return missed


def print_extrapolation(table):
    """Go on from the largest sizes that were measured to a thousand million rows."""
    print("\nOn one core of this machine, from the largest size that was measured")
    per_row = {name: table.per_row(name, table.sizes(name)[-1]) for name in LIMITS}
    for name in (FIT, PREDICT):
        total = duration(1e9 * per_row[name])
        print(f"  {name}: {duration(per_row[name])} per row, {total} for 10^9 rows")
    operations = 6 * mlp_counts((20, *HIDDEN))[0]
    print(f"  sustained in training: {operations / per_row[FIT] / 1e9:.1f} GFLOP/s\n")
    print_cluster(Cluster(sort_seconds=1e7 * per_row[BINNING], sort_source=MEASURED))


def main():
    """Print all tables."""
    options = read_options(__doc__)
    if options.quick:
        table = scale_rows([10_000, 100_000], rounds=2)
        scale_classes([32, 512], 2_000, rounds=2)
        scale_levels([1, 6, 12], 5_000, rounds=2)
        scale_batch([32, 256], 2_000, rounds=2)
        scale_memory([100_000], [512])
    else:
        rows = [10_000, 30_000, 100_000, 300_000, 1_000_000, 10_000_000]
        table = scale_rows(rows, rounds=5)
        scale_classes([32, 128, 512, 1024, 2048, 4096], 20_000, rounds=5)
        scale_levels(range(1, 13), 20_000, rounds=5)
        scale_batch([2**k for k in range(5, 14)], 50_000, rounds=5)
        scale_memory([100_000, 1_000_000, 10_000_000], [32, 512, 4096])
    missed = print_growth(table)
    print_extrapolation(table)
    sys.exit(missed and options.check)


if __name__ == "__main__":
    main()
