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
            summary="Says which class a text belongs to.",
            implementation="zoo_newplugin.task:ClassifyTexts",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="textconv",
            summary="Convolutions over words, and the strongest response of each.",
            implementation="zoo_newplugin.models:TextConv",
            tasks=TASKS,
            reference="arXiv:1408.5882",
        )
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="rows",
            summary="Texts with their classes in CSV, TSV or JSONL files.",
            implementation="zoo_newplugin.datasets:LabelledTexts",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="messages",
            summary="Generated messages of customers, in four kinds.",
            implementation="zoo_newplugin.datasets:Messages",
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
            summary="Trains a classifier on your texts, from scratch or from an earlier run.",
            task="classes",
            model="textconv",
            dataset="rows",
            sample="messages",
            strategy="data-parallel",
            settings={
                "train.batch_size": 32,
                "train.learning_rate": 2e-3,
                "train.weight_decay": 0.01,
                "train.keep": "last",
                "train.stages": [
                    {"name": "head", "when": "transfer", "trainable": ["head"], "steps": 100},
                    {"name": "all", "epochs": 30, "steps": 600},
                ],
            },
            trial={
                "data.examples": 200,
                "model.width": 16,
                "evaluation.samples": 20,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 60}],
            },
            default=True,
        )
    ]
