"""Which rows a step takes."""

import numpy as np
from hypothesis import given, strategies as st

from zoo.data.order import Order

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
