"""How recipes of this domain are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class DataParallel(zoo.Strategy):
    """All devices of this machine, the recipe's batch on each, the learning rate with its root.

    A network with batch normalisation would need its statistics synchronised over devices;
    those here normalise each example by itself.
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "per-replica", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "sqrt", "How learning rates grow with the global batch."
    )
