"""Networks: what turns inputs into features, and the heads on them."""

from sk_hca.backbones._committee import Committee, CommitteeHeads
from sk_hca.backbones._embeddings import (
    ColumnViews,
    PeriodicEmbedding,
    PiecewiseEncoding,
)
from sk_hca.backbones._extractor import Extractor
from sk_hca.backbones._heads import (
    AnchoredHeads,
    FusedHeads,
    LocationHead,
    LocationScaleHead,
    Student,
    linear,
)
from sk_hca.backbones._images import ConvBackbone, TimmBackbone, TorchvisionBackbone
from sk_hca.backbones._inputs import Inputs
from sk_hca.backbones._maps import DepthBackbone, UNetBackbone
from sk_hca.backbones._mlp import BaseBackbone, MLPBackbone
from sk_hca.backbones._network import Network, SmoothedNetwork
from sk_hca.backbones._registry import (
    BACKBONES,
    ModuleBackbone,
    feature_shape,
    make_backbone,
)

__all__ = [
    "BACKBONES",
    "AnchoredHeads",
    "BaseBackbone",
    "ColumnViews",
    "Committee",
    "CommitteeHeads",
    "ConvBackbone",
    "DepthBackbone",
    "Extractor",
    "FusedHeads",
    "Inputs",
    "LocationHead",
    "LocationScaleHead",
    "MLPBackbone",
    "ModuleBackbone",
    "Network",
    "PeriodicEmbedding",
    "PiecewiseEncoding",
    "SmoothedNetwork",
    "Student",
    "TimmBackbone",
    "TorchvisionBackbone",
    "UNetBackbone",
    "feature_shape",
    "linear",
    "make_backbone",
]
