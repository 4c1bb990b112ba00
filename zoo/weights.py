"""Weights of a network, told apart by the paths that say what they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import keras

Carrier: TypeAlias = "Callable[[keras.Variable, Mapping[str, keras.Variable]], bool]"
"""Starts a weight from those of another network, by path; says whether it did, even in part."""


def newly_named(build: Callable[[], keras.Model]) -> keras.Model:
    """Return the network that `build` makes, its layers named as in a new process.

    Keras counts layers without a name of their own over the whole process, so the weights
    of a network would not be found by path in the next one. It has no public way to count
    anew; this is the one place that takes the private one.
    """
    from keras.src.backend.common import global_state

    global_state.set_global_attribute("object_name_uids", None)
    return build()


def leaf_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield the layers within `layer` that hold no others, in the order they were added.

    `keras.Model.layers` stops at a layer that is made of layers, and Keras has no public way
    further down; this is the one place that takes the private one.
    """
    for each in layer._flatten_layers():
        if next(iter(each._flatten_layers(include_self=False)), None) is None:
            yield each


def parts_by_path(
    model: keras.Model, patterns: Sequence[tuple[str, str]]
) -> list[tuple[str, list[keras.Layer]]]:
    """Return the layers of each part of a network; those of no part are left out.

    Args:
        model: the network.
        patterns: names of parts from input to output, each with a shell pattern of the path
            of a layer's first weight. A layer belongs to the first that matches, and a name
            may have several.
    """
    found: dict[str, list[keras.Layer]] = {name: [] for name, _ in patterns}
    for layer in leaf_layers(model):
        path = layer.weights[0].path if layer.weights else ""
        part = next((name for name, pattern in patterns if path and fnmatch(path, pattern)), None)
        if part:
            found[part].append(layer)
    return [(name, layers) for name, layers in found.items() if layers]


def copy_equal(target: keras.Variable, source: Mapping[str, keras.Variable]) -> bool:
    """Copy the weight of equal path and shape into `target`; return whether there is one."""
    match = source.get(target.path)
    if match is None or tuple(match.shape) != tuple(target.shape):
        return False
    target.assign(match)
    return True


def class_carrier(patterns: Sequence[str], old: Sequence[str], new: Sequence[str]) -> Carrier:
    """Return what copies equal weights, and those of a class to the class of the same name.

    Args:
        patterns: shell patterns of the paths of weights whose last axis counts the classes,
            once or once for each anchor or the like.
        old: names of the classes of the trained network, in order.
        new: names of those of the new one.
    """
    places = shared_places(old, new)

    def carry(target: keras.Variable, source: Mapping[str, keras.Variable]) -> bool:
        named = old or new
        if not named or not any(fnmatch(target.path, pattern) for pattern in patterns):
            return copy_equal(target, source)
        match = source.get(target.path)
        if match is None or not places:
            return False
        turns = target.shape[-1] // len(new)
        if match.shape[-1] != turns * len(old):
            return False
        repeated = [
            (turn * len(old) + given, turn * len(new) + place)
            for turn in range(turns)
            for given, place in places
        ]
        return copy_places(target, match, repeated, axis=-1)

    return carry


def copy_places(
    target: keras.Variable,
    source: keras.Variable | None,
    places: Sequence[tuple[int, int]],
    axis: int,
) -> bool:
    """Copy entries along one axis of a weight, such as the rows of known words.

    Args:
        target: the weight to start.
        source: the weight to start from, of equal shape but for the axis; None for no such.
        places: pairs of a place in `source` and one in `target`.
        axis: along which they are counted.

    Returns:
        whether anything was copied.
    """
    import keras
    import numpy as np

    if source is None or not places:
        return False
    given, value = (np.moveaxis(keras.ops.convert_to_numpy(x), axis, 0) for x in (source, target))
    if given.shape[1:] != value.shape[1:]:
        return False
    value = value.copy()
    old, new = zip(*places, strict=True)
    value[list(new)] = given[list(old)]
    target.assign(np.moveaxis(value, 0, axis))
    return True


def shared_places(source: Iterable[str], target: Iterable[str]) -> list[tuple[int, int]]:
    """Return the places in both lists of the names that stand in both."""
    places = {name: place for place, name in enumerate(source)}
    return [(places[name], place) for place, name in enumerate(target) if name in places]
