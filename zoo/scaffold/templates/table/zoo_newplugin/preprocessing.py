"""From numbers and categories to what the models take, learnt on the training split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import zoo

from zoo_newplugin.columns import Features

_LIMIT = 5.0
"""Standard deviations beyond which a number counts as so far."""


@dataclass(frozen=True, kw_only=True)
class TablePreprocessing(zoo.ClassPreprocessing):
    """Standardises numbers, marks missing ones, and counts categories off.

    Attributes:
        numbers: names of the columns of numbers.
        categories: names of the columns of categories.
        centre: mean of each column of numbers.
        spread: standard deviation of each, above 0.
        vocabularies: for each column of categories its known values; 0 means another one.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    vocabularies: tuple[tuple[str, ...], ...]

    @classmethod
    def fit(
        cls,
        train: zoo.Batch,
        features: Features,
        classes: tuple[str, ...],
        class_weights: tuple[float, ...],
    ) -> Self:
        """Learn from the training split, whole columns."""
        number = train["number"].astype(np.float64)
        known = [column[np.isfinite(column)] for column in number.T]
        return cls(
            classes=classes,
            class_weights=class_weights,
            numbers=features.numbers,
            categories=features.categories,
            centre=tuple(float(each.mean()) if len(each) else 0.0 for each in known),
            spread=tuple(float(each.std() or 1.0) if len(each) else 1.0 for each in known),
            vocabularies=tuple(tuple(sorted(set(column))) for column in train["category"].T),
        )

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        tensors = {}
        if self.numbers:
            names = (*self.numbers, *(f"{name} missing" for name in self.numbers))
            tensors["number"] = zoo.Tensor((len(names),), names=names)
        if self.categories:
            tensors["category"] = zoo.Tensor(
                (len(self.categories),),
                "int32",
                names=self.categories,
                sizes=tuple(len(each) + 1 for each in self.vocabularies),
                values=self.vocabularies,
            )
        return tensors

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return {name: self._input(name, batch) for name in self.tensors}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Make the columns missing, one after the other."""
        rows = len(batch["id"])
        for kind, names, missing in (
            ("number", self.numbers, np.nan),
            ("category", self.categories, ""),
        ):
            for place, name in enumerate(names):
                hidden = batch[kind].copy()
                hidden[:, place] = missing
                yield np.full(rows, name, object), self.inputs({**batch, kind: hidden})

    def _input(self, name: str, batch: zoo.Batch) -> np.ndarray:
        if name == "number":
            missing = np.isnan(batch["number"])
            standard = (batch["number"] - np.array(self.centre)) / np.array(self.spread)
            standard = np.clip(np.where(missing, 0.0, standard), -_LIMIT, _LIMIT)
            return np.concatenate([standard, missing], axis=1, dtype=np.float32)
        places = [
            {value: place for place, value in enumerate(values, start=1)}
            for values in self.vocabularies
        ]
        codes = [
            [known.get(value, 0) for known, value in zip(places, row, strict=True)]
            for row in batch["category"]
        ]
        return np.array(codes, np.int32)
