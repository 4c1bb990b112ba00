"""How medical recipes are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class Mirrored(zoo.Strategy):
    """Data-parallel in bfloat16, with one batch that the replicas share.

    Volumes are so large that a device holds few of them. `train.accumulate` averages the
    gradients of several steps for one update, so that a small device trains what a large one
    does. Weights and normalisation stay in float32, and the latter goes over all replicas.
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "global", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "none", "How learning rates grow with the global batch."
    )
