"""Everything a training step depends on, as named arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from zoo.errors import StorageError

_METRIC = "metric"
"""How the names of running means begin."""


def capture(
    model: keras.Model, *, between_stages: bool = False, metrics: bool = True
) -> dict[str, np.ndarray]:
    """Copy the weights, the optimizer's state and the random generators' state.

    Args:
        model: compiled, or trained through a stage.
        between_stages: leave out optimizer and metrics, which the next stage begins anew.
        metrics: take in the running means that are logged. Each of several workers may hold a
            part of them, and cannot read the others' alone.

    Returns:
        arrays by variable, in a stable order. Variables are float32 or integers: a mixed
        precision lowers that of computing alone.
    """
    variables = _variables(model, between_stages, metrics)
    return {name: as_numpy(variable) for name, variable in variables.items()}


def restore(
    model: keras.Model, arrays: Mapping[str, np.ndarray], *, between_stages: bool = False
) -> None:
    """Set every variable from what :func:`capture` returned for an equal model.

    Raises:
        StorageError: the arrays are not those of this model; nothing is set then.
    """
    metrics = any(name.startswith(_METRIC) for name in arrays)
    variables = _variables(model, between_stages, metrics)
    expected = {name: (tuple(each.shape), str(each.dtype)) for name, each in variables.items()}
    found = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    if expected != found:
        name = next(iter(dict(expected.items() ^ found.items())))
        raise StorageError(
            f"The checkpoint belongs to another model or optimizer: {name} is "
            f"{found.get(name, 'not in it')}, expected {expected.get(name, 'none')}.",
            hint="Resume with the settings of the run, or start a new one.",
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def weights(model: keras.Model) -> list[np.ndarray]:
    """Copy the model's weights: what is restored when an earlier epoch was the best."""
    return [as_numpy(variable) for variable in model.weights]


def as_numpy(variable: keras.Variable) -> np.ndarray:
    """Return a copy of a variable, of which this process may hold parts on several devices."""
    if keras.backend.backend() == "jax":
        from zoo.distribution.on_jax import whole

        return whole(variable.value)
    return np.array(keras.ops.convert_to_numpy(variable))


def _variables(
    model: keras.Model, between_stages: bool, metrics: bool
) -> dict[str, keras.Variable]:
    kept = _numbered("model", model.variables)
    if between_stages:
        return kept
    return {
        **kept,
        **_numbered(_METRIC, model.metrics_variables if metrics else ()),
        **_numbered("optimizer", model.optimizer.variables if model.optimizer else ()),
    }


def _numbered(kind: str, variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Name variables by their place: Keras numbers unnamed layers anew in each process."""
    return {f"{kind}/{place}": variable for place, variable in enumerate(variables)}
