"""How fraud recipes are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class LargeBatch(zoo.Strategy):
    """Data-parallel, with the recipe's batch on each replica.

    Transactions are small, so a device is busy only with thousands of them at once. The
    learning rate grows with the square root of the batch, as suits AdamW
    (arXiv:2205.10287).
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "per-replica", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "sqrt", "How learning rates grow with the global batch."
    )
