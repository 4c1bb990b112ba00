"""How translation recipes are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class TokenParallel(zoo.Strategy):
    """Data-parallel, with the recipe's tokens on each replica.

    A step has as many tokens on each device as the recipe has on one. With
    `train.accumulate` a few devices reach the global batch of many. The learning rate grows
    with the square root of the batch, as Adam's noise does (arXiv:2205.10287).
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "per-replica",
        "Whether `train.batch_tokens` and `train.batch_size` are shared by the replicas or given "
        "to each.",
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "sqrt", "How learning rates grow with the global batch."
    )
