"""Classes: which of some classes a scan is of, and what a clinic would ask about that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras
import numpy as np

import zoo
from zoo_medical.evaluation import baselines, figures
from zoo_medical.evaluation.operating_point import Calls, OperatingCurve
from zoo_medical.explanation import overlays
from zoo_medical.explanation.maps import explain_classes
from zoo_medical.inference.views import mean_over_views
from zoo_medical.models.losses import MemberCrossEntropy
from zoo_medical.preprocessing import ScanPreprocessing
from zoo_medical.tasks.varied import NOTICE
from zoo_medical.tasks.whole_scans import WholeScans

_NOTHING = frozenset(
    {
        *("normal", "healthy", "negative", "none", "no", "no finding", "no_finding", "nothing"),
        *("absent", "benign", "control", "controls", "uninfected", "clear", "false"),
    }
)
"""What classes are called, in small letters, whose scans show no finding."""


@dataclass(frozen=True, kw_only=True)
class ScanSettings(WholeScans):
    """What tasks that look at whole scans have in common."""

    mixup: float = zoo.setting(
        0.3, "Probability that two scans are blended in training.", minimum=0, maximum=1
    )
    smoothing: float = zoo.setting(
        0.0, "Share of a target that goes to all classes alike.", minimum=0, maximum=0.5
    )
    views: int = zoo.setting(
        1, "Slightly moved views of a scan whose logits are averaged; 1 for none.", minimum=1
    )
    specificity: float = zoo.setting(
        0.9, "The specificity at which sensitivity is said.", minimum=0, maximum=1
    )

    @property
    def blending(self) -> float:
        return self.mixup

    def predictor(
        self, model: keras.Model, preprocessing: zoo.Preprocessing
    ) -> Callable[[zoo.Batch], Any] | None:
        """Return what averages logits over views, if there are several."""
        if self.views == 1:
            return None
        return mean_over_views(model, self.views, flip=self.horizontal_flip > 0)


@dataclass(frozen=True, kw_only=True)
class Classify(ScanSettings, zoo.Classification):
    """Says which class a scan is of.

    An example has `id`, `scan`, and if labelled `label` and `group`, the patient. Predictions
    are those of :class:`zoo.Classification`. Of two classes the second is the finding, whose
    sensitivity is said; it is called from a threshold on, if an operating point is asked for.
    """

    monitor: ClassVar[str] = "auroc"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = ScanPreprocessing
    notice: ClassVar[str] = NOTICE

    positive: str = zoo.setting(
        "",
        "Which of two classes is the finding; by default the one that is not called normal, "
        "healthy or the like, or else the second.",
    )
    operating_point: Literal["argmax", "youden", "specificity"] = zoo.setting(
        "argmax",
        "When a finding is called: if it is likelier than not, at the best sum of sensitivity and "
        "specificity on validation, or at `task.specificity` there.",
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> ScanPreprocessing:
        batch = zoo.all_rows(train)
        fields = self.class_fields(batch, self._ordered(info))
        return ScanPreprocessing(**fields, **self.scan_fields(batch))

    def _ordered(self, info: zoo.DatasetInfo) -> zoo.DatasetInfo:
        """Return the dataset's facts with the finding as the second of two classes.

        Raises:
            ConfigError: there is no such class, or there are more than two.
        """
        classes = list(info.facts["classes"])
        if self.operating_point != "argmax" and len(classes) != 2:
            raise zoo.ConfigError(
                f"task.operating_point is {self.operating_point}, which is for two classes, and "
                f"there are {len(classes)}.",
                hint="Leave it at argmax, or use medical/findings with a threshold for each.",
            )
        if self.positive and (self.positive not in classes or len(classes) != 2):
            raise zoo.ConfigError(
                f"task.positive is {self.positive!r}, and the classes are {', '.join(classes)}.",
                hint=zoo.nearest(self.positive, classes) or "It names one of two classes.",
            )
        if len(classes) == 2:
            classes.sort(key=self._is_finding)
        return dataclasses.replace(info, facts={**info.facts, "classes": classes})

    def _is_finding(self, name: str) -> bool:
        return name == self.positive if self.positive else name.lower() not in _NOTHING

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return MemberCrossEntropy(smoothing=self.smoothing)

    def reduce(self, outputs: Any, preprocessing: Any) -> np.ndarray:
        return mean_of_members(outputs, len(preprocessing.classes))

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        """Return the likeliest class of each scan, or the finding from its threshold on."""
        found = super().decode(outputs, decision)
        if "threshold" not in decision:
            return found
        place = (found["probabilities"][:, 1] >= decision["threshold"]).astype(np.int64)
        rows = np.arange(len(place))
        return {
            **found,
            "label": found["classes"][rows, place],
            "probability": found["probabilities"][rows, place],
        }

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        """Choose the temperature, and then the threshold, on validation."""
        decision = super().tune(truth, outputs)
        if self.operating_point == "argmax":
            return decision
        found = self.decode(outputs, decision)
        curve = OperatingCurve(*_finding(truth, found))
        return {**decision, "threshold": curve.threshold(self.operating_point, self.specificity)}

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        found = super().metrics(truth, predictions)
        if predictions["classes"].shape[1] != 2:
            return found
        curve = OperatingCurve(*_finding(truth, predictions))
        finding = predictions["classes"][0, 1]
        calls = Calls(truth["label"] == finding, predictions["label"] == finding)
        return [
            *found,
            zoo.Metric(
                "sensitivity_at_specificity",
                f"Sensitivity at {self.specificity:.0%} specificity",
                lambda weights: curve.sensitivity_at(self.specificity, weights),
            ),
            zoo.Metric("sensitivity", "Sensitivity", calls.sensitivity),
            zoo.Metric("specificity", "Specificity", calls.specificity),
        ]

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        classes = preprocessing.classes
        return {
            **super().baselines(preprocessing),
            baselines.THUMBNAILS: baselines.linear_on_thumbnails(classes),
        }

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        return figures.telling_rows(truth, predictions)

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        found = super().figures(truth, predictions, decision)
        if predictions["classes"].shape[1] == 2:
            called = f"{self.operating_point} point" if "threshold" in decision else "argmax"
            curve = OperatingCurve(*_finding(truth, predictions))
            finding = str(predictions["classes"][0, 1])
            metrics = {each.name: each for each in self.metrics(truth, predictions)}
            ones = np.ones(len(truth["label"]), np.int64)
            point = [metrics[name].compute(ones) for name in ("specificity", "sensitivity")]
            found.insert(0, figures.operating_curve(curve, finding, called, point))
        if "gradcam" in predictions:
            found += figures.explanations(truth, predictions)
        return found

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: zoo.Batch, predictions: zoo.Batch
    ) -> zoo.Batch:
        """Show by Grad-CAM and by occlusion which parts of a scan its class was told from.

        `gradcam` and `occlusion` are float32 maps for each example; `sanity` is how alike the
        first is to that of a network with random weights. See `zoo_medical.explanation.maps`.
        """
        places = [preprocessing.classes.index(str(name)) for name in predictions["label"]]
        return explain_classes(model, preprocessing.inputs(batch), np.array(places))

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the class of each scan, how likely it is, and where it was told from."""
        for row, record in enumerate(super().records(batch, predictions)):
            yield {**record, **overlays.as_record(predictions, row)}

    def files(
        self, batch: zoo.Batch, predictions: zoo.Batch, folder: Path, preprocessing: Any
    ) -> None:
        """Write a table of probabilities, and overlays of maps if there are any."""
        super().files(batch, predictions, folder, preprocessing)
        if "gradcam" in predictions:
            overlays.write_overlays(batch, predictions, folder / "explanations")


def mean_of_members(outputs: Any, classes: int) -> np.ndarray:
    """Return the mean logits of an ensemble's members, float32 [batch, classes].

    Args:
        outputs: logits of all members side by side, [batch, members * classes].
        classes: how many.
    """
    logits = np.asarray(outputs, np.float32)
    return logits.reshape(len(logits), -1, classes).mean(axis=1)


def _finding(truth: zoo.Batch, predictions: zoo.Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return which scans have the second of two classes, and how likely that seems."""
    return truth["label"] == predictions["classes"][0, 1], predictions["probabilities"][:, 1]
