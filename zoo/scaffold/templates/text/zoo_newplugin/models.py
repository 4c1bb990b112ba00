"""The architectures of this domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import keras
import zoo
from keras import layers


@dataclass(frozen=True, kw_only=True)
class TextConv(zoo.Model):
    """Convolutions over embedded words, each kept where it responds most."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("embedding", "words*"),
        ("body", "span*"),
        ("head", "head*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head*",)

    width: int = zoo.setting(48, "Numbers that stand for a word, and filters.", minimum=1)
    spans: tuple[int, ...] = zoo.setting((1, 2, 3), "How many words the filters see at once.")
    dropout: float = zoo.setting(
        0.3, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    def build(self, space: zoo.Space) -> keras.Model:
        tensor = space.inputs["words"]
        numbers = keras.Input(tensor.shape, dtype=tensor.dtype, name="words")
        x = layers.Embedding(tensor.sizes[0], self.width, name="words_embedding")(numbers)
        x = layers.SpatialDropout1D(self.dropout, name="words_dropout")(x)
        found = []
        for span in self.spans:
            y = layers.Conv1D(
                self.width, span, padding="same", activation="relu", name=f"span{span}"
            )(x)
            found.append(layers.GlobalMaxPooling1D(name=f"span{span}_strongest")(y))
        x = layers.Concatenate(name="features")(found) if len(found) > 1 else found[0]
        x = layers.Dropout(self.dropout, name="dropout")(x)
        logits = layers.Dense(len(space.classes), dtype="float32", name="head")(x)
        return keras.Model({"words": numbers}, logits)

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Start the embeddings of words that both vocabularies have from the trained ones."""
        carry = super().carrier(source, target)
        old, new = (("padding", *space.inputs["words"].values[0]) for space in (source, target))
        places = zoo.shared_places(old, new)

        def start(weight: keras.Variable, known: Mapping[str, keras.Variable]) -> bool:
            if weight.path.startswith("words_embedding/"):
                return zoo.copy_places(weight, known.get(weight.path), places, axis=0)
            return carry(weight, known)

        return start
