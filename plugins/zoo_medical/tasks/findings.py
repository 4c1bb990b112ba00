"""Findings: which of several things are to be seen in a scan, none, one or more of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras
import numpy as np
from scipy.special import expit

import zoo
from zoo_medical.evaluation import baselines, finding_figures
from zoo_medical.evaluation.finding_metrics import FindingScores
from zoo_medical.evaluation.operating_point import OperatingCurve
from zoo_medical.explanation import overlays
from zoo_medical.explanation.maps import explain_classes
from zoo_medical.models.losses import MemberCrossEntropy
from zoo_medical.preprocessing import SEPARATOR, FindingsPreprocessing, has_findings
from zoo_medical.tasks.classify import ScanSettings, mean_of_members
from zoo_medical.tasks.subgroups import Subgrouped
from zoo_medical.tasks.varied import NOTICE

_THRESHOLD, _TEMPERATURE = "threshold ", "temperature "
"""How the names begin of what is chosen for a finding."""


@dataclass(frozen=True, kw_only=True)
class Findings(ScanSettings, Subgrouped, zoo.Task):
    """Says of each finding how likely it is in a scan, and calls it from its own threshold on.

    An example has `id`, `scan`, and if labelled `label`, names of findings joined by `|`, and
    `group`, the patient. A prediction has `probabilities`, calibrated one by one, `classes`,
    the names of the findings, and `called`, bool, each [examples, findings].
    """

    monitor: ClassVar[str] = "auroc"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = FindingsPreprocessing
    notice: ClassVar[str] = NOTICE

    operating_point: Literal["youden", "specificity"] = zoo.setting(
        "youden",
        "Where a finding's threshold is: at the best sum of sensitivity and specificity on "
        "validation, or at `task.specificity` there.",
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> FindingsPreprocessing:
        batch = zoo.all_rows(train)
        self.check_subgroups(batch)
        given = [str(each).split(SEPARATOR) for each in info.facts["classes"]]
        names = tuple(sorted({name for each in given for name in each if name}))
        return FindingsPreprocessing(classes=names, **self.scan_fields(batch))

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return MemberCrossEntropy(exclusive=False, smoothing=self.smoothing)

    def reduce(self, outputs: Any, preprocessing: Any) -> np.ndarray:
        return mean_of_members(outputs, len(preprocessing.classes))

    def restore(
        self, outputs: Any, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return the logits of each scan beside the names of the findings they are for."""
        logits = np.asarray(outputs, np.float64)
        names = np.array(preprocessing.classes, object)
        return {"logits": logits, "classes": np.broadcast_to(names, logits.shape)}

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        names = outputs["classes"][0] if len(outputs["classes"]) else []
        temperatures = np.array([decision.get(_TEMPERATURE + name, 1.0) for name in names])
        thresholds = np.array([decision.get(_THRESHOLD + name, 0.5) for name in names])
        probabilities = expit(outputs["logits"] / temperatures)
        return {
            "classes": outputs["classes"],
            "probabilities": probabilities,
            "called": probabilities >= thresholds,
        }

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        """Choose each finding's temperature and threshold on validation."""
        names = [str(name) for name in outputs["classes"][0]]
        there = has_findings(truth["label"], names)
        decision: dict[str, float] = {}
        for place, name in enumerate(names):
            logits, true = outputs["logits"][:, place], there[:, place]
            mixed = true.any() and not true.all()
            decision[_TEMPERATURE + name] = zoo.fit_temperature(logits, true) if mixed else 1.0
        probabilities = self.decode(outputs, decision)["probabilities"]
        for place, name in enumerate(names):
            curve = OperatingCurve(there[:, place], probabilities[:, place])
            chosen = curve.threshold(self.operating_point, self.specificity)
            decision[_THRESHOLD + name] = chosen
        before = self.decode(outputs, {})["probabilities"]
        for when, each in (("before", before), ("after", probabilities)):
            error = zoo.expected_calibration_error(each.ravel(), there.ravel())
            decision[f"calibration_{when}"] = error
        return decision

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        return FindingScores(truth, predictions).metrics(self.specificity)

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return scikit-learn's values of the means over findings."""
        from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

        names = [str(name) for name in predictions["classes"][0]]
        there, found = has_findings(truth["label"], names), predictions["probabilities"]
        some, mixed = there.any(axis=0), there.any(axis=0) & ~there.all(axis=0)
        called = predictions["called"]

        def mean(score: Any, values: np.ndarray, kept: Any) -> float:
            each = [score(there[:, place], values[:, place]) for place in np.flatnonzero(kept)]
            return float(np.mean(each)) if each else float("nan")

        return {
            "auroc": mean(roc_auc_score, found, mixed),
            "average_precision": mean(average_precision_score, found, some),
            "sensitivity": mean(recall_score, called, some),
        }

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        findings = preprocessing.classes
        return {
            baselines.USUAL_FINDINGS: baselines.usual_findings(findings),
            baselines.THUMBNAILS: baselines.findings_on_thumbnails(findings),
        }

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        return finding_figures.surest_rows(truth, predictions)

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        scores = FindingScores(truth, predictions)
        found = [
            finding_figures.by_finding(scores, self.specificity),
            finding_figures.operating_curves(scores),
            finding_figures.reliability(scores),
            *self.subgroup_figures(truth, scores.metrics(self.specificity), self.units(truth)),
        ]
        if "gradcam" in predictions:
            found += finding_figures.explanations(truth, predictions)
        return found

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: zoo.Batch, predictions: zoo.Batch
    ) -> zoo.Batch:
        """Show which parts of a scan its likeliest finding was told from.

        `gradcam`, `occlusion`, `sanity` and `seen` as :meth:`Classify.explain` has them, and
        `finding`, the name of what they are about.
        """
        places = predictions["probabilities"].argmax(axis=1)
        names = predictions["classes"][np.arange(len(places)), places]
        maps = explain_classes(model, preprocessing.inputs(batch), places, exclusive=False)
        return {**maps, "finding": names}

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the findings that are called in each scan, and how likely each one is."""
        for row, name in enumerate(batch["id"]):
            names, called = predictions["classes"][row], predictions["called"][row]
            probabilities = predictions["probabilities"][row]
            yield {
                "id": str(name),
                "findings": [str(each) for each in names[called]],
                "probabilities": {
                    str(each): round(float(value), 6)
                    for each, value in zip(names, probabilities, strict=True)
                },
                **overlays.as_record(predictions, row),
            }

    def files(
        self, batch: zoo.Batch, predictions: zoo.Batch, folder: Path, preprocessing: Any
    ) -> None:
        """Write a table for spreadsheets: a scan a row, a finding a column."""
        with (folder / "findings.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "called", *preprocessing.classes])
            for row, record in enumerate(self.records(batch, predictions)):
                called = SEPARATOR.join(record["findings"])
                table.writerow([record["id"], called, *predictions["probabilities"][row].round(6)])
        if "gradcam" in predictions:
            overlays.write_overlays(batch, predictions, folder / "explanations")
