"""The suite as its users meet it: from the command line, and as a class of tests."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import toy
from toy_plugin import register_toy

import zoo
from zoo.cli import main
from zoo.registry import registry
from zoo.startup import load_tensorflow
from zoo.testing import ContractViolation
from zoo.testing.checks import datasets, models, recipes
from zoo.testing.subject import Subject, Trial

pytest_plugins = ["pytester"]

# In another process: replicas, data and predictions that are not what they are in this one.
APART = """
import os
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

import toy
import zoo

ZOO_CONTRACT = 1
TASKS = ("apart/classify",)
THIS_PROCESS = os.getpid() % 1000


@zoo.hookimpl
def zoo_tasks():
    return [replace(toy.zoo_tasks()[0], implementation="apart:Classify")]


@zoo.hookimpl
def zoo_models():
    return [replace(toy.zoo_models()[0], tasks=TASKS)]


@zoo.hookimpl
def zoo_datasets():
    return [replace(toy.zoo_datasets()[0], implementation="apart:Points", tasks=TASKS)]


@zoo.hookimpl
def zoo_strategies():
    return toy.zoo_strategies()


@zoo.hookimpl
def zoo_recipes():
    return toy.zoo_recipes()


class Mean(keras.losses.Loss):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred))


@dataclass(frozen=True, kw_only=True)
class Points(toy.Points):
    def load(self, *, seed: int, cache: Any) -> zoo.Data:
        data = super().load(seed=seed, cache=cache)
        train = data.splits["train"]
        train.columns["point"] = train.columns["point"] + np.float32(THIS_PROCESS)
        return data


@dataclass(frozen=True, kw_only=True)
class Classify(toy.Classify):
    def loss(self, space: Any) -> Any:
        return Mean()

    def decode(self, outputs: Any, decision: Any) -> Any:
        return super().decode(outputs + THIS_PROCESS, decision)
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_tensorflow()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    register_toy()


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Subject("toy", tmp_path / "trial").of_recipe("train")


def test_checking_a_good_plugin_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plugins", "check", "toy", "--only", "component or model or learns", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == zoo.ExitCode.OK
    assert told["plugin"] == "toy"
    statuses = {each["check"]: each["status"] for each in told["checks"]}
    assert "failed" not in statuses.values()
    assert statuses["test_model_saves_and_loads_equal[net]"] == "passed"
    assert statuses["test_recipe_learns[train]"] == "passed"
    assert told["counts"]["passed"] > 15
    assert all(each["message"] for each in told["checks"] if each["status"] == "skipped")


def test_checking_a_broken_plugin_names_the_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toy.Classify, "monitor", "accuracy")
    code = main(["plugins", "check", "toy", "--only", "monitor or documented"])
    lines = capsys.readouterr().out.splitlines()
    assert code == zoo.ExitCode.PLUGIN
    (failed,) = (line for line in lines if line.startswith("failed"))
    assert failed.startswith(
        "failed  test_monitor_is_the_first_metric[classify]: The task monitors"
    )
    assert "passed  test_component_is_documented[model-net]" in lines


def test_what_cannot_be_checked_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", "check", "toi"]) == zoo.ExitCode.USAGE
    assert "'toy'" in capsys.readouterr().err
    assert main(["plugins", "check", "toy", "--only", "nothing"]) == zoo.ExitCode.USAGE
    assert "'nothing'" in capsys.readouterr().err
    monkeypatch.setattr("zoo.cli.commands.plugins.find_spec", lambda name: None)
    assert main(["plugins", "check", "toy"]) == zoo.ExitCode.PLUGIN
    assert 'pip install "keras-domain-zoo[test]"' in capsys.readouterr().err


def test_expected_failures_and_left_out_checks_have_reasons(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Net, "__doc__", "")
    pytester.makepyfile("""
        import pytest
        from zoo.testing import PluginContract

        class TestContract(PluginContract):
            plugin = "toy"

            @pytest.fixture
            def expected_failures(self):
                return {
                    "test_component_is_documented[model-net]": "no time",
                    "test_settings_are_typed[model-*]": "mended long ago",
                }

            @pytest.fixture
            def left_out(self):
                return {"test_settings_are_documented": "said elsewhere"}
    """)
    result = pytester.runpytest_inprocess("-k", "documented or typed", "-rxs", "-p", "no:warnings")
    counts = result.parseoutcomes()
    assert counts["xfailed"] == 1
    assert counts["failed"] == 1  # it was expected to fail, and did not
    assert counts["skipped"] == 4
    result.stdout.fnmatch_lines(["*no time*", "*said elsewhere*"])


def test_a_resumed_run_that_ends_elsewhere_is_found(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes.resumes_bit_equal(trial)
    monkeypatch.setattr(toy.Classify, "augmentation", lambda task, space: _Unkeyed())
    noisy = Subject("toy", trial.folder / "noisy").of_recipe("train")
    with pytest.raises(ContractViolation, match="after an interruption"):
        recipes.resumes_bit_equal(noisy)


class _Unkeyed(zoo.Augmentation):
    """Moves points by a counter that no checkpoint knows of."""

    def __init__(self) -> None:
        self._calls = itertools.count()

    def __call__(self, inputs: Any, targets: Any, seeds: Any, progress: Any) -> tuple[Any, Any]:
        number = tf.numpy_function(lambda: np.float32(next(self._calls)), [], tf.float32)
        return {"point": inputs["point"] + tf.ensure_shape(number, ())}, targets


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Good points, and one that is none."""
    path = tmp_path / "bad.jsonl"
    path.write_text("[0, 1]\n[2, 2]\nnot a point\n")
    return path


def test_a_bad_file_has_to_be_named(
    trial: Trial, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes.isolates_a_bad_file(trial, files, "bad")
    good = toy.Points.read

    def reading(change: Callable[[Any], Any]) -> None:
        def read(*a: Any, **o: Any) -> Any:
            examples, findings = good(*a, **o)
            return examples, change(findings)

        monkeypatch.setattr(toy.Points, "read", read)

    for change, said in (
        (lambda found: [], "says nothing"),
        (lambda found: [replace(each, where="somewhere") for each in found], "into `where`"),
    ):
        reading(change)
        with pytest.raises(ContractViolation, match=said):
            recipes.isolates_a_bad_file(trial, files, "bad")
    monkeypatch.setattr(toy.Points, "read", lambda *a, **o: json.loads("not"))
    with pytest.raises(ContractViolation, match="Predicting on bad"):
        recipes.isolates_a_bad_file(trial, files, "bad")


def test_files_that_are_read_otherwise_than_loaded_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "points.jsonl"
    path.write_text("\n".join(f"[{row}, 1, {row % 2}]" for row in range(16)))
    given = Subject("toy", tmp_path, datasets={"points": {"path": str(path)}})
    datasets.reads_like_it_loads(given.of_dataset("points"))
    good = toy.Points.load

    def with_id(*a: Any, **o: Any) -> zoo.Data:
        data = good(*a, **o)
        split = data.splits["train"]
        split.columns["id"] = split.columns["label"]
        return data

    monkeypatch.setattr(toy.Points, "load", with_id)
    again = Subject("toy", tmp_path, datasets={"points": {"path": str(path)}})
    with pytest.raises(ContractViolation, match="'id'"):
        datasets.reads_like_it_loads(again.of_dataset("points"))


def test_a_claim_of_an_unknown_or_missing_backend_is_found(trial: Trial) -> None:
    (spec,) = toy.zoo_models()
    models.runs_on_its_backends(trial, spec)
    for backends, said in ((("theano",), "theano"), (("jax",), "does not claim")):
        with pytest.raises(ContractViolation, match=said):
            models.runs_on_its_backends(trial, replace(spec, backends=backends))


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A plugin that is not the same in another process."""
    (tmp_path / "apart.py").write_text(APART)
    monkeypatch.syspath_prepend(tmp_path)
    import apart  # type: ignore[import-not-found]

    registry().register(apart, "apart")
    return Subject("apart", tmp_path / "trial").of_recipe("train")


def test_what_differs_in_another_process_is_found(apart: Trial) -> None:
    for check, said in (
        (datasets.is_the_same_elsewhere, "other examples in another process .split train."),
        (recipes.bundle_predicts_alike_elsewhere, "another 'score' in another process"),
        (recipes.equal_on_two_replicas, "Two replicas move the weights"),
    ):
        with pytest.raises(ContractViolation, match=said):
            check(apart)
