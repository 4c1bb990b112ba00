"""What would make a model of classes useless, or its figures dishonest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from zoo.components import Batch, Finding

_FEW = 10
"""Training examples of a class below which it is hardly learnt."""
_IMBALANCE = 20
"""How many times rarer than the most frequent class one may be without a word."""


def class_findings(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """Yield what is to be said of how many examples each class has.

    Args:
        counts: for each split, the examples of each class.
    """
    train = counts["train"]
    for name, count in train.items():
        if not count:
            message = f"No example of {name} is in train, so it is never learnt."
            yield Finding("warning", "untrained-class", message, name)
        elif count < _FEW:
            message = f"Only {count} examples are there to learn {name} from."
            yield Finding("warning", "rare-class", message, name)
        for split in ("validation", "test"):
            if not counts[split][name]:
                message = f"No example of {name} is in {split}, so nothing is measured of it."
                yield Finding("warning", "unmeasured-class", message, name)
    most, least = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
    if train[most] > _IMBALANCE * max(train[least], 1):
        message = f"Train has {train[most]:,} of {most} but {train[least]:,} of {least}."
        hint = "Try: --set task.class_weight=balanced"
        yield Finding("note", "class-imbalance", message, "train", hint)


def label_findings(columns: Batch, copies: np.ndarray) -> Iterator[Finding]:
    """Yield copies of one example that are said to be of different classes.

    Args:
        columns: of the examples, with `id` and `label`.
        copies: pairs of their rows, int64 [pairs, 2].
    """
    names, labels = columns["id"], columns["label"]
    for first, second in copies:
        if labels[first] != labels[second]:
            yield Finding(
                "warning",
                "contradicting-labels",
                f"{names[first]} and {names[second]} are copies, but one is said to be of "
                f"{labels[first]} and the other of {labels[second]}.",
                where=str(names[second]),
                hint="Keep the right one.",
            )
