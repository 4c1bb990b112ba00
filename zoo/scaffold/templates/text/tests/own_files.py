"""Texts as a user has them, for the tests."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo_newplugin.datasets import Messages

DATASET = "rows"
GROUPED: dict[str, Any] = {"group_column": "customer"}
_CUSTOMERS = 12


class Written(NamedTuple):
    """What was written: where, how many good texts, and the name of the bad file."""

    path: Path
    good: int
    bad: str


def write(folder: Path) -> Written:
    """Write texts of each class from a dozen customers, and a file that is no table."""
    _write(folder / "messages.csv", 0, 20)
    (folder / "bad.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    return Written(folder, 20 * len(Messages.classes), "bad.csv")


def write_splits(folder: Path) -> Path:
    """Write a file for each official split."""
    for number, split in enumerate(("train", "validation", "test")):
        _write(folder / f"{split}.csv", 1000 * (number + 1), 5)
    return folder


def add_copies(folder: Path) -> None:
    """Add a file with texts that are there already, in capitals."""
    with (folder / "messages.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with (folder / "more.csv").open("w", encoding="utf-8", newline="") as file:
        copies = [[text.upper(), *others] for text, *others in rows[:8]]
        csv.writer(file).writerows([header, *copies])


def _write(path: Path, seed: int, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label", "customer"])
        for number in range(count):
            for place, label in enumerate(Messages.classes):
                rng = np.random.default_rng([seed, number, place])
                text = Messages().example(rng, label, {})["text"]
                table.writerow([text, label, f"customer {number % _CUSTOMERS}"])
