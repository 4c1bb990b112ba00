"""Listeners that pass a run on to a tracking service.

The event `run`, which comes before all others, says in `path` where the run is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.config import dotted
from zoo.errors import ConfigError, MissingRequirementError
from zoo.runs import Run
from zoo.settings import offline
from zoo.storage import write_json
from zoo.training.listeners import Listener

if TYPE_CHECKING:
    from zoo.training.checkpoints import Progress

_PARAMETERS_AT_ONCE = 100
_LONGEST_PARAMETER = 500


class TensorBoard(Listener):
    """Writes scalars to the folder `tensorboard` of a run, one folder below it a stage.

    Args:
        every: steps between two values of the training loss.
    """

    def __init__(self, every: int = 10) -> None:
        self._every = every
        self._folder: Path | None = None
        self._stage: int | None = None
        self._writer: Any = None

    def __exit__(self, *exception: object) -> None:
        self._close()

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        """Write the loss of every so many steps."""
        if progress.step % self._every == 0:
            self._write(progress.stage, progress.step, {"loss": loss})

    def on_event(self, event: dict[str, Any]) -> None:
        """Begin a folder with each run, and write what each epoch brought."""
        match event["event"]:
            case "run":
                self._close()
                self._folder = Path(event["path"]) / "tensorboard"
            case "epoch":
                values = {"learning_rate": event["learning_rate"], **_validation(event)}
                self._write(event["stage_index"], event["step"], values)

    def _write(self, stage: int, step: int, values: Mapping[str, float]) -> None:
        import tensorflow as tf

        if self._folder is None:
            return
        if self._stage != stage:
            self._close()
            self._stage = stage
            self._writer = tf.summary.create_file_writer(str(self._folder / f"stage-{stage}"))
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._stage = self._writer = None


class MLflow(Listener):
    """Logs a run's settings, epochs and final metrics to MLflow.

    Where to, MLflow's own variables say, such as `MLFLOW_TRACKING_URI`. The experiment is
    the recipe. A resumed run goes on in the MLflow run it began. Steps are not logged: a
    request for each would slow training down.

    Raises:
        MissingRequirementError: MLflow is not installed.
        ConfigError: the tracking server is on the network, which must not be used.
    """

    def __init__(self) -> None:
        try:
            import mlflow
        except ModuleNotFoundError as error:
            from zoo.discovery import CORE
            from zoo.requirements import install_command

            raise MissingRequirementError(
                "MLflow is not installed.", hint=install_command(CORE, "mlflow")
            ) from error
        address = mlflow.get_tracking_uri()
        if offline() and address.startswith(("http:", "https:", "databricks")):
            raise ConfigError(
                f"The MLflow server {address} cannot be reached: ZOO_OFFLINE forbids the network.",
                hint="Set MLFLOW_TRACKING_URI to a folder, or unset ZOO_OFFLINE.",
            )
        self._client = mlflow.MlflowClient()
        self._run: Run | None = None
        self._id = ""

    def __exit__(self, *exception: object) -> None:
        ends: dict[object, str] = {None: "FINISHED", KeyboardInterrupt: "KILLED"}
        self._end(ends.get(exception[0], "FAILED"))

    def on_event(self, event: dict[str, Any]) -> None:
        """Begin an MLflow run with each run, and log what each epoch brought."""
        match event["event"]:
            case "run":
                self._end("FINISHED")
                self._begin(Run(event["path"]))
            case "epoch" if self._run is not None:
                values = {name: event[name] for name in ("loss", "learning_rate")}
                for name, value in {**values, **_validation(event)}.items():
                    self._client.log_metric(
                        self._id, f"{event['stage']}/{name}", value, step=event["step"]
                    )

    def _begin(self, run: Run) -> None:
        self._run = run
        known = run.path / "mlflow.json"
        if known.exists():
            self._id = run.read("mlflow.json")["run_id"]
            self._client.update_run(self._id, status="RUNNING")
            return
        about = run.about
        found = self._client.get_experiment_by_name(about["recipe"])
        experiment = (
            found.experiment_id if found else self._client.create_experiment(about["recipe"])
        )
        made = self._client.create_run(experiment, run_name=about["name"])
        self._id = made.info.run_id
        write_json(known, {"run_id": self._id})
        self._log_settings(run)

    def _log_settings(self, run: Run) -> None:
        from mlflow.entities import Param

        config = run.path / "config.toml"
        settings = tomllib.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
        parameters = [
            Param(name, str(value)[:_LONGEST_PARAMETER]) for name, value in dotted(settings)
        ]
        for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            part = parameters[start : start + _PARAMETERS_AT_ONCE]
            self._client.log_batch(self._id, params=part)

    def _end(self, status: str) -> None:
        if self._run is None:
            return
        systems = self._run.evaluation.get("systems") or [{"values": {}}]
        for name, interval in systems[0]["values"].items():
            if interval["value"] is not None:
                self._client.log_metric(self._id, f"test/{name}", interval["value"])
        self._client.set_terminated(self._id, status)
        self._run = None


def _validation(event: Mapping[str, Any]) -> dict[str, float]:
    values = event.get("validation") or {}
    return {f"validation/{name}": value for name, value in values.items()}
