"""T5 as Keras Hub builds it, with the pieces of the user's own tokeniser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import keras_hub
from keras import ops

import zoo
from zoo_translation.models.encoder_decoder import EncoderDecoder
from zoo_translation.models.layers import (
    attention_weights,
    hide_future,
    hide_padding,
    split_heads,
)
from zoo_translation.tokeniser import PAD

_register = keras.saving.register_keras_serializable(package="zoo_translation")


class _Size(NamedTuple):
    """Layers on each side, width, units between two dense layers, heads."""

    layers: int
    width: int
    hidden: int
    heads: int


_SIZES = {
    "small": _Size(6, 512, 2048, 8),
    "base": _Size(12, 768, 3072, 12),
    "large": _Size(24, 1024, 4096, 16),
}


@dataclass(frozen=True, kw_only=True)
class T5(EncoderDecoder):
    """T5 (arXiv:1910.10683), whose published weights start it: `t5_small_multi` and larger.

    A preset's tokeniser is not used, as its 32,000 pieces are of few languages. The vectors
    of the task's pieces start from those of the preset's pieces that spell them.
    """

    size: Literal["small", "base", "large"] = zoo.setting(
        "small", "48, 205 or 713 million parameters with 8,000 pieces."
    )
    dropout: float = zoo.setting(
        0.1, "Share of features left out in training.", minimum=0.0, maximum=0.9
    )

    vectors: ClassVar[str] = "token_embedding/embeddings"

    def build(self, space: zoo.Space) -> keras.Model:
        model = super().build(space)
        model.pieces = space.classes  # by whose names a preset's vectors are found
        return model

    def stacks(self, pieces: int) -> tuple[keras.Layer, keras.Layer]:
        size = _SIZES[self.size]
        backbone = keras_hub.models.T5Backbone(
            vocabulary_size=pieces,
            num_layers=size.layers,
            num_heads=size.heads,
            hidden_dim=size.width,
            intermediate_dim=size.hidden,
            key_value_dim=64,
            dropout=self.dropout,
            activation="relu",
            use_gated_activation=False,
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
        """Return the presets of the first T5; later ones are of another architecture."""
        known = zoo.hub_presets(keras_hub.models.T5Backbone)
        return {name: address for name, address in known.items() if name.endswith("_multi")}

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start from a preset of Keras Hub.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = keras_hub.models.T5Backbone.from_preset(str(folder))
            tokeniser = keras_hub.models.T5Tokenizer.from_preset(str(folder))
        zoo.copy_preset(handle, _by_paths_of(model, source), model, [self.vectors])

        # T5 begins its targets with padding, which so starts our START.
        names = ["<s>" if piece == "<pad>" else piece for piece in tokeniser.get_vocabulary()]
        unnamed = range(len(names), source.vocabulary_size)
        names += [f"<unnamed {number}>" for number in unnamed]
        old, new = (
            zoo.Space(inputs={}, outputs={}, classes=classes)
            for classes in (tuple(names), model.pieces)
        )
        _start(model, source, self.carrier(old, new))

    def transfer(
        self, source: keras.Model, source_space: zoo.Space, target: keras.Model, space: zoo.Space
    ) -> list[str]:
        return _start(target, source, self.carrier(source_space, space))


def _start(target: keras.Model, source: keras.Model, carry: zoo.Carrier) -> list[str]:
    """Start the weights of one T5 from those of another; return the paths of those started."""
    known = _by_place(source)
    return [
        weight.path
        for place, weight in _by_place(target).items()
        if place in known and carry(weight, {weight.path: known[place]})
    ]


def _by_paths_of(target: keras.Model, source: keras.Model) -> dict[str, keras.Variable]:
    """Return the weights of `source` by the paths that they have in `target`."""
    paths = {place: weight.path for place, weight in _by_place(target).items()}
    return {paths.get(place, place): weight for place, weight in _by_place(source).items()}


def _by_place(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the weights of a T5 by names that are the same in every network.

    In Keras Hub normalisations are numbered through all networks of a process, and the biases
    of both stacks have one path. Here they are told apart by their order.
    """
    found: dict[str, keras.Variable] = {}
    counts: Counter[str] = Counter()
    for weight in model.weights:
        path = re.sub(r"t5_layer_norm(_\d+)?/", "norm/", weight.path)
        found[f"{path} {counts[path]}"] = weight
        counts[path] += 1
    return found


class _Half(keras.layers.Layer):
    """One of the two stacks of a T5, which are both in Keras Hub's backbone."""

    def __init__(self, backbone: Any, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = backbone
        self.built = True

    def get_config(self) -> dict[str, Any]:
        # Given as it is and not serialised here, so that Keras sees that both share it.
        return {**super().get_config(), "backbone": self.backbone}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


@_register
class T5Encoder(_Half):
    """Reads a source: int32 [batch, S] to states [batch, S, width]."""

    def call(self, source: Any, training: bool | None = None) -> Any:
        net = self.backbone
        x = net.encoder_embedding_dropout(net.token_embedding(source), training=training)
        bias, mask = None, ops.not_equal(source, PAD)[:, None]
        for layer in net.encoder_transformer_layers:
            x, bias = layer(x, attention_mask=mask, position_bias=bias, training=training)
        return net.encoder_dropout(net.encoder_layer_norm(x), training=training)


@_register
class T5Decoder(_Half):
    """Scores the next piece at each place of a target, all at once or step by step."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        target, states, source = inputs
        x = self._embed(target, training)
        return self._scores(self._run(x, self._blocks, states, source, training), training)

    def start(self, states: Any, source: Any, beams: int, steps: Any) -> tuple[Any, Any]:
        mask = ops.not_equal(source, PAD)[:, None]
        memory = {"mask": ops.repeat(mask, beams, axis=0)}
        cache = {}
        for layer in self._blocks:
            cross = layer.cross_attention
            batch, heads = ops.shape(states)[0], (cross.num_heads, cross.key_value_dim)
            projected = (cross.key_projector(states), cross.value_projector(states))
            both = [ops.reshape(each, (batch, -1, *heads)) for each in projected]
            memory[layer.name] = ops.repeat(ops.stack(both, axis=1), beams, axis=0)
            cache[layer.name] = ops.zeros((batch, beams, 2, steps, *heads), self.compute_dtype)
        return memory, cache

    def step(self, pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        x = self._embed(ops.reshape(pieces, (-1, 1)), training=False)
        bias, later = None, {}
        for layer in self._blocks:
            shape = ops.shape(cache[layer.name])
            x, bias, past, _ = layer(
                x,
                position_bias=bias,
                encoder_attention_mask=memory["mask"],
                use_causal_mask=True,
                self_attention_cache=ops.reshape(cache[layer.name], (-1, *shape[2:])),
                self_attention_cache_update_index=place,
                cross_attention_cache=memory[layer.name],
                training=False,
            )
            later[layer.name] = ops.reshape(past, shape)
        logits = self._scores(x, training=False)
        return ops.reshape(logits, (-1, pieces.shape[1], logits.shape[-1])), memory, later

    def alignments(self, inputs: Any) -> Any:
        target, states, source = inputs
        *earlier, last = self._blocks[: max(1, len(self._blocks) - 1)]
        x = self._run(self._embed(target, training=False), earlier, states, source, training=False)
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

    @property
    def _blocks(self) -> Any:
        return self.backbone.decoder_transformer_layers

    def _embed(self, pieces: Any, training: bool | None) -> Any:
        x = self.backbone.token_embedding(pieces)
        return self.backbone.decoder_embedding_dropout(x, training=training)

    def _bias(self, x: Any) -> Any:
        """Return what tells places of `x` apart and hides later ones: [1, heads, T, T]."""
        length = ops.shape(x)[1]
        bias = self._blocks[0].self_attention.compute_bias(length, length)
        return bias + hide_future(length, bias.dtype)

    def _run(self, x: Any, layers: Any, states: Any, source: Any, training: bool | None) -> Any:
        bias, mask = self._bias(x), ops.not_equal(source, PAD)[:, None]
        for layer in layers:
            x, _ = layer(
                x,
                position_bias=bias,
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
                training=training,
            )
        return x

    def _scores(self, x: Any, training: bool | None) -> Any:
        net = self.backbone
        x = net.decoder_dropout(net.decoder_layer_norm(x), training=training)
        return net.token_embedding(x * net.hidden_dim**-0.5, reverse=True)
