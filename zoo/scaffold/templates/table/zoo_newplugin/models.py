"""The architectures of this domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import zoo
from keras import layers


@dataclass(frozen=True, kw_only=True)
class MLP(zoo.Model):
    """Dense layers on numbers and embedded categories."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("embedding", "embedding*"),
        ("body", "dense*"),
        ("head", "head*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head*",)

    width: int = zoo.setting(128, "Units of a layer.", minimum=1)
    depth: int = zoo.setting(2, "How many layers.", minimum=1)
    embedding: int = zoo.setting(8, "Numbers that stand for a category.", minimum=1)
    dropout: float = zoo.setting(0.1, "Share of units left out.", minimum=0, maximum=0.9)

    def build(self, space: zoo.Space) -> keras.Model:
        inputs = {
            name: keras.Input(tensor.shape, dtype=tensor.dtype, name=name)
            for name, tensor in space.inputs.items()
        }
        features = [inputs["number"]] if "number" in inputs else []
        if "category" in inputs:
            features += self._embedded(inputs["category"], space.inputs["category"])
        x = layers.Concatenate(name="features")(features) if len(features) > 1 else features[0]
        for number in range(self.depth):
            x = layers.Dense(self.width, activation="relu", name=f"dense{number}")(x)
            x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        logits = layers.Dense(len(space.classes), dtype="float32", name="head")(x)
        return keras.Model(inputs, logits)

    def _embedded(self, category: Any, tensor: zoo.Tensor) -> list[Any]:
        """Return the embedding of each column of categories."""
        return [
            layers.Embedding(size, self.embedding, name=f"embedding{place}")(category[:, place])
            for place, size in enumerate(tensor.sizes)
        ]
