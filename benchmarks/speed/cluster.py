"""Plain arithmetic: what a thousand million rows would take on a cluster of GPUs.

Nothing here is measured.  Operations are counted from the sizes of the layers; what is
assumed of the machines stands in :class:`Cluster`, and is printed line by line, so that
a reader can put in other numbers.  The package trains on one device: the lines take it
that `net_.module_` and its criterion run under torch's DistributedDataParallel.

    python benchmarks/speed/cluster.py
"""

from dataclasses import dataclass
from itertools import pairwise
from math import log2, sqrt

# Classes of every level, up to 121.
LEVELS = (2, 4, 8, 16, 32, 64, 121)


@dataclass(frozen=True)
class Cluster:
    """What is assumed of the machines.

    Parameters
    ----------
    n_nodes, n_gpus_per_node : int
        Machines, and GPUs in each.

    memory_bandwidth, disk, network : float
        Bytes per second: of a GPU's memory; of a node's disks, read in order; of the
        network of one GPU.

    efficiency : float
        Share of its time that a GPU works while others do.

    step_overhead : float
        Seconds of a step that no batch size removes: Python, some 200 kernels started.

    sort_seconds : float
        Binning of ten million float64 targets on one core.

    sort_source : str
        Where that number comes from.
    """

    n_nodes: int = 8
    n_gpus_per_node: int = 8
    memory_bandwidth: float = 1.5e12
    disk: float = 2e9
    network: float = 25e9
    efficiency: float = 0.85
    step_overhead: float = 2e-3
    sort_seconds: float = 0.5
    sort_source: str = "assumed; scale.py measures it"

    @property
    def n_gpus(self):
        """Number of all GPUs."""
        return self.n_nodes * self.n_gpus_per_node


@dataclass(frozen=True)
class Job:
    """A network and its data.

    Parameters
    ----------
    name : str
        What is learned.

    products, activations, parameters : int
        Multiplications of one forward pass of one row; numbers that it writes; weights.

    row_bytes : int
        Size of one row on disk, with its target.

    flops : float
        Sustained operations per second of one GPU on these layers, in float32.

    batch_size, epochs : int
        Rows in a batch of one GPU; passes over the data.

    decoding : float
        Rows that one node turns from bytes into numbers per second.
    """

    name: str
    products: int
    activations: int
    parameters: int
    row_bytes: int
    flops: float
    batch_size: int
    epochs: int
    decoding: float = float("inf")


def mlp_counts(widths, levels=LEVELS):
    """Count the products, activations and parameters of an MLP and its heads."""
    layers = [*pairwise(widths), (widths[-1], sum(levels))]
    products = sum(n_in * n_out for n_in, n_out in layers)
    # Inputs as they are and standardised; before and after the ReLU; logits, their
    # logarithms, and labels.
    activations = 2 * sum(widths) + 3 * sum(levels)
    return products, activations, products + sum(n_out for _, n_out in layers)


def resnet_counts(levels=LEVELS):
    """Count the same of a ResNet-18 on images of 224 x 224, and its heads."""
    # Kernel, channels in and out, side of the output, how many such layers.
    layers = [(7, 3, 64, 112, 1), (3, 64, 64, 56, 4)]
    for n_in, side in ((64, 28), (128, 14), (256, 7)):
        n_out = 2 * n_in
        layers += [(3, n_in, n_out, side, 1), (3, n_out, n_out, side, 3)]
        layers += [(1, n_in, n_out, side, 1)]
    weights = [k * k * n_in * n_out * n for k, n_in, n_out, _, n in layers]
    places = [side * side for *_, side, _ in layers]
    heads = 512 * sum(levels)
    products = heads + sum(w * p for w, p in zip(weights, places, strict=True))
    # A convolution, its normalisation and its ReLU write one number each.
    written = [3 * n_out * n * side * side for _, _, n_out, side, n in layers]
    return products, sum(written) + 3 * sum(levels), sum(weights) + heads


def make_jobs():
    """Return a table, and a collection of photographs."""
    return (
        Job(
            "A table of 20 float32 columns, MLP 128-64, 7 levels",
            *mlp_counts((20, 128, 64)),
            row_bytes=20 * 4 + 8,
            flops=5e12,
            batch_size=8192,
            epochs=100,
        ),
        Job(
            "Photographs of 224 x 224 as JPEG, ResNet-18, 7 levels",
            *resnet_counts(),
            row_bytes=110_000,
            flops=15e12,
            batch_size=256,
            epochs=30,
            decoding=64 * 150,
        ),
    )


UNITS = {"days": 86_400, "h": 3600, "min": 60, "s": 1, "ms": 1e-3, "us": 1e-6}


def duration(seconds):
    """Write a duration in the unit that suits it."""
    for unit, size in UNITS.items():
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{1e9 * seconds:,.1f} ns"


def line(what, value, how):
    """Print one line of the calculation: a number, and where it comes from."""
    print(f"  {what:34}{value:>15}   {how}")


def print_row(job, cluster):
    """Print what one row costs a GPU, and return its seconds."""
    operations, moved = 6 * job.products, 24 * job.activations
    computing, moving = operations / job.flops, moved / cluster.memory_bandwidth
    count = f"{job.activations:,} activations"
    terabytes, teraflops = cluster.memory_bandwidth / 1e12, job.flops / 1e12
    line("products forward, per row", f"{job.products:,}", "counted from the layers")
    how = "2 per product; backward twice as many as forward: x 6"
    line("operations of training, per row", f"{operations:,}", how)
    how = f"assumed: {teraflops:g} TFLOP/s sustained on these layers, float32"
    line("computing, per row and GPU", duration(computing), how)
    how = f"{count} x 4 B x 6 readings and writings"
    line("GPU memory moved, per row", f"{moved:,} B", how)
    how = f"assumed: {terabytes:g} TB/s; the longer of the two counts"
    line("moving, per row and GPU", duration(moving), how)
    return max(computing, moving)


def print_steps(job, cluster, n_rows, row_seconds):
    """Print the steps of an epoch, and return their seconds."""
    batch = job.batch_size * cluster.n_gpus
    n_steps = n_rows / batch
    exchange = 8 * job.parameters / cluster.network
    step = job.batch_size * row_seconds / cluster.efficiency
    step += cluster.step_overhead + exchange
    network, overhead = cluster.network / 1e9, 1e3 * cluster.step_overhead
    how = f"assumed: {job.batch_size:,} rows per GPU, {batch:,} on all {cluster.n_gpus}"
    line("steps per epoch", f"{n_steps:,.0f}", how)
    how = f"{job.parameters:,} weights x 4 B, there and back; assumed: {network:g} GB/s"
    line("exchange of gradients, per step", duration(exchange), how)
    how = f"assumed: {cluster.efficiency:.0%} of it at work; {overhead:g} ms that stay"
    line("one step", duration(step), how)
    line("all steps of an epoch", duration(n_steps * step), "steps x one step")
    return n_steps * step


def print_feeding(job, cluster, n_rows):
    """Print how long it takes to bring all rows to the GPUs, and return the seconds."""
    reading = n_rows * job.row_bytes / (cluster.disk * cluster.n_nodes)
    decoding = n_rows / (job.decoding * cluster.n_nodes)
    how = f"{job.row_bytes:,} B per row; assumed: {cluster.disk / 1e9:g} GB/s per node"
    line("reading all rows from disk", duration(reading), how)
    if decoding:
        how = f"assumed: {job.decoding:,.0f} rows/s per node (64 cores x 150)"
        line("decoding all rows", duration(decoding), how)
    return max(reading, decoding)


def print_job(job, cluster, n_rows):
    """Print the lines of a training, and of a prediction of all rows."""
    print(job.name)
    row_seconds = print_row(job, cluster)
    working = print_steps(job, cluster, n_rows, row_seconds)
    feeding = print_feeding(job, cluster, n_rows)
    epoch = max(working, feeding)
    line("one epoch", duration(epoch), "the longest of these: they run side by side")
    how = f"assumed: {job.epochs} epochs; HCA-d adds a fifth of them, on a small head"
    line("training", duration(job.epochs * epoch), how)
    how = "a third of the operations of an epoch, or feeding; merge and decoder added"
    predicting = max(working / 3, feeding)
    line("prediction of all rows", duration(predicting), how)


def print_binning(cluster, n_rows):
    """Print the lines of binning: by one sort of all targets, or of a sample."""
    n_sample = 10_000_000
    growth = n_rows * log2(n_rows) / (n_sample * log2(n_sample))
    # A class with a hundredth of the rows: what a sample errs by, as a share of it.
    error = sqrt(0.01 * 0.99 / n_sample) / 0.01
    print("Binning of the targets, on one core")
    seconds = duration(cluster.sort_seconds)
    line(f"fit on {n_sample:,} targets", seconds, cluster.sort_source)
    how = f"n log n: x {growth:.0f}; {16 * n_rows / 1e9:g} GB for targets and a copy"
    line("fit on all targets", duration(growth * cluster.sort_seconds), how)
    how = f"then a class of 1 % of the rows is {error:.1%} too large or small"
    line(f"or on a sample of {n_sample:,}", seconds, how)


def print_cluster(cluster, n_rows=1_000_000_000):
    """Print the whole calculation."""
    print(
        f"{n_rows:,} rows on {cluster.n_nodes} nodes of {cluster.n_gpus_per_node} GPUs "
        "(arithmetic, not a measurement)"
    )
    print_binning(cluster, n_rows)
    for job in make_jobs():
        print_job(job, cluster, n_rows)


if __name__ == "__main__":
    print_cluster(Cluster())
