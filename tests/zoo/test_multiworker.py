"""Whole runs by several workers: what is written, what a kill costs, and who goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from workers import Ended, run_workers

import zoo

_STEPS = 12
_SETTINGS = {
    "train.stages": [{"steps": _STEPS}],
    "train.accumulate": 2,
    "train.ema": 0.9,
    "train.clip_norm": 0.1,
    "train.checkpoint_seconds": 0,
    "train.validate_every": 0.2,
    "strategy.batch": "global",
    "strategy.learning_rate_scaling": "none",
    "strategy.precision": "float32",
}
_SCRIPT = """
import json, os, signal, sys
import zoo
from zoo.training.listeners import Listener

class Kill(Listener):
    def on_step(self, progress, steps, loss):
        if progress.step == kill:
            os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    kill, runs, settings, path = json.loads(sys.argv[1])
    is_last = int(os.environ.get("ZOO_WORKER", 0)) == int(os.environ.get("ZOO_WORKERS", 1)) - 1
    listeners = [Kill()] if is_last else []
    try:
        if path:
            run = zoo.resume(path, listeners=listeners)
        else:
            run = zoo.train("fraud", trial=True, settings=settings, runs=runs, listeners=listeners)
        print(run.path)
    except zoo.ZooError as error:
        raise SystemExit(f"error: {error}")  # as a worker that nothing can wake says it
"""


def _train(runs: Path, workers: int, *, kill: int = 0, resume: Path | str = "") -> list[Ended]:
    job = json.dumps([kill, str(runs), _SETTINGS, str(resume)])
    return run_workers(workers, ["-c", _SCRIPT, job])


def _weights(run: Path) -> Sequence[np.ndarray]:
    weights: Sequence[np.ndarray] = zoo.load(run).model.get_weights()
    return weights


def _launch(*train: str) -> Ended:
    (ended,) = run_workers(1, ["-m", "zoo.cli", "launch", "--workers", "2", "--", "train", *train])
    return ended


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """How a command ended that started two workers, whom nothing disturbed."""
    settings = {**_SETTINGS, "train.stages": f"[{{steps = {_STEPS}}}]"}
    options = [f"--set={name}={value}" for name, value in settings.items()]
    runs = str(tmp_path_factory.mktemp("launched"))
    ended = _launch("fraud", "--trial", "--json", "--runs", runs, *options)
    assert ended.code == 0, ended.errors
    return ended


@pytest.fixture(scope="module")
def undisturbed(launched: Ended) -> Path:
    """The run of these workers."""
    return Path(json.loads(launched.output)["run"])


def test_the_chief_alone_writes(undisturbed: Path) -> None:
    run = zoo.Run(undisturbed)
    assert run.about["status"] == "finished"
    assert run.about["device"]["kind"] == "multiworker"
    assert run.about["device"]["workers"] == 2
    assert run.report.exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers of which one was killed."""
    runs = tmp_path_factory.mktemp("killed")
    survivor, killed = _train(runs, 2, kill=7)
    assert killed.code == -9
    assert "error: worker 1" in survivor.errors
    assert "ended without a word" in survivor.errors
    (path,) = runs.iterdir()
    assert zoo.Run(path).about["status"] == "failed"
    return path


@pytest.mark.parametrize("workers", [2, 1])
def test_killed_and_resumed_it_ends_as_if_undisturbed(
    workers: int, undisturbed: Path, killed: Path, tmp_path: Path
) -> None:
    path = tmp_path / killed.name
    shutil.copytree(killed, path)
    ended = _train(tmp_path, workers, resume=path)
    assert [each.code for each in ended] == [0] * workers, ended
    for ours, theirs in zip(_weights(undisturbed), _weights(path), strict=True):
        if workers == 2:
            np.testing.assert_array_equal(ours, theirs)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    ours, theirs = (zoo.Run(each).evaluation["systems"][0] for each in (undisturbed, path))
    for name, value in ours["values"].items():
        assert theirs["values"][name]["value"] == pytest.approx(value["value"], rel=1e-4)


def test_keras_still_needs_our_strategy() -> None:
    """Once this fails, `zoo/distribution/multiworker.py` can go."""
    script = """
from zoo.startup import load_tensorflow
load_tensorflow()
import os, traceback
import keras, tensorflow as tf
from zoo.cluster import detect, joined
from zoo.distribution import multiworker
multiworker._Reducing = tf.distribute.MultiWorkerMirroredStrategy
with joined(detect()) as group:
    strategy = multiworker.multiworker_strategy(group)
    with strategy.scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1)))).repeat(2)
    data = strategy.distribute_datasets_from_function(lambda _: data)
    try:
        model.fit(data, steps_per_epoch=2, verbose=0)
    except Exception:
        traceback.print_exc()
        os._exit(1)  # a worker that leaves in order waits for the other, which may have gone
"""
    ended = run_workers(2, ["-c", script])
    assert 0 not in {each.code for each in ended}
    assert any("PerReplica" in each.errors for each in ended)


def test_launch_starts_workers_of_whom_one_speaks(launched: Ended) -> None:
    assert "[0] Device: multiworker, as ZOO_COORDINATOR has 2 workers" in launched.errors
    assert "[1] Run" not in launched.errors


def test_launch_tells_which_worker_failed() -> None:
    ended = _launch("froud")
    assert ended.code == 2
    assert "[0] error: No recipe is called 'froud'." in ended.errors
    assert "Worker 0 ended with exit code 2" in ended.errors
    assert "Traceback" not in ended.errors
