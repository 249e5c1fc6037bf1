"""From a distribution over classes to a number."""

from sk_hca.prediction._decoders import (
    DECODERS,
    ArgmaxDecoder,
    BaseDecoder,
    MeanDecoder,
    MedianDecoder,
    decode_argmax,
    decode_mean,
    decode_quantile,
    make_decoder,
)

__all__ = [
    "DECODERS",
    "ArgmaxDecoder",
    "BaseDecoder",
    "MeanDecoder",
    "MedianDecoder",
    "decode_argmax",
    "decode_mean",
    "decode_quantile",
    "make_decoder",
]
