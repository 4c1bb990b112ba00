"""What the columns of a table are: numbers, categories, or nothing to learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import zoo

_NUMERIC = 0.9
"""Share of a column's values that are numbers, from which it is a column of numbers."""


@dataclass(frozen=True)
class Features:
    """The columns that a model looks at.

    Attributes:
        numbers: names of the columns of numbers.
        categories: names of the columns of categories.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @classmethod
    def guess(cls, rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> Features:
        """Tell numbers from categories by what most of the values are."""
        numbers = tuple(name for name in names if _is_numeric([row[name] for row in rows]))
        return cls(numbers, tuple(name for name in names if name not in numbers))

    def problem(self, row: Mapping[str, str]) -> str:
        """Return why a row cannot be used, or nothing."""
        for name in (*self.numbers, *self.categories):
            if name not in row:
                return f"It has no column {name!r}."
        for name in self.numbers:
            if row[name] and parse_number(row[name]) is None:
                return f"{name} is {row[name]!r}, expected a number."
        return ""

    def columns(self, rows: Sequence[Mapping[str, str]]) -> zoo.Batch:
        """Return `number` float32 [n, numbers], NaN where missing, and `category` [n, categories].

        Categories are texts, empty where missing.
        """
        number = [[_number(row.get(name, "")) for name in self.numbers] for row in rows]
        category = [[row.get(name, "") for name in self.categories] for row in rows]
        return {
            "number": np.array(number, np.float32).reshape(len(rows), len(self.numbers)),
            "category": np.array(category, object).reshape(len(rows), len(self.categories)),
        }


def parse_number(text: str) -> float | None:
    """Return a finite number, or None if the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def constant_columns(columns: zoo.Batch, features: Features) -> Iterator[str]:
    """Yield the names of columns that have one value or none."""
    for place, name in enumerate(features.numbers):
        if len(np.unique(columns["number"][:, place])) < 2:
            yield name
    for place, name in enumerate(features.categories):
        if len(set(columns["category"][:, place])) < 2:
            yield name


def _number(text: str) -> float:
    value = parse_number(text)
    return math.nan if value is None else value


def _is_numeric(values: Sequence[str]) -> bool:
    given = [value for value in values if value]
    numeric = sum(parse_number(value) is not None for value in given)
    return bool(given) and numeric >= _NUMERIC * len(given)
