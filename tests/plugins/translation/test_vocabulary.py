"""Transfer between tokenisers: known pieces are copied, new ones spelt in old ones."""

from __future__ import annotations

import keras
import numpy as np
from zoo_translation.vocabulary import carrier, spelling

import zoo

OLD = ("<pad>", "<s>", "<0xC3>", "<0x9F>", "\u2581Ha", "us", "u", "s", "\u2581")


def _space(pieces: tuple[str, ...]) -> zoo.Space:
    return zoo.Space(inputs={}, outputs={}, classes=pieces)


def _variable(value: np.ndarray, name: str) -> keras.Variable:
    return keras.Variable(value.astype(np.float32), name=name)


def test_pieces_are_spelt_by_the_longest_old_ones() -> None:
    shares = spelling(OLD, ("\u2581Haus", "suß", "us", "x", "<0x41>", "<pad>")).toarray()
    expected = np.zeros((6, len(OLD)))
    expected[0, [4, 5]] = 1 / 2
    expected[1, [7, 6, 2, 3]] = 1 / 4
    expected[2, 5] = 1
    expected[5, 0] = 1
    np.testing.assert_allclose(shares, expected)


def test_new_vectors_start_from_those_that_spell_them() -> None:
    new = ("\u2581Haus", "x", "u")
    old_vectors = np.random.default_rng(0).normal(size=(len(OLD), 3))
    for axis in (0, 1):
        source = _variable(np.moveaxis(old_vectors, 0, axis), "vectors")
        target = _variable(np.full((3, 3), 7.0), "vectors")
        carry = carrier(_space(OLD), _space(new), ["*vectors"], axis)
        assert carry(target, {source.path: source})
        found = np.moveaxis(keras.ops.convert_to_numpy(target), axis, 0)
        np.testing.assert_allclose(found[0], old_vectors[[4, 5]].mean(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(found[1], [7.0] * 3)
        np.testing.assert_allclose(found[2], old_vectors[6], rtol=1e-6)


def test_other_weights_are_copied_where_they_are_equal() -> None:
    carry = carrier(_space(OLD), _space(OLD), ["*vectors"])
    source, target = (_variable(np.full((2, 2), value), "kernel") for value in (1.0, 0.0))
    assert carry(target, {source.path: source})
    assert (keras.ops.convert_to_numpy(target) == 1).all()
    wider = _variable(np.zeros((2, 3)), "kernel")
    assert not carry(wider, {source.path: source})


def test_vectors_of_another_width_stay_as_they_are() -> None:
    carry = carrier(_space(OLD), _space(OLD), ["*vectors"])
    source = _variable(np.ones((len(OLD), 2)), "vectors")
    target = _variable(np.zeros((len(OLD), 3)), "vectors")
    assert not carry(target, {source.path: source})
    assert not carry(target, {})
