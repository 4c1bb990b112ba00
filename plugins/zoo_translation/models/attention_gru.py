"""The classical translator: recurrent encoder and decoder with attention between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

import zoo
from zoo_translation.models.encoder_decoder import EncoderDecoder
from zoo_translation.models.layers import (
    CrossAttention,
    PieceEmbedding,
    Shape,
    hide_padding,
)
from zoo_translation.tokeniser import PAD

_register = keras.saving.register_keras_serializable(package="zoo_translation")


@dataclass(frozen=True, kw_only=True)
class AttentionGRU(EncoderDecoder):
    """A bidirectional GRU that reads, and a GRU that looks at what was read and writes.

    The decoder looks at the source after its recurrent step, with the dot product of
    arXiv:1508.04025, so in training it takes all places at once.
    """

    width: int = zoo.setting(256, "Features of pieces and states, an even number.", minimum=2)

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("embedding", "embedding/*"),
        ("encoder", "encoder/*"),
        ("decoder", "decoder/*"),
    )

    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        if self.width % 2:
            raise zoo.ConfigError(
                f"model.width is {self.width}, which does not divide into two directions.",
                hint="Give an even number.",
            )
        embedding = PieceEmbedding(pieces, self.width, name="embedding")
        embedding.build()
        return (
            RecurrentEncoder(embedding, self.dropout, name="encoder"),
            RecurrentDecoder(embedding, self.dropout, name="decoder"),
        )


class _Recurrent(keras.layers.Layer):
    """What encoder and decoder share: the vectors of pieces."""

    def __init__(self, embedding: PieceEmbedding, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self.embedding, self.rate = embedding, dropout
        self.dropout = zoo.FastDropout(dropout, name="dropout")

    def embed(self, pieces: Any, training: bool | None = None) -> Any:
        """Return vectors [..., width] of pieces int32 [...]."""
        return self.dropout(self.embedding(pieces), training=training)

    def get_config(self) -> dict[str, Any]:
        # Given as it is and not serialised here, so that Keras sees that both share it.
        return {**super().get_config(), "embedding": self.embedding, "dropout": self.rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})


@_register
class RecurrentEncoder(_Recurrent):
    """Reads a source in both directions: int32 [batch, S] to states [batch, S, width]."""

    def __init__(self, embedding: PieceEmbedding, dropout: float, **options: Any) -> None:
        super().__init__(embedding, dropout, **options)
        self.recurrent = keras.layers.Bidirectional(
            keras.layers.GRU(embedding.width // 2, return_sequences=True, name="gru"),
            name="recurrent",
        )

    def build(self, input_shape: Shape) -> None:
        self.recurrent.build((None, None, self.embedding.width))

    def call(self, source: Any, training: bool | None = None) -> Any:
        x = self.embed(source, training=training)
        states = self.recurrent(x, mask=ops.not_equal(source, PAD), training=training)
        return self.dropout(states, training=training)


@_register
class RecurrentDecoder(_Recurrent):
    """Scores the next piece at each place of a target, all at once or step by step."""

    def __init__(self, embedding: PieceEmbedding, dropout: float, **options: Any) -> None:
        super().__init__(embedding, dropout, **options)
        width = embedding.width
        self.supports_masking = True  # it hides padding itself
        self.begin = keras.layers.Dense(width, activation="tanh", name="begin")
        self.recurrent = keras.layers.GRU(width, return_sequences=True, name="recurrent")
        self.attention = CrossAttention(width, heads=1, name="attention")
        self.combine = keras.layers.Dense(width, activation="tanh", name="combine")

    def build(self, *input_shapes: Shape) -> None:
        width = self.embedding.width
        self.begin.build((None, width))
        self.combine.build((None, None, 2 * width))
        for each in (self.recurrent, self.attention):
            each.build((None, None, width))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        target, states, source = inputs
        x = self._recur(target, states, training)
        padding = hide_padding(source, self.compute_dtype)
        x = self._look(x, self.attention.memory(states), padding)
        return self.embedding.scores(self.dropout(x, training=training))

    def compute_mask(self, *arguments: Any) -> None:
        return None

    def start(self, states: Any, source: Any, beams: int, steps: Any) -> tuple[Any, Any]:
        memory = {
            "padding": hide_padding(source, states.dtype),
            "states": self.attention.memory(states),
        }
        return memory, {"state": ops.repeat(self._begin(states)[:, None], beams, axis=1)}

    def step(self, pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        state = cache["state"]
        rows = (-1, self.embedding.width)
        x = ops.reshape(self.embed(pieces, training=False), rows)
        x, _ = self.recurrent.cell(x, [ops.reshape(state, rows)])
        x = ops.reshape(x, ops.shape(state))
        found = self._look(x, memory["states"], memory["padding"])
        return self.embedding.scores(found), memory, {"state": x}

    def alignments(self, inputs: Any) -> Any:
        target, states, source = inputs
        x = self._recur(target, states, training=False)
        padding = hide_padding(source, x.dtype)
        return self.attention.weights_of(x, self.attention.memory(states), padding)

    def _begin(self, states: Any) -> Any:
        """Return the first state [batch, width]: at place 0 one direction has read it all."""
        return self.begin(states[:, 0])

    def _recur(self, target: Any, states: Any, training: bool | None) -> Any:
        x = self.embed(target, training=training)
        return self.recurrent(x, initial_state=self._begin(states), training=training)

    def _look(self, x: Any, memory: Any, padding: Any) -> Any:
        """Return states [batch, T, width] with what they find in the source."""
        return self.combine(ops.concatenate([x, self.attention(x, memory, padding)], axis=-1))
