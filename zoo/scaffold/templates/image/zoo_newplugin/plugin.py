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
            summary="Says which class a picture belongs to.",
            implementation="zoo_newplugin.task:ClassifyPictures",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="convnet",
            summary="Small residual convolutional network, made to train fast on a CPU.",
            implementation="zoo_newplugin.models:ConvNet",
            tasks=TASKS,
            reference="arXiv:1512.03385",
        )
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="folders",
            summary="PNG and JPEG files, in a folder for each class.",
            implementation="zoo_newplugin.datasets:LabelledPictures",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="textures",
            summary="Generated textures of four kinds.",
            implementation="zoo_newplugin.datasets:Textures",
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
            summary="Trains a classifier on your pictures, from scratch or from an earlier run.",
            task="classes",
            model="convnet",
            dataset="folders",
            sample="textures",
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
                "data.side": 32,
                "task.size": 32,
                "model.width": 8,
                "evaluation.samples": 20,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 80}],
            },
            default=True,
        )
    ]
