"""Which rows a step takes."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from zoo.data.order import Order
from zoo.data.sized_order import SizedOrder
from zoo.errors import ConfigError

orders = st.builds(Order, st.integers(1, 60), st.integers(1, 25), st.integers(0, 5))


@given(orders, st.integers(1, 4))
def test_each_pass_takes_every_example_once(order: Order, passes: int) -> None:
    steps = -(-order.examples * passes // order.batch_size)
    stream = np.concatenate([order.batch(step)[0] for step in range(steps)])
    for number in range(passes):
        one = stream[number * order.examples : (number + 1) * order.examples]
        assert sorted(one) == list(range(order.examples))


@given(orders, st.integers(0, 100))
def test_a_step_needs_nothing_of_the_steps_before(order: Order, step: int) -> None:
    rows, passes = Order(order.examples, order.batch_size, order.seed).batch(step)
    for before in range(3):
        order.batch(before)
    assert np.array_equal(order.batch(step)[0], rows)
    assert len(rows) == order.batch_size
    assert np.array_equal(order.batch(step)[1], passes)


def test_passes_and_seeds_differ() -> None:
    first = Order(50, 50, seed=1)
    assert not np.array_equal(first.batch(0)[0], first.batch(1)[0])
    assert not np.array_equal(first.batch(0)[0], Order(50, 50, seed=2).batch(0)[0])


sized = st.builds(
    SizedOrder,
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=80).map(
        np.array
    ),
    st.integers(80, 200),
    st.integers(0, 5),
    st.integers(1, 2),
)


def batches_of(order: SizedOrder, passes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    steps = order.steps_per_epoch * passes
    return [order.batch(step) for step in range(steps)]


@given(sized, st.integers(1, 3))
def test_sized_batches_take_every_example_once_a_pass(order: SizedOrder, passes: int) -> None:
    taken = [pair for batch in batches_of(order, passes) for pair in zip(*batch, strict=True)]
    assert len(set(taken)) == len(taken)
    count = np.bincount([row for row, _ in taken], minlength=order.examples)
    # Only what does not fill a batch of its bucket is put off to a later pass.
    assert count.sum() >= passes * order.examples - sum(
        bucket.batch_size for bucket in order._buckets
    )


@given(sized, st.integers(0, 60))
def test_a_sized_step_needs_nothing_of_the_steps_before(order: SizedOrder, step: int) -> None:
    again = SizedOrder(order._sizes, 200, order.seed)
    straight = SizedOrder(order._sizes, 200, order.seed)
    for before in range(step):
        straight.batch(before)
    for one, other in zip(again.batch(step), straight.batch(step), strict=True):
        assert np.array_equal(one, other)


def test_sized_batches_have_room_and_little_padding() -> None:
    sizes = np.random.default_rng(0).integers(3, 60, 5_000)
    order = SizedOrder(np.stack([sizes, sizes + 2], axis=1), 2_000, seed=0, replicas=4)
    for step in range(order.steps_per_epoch):
        rows, _ = order.batch(step)
        assert len(rows) % 4 == 0
        assert (sizes[rows].max() + 2) * len(rows) <= 2_000
    assert order.padding < 0.05
    counts = [len(order.batch(step)[0]) for step in range(order.steps_per_epoch)]
    assert np.mean(counts) == pytest.approx(order.mean_batch, rel=0.05)


def test_an_example_that_fills_more_than_a_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_tokens is 50, but an example of 60 tokens"):
        SizedOrder(np.array([5, 60]), 50, seed=0)


def test_batches_by_size_are_the_same_for_one_replica_and_for_many() -> None:
    sizes = np.random.default_rng(0).integers(3, 60, 700)
    one, two, eight = (SizedOrder(sizes, 500, seed=0, replicas=each) for each in (1, 2, 8))
    for step in range(one.steps_per_epoch):
        assert np.array_equal(one.batch(step)[0], two.batch(step)[0])
        assert np.array_equal(one.batch(step)[0], eight.batch(step)[0])
    three = SizedOrder(sizes, 500, seed=0, replicas=3)
    assert all(len(three.batch(step)[0]) % 3 == 0 for step in range(three.steps_per_epoch))
