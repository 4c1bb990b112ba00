"""Batches as `tf.data`, index-keyed."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import toy

import zoo
from zoo.data.examples import EncodedExamples
from zoo.data.order import Order
from zoo.data.pipeline import prediction_batches, training_batches
from zoo.data.sized_order import SizedOrder
from zoo.inference import Sweep


def _examples(count: int) -> EncodedExamples:
    point = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    columns = zoo.Columns({"point": point, "label": np.arange(count) % 2})
    return EncodedExamples(columns, toy.Scaling(np.zeros(2)))


class _Noise(zoo.Augmentation):
    """Adds noise to each point."""

    def __call__(self, inputs, targets, seeds, progress):
        return {"point": inputs["point"] + _normal(seeds)}, targets


class _Mix(zoo.Augmentation):
    """Adds noise to the mean of each point and two others, the more the later it is."""

    partners = 2

    def __call__(self, inputs, targets, seeds, progress):
        point = tf.reduce_mean(inputs["point"], axis=1) + progress * _normal(seeds)
        return {"point": point}, tf.reduce_mean(targets, axis=1)


class _Apart(zoo.Augmentation):
    """Shows an example beside its partners, and how far the run is."""

    partners = 3

    def __call__(self, inputs, targets, seeds, progress):
        count = tf.shape(targets)[0]
        point = tf.reshape(inputs["point"], (count, 8))
        return {"point": point, "progress": tf.fill([count], progress)}, targets


def _normal(seeds: tf.Tensor) -> tf.Tensor:
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal((2,), seed), seeds, fn_output_signature=tf.float32
    )


def _points(augment: zoo.Augmentation | None = None, **options) -> list[np.ndarray]:
    order = Order(10, 4, seed=1)
    augment = augment or _Noise()
    batches = training_batches(
        _examples(10), order, augment=augment, progress=lambda step: step / 9, **options
    )
    return [inputs["point"] for inputs, _, _ in batches.as_numpy_iterator()]


@pytest.mark.parametrize("augment", [_Noise(), _Mix()])
def test_a_stream_begun_later_goes_on_as_the_whole_one(augment: zoo.Augmentation) -> None:
    whole = _points(augment, start=0, steps=9)
    for start in (1, 4, 8):
        rest = _points(augment, start=start, steps=9 - start)
        for one, other in zip(whole[start:], rest, strict=True):
            assert np.array_equal(one, other)


def test_augmentation_follows_the_example_not_its_batch() -> None:
    """The same rows in batches of another size are augmented alike."""
    small = np.concatenate(_points(start=0, steps=5))
    large = training_batches(
        _examples(10), Order(10, 10, seed=1), start=0, steps=2, augment=_Noise()
    )
    large = np.concatenate([inputs["point"] for inputs, _, _ in large.as_numpy_iterator()])
    assert np.array_equal(small, large)
    assert not np.array_equal(
        large[:10][np.argsort(large[:10, 0])], large[10:][np.argsort(large[10:, 0])]
    )


def _beside(batch_size: int, steps: int, memory_limit: int = 0) -> list[tuple]:
    """Return batches of examples beside their partners."""
    examples = EncodedExamples(
        _examples(10).examples, toy.Scaling(np.zeros(2)), memory_limit=memory_limit
    )
    order = Order(10, batch_size, seed=1)
    batches = training_batches(examples, order, start=0, steps=steps, augment=_Apart())
    return list(batches.as_numpy_iterator())


def test_partners_come_after_the_example_with_their_targets() -> None:
    rows, _ = Order(10, 10, seed=1).batch(0)
    ((inputs, targets, weights),) = _beside(10, 1)
    shown = inputs["point"].reshape(10, 4, 2)[:, :, 0] / 2
    assert np.array_equal(shown[:, 0], rows)
    assert set(shown.ravel()) <= set(range(10))
    assert np.array_equal(targets[:, :, 0], shown % 2)
    assert weights.shape == (10,)


def test_partners_follow_the_example_not_its_batch() -> None:
    small = np.concatenate([inputs["point"] for inputs, _, _ in _beside(4, 5)])
    large = np.concatenate([inputs["point"] for inputs, _, _ in _beside(10, 2)])
    kept = np.concatenate([inputs["point"] for inputs, _, _ in _beside(10, 2, 2**20)])
    assert np.array_equal(small, large)
    assert np.array_equal(large, kept)
    first, second = (part[np.argsort(part[:, 0])] for part in (large[:10], large[10:]))
    assert not np.array_equal(first, second)


def test_augmentation_is_told_how_far_the_run_is() -> None:
    order = Order(10, 5, seed=1)
    share = [
        inputs["progress"].tolist()
        for inputs, _, _ in training_batches(
            _examples(10),
            order,
            start=2,
            steps=2,
            augment=_Apart(),
            progress=lambda step: (step + 4) / 8,
        ).as_numpy_iterator()
    ]
    assert share == [[0.75] * 5, [0.875] * 5]


def test_memory_is_judged_by_what_object_columns_refer_to() -> None:
    class Pictures(toy.Scaling):
        def inputs(self, batch):
            pictures = np.empty(len(batch["point"]), object)
            pictures[:] = [np.zeros((100, 100)) for _ in pictures]
            return {"point": pictures}

    examples, encoded = _examples(10).examples, []
    for limit in (200_000, 2_000_000):
        kept = EncodedExamples(examples, Pictures(np.zeros(2)), limit)
        rows = np.arange(1)
        encoded.append(kept.inputs(rows)["point"][0] is kept.inputs(rows)["point"][0])
    assert encoded == [False, True]


def test_prediction_covers_every_example_in_order_in_full_batches() -> None:
    batches = list(prediction_batches(_examples(10), np.arange(10), 4).as_numpy_iterator())
    assert {len(batch["point"]) for batch in batches} == {4}
    rows = np.concatenate([batch["point"] for batch in batches])[:10]
    assert np.array_equal(rows, np.arange(20, dtype=np.float32).reshape(10, 2))


class _Words(toy.Scaling):
    """Examples as so many ones as they are long."""

    @property
    def space(self) -> zoo.Space:
        words = zoo.Tensor((None,), "int32")
        return zoo.Space(inputs={"words": words}, outputs={"logit": zoo.Tensor((1,))})

    def inputs(self, batch):
        longest = batch["size"].max()
        return {"words": (np.arange(longest) < batch["size"][:, None]).astype(np.int32)}

    def sizes(self, batch):
        return batch["size"]


def _words(count: int, memory: int) -> EncodedExamples:
    sizes = np.random.default_rng(0).integers(1, 30, count)
    columns = {"size": sizes, "label": sizes % 2}
    return EncodedExamples(zoo.Columns(columns), _Words(np.zeros(2)), memory)


@pytest.mark.parametrize("memory", [0, 2**20])
def test_examples_of_alike_size_are_padded_to_the_longest_of_their_batch(memory: int) -> None:
    examples = _words(300, memory)
    order = SizedOrder(examples.sizes, tokens=120, seed=0)
    steps = 2 * order.steps_per_epoch
    total = 0.0
    for inputs, targets, weights in training_batches(examples, order, start=0, steps=steps):
        words = inputs["words"].numpy()
        assert words.size <= 120
        assert words.any(axis=0).all()
        assert len(words) == len(targets) == len(weights)
        total += float(np.mean(weights))
    # A mean over the batch then counts each example alike.
    assert total / steps == pytest.approx(1.0, rel=0.05)


class _Waves(_Words):
    """The same as sound, beside numbers of a fixed count."""

    @property
    def space(self) -> zoo.Space:
        inputs = {"wave": zoo.Tensor((None,)), "place": zoo.Tensor((3,))}
        return zoo.Space(inputs=inputs, outputs={"logit": zoo.Tensor((1,))})

    def inputs(self, batch):
        wave = super().inputs(batch)["words"].astype(np.float32)
        return {"wave": wave, "place": np.zeros((len(wave), 3), np.float32)}


def test_kept_sound_is_cut_to_the_longest_of_its_batch() -> None:
    columns = zoo.Columns({"size": np.array([2, 5, 3]), "label": np.array([0, 1, 0])})
    kept = EncodedExamples(columns, _Waves(np.zeros(2)), 2**20)
    for rows, longest in (([0, 2], 3), ([1], 5)):
        for inputs in (kept[np.array(rows)].inputs, kept.inputs(np.array(rows))):
            assert inputs["wave"].shape == (len(rows), longest)
            assert inputs["place"].shape == (len(rows), 3)


def test_predictions_of_sized_examples_come_back_in_order() -> None:
    examples = _words(50, 0)
    sweep = Sweep(_Lengths(), examples.preprocessing, examples.examples, 8)
    assert sweep.outputs(_NoNetwork()).tolist() == examples.examples.columns["size"].tolist()


class _Lengths(toy.Classify):
    """Predicts by counting words, without a network."""

    def predictor(self, model, preprocessing):
        return lambda inputs: inputs["words"].sum(axis=1)


class _NoNetwork:
    """Must not be run."""
