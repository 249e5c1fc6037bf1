"""The target line is cut once: edges, class values and counts."""

from sk_hca.binning._binners import (
    BINNERS,
    BaseBinner,
    CustomBinner,
    LinearBinner,
    LogBinner,
    MixedBinner,
    QuantileBinner,
    UniformErrorBinner,
    make_binner,
)
from sk_hca.binning._edges import (
    assign,
    class_means,
    distinct_targets,
    linear_edges,
    log_edges,
    mixed_edges,
    quantile_edges,
    uniform_error_edges,
)

__all__ = [
    "BINNERS",
    "BaseBinner",
    "CustomBinner",
    "LinearBinner",
    "LogBinner",
    "MixedBinner",
    "QuantileBinner",
    "UniformErrorBinner",
    "assign",
    "class_means",
    "distinct_targets",
    "linear_edges",
    "log_edges",
    "make_binner",
    "mixed_edges",
    "quantile_edges",
    "uniform_error_edges",
]
