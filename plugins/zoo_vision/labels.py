"""Classes by name, as pictures and predictions have them, and by number, as arrays need them.

Names are what two data sets, or a model and a data set, have in common; numbers are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

import zoo


def class_names(*batches: zoo.Batch) -> tuple[str, ...]:
    """Return the names in the columns `classes` of some batches, sorted."""
    return tuple(
        sorted({str(name) for batch in batches for row in batch["classes"] for name in row})
    )


def numbered(batch: zoo.Batch, names: Sequence[str]) -> zoo.Batch:
    """Return a batch with classes as their places in `names`, int64; other objects are left out.

    Args:
        batch: with `classes`, names [n] for each picture; every column of objects with as
            many entries as the picture has classes is shortened alike.
        names: the classes that count.
    """
    places = {name: place for place, name in enumerate(names)}
    known = [np.array([name in places for name in row], bool) for row in batch["classes"]]
    columns: zoo.Batch = {
        name: zoo.object_column(
            np.asarray(values)[kept] for values, kept in zip(batch[name], known, strict=True)
        )
        for name in ("boxes", "crowd", "scores", "shown")
        if name in batch
    }
    numbers = zoo.object_column(
        np.array([places[name] for name in row if name in places], np.int64)
        for row in batch["classes"]
    )
    return {**batch, **columns, "classes": numbers}


def named(rows: Iterable[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Return class numbers of each picture, int64 [n], as names: object [pictures] of [n]."""
    lookup = np.array(names, object)
    return zoo.object_column(lookup[row] for row in rows)
