"""The parts of an encoder-decoder Transformer, for whole sentences and step by step."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from zoo_translation.tokeniser import PAD

Shape = tuple[Any, ...]
"""Sizes of a tensor's axes; None where they vary."""

_register = keras.saving.register_keras_serializable(package="zoo_translation")

MASKED = -30_000.0
"""What hides a place from attention, added to its score; float16 holds it too."""


@_register
class PieceEmbedding(keras.layers.Layer):
    """Vectors of pieces, which read the pieces and, transposed, score them (arXiv:1608.05859).

    Args:
        pieces: how many there are.
        width: of a vector.
    """

    def __init__(self, pieces: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.pieces, self.width = pieces, width
        # The vectors are looked up in float32, so that the gradient of a piece that comes
        # hundreds of times in a batch is summed in float32.
        self.autocast = False

    def build(self, input_shape: Shape | None = None) -> None:
        self.vectors = self.add_weight(
            shape=(self.pieces, self.width),
            initializer=keras.initializers.RandomNormal(stddev=self.width**-0.5),
            name="vectors",
        )

    def call(self, pieces: Any) -> Any:
        """Return scaled vectors [..., width] of pieces int32 [...]."""
        vectors = ops.take(self.vectors, pieces, axis=0)
        return ops.cast(vectors * self.width**0.5, self.compute_dtype)

    def scores(self, states: Any) -> Any:
        """Return logits [..., pieces] of states [..., width]."""
        vectors = ops.cast(self.vectors, self.compute_dtype)
        return ops.matmul(states, ops.transpose(vectors))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": self.pieces, "width": self.width}


@_register
class LearnedPositions(keras.layers.Layer):
    """Adds a learned vector of its place to each piece; places past the last share its vector.

    Args:
        longest: how many places have a vector of their own.
    """

    def __init__(self, longest: int, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest

    def build(self, input_shape: Shape) -> None:
        self.vectors = self.add_weight(
            shape=(self.longest, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="vectors",
        )

    def call(self, x: Any, first: Any = 0) -> Any:
        """Return `x` [..., T, width] with the vectors of the places from `first` on."""
        places = ops.minimum(first + ops.arange(ops.shape(x)[-2]), self.longest - 1)
        return x + ops.take(self.vectors, places, axis=0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "longest": self.longest}


def rotation(length: Any, size: int, dtype: str, first: Any = 0) -> tuple[Any, Any]:
    """Return what tells places apart by angles (RoPE, arXiv:2104.09864).

    Args:
        length: how many places there are.
        size: features of a head, even.
        dtype: of what is returned.
        first: the first place.

    Returns:
        cosines and sines of the angles, each [length, size].
    """
    half = size // 2
    rates = ops.exp(ops.arange(half, dtype="float32") * (-math.log(10_000.0) / half))
    angles = ops.cast(first + ops.arange(length), "float32")[:, None] * rates
    angles = ops.concatenate([angles, angles], axis=-1)
    return ops.cast(ops.cos(angles), dtype), ops.cast(ops.sin(angles), dtype)


def rotate(x: Any, cosine: Any, sine: Any) -> Any:
    """Turn pairs of features of `x` [..., T, size] by the angles of :func:`rotation`."""
    left, right = ops.split(x, 2, axis=-1)
    return x * cosine + ops.concatenate([-right, left], axis=-1) * sine


def hide_padding(pieces: Any, dtype: str) -> Any:
    """Return what keeps attention from PAD, to be added to scores: [batch, 1, 1, S]."""
    return ops.cast(ops.equal(pieces, PAD), dtype)[:, None, None, :] * MASKED


def hide_future(length: Any, dtype: str) -> Any:
    """Return what keeps attention from later places, to be added to scores: [length, length]."""
    places = ops.arange(length)
    return ops.cast(places[None, :] > places[:, None], dtype) * MASKED


def attention_weights(queries: Any, keys: Any, bias: Any) -> Any:
    """Return how much each place looks at each other.

    Args:
        queries: [rows, heads, T, size].
        keys: [rows, heads, S, size].
        bias: added to scores; broadcasts to [rows, heads, T, S].

    Returns:
        [rows, heads, T, S] in the type of `queries`.
    """
    # Scaled before the product, TensorFlow's graph optimiser makes of it what ends no loop.
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2)) * queries.shape[-1] ** -0.5
    return ops.softmax(scores + bias, axis=-1)


def attend(queries: Any, keys: Any, values: Any, bias: Any) -> Any:
    """Return the mean of `values` as each query weighs them: [rows, T, heads * size]."""
    found = ops.matmul(attention_weights(queries, keys, bias), values)
    rows, heads, length, size = ops.shape(found)
    return ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (rows, length, heads * size))


def split_heads(x: Any, parts: int, heads: int) -> Any:
    """Return [rows, T, parts * heads * size] as [parts, rows, heads, T, size]."""
    shape = ops.shape(x)
    size = x.shape[-1] // (parts * heads)
    x = ops.reshape(x, (shape[0], shape[1], parts, heads, size))
    return ops.transpose(x, (2, 0, 3, 1, 4))


def _write(past: Any, place: Any, new: Any) -> Any:
    """Return `past` [batch, heads, steps, n] with `new` [batch, heads, beams, size] at a place."""
    batch, heads, steps, features = ops.shape(past)
    rows = ops.arange(batch * heads)
    places = ops.stack([rows, ops.full_like(rows, 1) * place], axis=1)
    past = ops.reshape(past, (batch * heads, steps, features))
    new = ops.reshape(new, (batch * heads, features))
    return ops.reshape(ops.scatter_update(past, places, new), (batch, heads, steps, features))


class _Attention(keras.layers.Layer):
    """What both kinds of attention share: heads and the projection of what they found."""

    def __init__(self, width: int, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.heads = width, heads
        self.output_projection = keras.layers.Dense(width, use_bias=False, name="output")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@_register
class SelfAttention(_Attention):
    """Attention of a sentence to itself; queries, keys and values come of one product.

    Args:
        width: of input and output.
        heads: that share the width.
        rotary: tell places apart by rotation.
    """

    def __init__(self, width: int, heads: int, rotary: bool, **options: Any) -> None:
        super().__init__(width, heads, **options)
        self.rotary = rotary
        self.projection = keras.layers.Dense(3 * width, use_bias=False, name="projection")

    def build(self, input_shape: Shape) -> None:
        self.projection.build(input_shape)
        self.output_projection.build(input_shape)

    def call(self, x: Any, bias: Any) -> Any:
        queries, keys, values = self._project(x, first=0, length=ops.shape(x)[1])
        return self.output_projection(attend(queries, keys, values, bias))

    def start(self, batch: Any, beams: int, steps: Any) -> dict[str, Any]:
        """Return room for keys and values: [batch, heads, steps, beams * size] each."""
        shape = (batch, self.heads, steps, beams * (self.width // self.heads))
        return {name: ops.zeros(shape, self.compute_dtype) for name in ("keys", "values")}

    def step(self, x: Any, place: Any, past: dict[str, Any], bias: Any) -> tuple[Any, Any]:
        """Attend from one place of each beam to places before it, of whatever beam.

        Args:
            x: [batch, beams, width].
            place: of `x`, int32 scalar.
            past: keys and values as :meth:`start` returned them.
            bias: what hides places of other beams, [batch, 1, beams, steps * beams].

        Returns:
            [batch, beams, width], and `past` with this place.
        """
        queries, *new = self._project(x, first=place, length=1)
        past = {name: _write(past[name], place, each) for name, each in zip(past, new, strict=True)}
        size = self.width // self.heads
        keys, values = (
            ops.reshape(each, (-1, self.heads, ops.shape(bias)[-1], size)) for each in past.values()
        )
        return self.output_projection(attend(queries, keys, values, bias)), past

    def _project(self, x: Any, first: Any, length: Any) -> list[Any]:
        """Return queries, keys and values [rows, heads, T, size] of `length` places or of one."""
        projected = split_heads(self.projection(x), 3, self.heads)
        if not self.rotary:
            return ops.unstack(projected, num=3)
        angles = rotation(length, projected.shape[-1], x.dtype, first)
        turned, values = ops.split(projected, [2], axis=0)
        queries, keys = ops.unstack(rotate(turned, *angles), num=2)
        return [queries, keys, values[0]]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rotary": self.rotary}


@_register
class CrossAttention(_Attention):
    """Attention of the target to the encoded source.

    Args:
        width: of input, states and output.
        heads: that share the width.
    """

    def __init__(self, width: int, heads: int, **options: Any) -> None:
        super().__init__(width, heads, **options)
        self.query_projection = keras.layers.Dense(width, use_bias=False, name="query")
        self.projection = keras.layers.Dense(2 * width, use_bias=False, name="projection")

    def build(self, input_shape: Shape) -> None:
        for each in (self.query_projection, self.projection, self.output_projection):
            each.build(input_shape)

    def memory(self, states: Any) -> list[Any]:
        """Return keys and values [batch, heads, S, size] of states [batch, S, width]."""
        return ops.unstack(split_heads(self.projection(states), 2, self.heads), num=2)

    def call(self, x: Any, memory: Any, bias: Any) -> Any:
        """Return [batch, T, width] of `x` [batch, T, width]."""
        return self.output_projection(attend(self._queries(x), memory[0], memory[1], bias))

    def weights_of(self, x: Any, memory: Any, bias: Any) -> Any:
        """Return how much each target place looks at each source place: [batch, T, S]."""
        weights = attention_weights(self._queries(x), memory[0], bias)
        return ops.mean(ops.cast(weights, "float32"), axis=1)

    def _queries(self, x: Any) -> Any:
        return split_heads(self.query_projection(x), 1, self.heads)[0]


@_register
class FeedForward(keras.layers.Layer):
    """Two dense layers with a rectifier between them.

    Args:
        width: of input and output.
        hidden: units between the two.
    """

    def __init__(self, width: int, hidden: int, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.hidden = width, hidden
        self.first = keras.layers.Dense(
            hidden, activation="relu", use_bias=False, kernel_initializer="he_uniform", name="first"
        )
        self.second = keras.layers.Dense(width, use_bias=False, name="second")

    def build(self, input_shape: Shape) -> None:
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], self.hidden))

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "hidden": self.hidden}
