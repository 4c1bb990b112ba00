"""How speech recipes are spread over devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class SecondsParallel(zoo.Strategy):
    """Data-parallel, with a global batch in seconds of audio that the replicas share.

    `train.batch_tokens` counts hundredths of a second, and recordings of alike length make a
    batch. What is trained is so the same on one device as on several; with batches larger by
    the number of replicas, the learning rate may grow with their square root.
    """

    batch: Literal["global", "per-replica"] = zoo.setting(
        "global",
        "Whether `train.batch_tokens` and `train.batch_size` are shared by the replicas or given "
        "to each.",
    )
    learning_rate_scaling: Literal["none", "linear", "sqrt"] = zoo.setting(
        "sqrt", "How learning rates grow with the global batch."
    )
