"""Training: batches, one stage of gradient descent, and what watches over it."""

from sk_hca.training._batches import (
    ArrayDataset,
    ItemDataset,
    TargetDataset,
    as_input,
    batches,
    items_at,
)
from sk_hca.training._callbacks import FiniteLoss, without_validation
from sk_hca.training._feeding import (
    PrefetchedBatches,
    ResidentBatches,
    feed,
    one_pass,
)
from sk_hca.training._net import OPTIMIZERS, StageNet
from sk_hca.training._script import pickled
from sk_hca.training._stages import (
    StageSettings,
    continue_stage,
    read_network,
    start_stage,
    train_stage,
)

__all__ = [
    "OPTIMIZERS",
    "ArrayDataset",
    "FiniteLoss",
    "ItemDataset",
    "PrefetchedBatches",
    "ResidentBatches",
    "StageNet",
    "StageSettings",
    "TargetDataset",
    "as_input",
    "batches",
    "continue_stage",
    "feed",
    "items_at",
    "one_pass",
    "pickled",
    "read_network",
    "start_stage",
    "train_stage",
    "without_validation",
]
