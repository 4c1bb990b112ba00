"""Parts of a detector by name, and weights that it takes from a preset or an earlier run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_vision.spaces import classes_of

Patterns = tuple[str, ...]
"""Shell patterns of the paths of weights."""


@dataclass(frozen=True, kw_only=True)
class Detector(zoo.Model):
    """A detector whose weights say by their paths what they are for.

    Class attributes:
        part_patterns: names of parts from input to output, and the paths of their weights.
            A weight belongs to the first part that matches.
        class_patterns: paths of weights whose last axis counts the classes.
    """

    part_patterns: ClassVar[tuple[tuple[str, str], ...]]
    class_patterns: ClassVar[Patterns]

    def parts(self, model: keras.Model) -> list[tuple[str, list[keras.Layer]]]:
        found: dict[str, list[keras.Layer]] = {name: [] for name, _ in self.part_patterns}
        for layer in zoo.leaf_layers(model):
            if not layer.weights:
                continue
            path = layer.weights[0].path
            part = next((name for name, of in self.part_patterns if fnmatch(path, of)), None)
            if part:
                found[part].append(layer)
        return [(name, layers) for name, layers in found.items() if layers]

    def transfer(
        self,
        source: keras.Model,
        source_space: zoo.Space,
        target: keras.Model,
        space: zoo.Space,
    ) -> list[str]:
        """Carry weights over; those of a class go to the class of the same name."""
        return copy_weights(source, source_space, target, space, self.class_patterns)


def copy_weights(
    source: keras.Model,
    source_space: zoo.Space,
    target: keras.Model,
    space: zoo.Space,
    class_patterns: Sequence[str],
) -> list[str]:
    """Copy the weights of equal path and shape, and class by class those of the classes.

    Args:
        source: a trained detector.
        source_space: what it was built from.
        target: a detector of the same architecture.
        space: what that was built from.
        class_patterns: patterns of the paths of weights whose last axis counts the classes,
            once or once for each anchor.

    Returns:
        the paths of the weights of `target` that start from `source`, at least in part.
    """
    known = {weight.path: weight for weight in source.weights}
    old, new = classes_of(source_space), classes_of(space)
    copied = []
    for weight in target.weights:
        match = known.get(weight.path)
        if match is None:
            continue
        if _matches(weight.path, class_patterns):
            fits = _copy_classes(match, weight, old, new)
        else:
            fits = match.shape == weight.shape
            if fits:
                weight.assign(match)
        if fits:
            copied.append(weight.path)
    return copied


def copy_preset(
    handle: str,
    source: Mapping[str, keras.Variable],
    target: keras.Model,
    class_dependent: Sequence[str],
) -> None:
    """Copy a preset's weights, all of which but those of its classes have to fit.

    A preset does not name its classes, so the weights of its classes are copied where their
    shapes are the same.

    Args:
        handle: how the user calls the preset.
        source: its weights, by the paths that they have in `target`.
        target: the detector to start.
        class_dependent: patterns of the paths of weights whose shapes depend on the classes.

    Raises:
        ConfigError: the preset is of another architecture; nothing has been copied.
    """
    known = {weight.path: weight for weight in target.weights}
    pairs, strange = [], []
    for path, weight in source.items():
        match = known.get(path)
        if match is not None and match.shape == weight.shape:
            pairs.append((weight, match))
        elif not _matches(path, class_dependent):
            strange.append(path)
    if strange:
        raise zoo.ConfigError(
            f"The preset {handle!r} is not of this architecture: {len(strange)} of its "
            f"{len(source)} weights have no place in the model, such as {strange[0]!r}.",
            hint="Set model.size to the size the preset was made with, or use another preset.",
        )
    for weight, match in pairs:
        match.assign(weight)


@contextmanager
def reading_preset(handle: str) -> Iterator[None]:
    """Turn what libraries raise while they fetch or read a preset into an error for the user.

    Raises:
        ConfigError: the preset cannot be reached or read.
    """
    local = "Give the folder of a preset, weights=none, or the folder of an earlier run."
    if zoo.offline() and not Path(handle).is_dir():
        raise zoo.ConfigError(
            f"The preset {handle!r} is not a folder, and ZOO_OFFLINE forbids the network.",
            hint=local,
        )
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise zoo.ConfigError(
            f"The preset {handle!r} cannot be read: {cause}", hint=local
        ) from error


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def _copy_classes(source: Any, target: Any, old: Sequence[str], new: Sequence[str]) -> bool:
    """Copy the classes that both have; return whether there are any."""
    given, value = (
        keras.ops.convert_to_numpy(weight).reshape(*weight.shape[:-1], -1, len(names))
        for weight, names in ((source, old), (target, new))
    )
    shared = [name for name in new if name in old]
    if given.shape[:-1] != value.shape[:-1] or not shared:
        return False
    value = np.array(value)
    value[..., [new.index(name) for name in shared]] = given[..., [old.index(n) for n in shared]]
    target.assign(value.reshape(target.shape))
    return True
