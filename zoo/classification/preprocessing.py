"""The part of a preprocessing that classes need, whatever the examples are."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.components import Batch, Preprocessing, Space, Tensor

_FILE = "preprocessing.json"


@dataclass(frozen=True, kw_only=True)
class ClassPreprocessing(Preprocessing):
    """Turns names of classes into numbers; a subclass turns examples into inputs.

    A subclass is a frozen dataclass with `tensors` and `inputs`. Its fields are its state,
    which is stored as JSON: numbers, texts and tuples of them.

    Attributes:
        classes: names of the classes, in the order of the model's outputs.
        class_weights: what an example of each class weighs in the loss; empty for equal.
    """

    classes: tuple[str, ...]
    class_weights: tuple[float, ...] = ()

    @property
    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The model's inputs by name."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What else an architecture needs to know, such as a rate or bin edges."""
        return {}

    def occlusions(self, batch: Batch) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield, for each piece that examples can be taken apart into, inputs without it.

        :meth:`zoo.Classification.explain` finds out by them which pieces speak for a class.
        By default there are none.

        Yields:
            what the piece is called in each example, object [batch], empty where an example
            has no such piece; and the inputs of all examples without it.
        """
        return iter(())

    @property
    def space(self) -> Space:
        logits = Tensor((len(self.classes),), names=self.classes)
        return Space(
            inputs=self.tensors,
            outputs={"logits": logits},
            classes=self.classes,
            arrays=self.arrays,
        )

    def targets(self, batch: Batch) -> np.ndarray:
        """Return the place of each example's class, int32 [batch]."""
        places = {name: place for place, name in enumerate(self.classes)}
        return np.array([places[name] for name in batch["label"]], np.int32)

    def weights(self, batch: Batch) -> np.ndarray | None:
        if not self.class_weights:
            return None
        return np.array(self.class_weights, np.float32)[self.targets(batch)]

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / _FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(**{name: _as_tuples(value) for name, value in state.items()})


def balanced_weights(labels: np.ndarray, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return a weight for each class under which all classes weigh the same.

    Args:
        labels: names of the training examples' classes [n].
        classes: names of all classes.
    """
    counts = np.array([np.count_nonzero(labels == name) for name in classes])
    return tuple((len(labels) / len(classes) / np.maximum(counts, 1)).tolist())


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
