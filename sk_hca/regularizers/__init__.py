"""What acts on features: the ranking penalty RankSim, feature smoothing (FDS)."""

from sk_hca.regularizers._fds import FeatureSmoothing
from sk_hca.regularizers._penalties import (
    PENALTIES,
    BasePenalty,
    RankSim,
    make_penalty,
)
from sk_hca.regularizers._ranksim import ranksim_penalty
from sk_hca.regularizers._smoothers import (
    FDS,
    SMOOTHERS,
    BaseSmoother,
    make_smoother,
)
from sk_hca.regularizers._statistics import (
    calibrate_features,
    fill_empty_bins,
    smooth_along_bins,
)

__all__ = [
    "FDS",
    "PENALTIES",
    "SMOOTHERS",
    "BasePenalty",
    "BaseSmoother",
    "FeatureSmoothing",
    "RankSim",
    "calibrate_features",
    "fill_empty_bins",
    "make_penalty",
    "make_smoother",
    "ranksim_penalty",
    "smooth_along_bins",
]
