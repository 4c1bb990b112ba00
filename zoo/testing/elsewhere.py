"""Asks another process: one with another hash seed, two devices, or another Keras backend.

What can be asked at once is, as TensorFlow takes seconds to start.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.testing.violations import ContractViolation

if TYPE_CHECKING:
    import numpy as np

    from zoo.testing.subject import Trial

_JOB = "job.json"
_ANSWERS = "answers.json"
_PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Answers:
    """What another process found.

    Attributes:
        folder: where it wrote.
        found: for each question its `answer`, or the `error` that asking it raised.
    """

    folder: Path
    found: Mapping[str, Mapping[str, Any]]

    def of(self, question: str) -> Any:
        """Return the answer to a question.

        Raises:
            ContractViolation: asking it raised an error.
        """
        told = self.found[question]
        if "error" in told:
            raise ContractViolation(f"In another process, {question}: {told['error']}")
        return told["answer"]

    def predictions(self) -> dict[str, np.ndarray]:
        """Return the numbers of each column that the bundle predicted there."""
        import numpy as np

        self.of("predictions")
        return dict(np.load(self.folder / _PREDICTIONS))


def ask(trial: Trial, run: Path) -> Answers:
    """Let another process load the data, and predict with a run's bundle."""
    return _ask([trial], {"questions": ["data", "predictions"], "run": str(run)}, {})


def ask_of_replicas(trial: Trial) -> float:
    """Let another process train on two replicas and on one device.

    Returns:
        how far apart they end, as a share of the way.
    """
    return float(_ask([trial], {"questions": ["replicas"]}, {}).of("replicas"))


def ask_on_backend(trials: Sequence[Trial], backend: str) -> dict[str, str]:
    """Let another process build, train and run models on a backend.

    Returns:
        for each model's address what went wrong; empty if nothing did.
    """
    # Whether it runs does not depend on how well JAX compiles it, which takes most of the time.
    environment = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    answers = _ask(trials, {"questions": ["backend"]}, environment)
    return dict(answers.of("backend"))


def _ask(
    trials: Sequence[Trial], job: Mapping[str, Any], environment: Mapping[str, str]
) -> Answers:
    subject = trials[0].subject
    folder = Path(tempfile.mkdtemp(prefix="asked-", dir=subject.folder))
    whole = {
        "plugin": subject.name,
        "register": "" if subject.plugin.distribution else subject.module,
        "trials": [{"recipe": each.address, "settings": dict(each.settings)} for each in trials],
        "folder": str(folder),
        **job,
    }
    (folder / _JOB).write_text(json.dumps(whole))
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder / _JOB)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONHASHSEED": "4711",
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ContractViolation(
            f"Another process fails on {trials[0].address}: {done.stderr.strip()[-2000:]}"
        )
    return Answers(folder, json.loads((folder / _ANSWERS).read_text()))


# In the other process


def main(path: str) -> None:
    """Answer the questions of a job."""
    from zoo.registry import registry
    from zoo.testing.subject import Subject, Trial

    job = json.loads(Path(path).read_text())
    folder = Path(job["folder"])
    if job["register"]:
        registry().register(importlib.import_module(job["register"]), job["plugin"])
    subject = Subject(job["plugin"], folder)
    trials = [Trial(subject, each["recipe"], each["settings"]) for each in job["trials"]]
    found = {question: _answered(question, trials, job) for question in job["questions"]}
    (folder / _ANSWERS).write_text(json.dumps(found))


def _answered(question: str, trials: Sequence[Trial], job: Mapping[str, Any]) -> dict[str, Any]:
    questions: Mapping[str, Callable[[], Any]] = {
        "data": lambda: _data(trials[0]),
        "predictions": lambda: _predictions(trials[0], job["run"]),
        "replicas": lambda: _replicas(trials[0]),
        "backend": lambda: {each.recipe.addresses["model"]: _fault(each) for each in trials},
    }
    try:
        return {"answer": questions[question]()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _data(trial: Trial) -> Any:
    from zoo.testing.checks.datasets import summary

    return summary(trial)


def _replicas(trial: Trial) -> float:
    """Return how far two replicas end from one device, as a share of the way."""
    import numpy as np

    from zoo.testing.training import change_on_replicas

    two, one = change_on_replicas(trial, 2), change_on_replicas(trial, 1)
    return float(np.linalg.norm(two - one)) / max(float(np.linalg.norm(one)), 1e-12)


def _predictions(trial: Trial, run: str) -> None:
    import numpy as np

    from zoo.bundle import load
    from zoo.data.examples import Columns
    from zoo.testing.checks.recipes import numbers

    columns = load(run).predict(Columns(trial.rows("test")))
    np.savez(trial.folder / _PREDICTIONS, **numbers(columns))  # type: ignore[arg-type]


def _fault(trial: Trial) -> str:
    """Return what goes wrong when a model is built, trained and run; empty if nothing does."""
    import numpy as np

    from zoo.data.examples import arrays
    from zoo.testing.training import fit_one_batch

    try:
        model = trial.build()
        losses = fit_one_batch(model, trial.batch, trial.loss, trial.recipe.train, steps=2)
        outputs = [np.asarray(each) for each in arrays(model.predict_on_batch(trial.batch.inputs))]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finite = np.isfinite(losses).all() and all(np.isfinite(each).all() for each in outputs)
    return "" if finite else "its loss or its outputs are not finite numbers."


if __name__ == "__main__":
    main(sys.argv[1])
