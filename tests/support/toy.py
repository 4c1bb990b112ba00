"""The smallest whole plugin: two classes of points, told apart by a small network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np

import zoo

ZOO_CONTRACT = 1
HERE = __name__


@zoo.hookimpl
def zoo_tasks():
    return [
        zoo.TaskSpec(
            name="classify", summary="Tells points apart.", implementation=f"{HERE}:Classify"
        )
    ]


@zoo.hookimpl
def zoo_models():
    return [
        zoo.ModelSpec(
            name="net",
            summary="Two dense layers.",
            implementation=f"{HERE}:Net",
            tasks=("toy/classify",),
        )
    ]


@zoo.hookimpl
def zoo_datasets():
    return [
        zoo.DatasetSpec(
            name="points",
            summary="Points around two centres.",
            implementation=f"{HERE}:Points",
            tasks=("toy/classify",),
        )
    ]


@zoo.hookimpl
def zoo_strategies():
    return [zoo.StrategySpec(name="plain", summary="As it is.", implementation=f"{HERE}:Plain")]


@zoo.hookimpl
def zoo_recipes():
    return [
        zoo.RecipeSpec(
            name="train",
            summary="Trains the small network.",
            task="classify",
            model="net",
            dataset="points",
            sample="points",
            strategy="plain",
            settings={
                "train.batch_size": 16,
                "train.stages": [{"name": "all", "epochs": 2}],
                "evaluation.samples": 20,
            },
            trial={"train.learning_rate": 0.02, "train.stages": [{"epochs": 4}]},
            default=True,
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Points(zoo.Dataset):
    """Points in the plane; a file holds one JSON list `[x, y]` or `[x, y, label]` a line."""

    count: int = zoo.setting(200, "How many points.", minimum=1)

    def load(self, *, seed: int, cache: Path) -> zoo.Data:
        generator = np.random.default_rng(seed)
        label = np.arange(self.count) // 4 % 2
        point = generator.normal(size=(self.count, 2)) + label[:, None] * 2.0
        columns = {"point": point.astype(np.float32), "label": label.astype(np.int64)}
        findings = []
        if self.path:
            examples, findings = self.read(self.path, cache=cache)
            columns = examples.columns
        rows = np.arange(len(columns["label"]))
        splits = {
            "train": zoo.Columns({k: v[rows % 4 < 2] for k, v in columns.items()}),
            "validation": zoo.Columns({k: v[rows % 4 == 2] for k, v in columns.items()}),
            "test": zoo.Columns({k: v[rows % 4 == 3] for k, v in columns.items()}),
        }
        info = zoo.DatasetInfo(
            name="points",
            source=self.path or "generator",
            fingerprint=f"points-{self.count}-{seed}",
            counts={name: len(split) for name, split in splits.items()},
        )
        return zoo.Data(splits=splits, info=info, findings=findings)

    def check(self, *, seed: int, cache: Path) -> list[zoo.Finding]:
        return self.read(self.path, cache=cache)[1] if self.path else []

    def read(self, path: str, *, cache: Path) -> tuple[zoo.Columns, list[zoo.Finding]]:
        rows, findings = [], []
        for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
            try:
                x, y, *label = json.loads(line)
                rows.append((float(x), float(y), int(*label) if label else -1))
            except (ValueError, TypeError):
                findings.append(
                    zoo.Finding("error", "bad-line", "not [x, y, label]", f"{path}, line {number}")
                )
        table = np.array(rows, np.float64).reshape(-1, 3)
        columns = {"point": table[:, :2].astype(np.float32)}
        if not np.any(table[:, 2] < 0):
            columns["label"] = table[:, 2].astype(np.int64)
        return zoo.Columns(columns), findings


class Scaling(zoo.Preprocessing):
    def __init__(self, mean: np.ndarray) -> None:
        self.mean = mean

    @property
    def space(self) -> zoo.Space:
        return zoo.Space(inputs={"point": zoo.Tensor((2,))}, outputs={"logit": zoo.Tensor((1,))})

    def inputs(self, batch):
        return {"point": (batch["point"] - self.mean).astype(np.float32)}

    def targets(self, batch):
        return batch["label"].astype(np.float32)[:, None]

    def save(self, folder: Path) -> None:
        (folder / "mean.json").write_text(json.dumps(self.mean.tolist()))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(np.array(json.loads((folder / "mean.json").read_text()), np.float32))


@dataclass(frozen=True, kw_only=True)
class Classify(zoo.Task):
    """Tells which of two centres a point belongs to."""

    monitor: ClassVar[str] = "auc"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = Scaling

    unit: float = zoo.setting(1.0, "What scores are counted in.")

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> Scaling:
        return Scaling(train[np.arange(len(train))]["point"].mean(axis=0))

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def decode(self, outputs: Any, decision: Mapping[str, float]):
        score = np.asarray(outputs, np.float64)[:, 0]
        label = score >= decision.get("threshold", 0.0)
        return {"score": score / self.unit, "label": label}

    def tune(self, truth, outputs):
        return {"threshold": float(np.median(outputs))}

    def metrics(self, truth, predictions) -> list[zoo.Metric]:
        ranking = zoo.Ranking(truth["label"], predictions["score"])
        return [zoo.Metric("auc", "ROC AUC", ranking.roc_auc)]

    def baselines(self, preprocessing):
        def constant(train, test):
            score = np.zeros(len(test["label"]))
            return {"score": score, "label": score > 0}

        return {"Constant": constant}

    def records(self, batch, predictions) -> Iterator[dict[str, Any]]:
        for score in predictions["score"]:
            yield {"score": float(score)}

    def files(self, batch, predictions, folder: Path, preprocessing) -> None:
        pairs = zip(batch["point"], predictions["label"], strict=True)
        lines = [f"{x:g} {y:g} {int(label)}" for (x, y), label in pairs]
        (folder / "points.txt").write_text("\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class Net(zoo.Model):
    """Two dense layers with dropout between them."""

    width: int = zoo.setting(8, "Hidden units.", minimum=1)
    dropout: float = zoo.setting(0.2, "Share of units left out.", minimum=0, maximum=0.9)

    def build(self, space: zoo.Space) -> keras.Model:
        inputs = {"point": keras.Input((2,), name="point")}
        units = keras.layers.Dense(self.width, activation="relu", name="body")(inputs["point"])
        units = keras.layers.Dropout(self.dropout)(units)
        return keras.Model(inputs, keras.layers.Dense(1, dtype="float32", name="head")(units))


@dataclass(frozen=True, kw_only=True)
class Plain(zoo.Strategy):
    """The core's strategy as it is."""
