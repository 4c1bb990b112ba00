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
            summary="Says which class a recording belongs to.",
            implementation="zoo_newplugin.task:ClassifyRecordings",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="spectrogram-net",
            summary="Convolutions over the log-mel spectrogram of a recording.",
            implementation="zoo_newplugin.models:SpectrogramNet",
            tasks=TASKS,
            reference="arXiv:1609.09430",
        )
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="folders",
            summary="WAV files, in a folder for each class.",
            implementation="zoo_newplugin.datasets:LabelledRecordings",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="whistles",
            summary="Generated whistles of four kinds in noise.",
            implementation="zoo_newplugin.datasets:Whistles",
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
            summary="Trains a classifier on your recordings, from scratch or from an earlier run.",
            task="classes",
            model="spectrogram-net",
            dataset="folders",
            sample="whistles",
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
                "data.rate": 4000,
                "task.seconds": 0.5,
                "model.width": 8,
                "evaluation.samples": 20,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 80}],
            },
            default=True,
        )
    ]
