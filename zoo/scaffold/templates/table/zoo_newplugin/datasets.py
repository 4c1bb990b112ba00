"""Where tables come from: the user's files, or the generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import zoo

from zoo_newplugin.columns import Features, constant_columns


@dataclass(frozen=True, kw_only=True)
class LabelledTable(zoo.LabelledRows):
    """Rows of the user's tables; an example has `number` and `category`.

    Columns that are not named are told apart by what most of their values are. A model
    reads new files as it read those it was trained on.
    """

    title: ClassVar[str] = "rows of a table"

    numbers: tuple[str, ...] | None = zoo.setting(
        None, "Columns of numbers; by default those whose values are numbers."
    )
    categories: tuple[str, ...] | None = zoo.setting(
        None, "Columns of categories; by default all others."
    )
    ignore: tuple[str, ...] = zoo.setting((), "Columns that say nothing, or too much.")

    @property
    def required(self) -> tuple[str, ...]:
        return (*(self.numbers or ()), *(self.categories or ()))

    def parse(self, rows: Sequence[zoo.TableRow]) -> zoo.ParsedRows:
        features = self._features(rows)
        values = [row.values for row in rows]
        columns = features.columns(values)
        found = ((number, features.problem(row)) for number, row in enumerate(values))
        pairs = zip(columns["number"], columns["category"], strict=True)
        content = [zoo.fingerprint(number, category) for number, category in pairs]
        return zoo.ParsedRows(
            columns={**columns, "content": zoo.object_column(content)},
            problems={number: problem for number, problem in found if problem},
            findings=[
                zoo.Finding("warning", "constant-column", f"{name} has one value or none.", name)
                for name in constant_columns(columns, features)
            ],
            facts={"numbers": list(features.numbers), "categories": list(features.categories)},
        )

    def settled(self, info: zoo.DatasetInfo) -> Self:
        numbers, categories = (tuple(info.facts[name]) for name in ("numbers", "categories"))
        return replace(super().settled(info), numbers=numbers, categories=categories)

    def _features(self, rows: Sequence[zoo.TableRow]) -> Features:
        """Return the columns as they are named, or else by what is in them."""
        if self.numbers is not None and self.categories is not None:
            return Features(self.numbers, self.categories)
        usable = [row.values for row in rows if self.label_column in row.values]
        usable = usable or [row.values for row in rows]
        others = {*self.named_columns().values(), *self.ignore}
        common = set.intersection(*map(set, usable)) - others
        guess = Features.guess(usable, [name for name in usable[0] if name in common])
        return Features(
            guess.numbers if self.numbers is None else self.numbers,
            guess.categories if self.categories is None else self.categories,
        )


@dataclass(frozen=True, kw_only=True)
class Customers(zoo.GeneratedData):
    """Customers who leave, stay or upgrade, for reasons that act together."""

    classes: ClassVar[tuple[str, ...]] = ("leaves", "stays", "upgrades")
    files: ClassVar[type[zoo.LabelledData]] = LabelledTable
    features: ClassVar[Features] = Features(
        ("age", "months", "visits", "spent"), ("plan", "region")
    )

    examples: int = zoo.setting(4000, "How many, all splits together.", minimum=20)
    missing: float = zoo.setting(0.05, "Share of values that are missing.", minimum=0, maximum=0.9)

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        customer = _customer(rng)
        while _decision(rng, customer) != label:
            customer = _customer(rng)
        values = {name: "" if rng.random() < self.missing else customer[name] for name in customer}
        return {name: column[0] for name, column in self.features.columns([values]).items()}

    def facts(self) -> Mapping[str, Any]:
        return {
            "numbers": list(self.features.numbers),
            "categories": list(self.features.categories),
        }

    def reader(self) -> zoo.LabelledData:
        return LabelledTable(
            classes=self.classes,
            numbers=self.features.numbers,
            categories=self.features.categories,
        )


def _customer(rng: np.random.Generator) -> dict[str, str]:
    visits = rng.gamma(2.0, 4.0)
    return {
        "age": f"{rng.uniform(18, 80):.0f}",
        "months": f"{rng.exponential(24):.0f}",
        "visits": f"{visits:.1f}",
        "spent": f"{visits * rng.lognormal(2, 0.6):.2f}",
        "plan": str(rng.choice(["basic", "family", "student"])),
        "region": str(rng.choice(["north", "east", "south", "west"])),
    }


def _decision(rng: np.random.Generator, customer: Mapping[str, str]) -> str:
    """Return what the customer does: mostly by the plan, and how it is used."""
    visits, months = float(customer["visits"]), float(customer["months"])
    value = float(customer["spent"]) / max(visits, 0.1)
    if customer["plan"] == "family":
        wish = visits - 8
    elif customer["plan"] == "student":
        wish = 28 - float(customer["age"]) + months / 12
    else:
        wish = (8 - value) * (1 if visits > 6 else -1)
    wish += rng.normal(0, 1.5)
    return "upgrades" if wish > 3 else "leaves" if wish < -3 else "stays"
