"""Pretraining without labels: parts of a scan are hidden, and have to be filled in."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter

import zoo
from zoo_medical.augmentation import Augment
from zoo_medical.explanation.overlays import as_picture
from zoo_medical.models.losses import HoleError
from zoo_medical.preprocessing import ScanPreprocessing
from zoo_medical.tasks.whole_scans import WithoutLabels

_SHOWN = 6
_BLUR = 0.5
"""Width of the surroundings that fill a hole in the classical baseline, in patches."""
_WIDER = 4
"""What that width is multiplied by where nothing at all is seen of them."""


@dataclass(frozen=True, kw_only=True)
class HoledPreprocessing(ScanPreprocessing):
    """Puts scans onto a canvas, and says which patches of each are hidden.

    Which ones follows from the example's name; in training they are drawn anew each time.

    Attributes:
        patch: side of a patch, px.
        hidden: share of the patches that are hidden.
    """

    patch: int
    hidden: float

    @property
    def space(self) -> zoo.Space:
        shape = (*self.shape, self.channels)
        return zoo.Space(
            inputs={"scan": zoo.Tensor(shape), "hidden": zoo.Tensor((*self.shape, 1))},
            outputs={"pixels": zoo.Tensor(shape)},
            arrays=self.arrays,
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return {**super().inputs(batch), "hidden": self.holes(batch["id"])}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return the whole scans, float32 [batch, *shape, channels]."""
        return super().inputs(batch)["scan"]

    def holes(self, names: np.ndarray) -> np.ndarray:
        """Return 1 where the scans of these names are hidden, float32 [batch, *shape, 1]."""
        grid = patch_grid(self.shape, self.patch)
        drawn = [
            np.random.default_rng(zlib.crc32(str(name).encode())).random(grid) for name in names
        ]
        holes = (np.array(drawn) < self.hidden).astype(np.float32)
        for axis in range(1, holes.ndim):
            holes = np.repeat(holes, self.patch, axis=axis)
        return holes[(slice(None), *map(slice, self.shape))][..., None]


def patch_grid(shape: Sequence[int], patch: int) -> tuple[int, ...]:
    """Return how many patches there are along each axis; the last may be cut off."""
    return tuple(-(-side // patch) for side in shape)


@dataclass(frozen=True, kw_only=True)
class AugmentAndHide(zoo.Augmentation):
    """Varies scans, which are the targets then, and hides other patches each time.

    Attributes:
        augment: varies the scans.
        patch: side of a patch, px.
        hidden: share of the patches that are hidden.
    """

    augment: Augment
    patch: int
    hidden: float

    def __call__(
        self, inputs: dict[str, Any], targets: Any, seeds: Any, progress: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return varied scans with holes, and as targets without.

        Args:
            inputs: `scan`, float32 [batch, *sizes, channels], and `hidden` [batch, *sizes, 1].
            targets: of no use.
            seeds: int64 [batch, 2].
            progress: unused.
        """
        varied, _ = self.augment({"scan": inputs["scan"]}, tf.zeros([0]), seeds, progress)
        scans = varied["scan"]
        return {"scan": scans, "hidden": self._holes(seeds, scans.shape[1:-1])}, scans

    def _holes(self, seeds: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
        grid = patch_grid(shape.as_list(), self.patch)

        def draw(seed: tf.Tensor) -> tf.Tensor:
            # Not the seeds that scans are varied by.
            return tf.random.stateless_uniform(grid, seed + np.array([1 << 41, 0]), alg="philox")

        holes = tf.cast(
            tf.map_fn(draw, seeds, fn_output_signature=tf.float32) < self.hidden, "float32"
        )
        for axis in range(1, len(grid) + 1):
            holes = tf.repeat(holes, self.patch, axis=axis)
        return holes[(slice(None), *(slice(side) for side in shape))][..., None]


@dataclass(frozen=True, kw_only=True)
class Pretrain(WithoutLabels):
    """Fills in what is hidden of scans, from which an encoder learns what they look like.

    An example has `id`, `scan` and perhaps `group`, the patient. A prediction has `error`, the
    root of the mean squared error of hidden pixels, whose values are from 0 to 1, and `filled`,
    the scan with its holes filled in, uint8 [*canvas, channels]. A run of it starts other
    tasks: `--weights RUN`.
    """

    monitor: ClassVar[str] = "error"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = HoledPreprocessing

    patch: int = zoo.setting(
        0, "Side of a patch, px; 0 takes a seventh of the shorter side.", minimum=0
    )
    hidden: float = zoo.setting(
        0.5, "Share of the patches that are hidden.", minimum=0.05, maximum=0.95
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> HoledPreprocessing:
        fields = self.scan_fields(zoo.all_rows(train))
        patch = self._patch(fields["shape"])
        return HoledPreprocessing(classes=(), patch=patch, hidden=self.hidden, **fields)

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return HoleError()

    def augmentation(self, space: zoo.Space) -> AugmentAndHide:
        patch = self._patch(tuple(size or 0 for size in space.inputs["scan"].shape[:-1]))
        return AugmentAndHide(augment=self.augment(), patch=patch, hidden=self.hidden)

    def _patch(self, shape: tuple[int, ...]) -> int:
        """Return the side of a patch of scans of a shape, px."""
        return self.patch or max(2, min(shape) // 7)

    def reduce(self, outputs: Any, preprocessing: Any) -> np.ndarray:
        return np.asarray(outputs).astype(np.float16)

    def restore(
        self, outputs: np.ndarray, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        return compared(outputs, examples, preprocessing)

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        return dict(outputs)

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        errors = predictions["error"]

        def mean(weights: np.ndarray) -> float:
            return float(errors @ weights / weights.sum()) if weights.sum() else float("nan")

        return [zoo.Metric("error", "Error of hidden pixels", mean, higher_is_better=False)]

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        return {
            "Mean scan": _mean_scan(preprocessing),
            "Surroundings": _surroundings(preprocessing),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        order = np.argsort(predictions["error"], kind="stable")
        rows = order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).astype(int)]
        labels = [f"{truth['id'][row]}: error {predictions['error'][row]:.3f}" for row in rows]
        return [
            zoo.charts.image_grid(
                "Filled in",
                f"Scans of which {self.hidden:.0%} were hidden, as they were filled in, from the "
                "best to the worst.",
                [as_picture(predictions["filled"][row]) for row in rows],
                labels,
            )
        ]

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield how well each scan could be filled in; one that could not is out of the usual."""
        for name, error in zip(batch["id"], predictions["error"], strict=True):
            yield {"id": str(name), "error": round(float(error), 6)}


def compared(
    filled: np.ndarray, examples: zoo.Batch, preprocessing: HoledPreprocessing
) -> zoo.Batch:
    """Return filled in scans with their errors.

    Args:
        filled: float [examples, *shape, channels].
        examples: with `id` and `scan`.
        preprocessing: knows what is hidden of them.
    """
    whole, holes = preprocessing.targets(examples), preprocessing.holes(examples["id"])
    axes = tuple(range(1, whole.ndim))
    square = (np.square(filled.astype(np.float64) - whole) * holes).sum(axis=axes)
    count = np.maximum(holes.sum(axis=axes) * whole.shape[-1], 1)
    pictures = (255 * np.clip(filled.astype(np.float32), 0, 1)).round().astype(np.uint8)
    return {"error": np.sqrt(square / count), "filled": zoo.object_column(pictures)}


def _mean_scan(preprocessing: HoledPreprocessing) -> zoo.Baseline:
    """Return what fills in the mean of the training scans."""

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        mean = preprocessing.targets(train).mean(axis=0)
        whole, holes = preprocessing.targets(test), preprocessing.holes(test["id"])
        return compared(whole + holes * (mean - whole), test, preprocessing)

    return fit_predict


def _surroundings(preprocessing: HoledPreprocessing) -> zoo.Baseline:
    """Return what fills in the weighted mean of the pixels around that can be seen."""

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        whole, holes = preprocessing.targets(test), preprocessing.holes(test["id"])
        axes = tuple(range(1, whole.ndim - 1))
        found, width = np.zeros_like(whole), _BLUR * preprocessing.patch
        unknown = np.ones(holes.shape, bool)
        while unknown.any() and width < 8 * max(whole.shape[1:-1]):
            seen = gaussian_filter(1 - holes, width, axes=axes)
            near = gaussian_filter(whole * (1 - holes), width, axes=axes)
            new = unknown & (seen > 1e-3)
            found = np.where(new, near / np.maximum(seen, 1e-6), found)
            unknown &= ~new
            width *= _WIDER
        return compared(whole + holes * (found - whole), test, preprocessing)

    return fit_predict
