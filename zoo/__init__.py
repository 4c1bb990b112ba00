"""A model zoo by application domain: find a domain's plugin, train it on your own files.

Importing this package imports no machine-learning library; each name below is loaded
when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The same names as below, for type checkers and editors.
    from zoo.api import (
        check_data as check_data,
        dataset as dataset,
        datasets as datasets,
        evaluate as evaluate,
        info as info,
        load as load,
        metrics as metrics,
        model as model,
        models as models,
        plugins as plugins,
        predict as predict,
        prefetch as prefetch,
        recipes as recipes,
        report as report,
        resume as resume,
        strategies as strategies,
        strategy as strategy,
        task as task,
        tasks as tasks,
        train as train,
    )
    from zoo.bundle import (
        Bundle as Bundle,
    )
    from zoo.classification.baselines import (
        classical_baseline as classical_baseline,
        most_frequent_class as most_frequent_class,
    )
    from zoo.classification.checks import (
        class_findings as class_findings,
    )
    from zoo.classification.files import (
        ExampleFile as ExampleFile,
        FileListing as FileListing,
        LabelledFiles as LabelledFiles,
        ListedFile as ListedFile,
    )
    from zoo.classification.generated import (
        GeneratedData as GeneratedData,
    )
    from zoo.classification.labelled import (
        FoundExamples as FoundExamples,
        LabelledData as LabelledData,
    )
    from zoo.classification.metrics import (
        Confusion as Confusion,
        OneVersusRest as OneVersusRest,
        class_predictions as class_predictions,
    )
    from zoo.classification.preprocessing import (
        ClassPreprocessing as ClassPreprocessing,
    )
    from zoo.classification.rows import (
        LabelledRows as LabelledRows,
        ParsedRows as ParsedRows,
    )
    from zoo.classification.stretches import (
        StretchClassification as StretchClassification,
        cut_stretches as cut_stretches,
    )
    from zoo.classification.subgroups import (
        subgroup_table as subgroup_table,
    )
    from zoo.classification.tables import (
        TableRow as TableRow,
    )
    from zoo.classification.task import (
        Classification as Classification,
    )
    from zoo.components import (
        Augmentation as Augmentation,
        Baseline as Baseline,
        Batch as Batch,
        Component as Component,
        Data as Data,
        Dataset as Dataset,
        DatasetInfo as DatasetInfo,
        Examples as Examples,
        Figure as Figure,
        Finding as Finding,
        Metric as Metric,
        Metrics as Metrics,
        Model as Model,
        Preprocessing as Preprocessing,
        Space as Space,
        Strategy as Strategy,
        Task as Task,
        Tensor as Tensor,
        setting as setting,
    )
    from zoo.data.examples import (
        Columns as Columns,
        all_rows as all_rows,
        object_column as object_column,
    )
    from zoo.data.findings import (
        limited_findings as limited_findings,
    )
    from zoo.data.grouped import (
        SPLITS as SPLITS,
        GroupedSplits as GroupedSplits,
        copy_findings as copy_findings,
        equal_pairs as equal_pairs,
    )
    from zoo.data.near_copies import (
        near_copies as near_copies,
    )
    from zoo.data.splits import (
        split_by_group as split_by_group,
        split_by_time as split_by_time,
        split_stratified as split_stratified,
    )
    from zoo.data.tfds import (
        tfds_builder as tfds_builder,
        tfds_fingerprint as tfds_fingerprint,
        tfds_name as tfds_name,
    )
    from zoo.deprecation import (
        Former as Former,
        ZooDeprecationWarning as ZooDeprecationWarning,
        renamed_argument as renamed_argument,
    )
    from zoo.differentiation import (
        gradients as gradients,
    )
    from zoo.distribution.randomness import (
        uniform_by_example as uniform_by_example,
    )
    from zoo.distribution.replicas import (
        across_replicas as across_replicas,
    )
    from zoo.errors import (
        AmbiguousPluginError as AmbiguousPluginError,
        ConfigError as ConfigError,
        DataError as DataError,
        DivergedError as DivergedError,
        ExitCode as ExitCode,
        MissingRequirementError as MissingRequirementError,
        PluginError as PluginError,
        StorageError as StorageError,
        UnknownNameError as UnknownNameError,
        WorkerError as WorkerError,
        ZooError as ZooError,
        nearest as nearest,
    )
    from zoo.evaluation.calibration import (
        expected_calibration_error as expected_calibration_error,
        fit_temperature as fit_temperature,
    )
    from zoo.evaluation.ranking import (
        Ranking as Ranking,
    )
    from zoo.hookspecs import (
        hookimpl as hookimpl,
    )
    from zoo.layers import (
        FastDropout as FastDropout,
        FusedBatchNormalization as FusedBatchNormalization,
        RootMeanSquare as RootMeanSquare,
    )
    from zoo.presets import (
        copy_preset as copy_preset,
        hub_presets as hub_presets,
        preset as preset,
    )
    from zoo.reporting import (
        charts as charts,
    )
    from zoo.runs import (
        Run as Run,
    )
    from zoo.settings import (
        offline as offline,
    )
    from zoo.specs import (
        CONTRACT as CONTRACT,
        DatasetSpec as DatasetSpec,
        MetricsSpec as MetricsSpec,
        ModelSpec as ModelSpec,
        RecipeSpec as RecipeSpec,
        StrategySpec as StrategySpec,
        TaskSpec as TaskSpec,
    )
    from zoo.storage import (
        fingerprint as fingerprint,
        publish_file as publish_file,
        publish_folder as publish_folder,
    )
    from zoo.weights import (
        Carrier as Carrier,
        copy_equal as copy_equal,
        copy_places as copy_places,
        leaf_layers as leaf_layers,
        shared_places as shared_places,
    )

__version__ = "0.1.0"

_EXPORTS = {
    "zoo.api": (
        "check_data",
        "dataset",
        "datasets",
        "evaluate",
        "info",
        "load",
        "metrics",
        "model",
        "models",
        "plugins",
        "predict",
        "prefetch",
        "recipes",
        "report",
        "resume",
        "strategies",
        "strategy",
        "task",
        "tasks",
        "train",
    ),
    "zoo.components": (
        "Augmentation",
        "Baseline",
        "Batch",
        "Component",
        "Data",
        "Dataset",
        "DatasetInfo",
        "Examples",
        "Figure",
        "Finding",
        "Metric",
        "Metrics",
        "Model",
        "Preprocessing",
        "Space",
        "Strategy",
        "Task",
        "Tensor",
        "setting",
    ),
    "zoo.classification.baselines": ("classical_baseline", "most_frequent_class"),
    "zoo.classification.checks": ("class_findings",),
    "zoo.classification.files": ("ExampleFile", "FileListing", "LabelledFiles", "ListedFile"),
    "zoo.classification.generated": ("GeneratedData",),
    "zoo.classification.labelled": ("FoundExamples", "LabelledData"),
    "zoo.classification.metrics": ("Confusion", "OneVersusRest", "class_predictions"),
    "zoo.classification.preprocessing": ("ClassPreprocessing",),
    "zoo.classification.rows": ("LabelledRows", "ParsedRows"),
    "zoo.classification.stretches": ("StretchClassification", "cut_stretches"),
    "zoo.classification.subgroups": ("subgroup_table",),
    "zoo.classification.tables": ("TableRow",),
    "zoo.classification.task": ("Classification",),
    "zoo.specs": (
        "CONTRACT",
        "DatasetSpec",
        "MetricsSpec",
        "ModelSpec",
        "RecipeSpec",
        "StrategySpec",
        "TaskSpec",
    ),
    "zoo.hookspecs": ("hookimpl",),
    "zoo.deprecation": ("Former", "ZooDeprecationWarning", "renamed_argument"),
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
        "WorkerError",
        "ZooError",
        "nearest",
    ),
    "zoo.data.examples": ("Columns", "all_rows", "object_column"),
    "zoo.data.findings": ("limited_findings",),
    "zoo.data.grouped": ("SPLITS", "GroupedSplits", "copy_findings", "equal_pairs"),
    "zoo.data.near_copies": ("near_copies",),
    "zoo.data.splits": ("split_by_group", "split_by_time", "split_stratified"),
    "zoo.data.tfds": ("tfds_builder", "tfds_fingerprint", "tfds_name"),
    "zoo.differentiation": ("gradients",),
    "zoo.distribution.randomness": ("uniform_by_example",),
    "zoo.distribution.replicas": ("across_replicas",),
    "zoo.evaluation.ranking": ("Ranking",),
    "zoo.evaluation.calibration": ("expected_calibration_error", "fit_temperature"),
    "zoo.layers": ("FastDropout", "FusedBatchNormalization", "RootMeanSquare"),
    "zoo.presets": ("copy_preset", "hub_presets", "preset"),
    "zoo.reporting": ("charts",),
    "zoo.settings": ("offline",),
    "zoo.storage": ("fingerprint", "publish_file", "publish_folder"),
    "zoo.weights": ("Carrier", "copy_equal", "copy_places", "leaf_layers", "shared_places"),
    "zoo.bundle": ("Bundle",),
    "zoo.runs": ("Run",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        deprecation = importlib.import_module("zoo.deprecation")
        found = deprecation.find(name, deprecation.NAMES)
        if found is None:
            raise AttributeError(f"module 'zoo' has no attribute {name!r}")
        present, former = found
        former.admit(f"zoo.{name}", f"zoo.{present}", AttributeError)
        return getattr(sys.modules[__name__], present)
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
