"""How a run uses the machine: replicas, precision and XLA, or a model shared among devices."""

from __future__ import annotations

from zoo.distribution.distribution import Distribution, distribute
from zoo.distribution.precision import cpu_flags
from zoo.distribution.sharding import ModelParallel, model_parallel

__all__ = ["Distribution", "ModelParallel", "cpu_flags", "distribute", "model_parallel"]
