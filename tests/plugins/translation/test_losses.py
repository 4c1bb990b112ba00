"""Cross-entropy with smoothed labels: its values, its gradient, and what it leaves out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from zoo_translation.losses import SmoothedCrossEntropy, disagreement, smoothed_cross_entropy

PIECES = 11


def example(seed: int = 0, rows: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return true pieces [rows, 5], the last two of the first row PAD, and logits."""
    random = np.random.default_rng(seed)
    pieces = random.integers(1, PIECES, (rows, 5)).astype(np.int32)
    pieces[0, 3:] = 0
    return pieces, random.normal(0, 3, (rows, 5, PIECES)).astype(np.float32)


def by_keras(pieces: np.ndarray, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    return keras.losses.categorical_crossentropy(
        ops.one_hot(pieces, PIECES), logits, from_logits=True, label_smoothing=smoothing
    )


def gradient(loss: object, logits: np.ndarray, dtype: str = "float32") -> np.ndarray:
    logits = tf.cast(logits, dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    return tf.cast(tape.gradient(value, logits), "float32").numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_tokens_have_the_loss_that_keras_gives_them(smoothing: float) -> None:
    pieces, logits = example()

    ours = smoothed_cross_entropy(tf.constant(logits), pieces, smoothing)

    np.testing.assert_allclose(ours, by_keras(pieces, logits, smoothing), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 1e-2)])
def test_gradient_is_that_of_keras(dtype: str, tolerance: float) -> None:
    pieces, logits = example()
    weights = np.random.default_rng(1).normal(size=pieces.shape).astype(np.float32)

    ours = gradient(
        lambda x: tf.reduce_sum(weights * smoothed_cross_entropy(x, pieces, 0.1)), logits, dtype
    )
    theirs = gradient(lambda x: tf.reduce_sum(weights * by_keras(pieces, x, 0.1)), logits)

    np.testing.assert_allclose(ours, theirs, atol=tolerance)


def test_padding_counts_nothing() -> None:
    pieces, logits = example()
    loss = SmoothedCrossEntropy(0.1, tokens=4.0, reduction="none")

    others = logits.copy()
    others[0, 3:] += 7.0

    np.testing.assert_array_equal(loss(pieces, logits), loss(pieces, others))
    slopes = gradient(lambda x: tf.reduce_sum(loss(pieces, x)), logits)
    assert not slopes[0, 3:].any()
    assert slopes[0, :3].any()


def test_an_example_has_the_same_loss_in_every_batch() -> None:
    pieces, logits = example()
    loss = SmoothedCrossEntropy(0.1, tokens=4.0, reduction="none")

    alone = [float(loss(pieces[row : row + 1], logits[row : row + 1])[0]) for row in range(3)]

    np.testing.assert_allclose(loss(pieces, logits), alone, rtol=1e-6)
    tokens = by_keras(pieces, logits, 0.1).numpy() * (pieces != 0)
    np.testing.assert_allclose(alone, tokens.sum(1) / 4.0, rtol=1e-5)


def test_weights_of_examples_count() -> None:
    pieces, logits = example()
    weights = np.array([0.0, 1.0, 3.0], np.float32)
    each = SmoothedCrossEntropy(reduction="none")(pieces, logits).numpy()

    weighted = float(SmoothedCrossEntropy()(pieces, logits, sample_weight=weights))

    assert weighted == pytest.approx(float((each * weights).mean()), rel=1e-6)


def test_logits_of_any_size_give_a_finite_loss() -> None:
    pieces, logits = example()
    loss = SmoothedCrossEntropy(0.1, reduction="none")

    assert np.isfinite(loss(pieces, 1000 * logits)).all()
    slopes = gradient(lambda x: tf.reduce_sum(loss(pieces, x)), 1000 * logits)
    assert np.isfinite(slopes).all()


def test_survives_serialisation() -> None:
    pieces, logits = example()
    loss = SmoothedCrossEntropy(0.2, tokens=3.0)

    again = keras.losses.deserialize(keras.losses.serialize(loss))

    assert float(again(pieces, logits)) == float(loss(pieces, logits))


def by_definition(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    p, q = tf.nn.log_softmax(first), tf.nn.log_softmax(second)
    forward = tf.reduce_sum(tf.exp(p) * (p - q), axis=-1)
    return (forward + tf.reduce_sum(tf.exp(q) * (q - p), axis=-1)) / 2


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 5e-2)])
def test_disagreement_and_its_gradient_are_those_of_both_divergences(
    dtype: str, tolerance: float
) -> None:
    (_, first), (_, second) = example(0), example(1)
    weights = np.random.default_rng(1).normal(size=first.shape[:2]).astype(np.float32)
    both = np.stack([first, second])

    ours = gradient(lambda x: tf.reduce_sum(weights * disagreement(x[0], x[1])), both, dtype)
    theirs = gradient(lambda x: tf.reduce_sum(weights * by_definition(x[0], x[1])), both)

    np.testing.assert_allclose(ours, theirs, atol=tolerance)
    if dtype == "float32":
        np.testing.assert_allclose(
            disagreement(first, second), by_definition(first, second), rtol=1e-5
        )


def test_an_example_read_twice_alike_has_the_loss_of_one_reading() -> None:
    pieces, logits = example()
    twice = np.concatenate([logits, logits])

    ours = SmoothedCrossEntropy(tokens=4.0, agreement=5.0)(pieces, twice)

    assert float(ours) == pytest.approx(float(SmoothedCrossEntropy(tokens=4.0)(pieces, logits)))


def test_two_readings_that_differ_cost_more_the_more_agreement_is_asked() -> None:
    pieces, logits = example()
    both = np.concatenate([logits, example(1)[1]])

    losses = [
        float(SmoothedCrossEntropy(agreement=agreement)(pieces, both)) for agreement in (0, 1, 5)
    ]

    assert losses == sorted(losses)
    assert losses[2] - losses[0] == pytest.approx(5 * (losses[1] - losses[0]), rel=1e-4)
