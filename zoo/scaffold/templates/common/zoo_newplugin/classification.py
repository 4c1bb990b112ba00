"""What any task over classes has in common: loss, decision, metrics, baselines and files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras
import numpy as np
import zoo
from scipy.special import softmax

from zoo_newplugin import baselines, figures, metrics
from zoo_newplugin.encoding import class_weights
from zoo_newplugin.explanation import reasons

_LISTED = 5
"""Classes that a record lists, the most likely first."""


@dataclass(frozen=True, kw_only=True)
class Classification(zoo.Task):
    """Says which class an example belongs to, and how sure that is.

    An example has `id`, what the model looks at, and if labelled `label`, the name of its
    class, and `group`. A prediction has `label`; `probability`, calibrated; and of all
    classes `classes` and `probabilities`, each [examples, classes].
    """

    monitor: ClassVar[str] = "macro_f1"

    class_weight: Literal["none", "balanced"] = zoo.setting(
        "none", "`balanced` makes each class weigh as much as the others in the loss."
    )

    def weights_of_classes(self, train: zoo.Batch, classes: tuple[str, ...]) -> tuple[float, ...]:
        """Return what an example of each class weighs in the loss; none for equal weights."""
        if self.class_weight == "none":
            return ()
        return class_weights(train["label"], classes)

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def restore(
        self, outputs: Any, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return the logits of each example beside the names of the classes they are for."""
        logits = np.asarray(outputs, np.float64)
        names = np.array(preprocessing.classes, object)
        return {"logits": logits, "classes": np.tile(names, (len(logits), 1))}

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        scaled = outputs["logits"] / decision.get("temperature", 1.0)
        return metrics.class_predictions(softmax(scaled, axis=1), outputs["classes"])

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        """Choose the temperature that makes probabilities honest, on validation.

        Where validation has no mistake, nothing says how sure is too sure.
        """
        labels = metrics.true_class(truth["label"], outputs["classes"])
        mistakes = outputs["logits"].argmax(axis=1) != labels
        temperature = zoo.fit_temperature(outputs["logits"], labels) if mistakes.any() else 1.0

        def error(decision: Mapping[str, float]) -> float:
            probability = self.decode(outputs, decision)["probability"]
            return zoo.expected_calibration_error(probability, ~mistakes)

        return {
            "temperature": temperature,
            "calibration_before": error({}),
            "calibration_after": error({"temperature": temperature}),
        }

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        confusion = metrics.Confusion(truth["label"], predictions["label"])
        losses = metrics.log_losses(truth, predictions)
        return [
            zoo.Metric("macro_f1", "Macro F1", confusion.macro_f1),
            zoo.Metric("accuracy", "Accuracy", confusion.accuracy),
            zoo.Metric(
                "log_loss",
                "Log loss",
                lambda weights: float(np.average(losses, weights=weights)),
                higher_is_better=False,
            ),
        ]

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return scikit-learn's values of the metrics."""
        from sklearn.metrics import accuracy_score, f1_score, log_loss

        names = predictions["classes"][0].astype(str)
        label, found = truth["label"].astype(str), predictions["label"].astype(str)
        order = np.argsort(names)
        probabilities = predictions["probabilities"][:, order]
        return {
            "macro_f1": f1_score(label, found, average="macro"),
            "accuracy": accuracy_score(label, found),
            "log_loss": log_loss(label, probabilities, labels=names[order]),
        }

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        return {"Most frequent class": baselines.most_frequent_class}

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        return [
            figures.confusion(truth, predictions),
            figures.by_class(truth, predictions),
            figures.reliability(truth, predictions),
        ]

    def explain(
        self,
        model: keras.Model,
        preprocessing: Any,
        batch: zoo.Batch,
        predictions: zoo.Batch,
    ) -> zoo.Batch:
        """Give each example the pieces without which its class would be less likely."""
        return {"reasons": reasons(model, preprocessing, batch)}

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
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

    def files(
        self, batch: zoo.Batch, predictions: zoo.Batch, folder: Path, preprocessing: Any
    ) -> None:
        """Write a table for spreadsheets: an example a row, a class a column."""
        with (folder / "classes.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "label", *preprocessing.classes])
            for row, name in enumerate(batch["id"]):
                probabilities = predictions["probabilities"][row].round(6)
                table.writerow([name, predictions["label"][row], *probabilities])
