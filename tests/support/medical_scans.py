"""Small scans with bright discs, as examples in memory."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from zoo_medical.scans.scan import ArrayMask, ArrayScan

import zoo
from zoo.data.examples import EncodedExamples
from zoo.data.order import Order
from zoo.data.pipeline import training_batches


def discs(count: int, *sizes: int, seed: int = 0) -> zoo.Columns:
    """Return scans of which every second one shows a disc or a ball, two for each patient.

    Columns are `id`, `scan`, `mask`, `label` (`normal` or `disc`) and `group`.
    """
    random = np.random.default_rng(seed)
    grid = np.indices(sizes)
    scans, masks = [], []
    for row in range(count):
        centre = [random.uniform(0.3, 0.7) * side for side in sizes]
        radius = random.uniform(0.15, 0.25) * min(sizes)
        away = sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True))
        mask = (away < radius**2) & bool(row % 2)
        pixels = random.normal(0.3, 0.05, sizes) + 0.4 * mask
        scans.append(ArrayScan(np.clip(pixels, 0, 1)[..., None].astype(np.float32), f"s{row}"))
        masks.append(ArrayMask(mask.astype(np.uint8)))
    return zoo.Columns(
        {
            "id": zoo.object_column(f"s{row}" for row in range(count)),
            "scan": zoo.object_column(scans),
            "mask": zoo.object_column(masks),
            "label": zoo.object_column(("normal", "disc")[row % 2] for row in range(count)),
            "group": zoo.object_column(f"p{row // 2}" for row in range(count)),
        }
    )


def info_of(*classes: str) -> zoo.DatasetInfo:
    """Return what a loader says of such scans."""
    facts: dict[str, Any] = {"classes": list(classes)}
    return zoo.DatasetInfo(name="discs", source="", fingerprint="0", counts={}, facts=facts)


def space_of_classes(*shape: int, classes: tuple[str, ...] = ("normal", "disc")) -> zoo.Space:
    """Return the space of classes of scans of a shape with channels."""
    return zoo.Space(
        inputs={"scan": zoo.Tensor(shape)},
        outputs={"logits": zoo.Tensor((len(classes),), names=classes)},
        classes=classes,
        arrays=_brightness(shape[-1]),
    )


def space_of_masks(*shape: int, classes: tuple[str, ...] = ("background", "disc")) -> zoo.Space:
    """Return the space of masks of scans of a shape with channels."""
    return zoo.Space(
        inputs={"scan": zoo.Tensor(shape)},
        outputs={"logits": zoo.Tensor((*shape[:-1], len(classes)), names=classes)},
        classes=classes,
        arrays=_brightness(shape[-1]),
    )


def space_of_pixels(*shape: int) -> zoo.Space:
    """Return the space of pretraining on scans of a shape with channels."""
    return zoo.Space(
        inputs={"scan": zoo.Tensor(shape), "hidden": zoo.Tensor((*shape[:-1], 1))},
        outputs={"pixels": zoo.Tensor(shape)},
        arrays=_brightness(shape[-1]),
    )


def space_of_views(*shape: int) -> zoo.Space:
    """Return the space of telling apart scans of a shape with channels."""
    return zoo.Space(
        inputs={"scan": zoo.Tensor(shape), "other": zoo.Tensor(shape)},
        outputs={"embeddings": zoo.Tensor((2, 128))},
        arrays=_brightness(shape[-1]),
    )


def _brightness(channels: int) -> dict[str, np.ndarray]:
    return {"mean": np.full(channels, 0.3), "deviation": np.full(channels, 0.2)}


def fitted(
    architecture: zoo.Model,
    task: zoo.Task,
    examples: zoo.Examples,
    preprocessing: zoo.Preprocessing,
    *,
    batch: int,
    steps: int,
    learning_rate: float = 3e-3,
) -> keras.Model:
    """Return a network that was trained for some steps, as a recipe would."""
    keras.utils.set_random_seed(0)
    space = preprocessing.space
    model = architecture.build(space)
    model.compile(keras.optimizers.AdamW(learning_rate), task.loss(space))
    encoded = EncodedExamples(task.windows(examples, preprocessing), preprocessing, 1 << 30)
    order, augment = Order(len(encoded), batch, seed=0), task.augmentation(space)
    model.fit(training_batches(encoded, order, start=0, steps=steps, augment=augment), verbose=0)
    return model
