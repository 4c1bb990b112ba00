"""T5 as Keras Hub builds it, with the pieces of the user's own tokeniser."""

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
from zoo_translation.models.layers import (
    attention_weights,
    hide_future,
    hide_padding,
    split_heads,
)
from zoo_translation.tokeniser import PAD
from zoo_translation.vocabulary import carrier

_register = keras.saving.register_keras_serializable(package="zoo_translation")

_SIZES = {
    "small": Size(6, 512, 2048, 8),
    "base": Size(12, 768, 3072, 12),
    "large": Size(24, 1024, 4096, 16),
    "small-1.1": Size(8, 512, 1024, 6),
    "base-1.1": Size(12, 768, 2048, 12),
    "large-1.1": Size(24, 1024, 2816, 16),
}
_KEY_WIDTH = 64
"""Features of a head, whatever the size."""
_TOO_LARGE = ("_xl", "_xxl")
"""How presets are called for which there is no size here."""


@dataclass(frozen=True, kw_only=True)
class T5(HubTranslator):
    """T5 (arXiv:1910.10683), and its version 1.1, which FLAN (arXiv:2210.11416) is too.

    Version 1.1 has gates (arXiv:2002.05202), and scores pieces by a matrix of its own. FLAN was
    trained with an approximation of GELU that differs by less than 0.001 from what is used here.
    """

    size: Literal["small", "base", "large", "small-1.1", "base-1.1", "large-1.1"] = zoo.setting(
        "small", "48, 204 or 713 million parameters with 8,000 pieces; 1.1: 52, 211 or 734."
    )

    backbone: ClassVar[type[keras_hub.models.Backbone]] = keras_hub.models.T5Backbone
    preset_tokeniser: ClassVar[type[keras_hub.tokenizers.Tokenizer]] = keras_hub.models.T5Tokenizer

    def build(self, space: zoo.Space) -> keras.Model:
        """Return the network.

        Raises:
            ConfigError: it would compute in float16, in which T5 overflows.
        """
        if keras.config.dtype_policy().compute_dtype == "float16":
            raise zoo.ConfigError(
                "T5 cannot compute in float16, which is too narrow for its states.",
                hint="Set strategy.precision=float32, or bfloat16 where the hardware has it.",
            )
        return super().build(space)

    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        size, later = _SIZES[self.size], self.size.endswith("1.1")
        backbone = keras_hub.models.T5Backbone(
            vocabulary_size=pieces,
            num_layers=size.layers,
            num_heads=size.heads,
            hidden_dim=size.width,
            intermediate_dim=size.hidden,
            key_value_dim=_KEY_WIDTH,
            dropout=self.dropout,
            activation="gelu" if later else "relu",
            use_gated_activation=later,
            tie_embedding_weights=not later,
            name="backbone",
        )
        return T5Encoder(backbone, name="encoder"), T5Decoder(backbone, name="decoder")

    def parts(self, model: keras.Model) -> list[tuple[str, list[keras.Layer]]]:
        net = model.get_layer("encoder").backbone
        return [
            ("embedding", [net.token_embedding]),
            *((f"encoder{n}", [x]) for n, x in enumerate(net.encoder_transformer_layers, 1)),
            ("encoder", [net.encoder_layer_norm]),
            *((f"decoder{n}", [x]) for n, x in enumerate(net.decoder_transformer_layers, 1)),
            ("decoder", [net.decoder_layer_norm]),
        ]

    def presets(self) -> Mapping[str, str]:
        """Return the presets of the sizes there are."""
        known = super().presets()
        return {name: known[name] for name in known if not name.endswith(_TOO_LARGE)}

    def names(self, vocabulary: Sequence[str]) -> list[str]:
        # T5 begins its targets with padding, which so starts our START.
        return ["<s>" if piece == "<pad>" else piece for piece in vocabulary]

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Return what copies weights; version 1.1 has a second matrix, whose columns are pieces."""
        scorers = "token_embedding/reverse_embeddings"
        carry_most = super().carrier(source, target)
        carry_scorers = carrier(source, target, [scorers], axis=1)

        def carry(weight: keras.Variable, known: Mapping[str, keras.Variable]) -> bool:
            return (carry_scorers if weight.path == scorers else carry_most)(weight, known)

        return carry


@_register
class T5Encoder(HubStack):
    """Reads a source: int32 [batch, S] to states [batch, S, width]."""

    def call(self, source: Any, training: bool | None = None) -> Any:
        net = self.backbone
        x = net.encoder_embedding_dropout(net.token_embedding(source), training=training)
        bias, mask = None, ops.not_equal(source, PAD)[:, None]
        for block in net.encoder_transformer_layers:
            x, bias = block(x, attention_mask=mask, position_bias=bias, training=training)
        return net.encoder_dropout(net.encoder_layer_norm(x), training=training)


@_register
class T5Decoder(HubDecoder):
    """Tells places apart by what the first layer adds to the scores of attention."""

    def embed(self, pieces: Any, first: Any = 0, training: bool | None = None) -> Any:
        x = self.backbone.token_embedding(pieces)
        return self.backbone.decoder_embedding_dropout(x, training=training)

    def run(
        self,
        x: Any,
        blocks: Sequence[keras.layers.Layer],
        states: Any,
        source: Any,
        training: bool | None = None,
    ) -> Any:
        bias, mask = self._bias(x), ops.not_equal(source, PAD)[:, None]
        for block in blocks:
            x, _ = block(
                x,
                position_bias=bias,
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
                training=training,
            )
        return x

    def project(self, block: keras.layers.Layer, states: Any) -> Any:
        cross = block.cross_attention
        shape = (ops.shape(states)[0], -1, cross.num_heads, cross.key_value_dim)
        projected = (cross.key_projector(states), cross.value_projector(states))
        return ops.stack([ops.reshape(each, shape) for each in projected], axis=1)

    def advance(
        self, x: Any, place: Any, past: Mapping[str, Any], memory: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        bias, later = None, {}
        for block in self.blocks:
            x, bias, later[block.name], _ = block(
                x,
                position_bias=bias,
                encoder_attention_mask=memory["mask"][:, None],
                use_causal_mask=True,
                self_attention_cache=past[block.name],
                self_attention_cache_update_index=place,
                cross_attention_cache=memory[block.name],
                training=False,
            )
        return x, later

    def scores(self, x: Any, training: bool | None = None) -> Any:
        net = self.backbone
        x = net.decoder_dropout(net.decoder_layer_norm(x), training=training)
        if net.tie_embedding_weights:
            x = x * net.hidden_dim**-0.5
        return net.token_embedding(x, reverse=True)

    def alignments(self, inputs: Any) -> Any:
        target, states, source = inputs
        earlier, last = self.aligning
        x = self.run(self.embed(target, training=False), earlier, states, source, training=False)
        found, _, _ = last.self_attention(
            last.self_attention_layer_norm(x), position_bias=self._bias(x), training=False
        )
        cross = last.cross_attention
        queries = cross.query_projector(last.cross_attention_layer_norm(x + found))
        queries, keys = (
            split_heads(each, 1, cross.num_heads)[0]
            for each in (queries, cross.key_projector(states))
        )
        # T5 does not divide scores by the root of a head's size.
        scale = cross.key_value_dim**0.5
        weights = attention_weights(queries * scale, keys, hide_padding(source, x.dtype))
        return ops.mean(ops.cast(weights, "float32"), axis=1)

    def _bias(self, x: Any) -> Any:
        """Return what tells places of `x` apart and hides later ones: [1, heads, T, T]."""
        length = ops.shape(x)[1]
        bias = self.blocks[0].self_attention.compute_bias(length, length)
        return bias + hide_future(length, bias.dtype)
