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
            summary="Says which class a row of a table belongs to.",
            implementation="zoo_newplugin.task:ClassifyRows",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="mlp",
            summary="Multilayer perceptron on numbers and embedded categories.",
            implementation="zoo_newplugin.models:MLP",
            tasks=TASKS,
            reference="arXiv:2106.11959",
        )
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="rows",
            summary="Numbers and categories in CSV, TSV or JSONL files.",
            implementation="zoo_newplugin.datasets:LabelledTable",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="customers",
            summary="Generated customers who leave, stay or upgrade.",
            implementation="zoo_newplugin.datasets:Customers",
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
            summary="Trains a classifier on your tables, from scratch or from an earlier run.",
            task="classes",
            model="mlp",
            dataset="rows",
            sample="customers",
            strategy="data-parallel",
            settings={
                "train.batch_size": 64,
                "train.learning_rate": 2e-3,
                "train.weight_decay": 0.01,
                "train.keep": "last",
                "train.stages": [
                    {"name": "head", "when": "transfer", "trainable": ["head"], "steps": 100},
                    {"name": "all", "epochs": 30, "steps": 1500},
                ],
            },
            trial={
                "data.examples": 400,
                "model.width": 32,
                "evaluation.samples": 20,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 100}],
            },
            default=True,
        )
    ]
