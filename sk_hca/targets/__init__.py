"""From targets to what the classifiers should say."""

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

__all__ = [
    "LABELS",
    "BaseLabels",
    "GaussianLabels",
    "HistogramGaussianLabels",
    "OneHotLabels",
    "class_index",
    "class_position",
    "gaussian_labels",
    "histogram_gaussian_labels",
    "make_labels",
    "smoothing_window",
]
