"""Stages, checkpoints and exact resumption, on the smallest plugin."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from toy_plugin import register_toy
from training_runs import (
    FailAt,
    StopAt,
    interrupted,
    same,
    start_elsewhere,
    train_elsewhere,
    weights,
)

import zoo
from zoo.cli.progress import epoch_line
from zoo.distribution import distribute
from zoo.distribution.devices import OneDevice
from zoo.errors import ConfigError, DataError, DivergedError, PluginError
from zoo.registry import registry
from zoo.reporting.wording import carried_over
from zoo.storage import read_lines
from zoo.training.checkpoints import Checkpoint, Checkpoints, Progress
from zoo.training.config import Stage, TrainConfig
from zoo.training.optimizer import build_optimizer
from zoo.training.stages import active_stages, learning_rates, set_trainable

pytestmark = pytest.mark.usefixtures("toy_plugin")


class _Mix(zoo.Augmentation):
    """Takes the mean of three points, less so the further the run is."""

    partners = 2

    def __call__(self, inputs, targets, seeds, progress):
        alone, mean = inputs["point"][:, 0], tf.reduce_mean(inputs["point"], axis=1)
        noise = tf.random.stateless_uniform(tf.shape(alone), seeds[0])
        return {"point": mean + (alone - mean) * progress * noise}, targets[:, 0]


class _Noted(zoo.Augmentation):
    """Notes how far the run is at each batch."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    def __call__(self, inputs, targets, seeds, progress):
        def note(value: np.ndarray) -> np.float32:
            self.progress.append(float(value))
            return np.float32(0)

        nothing = tf.ensure_shape(tf.numpy_function(note, [progress], tf.float32), ())
        return {"point": inputs["point"] + nothing}, targets


def test_one_seed_gives_one_result_and_another_seed_another(tmp_path: Path) -> None:
    first, again, other = (
        zoo.train("toy", runs=tmp_path, settings={"seed": seed}) for seed in (3, 3, 4)
    )
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_caching_and_accumulated_order_do_not_change_the_result(tmp_path: Path) -> None:
    kept = zoo.train("toy", runs=tmp_path, settings={"train.memory_gb": 1.0})
    read_again = zoo.train("toy", runs=tmp_path, settings={"train.memory_gb": 0.0})
    assert same(weights(kept), weights(read_again))


def test_a_trained_model_beats_the_trivial_one(tmp_path: Path) -> None:
    settings = {"train.stages": [{"epochs": 40}], "train.learning_rate": 0.02}
    run = zoo.train("toy", runs=tmp_path, settings=settings)
    model, baseline = (system["values"]["auc"] for system in run.evaluation["systems"])
    assert model["low"] > baseline["value"] == 0.5
    assert model["low"] <= model["value"] <= model["high"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A run of the recipe as it is; not to be changed."""
    register_toy()
    return zoo.train("toy", runs=tmp_path_factory.mktemp("plain"))


_SLOW = {
    "data.count": 400,
    "train.checkpoint_seconds": 0,
    "train.ema": 0.9,
    "train.clip_norm": 1.0,
    "train.stages": [
        {"name": "head", "trainable": ["head"], "epochs": 2},
        {"name": "all", "epochs": 4, "layer_decay": 0.5},
    ],
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], zoo.Run]:
    """A function that returns a run under `_SLOW` that nothing disturbed, by what it keeps."""

    @cache
    def train(keep: str) -> zoo.Run:
        settings = {**_SLOW, "train.checkpoint_seconds": 1000, "train.keep": keep}
        return zoo.train("toy", runs=tmp_path_factory.mktemp("undisturbed"), settings=settings)

    return train


def _steps_done(runs: Path) -> int:
    return sum(1 for _ in runs.glob("*/checkpoints/stage-*"))


def test_killed_at_random_steps_and_resumed_gives_the_same_bits(
    tmp_path: Path, undisturbed: Callable[[str], zoo.Run]
) -> None:
    whole = undisturbed("best")
    generator = np.random.default_rng(int(time.time()))
    process = start_elsewhere("toy", tmp_path / "killed", _SLOW, registered=["toy"])
    for _ in range(2):
        deadline = time.monotonic() + 120
        while not _steps_done(tmp_path / "killed") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        (path,) = (tmp_path / "killed").iterdir()
        process = start_elsewhere("resume", path, registered=["toy"])
    assert process.wait(timeout=300) == 0
    killed = zoo.Run(path)
    assert killed.about["status"] == "finished"
    assert same(weights(whole), weights(killed))
    assert _metrics(whole) == _metrics(killed)


def _metrics(run: zoo.Run) -> list[dict[str, object]]:
    times = {"seconds", "spent", "examples_per_second"}
    events = read_lines(run.path / "metrics.jsonl")
    return [{k: v for k, v in event.items() if k not in times} for event in events]


@pytest.mark.parametrize(
    ("place", "keep"),
    [((0, 1), "best"), ((0, 26), "last"), ((1, 7), "best"), ((1, 7), "last"), ((1, 52), "best")],
)
def test_interrupted_run_writes_a_checkpoint_and_resumes_exactly(
    tmp_path: Path, place: tuple[int, int], keep: str, undisturbed: Callable[[str], zoo.Run]
) -> None:
    settings = {**_SLOW, "train.checkpoint_seconds": 1000, "train.keep": keep}
    path = interrupted("toy", tmp_path / "stopped", settings, StopAt(*place))
    assert zoo.Run(path).about["status"] == "interrupted"
    assert (path / "report.html").exists()
    resumed = zoo.resume(path)
    assert same(weights(undisturbed(keep)), weights(resumed))


def test_a_run_that_mixes_examples_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Classify, "augmentation", lambda task, space: _Mix())
    settings = {**_SLOW, "train.checkpoint_seconds": 1000}
    whole = zoo.train("toy", runs=tmp_path / "whole", settings=settings)
    path = interrupted("toy", tmp_path / "stopped", settings, StopAt(1, 7))
    assert same(weights(whole), weights(zoo.resume(path)))


def test_augmentation_is_told_the_share_of_all_stages_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = _Noted()
    monkeypatch.setattr(toy.Classify, "augmentation", lambda task, space: noted)
    stages = [{"name": "one", "steps": 3}, {"name": "two", "steps": 5}]
    zoo.train("toy", runs=tmp_path, settings={"train.stages": stages})
    assert sorted(noted.progress) == [step / 8 for step in range(8)]


def test_run_that_ends_early_in_a_later_stage_resumes_exactly(
    tmp_path: Path, undisturbed: Callable[[str], zoo.Run]
) -> None:
    settings = {**_SLOW, "train.checkpoint_seconds": 1000}
    path = interrupted("toy", tmp_path / "stopped", settings, FailAt(1, 3))
    assert same(weights(undisturbed("best")), weights(zoo.resume(path)))


def test_run_that_ends_while_it_is_measured_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SystemError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("zoo.reporting.card", fail)
        with pytest.raises(SystemError):
            zoo.train("toy", runs=tmp_path)
    (path,) = tmp_path.iterdir()
    run = zoo.resume(path)
    assert (run.bundle / "README.md").exists()
    assert zoo.load(path).about["metrics"] == run.evaluation["systems"][0]["values"]


def test_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 3):
        arrays = {"a": np.arange(step), "b": np.ones(3, np.float32)}
        checkpoints.save(Checkpoint(Progress(step=step), arrays, best=[np.zeros(step)]))
    newest = checkpoints.paths()[-1] / "arrays.npz"
    newest.write_bytes(newest.read_bytes()[:-20])
    found, damaged = checkpoints.latest()
    assert found is not None
    assert found.progress.step == 2
    assert np.array_equal(found.arrays["a"], [0, 1])
    assert [len(each) for each in found.best] == [2]
    assert [path.name for path in damaged] == ["stage-00-step-000000003"]


def test_old_checkpoints_are_deleted(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in range(5):
        checkpoints.save(Checkpoint(Progress(step=step), {}))
    assert [path.name[-1] for path in checkpoints.paths()] == ["3", "4"]


def test_diverging_loss_stops_with_advice_and_keeps_a_report(tmp_path: Path) -> None:
    settings = {"train.learning_rate": 1e30, "train.optimizer": "sgd", "train.warmup": 0.0}
    with pytest.raises(DivergedError, match="not a number") as caught:
        zoo.train("toy", runs=tmp_path, settings=settings)
    assert "train.learning_rate" in caught.value.hint
    (path,) = tmp_path.iterdir()
    assert zoo.Run(path).about["status"] == "diverged"
    assert (path / "report.html").exists()


def test_weights_that_were_good_are_kept_when_training_diverges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([True] * 20 + [False] * 100)
    fake = SimpleNamespace(isfinite=lambda loss: next(losses), isnan=math.isnan)
    monkeypatch.setattr("zoo.training.loop.math", fake)
    with pytest.raises(DivergedError, match="best weights so far, of epoch 2, are kept"):
        zoo.train("toy", runs=tmp_path, settings={"train.stages": [{"epochs": 9}]})
    (path,) = tmp_path.iterdir()
    assert np.isfinite(zoo.load(path).model.get_weights()[0]).all()


def test_weights_that_fit_nowhere_are_refused(tmp_path: Path, plain: zoo.Run) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        zoo.train("toy", runs=tmp_path, weights=str(tmp_path / "typo"))
    assert not list(tmp_path.iterdir())
    other = zoo.train("toy", runs=tmp_path, weights=str(plain.path), settings={"model.width": 9})
    transfer = next(each for each in other.events() if each["event"] == "transfer")
    assert (transfer["copied"], transfer["variables"]) == (1, 4)  # the bias of the head
    assert transfer["parts"] == {
        "body": {"copied": 0, "variables": 2},
        "head": {"copied": 1, "variables": 2},
    }
    note = "1 of 4 variables carried over (body begins anew, head 1 of 2)"
    assert carried_over(transfer) == note
    assert note in other.report.read_text()


def test_weights_of_which_hardly_any_fit_are_refused_with_the_model_they_are_of(
    tmp_path: Path, plain: zoo.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Net, "transfer", lambda *networks: [])
    with pytest.raises(ConfigError, match="only 0 of 4 variables can start from") as raised:
        zoo.train("toy", runs=tmp_path, weights=str(plain.path), settings={"model.width": 9})
    width = zoo.load(plain.path).architecture.width
    assert f"--set model.width={width}" in str(raised.value.hint)
    assert not list(tmp_path.iterdir())


def test_a_model_may_bring_its_own_loss(
    tmp_path: Path, plain: zoo.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Net, "loss", lambda model, space: keras.losses.MeanSquaredError())
    own = zoo.train("toy", runs=tmp_path)
    assert not same(weights(plain), weights(own))
    monkeypatch.setattr(toy.Classify, "loss", lambda task, space: None)
    without = zoo.train("toy", runs=tmp_path)
    assert same(weights(own), weights(without))


def test_a_plugin_without_a_loss_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Classify, "loss", lambda task, space: None)
    with pytest.raises(PluginError, match="toy/net"):
        zoo.train("toy", runs=tmp_path)


def test_a_validation_tells_the_speed_of_training(toy_run: zoo.Run) -> None:
    epochs = [event for event in toy_run.events() if event["event"] == "epoch"]
    assert all(event["examples_per_second"] > 0 for event in epochs)
    assert "examples per second" in epoch_line(epochs[-1])


def test_windows_are_what_is_trained_on_and_examples_what_is_measured(
    tmp_path: Path, plain: zoo.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows(task, examples, preprocessing):
        return zoo.Columns(examples[np.repeat(np.arange(len(examples)), 2)])

    def restore(task, outputs, windows, examples, preprocessing):
        assert len(windows["point"]) == len(outputs) == 2 * len(examples["point"])
        return outputs.reshape(-1, 2).mean(axis=1, keepdims=True)

    monkeypatch.setattr(toy.Classify, "windows", windows)
    monkeypatch.setattr(toy.Classify, "restore", restore)
    run = zoo.train("toy", runs=tmp_path)
    steps = [next(e["steps"] for e in each.events() if "steps" in e) for each in (plain, run)]
    assert steps == [14, 26]  # 100 or 200 examples in batches of 16, twice
    assert run.evaluation["examples"] == plain.evaluation["examples"]


def test_patience_ends_a_stage_early(tmp_path: Path) -> None:
    settings = {
        "train.stages": [{"epochs": 30}],
        "train.patience": 2,
        "train.learning_rate": 0.0,
    }
    run = zoo.train("toy", runs=tmp_path, settings=settings)
    assert len([event for event in run.events() if event["event"] == "epoch"]) == 3


def test_frozen_parts_keep_their_weights(tmp_path: Path, plain: zoo.Run) -> None:
    settings = {"train.stages": [{"name": "head", "trainable": ["head"], "epochs": 2}]}
    second = zoo.train("toy", runs=tmp_path, weights=str(plain.path), settings=settings)
    before, after = (zoo.load(run.path).model for run in (plain, second))
    for layer in ("body", "head"):
        pairs = zip(
            before.get_layer(layer).get_weights(), after.get_layer(layer).get_weights(), strict=True
        )
        equal = all(np.array_equal(a, b) for a, b in pairs)
        assert equal == (layer == "body")


def test_stages_depend_on_where_the_run_starts() -> None:
    stages = [
        Stage(name="head", when="transfer"),
        Stage(name="long", when="scratch"),
        Stage(name="all"),
    ]
    assert [each.name for each in active_stages(stages, transfer=True)] == ["head", "all"]
    assert [each.name for each in active_stages(stages, transfer=False)] == ["long", "all"]
    with pytest.raises(ConfigError, match="from scratch"):
        active_stages(stages[:1], transfer=False)


@pytest.mark.parametrize(
    ("stage", "steps"),
    [
        (Stage(), 70),
        (Stage(epochs=2.5), 18),
        (Stage(steps=5000), 5000),
        (Stage(epochs=3, steps=100), 21),
        (Stage(epochs=30, steps=100), 100),
    ],
)
def test_stage_ends_with_its_epochs_or_steps(stage: Stage, steps: int) -> None:
    assert stage.length(steps_per_epoch=7) == steps


def test_unknown_part_is_named_with_those_there_are() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
    with pytest.raises(ConfigError) as caught:
        set_trainable([("head", model.layers)], Stage(trainable=("backbone*",)))
    assert "backbone" in caught.value.message
    assert "head" in caught.value.hint


def test_layerwise_decay_scales_each_parts_update() -> None:
    layers = [keras.layers.Dense(1, use_bias=False, name=name) for name in ("low", "mid", "top")]
    model = keras.Sequential([keras.Input((1,)), *layers])
    parts = [(layer.name, [layer]) for layer in layers]
    stage = Stage(layer_decay=0.1)
    config = TrainConfig(optimizer="sgd", learning_rate=1.0, schedule="constant", warmup=0.0)
    optimizer = build_optimizer(
        config,
        stage,
        model.trainable_variables,
        steps=10,
        scale=1.0,
        rates=learning_rates(parts, stage.layer_decay),
        adapt=lambda base: base,
    )
    before = [layer.get_weights()[0].copy() for layer in layers]
    optimizer.apply([keras.ops.ones((1, 1))] * 3, model.trainable_variables)
    steps = [
        float((old - layer.get_weights()[0]).item())
        for old, layer in zip(before, layers, strict=True)
    ]
    assert steps == pytest.approx([0.01, 0.1, 1.0], rel=1e-5)


def test_weights_decay_but_biases_do_not() -> None:
    layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 1))
    config = TrainConfig(learning_rate=0.1, weight_decay=0.5, schedule="constant", warmup=0.0)
    optimizer = build_optimizer(
        config,
        Stage(),
        layer.trainable_variables,
        steps=10,
        scale=1.0,
        rates={},
        adapt=lambda base: base,
    )
    optimizer.apply([keras.ops.zeros((1, 1)), keras.ops.zeros((1,))], layer.trainable_variables)
    kernel, bias = layer.get_weights()
    assert kernel.item() == pytest.approx(0.95)
    assert bias.item() == 1.0


@pytest.mark.parametrize("accumulate", [1, 4])
def test_averaged_weights_of_a_short_stage_have_left_the_beginning(accumulate: int) -> None:
    weight = keras.Variable(np.zeros((1, 1), np.float32))
    config = TrainConfig(
        optimizer="sgd",
        momentum=0.0,
        schedule="constant",
        warmup=0.0,
        learning_rate=1.0,
        ema=0.999,
        accumulate=accumulate,
    )
    optimizer = build_optimizer(
        config, Stage(), [weight], steps=100, scale=1.0, rates={}, adapt=lambda base: base
    )
    for _ in range(100 * accumulate):
        optimizer.apply([np.ones((1, 1), np.float32)], [weight])
    optimizer.finalize_variable_values([weight])
    assert -100 < weight.numpy() < -85


def test_two_replicas_learn_what_one_learns(tmp_path: Path) -> None:
    """Two logical CPU devices have to be made before TensorFlow starts, so in a process."""
    mirrored = {"strategy.kind": "mirrored", "strategy.devices": 2, **_REPLICAS}
    two = train_elsewhere("toy", tmp_path / "two", mirrored, registered=["toy"])
    one = zoo.train("toy", runs=tmp_path / "one", settings=_REPLICAS)
    assert two.about["device"]["replicas"] == 2
    for single, double in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-6)
    measured = [
        [event["validation"] for event in run.events() if event["event"] == "epoch"]
        for run in (one, two)
    ]
    for single, double in zip(*measured, strict=True):
        assert single == pytest.approx(double, rel=1e-4)


_REPLICAS = {
    "strategy.precision": "float32",  # others do not add up alike
    "train.accumulate": 2,
    "train.clip_norm": 0.05,
    "train.ema": 0.9,
    "train.weight_decay": 0.1,
}


class _Several(OneDevice):
    """As many replicas as are asked for."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas


def test_a_batch_that_replicas_cannot_share_is_refused() -> None:
    one = distribute(zoo.strategy("toy/plain", kind="single"))
    assert one.batch_size(7) == 7
    with pytest.raises(ConfigError, match="share evenly"):
        replace(one, devices=_Several(2)).batch_size(7)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("sqrt", 2), ("linear", 4)])
def test_learning_rate_grows_with_the_global_batch(scaling: str, factor: float) -> None:
    one = distribute(zoo.strategy("toy/plain", kind="single"))
    four = replace(one, devices=_Several(4), batch="per-replica", learning_rate_scaling=scaling)
    assert four.batch_size(8) == 32
    assert four.learning_rate_factor == factor


def test_several_seeds_show_their_spread(tmp_path: Path) -> None:
    run = zoo.train("toy", runs=tmp_path, seeds=3)
    rows = run.evaluation["seeds"]
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert rows[0]["values"]["auc"] == run.evaluation["systems"][0]["values"]["auc"]["value"]
    assert len({row["values"]["auc"] for row in rows}) > 1


def test_unusable_data_leave_no_run_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("?")
    with pytest.raises(DataError, match="line 1"):
        zoo.train("toy", data=str(tmp_path / "bad.jsonl"), runs=tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.fixture
def averaging_recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small plugin's recipe with settings that are empty by default."""
    (recipe,) = toy.zoo_recipes()
    ours = replace(recipe, settings={**recipe.settings, "train.ema": 0.9, "train.patience": 5})
    with monkeypatch.context() as patched:
        patched.setattr(toy, "zoo_recipes", zoo.hookimpl(lambda: [ours]))
        registry().register(toy, "toy")
        yield
    registry().register(toy, "toy")


@pytest.mark.usefixtures("averaging_recipe")
def test_a_recipes_setting_that_was_emptied_stays_empty_when_resumed(tmp_path: Path) -> None:
    settings = {**_SLOW, "train.ema": "none"}
    path = interrupted("toy", tmp_path, settings, StopAt(0, 3))
    assert "patience = 5" in (path / "config.toml").read_text()
    assert zoo.resume(path).about["status"] == "finished"


def test_changed_data_are_not_resumed_on(tmp_path: Path) -> None:
    settings = {**_SLOW, "train.checkpoint_seconds": 1000}
    path = interrupted("toy", tmp_path, settings, StopAt(0, 3))
    data = zoo.Run(path).read("data.json")
    zoo.Run(path).write("data.json", {**data, "fingerprint": "another"})
    with pytest.raises(DataError, match="not those"):
        zoo.resume(path)
    assert (path / "checkpoints").exists()


def test_a_first_metric_that_is_no_number_is_not_taken_for_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*scores: float) -> list[np.ndarray]:
        values = iter(scores)
        with monkeypatch.context() as patch:
            patch.setattr(
                "zoo.actions.train.measure", lambda metrics, examples: {"auc": next(values)}
            )
            return weights(zoo.train("toy", runs=tmp_path, settings=settings))

    settings = {"train.stages": [{"epochs": 3}]}
    undefined, second, first = (trained(each, 0.5, 0.1) for each in (math.nan, 0.0, 0.9))
    assert same(undefined, second)
    assert not same(undefined, first)


def test_weights_of_no_part_are_a_fault_of_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Net, "part_patterns", (("head", "head/*"),))
    with pytest.raises(PluginError, match=r"belong to none of its parts, such as 'body/"):
        zoo.train("toy", runs=tmp_path)
