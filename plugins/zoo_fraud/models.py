"""The architectures of the fraud domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_fraud.layers import (
    CategoryEmbedding,
    CausalBlock,
    EnsembleDense,
    FeatureProjection,
    HistoryTokens,
    MemberLogits,
    NumberEmbedding,
)

Rows = list[tuple[int, int]]
"""Pairs of rows in a source and a target."""


@dataclass(frozen=True, kw_only=True)
class TableModel(zoo.Model):
    """What the models of this domain share: embedded features and their transfer.

    Their parts, from input to output, are `embedding`, `trunk` and `head`.
    """

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("embedding", "*_embedding/*"),
        ("embedding", "projection/*"),
        ("trunk", "dense*"),
        ("trunk", "block_*"),
        ("trunk", "norm/*"),
        ("head", "head/*"),
    )

    embedding: int = zoo.setting(8, "Size of a feature's vector.", minimum=1)

    def embed(self, space: zoo.Space) -> tuple[dict[str, Any], Any]:
        """Return the inputs by name, and their vectors [batch, features, embedding]."""
        edges = np.asarray(space.arrays["edges"])
        inputs = {
            name: keras.Input(each.shape, dtype=each.dtype, name=name)
            for name, each in space.inputs.items()
            if name in ("number", "category")
        }
        layer = NumberEmbedding(
            self.embedding,
            bins=edges.shape[1] - 1,
            edges=edges,
            dtype="float32",  # amounts a little apart would be one in bfloat16
            name="number_embedding",
        )
        vectors = layer(inputs["number"])
        if category := space.inputs.get("category"):
            layer = CategoryEmbedding(category.sizes, self.embedding, name="category_embedding")
            vectors = keras.layers.Concatenate(axis=1)([vectors, layer(inputs["category"])])
        return inputs, vectors

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Carry weights over, feature by feature where the tables' columns differ.

        Features are matched by name, and categories by value. Those that only the target
        has keep their initial weights; bin edges are the target's own.
        """
        matches = _matches(source, target)

        def carry(weight: keras.Variable, known: Mapping[str, keras.Variable]) -> bool:
            if weight.path.endswith("/edges"):
                return False
            if weight.path not in matches:
                return zoo.copy_equal(weight, known)
            path, rows = matches[weight.path]
            return zoo.copy_places(weight, known.get(path), rows, axis=0)

        return carry


@dataclass(frozen=True, kw_only=True)
class TabM(TableModel):
    """An ensemble of multilayer perceptrons that share all but a few of their weights.

    Gorishniy, Kotelnikov and Babenko, TabM (arXiv:2410.24210). The output holds a logit
    of each member; the prediction is their mean probability.
    """

    members: int = zoo.setting(8, "Models in the ensemble.", minimum=1)
    width: int = zoo.setting(128, "Hidden units of a layer.", minimum=1)
    depth: int = zoo.setting(2, "Hidden layers.", minimum=1)
    dropout: float = zoo.setting(0.1, "Share of hidden units left out.", minimum=0, maximum=0.9)

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of float32 logits [batch, members]."""
        inputs, vectors = self.embed(space)
        units = FeatureProjection(self.width, self.members, name="projection")(vectors)
        for depth in range(self.depth):
            if depth:
                units = EnsembleDense(self.width, name=f"dense_{depth}")(units)
            units = keras.layers.ReLU(name=f"relu_{depth}")(units)
            units = keras.layers.Dropout(self.dropout, name=f"dropout_{depth}")(units)
        return keras.Model(inputs, MemberLogits(dtype="float32", name="head")(units), name="tabm")


@dataclass(frozen=True, kw_only=True)
class MLP(TableModel):
    """A multilayer perceptron on embedded features (arXiv:2203.05556)."""

    width: int = zoo.setting(256, "Hidden units of a layer.", minimum=1)
    depth: int = zoo.setting(3, "Hidden layers.", minimum=1)
    dropout: float = zoo.setting(0.3, "Share of hidden units left out.", minimum=0, maximum=0.9)

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of a float32 logit [batch, 1]."""
        inputs, vectors = self.embed(space)
        units = FeatureProjection(self.width, name="projection")(vectors)
        for depth in range(self.depth):
            if depth:
                units = keras.layers.Dense(self.width, name=f"dense_{depth}")(units)
            units = keras.layers.ReLU(name=f"relu_{depth}")(units)
            units = keras.layers.Dropout(self.dropout, name=f"dropout_{depth}")(units)
        return keras.Model(inputs, MemberLogits(dtype="float32", name="head")(units), name="mlp")


@dataclass(frozen=True, kw_only=True)
class Sequence(TableModel):
    """A causal Transformer over a card's latest transactions, beside the features of the last.

    Needs examples with a history: set `data.history_length`.
    """

    width: int = zoo.setting(64, "Size of a transaction's vector.", minimum=1)
    heads: int = zoo.setting(4, "Attention heads; they divide the width.", minimum=1)
    depth: int = zoo.setting(2, "Transformer blocks.", minimum=1)
    dropout: float = zoo.setting(0.1, "Share of units left out.", minimum=0, maximum=0.9)

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of a float32 logit [batch, 1].

        Raises:
            ConfigError: the examples have no history, or the heads do not divide the width.
        """
        if "history" not in space.inputs:
            raise zoo.ConfigError(
                "The sequence model needs each card's earlier transactions; the data have none.",
                hint="Set data.history_length=16.",
            )
        if self.width % self.heads:
            raise zoo.ConfigError(
                f"model.width is {self.width}, which {self.heads} heads cannot share evenly.",
                hint=f"Use a multiple of {self.heads}.",
            )
        inputs, vectors = self.embed(space)
        for name in ("history", "age"):
            inputs[name] = keras.Input(space.inputs[name].shape, dtype="float32", name=name)
        tokens, present = HistoryTokens(self.width, dtype="float32", name="history_embedding")(
            {name: inputs[name] for name in ("history", "age", "number")}
        )
        for depth in range(self.depth):
            tokens = CausalBlock(self.heads, self.dropout, name=f"block_{depth}")(tokens, present)
        present_row = FeatureProjection(self.width, name="projection")(vectors)
        units = keras.layers.Concatenate()([tokens[:, -1:], present_row])
        units = keras.layers.LayerNormalization(name="norm")(units)
        units = keras.layers.Dense(self.width, activation="relu", name="dense")(units)
        units = keras.layers.Dropout(self.dropout, name="dropout")(units)
        head = MemberLogits(dtype="float32", name="head")
        return keras.Model(inputs, head(units), name="sequence")


def _matches(source: zoo.Space, target: zoo.Space) -> dict[str, tuple[str, Rows]]:
    """Return for each weight with a row a feature where it comes from, and which rows do.

    Keys and sources are paths of weights.
    """
    if "number" not in source.inputs:
        return {}
    numbers = zoo.shared_places(source.inputs["number"].names, target.inputs["number"].names)
    features = zoo.shared_places(_features(source), _features(target))
    found = {}
    for name in ("kernel", "linear", "bias", "missing"):
        path = f"number_embedding/{name}"
        found[path] = (path, numbers)
    for name in ("kernel", "signs"):
        path = f"projection/{name}"
        found[path] = (path, features)
    if "category" in source.inputs and "category" in target.inputs:
        old, new = source.inputs["category"], target.inputs["category"]
        for before, after in zoo.shared_places(old.names, new.names):
            values = zoo.shared_places(("", *old.values[before]), ("", *new.values[after]))
            paths = (f"category_embedding/table_{each}" for each in (after, before))
            found[next(paths)] = (next(paths), values)
    return found


def _features(space: zoo.Space) -> list[str]:
    return [
        name
        for each in ("number", "category")
        if each in space.inputs
        for name in space.inputs[each].names
    ]
