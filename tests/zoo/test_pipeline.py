"""Batches as `tf.data`, index-keyed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import toy

import zoo
from zoo.data.examples import EncodedExamples
from zoo.data.order import Order
from zoo.data.pipeline import prediction_batches, training_batches


def _examples(count: int) -> EncodedExamples:
    point = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    columns = zoo.Columns({"point": point, "label": np.arange(count) % 2})
    return EncodedExamples(columns, toy.Scaling(np.zeros(2)))


def _noise(inputs, targets, seeds):
    noise = tf.map_fn(
        lambda seed: tf.random.stateless_normal((2,), seed), seeds, fn_output_signature=tf.float32
    )
    return {"point": inputs["point"] + noise}, targets


def _points(**options) -> list[np.ndarray]:
    order = Order(10, 4, seed=1)
    batches = training_batches(_examples(10), order, augment=_noise, **options)
    return [inputs["point"] for inputs, _, _ in batches.as_numpy_iterator()]


def test_a_stream_begun_later_goes_on_as_the_whole_one() -> None:
    whole = _points(start=0, steps=9)
    for start in (1, 4, 8):
        for one, other in zip(whole[start:], _points(start=start, steps=9 - start), strict=True):
            assert np.array_equal(one, other)


def test_augmentation_follows_the_example_not_its_batch() -> None:
    """The same rows in batches of another size are augmented alike."""
    small = np.concatenate(_points(start=0, steps=5))
    large = training_batches(_examples(10), Order(10, 10, seed=1), start=0, steps=2, augment=_noise)
    large = np.concatenate([inputs["point"] for inputs, _, _ in large.as_numpy_iterator()])
    assert np.array_equal(small, large)
    assert not np.array_equal(
        large[:10][np.argsort(large[:10, 0])], large[10:][np.argsort(large[10:, 0])]
    )


def test_prediction_covers_every_example_in_order_in_full_batches() -> None:
    batches = list(prediction_batches(_examples(10), 4).as_numpy_iterator())
    assert {len(batch["point"]) for batch in batches} == {4}
    rows = np.concatenate([batch["point"] for batch in batches])[:10]
    assert np.array_equal(rows, np.arange(20, dtype=np.float32).reshape(10, 2))
