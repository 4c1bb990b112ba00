"""Trackers: what reaches TensorBoard and MLflow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zoo.errors import ConfigError, MissingRequirementError
from zoo.runs import Run
from zoo.training.checkpoints import Progress
from zoo.training.listeners import Listener
from zoo.training.trackers import MLflow, TensorBoard


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "runs", "toy/train", {"recipe": "toy/train"})
    (run.path / "config.toml").write_text('seed = 3\n[train]\nbatch_size = 8\nparts = ["a"]\n')
    return run


def follow(tracker: Listener, run: Run) -> None:
    """Tell a tracker of two stages of four steps each."""
    tracker.on_event({"event": "run", "path": str(run.path)})
    for stage, name in enumerate(("head", "all")):
        for step in range(1, 5):
            tracker.on_step(Progress(stage=stage, step=step), 4, loss=1.0 / step)
        event = {"event": "epoch", "stage": name, "stage_index": stage, "step": 4, "loss": 0.25}
        tracker.on_event({**event, "learning_rate": 1e-3, "validation": {"auc": 0.8 + stage / 10}})


# TensorBoard


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    import tensorflow as tf

    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = accumulators.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        tag: [
            (event.step, round(float(tf.make_ndarray(event.tensor_proto)), 4))
            for event in accumulator.Tensors(tag)
        ]
        for tag in accumulator.Tags()["tensors"]
    }


def test_tensorboard_gets_a_folder_of_scalars_for_each_stage(run: Run) -> None:
    with TensorBoard(every=2) as tracker:
        follow(tracker, run)
    assert scalars(run.path / "tensorboard" / "stage-0") == {
        "loss": [(2, 0.5), (4, 0.25)],
        "learning_rate": [(4, 0.001)],
        "validation/auc": [(4, 0.8)],
    }
    assert scalars(run.path / "tensorboard" / "stage-1")["validation/auc"] == [(4, 0.9)]


def test_a_run_resumed_in_a_later_stage_is_tracked_from_there(run: Run) -> None:
    with TensorBoard(every=1) as tracker:
        tracker.on_event({"event": "run", "path": str(run.path)})
        tracker.on_step(Progress(stage=2, step=7), 9, loss=0.5)
    assert scalars(run.path / "tensorboard" / "stage-2") == {"loss": [(7, 0.5)]}


# MLflow


def test_mlflow_that_is_not_installed_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingRequirementError, match=r"pip install .*\[mlflow\]"):
        MLflow()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow write into a database of this test."""
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_mlflow_gets_settings_epochs_and_the_result(run: Run, store: None) -> None:
    import mlflow

    with MLflow() as tracker:
        follow(tracker, run)
        values = {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}
        run.write("evaluation.json", {"systems": [{"name": "net", "values": values}]})
    (stored,) = mlflow.MlflowClient().search_runs(
        [mlflow.get_experiment_by_name("toy/train").experiment_id]
    )
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"seed": "3", "train.batch_size": "8", "train.parts": "['a']"}
    assert stored.data.metrics["all/validation/auc"] == 0.9
    assert stored.data.metrics["test/auc"] == 0.7


def test_a_resumed_run_goes_on_in_its_mlflow_run(run: Run, store: None) -> None:
    import mlflow

    interrupted = MLflow()
    follow(interrupted, run)
    interrupted.__exit__(KeyboardInterrupt, None, None)
    with MLflow() as tracker:
        follow(tracker, run)
    experiment = mlflow.get_experiment_by_name("toy/train").experiment_id
    (stored,) = mlflow.MlflowClient().search_runs([experiment])
    assert stored.info.status == "FINISHED"


def test_mlflow_over_the_network_is_refused_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "https://tracking.example.org")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(ConfigError, match="ZOO_OFFLINE"):
        MLflow()
