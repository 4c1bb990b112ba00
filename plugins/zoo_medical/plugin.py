"""What the `medical` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

from typing import Any

import zoo

ZOO_CONTRACT = 1
CLASSIFY, FINDINGS = "medical/classify", "medical/findings"
SEGMENT, PRETRAIN, CONTRAST = "medical/segment", "medical/pretrain", "medical/contrast"
WHOLE_SCANS = (CLASSIFY, FINDINGS)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="classify",
            summary="Says which class a scan is of, with an operating point and calibration.",
            implementation="zoo_medical.tasks.classify:Classify",
            reference="https://medmnist.com",
        ),
        zoo.TaskSpec(
            name="findings",
            summary="Says which of several findings are to be seen in a scan.",
            implementation="zoo_medical.tasks.findings:Findings",
            reference="arXiv:1901.07031",
        ),
        zoo.TaskSpec(
            name="segment",
            summary="Says of each pixel of a picture or volume which class it is of.",
            implementation="zoo_medical.tasks.segment:Segment",
            reference="https://doi.org/10.1038/s41592-020-01008-z",
        ),
        zoo.TaskSpec(
            name="pretrain",
            summary="Fills in what is hidden of scans, to start other tasks without labels.",
            implementation="zoo_medical.tasks.pretrain:Pretrain",
            reference="arXiv:2111.09886",
        ),
        zoo.TaskSpec(
            name="contrast",
            summary="Tells scans apart by parts of them, to start other tasks without labels.",
            implementation="zoo_medical.tasks.contrast:Contrast",
            reference="arXiv:2002.05709",
        ),
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="resnet",
            summary="Residual network for pictures and volumes, also for very small ones.",
            implementation="zoo_medical.models.classifiers:ResNet",
            tasks=(*WHOLE_SCANS, PRETRAIN, CONTRAST),
            reference="arXiv:1512.03385",
        ),
        zoo.ModelSpec(
            name="convnext",
            summary="Network of wide depthwise convolutions, for pictures.",
            implementation="zoo_medical.models.classifiers:ConvNeXt",
            tasks=(*WHOLE_SCANS, PRETRAIN, CONTRAST),
            reference="arXiv:2201.03545",
        ),
        zoo.ModelSpec(
            name="vit",
            summary="Vision Transformer of Keras Hub, whose published weights it can start from.",
            implementation="zoo_medical.models.hub_models:ViT",
            tasks=(*WHOLE_SCANS, CONTRAST),
            reference="arXiv:2010.11929",
        ),
        zoo.ModelSpec(
            name="efficientnet",
            summary="EfficientNet of Keras Hub, whose published weights it can start from.",
            implementation="zoo_medical.models.hub_models:EfficientNet",
            tasks=(*WHOLE_SCANS, CONTRAST),
            reference="arXiv:1905.11946",
        ),
        zoo.ModelSpec(
            name="unet",
            summary="Residual U-Net for pictures and volumes.",
            implementation="zoo_medical.models.unet:UNet",
            tasks=(SEGMENT, PRETRAIN),
            reference="arXiv:1505.04597, arXiv:1606.06650",
        ),
        zoo.ModelSpec(
            name="segformer",
            summary="SegFormer of Keras Hub, whose published weights it can start from.",
            implementation="zoo_medical.models.hub_models:SegFormer",
            tasks=(SEGMENT,),
            reference="arXiv:2105.15203",
        ),
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="images",
            summary="Scans of classes: folders, a table, MedMNIST, DICOM, NIfTI or a TFDS name.",
            implementation="zoo_medical.data.datasets:Images",
            tasks=WHOLE_SCANS,
        ),
        zoo.DatasetSpec(
            name="masks",
            summary="Scans with masks: pictures, DICOM or NIfTI in folders, or a table.",
            implementation="zoo_medical.data.datasets:Masks",
            tasks=(SEGMENT,),
        ),
        zoo.DatasetSpec(
            name="scans",
            summary="Scans without labels, to learn what scans look like.",
            implementation="zoo_medical.data.unlabelled:Unlabelled",
            tasks=(PRETRAIN, CONTRAST),
        ),
        zoo.DatasetSpec(
            name="phantoms",
            summary="Generated scans of bodies with and without lesions.",
            implementation="zoo_medical.generator.datasets:Phantoms",
            tasks=(*WHOLE_SCANS, PRETRAIN, CONTRAST),
        ),
        zoo.DatasetSpec(
            name="phantom-masks",
            summary="Generated pictures or volumes with masks of organs and lesions.",
            implementation="zoo_medical.generator.datasets:PhantomMasks",
            tasks=(SEGMENT,),
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="mirrored",
            summary="All devices of this machine in bfloat16, which share one batch.",
            implementation="zoo_medical.strategy:Mirrored",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        zoo.RecipeSpec(
            name="classify",
            summary="Trains a classifier on your scans.",
            task="classify",
            model="resnet",
            dataset="images",
            sample="phantoms",
            strategy="mirrored",
            settings={**_SETTINGS, **_OF_CLASSES},
            trial={**_TRIAL, "data.count": 100, "train.stages": [{"steps": 30}]},
            default=True,
        ),
        zoo.RecipeSpec(
            name="findings",
            summary="Trains a model that tells several findings from one scan.",
            task="findings",
            model="resnet",
            dataset="images",
            sample="phantoms",
            strategy="mirrored",
            settings={**_SETTINGS, **_OF_CLASSES, "data.multi_label": True},
            trial={**_TRIAL, "data.count": 100, "train.stages": [{"steps": 30}]},
        ),
        zoo.RecipeSpec(
            name="segment",
            summary="Trains a model that outlines what it knows in your pictures or volumes.",
            task="segment",
            model="unet",
            dataset="masks",
            sample="phantom-masks",
            strategy="mirrored",
            settings={
                **_SETTINGS,
                "evaluation.batch_size": 8,
                "train.batch_size": 8,
                "train.ema": 0.99,
                "train.learning_rate": 2e-3,
                "train.stages": _stages(
                    parts=["decoder", "head"], head=5, all_=60, scratch=80, peak=2e-3
                ),
            },
            trial={
                **_TRIAL,
                "data.count": 40,
                "evaluation.batch_size": 4,
                "train.batch_size": 4,
                "train.stages": [{"steps": 24}],
            },
        ),
        zoo.RecipeSpec(
            name="pretrain",
            summary="Learns what your scans look like without labels, to start another recipe.",
            task="pretrain",
            model="resnet",
            dataset="scans",
            sample="phantoms",
            strategy="mirrored",
            settings={
                **_SETTINGS,
                "task.brightness": 0.05,
                "task.gamma": 0.0,
                "task.noise": 0.0,
                "train.batch_size": 64,
                "train.learning_rate": 2e-3,
                "train.stages": [{"name": "all", "epochs": 200, "steps": 10_000}],
                "train.validate_every": 5.0,
            },
            trial={**_TRIAL, "data.count": 100, "train.stages": [{"steps": 30}]},
        ),
        zoo.RecipeSpec(
            name="contrast",
            summary="Learns to tell your scans apart without labels, to start another recipe.",
            task="contrast",
            model="resnet",
            dataset="scans",
            sample="phantoms",
            strategy="mirrored",
            settings={
                **_SETTINGS,
                "task.brightness": 0.2,
                "task.contrast": 0.4,
                "task.gamma": 0.4,
                "task.noise": 0.05,
                "task.rotation": 20.0,
                "task.shift": 0.15,
                "task.zoom": 0.25,
                "train.batch_size": 64,
                "train.learning_rate": 1e-3,
                "train.stages": [{"name": "all", "epochs": 100, "steps": 10_000}],
                "train.validate_every": 5.0,
            },
            trial={
                **_TRIAL,
                "data.count": 100,
                "train.learning_rate": 5e-3,
                "train.stages": [{"steps": 30}],
            },
        ),
    ]


def _stages(
    *, parts: list[str], head: int, all_: int, scratch: int, peak: float
) -> list[dict[str, Any]]:
    """Return the stages: from weights first what is new, then all of the network, gently.

    Args:
        parts: of the network that are new.
        head: epochs of these.
        all_: epochs of the whole network from weights.
        scratch: epochs of the whole network without weights.
        peak: learning rate without weights.
    """
    return [
        {"name": "head", "when": "transfer", "trainable": parts, "epochs": head, "steps": 500},
        {
            "name": "all",
            "when": "transfer",
            "epochs": all_,
            "steps": 10_000,
            "learning_rate": peak / 2,
            "layer_decay": 0.8,
        },
        {"name": "scratch", "when": "scratch", "epochs": scratch, "steps": 10_000},
    ]


_SETTINGS: dict[str, Any] = {
    "evaluation.batch_size": 128,
    "train.clip_norm": 1.0,
    "train.ema": 0.995,
    "train.validate_every": 2.0,
    "train.warmup": 0.1,
    "train.weight_decay": 0.05,
}
"""What all recipes have in common."""

_OF_CLASSES: dict[str, Any] = {
    "train.batch_size": 64,
    "train.learning_rate": 2e-3,
    "train.stages": _stages(parts=["head"], head=3, all_=40, scratch=60, peak=2e-3),
}
"""What the recipes of classes and findings have in common."""

_TRIAL: dict[str, Any] = {
    "data.size": 32,
    "evaluation.batch_size": 16,
    "evaluation.samples": 20,
    "model.size": "tiny",
    "train.batch_size": 8,
    "train.ema": None,
    "train.validate_every": 100.0,
}
