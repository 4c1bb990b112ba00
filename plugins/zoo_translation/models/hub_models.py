"""What the networks of Keras Hub share: two stacks of one backbone, which a preset starts."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import keras_hub
from keras import ops

import zoo
from zoo_translation.models.encoder_decoder import EncoderDecoder
from zoo_translation.tokeniser import PAD


@dataclass(frozen=True, kw_only=True)
class HubTranslator(EncoderDecoder):
    """A text-to-text network of Keras Hub, whose published weights start it.

    A preset's tokeniser is not used, as its pieces are not of the user's languages. The vectors
    of the task's pieces start from those of the preset's pieces that spell them.

    Class attributes:
        backbone: its class in Keras Hub.
        preset_tokeniser: the class of the tokeniser that its presets have.
    """

    dropout: float = zoo.setting(
        0.1, "Share of features left out in training.", minimum=0.0, maximum=0.9
    )

    vectors: ClassVar[str] = "token_embedding/embeddings"
    backbone: ClassVar[type[keras_hub.models.Backbone]]
    preset_tokeniser: ClassVar[type[keras_hub.tokenizers.Tokenizer]]

    @abstractmethod
    def names(self, vocabulary: Sequence[str]) -> list[str]:
        """Return a preset's pieces by the names that the task's tokeniser has for them."""

    def build(self, space: zoo.Space) -> keras.Model:
        model = super().build(space)
        model.pieces = space.classes  # by whose names a preset's vectors are found
        return model

    def presets(self) -> Mapping[str, str]:
        return zoo.hub_presets(self.backbone)

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start from a preset of Keras Hub.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = self.backbone.from_preset(str(folder))
            tokeniser = self.preset_tokeniser.from_preset(str(folder))
        paths = {place: weight.path for place, weight in _by_place(model).items()}
        given = _by_place(source)
        lacking = [path for place, path in paths.items() if place not in given]
        if lacking:
            raise zoo.ConfigError(
                f"The preset {handle!r} is not of this architecture: it has nothing for "
                f"{len(lacking)} of the model's {len(paths)} weights, such as {lacking[0]!r}.",
                hint="Set model.size to the size the preset was made with, or use another preset.",
            )
        vectors = [weight.path for weight in source.token_embedding.weights]
        in_model = {paths.get(place, place): weight for place, weight in given.items()}
        zoo.copy_preset(handle, in_model, model, vectors)

        names = self.names(tokeniser.get_vocabulary())
        # A backbone may have more vectors than its tokeniser has pieces.
        names += [f"<unnamed {number}>" for number in range(len(names), source.vocabulary_size)]
        old, new = (
            zoo.Space(inputs={}, outputs={}, classes=tuple(each)) for each in (names, model.pieces)
        )
        _start(model, source, self.carrier(old, new))

    def transfer(
        self, source: keras.Model, source_space: zoo.Space, target: keras.Model, space: zoo.Space
    ) -> list[str]:
        return _start(target, source, self.carrier(source_space, space))


def _start(target: keras.Model, source: keras.Model, carry: zoo.Carrier) -> list[str]:
    """Start the weights of one network from another's; return the paths of those started."""
    known = _by_place(source)
    return [
        weight.path
        for place, weight in _by_place(target).items()
        if place in known and carry(weight, {weight.path: known[place]})
    ]


def _by_place(model: keras.Model) -> dict[str, keras.Variable]:
    """Return weights by names that are the same in every network.

    In Keras Hub the normalisations of T5 are numbered through all networks of a process, and
    the biases of both its stacks have one path. Here they are told apart by their order.
    """
    found: dict[str, keras.Variable] = {}
    counts: Counter[str] = Counter()
    for weight in model.weights:
        path = re.sub(r"t5_layer_norm(_\d+)?/", "norm/", weight.path)
        found[f"{path} {counts[path]}"] = weight
        counts[path] += 1
    return found


class HubStack(keras.layers.Layer):
    """One of the two stacks of a network, which are both in Keras Hub's backbone."""

    def __init__(self, backbone: keras_hub.models.Backbone, **options: Any) -> None:
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


class HubDecoder(HubStack):
    """Scores the next piece at each place of a target, all at once or step by step."""

    @property
    def blocks(self) -> Sequence[keras.layers.Layer]:
        """The layers from input to output."""
        return self.backbone.decoder_transformer_layers

    @property
    def aligning(self) -> tuple[Sequence[keras.layers.Layer], keras.layers.Layer]:
        """The last layer but one, which aligns best (arXiv:1909.02074), after those before it."""
        *earlier, last = self.blocks[: max(1, len(self.blocks) - 1)]
        return earlier, last

    @abstractmethod
    def embed(self, pieces: Any, first: Any = 0, training: bool | None = None) -> Any:
        """Return vectors [rows, T, width] of pieces int32 [rows, T] from place `first` on."""

    @abstractmethod
    def run(
        self,
        x: Any,
        blocks: Sequence[keras.layers.Layer],
        states: Any,
        source: Any,
        training: bool | None = None,
    ) -> Any:
        """Return what some of the layers make of `x` [batch, T, width]."""

    @abstractmethod
    def project(self, block: keras.layers.Layer, states: Any) -> Any:
        """Return a layer's keys and values of the source: [batch, 2, S, heads, size]."""

    @abstractmethod
    def advance(
        self, x: Any, place: Any, past: Mapping[str, Any], memory: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Return what the layers make of one place, and their keys and values with it.

        Args:
            x: [rows, 1, width].
            place: of `x`, int32 scalar.
            past: keys and values of the target by layer, [rows, 2, steps, heads, size].
            memory: those of the source, and `mask`, which says what is no padding, [rows, S].
        """

    @abstractmethod
    def scores(self, x: Any, training: bool | None = None) -> Any:
        """Return logits [rows, T, pieces] of `x` [rows, T, width]."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        target, states, source = inputs
        x = self.embed(target, training=training)
        x = self.run(x, self.blocks, states, source, training=training)
        return self.scores(x, training=training)

    def start(self, states: Any, source: Any, beams: int, steps: Any) -> tuple[Any, Any]:
        memory = {"mask": ops.repeat(ops.not_equal(source, PAD), beams, axis=0)}
        cache = {}
        for block in self.blocks:
            projected = self.project(block, states)
            batch, both, _, heads, size = ops.shape(projected)
            memory[block.name] = ops.repeat(projected, beams, axis=0)
            shape = (batch, beams, both, steps, heads, size)
            cache[block.name] = ops.zeros(shape, self.compute_dtype)
        return memory, cache

    def step(self, pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        shapes = {name: ops.shape(past) for name, past in cache.items()}
        past = {name: ops.reshape(cache[name], (-1, *shapes[name][2:])) for name in cache}
        x = self.embed(ops.reshape(pieces, (-1, 1)), place, training=False)
        x, past = self.advance(x, place, past, memory)
        logits = self.scores(x, training=False)
        logits = ops.reshape(logits, (-1, pieces.shape[1], logits.shape[-1]))
        return logits, memory, {name: ops.reshape(past[name], shapes[name]) for name in cache}
