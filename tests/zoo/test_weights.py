"""Weights by path: parts of a network, and what a new one takes from a trained one."""

from __future__ import annotations

import keras
import numpy as np

import zoo
from zoo.weights import class_carrier, newly_named, parts_by_path


def network(classes: int, anchors: int = 1) -> keras.Model:
    inputs = keras.Input((3,))
    body = keras.layers.Dense(4, name="body.dense")(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes * anchors, name="head.class")(body))


def randomised(model: keras.Model) -> keras.Model:
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=each.shape) for each in model.get_weights()])
    return model


def carried(source: keras.Model, target: keras.Model, old: str, new: str) -> list[str]:
    carry = class_carrier(("head.class/*",), tuple(old), tuple(new))
    known = {weight.path: weight for weight in source.weights}
    return [weight.path for weight in target.weights if carry(weight, known)]


def test_classes_are_copied_by_name_and_others_keep_their_start():
    source, target = randomised(network(3)), network(4)
    before = target.layers[-1].get_weights()[0].copy()
    assert len(carried(source, target, "abc", "cxa?")) == 4
    kernel, trained = (model.layers[-1].get_weights()[0] for model in (target, source))
    np.testing.assert_array_equal(kernel[:, [0, 2]], trained[:, [2, 0]])
    np.testing.assert_array_equal(kernel[:, [1, 3]], before[:, [1, 3]])


def test_classes_that_each_anchor_repeats_are_copied_for_each():
    source, target = randomised(network(2, anchors=3)), network(2, anchors=3)
    carried(source, target, "ab", "ba")
    kernel, trained = (
        model.layers[-1].get_weights()[0].reshape(4, 3, 2) for model in (target, source)
    )
    np.testing.assert_array_equal(kernel, trained[..., ::-1])


def test_a_head_without_a_shared_class_is_left_alone():
    source, target = randomised(network(2)), network(2)
    assert carried(source, target, "ab", "xy") == ["body.dense/kernel", "body.dense/bias"]


def test_places_are_copied_only_where_all_else_fits():
    target = keras.Variable(np.zeros((4, 3)))
    source = keras.Variable(np.arange(6.0).reshape(2, 3))
    assert zoo.copy_places(target, source, [(1, 0), (0, 3)], axis=0)
    np.testing.assert_array_equal(np.array(target), [[3, 4, 5], [0] * 3, [0] * 3, [0, 1, 2]])
    assert not zoo.copy_places(target, keras.Variable(np.zeros((2, 5))), [(0, 0)], axis=0)
    assert not zoo.copy_places(target, None, [(0, 0)], axis=0)
    assert not zoo.copy_places(target, source, [], axis=0)


def test_a_layer_belongs_to_the_first_part_that_matches():
    parts = parts_by_path(network(2), (("trunk", "body*"), ("head", "*")))
    assert [(name, [layer.name for layer in layers]) for name, layers in parts] == [
        ("trunk", ["body.dense"]),
        ("head", ["head.class"]),
    ]


def test_heads_that_do_not_fit_are_left_alone():
    assert len(carried(network(2, anchors=3), network(2, anchors=2), "ab", "ab")) == 2
    assert len(carried(network(2), network(2), "ab", "")) == 2


def unnamed() -> keras.Model:
    """A network that leaves the names of its layers to Keras."""
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(4)(inputs)))


def test_layers_without_a_name_are_called_alike_in_every_network():
    paths = [[each.path for each in newly_named(unnamed).weights] for _ in range(2)]
    assert paths[0] == paths[1]


def test_a_head_of_a_space_without_classes_is_copied_whole():
    assert len(carried(randomised(network(2)), network(2), "", "")) == 4
