"""What any task over named classes has in common."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict

import keras
import numpy as np
from scipy.special import softmax

from zoo.classification import figures, metrics
from zoo.classification.baselines import most_frequent_class
from zoo.classification.explanation import reasons
from zoo.classification.preprocessing import balanced_weights
from zoo.classification.subgroups import subgroup_table
from zoo.components import Baseline, Batch, DatasetInfo, Figure, Metric, Space, Task, setting
from zoo.errors import ConfigError, nearest
from zoo.evaluation.calibration import expected_calibration_error, fit_temperature

_LISTED = 5
"""Classes that a record lists, the most likely first."""


class ClassFields(TypedDict):
    """The fields of :class:`zoo.ClassPreprocessing`, to be given on to a subclass of it."""

    classes: tuple[str, ...]
    class_weights: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """Says which class an example belongs to, and how sure that is.

    An example has `id`, what the model looks at, and if labelled `label`, the name of its
    class, and `group`. A prediction has `label`; `probability`, calibrated; and of all
    classes `classes` and `probabilities`, each [examples, classes].

    A subclass has a `preprocessing`, a :class:`zoo.ClassPreprocessing`, and `prepare`, which
    begins with :meth:`class_fields`. A model gives logits [batch, classes].
    """

    monitor: ClassVar[str] = "macro_f1"

    class_weight: Literal["none", "balanced"] = setting(
        "none", "`balanced` makes each class weigh as much as the others in the loss."
    )
    subgroups: tuple[str, ...] = setting(
        (), "Columns, such as a sex or site, for each value of which metrics are shown."
    )

    def class_fields(self, train: Batch, info: DatasetInfo) -> ClassFields:
        """Return what every preprocessing of classes has, to be passed on as `**fields`.

        Args:
            train: the training split, whole columns.
            info: of the dataset; its fact `classes` names them in order.

        Raises:
            ConfigError: the examples lack a column of `subgroups`.
        """
        for name in self.subgroups:
            if name not in train:
                raise ConfigError(
                    f"task.subgroups names {name!r}, which the examples have no column of.",
                    hint=nearest(name, train) or f"They have {', '.join(sorted(train))}.",
                )
        classes = tuple(info.facts["classes"])
        balanced = self.class_weight == "balanced"
        weights = balanced_weights(train["label"], classes) if balanced else ()
        return {"classes": classes, "class_weights": weights}

    def loss(self, space: Space) -> keras.losses.Loss:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def restore(self, outputs: Any, windows: Batch, examples: Batch, preprocessing: Any) -> Batch:
        """Return the logits of each example beside the names of the classes they are for."""
        logits = np.asarray(outputs, np.float64)
        names = np.array(preprocessing.classes, object)
        return {"logits": logits, "classes": np.broadcast_to(names, logits.shape)}

    def decode(self, outputs: Batch, decision: Mapping[str, float]) -> Batch:
        scaled = outputs["logits"] / decision.get("temperature", 1.0)
        return metrics.class_predictions(softmax(scaled, axis=1), outputs["classes"])

    def tune(self, truth: Batch, outputs: Batch) -> dict[str, float]:
        """Choose the temperature that makes probabilities honest, on validation.

        Where validation has no mistake, nothing says how sure is too sure.
        """
        labels = metrics.true_class(truth["label"], outputs["classes"])
        mistakes = outputs["logits"].argmax(axis=1) != labels
        temperature = fit_temperature(outputs["logits"], labels) if mistakes.any() else 1.0

        def error(decision: Mapping[str, float]) -> float:
            probability = self.decode(outputs, decision)["probability"]
            return expected_calibration_error(probability, ~mistakes)

        return {
            "temperature": temperature,
            "calibration_before": error({}),
            "calibration_after": error({"temperature": temperature}),
        }

    def metrics(self, truth: Batch, predictions: Batch) -> list[Metric]:
        confusion = metrics.Confusion(truth["label"], predictions["label"])
        ranked = metrics.OneVersusRest(truth, predictions)
        losses = metrics.log_losses(truth, predictions)
        two = len(ranked.rankings) == 1
        found = [
            Metric("macro_f1", "Macro F1", confusion.macro_f1),
            Metric("accuracy", "Accuracy", confusion.accuracy),
            Metric("auroc", "AUROC" if two else "Macro AUROC", ranked.roc_auc),
            Metric(
                "average_precision",
                "Average precision" if two else "Macro average precision",
                ranked.average_precision,
            ),
            Metric(
                "log_loss",
                "Log loss",
                lambda weights: metrics.weighted_mean(losses, weights),
                higher_is_better=False,
            ),
        ]
        return sorted(found, key=lambda metric: metric.name != self.monitor)

    def references(self, truth: Batch, predictions: Batch) -> Mapping[str, float]:
        """Return scikit-learn's values of the metrics."""
        return metrics.reference_values(truth, predictions)

    def units(self, truth: Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: Any) -> Mapping[str, Baseline]:
        return {"Most frequent class": most_frequent_class(preprocessing.classes)}

    def figures(
        self, truth: Batch, predictions: Batch, decision: Mapping[str, float]
    ) -> list[Figure]:
        found = [
            figures.confusion(truth, predictions),
            figures.by_class(truth, predictions),
            figures.reliability(truth, predictions),
            figures.abstention(truth, predictions),
        ]
        # Files that are measured on later may say less of their examples.
        if columns := [name for name in self.subgroups if name in truth]:
            own = self.metrics(truth, predictions)
            found.append(subgroup_table(truth, own, columns, self.units(truth)))
        return found

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: Batch, predictions: Batch
    ) -> Batch:
        """Give each example the pieces without which its class would be less likely."""
        return {"reasons": reasons(model, preprocessing, batch)}

    def records(self, batch: Batch, predictions: Batch) -> Iterator[dict[str, Any]]:
        for row in range(len(batch["id"])):
            probabilities = predictions["probabilities"][row]
            record: dict[str, Any] = {
                "id": str(batch["id"][row]),
                "label": str(predictions["label"][row]),
                "probability": round(float(predictions["probability"][row]), 6),
                "classes": {
                    str(predictions["classes"][row][place]): round(float(probabilities[place]), 6)
                    for place in np.argsort(-probabilities, kind="stable")[:_LISTED]
                },
            }
            if "reasons" in predictions:
                record["reasons"] = predictions["reasons"][row]
            yield record

    def files(self, batch: Batch, predictions: Batch, folder: Path, preprocessing: Any) -> None:
        """Write a table for spreadsheets: an example a row, a class a column."""
        with (folder / "classes.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "label", *preprocessing.classes])
            for row, name in enumerate(batch["id"]):
                probabilities = predictions["probabilities"][row].round(6)
                table.writerow([name, predictions["label"][row], *probabilities])
