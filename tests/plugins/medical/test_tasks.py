"""Classes and findings: from scans to what networks take, and from logits to what a clinic asks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from medical_scans import discs, info_of
from zoo_medical.inference.views import mean_over_views
from zoo_medical.models.classifiers import ResNet
from zoo_medical.preprocessing import (
    ScanPreprocessing,
    canvas,
    look_at,
    on_canvas,
    resized,
    with_channels,
)
from zoo_medical.scans.scan import ArrayScan
from zoo_medical.tasks.classify import Classify, mean_of_members
from zoo_medical.tasks.findings import Findings

import zoo
from zoo.data.examples import Columns
from zoo.inference import Sweep

CLASSES = ("disc", "normal")


def test_scans_keep_their_shape_and_brightness_on_a_canvas() -> None:
    scan = np.full((20, 10, 1), 0.4, np.float32)
    placed = on_canvas(scan, (28, 28), 1)
    inside = placed[..., 0] > 0
    assert inside.any(axis=0).sum() == 14
    assert inside.any(axis=1).sum() == 28
    np.testing.assert_allclose(placed[inside], 0.4, atol=1e-6)


def test_a_scan_of_the_right_size_is_not_touched() -> None:
    scan = np.random.default_rng(0).random((28, 28, 1)).astype(np.float32)
    np.testing.assert_array_equal(on_canvas(scan, (28, 28), 1), scan)


@pytest.mark.parametrize("sizes", [(9, 14), (5, 9, 14)])
def test_shrinking_averages_and_growing_interpolates(sizes: tuple[int, ...]) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, sizes[-1], dtype=np.float32)[:, None], (*sizes, 1))
    for factor in (0.5, 2):
        shape = [max(1, round(factor * side)) for side in sizes]
        found = resized(ramp, shape)
        assert found.shape == (*shape, 1)
        assert (np.diff(found[..., 0], axis=-1) >= -1e-6).all()
        assert found.mean() == pytest.approx(0.5, abs=1e-3)


def test_channels_are_repeated_or_averaged_and_else_refused() -> None:
    colour = np.random.default_rng(0).random((4, 4, 3))
    assert with_channels(colour[..., :1], 3).shape == (4, 4, 3)
    np.testing.assert_allclose(with_channels(colour, 1)[..., 0], colour.mean(axis=-1))
    with pytest.raises(zoo.DataError, match="2 channels, and the model takes 3"):
        with_channels(colour[..., :2], 3)


def test_scans_are_looked_at_alike_whatever_their_size() -> None:
    dark, bright = (
        np.full((side, side, 1), value, np.float32) for side, value in ((10, 0.2), (40, 0.6))
    )
    look = look_at([ArrayScan(dark), ArrayScan(bright)])
    assert look.mean == pytest.approx((0.4,))
    assert look.deviation == pytest.approx((0.2,))
    assert look.shape == (25, 25)
    assert canvas(look, 0) == (25, 25)
    assert canvas(look, 64) == (64, 64)


def test_pictures_and_volumes_do_not_go_together() -> None:
    scans = [ArrayScan(np.zeros((8, 8, 1))), ArrayScan(np.zeros((8, 8, 8, 1)))]
    with pytest.raises(zoo.DataError, match="pictures and others are volumes"):
        look_at(scans)


def test_a_scan_that_cannot_be_used_is_named() -> None:
    preprocessing = Classify().prepare(discs(8, 16, 16), info_of(*CLASSES))
    volume = ArrayScan(np.zeros((8, 8, 8, 1), np.float32), "head.nii")
    with pytest.raises(zoo.DataError, match=r"head\.nii.* volume"):
        preprocessing.inputs({"scan": zoo.object_column([volume, volume])})


def test_the_finding_is_the_class_that_is_not_called_normal() -> None:
    examples = discs(8, 16, 16)
    assert Classify().prepare(examples, info_of("disc", "normal")).classes == ("normal", "disc")
    turned = Classify(positive="normal").prepare(examples, info_of("disc", "normal"))
    assert turned.classes == ("disc", "normal")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Classify(positive="dics"), "Did you mean|disc"),
        (Classify(operating_point="youden"), "two classes"),
    ],
)
def test_settings_that_do_not_suit_the_classes_are_refused(task: Classify, said: str) -> None:
    classes = ("disc", "normal") if task.positive else ("a", "b", "c")
    with pytest.raises(zoo.ConfigError) as error:
        task.prepare(discs(8, 16, 16), info_of(*classes))
    assert any(part in f"{error.value.message} {error.value.hint}" for part in said.split("|"))


def test_members_are_averaged() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_allclose(mean_of_members(logits, 2), [[2, 3], [8, 9]])


def outputs_of(logits: np.ndarray, *classes: str) -> zoo.Batch:
    names = np.array(classes, object)
    return {"logits": logits, "classes": np.broadcast_to(names, logits.shape)}


def noisy_logits(count: int = 300) -> tuple[zoo.Batch, zoo.Batch]:
    """Return truth of a rare finding, and logits that are far too sure of themselves."""
    random = np.random.default_rng(0)
    ill = random.random(count) < 0.25
    score = 8 * (1.0 * ill - 1.2 + random.normal(0, 0.8, count))
    truth = {"label": np.where(ill, "ill", "well").astype(object)}
    return truth, outputs_of(np.stack([np.zeros(count), score], axis=1), "well", "ill")


@pytest.mark.parametrize("rule", ["youden", "specificity"])
def test_the_operating_point_is_chosen_on_validation_and_kept(rule: Any) -> None:
    truth, outputs = noisy_logits()
    task = Classify(operating_point=rule, specificity=0.8)
    decision = task.tune(truth, outputs)
    found = task.decode(outputs, decision)
    assert decision["calibration_after"] < decision["calibration_before"]
    called = found["label"] == "ill"
    np.testing.assert_array_equal(called, found["probabilities"][:, 1] >= decision["threshold"])
    values = {
        each.name: each.compute(np.ones(300, np.int64)) for each in task.metrics(truth, found)
    }
    plain = Classify().decode(outputs, {"temperature": decision["temperature"]})
    before = {
        each.name: each.compute(np.ones(300, np.int64)) for each in task.metrics(truth, plain)
    }
    assert values["sensitivity"] > before["sensitivity"]
    assert values["auroc"] == before["auroc"]
    if rule == "specificity":
        assert values["specificity"] >= 0.8
        assert values["sensitivity"] == pytest.approx(values["sensitivity_at_specificity"])


def test_without_an_operating_point_the_likeliest_class_is_said() -> None:
    truth, outputs = noisy_logits()
    decision = Classify().tune(truth, outputs)
    assert "threshold" not in decision
    found = Classify().decode(outputs, decision)
    np.testing.assert_array_equal(
        found["label"], np.array(["well", "ill"], object)[outputs["logits"].argmax(axis=1)]
    )


def test_what_is_monitored_is_first_and_equals_its_references() -> None:
    truth, outputs = noisy_logits()
    task = Classify()
    found = task.decode(outputs, {})
    metrics = task.metrics(truth, found)
    assert metrics[0].name == task.monitor == "auroc"
    values = {each.name: each.compute(np.ones(300, np.int64)) for each in metrics}
    for name, expected in task.references(truth, found).items():
        assert values[name] == pytest.approx(expected, abs=1e-6)


def small_network(views: int) -> tuple[Classify, keras.Model, Columns, ScanPreprocessing]:
    keras.utils.set_random_seed(0)
    task = Classify(views=views)
    examples = discs(6, 28, 28)
    preprocessing = task.prepare(examples, info_of(*CLASSES))
    return task, ResNet(size="tiny").build(preprocessing.space), examples, preprocessing


def test_views_are_averaged_and_the_first_is_the_scan_itself() -> None:
    task, model, examples, preprocessing = small_network(views=4)
    inputs = preprocessing.inputs(zoo.all_rows(examples))
    one = mean_over_views(model, 1, flip=False)(inputs)
    np.testing.assert_allclose(one, model.predict_on_batch(inputs), atol=1e-6)
    several = Sweep(task, preprocessing, examples, 6).outputs(model)["logits"]
    assert np.abs(several - one).max() > 1e-5
    np.testing.assert_allclose(several, mean_over_views(model, 4, flip=False)(inputs), atol=1e-5)
    assert Classify().predictor(model, preprocessing) is None


def test_an_explanation_stands_in_records_figures_and_files(tmp_path: Path) -> None:
    task, model, examples, preprocessing = small_network(views=1)
    truth = zoo.all_rows(examples)
    found = task.decode(Sweep(task, preprocessing, examples, 6).outputs(model), {})
    found |= task.explain(model, preprocessing, truth, found)
    record = next(task.records(truth, found))
    assert np.shape(record["occlusion"]) == (7, 7)
    titles = [figure.title for figure in task.figures(truth, found, {"temperature": 1.0})]
    assert titles[0] == "Operating points"
    assert "Where it was told from" in titles
    assert "Do the maps depend on what was learnt?" in titles
    task.files(truth, found, tmp_path, preprocessing)
    assert len(list((tmp_path / "explanations").glob("*.png"))) == 12
    assert len((tmp_path / "classes.csv").read_text().splitlines()) == 7


def test_every_task_says_that_it_is_no_medical_device() -> None:
    for task in (Classify, Findings):
        assert task.notice.startswith("Not a medical device.")


def finding_outputs(count: int = 200) -> tuple[zoo.Batch, zoo.Batch]:
    random = np.random.default_rng(0)
    there = random.random((count, 2)) < (0.1, 0.5)
    logits = 5 * (there - np.array([1.5, 0.5]) + random.normal(0, 0.7, there.shape))
    labels = zoo.object_column(
        "|".join(name for name, each in zip(("cyst", "nodule"), row, strict=True) if each)
        for row in there
    )
    return {"label": labels}, outputs_of(logits, "cyst", "nodule")


def test_findings_are_learnt_from_joined_names() -> None:
    examples = discs(8, 16, 16)
    examples.columns["label"] = zoo.object_column(["a|b", "", "b", "a"] * 2)
    preprocessing = Findings().prepare(examples, info_of("a", "a|b", "b"))
    assert preprocessing.classes == ("a", "b")
    targets = preprocessing.targets(zoo.all_rows(examples))
    np.testing.assert_array_equal(targets[:4], [[1, 1], [0, 0], [0, 1], [1, 0]])


def test_each_finding_has_its_own_threshold_and_calibration() -> None:
    truth, outputs = finding_outputs()
    task = Findings()
    decision = task.tune(truth, outputs)
    assert decision["threshold cyst"] < decision["threshold nodule"]
    assert decision["calibration_after"] < decision["calibration_before"]
    found = task.decode(outputs, decision)
    names = ("cyst", "nodule")
    thresholds = [decision[f"threshold {name}"] for name in names]
    np.testing.assert_array_equal(found["called"], found["probabilities"] >= thresholds)
    values = {
        each.name: each.compute(np.ones(200, np.int64)) for each in task.metrics(truth, found)
    }
    assert {"auroc_cyst", "auroc_nodule"} <= values.keys()
    for name, expected in task.references(truth, found).items():
        assert values[name] == pytest.approx(expected, abs=1e-6)


def test_findings_are_shown_for_subgroups() -> None:
    truth, outputs = finding_outputs()
    truth["sex"] = zoo.object_column("fm" * 100)
    task = Findings(subgroups=("sex",))
    figures = task.figures(truth, task.decode(outputs, {}), {})
    assert figures[-1].title == "Subgroups"
    assert figures[-1].html.count("<tr>") == 3


def test_findings_are_written_for_spreadsheets(tmp_path: Path) -> None:
    _, outputs = finding_outputs(3)
    task = Findings()
    found = task.decode(outputs, {"threshold cyst": 0.0, "threshold nodule": 1.1})
    batch = {"id": zoo.object_column("abc")}
    assert [record["findings"] for record in task.records(batch, found)] == [["cyst"]] * 3
    preprocessing = ScanPreprocessing(
        classes=("cyst", "nodule"), shape=(8, 8), channels=1, mean=(0.0,), deviation=(1.0,)
    )
    task.files(batch, found, tmp_path, preprocessing)
    with (tmp_path / "findings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["called"] for row in rows] == ["cyst"] * 3
    assert float(rows[0]["nodule"]) == pytest.approx(found["probabilities"][0, 1], abs=1e-6)
