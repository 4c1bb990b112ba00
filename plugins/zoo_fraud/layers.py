"""Keras layers for tables, from which the fraud models are built.

Every parameter that belongs to a feature has the features on its first axis, so that
weights can be carried over feature by feature between tables with different columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

Shape: TypeAlias = tuple[Any, ...]
"""Sizes of a tensor's axes; None for the batch."""

_register = keras.saving.register_keras_serializable("zoo_fraud")


def _uniform(fan_in: int) -> keras.initializers.Initializer:
    bound = fan_in**-0.5
    return keras.initializers.RandomUniform(-bound, bound)


@_register
class NumberEmbedding(keras.layers.Layer):
    """Embeds each number by a linear term and a piecewise-linear one of its own.

    The piecewise-linear encoding (arXiv:2203.05556, section 3.2) fills the bins below a
    value and a share of its own bin; the outer bins go on a little beyond the range seen
    in training. Its weights start at zero beside the linear term, so it adds only what
    helps. A missing number has a vector of its own.

    Input float [batch, features] with NaN where missing, output [batch, features, dim].

    Args:
        dim: size of a feature's vector.
        bins: how many bins a feature has.
        edges: float [features, bins + 1], rising; bins of no width are switched off. Zeros
            until it is given or loaded.
        limit: numbers beyond this many spreads enter the linear term as this many.
    """

    def __init__(
        self,
        dim: int,
        bins: int,
        edges: np.ndarray | None = None,
        limit: float = 8.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.bins = bins
        self.limit = limit
        self._given_edges = edges

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        start = _uniform(self.dim)
        self.edges = self.add_weight(
            shape=(features, self.bins + 1), name="edges", trainable=False, initializer="zeros"
        )
        self.kernel = self.add_weight(
            shape=(features, self.bins, self.dim), name="kernel", initializer="zeros"
        )
        shape = (features, self.dim)
        self.linear = self.add_weight(shape=shape, name="linear", initializer=start)
        self.bias = self.add_weight(shape=shape, name="bias", initializer=start)
        self.missing = self.add_weight(shape=shape, name="missing", initializer=start)
        if self._given_edges is not None:
            self.edges.assign(self._given_edges)

    def call(self, number: Any) -> Any:
        missing = ops.isnan(number)
        value = ops.where(missing, ops.zeros_like(number), number)
        low, width = self.edges[:, :-1], self.edges[:, 1:] - self.edges[:, :-1]
        share = (value[..., None] - low) / ops.where(width > 0, width, ops.ones_like(width))
        place = np.arange(self.bins)
        floor = np.where(place == 0, -1.0, 0.0).astype("float32")
        ceiling = np.where(place == self.bins - 1, 2.0, 1.0).astype("float32")
        share = ops.clip(share, ops.cast(floor, share.dtype), ops.cast(ceiling, share.dtype))
        share = share * ops.cast(width > 0, share.dtype)
        vector = ops.einsum("bfn,fnd->bfd", share, self.kernel) + self.bias
        vector += ops.clip(value, -self.limit, self.limit)[..., None] * self.linear
        return ops.where(missing[..., None], ops.cast(self.missing, vector.dtype), vector)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.dim)

    def get_config(self) -> dict[str, Any]:
        own = {"dim": self.dim, "bins": self.bins, "limit": self.limit}
        return {**super().get_config(), **own}


@_register
class CategoryEmbedding(keras.layers.Layer):
    """Embeds each category by a row of its column's table; code 0 stands for an unknown one.

    Input int [batch, columns], output [batch, columns, dim].

    Args:
        sizes: how many codes each column has.
        dim: size of a category's vector.
    """

    def __init__(self, sizes: Sequence[int], dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.dim = dim

    def build(self, input_shape: Shape) -> None:
        self.tables = [
            self.add_weight(
                shape=(size, self.dim), name=f"table_{column}", initializer=_uniform(self.dim)
            )
            for column, size in enumerate(self.sizes)
        ]

    def call(self, codes: Any) -> Any:
        vectors = [ops.take(table, codes[:, i], axis=0) for i, table in enumerate(self.tables)]
        return ops.stack(vectors, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": self.sizes, "dim": self.dim}


@_register
class FeatureProjection(keras.layers.Layer):
    """The first dense layer, which takes the features' vectors to hidden units.

    With several members each one sees the features through random signs of its own, the
    only difference between the members at the start (TabM, arXiv:2410.24210, section 3).

    Input [batch, features, dim], output [batch, members, width].

    Args:
        width: hidden units.
        members: models in the ensemble.
    """

    def __init__(self, width: int, members: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.members = members

    def build(self, input_shape: Shape) -> None:
        features, dim = input_shape[-2:]
        start = _uniform(features * dim)
        self.kernel = self.add_weight(
            shape=(features, dim, self.width), name="kernel", initializer=start
        )
        self.bias = self.add_weight(
            shape=(self.members, self.width), name="bias", initializer=start
        )
        if self.members > 1:
            self.signs = self.add_weight(
                shape=(features, self.members, dim), name="signs", initializer=_random_signs
            )
            self.scale = self.add_weight(
                shape=(self.members, self.width), name="scale", initializer="ones"
            )

    def call(self, vectors: Any) -> Any:
        if self.members == 1:
            return ops.einsum("bfd,fdw->bw", vectors, self.kernel)[:, None] + self.bias
        # The signs scale the kernel and not the input: less work for the same product.
        kernel = ops.einsum("fkd,fdw->fdkw", self.signs, self.kernel)
        units = ops.einsum("bfd,fdkw->bkw", vectors, kernel)
        return units * self.scale + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.members, self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "members": self.members}


def _random_signs(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Draw one sign for each feature and member, equal over the feature's vector."""
    drawn = keras.random.uniform((*shape[:2], 1)) < 0.5
    return ops.cast(ops.broadcast_to(ops.where(drawn, -1.0, 1.0), shape), dtype or "float32")


@_register
class EnsembleDense(keras.layers.Layer):
    """A dense layer whose kernel the members share and scale (arXiv:2002.06715).

    Input [batch, members, units], output [batch, members, width].

    Args:
        width: hidden units.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width

    def build(self, input_shape: Shape) -> None:
        members, units = input_shape[-2:]
        self.kernel = self.add_weight(
            shape=(units, self.width), name="kernel", initializer=_uniform(units)
        )
        self.scale_in = self.add_weight(shape=(members, units), name="scale_in", initializer="ones")
        self.scale_out = self.add_weight(
            shape=(members, self.width), name="scale_out", initializer="ones"
        )
        self.bias = self.add_weight(
            shape=(members, self.width), name="bias", initializer=_uniform(units)
        )

    def call(self, units: Any) -> Any:
        return ops.matmul(units * self.scale_in, self.kernel) * self.scale_out + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@_register
class MemberLogits(keras.layers.Layer):
    """A logit of each member: [batch, members, units] to [batch, members]."""

    def build(self, input_shape: Shape) -> None:
        members, units = input_shape[-2:]
        self.kernel = self.add_weight(
            shape=(members, units), name="kernel", initializer=_uniform(units)
        )
        self.bias = self.add_weight(shape=(members,), name="bias", initializer="zeros")

    def call(self, units: Any) -> Any:
        return ops.sum(units * self.kernel, axis=-1) + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape[:-1]


@_register
class HistoryTokens(keras.layers.Layer):
    """Makes a vector of each earlier transaction and, last, of the present one.

    Inputs: history float [batch, length, features] and number [batch, features], NaN where
    missing; age float [batch, length] in days, NaN where there is no transaction. Outputs:
    vectors [batch, length + 1, width], and whether each stands for a transaction, bool
    [batch, length + 1].

    Args:
        width: size of a transaction's vector.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.dense = keras.layers.Dense(width, name="dense")

    def build(self, input_shape: dict[str, Shape]) -> None:
        features = input_shape["number"][-1]
        self.dense.build((None, None, 2 * features + 1))

    def call(self, inputs: dict[str, Any]) -> tuple[Any, Any]:
        present = ops.isfinite(inputs["age"])
        age = ops.where(present, inputs["age"], ops.zeros_like(inputs["age"]))
        age = ops.pad(ops.log1p(age), [[0, 0], [0, 1]])
        number = ops.concatenate([inputs["history"], inputs["number"][:, None]], axis=1)
        missing = ops.isnan(number)
        known = ops.where(missing, ops.zeros_like(number), number)
        table = [known, ops.cast(missing, known.dtype), age[..., None]]
        vectors = self.dense(ops.concatenate(table, axis=-1))
        return vectors, ops.pad(present, [[0, 0], [0, 1]], constant_values=True)

    def compute_output_shape(self, input_shape: dict[str, Shape]) -> tuple[Shape, Shape]:
        batch, length, _ = input_shape["history"]
        return (batch, length + 1, self.width), (batch, length + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@_register
class CausalBlock(keras.layers.Layer):
    """A pre-norm Transformer block in which a transaction sees itself and earlier ones.

    Inputs: vectors [batch, length, width] and which of them are transactions, bool [batch,
    length]; output as the vectors (arXiv:1706.03762, arXiv:2002.04745).

    Args:
        heads: attention heads; they divide the width.
        dropout: share of units left out.
    """

    def __init__(self, heads: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.dropout = dropout

    def build(self, vectors_shape: Shape, present_shape: Shape) -> None:
        width = vectors_shape[-1]
        self.before = keras.layers.LayerNormalization(name="before")
        self.attention = keras.layers.MultiHeadAttention(
            self.heads, width // self.heads, dropout=self.dropout, name="attention"
        )
        self.between = keras.layers.LayerNormalization(name="between")
        self.wide = keras.layers.Dense(2 * width, activation="gelu", name="wide")
        self.narrow = keras.layers.Dense(width, name="narrow")
        self.drop = keras.layers.Dropout(self.dropout, name="drop")
        for layer in (self.before, self.between, self.wide):
            layer.build(vectors_shape)
        self.narrow.build((*vectors_shape[:-1], 2 * width))
        self.attention.build(vectors_shape, vectors_shape)

    def call(self, vectors: Any, present: Any, training: bool | None = None) -> Any:
        normal = self.before(vectors)
        seen = self.attention(
            normal,
            normal,
            attention_mask=present[:, None, :],
            use_causal_mask=True,
            training=training,
        )
        vectors = vectors + self.drop(seen, training=training)
        units = self.narrow(self.wide(self.between(vectors)))
        return vectors + self.drop(units, training=training)

    def compute_output_shape(self, vectors_shape: Shape, present_shape: Shape) -> Shape:
        return vectors_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "dropout": self.dropout}
