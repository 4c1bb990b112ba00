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

    precision: Literal["auto", "float32", "bfloat16", "float16"] = zoo.setting(
        "float32",
        "Compute type. The models are so small that a 16-bit one is no faster on a CPU; "
        "`auto` takes bfloat16 where the hardware has it.",
    )
    batch: Literal["global", "per-replica"] = zoo.setting(
        "per-replica", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "sqrt", "How learning rates grow with the global batch."
    )
