"""From a distribution over classes to numbers: targets, quantiles, intervals."""

from sk_hca.prediction._conformal import (
    conformal_hull,
    conformal_margin,
    conformity_scores,
    least_calibration_samples,
    pool_regions,
)
from sk_hca.prediction._decoders import (
    DECODERS,
    ArgmaxDecoder,
    BaseDecoder,
    DebiasedMeanDecoder,
    MeanDecoder,
    MedianDecoder,
    QuantileDecoder,
    decode_argmax,
    decode_debiased_mean,
    decode_mean,
    decode_quantile,
    decode_quantiles,
    interval_levels,
    make_decoder,
)
from sk_hca.prediction._distribution import BinnedDistribution

__all__ = [
    "DECODERS",
    "ArgmaxDecoder",
    "BaseDecoder",
    "BinnedDistribution",
    "DebiasedMeanDecoder",
    "MeanDecoder",
    "MedianDecoder",
    "QuantileDecoder",
    "conformal_hull",
    "conformal_margin",
    "conformity_scores",
    "decode_argmax",
    "decode_debiased_mean",
    "decode_mean",
    "decode_quantile",
    "decode_quantiles",
    "interval_levels",
    "least_calibration_samples",
    "make_decoder",
    "pool_regions",
]
