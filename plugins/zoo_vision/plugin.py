"""What the `vision` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

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
            implementation="zoo_vision.detector:Compact",
            tasks=TASKS,
            reference="arXiv:2107.08430, arXiv:2108.07755",
        ),
        zoo.ModelSpec(
            name="yolov8",
            summary="YOLOv8 of KerasCV, in five sizes.",
            implementation="zoo_vision.keras_cv_yolo:YOLOv8",
            tasks=TASKS,
            reference="https://keras.io/keras_cv/api/models/tasks/yolo_v8_detector",
        ),
        zoo.ModelSpec(
            name="retinanet",
            summary="RetinaNet of Keras Hub: a ResNet with a feature pyramid and anchors.",
            implementation="zoo_vision.hub_models:RetinaNet",
            tasks=TASKS,
            reference="arXiv:1708.02002",
        ),
        zoo.ModelSpec(
            name="dfine",
            summary="D-FINE of Keras Hub: a detection Transformer without anchors or NMS.",
            implementation="zoo_vision.hub_models:DFine",
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
            implementation="zoo_vision.datasets:Boxes",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="scenes",
            summary="Generated textured scenes with shapes of many sizes.",
            implementation="zoo_vision.scenes:Scenes",
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
        zoo.RecipeSpec(
            name="finetune",
            summary="Trains a detector on your pictures, from scratch or from earlier weights.",
            task="detection",
            model="compact",
            dataset="boxes",
            sample="scenes",
            strategy="synchronised",
            settings={
                "evaluation.batch_size": 16,
                "train.batch_size": 16,
                "train.learning_rate": 2e-3,
                "train.weight_decay": 0.02,
                "train.clip_norm": 10.0,
                "train.ema": 0.998,
                "train.stages": [
                    {
                        "name": "head",
                        "when": "transfer",
                        "trainable": ["head*"],
                        "epochs": 5,
                        "learning_rate": 1e-3,
                    },
                    {
                        "name": "neck",
                        "when": "transfer",
                        "trainable": ["neck*", "head*"],
                        "epochs": 10,
                        "learning_rate": 1e-3,
                    },
                    {
                        "name": "all",
                        "when": "transfer",
                        "epochs": 60,
                        "learning_rate": 5e-4,
                        "layer_decay": 0.8,
                    },
                    {"name": "scratch", "when": "scratch", "epochs": 150},
                ],
            },
            default=True,
        )
    ]
