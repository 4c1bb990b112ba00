"""Trains a recipe: from data to a bundle, its figures and its report, in one run folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import bundle as bundles
from zoo.actions import together
from zoo.actions.loading import load_data
from zoo.actions.measure import measure_bundle, store
from zoo.bundle import Bundle
from zoo.cluster import current, detect, joined
from zoo.components import Data, Examples, Model, Preprocessing, Task, Tensor
from zoo.config import dump, from_file, to_toml
from zoo.data.examples import Columns, EncodedExamples, all_rows
from zoo.distribution import Distribution, distribute
from zoo.errors import ConfigError, DataError, DivergedError, PluginError, StorageError
from zoo.evaluation.evaluate import all_metrics, measure
from zoo.inference import Sweep
from zoo.presets import preset
from zoo.recipe import Recipe, resolve_recipe
from zoo.registry import Registry, registry
from zoo.runs import Run, lock
from zoo.storage import remove_leftovers, write_text
from zoo.training.checkpoints import Checkpoint, Checkpoints
from zoo.training.listeners import Listener
from zoo.training.loop import Trainer, Validation
from zoo.training.stages import Parts, active_stages, check_parts
from zoo.training.state import weights
from zoo.weights import newly_named

_LEAST_SHARE = 0.1
"""Share of a model's variables that has to start from given weights; less is no transfer."""


@dataclass(frozen=True)
class Options:
    """How a run is carried out; unlike a recipe's settings, none of it changes the result.

    Attributes:
        command: how to repeat the run, for the report.
        listeners: who follows it.
        plugins: where components are looked up.
    """

    command: str = ""
    listeners: Sequence[Listener] = ()
    plugins: Registry | None = None


def train(recipe: Recipe, runs: Path, options: Options, *, seeds: int = 1) -> Run:
    """Carry out a recipe.

    Args:
        recipe: what to do.
        runs: the folder in which the run gets its own.
        options: how to follow it.
        seeds: repeat training with so many seeds, to show the spread of the figures.

    Raises:
        DataError: the data cannot be used.
        DivergedError: training diverged; the run's folder keeps what there is.
        StorageError: a file cannot be written; what was finished stays.
    """

    def begin() -> Run:
        _check_weights(recipe.weights, recipe.model)
        run = Run.create(runs, recipe.address, _about(recipe, options, seeds))
        write_text(run.path / "config.toml", to_toml(recipe.resolved.dump()))
        return run

    with joined(detect()):
        together.check_alike(recipe)
        run = together.begun(begin)
        try:
            return _carry_out(recipe, run, options)
        except (ConfigError, DataError):
            if not run.checkpoints.exists():  # nothing has been trained, so nothing is lost
                shutil.rmtree(run.path)
            raise


def resume(path: Path, options: Options) -> Run:
    """Go on with a run that was interrupted, from its last whole checkpoint.

    Raises:
        ConfigError: there is no run at `path`.
        DataError: the data are no longer those the run began with.
    """
    with joined(detect()):
        run = together.begun(lambda: Run(path))
        if run.about["status"] == "finished":
            _tell(options, {"event": "nothing to do", "path": str(run.path)})
            if not run.report.exists():
                _write_report(run)
            return run
        remove_leftovers(run.path)
        plugins = options.plugins or registry()
        recipe = resolve_recipe("", [from_file(run.path / "config.toml")], plugins)
        together.check_alike(recipe)
        return _carry_out(recipe, run, options)


def _carry_out(recipe: Recipe, run: Run, options: Options) -> Run:
    """Train and measure all seeds of a run, skipping what is done already."""
    with _status(run):
        distribution = distribute(recipe.strategy, recipe.model)  # before anything is computed
        together.check_devices(distribution)
        data = _load(recipe, run)
        _train_and_measure(recipe, run, data, options, baselines=True)
        _repeat(recipe, run, data, options)
        run.update(status="finished", finished=_now())
    _write_report(run)
    return run


def _repeat(recipe: Recipe, run: Run, data: Data, options: Options) -> None:
    """Train with the further seeds and add their figures to the run's evaluation."""
    seeds = run.about["seeds"]
    if seeds == 1:
        return
    rows = [_seed_row(run, recipe.seed)]
    for seed in range(recipe.seed + 1, recipe.seed + seeds):
        path = run.path / "seeds" / str(seed)
        other = replace(recipe, seed=seed)
        if not (path / "run.json").exists():
            path.mkdir(parents=True, exist_ok=True)
            name = f"{run.path.name}, seed {seed}"
            Run.at(path, {**_about(other, options, 1), "name": name, "data_seed": recipe.seed})
        part = Run(path)
        if not together.chief_says(partial(_is_finished, part)):
            with _status(part):
                _train_and_measure(other, part, data, options, baselines=False)
                part.update(status="finished", finished=_now())
        rows.append(_seed_row(part, seed))
    run.write("evaluation.json", {**run.evaluation, "seeds": rows})


def _is_finished(run: Run) -> bool:
    return bool(run.about["status"] == "finished")


def _seed_row(run: Run, seed: int) -> dict[str, Any]:
    values = run.evaluation["systems"][0]["values"]
    return {"seed": seed, "values": {name: each["value"] for name, each in values.items()}}


def _load(recipe: Recipe, run: Run) -> Data:
    began = time.monotonic()
    data = load_data(recipe)
    previous = run.path / "data.json"
    if previous.exists() and run.read("data.json")["fingerprint"] != data.info.fingerprint:
        raise DataError(
            f"The data at {data.info.source} are not those that {run.path} began with.",
            hint="Bring the old files back, or begin a new run.",
        )
    content = {**vars(data.info), "findings": [vars(finding) for finding in data.findings]}
    run.write("data.json", content)
    plugins = [each["distribution"] for each in run.about.get("plugins", {}).values()]
    run.write("lock.json", lock(data.info.fingerprint, recipe.seed, plugins))
    _add_seconds(run, data=time.monotonic() - began)
    together.check_data(data.info)
    return data


def _train_and_measure(
    recipe: Recipe, run: Run, data: Data, options: Options, *, baselines: bool
) -> None:
    """Take one seed from initial weights to a measured bundle, in the folder of `run`."""
    if not together.chief_says(lambda: bundles.is_bundle(run.path)):
        _train(recipe, run, data, options).save(run.bundle)
    if together.chief_says(lambda: bool(run.about.get("measured"))):
        return
    together.share_folder(run.bundle)
    began = time.monotonic()
    bundle = bundles.load(run.bundle, options.plugins)
    evaluation, figures = measure_bundle(
        bundle,
        data.splits["test"],
        recipe.evaluation,
        split="test",
        further=recipe.metrics,
        train=data.splits["train"] if baselines and current().is_chief else None,
    )
    store(run, evaluation, figures)
    _add_seconds(run, evaluation=time.monotonic() - began)
    bundle = replace(bundle, about={**bundle.about, "metrics": evaluation["systems"][0]["values"]})
    from zoo.reporting import card

    bundle.save(run.bundle, card(run.path))
    run.update(measured=True)


def _train(recipe: Recipe, run: Run, data: Data, options: Options) -> Bundle:
    """Train one seed and return its bundle, with its decision chosen on validation."""
    _tell(options, {"event": "run", "path": str(run.path)})
    keras.utils.set_random_seed(recipe.seed)
    preprocessing = recipe.task.prepare(data.splits["train"], data.info)
    loss = _loss(recipe, preprocessing)
    distribution = distribute(recipe.strategy, recipe.model)
    with distribution.scope():
        model = newly_named(lambda: recipe.model.build(preprocessing.space))
    components = (recipe.task, recipe.model, recipe.dataset)
    bundles.check_readable(model, components, recipe.addresses, options.plugins)
    distribution.devices.prepare(model)
    run.update(
        device=distribution.describe(),
        parameters=model.count_params(),
        inputs={name: _shape(tensor) for name, tensor in preprocessing.space.inputs.items()},
    )
    _tell(options, {"event": "device", **distribution.describe()})
    checkpoints = Checkpoints(run.checkpoints, recipe.train.checkpoints)
    checkpoint = together.share_checkpoint(lambda: _last_checkpoint(run, checkpoints))
    transfer = recipe.weights != "none"
    if transfer and checkpoint is None and current().is_chief:
        _start_from_weights(recipe, run, model, preprocessing, options)
    together.share_weights(model)
    _rehearse(recipe, preprocessing, data, model)
    parts = recipe.model.parts(model)
    check_parts(parts, model, recipe.addresses["model"])
    trainer = Trainer(
        model=model,
        parts=parts,
        loss=loss,
        config=recipe.train,
        stages=active_stages(recipe.train.stages, transfer=transfer),
        examples=_encode(recipe, preprocessing, data.splits["train"]),
        distribution=distribution,
        seed=recipe.seed,
        checkpoints=checkpoints if current().is_chief else None,
        validate=_validation(recipe, preprocessing, data, model, distribution),
        augment=recipe.task.augmentation(preprocessing.space),
        listeners=[_Log(run), *options.listeners],
    )
    try:
        progress = trainer.run(checkpoint)
    except DivergedError:
        if trainer.salvaged:
            _bundle(recipe, run, data, preprocessing, model).save(run.bundle)
        raise
    _add_seconds(run, training=progress.seconds)
    return _bundle(recipe, run, data, preprocessing, model)


def _shape(tensor: Tensor) -> str:
    """Return the shape and type of an input, such as `256 x 320 x 3, uint8`."""
    sizes = " x ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"{sizes}, {tensor.dtype}"


def _loss(recipe: Recipe, preprocessing: Preprocessing) -> Any:
    """Return the model's own loss, or else the task's."""
    space = preprocessing.space
    loss = recipe.model.loss(space) or recipe.task.loss(space)
    if loss is None:
        raise PluginError(
            f"There is nothing to train {recipe.addresses['model']} with: neither it nor the task "
            f"{recipe.addresses['task']} has a loss.",
            hint="This is a bug of the plugin: `loss` of its model or its task has to return one.",
        )
    return loss


def _tell(options: Options, event: dict[str, Any]) -> None:
    for listener in options.listeners:
        listener.on_event(event)


def _check_weights(weights: str, model: Model) -> None:
    """Find what training starts from, and fetch it, before anything else is done.

    Raises:
        ConfigError: there are no such weights, or they cannot be fetched.
        StorageError: they were changed after they were fetched.
    """
    path, presets = Path(weights), model.presets()
    if weights == "none" or bundles.is_bundle(path):
        return
    is_path = path.exists() or weights.startswith((".", "/", "~")) or "runs/" in weights
    is_named = weights in presets or "://" in weights
    if is_path and not is_named and not (path / "config.json").exists():
        there = "holds no trained model" if path.exists() else "does not exist"
        raise ConfigError(
            f"The weights {weights} cannot be used: the folder {there}.",
            hint="Give the folder of a finished run, of a bundle or of a preset.",
        )
    if presets:
        with preset(weights, presets):
            pass


def _start_from_weights(
    recipe: Recipe, run: Run, model: keras.Model, preprocessing: Preprocessing, options: Options
) -> None:
    """Set the initial weights the recipe asks for.

    Raises:
        ConfigError: too little of the source fits the model.
    """
    if not bundles.is_bundle(recipe.weights):
        recipe.model.load_preset(recipe.weights, model)
        return
    source = bundles.load(recipe.weights, options.plugins)
    copied = recipe.model.transfer(
        source.model, source.preprocessing.space, model, preprocessing.space
    )
    event = {
        "event": "transfer",
        "copied": len(copied),
        "variables": len(model.weights),
        "parts": _carried_over(recipe.model.parts(model), set(copied)),
    }
    run.log(event)
    _tell(options, event)
    if len(copied) < _LEAST_SHARE * len(model.weights):
        raise _misfit(recipe, source, f"{len(copied)} of {len(model.weights)} variables", options)


def _misfit(recipe: Recipe, source: Bundle, copied: str, options: Options) -> ConfigError:
    """Return what to say of weights of which so little fits, and which model they would fit."""
    address, own = recipe.addresses["model"], source.addresses["model"]
    wanted = [] if own == address else [f"use.model={own}"]
    like = recipe.model if own == address else type(source.architecture)()
    given, there = dump(source.architecture), dump(like)
    wanted += [f"model.{name}={each}" for name, each in given.items() if each != there.get(name)]
    plugins = options.plugins or registry()
    hint = "Begin anew: --weights none"
    if wanted and plugins.takes(recipe.addresses["task"], "model", own):
        settings = " ".join(f"--set {each}" for each in wanted)
        hint = f"Train the model that they are of: {settings}"
    return ConfigError(
        f"Of the model {address} only {copied} can start from {recipe.weights}, whose weights are "
        f"those of {own}.",
        hint=hint,
    )


def _carried_over(parts: Parts, copied: set[str]) -> dict[str, dict[str, int]]:
    """Return how many variables each part has, and how many of them were copied."""
    counts = {}
    for name, layers in parts:
        paths = {weight.path for layer in layers for weight in layer.weights}
        counts[name] = {"copied": len(paths & copied), "variables": len(paths)}
    return counts


def _last_checkpoint(run: Run, checkpoints: Checkpoints) -> Checkpoint | None:
    checkpoint, damaged = checkpoints.latest()
    for path in damaged:
        run.log({"event": "damaged checkpoint", "path": path.name})
    if checkpoint is None:
        run.forget_after(0, -1)
    else:
        run.forget_after(checkpoint.progress.stage, checkpoint.progress.step)
    return checkpoint


def _encode(recipe: Recipe, preprocessing: Preprocessing, examples: Examples) -> EncodedExamples:
    windows = recipe.task.windows(examples, preprocessing)
    return EncodedExamples(windows, preprocessing, recipe.train.memory)


def _rehearse(recipe: Recipe, preprocessing: Preprocessing, data: Data, model: keras.Model) -> None:
    """Measure a few examples by the untrained model if the recipe asks for further metrics.

    What is wrong with those then shows before training and not after it.
    """
    if not recipe.metrics:
        return
    train, batch_size = data.splits["train"], recipe.evaluation.batch_size
    truth = train[np.arange(min(len(train), batch_size))]
    sweep = Sweep(recipe.task, preprocessing, Columns(truth), batch_size)
    predictions = recipe.task.decode(sweep.outputs(model), {})
    all_metrics(recipe.task, recipe.metrics, truth, predictions)


def _validation(
    recipe: Recipe,
    preprocessing: Preprocessing,
    data: Data,
    model: keras.Model,
    distribution: Distribution,
) -> Callable[[], Validation] | None:
    """Return what measures `model` on the validation split, or None if it is empty."""
    split = data.splits.get("validation")
    if split is None or not len(split):
        return None
    truth, task = all_rows(split), recipe.task
    batch_size = distribution.shareable(recipe.evaluation.batch_size)
    sweep = Sweep(task, preprocessing, Columns(truth), batch_size, recipe.train.memory)
    loss = _loss(recipe, preprocessing)
    measured = together.own_network(recipe, preprocessing, model, distribution)

    def validate() -> Validation:
        with measured() as network:
            outputs, mean_loss = sweep.outputs_and_loss(network, loss)
        metrics = task.metrics(truth, task.decode(outputs, {}))
        values = {"loss": mean_loss, **measure(metrics, len(split))}
        higher = next(each for each in metrics if each.name == task.monitor).higher_is_better
        score = values[task.monitor]
        return Validation(values, score if higher else -score)

    return validate


def _bundle(
    recipe: Recipe,
    run: Run,
    data: Data,
    preprocessing: Preprocessing,
    trained: keras.Model,
) -> Bundle:
    """Rebuild the network in float32 on one device, and choose its decision on validation.

    What is measured afterwards is thus exactly what is shipped.
    """
    model = newly_named(lambda: recipe.model.build(preprocessing.space))
    model.set_weights(weights(trained))
    decision: dict[str, float] = {}
    split = data.splits.get("validation")
    chooses = type(recipe.task).tune is not Task.tune
    if chooses and split is not None and len(split):
        truth = all_rows(split)
        sweep = Sweep(recipe.task, preprocessing, Columns(truth), recipe.evaluation.batch_size)
        decision = recipe.task.tune(truth, sweep.outputs(model))
    return Bundle(
        addresses=recipe.addresses,
        task=recipe.task,
        architecture=recipe.model,
        dataset=recipe.dataset.settled(data.info),
        preprocessing=preprocessing,
        model=model,
        decision=decision,
        about={
            "recipe": recipe.address,
            "seed": recipe.seed,
            "data": {
                "name": data.info.name,
                "fingerprint": data.info.fingerprint,
                "seed": run.about["data_seed"],
            },
            "batch_size": recipe.evaluation.batch_size,
            "further_metrics": [
                bundles.describe(address, metrics) for address, metrics in recipe.metrics.items()
            ],
            "plugins": run.about.get("plugins", {}),
            "precision": run.about["device"]["precision"],
            "facts": dict(data.info.facts),
        },
    )


def _about(recipe: Recipe, options: Options, seeds: int) -> dict[str, Any]:
    plugins = options.plugins or registry()
    plugin = plugins.plugin(recipe.address.partition("/")[0])
    used = [recipe.address, *recipe.addresses.values(), *recipe.metrics]
    return {
        "recipe": recipe.address,
        "summary": recipe.spec.summary,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "seeds": seeds,
        "command": options.command,
        "monitor": recipe.task.monitor,
        "notice": recipe.task.notice,
        "components": dict(recipe.addresses),
        "weights": recipe.weights,
        "plugin": {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
        },
        "plugins": {each.partition("/")[0]: plugins.origin(each) for each in used},
    }


@contextmanager
def _status(run: Run) -> Any:
    """Record in `run.json` how a run ended, and report what there is of it."""
    run.update(status="running")
    try:
        yield
    except BaseException as error:
        status = {DivergedError: "diverged", KeyboardInterrupt: "interrupted"}
        try:
            run.update(status=status.get(type(error), "failed"), finished=_now())
            _write_report(run)
        except StorageError:
            pass  # the disk that made the run fail is still full
        raise


def _write_report(run: Run) -> None:
    if not current().is_chief:
        return
    from zoo.reporting import render

    render(run.path)


def _add_seconds(run: Run, **seconds: float) -> None:
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    run.update(seconds={**run.about.get("seconds", {}), **rounded})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Log(Listener):
    """Writes a run's events into `metrics.jsonl`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def on_event(self, event: dict[str, Any]) -> None:
        self._run.log(event)
