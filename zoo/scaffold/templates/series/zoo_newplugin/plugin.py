"""What this plugin offers. Light: implementations load on first use."""

from __future__ import annotations

import zoo

ZOO_CONTRACT = 1
TASKS = ("newplugin/classes",)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="classes",
            summary="Says which class a time series belongs to.",
            implementation="zoo_newplugin.task:ClassifySeries",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="dilated-net",
            summary="Dilated convolutions, which see far back at little cost.",
            implementation="zoo_newplugin.models:DilatedNet",
            tasks=TASKS,
            reference="arXiv:1803.01271",
        )
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="folders",
            summary="CSV files with a series each, in a folder for each class.",
            implementation="zoo_newplugin.datasets:LabelledSeries",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="machines",
            summary="Generated vibration of machines with three faults and none.",
            implementation="zoo_newplugin.datasets:Machines",
            tasks=TASKS,
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="data-parallel",
            summary="All devices of this machine, a batch on each, scaled learning rate.",
            implementation="zoo_newplugin.strategy:DataParallel",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        zoo.RecipeSpec(
            name="finetune",
            summary="Trains a classifier on your series, from scratch or from an earlier run.",
            task="classes",
            model="dilated-net",
            dataset="folders",
            sample="machines",
            strategy="data-parallel",
            settings={
                "train.batch_size": 32,
                "train.learning_rate": 2e-3,
                "train.weight_decay": 0.01,
                "train.keep": "last",
                "train.stages": [
                    {"name": "head", "when": "transfer", "trainable": ["head"], "steps": 100},
                    {"name": "all", "epochs": 30, "steps": 500},
                ],
            },
            trial={
                "data.examples": 120,
                "data.steps": 200,
                "task.steps": 64,
                "model.width": 16,
                "evaluation.samples": 20,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 80}],
            },
            default=True,
        )
    ]
