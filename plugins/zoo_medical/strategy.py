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

    kind: Literal["auto", "single", "mirrored"] = zoo.setting(
        "auto", "`auto` uses all GPUs of this machine, else one device."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = zoo.setting(
        "auto", "Compute type; `auto` takes bfloat16 where the hardware has it."
    )
    batch: Literal["global", "per-replica"] = zoo.setting(
        "global", "Whether `train.batch_size` is shared by the replicas or given to each."
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "none", "How learning rates grow with the global batch."
    )
