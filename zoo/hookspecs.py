"""The hooks a plugin implements, all of them optional.

A plugin is a light module, named by an entry point in the group ``zoo.plugins``:

.. code-block:: toml

    [project.entry-points."zoo.plugins"]
    ocr = "zoo_ocr.plugin"

.. code-block:: python

    # zoo_ocr/plugin.py
    import zoo

    ZOO_CONTRACT = 1

    @zoo.hookimpl
    def zoo_models():
        return [
            zoo.ModelSpec(
                name="crnn",
                summary="Convolutional recurrent network for lines of text.",
                implementation="zoo_ocr.models:CRNN",
                tasks=("ocr/lines",),
            )
        ]

`ZOO_CONTRACT` says which contract the plugin was written for; it is read before the module is
imported, so it stands there as a plain number. The requirements of a
plugin are those of its distribution, and of the distribution's extra with the plugin's
name where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from zoo.specs import DatasetSpec, MetricsSpec, ModelSpec, RecipeSpec, StrategySpec, TaskSpec

PROJECT = "zoo"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def zoo_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Return the tasks of this domain.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_tasks():
            return [
                zoo.TaskSpec(
                    name="lines",
                    summary="Reads a line of text in an image.",
                    implementation="zoo_ocr.task:ReadLines",
                )
            ]
    """


@hookspec
def zoo_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Return the architectures of this domain.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_models():
            return [
                zoo.ModelSpec(
                    name="crnn",
                    summary="Convolutional recurrent network for lines of text.",
                    implementation="zoo_ocr.models:CRNN",
                    tasks=("ocr/lines",),
                    reference="arXiv:1507.05717",
                )
            ]
    """


@hookspec
def zoo_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the dataset loaders of this domain, the built-in generator among them.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_datasets():
            return [
                zoo.DatasetSpec(
                    name="folder",
                    summary="A folder of line images with a text file each.",
                    implementation="zoo_ocr.data:Folder",
                    tasks=("ocr/lines",),
                )
            ]
    """


@hookspec
def zoo_strategies() -> Iterable[StrategySpec]:  # type: ignore[empty-body]
    """Return the ways in which recipes of this domain are spread over devices.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_strategies():
            return [
                zoo.StrategySpec(
                    name="data-parallel",
                    summary="All devices of this machine, linear learning-rate scaling.",
                    implementation="zoo_ocr.strategy:DataParallel",
                )
            ]
    """


@hookspec
def zoo_metrics() -> Iterable[MetricsSpec]:  # type: ignore[empty-body]
    """Return metrics beside those of a task, which a recipe or a user may ask for.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_metrics():
            return [
                zoo.MetricsSpec(
                    name="accents",
                    summary="Error rates of letters with accents.",
                    implementation="zoo_ocr.metrics:Accents",
                    tasks=("ocr/lines",),
                )
            ]
    """


@hookspec
def zoo_recipes() -> Iterable[RecipeSpec]:  # type: ignore[empty-body]
    """Return the recipes of this domain.

    .. code-block:: python

        @zoo.hookimpl
        def zoo_recipes():
            return [
                zoo.RecipeSpec(
                    name="finetune",
                    summary="Fine-tunes a reader on a folder of line images.",
                    task="lines",
                    model="crnn",
                    dataset="folder",
                    sample="generator",
                    strategy="data-parallel",
                    settings={"train.learning_rate": 1e-3},
                    default=True,
                )
            ]
    """
