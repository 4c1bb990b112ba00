"""What the `vision` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

from typing import Any

import zoo

ZOO_CONTRACT = 1
TASKS = ("vision/detection",)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="detection",
            summary="Finds objects in pictures and videos and puts a box around each.",
            implementation="zoo_vision.task:DetectObjects",
            reference="https://cocodataset.org/#detection-eval",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="compact",
            summary="Anchor-free detector of full convolutions, made to train fast on a CPU.",
            implementation="zoo_vision.models.compact:Compact",
            tasks=TASKS,
            backends=("tensorflow", "jax"),
            reference="arXiv:2107.08430, arXiv:2108.07755",
        ),
        zoo.ModelSpec(
            name="yolov8",
            summary="YOLOv8 of KerasCV, in five sizes.",
            implementation="zoo_vision.models.keras_cv_yolo:YOLOv8",
            tasks=TASKS,
            reference="https://keras.io/keras_cv/api/models/tasks/yolo_v8_detector",
        ),
        zoo.ModelSpec(
            name="retinanet",
            summary="RetinaNet of Keras Hub: a ResNet with a feature pyramid and anchors.",
            implementation="zoo_vision.models.hub_models:RetinaNet",
            tasks=TASKS,
            reference="arXiv:1708.02002",
        ),
        zoo.ModelSpec(
            name="dfine",
            summary="D-FINE of Keras Hub: a detection Transformer without anchors or NMS.",
            implementation="zoo_vision.models.hub_models:DFine",
            tasks=TASKS,
            reference="arXiv:2410.13842",
        ),
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="boxes",
            summary="Pictures with boxes as COCO, Pascal VOC or YOLO files, or a TFDS name.",
            implementation="zoo_vision.data.datasets:Boxes",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="scenes",
            summary="Generated textured scenes with shapes of many sizes.",
            implementation="zoo_vision.scenes.dataset:Scenes",
            tasks=TASKS,
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="synchronised",
            summary="All devices of this machine, a batch on each, normalisation over all.",
            implementation="zoo_vision.strategy:Synchronised",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        _recipe(
            "finetune",
            "Trains a detector on your pictures, from scratch or from earlier weights.",
            "compact",
            {"train.learning_rate": 2e-3, "train.weight_decay": 0.02},
            default=True,
        ),
        _recipe(
            "yolov8",
            "The same with YOLOv8, whose published weights it can start from.",
            "yolov8",
            {"train.learning_rate": 1e-3, "train.weight_decay": 0.02},
        ),
        _recipe(
            "retinanet",
            "The same with RetinaNet; made for a GPU and published weights.",
            "retinanet",
            {"train.learning_rate": 1e-4, "train.batch_size": 8},
        ),
        _recipe(
            "dfine",
            "The same with D-FINE; made for a GPU and published weights.",
            "dfine",
            # Its matching runs outside the graph that XLA could compile.
            {"train.learning_rate": 1e-4, "train.batch_size": 8, "strategy.xla": "off"},
        ),
    ]


def _recipe(
    name: str, summary: str, model: str, settings: dict[str, Any], *, default: bool = False
) -> zoo.RecipeSpec:
    """Return the recipe of a model: alike for all but how fast they may learn."""
    peak = settings["train.learning_rate"]
    return zoo.RecipeSpec(
        name=name,
        summary=summary,
        task="detection",
        model=model,
        dataset="boxes",
        sample="scenes",
        strategy="synchronised",
        settings={
            "evaluation.batch_size": 16,
            "train.batch_size": 16,
            "train.clip_norm": 10.0,
            "train.ema": 0.998,
            "train.validate_every": 2.0,
            "train.stages": [
                {
                    "name": "head",
                    "when": "transfer",
                    "trainable": ["head"],
                    "batchnorm": "freeze",
                    "epochs": 10,
                    "steps": 200,
                },
                {
                    "name": "neck",
                    "when": "transfer",
                    "trainable": ["neck", "head"],
                    "epochs": 20,
                    "steps": 400,
                },
                {
                    "name": "all",
                    "when": "transfer",
                    "epochs": 150,
                    "steps": 4000,
                    "learning_rate": peak / 2,
                    "layer_decay": 0.8,
                },
                {"name": "scratch", "when": "scratch", "epochs": 350, "steps": 6000},
            ],
            **settings,
        },
        trial={
            "data.height": 96,
            "data.images": 20,
            "data.width": 96,
            "evaluation.samples": 20,
            "task.mosaic": 0.0,
            "task.size": 96,
            "train.batch_size": 4,
            # Later on the loss rises for a while: it chooses its targets by the model's scores.
            "train.stages": [{"steps": 16}],
            "train.validate_every": 100.0,
        },
        default=default,
    )
