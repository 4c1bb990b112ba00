"""All layers of a network, however deep they are nested."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def leaf_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield the layers within `layer` that hold no others, in the order they were added.

    `keras.Model.layers` stops at a layer that is made of layers, and Keras has no public way
    further down; this is the one place that takes the private one.
    """
    for each in layer._flatten_layers():
        if next(iter(each._flatten_layers(include_self=False)), None) is None:
            yield each
