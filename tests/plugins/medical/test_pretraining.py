"""Pretraining: what is hidden, what is measured, and that it starts other recipes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from medical_scans import discs, fitted, info_of
from PIL import Image
from zoo_medical.data.unlabelled import Unlabelled
from zoo_medical.models.classifiers import ResNet
from zoo_medical.tasks.pretrain import Pretrain, compared

import zoo
from zoo.inference import Sweep

TASK = Pretrain(noise=0.0, hidden=0.4)


def test_what_is_hidden_of_an_example_depends_on_its_name_alone() -> None:
    examples = zoo.all_rows(discs(40, 28, 28))
    preprocessing = TASK.prepare(zoo.Columns(examples), info_of())
    holes = preprocessing.inputs(examples)["hidden"]
    assert holes.shape == (40, 28, 28, 1)
    assert holes.mean() == pytest.approx(0.4, abs=0.05)
    alone = preprocessing.holes(examples["id"][5:6])
    np.testing.assert_array_equal(alone[0], holes[5])
    assert (holes[0] != holes[1]).any()
    # Holes are whole patches of 4 px.
    np.testing.assert_array_equal(holes[:, ::4, ::4].repeat(4, axis=1).repeat(4, axis=2), holes)


def test_training_hides_other_patches_each_time_and_compares_with_the_varied_scan() -> None:
    examples = discs(8, 30, 26)
    preprocessing = TASK.prepare(examples, info_of())
    inputs = preprocessing.inputs(zoo.all_rows(examples))
    augment = TASK.augmentation(preprocessing.space)
    seen = []
    for number in (1, 2):
        seeds = tf.constant(np.stack([np.full(8, number), np.arange(8)], axis=1))
        varied, targets = augment(inputs, tf.zeros((8, 30, 26, 1)), seeds, tf.constant(0.0))
        np.testing.assert_array_equal(varied["scan"], targets)
        seen.append(varied["hidden"].numpy())
    assert seen[0].shape == (8, 30, 26, 1)
    assert (seen[0] != seen[1]).any()
    assert set(np.unique(seen[0])) == {0.0, 1.0}


def test_the_error_is_that_of_hidden_pixels() -> None:
    examples = zoo.all_rows(discs(6, 28, 28))
    preprocessing = TASK.prepare(zoo.Columns(examples), info_of())
    whole, holes = preprocessing.targets(examples), preprocessing.holes(examples["id"])
    found = compared(whole + 0.1 * holes, examples, preprocessing)
    np.testing.assert_allclose(found["error"], 0.1, atol=1e-5)
    metric = TASK.metrics(examples, {"error": np.array([0.1, 0.2, 0.6])})[0]
    assert metric.compute(np.array([1, 2, 0])) == pytest.approx(0.5 / 3)
    assert not metric.higher_is_better


def test_filling_in_is_learnt() -> None:
    examples = discs(32, 28, 28)
    preprocessing = TASK.prepare(examples, info_of())
    model = fitted(ResNet(size="tiny"), TASK, examples, preprocessing, batch=16, steps=60)
    truth = zoo.all_rows(examples)
    found = TASK.decode(Sweep(TASK, preprocessing, examples, 16).outputs(model), {})
    ours = found["error"].mean()
    errors = {
        name: baseline(truth, truth)["error"].mean()
        for name, baseline in TASK.baselines(preprocessing).items()
    }
    assert ours < errors["Mean scan"]
    assert errors["Surroundings"] < errors["Mean scan"]
    assert TASK.figures(truth, found, {})[0].html.count("<img") == 6


def write_scans(folder: Path, count: int, *, in_classes: bool) -> Path:
    for row, scan in enumerate(discs(count, 28, 28).columns["scan"]):
        place = folder / ("normal", "disc")[row % 2] if in_classes else folder
        place.mkdir(parents=True, exist_ok=True)
        pixels = (255 * scan.read()[..., 0]).round().astype(np.uint8)
        Image.fromarray(pixels).save(place / f"p{row // 2:02d}_{row}.png")
    return folder


def test_scans_need_no_labels(tmp_path: Path) -> None:
    folder = write_scans(tmp_path / "scans", 40, in_classes=False)
    (folder / "bad.png").write_bytes(b"not a picture")
    dataset = Unlabelled(path=str(folder), group=r"(p\d+)_")
    data = dataset.load(seed=0, cache=tmp_path)
    assert sum(data.info.counts.values()) == 40
    groups = [set(zoo.all_rows(split)["group"]) for split in data.splits.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert {"id", "scan", "group"} <= set(zoo.all_rows(data.splits["train"]))
    assert any("bad.png" in finding.where for finding in data.findings)
    assert dataset.load(seed=0, cache=tmp_path).info.fingerprint == data.info.fingerprint
    assert len(dataset.read(str(folder), cache=tmp_path)[0]) == 40


def test_a_run_of_pretraining_starts_classification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    small = {
        "data.group": r"(p\d+)_",
        "evaluation.samples": 5,
        "model.size": "tiny",
        "train.batch_size": 8,
        "train.stages": [{"steps": 2}],
    }
    pretrained = zoo.train(
        "medical/pretrain",
        data=str(write_scans(tmp_path / "scans", 40, in_classes=False)),
        settings=small,
        runs=tmp_path / "runs",
    )
    assert "Not a medical device" in pretrained.report.read_text(encoding="utf-8")
    run = zoo.train(
        "medical/classify",
        data=str(write_scans(tmp_path / "classes", 40, in_classes=True)),
        weights=str(pretrained.path),
        settings=small,
        runs=tmp_path / "runs",
    )
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (transfer,) = [each for each in map(json.loads, lines) if each["event"] == "transfer"]
    for part in ("stem", "encoder1", "encoder2", "encoder3"):
        assert transfer["parts"][part]["copied"] == transfer["parts"][part]["variables"]
    assert transfer["parts"]["head"]["copied"] == 0
