"""Models: they build what the space says, learn, save, transfer, and come in whole parts."""

from __future__ import annotations

import importlib.util
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import numpy as np

from zoo.components import Tensor
from zoo.data.examples import arrays
from zoo.specs import ModelSpec
from zoo.testing.checks.tasks import matches
from zoo.testing.subject import Trial
from zoo.testing.violations import blamed, require

if TYPE_CHECKING:
    import keras

_TOLERANCE = 1e-5


def builds_its_space(trial: Trial) -> None:
    """The network takes and gives what the space says, in finite numbers."""
    import keras

    model, space, name = trial.network, trial.preprocessing.space, _address(trial)
    require(
        isinstance(model, keras.Model),
        f"`build` of {name} returns a {type(model).__name__}, expected a keras.Model.",
    )
    with blamed(f"Running {name} on a batch"):
        outputs = _run(model, trial)
    rows = len(trial.batch.weights)
    for tensor_name, array in _by_name(outputs, space.outputs, name).items():
        # An architecture may have more on the last axis, such as the members of an ensemble,
        # which `Task.reduce` or `Task.decode` makes one of.
        expected = (rows, *space.outputs[tensor_name].shape)
        require(
            matches(array.shape[:-1], expected[:-1]) and array.ndim == len(expected),
            f"The output {tensor_name!r} of {name} has the shape {array.shape} for {rows} "
            f"examples, and `space` says {expected}.",
        )
        require(
            np.isfinite(array).all(),
            f"The output {tensor_name!r} of {name} holds values that are not finite.",
        )


def _by_name(outputs: Any, tensors: Mapping[str, Tensor], address: str) -> Mapping[str, np.ndarray]:
    """Return outputs by name; a single array is the only output."""
    if isinstance(outputs, Mapping):
        require(
            set(outputs) == set(tensors),
            f"{address} has the outputs {sorted(outputs)}, and `space` names {sorted(tensors)}.",
        )
        return {name: np.asarray(array) for name, array in outputs.items()}
    require(
        len(tensors) == 1,
        f"{address} has one output, and `space` names {sorted(tensors)}: return a dict of them.",
    )
    return {next(iter(tensors)): np.asarray(outputs)}


def builds_the_same_twice(trial: Trial) -> None:
    """Building depends on the space, the settings and the seed alone, and changes nothing else."""
    import keras

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        one, other = trial.network, trial.build()
        policy = keras.config.dtype_policy().name
    finally:
        keras.config.set_dtype_policy(previous)
    require(
        policy == "float32",
        f"`build` of {_address(trial)} sets the precision of the whole process to {policy}: give "
        "layers a dtype of their own instead.",
    )
    pairs = list(zip(one.get_weights(), other.get_weights(), strict=False))
    same = len(one.get_weights()) == len(other.get_weights()) and all(
        a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in pairs
    )
    require(
        same,
        f"{_address(trial)} is built with other weights the second time, though the seed is the "
        "same: keep nothing between two calls of `build`, and draw from Keras' seed.",
    )
    names = [[name for name, _ in trial.recipe.model.parts(each)] for each in (one, other)]
    require(
        names[0] == names[1],
        f"The parts of {_address(trial)} are {names[0]} at first and {names[1]} the second time: "
        "Keras numbers layers that have no name. Name the layers.",
    )


def trains_with_finite_loss(trial: Trial) -> None:
    """A few steps of training have a finite loss."""
    _, losses = trial.fitted
    require(
        np.isfinite(losses).all(),
        f"The loss of {_address(trial)} is {losses[int(np.argmin(np.isfinite(losses)))]} after "
        f"{int(np.argmin(np.isfinite(losses)))} steps on one batch: look for a logarithm or a "
        "division of 0, or a learning rate that is too high.",
    )


def learns_a_batch(trial: Trial) -> None:
    """The network learns one batch that it sees over and over."""
    from zoo.testing.training import first_and_last

    _, losses = trial.fitted
    before, after = first_and_last(losses)
    require(
        after < before,
        f"The loss of {_address(trial)} does not fall on a batch that it sees {len(losses)} "
        f"times: it is {before:.4g} at first and {after:.4g} at last. Check that the loss fits "
        "the targets, and that gradients reach the weights.",
    )


def saves_and_loads(trial: Trial) -> None:
    """A network that was saved and loaded in Keras' safe mode gives equal outputs."""
    import keras

    model, _ = trial.fitted
    name = _address(trial)
    with tempfile.TemporaryDirectory(dir=trial.folder) as folder:
        path = Path(folder, "model.keras")
        with blamed(f"Saving {name}"):
            keras.saving.save_model(model, path, include_optimizer=False)
        try:
            loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            require(
                False,
                f"{name} cannot be loaded in Keras' safe mode: {str(error).splitlines()[0]}. Use "
                "no Lambda layers, give each layer of your own `get_config`, and register it with "
                "keras.saving.register_keras_serializable.",
            )
    require(
        _close(_run(model, trial), _run(loaded, trial)),
        f"{name} gives other outputs after it was saved and loaded: let `get_config` return all "
        "that a layer is made from, and keep state in weights.",
    )


def parts_are_whole(trial: Trial) -> None:
    """The parts hold each trainable weight once."""
    model, name = trial.network, _address(trial)
    with blamed(f"`parts` of {name}"):
        parts = trial.recipe.model.parts(model)
    names = [each for each, _ in parts]
    require(len(set(names)) == len(names), f"Two parts of {name} have one name: {names}.")
    held = Counter(
        id(weight) for _, layers in parts for layer in layers for weight in layer.trainable_weights
    )
    missing = [weight.path for weight in model.trainable_weights if id(weight) not in held]
    require(
        not missing,
        f"The parts of {name} leave out weights that train, such as {missing[:3]}: no stage could "
        "freeze them, and layer-wise decay would not count them.",
    )
    twice = [weight.path for weight in model.trainable_weights if held[id(weight)] > 1]
    require(not twice, f"The parts of {name} hold weights more than once, such as {twice[:3]}.")


def transfers_whole(trial: Trial) -> None:
    """A network starts from a trained one of the same space with all of its weights."""
    source, _ = trial.fitted
    target, space, name = trial.build(), trial.preprocessing.space, _address(trial)
    with blamed(f"`transfer` of {name}"):
        copied = trial.recipe.model.transfer(source, space, target, space)
    missing = sorted({weight.path for weight in target.trainable_weights} - set(copied))
    require(
        not missing,
        f"`transfer` of {name} leaves out weights though the space is the same, such as "
        f"{missing[:3]}: name the layers, as Keras numbers those that have no name.",
    )
    require(
        _close(_run(source, trial), _run(target, trial)),
        f"`transfer` of {name} says that all weights were carried over, but the outputs differ.",
    )


def runs_on_its_backends(trial: Trial, spec: ModelSpec) -> None:
    """The network builds, trains a step and predicts on each backend its spec claims."""
    import keras

    known = {"tensorflow", "jax", "torch"}
    unknown = sorted(set(spec.backends) - known)
    require(
        not unknown,
        f"The spec of {_address(trial)} claims the backend {', '.join(unknown)}, expected some of "
        f"{', '.join(sorted(known))}.",
    )
    require(
        keras.backend.backend() in spec.backends,
        f"The spec of {_address(trial)} does not claim the backend {keras.backend.backend()}, on "
        "which recipes are run.",
    )
    _ = trial.network  # what cannot be built here is for another check to say
    lacking = []
    for backend in sorted({*spec.backends} - {keras.backend.backend()}):
        if importlib.util.find_spec(backend) is None:
            lacking.append(backend)
            continue
        error = trial.subject.fault_on_backend(trial, backend)
        require(
            not error, f"{_address(trial)} does not run on {backend}, as its spec claims: {error}"
        )
    if lacking:
        raise SkipTest(f"The backend {', '.join(lacking)} is not installed.")


def _run(model: keras.Model, trial: Trial) -> Any:
    return model.predict_on_batch(trial.batch.inputs)


def _close(one: Any, other: Any) -> bool:
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        for a, b in zip(arrays(one), arrays(other), strict=True)
    )


def _address(trial: Trial) -> str:
    return trial.recipe.addresses["model"]
