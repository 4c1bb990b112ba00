"""From examples to outputs: windows, batches, and back to examples."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import toy

import zoo
from zoo.inference import Sweep

SCALING = toy.Scaling(np.zeros(2, np.float32))


@dataclass(frozen=True, kw_only=True)
class Doubled(toy.Classify):
    """Sees each point in two places, and takes the larger output."""

    def windows(self, examples, preprocessing):
        rows = np.repeat(np.arange(len(examples)), 2)
        columns = examples[rows]
        point = columns["point"] + np.tile([[0, 0], [1, 0]], (len(examples), 1))
        return zoo.Columns({**columns, "point": point.astype(np.float32), "example": rows})

    def restore(self, outputs, windows, examples, preprocessing):
        best = np.full((len(examples["label"]), 1), -np.inf)
        np.maximum.at(best, windows["example"], outputs)
        return best


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return toy.Net().build(SCALING.space)


@pytest.fixture
def examples() -> zoo.Columns:
    point = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    return zoo.Columns({"point": point, "label": np.arange(7) % 2})


def outputs_at(model: keras.Model, point: np.ndarray) -> np.ndarray:
    return np.asarray(model({"point": point}))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_outputs_are_those_of_the_examples_in_order(
    model: keras.Model, examples: zoo.Columns, batch_size: int
) -> None:
    outputs = Sweep(toy.Classify(), SCALING, examples, batch_size).outputs(model)
    expected = outputs_at(model, examples.columns["point"])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_windows_become_one_row_an_example_again(model: keras.Model, examples: zoo.Columns) -> None:
    point = examples.columns["point"]
    moved = point + np.array([1, 0], np.float32)
    expected = np.maximum(outputs_at(model, point), outputs_at(model, moved))
    outputs = Sweep(Doubled(), SCALING, examples, batch_size=4).outputs(model)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_raw_outputs_are_reduced_batch_by_batch(model: keras.Model, examples: zoo.Columns) -> None:
    seen = []

    class Signs(toy.Classify):
        def reduce(self, outputs, preprocessing):
            seen.append(outputs.shape)
            return {"positive": outputs[:, 0] > 0}

    outputs = Sweep(Signs(), SCALING, examples, batch_size=3).outputs(model)
    assert seen == [(3, 1)] * 3
    expected = outputs_at(model, examples.columns["point"])[:, 0] > 0
    assert np.array_equal(outputs["positive"], expected)


class Weighted(toy.Scaling):
    def weights(self, batch):
        return 1.0 + batch["label"].astype(np.float32)


@pytest.mark.parametrize("preprocessing", [SCALING, Weighted(SCALING.mean)])
@pytest.mark.parametrize("memory", [0, 2**20])
def test_the_loss_is_a_mean_over_examples(
    model: keras.Model, examples: zoo.Columns, preprocessing: zoo.Preprocessing, memory: int
) -> None:
    loss = toy.Classify().loss(preprocessing.space)
    targets = preprocessing.targets(examples.columns)
    weights = preprocessing.weights(examples.columns)
    outputs = outputs_at(model, examples.columns["point"])
    expected = float(loss(targets, outputs, sample_weight=weights))
    sweep = Sweep(toy.Classify(), preprocessing, examples, 3, memory)
    _, value = sweep.outputs_and_loss(model, loss)
    assert value == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_several_outputs_is_their_sum(examples: zoo.Columns) -> None:
    class Twice(toy.Scaling):
        def targets(self, batch):
            return {name: super(Twice, self).targets(batch) for name in ("one", "two")}

    point = keras.Input((2,), name="point")
    outputs = {name: keras.layers.Dense(1, name=name)(point) for name in ("one", "two")}
    model = keras.Model({"point": point}, outputs)
    loss = {name: keras.losses.MeanSquaredError() for name in ("one", "two")}
    found, value = Sweep(
        toy.Classify(), Twice(SCALING.mean), examples, batch_size=4
    ).outputs_and_loss(model, loss)
    label = examples.columns["label"][:, None]
    assert value == pytest.approx(
        sum(np.mean((found[name] - label) ** 2) for name in ("one", "two")), rel=1e-5
    )


def test_outputs_of_a_model_in_mixed_precision_are_float32(examples: zoo.Columns) -> None:
    point = keras.Input((2,), name="point")
    head = keras.layers.Dense(1, dtype="bfloat16")(point)
    outputs = Sweep(toy.Classify(), SCALING, examples, 4).outputs(
        keras.Model({"point": point}, head)
    )
    assert outputs.dtype == np.float32
