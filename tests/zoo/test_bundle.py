"""A bundle predicts anywhere, and only if it is what was saved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import toy

import zoo
import zoo.layers
from zoo.actions.predict import Predictions
from zoo.bundle import Bundle
from zoo.errors import ConfigError, DataError, PluginError, StorageError
from zoo.storage import read_lines

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture
def copy(toy_run: zoo.Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_run.bundle, tmp_path / "copy"))


def test_fresh_process_predicts_what_the_run_measured(toy_run: zoo.Run, points: Path) -> None:
    here = zoo.predict(toy_run.path, str(points)).columns["score"]
    script = (
        "import sys, json, toy, zoo; from zoo.registry import registry;"
        "registry().register(toy, 'toy');"
        "print(json.dumps(zoo.predict(sys.argv[1], sys.argv[2]).columns['score'].tolist()))"
    )
    path = os.pathsep.join([str(Path(toy.__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script, str(toy_run.bundle), str(points)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    np.testing.assert_allclose(here, json.loads(done.stdout), rtol=1e-6)


def test_fresh_process_knows_the_layers_of_the_core_that_a_bundle_may_hold() -> None:
    own = ["FastDropout", "FusedBatchNormalization", "RootMeanSquare"]
    assert all(isinstance(getattr(zoo.layers, name), type) for name in own)
    script = (
        "import sys, keras, zoo.bundle;"
        "print(*(keras.saving.get_registered_object(f'zoo>{name}') for name in sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *own], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("zoo.layers") == len(own)


def test_bundle_carries_card_decision_and_metrics(toy_run: zoo.Run) -> None:
    bundle = zoo.load(toy_run.path)
    assert (toy_run.bundle / "README.md").read_text().count("ROC AUC")
    assert set(bundle.decision) == {"threshold"}
    assert bundle.about["metrics"] == toy_run.evaluation["systems"][0]["values"]


def test_bundle_holds_no_pickle(toy_run: zoo.Run) -> None:
    allowed = {".json", ".keras", ".md", ".npz", ".txt"}
    assert {path.suffix for path in toy_run.bundle.rglob("*") if path.is_file()} <= allowed


def _cut(folder: Path) -> None:
    model = folder / "model.keras"
    model.write_bytes(model.read_bytes()[:-100])


def _edit(folder: Path) -> None:
    (folder / "preprocessing" / "mean.json").write_text("[0.0, 0.0]")


def _remove(folder: Path) -> None:
    (folder / "model.keras").unlink()


def _point_outside(folder: Path) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    content["files"]["../secret"] = "0"
    (folder / "bundle.json").write_text(json.dumps(content))


def _newer_format(folder: Path) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    content["format"] = 99
    (folder / "bundle.json").write_text(json.dumps(content))


def _no_object(folder: Path) -> None:
    (folder / "bundle.json").write_text("[]")


def _no_json(folder: Path) -> None:
    (folder / "bundle.json").write_text("{")


@pytest.mark.parametrize(
    "damage", [_cut, _edit, _remove, _point_outside, _newer_format, _no_object, _no_json]
)
def test_damaged_bundle_is_refused(copy: Path, damage: Callable[[Path], None]) -> None:
    damage(copy)
    with pytest.raises(StorageError) as caught:
        zoo.load(copy)
    assert str(copy) in caught.value.message


def test_unlisted_file_in_preprocessing_is_refused(copy: Path) -> None:
    (copy / "preprocessing" / "extra.json").write_text("{}")
    with pytest.raises(StorageError, match=r"extra\.json"):
        zoo.load(copy)


def test_predict_keeps_good_lines_and_names_bad_ones(toy_run: zoo.Run, points: Path) -> None:
    good = zoo.predict(toy_run.path, str(points)).records
    points.write_text("not a point\n" + points.read_text() + "\n[1]")
    mixed = zoo.predict(toy_run.path, str(points))
    assert mixed.records == good
    assert [finding.where for finding in mixed.findings] == [
        f"{points}, line 1",
        f"{points}, line 18",
    ]


def test_predict_needs_no_labels_but_evaluate_does(
    toy_run: zoo.Run, points: Path, tmp_path: Path
) -> None:
    unlabelled = tmp_path / "unlabelled.jsonl"
    lines = [json.loads(line)[:2] for line in points.read_text().splitlines()]
    unlabelled.write_text("\n".join(map(json.dumps, lines)))
    expected = zoo.predict(toy_run.path, str(points)).records
    assert zoo.predict(toy_run.path, str(unlabelled)).records == expected
    with pytest.raises(DataError, match="no labels"):
        zoo.evaluate(toy_run.path, data=str(unlabelled))


def test_evaluate_says_why_partly_labelled_examples_do_not_count(
    toy_run: zoo.Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = zoo.Finding("warning", "partly-labelled", "Only 3 of 4 have one.")
    read = zoo.Columns({"point": np.zeros((4, 2), np.float32)}), [finding]
    monkeypatch.setattr(type(zoo.load(toy_run.path).dataset), "read", lambda *_, **__: read)
    with pytest.raises(DataError, match="Only 3 of 4 have one"):
        zoo.evaluate(toy_run.path, data=str(points))


def test_predict_on_nothing_readable_is_an_error(toy_run: zoo.Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("?")
    with pytest.raises(DataError, match="line 1"):
        zoo.predict(toy_run.path, str(path))


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv"])
def test_predictions_are_written_whole(
    toy_run: zoo.Run, points: Path, tmp_path: Path, name: str
) -> None:
    predictions = zoo.predict(toy_run.path, str(points))
    text = predictions.write(tmp_path / name).read_text()
    assert text.count("score") == (1 if name.endswith("csv") else len(predictions.records))


def test_predictions_are_not_written_in_an_unknown_format(
    toy_run: zoo.Run, points: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\.xlsx"):
        zoo.predict(toy_run.path, str(points)).write(tmp_path / "out.xlsx")


def test_a_folder_of_predictions_holds_the_formats_of_the_field(
    toy_run: zoo.Run, points: Path, tmp_path: Path
) -> None:
    points.write_text(points.read_text() + "\nnot a point")
    predictions = zoo.predict(toy_run.path, str(points))
    folder = predictions.write(tmp_path / "found")
    assert read_lines(folder / "predictions.jsonl") == predictions.records
    (finding,) = read_lines(folder / "findings.jsonl")
    assert finding["where"] == f"{points}, line 17"
    assert len((folder / "points.txt").read_text().splitlines()) == 16


def test_a_folder_that_holds_something_is_not_written_over(
    toy_run: zoo.Run, points: Path, tmp_path: Path
) -> None:
    predictions = zoo.predict(toy_run.path, str(points))
    (tmp_path / "empty").mkdir()
    assert (predictions.write(tmp_path / "empty") / "points.txt").exists()
    with pytest.raises(ConfigError, match="not empty"):
        predictions.write(tmp_path / "empty")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ConfigError, match="a file has this name"):
        predictions.write(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_settings_of_the_task_can_change_after_training(toy_run: zoo.Run, points: Path) -> None:
    plain = zoo.predict(toy_run.path, str(points)).columns["score"]
    halved = zoo.predict(toy_run.path, str(points), settings={"task.unit": 2.0})
    np.testing.assert_allclose(halved.columns["score"], plain / 2)
    bundle = zoo.load(toy_run.path).with_settings({"count": 5, "task.unit": 3.0})
    assert (bundle.dataset.count, bundle.task.unit) == (5, 3.0)


@pytest.mark.parametrize("name", ["task.unti", "data.cuont", "cuont", "model.width", "seed.x"])
def test_unknown_settings_of_a_bundle_are_refused(toy_run: zoo.Run, name: str) -> None:
    with pytest.raises(ConfigError, match=name.rpartition(".")[0] or name):
        zoo.load(toy_run.path).with_settings({name: 1})


def test_evaluate_repeats_the_runs_own_figures(toy_run: zoo.Run) -> None:
    again = zoo.evaluate(toy_run.path, samples=20)
    assert again["systems"][0]["values"] == toy_run.evaluation["systems"][0]["values"]


def test_evaluate_measures_other_labelled_files(toy_run: zoo.Run, points: Path) -> None:
    evaluation = zoo.evaluate(toy_run.path, data=str(points), samples=20)
    assert evaluation["examples"] == 16
    assert evaluation["systems"][0]["values"]["auc"]["value"] > 0.9


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "validation", "test", "test"], (8, "note", "test-split")),
        (["train", "train", "", "validation"], (16, "warning", "no-test-split")),
    ],
)
def test_evaluate_measures_on_the_official_test_split_of_files(
    toy_run: zoo.Run,
    points: Path,
    monkeypatch: pytest.MonkeyPatch,
    splits: list[str],
    expected: tuple[int, str, str],
) -> None:
    bundle = zoo.load(toy_run.path)
    examples, _ = bundle.dataset.read(str(points), cache=points.parent)
    official = zoo.object_column(np.repeat(splits, 4))
    read = zoo.Columns({**zoo.all_rows(examples), "split": official}), []
    monkeypatch.setattr(type(bundle.dataset), "read", lambda *_, **__: read)
    evaluation = zoo.evaluate(toy_run.path, data=str(points), samples=20)
    (finding,) = evaluation["findings"]
    assert (evaluation["examples"], finding["level"], finding["code"]) == expected


def test_evaluate_leaves_out_what_a_dataset_cannot_measure_on(
    toy_run: zoo.Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_labelled(self: toy.Points, path: str, *, cache: Path):
        examples, _ = self.read(path, cache=cache)
        left_out = zoo.Finding("warning", "not-measured", "It is of an unknown class.")
        return zoo.Columns(examples[np.arange(12)]), [left_out]

    monkeypatch.setattr(toy.Points, "read_labelled", read_labelled)
    evaluation = zoo.evaluate(toy_run.path, data=str(points), samples=20)

    assert evaluation["examples"] == 12
    assert [each["code"] for each in evaluation["findings"]] == ["not-measured"]


def test_evaluate_refuses_a_test_split_of_other_data(toy_run: zoo.Run, copy: Path) -> None:
    with pytest.raises(DataError, match="trained beside"):
        zoo.evaluate(toy_run.path, settings={"count": 100})


def test_run_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.json"):
        zoo.Run(tmp_path)


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv", "folder"])
def test_a_file_whose_name_is_not_utf8_does_not_stop_the_others(
    toy_run: zoo.Run, points: Path, tmp_path: Path, name: str
) -> None:
    strange = os.fsdecode(b"caf\xe9.png")
    finding = zoo.Finding("warning", "unreadable", "No picture.", strange)
    found = zoo.predict(toy_run.path, points)
    records = [{"id": strange}, {"id": "good.png"}]
    predictions = Predictions(records, [finding], found.columns, found.examples, found.bundle)

    path = predictions.write(tmp_path / name)

    text = (path / "predictions.jsonl" if path.is_dir() else path).read_text(encoding="utf-8")
    assert r"caf\udce9.png" in text
    assert "good.png" in text
    if path.is_dir():
        assert read_lines(path / "findings.jsonl")[0]["where"] == strange


def test_loaded_bundle_is_saved_again_under_a_path_as_text(
    toy_run: zoo.Run, points: Path, tmp_path: Path
) -> None:
    new = str(tmp_path / "new")
    assert zoo.load(str(toy_run.path)).save(new) == Path(new)
    here, there = (zoo.predict(each, points).records for each in (toy_run.path, new))
    assert here == there


def test_decision_that_is_no_number_is_the_plugin_s_bug(toy_run: zoo.Run, tmp_path: Path) -> None:
    old = zoo.load(toy_run.path)
    bundle = Bundle(**{**vars(old), "decision": {"threshold": float("nan")}})
    with pytest.raises(PluginError, match="toy/classify decided"):
        bundle.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_layer_that_could_not_be_read_again_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(keras.layers.Layer):
        def call(self, units):
            return units * 2

    def build(self: toy.Net, space: zoo.Space) -> keras.Model:
        inputs = {"point": keras.Input((2,), name="point")}
        units = Twice(name="double")(inputs["point"])
        return keras.Model(inputs, keras.layers.Dense(1, name="head")(units))

    monkeypatch.setattr(toy.Net, "build", build)
    with pytest.raises(PluginError, match=r"toy/net.*Twice.*'double'") as caught:
        zoo.train("toy", runs=tmp_path)
    assert "register_keras_serializable" in caught.value.hint
    assert not list(tmp_path.rglob("checkpoints"))
