"""Pretraining without labels: two views of each scan have to be recognised as one another."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from scipy.sparse import csr_array, vstack
from sklearn.metrics import pairwise_distances_chunked

import zoo
from zoo_medical.augmentation import Augment
from zoo_medical.evaluation.baselines import thumbnail
from zoo_medical.explanation.overlays import as_picture
from zoo_medical.models.losses import ViewCrossEntropy
from zoo_medical.preprocessing import ScanPreprocessing, resized
from zoo_medical.scans.scan import Scan
from zoo_medical.tasks.whole_scans import WithoutLabels

_COMPARED = 2000
"""Most scans whose parts a scan is compared with."""
_EMBEDDING = 128
"""Numbers that a view is told by."""
_PART = 0.8
"""Share of each side that the second view shows where nothing is trained."""
_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class ViewsPreprocessing(ScanPreprocessing):
    """Puts scans onto a canvas, and a part of each, enlarged, onto another.

    Which part follows from the example's name. In training both views are varied instead.
    """

    @property
    def space(self) -> zoo.Space:
        view = zoo.Tensor((*self.shape, self.channels))
        return zoo.Space(
            inputs={"scan": view, "other": view},
            outputs={"embeddings": zoo.Tensor((2, _EMBEDDING))},
            arrays=self.arrays,
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        scans = super().inputs(batch)["scan"]
        others = [enlarged_part(*each) for each in zip(scans, batch["id"], strict=True)]
        return {"scan": scans, "other": np.stack(others)}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return zeros, float32 [batch]: a view's target is the other view."""
        return np.zeros(len(batch["scan"]), np.float32)


def enlarged_part(scan: np.ndarray, name: str) -> np.ndarray:
    """Return a part of a scan, stretched to the size of the whole.

    Args:
        scan: float32 [*sizes, channels].
        name: of the example, which decides about the place.
    """
    random = np.random.default_rng(zlib.crc32(str(name).encode()))
    sizes = scan.shape[:-1]
    sides = [max(1, round(_PART * size)) for size in sizes]
    starts = [random.integers(size - side + 1) for size, side in zip(sizes, sides, strict=True)]
    part = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return resized(scan[part], sizes)


@dataclass(frozen=True, kw_only=True)
class AugmentTwice(zoo.Augmentation):
    """Varies each scan twice.

    Attributes:
        augment: varies scans.
    """

    augment: Augment

    def __call__(
        self, inputs: dict[str, Any], targets: Any, seeds: Any, progress: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return two views of each scan, and the targets as they are.

        Args:
            inputs: `scan`, float32 [batch, *sizes, channels]; the other view is not used.
            targets: passed on.
            seeds: int64 [batch, 2].
            progress: unused.
        """
        scan = {"scan": inputs["scan"]}
        one, targets = self.augment(scan, targets, seeds, progress)
        other, _ = self.augment(scan, targets, seeds + np.array([1 << 42, 0]), progress)
        return {"scan": one["scan"], "other": other["scan"]}, targets


@dataclass(frozen=True, kw_only=True)
class Contrast(WithoutLabels):
    """Tells two views of a scan from those of all others (SimCLR, arXiv:2002.05709).

    An example has `id`, `scan` and perhaps `group`, the patient. A prediction has `embedding`,
    the direction in which the network places the scan, and `other`, where it places a part of
    it, float32 [128] of length 1 each. A run of it starts other tasks: `--weights RUN`.
    """

    monitor: ClassVar[str] = "recognised"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = ViewsPreprocessing

    temperature: float = zoo.setting(
        0.2, "Less of it makes more of the scans that are hardest to tell apart.", minimum=0.01
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> ViewsPreprocessing:
        return ViewsPreprocessing(classes=(), **self.scan_fields(zoo.all_rows(train)))

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return ViewCrossEntropy(self.temperature)

    def augmentation(self, space: zoo.Space) -> AugmentTwice:
        return AugmentTwice(augment=self.augment())

    def decode(self, outputs: np.ndarray, decision: Mapping[str, float]) -> zoo.Batch:
        return {"embedding": outputs[:, 0], "other": outputs[:, 1]}

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        confused, compared = nearer_parts(predictions)

        def share(weights: np.ndarray) -> float:
            found = confused @ (weights[compared] > 0) == 0
            return float(found @ weights / weights.sum()) if weights.sum() else float("nan")

        return [zoo.Metric("recognised", "Recognised by a part", share)]

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        def brightness(scan: np.ndarray) -> np.ndarray:
            return scan.mean(axis=tuple(range(scan.ndim - 1)))

        def of(features: Any) -> zoo.Baseline:
            def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
                views = preprocessing.inputs(test)
                one, other = (np.stack([*map(features, views[name])]) for name in ("scan", "other"))
                return {"embedding": one, "other": other}

            return fit_predict

        return {"Mean brightness": of(brightness), "Thumbnails": of(thumbnail)}

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        places = predictions["embedding"]
        if len(places) < 2:
            return []
        rows = np.linspace(0, len(places) - 1, min(_SHOWN, len(places))).astype(int)
        pictures, labels = [], []
        for row in rows:
            away = np.square(places - places[row]).sum(axis=1)
            near = int(np.argsort(away, kind="stable")[1])
            pictures += [_picture(truth["scan"][each]) for each in (row, near)]
            labels += [str(truth["id"][row]), f"nearest: {truth['id'][near]}"]
        caption = "Scans, each beside the one that the network places nearest to it."
        return [zoo.charts.image_grid("Alike", caption, pictures, labels)]

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield where each scan is placed; those of scans that look alike are near."""
        for name, place in zip(batch["id"], predictions["embedding"], strict=True):
            yield {"id": str(name), "embedding": np.round(place.astype(float), 6)}


def _picture(scan: Scan) -> np.ndarray:
    return as_picture((255 * scan.read()).round().astype(np.uint8))


def nearer_parts(predictions: zoo.Batch) -> tuple[csr_array, np.ndarray]:
    """Return which parts of other scans are placed nearer to a scan than its own.

    Returns:
        1 for those that are, [scans, compared]; and the rows of the scans whose parts are
        compared: all, or of many some at even distances.
    """
    scans, parts = predictions["embedding"], predictions["other"]
    compared = np.arange(0, len(scans), -(-len(scans) // _COMPARED))
    own = np.linalg.norm(scans - parts, axis=1)

    def nearer(distances: np.ndarray, start: int) -> csr_array:
        rows = np.arange(start, start + len(distances))
        others = compared != rows[:, None]
        return csr_array((distances < own[rows, None]) & others, dtype=np.int32)

    blocks = pairwise_distances_chunked(scans, parts[compared], reduce_func=nearer)
    return vstack(list(blocks), format="csr"), compared
