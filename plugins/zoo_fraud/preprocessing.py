"""From feature columns to what the models take, learnt on the training split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

import zoo

_LIMIT = 10.0
"""Standard deviations beyond which a number counts as so far."""


@dataclass(frozen=True)
class TablePreprocessing(zoo.Preprocessing):
    """Standardises numbers and counts categories off.

    After a logarithm that keeps the sign, numbers are centred on their mean, divided by
    their standard deviation and limited, so that amounts and counts of any scale become
    comparable. A missing number stays NaN: the models embed it as such.

    Attributes:
        numbers: names of the numeric features.
        categories: names of the categorical features.
        centre: mean after the logarithm, float64 [numbers].
        spread: standard deviation after it, float64 [numbers], above 0.
        edges: float32 [numbers, bins + 1], rising quantiles of the standardised numbers; the
            last ones are equal where a feature has fewer values than bins.
        vocabularies: for each categorical feature its known values; 0 means another one.
        positive_weight: weight of a fraud in the loss, over that of another transaction.
        history: how many earlier transactions of the card come with an example.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    edges: np.ndarray
    vocabularies: tuple[tuple[str, ...], ...]
    positive_weight: float = 1.0
    history: int = 0

    @classmethod
    def fit(
        cls,
        batch: zoo.Batch,
        numbers: Sequence[str],
        categories: Sequence[str],
        *,
        bins: int,
        minimum_count: int,
        positive_weight: float,
    ) -> TablePreprocessing:
        """Learn from the training split.

        Args:
            batch: the whole training split as columns.
            numbers: names of the columns of `batch["number"]`.
            categories: names of the columns of `batch["category"]`.
            bins: for the piecewise-linear encoding.
            minimum_count: occurrences below which a category counts as unseen.
            positive_weight: as the attribute.
        """
        values = _squash(batch["number"])
        centre = np.zeros(values.shape[1])
        spread = np.ones(values.shape[1])
        for column in range(values.shape[1]):
            known = values[np.isfinite(values[:, column]), column]
            if len(known):
                centre[column] = known.mean()
                spread[column] = known.std() or 1.0
        standard = _standardise(values, centre, spread)
        return cls(
            numbers=tuple(numbers),
            categories=tuple(categories),
            centre=centre,
            spread=spread,
            edges=_quantiles(standard, bins),
            vocabularies=tuple(
                _vocabulary(batch["category"][:, column], minimum_count)
                for column in range(len(categories))
            ),
            positive_weight=positive_weight,
            history=batch["history"].shape[1] if "history" in batch else 0,
        )

    @property
    def space(self) -> zoo.Space:
        sizes = tuple(len(vocabulary) + 1 for vocabulary in self.vocabularies)
        inputs = {"number": zoo.Tensor((len(self.numbers),), "float32", names=self.numbers)}
        if self.categories:
            inputs["category"] = zoo.Tensor(
                (len(self.categories),),
                "int32",
                names=self.categories,
                sizes=sizes,
                values=self.vocabularies,
            )
        if self.history:
            inputs["history"] = zoo.Tensor((self.history, len(self.numbers)), names=self.numbers)
            inputs["age"] = zoo.Tensor((self.history,))
        return zoo.Space(
            inputs=inputs,
            outputs={"logit": zoo.Tensor((1,), "float32", names=("fraud",))},
            arrays={"edges": self.edges},
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        found = {"number": self._number(batch["number"])}
        if self.categories:
            columns = zip(batch["category"].T, self.vocabularies, strict=True)
            found["category"] = np.stack([_codes(*column) for column in columns], axis=1)
        if self.history:
            found |= {"history": self._number(batch["history"]), "age": batch["age"]}
        return found

    def _number(self, number: np.ndarray) -> np.ndarray:
        return _standardise(_squash(number), self.centre, self.spread).astype(np.float32)

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        return batch["label"].astype(np.float32)[:, None]

    def weights(self, batch: zoo.Batch) -> np.ndarray | None:
        if self.positive_weight == 1.0:
            return None
        return np.where(batch["label"] == 1, self.positive_weight, 1.0).astype(np.float32)

    def save(self, folder: Path) -> None:
        np.savez(
            folder / "numbers.npz",
            allow_pickle=False,
            centre=self.centre,
            spread=self.spread,
            edges=self.edges,
        )
        state = {
            "numbers": self.numbers,
            "categories": self.categories,
            "vocabularies": self.vocabularies,
            "positive_weight": self.positive_weight,
            "history": self.history,
        }
        (folder / "table.json").write_text(json.dumps(state, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        with np.load(folder / "numbers.npz", allow_pickle=False) as arrays:
            return cls(
                numbers=tuple(state["numbers"]),
                categories=tuple(state["categories"]),
                centre=arrays["centre"],
                spread=arrays["spread"],
                edges=arrays["edges"],
                vocabularies=tuple(tuple(each) for each in state["vocabularies"]),
                positive_weight=state["positive_weight"],
                history=state["history"],
            )


def _squash(number: np.ndarray) -> np.ndarray:
    number = np.asarray(number, np.float64)
    return np.sign(number) * np.log1p(np.abs(number))


def _standardise(squashed: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.clip((squashed - centre) / spread, -_LIMIT, _LIMIT)


def _quantiles(standard: np.ndarray, bins: int) -> np.ndarray:
    edges = np.zeros((standard.shape[1], bins + 1), np.float32)
    for column in range(standard.shape[1]):
        known = standard[np.isfinite(standard[:, column]), column].astype(np.float32)
        if len(known):
            edges[column] = _rising(known, bins + 1)
    return edges


def _rising(values: np.ndarray, count: int) -> np.ndarray:
    """Return `count` quantiles of `values`, all different as long as there are so many values.

    Quantiles that fall on one frequent value, such as 0, leave room, which is filled with
    quantiles of the distinct values.
    """
    distinct = np.unique(values)
    if len(distinct) > count:
        chosen = np.unique(np.quantile(values, np.linspace(0, 1, count)))
        fill = np.quantile(distinct, np.linspace(0, 1, count - len(chosen) + 2))
        distinct = np.unique(np.concatenate([chosen, fill[1:-1]]).astype(np.float32))[:count]
    return np.pad(distinct, (0, count - len(distinct)), mode="edge")


def _vocabulary(column: np.ndarray, minimum_count: int) -> tuple[str, ...]:
    values, counts = np.unique(column.astype(str), return_counts=True)
    return tuple(values[counts >= minimum_count].tolist())


def _codes(column: np.ndarray, vocabulary: tuple[str, ...]) -> np.ndarray:
    """Return the place of each value in the sorted vocabulary plus 1, or 0 if it is unknown."""
    if not vocabulary:
        return np.zeros(len(column), np.int32)
    known = np.asarray(vocabulary)
    text = column.astype(str)
    place = np.minimum(np.searchsorted(known, text), len(known) - 1)
    return np.where(known[place] == text, place + 1, 0).astype(np.int32)
