"""What all networks that translate share: inputs, output, and how pieces carry over.

Their `encoder` turns a source, int32 [batch, S], into states [batch, S, width]. Their `decoder`
turns (target, states, source) into logits [batch, T, pieces] at once, and has three more
methods, so that decoding knows no architecture:

- `start(states, source, beams, steps)` gives a memory, tensors [batch, ...], and a cache of
  what belongs to the single beams, tensors [batch, beams, ...] by name, for translations of at
  most `steps` pieces;
- `step(pieces, place, memory, cache)` takes the last piece of each beam, int32 [batch, beams],
  and its place, and gives logits [batch, beams, pieces] and the next memory and cache; between
  two steps the beams of the cache may be permuted;
- `alignments((target, states, source))` gives how much each target place looks at each place
  of the source, float32 [batch, T, S].

Logits are of the type that the network computes in; the loss knows both.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

import zoo
from zoo_translation.vocabulary import carrier


class Size(NamedTuple):
    """Layers on each side, width, units between two dense layers, heads."""

    layers: int
    width: int
    hidden: int
    heads: int


@keras.saving.register_keras_serializable(package="zoo_translation")
class Twice(keras.layers.Layer):
    """In training, gives a batch [batch, ...] twice, one after the other: [2 * batch, ...]."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        return ops.concatenate([x, x], axis=0) if training else x


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder(zoo.Model):
    """A network that reads a sentence of pieces and writes another.

    Class attributes:
        vectors: path of the matrix whose rows are the pieces.
    """

    vectors: ClassVar[str] = "embedding/vectors"

    dropout: float = zoo.setting(
        0.3, "Share of features left out in training.", minimum=0.0, maximum=0.9
    )

    @abstractmethod
    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        """Return the layers `encoder` and `decoder` for a number of pieces."""

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of `source` and `target`, int32 [batch, S or T], to logits.

        Where the space has `readings`, training gives those of each example, one batch after
        the other.
        """
        encoder, decoder = self.stacks(len(space.classes))
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        read, written = source, target
        if int(space.arrays.get("readings", 1)) > 1:
            read, written = Twice(name="twice")(source), Twice(name="twice_target")(target)
        logits = decoder((written, encoder(read), read))
        return keras.Model({"source": source, "target": target}, logits, name="translator")

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Return what copies weights, and vectors of pieces by what the pieces spell."""
        return carrier(source, target, [self.vectors], axis=0)
