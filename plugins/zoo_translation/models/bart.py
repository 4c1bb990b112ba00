"""BART as Keras Hub builds it, with the pieces of the user's own tokeniser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras
import keras_hub
from keras import ops

import zoo
from zoo_translation.models.encoder_decoder import Size
from zoo_translation.models.hub_models import HubDecoder, HubStack, HubTranslator
from zoo_translation.tokeniser import PAD, SPACE

_register = keras.saving.register_keras_serializable(package="zoo_translation")

_SIZES = {"base": Size(6, 768, 3072, 12), "large": Size(12, 1024, 4096, 16)}
_LONGEST = 1024
"""Places that have a vector in published weights; later ones share that of the last."""


@dataclass(frozen=True, kw_only=True)
class Bart(HubTranslator):
    """BART (arXiv:1910.13461), post-norm, with learned places; published for English."""

    size: Literal["base", "large"] = zoo.setting(
        "base", "107 or 363 million parameters with 8,000 pieces."
    )

    backbone: ClassVar[type[keras_hub.models.Backbone]] = keras_hub.models.BartBackbone
    preset_tokeniser: ClassVar[type[keras_hub.tokenizers.Tokenizer]] = (
        keras_hub.models.BartTokenizer
    )

    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        size = _SIZES[self.size]
        backbone = keras_hub.models.BartBackbone(
            vocabulary_size=pieces,
            num_layers=size.layers,
            num_heads=size.heads,
            hidden_dim=size.width,
            intermediate_dim=size.hidden,
            dropout=self.dropout,
            max_sequence_length=_LONGEST,
            name="backbone",
        )
        return BartEncoder(backbone, name="encoder"), BartDecoder(backbone, name="decoder")

    def parts(self, model: keras.Model) -> list[tuple[str, list[keras.Layer]]]:
        net = model.get_layer("encoder").backbone
        embedding = [
            net.token_embedding,
            *(net.encoder_position_embedding, net.encoder_embeddings_layer_norm),
            *(net.decoder_position_embedding, net.decoder_embeddings_layer_norm),
        ]
        return [
            ("embedding", embedding),
            *((f"encoder{n}", [x]) for n, x in enumerate(net.encoder_transformer_layers, 1)),
            *((f"decoder{n}", [x]) for n, x in enumerate(net.decoder_transformer_layers, 1)),
        ]

    def names(self, vocabulary: Sequence[str]) -> list[str]:
        return [_name(piece) for piece in vocabulary]


def _letters() -> dict[str, int]:
    """Return the bytes by the letters that write them in the names of byte-level pieces.

    A byte that prints is its own letter, and the others follow after all of them, as in GPT-2.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printing]
    return {
        **{chr(byte): byte for byte in printing},
        **{chr(0x100 + number): byte for number, byte in enumerate(others)},
    }


_BYTES = _letters()


def _name(piece: str) -> str:
    """Return the name that SentencePiece would give to a piece of bytes."""
    if not all(letter in _BYTES for letter in piece):
        return piece
    content = bytes(_BYTES[letter] for letter in piece)
    try:
        return content.decode().replace(" ", SPACE)
    except UnicodeDecodeError:  # one byte of a letter, or several that are no whole letters
        return f"<0x{content.hex().upper()}>"


@_register
class BartEncoder(HubStack):
    """Reads a source: int32 [batch, S] to states [batch, S, width]."""

    def call(self, source: Any, training: bool | None = None) -> Any:
        net = self.backbone
        x = net.token_embedding(source)
        x = x + _positions(net.encoder_position_embedding, x, first=0)
        x = net.encoder_embeddings_layer_norm(x)
        x = net.encoder_embeddings_dropout(x, training=training)
        mask = ops.not_equal(source, PAD)
        for block in net.encoder_transformer_layers:
            x = block(x, padding_mask=mask, training=training)
        return x


@_register
class BartDecoder(HubDecoder):
    """Adds a learned vector of its place to each piece."""

    def embed(self, pieces: Any, first: Any = 0, training: bool | None = None) -> Any:
        net = self.backbone
        x = net.token_embedding(pieces)
        x = x + _positions(net.decoder_position_embedding, x, first)
        x = net.decoder_embeddings_layer_norm(x)
        return net.decoder_embeddings_dropout(x, training=training)

    def run(
        self,
        x: Any,
        blocks: Sequence[keras.layers.Layer],
        states: Any,
        source: Any,
        training: bool | None = None,
    ) -> Any:
        mask = ops.not_equal(source, PAD)
        for block in blocks:
            x = block(x, states, encoder_padding_mask=mask, training=training)
        return x

    def project(self, block: keras.layers.Layer, states: Any) -> Any:
        cross, _, _ = _attention(block)
        batch, length, width = ops.shape(states)
        heads = self.backbone.num_heads
        room = ops.zeros((batch, 2, length, heads, width // heads), self.compute_dtype)
        _, projected = cross(states[:, :1], states, cache=room, cache_update_index=0)
        return projected

    def advance(
        self, x: Any, place: Any, past: Mapping[str, Any], memory: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        later = {}
        for block in self.blocks:
            x, later[block.name], _ = block(
                x,
                encoder_sequence=x,  # not read, as its keys and values are in the memory
                encoder_padding_mask=memory["mask"],
                self_attention_cache=past[block.name],
                self_attention_cache_update_index=place,
                cross_attention_cache=memory[block.name],
                training=False,
            )
        return x, later

    def scores(self, x: Any, training: bool | None = None) -> Any:
        return self.backbone.token_embedding(x, reverse=True)

    def alignments(self, inputs: Any) -> Any:
        target, states, source = inputs
        earlier, last = self.aligning
        x = self.run(self.embed(target, training=False), earlier, states, source, training=False)
        cross, own, norm = _attention(last)
        places = ops.arange(ops.shape(target)[1])
        x = norm(x + own(x, x, attention_mask=(places[:, None] >= places)[None]))
        mask = ops.not_equal(source, PAD)[:, None]
        _, shares = cross(x, states, attention_mask=mask, return_attention_scores=True)
        return ops.mean(ops.cast(shares, "float32"), axis=1)


def _attention(block: keras.layers.Layer) -> tuple[keras.Layer, keras.Layer, keras.Layer]:
    """Return a layer's attention to the source, that to the target, and the norm after it.

    Keras Hub has no public way to them; this is the one place that takes the private one.
    """
    return (
        block._cross_attention_layer,
        block._self_attention_layer,
        block._self_attention_layer_norm,
    )


def _positions(embedding: keras_hub.layers.PositionEmbedding, x: Any, first: Any) -> Any:
    """Return the vectors of the places of `x` [rows, T, width], which begin at `first`."""
    places = ops.minimum(first + ops.arange(ops.shape(x)[1]), embedding.sequence_length - 1)
    return embedding(x, positions=places)
