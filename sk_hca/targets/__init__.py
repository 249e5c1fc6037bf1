"""From targets to what the classifiers should say, and to what each weighs."""

from sk_hca.base import smoothing_window
from sk_hca.targets._labels import (
    LABELS,
    BaseLabels,
    GaussianLabels,
    HistogramGaussianLabels,
    OneHotLabels,
    class_index,
    class_position,
    gaussian_labels,
    histogram_gaussian_labels,
    make_labels,
)
from sk_hca.targets._weightings import (
    WEIGHTINGS,
    BaseWeighting,
    DenseWeighting,
    InverseWeighting,
    LDSWeighting,
    make_weighting,
)
from sk_hca.targets._weights import dense_weights, lds_weights

__all__ = [
    "LABELS",
    "WEIGHTINGS",
    "BaseLabels",
    "BaseWeighting",
    "DenseWeighting",
    "GaussianLabels",
    "HistogramGaussianLabels",
    "InverseWeighting",
    "LDSWeighting",
    "OneHotLabels",
    "class_index",
    "class_position",
    "dense_weights",
    "gaussian_labels",
    "histogram_gaussian_labels",
    "lds_weights",
    "make_labels",
    "make_weighting",
    "smoothing_window",
]
