"""A model zoo by application domain: find a domain's plugin, train it on your own files.

Importing this package imports no machine-learning library; each name below is loaded
when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "zoo.api": (
        "check_data",
        "dataset",
        "datasets",
        "evaluate",
        "info",
        "load",
        "model",
        "models",
        "plugins",
        "predict",
        "recipes",
        "report",
        "strategies",
        "strategy",
        "task",
        "tasks",
        "train",
    ),
    "zoo.components": (
        "Augmentation",
        "Baseline",
        "Component",
        "Data",
        "Dataset",
        "DatasetInfo",
        "Examples",
        "Figure",
        "Finding",
        "Metric",
        "Model",
        "Preprocessing",
        "Space",
        "Strategy",
        "Task",
        "Tensor",
        "setting",
    ),
    "zoo.specs": (
        "CONTRACT",
        "DatasetSpec",
        "ModelSpec",
        "RecipeSpec",
        "StrategySpec",
        "TaskSpec",
    ),
    "zoo.hookspecs": ("hookimpl",),
    "zoo.errors": (
        "AmbiguousPluginError",
        "ConfigError",
        "DataError",
        "DivergedError",
        "ExitCode",
        "MissingRequirementError",
        "PluginError",
        "StorageError",
        "UnknownNameError",
        "ZooError",
        "nearest",
    ),
    "zoo.data.examples": ("Columns", "all_rows", "object_column"),
    "zoo.data.splits": ("split_by_group", "split_by_time", "split_stratified"),
    "zoo.layers": ("leaf_layers",),
    "zoo.evaluation.ranking": ("Ranking",),
    "zoo.evaluation.calibration": ("expected_calibration_error", "fit_temperature"),
    "zoo.reporting": ("charts",),
    "zoo.settings": ("offline",),
    "zoo.storage": ("publish_file", "publish_folder"),
    "zoo.bundle": ("Bundle",),
    "zoo.runs": ("Run",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
