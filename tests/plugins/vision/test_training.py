"""Training, measuring and predicting from end to end, on a few tiny scenes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detection_files import SHOTS, Shot, Thing, paint, save, write_coco, write_voc, write_yolo
from PIL import Image
from zoo_vision.data.video import read_frames, write_video
from zoo_vision.scenes.shapes import CLASSES as SCENE_CLASSES

import zoo
from zoo.cli import main
from zoo.reporting.wording import carried_over

SETTINGS: dict[str, Any] = {
    "task.size": 96,
    "task.mosaic": 1.0,
    "task.mixup": 0.5,
    "task.close_mosaic": 0.7,
    "task.rotation": 10.0,
    "model.size": "nano",
    "strategy.precision": "float32",
    "train.batch_size": 4,
    "train.stages": [{"name": "all", "steps": 3, "layer_decay": 0.8}],
    "evaluation.samples": 5,
    "evaluation.baselines": False,
    "evaluation.batch_size": 4,
}
SCENES = {"data.images": 30, "data.width": 96, "data.height": 96, "data.objects": 4, **SETTINGS}


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A run on generated scenes; not to be changed."""
    return zoo.train("vision", runs=tmp_path_factory.mktemp("whole"), settings=SCENES)


@pytest.fixture(scope="module")
def transferred(whole: zoo.Run, tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A run on cats and dogs in COCO format that began with the weights of `whole`."""
    folder = tmp_path_factory.mktemp("transferred")
    stages = [{"name": "head", "trainable": ["head"], "steps": 2, "batchnorm": "freeze"}]
    return zoo.train(
        "vision",
        data=str(write_coco(folder / "data")),
        runs=folder / "runs",
        weights=str(whole.path),
        settings={**SETTINGS, "train.batch_size": 2, "train.stages": stages},
    )


# Training ----------------------------------------------------------------------------------


def test_a_source_with_other_classes_gives_all_but_them(transferred: zoo.Run) -> None:
    (event,) = (each for each in transferred.events() if each["event"] == "transfer")
    parts = dict(event["parts"])
    head = parts.pop("head")
    assert set(parts) == {"stem", "backbone1", "backbone2", "backbone3", "backbone4", "neck"}
    assert all(part["copied"] == part["variables"] > 0 for part in parts.values())
    assert head["variables"] - head["copied"] == 6  # kernel and bias of three levels
    assert "stem whole" in carried_over(event)
    assert carried_over(event) in transferred.report.read_text()
    assert zoo.load(transferred.path).preprocessing.classes == ("cat", "dog")


def test_parts_that_do_not_train_keep_what_they_were_given(
    whole: zoo.Run, transferred: zoo.Run
) -> None:
    before, after = (
        {weight.path: weight.numpy() for weight in zoo.load(run.path).model.trainable_weights}
        for run in (whole, transferred)
    )
    kept = {path for path in after if not path.startswith("head")}
    assert kept
    assert all(np.array_equal(before[path], after[path]) for path in kept)
    assert any(
        not np.array_equal(before[path], after[path])
        for path in set(after) - kept
        if before[path].shape == after[path].shape
    )


# Measuring ---------------------------------------------------------------------------------


def test_a_run_says_how_good_it_is_for_each_class_and_size(whole: zoo.Run) -> None:
    values = whole.evaluation["systems"][0]["values"]
    assert {"map", "map50", "map_small", "ar100"} <= set(values)
    assert whole.evaluation["examples"] == 3
    assert whole.evaluation["monitor"] == "map"
    assert (whole.bundle / "README.md").exists()
    assert "mAP@" in whole.report.read_text()


def test_a_bundle_is_measured_alike_on_each_format(transferred: zoo.Run, tmp_path: Path) -> None:
    measured = {}
    shots = [shot._replace(split="test") for shot in SHOTS]
    for write in (write_coco, write_voc, write_yolo):
        path = write(tmp_path / write.__name__, shots)
        evaluation = zoo.evaluate(transferred.path, data=str(path), samples=5)
        assert evaluation["examples"] == len(SHOTS)
        assert evaluation["split"] == str(path)
        (system,) = evaluation["systems"]
        measured[write] = {name: each["value"] for name, each in system["values"].items()}
    first, *others = measured.values()
    assert {"map_cat", "map_dog"} <= set(first)
    assert np.isfinite(first["map"])
    for other in others:
        assert other == pytest.approx(first, abs=1e-6, nan_ok=True)


def test_classes_that_the_model_was_not_trained_on_are_named_and_left_out(
    transferred: zoo.Run, tmp_path: Path
) -> None:
    shots = [
        Shot("a", "", [Thing(1, 2, 30, 40, "ant"), Thing(10, 8, 60, 44, "dog")]),
        Shot("b", "", [Thing(4, 4, 20, 12, "cat")]),
    ]
    evaluation = zoo.evaluate(transferred.path, data=str(write_voc(tmp_path, shots)), samples=5)
    assert "map_ant" not in evaluation["systems"][0]["values"]
    (finding,) = (each for each in evaluation["findings"] if each["code"] == "unknown-class")
    assert "'ant'" in finding["message"]


def test_data_without_labels_are_not_measured_on(transferred: zoo.Run, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(zoo.DataError, match="no labels"):
        zoo.evaluate(transferred.path, data=str(tmp_path))


# Predicting --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eager(whole: zoo.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `whole`, with a threshold that shows a few detections of `pictures`."""
    folder = tmp_path_factory.mktemp("eager")
    path = save(folder / "a.png")
    found = zoo.predict(whole.path, path)
    threshold = float(found.columns["scores"][0][2])
    return replace(zoo.load(whole.path), decision={"threshold": threshold}).save(folder / "bundle")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two good pictures of several sizes, one turned by its EXIF note, and three bad ones."""
    folder = tmp_path / "pictures"
    save(folder / "a.png")
    (folder / "deep").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    paint(1, 150, 90).save(folder / "deep" / "turned.jpg", exif=exif)
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "page.jpg").write_text("<html>404 not found</html>")
    (folder / "notes.txt").write_text("not a picture, and not named as one")
    return folder


@pytest.mark.parametrize("options", [[], ["--set", "task.tile=64"], ["--explain"]])
def test_a_folder_of_good_and_broken_pictures_becomes_a_folder_of_results(
    eager: Path,
    pictures: Path,
    tmp_path: Path,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "found"
    assert main(["predict", str(eager), str(pictures), "-o", str(out), *options]) == 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    records = lines(out / "predictions.jsonl")
    assert [(each["id"], each["width"], each["height"]) for each in records] == [
        ("a.png", 64, 48),
        ("deep/turned.jpg", 90, 150),
    ]
    shown = [detection for each in records for detection in each["detections"]]
    assert shown
    assert {detection["class"] for detection in shown} <= set(SCENE_CLASSES)
    for record in records:
        boxes = np.array([each["box"] for each in record["detections"]]).reshape(-1, 4)
        assert (boxes >= 0).all()
        assert (boxes[:, 2:] <= [record["width"], record["height"]]).all()
    causes = {Path(each["where"]).name: each["code"] for each in lines(out / "findings.jsonl")}
    assert causes == {
        "cut.png": "unreadable-image-truncated",
        "empty.png": "unreadable-image-empty",
        "page.jpg": "unreadable-image-not-an-image",
    }
    assert all(name in said for name in causes)
    coco = json.loads((out / "detections.json").read_text())
    assert len(coco["annotations"]) == len(shown)
    drawn = {path.relative_to(out).as_posix() for path in out.rglob("*.jpg")}
    assert {"pictures/a.png.jpg", "pictures/deep/turned.jpg"} <= drawn
    assert any(path.startswith("explanations/") for path in drawn) == ("--explain" in options)


def test_a_large_picture_is_searched_in_tiles_too(eager: Path, tmp_path: Path) -> None:
    paint(5, 300, 200).save(tmp_path / "large.png")
    whole, tiled = (
        zoo.predict(eager, tmp_path / "large.png", settings={"task.tile": tile}).columns
        for tile in (0, 64)
    )
    assert len(tiled["boxes"][0]) > len(whole["boxes"][0]) > 0
    assert (np.diff(tiled["scores"][0]) <= 0).all()


def test_a_video_becomes_a_video_and_a_line_for_each_frame(eager: Path, tmp_path: Path) -> None:
    frames = [np.asarray(paint(0))] * 4
    write_video(tmp_path / "clip.mp4", frames, 10)
    out = tmp_path / "found"
    assert main(["predict", str(eager), str(tmp_path / "clip.mp4"), "-o", str(out)]) == 0
    records = lines(out / "predictions.jsonl")
    assert [each["id"] for each in records] == [f"clip.mp4#{number}" for number in range(4)]
    assert all((each["width"], each["height"]) == (64, 48) for each in records)
    drawn = read_frames(out / "clip.mp4")
    assert [frame.read().shape for frame in drawn] == [(48, 64, 3)] * 4
    assert not (out / "pictures").exists()


def test_every_other_frame_of_a_video(transferred: zoo.Run, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [np.asarray(paint(0))] * 5, 10)
    settings = {"data.every_frame": 2}
    found = zoo.predict(transferred.path, tmp_path / "clip.mp4", settings=settings)
    assert [each["id"] for each in found.records] == ["clip.mp4#0", "clip.mp4#2", "clip.mp4#4"]


@pytest.mark.parametrize("name", ["nothing", "empty.mp4", "*.png"])
def test_what_holds_no_picture_is_an_error_that_says_so(
    eager: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.mp4").touch()
    code = main(["predict", str(eager), str(tmp_path / name), "-o", str(tmp_path / "found")])
    said = capsys.readouterr().err
    assert code == zoo.ExitCode.DATA
    assert "Traceback" not in said
    assert name in said
    assert not (tmp_path / "found").exists()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
