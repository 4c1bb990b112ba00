"""The encoder-decoder Transformer (arXiv:1706.03762), pre-norm, with one matrix of pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras
from keras import ops

import zoo
from zoo_translation.models.encoder_decoder import EncoderDecoder, Size
from zoo_translation.models.layers import (
    MASKED,
    CrossAttention,
    FeedForward,
    LearnedPositions,
    PieceEmbedding,
    SelfAttention,
    Shape,
    hide_future,
    hide_padding,
)

_register = keras.saving.register_keras_serializable(package="zoo_translation")

_SIZES = {
    "tiny": Size(4, 128, 256, 4),
    "small": Size(6, 256, 1024, 4),
    "base": Size(6, 512, 2048, 8),
}


@dataclass(frozen=True, kw_only=True)
class Transformer(EncoderDecoder):
    """An encoder-decoder Transformer whose one matrix reads source and target and scores."""

    size: Literal["tiny", "small", "base"] = zoo.setting(
        "tiny", "2.4, 13 or 48 million parameters with 8,000 pieces."
    )
    positions: Literal["rotary", "learned"] = zoo.setting(
        "rotary", "How places are told apart; `rotary` knows no longest sentence."
    )
    longest: int = zoo.setting(
        512, "Places that have a vector of their own, if positions are learned.", minimum=1
    )

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("embedding", "embedding/*"),
        ("embedding", "*/positions/*"),
        *((f"encoder{number}", f"encoder/layer{number}/*") for number in range(1, 7)),
        ("encoder", "encoder/*"),
        *((f"decoder{number}", f"decoder/layer{number}/*") for number in range(1, 7)),
        ("decoder", "decoder/*"),
    )
    # Of two products in a row the first is cut by its outputs and the second by its inputs
    # (arXiv:1909.08053), so that devices talk once for both. What one matrix projects to queries,
    # keys and values is not cut by heads; XLA moves it between devices.
    shard_patterns: ClassVar[tuple[tuple[str, int], ...]] = (
        ("embedding/vectors", 0),
        ("*_attention/query/kernel", 1),
        ("*_attention/projection/kernel", 1),
        ("*_attention/output/kernel", 0),
        ("*/feed_forward/first/kernel", 1),
        ("*/feed_forward/second/kernel", 0),
    )

    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        size = _SIZES[self.size]
        embedding = PieceEmbedding(pieces, size.width, name="embedding")
        embedding.build()
        longest = self.longest if self.positions == "learned" else 0
        settings = {**size._asdict(), "dropout": self.dropout, "longest": longest}
        return (
            Encoder(embedding, **settings, name="encoder"),
            Decoder(embedding, **settings, name="decoder"),
        )


class _Block(keras.layers.Layer):
    """What a layer of the encoder and one of the decoder share: settings and residual paths."""

    def __init__(
        self, width: int, hidden: int, heads: int, dropout: float, rotary: bool, **options: Any
    ) -> None:
        super().__init__(**options)
        self._settings = {
            "width": width,
            "hidden": hidden,
            "heads": heads,
            "dropout": dropout,
            "rotary": rotary,
        }
        self.self_norm = zoo.RootMeanSquare(name="self_norm")
        self.self_attention = SelfAttention(width, heads, rotary, name="self_attention")
        self.feed_norm = zoo.RootMeanSquare(name="feed_norm")
        self.feed_forward = FeedForward(width, hidden, name="feed_forward")
        self.dropout = zoo.FastDropout(dropout, name="dropout")

    def build(self, *input_shapes: Shape) -> None:
        shape = (None, None, self._settings["width"])
        for each in self.parts():
            each.build(shape)

    def parts(self) -> list[keras.layers.Layer]:
        """Return the layers that have weights, all of which take what the block takes."""
        return [self.self_norm, self.self_attention, self.feed_norm, self.feed_forward]

    def feed(self, x: Any, training: bool | None = None) -> Any:
        """Return `x` with what the dense layers make of it."""
        return x + self.dropout(self.feed_forward(self.feed_norm(x)), training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@_register
class EncoderLayer(_Block):
    """Attention of the source to itself, then two dense layers."""

    def call(self, x: Any, bias: Any, training: bool | None = None) -> Any:
        found = self.self_attention(self.self_norm(x), bias)
        return self.feed(x + self.dropout(found, training=training), training)


@_register
class DecoderLayer(_Block):
    """Attention of the target to itself, then to the source, then two dense layers."""

    def __init__(self, width: int, hidden: int, heads: int, **options: Any) -> None:
        super().__init__(width, hidden, heads, **options)
        self.cross_norm = zoo.RootMeanSquare(name="cross_norm")
        self.cross_attention = CrossAttention(width, heads, name="cross_attention")

    def parts(self) -> list[keras.layers.Layer]:
        return [*super().parts(), self.cross_norm, self.cross_attention]

    def call(
        self, x: Any, memory: Any, future: Any, padding: Any, training: bool | None = None
    ) -> Any:
        found = self.self_attention(self.self_norm(x), future)
        x = x + self.dropout(found, training=training)
        found = self.cross_attention(self.cross_norm(x), memory, padding)
        return self.feed(x + self.dropout(found, training=training), training)

    def start(self, states: Any, beams: int, steps: Any) -> dict[str, Any]:
        """Return keys and values of the source, and room for those of the target."""
        past = self.self_attention.start(ops.shape(states)[0], beams, steps)
        return {"source": self.cross_attention.memory(states), "target": past}

    def step(
        self, x: Any, place: Any, memory: dict[str, Any], others: Any, padding: Any
    ) -> tuple[Any, Any]:
        """Return the features of one place [batch, beams, width], and `memory` with it.

        Args:
            x: [batch, beams, width].
            place: int32 scalar.
            memory: as :meth:`start` returned it.
            others: what hides places of other beams, [batch, 1, beams, steps * beams].
            padding: what hides padding of the source, [batch, 1, 1, S].
        """
        found, past = self.self_attention.step(self.self_norm(x), place, memory["target"], others)
        x = x + found
        # The beams of a sentence look at the same source, like places of one target.
        x = x + self.cross_attention(self.cross_norm(x), memory["source"], padding)
        return self.feed(x, training=False), {**memory, "target": past}


class _Stack(keras.layers.Layer):
    """What encoder and decoder share: pieces to vectors, layers, a last normalisation."""

    block: type[_Block]

    def __init__(
        self,
        embedding: PieceEmbedding,
        *,
        layers: int,
        width: int,
        hidden: int,
        heads: int,
        dropout: float,
        longest: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self._settings = {
            "layers": layers,
            "width": width,
            "hidden": hidden,
            "heads": heads,
            "dropout": dropout,
            "longest": longest,
        }
        self.positions = LearnedPositions(longest, name="positions") if longest else None
        self.dropout = zoo.FastDropout(dropout, name="dropout")
        self.blocks = [
            self.block(width, hidden, heads, dropout=dropout, rotary=not longest, name=f"layer{n}")
            for n in range(1, layers + 1)
        ]
        self.norm = zoo.RootMeanSquare(name="norm")

    def build(self, *input_shapes: Shape) -> None:
        shape = (None, None, self._settings["width"])
        for each in (self.positions, *self.blocks, self.norm):
            if each is not None:
                each.build(shape)

    def embed(self, pieces: Any, first: Any = 0, training: bool | None = None) -> Any:
        """Return vectors [..., T, width] of pieces [..., T] that begin at place `first`."""
        x = self.embedding(pieces)
        if self.positions is not None:
            x = self.positions(x, first=first)
        return self.dropout(x, training=training)

    def get_config(self) -> dict[str, Any]:
        # Given as it is and not serialised here, so that Keras sees that both stacks share it.
        return {**super().get_config(), **self._settings, "embedding": self.embedding}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})


@_register
class Encoder(_Stack):
    """Reads a source: int32 [batch, S] to states [batch, S, width]."""

    block = EncoderLayer

    def call(self, source: Any, training: bool | None = None) -> Any:
        x = self.embed(source, training=training)
        padding = hide_padding(source, self.compute_dtype)
        for block in self.blocks:
            x = block(x, padding, training=training)
        return self.norm(x)


@_register
class Decoder(_Stack):
    """Scores the next piece at each place of a target, all at once or step by step.

    Called with (target int32 [batch, T], states [batch, S, width], source int32 [batch, S]);
    returns logits float32 [batch, T, pieces].
    """

    block = DecoderLayer

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        target, states, source = inputs
        x = self.embed(target, training=training)
        future = hide_future(ops.shape(target)[1], self.compute_dtype)
        padding = hide_padding(source, self.compute_dtype)
        for block in self.blocks:
            memory = block.cross_attention.memory(states)
            x = block(x, memory, future, padding, training=training)
        return self.embedding.scores(self.norm(x))

    def start(self, states: Any, source: Any, beams: int, steps: Any) -> tuple[Any, Any]:
        """Return what :meth:`step` needs to begin.

        The keys and values of all beams stay where they were written. What is permuted with
        the beams is their lineage, which says in which beam each earlier place was written.

        Args:
            states: of the encoder, [batch, S, width].
            source: int32 [batch, S].
            beams: translations of each source that are followed.
            steps: most pieces of a translation, int32 scalar.

        Returns:
            memory of the source and of all beams, and the cache of each beam.
        """
        memory = {block.name: block.start(states, beams, steps) for block in self.blocks}
        memory["padding"] = hide_padding(source, self.compute_dtype)
        shape = (ops.shape(states)[0], beams, steps)
        return memory, {"lineage": ops.full(shape, -1, dtype="int32")}

    def step(self, pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        """Score the pieces that may follow.

        Args:
            pieces: the last of each translation, int32 [batch, beams].
            place: of these, int32 scalar; START stands at 0.
            memory: as :meth:`start` or the step before returned it.
            cache: likewise, its beams permuted as those of `pieces`.

        Returns:
            logits [batch, beams, pieces], memory and cache for the next step.
        """
        batch, beams, steps = ops.shape(cache["lineage"])
        slots = ops.arange(pieces.shape[1])
        here = ops.equal(ops.arange(steps), place)
        lineage = ops.where(here, slots[:, None], cache["lineage"])
        others = ops.cast(ops.not_equal(lineage[..., None], slots), self.compute_dtype) * MASKED
        others = ops.reshape(others, (batch, 1, beams, steps * beams))
        x = self.embed(pieces[..., None], place, training=False)[..., 0, :]
        memory = dict(memory)
        for block in self.blocks:
            x, memory[block.name] = block.step(
                x, place, memory[block.name], others, memory["padding"]
            )
        return self.embedding.scores(self.norm(x)), memory, {"lineage": lineage}

    def alignments(self, inputs: Any) -> Any:
        """Return how much each target place looks at each source place: float32 [batch, T, S].

        Taken from the last layer but one, which aligns best (arXiv:1909.02074).
        """
        target, states, source = inputs
        x = self.embed(target, training=False)
        future = hide_future(ops.shape(target)[1], x.dtype)
        padding = hide_padding(source, x.dtype)
        *earlier, last = self.blocks[: max(1, len(self.blocks) - 1)]
        for block in earlier:
            x = block(x, block.cross_attention.memory(states), future, padding, training=False)
        x = x + last.self_attention(last.self_norm(x), future)
        cross = last.cross_attention
        return cross.weights_of(last.cross_norm(x), cross.memory(states), padding)
