"""How vision recipes are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class Synchronised(zoo.Strategy):
    """Data-parallel, with the recipe's batch on each replica and normalisation over all.

    Pictures are so large that a replica has few of them at once, too few for statistics of
    its own. The learning rate grows with the batch (arXiv:1706.02677).
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "per-replica", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "linear", "How learning rates grow with the global batch."
    )
