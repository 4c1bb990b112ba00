"""Tables as a user has them, for the tests."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo_newplugin.datasets import Customers

DATASET = "rows"
GROUPED: dict[str, Any] = {"group_column": "shop"}
_SHOPS = 12


class Written(NamedTuple):
    """What was written: where, how many good rows, and the name of the bad file."""

    path: Path
    good: int
    bad: str


def write(folder: Path) -> Written:
    """Write rows of each class from a dozen shops, and a file that is no table."""
    _write(folder / "customers.csv", 0, 20)
    (folder / "bad.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    return Written(folder, 20 * len(Customers.classes), "bad.csv")


def write_splits(folder: Path) -> Path:
    """Write a file for each official split."""
    for number, split in enumerate(("train", "validation", "test")):
        _write(folder / f"{split}.csv", 1000 * (number + 1), 5)
    return folder


def add_copies(folder: Path) -> None:
    """Add a file with rows that are there already."""
    lines = (folder / "customers.csv").read_text(encoding="utf-8").splitlines()
    (folder / "more.csv").write_text("\n".join(lines[:9]) + "\n", encoding="utf-8")


def _write(path: Path, seed: int, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    features = Customers.features
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*features.numbers, *features.categories, "label", "shop"])
        for number in range(count):
            for place, label in enumerate(Customers.classes):
                rng = np.random.default_rng([seed, number, place])
                example = Customers().example(rng, label, {})
                values = [*example["number"], *example["category"]]
                shown = ["" if value != value else value for value in values]  # noqa: PLR0124
                table.writerow([*shown, label, f"shop {number % _SHOPS}"])
