"""Masks: from scans to tiles, and from a network's tiles to masks, sizes and files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medical_files import write_nifti
from medical_scans import discs, fitted, info_of
from PIL import Image
from zoo_medical.evaluation import mask_baselines
from zoo_medical.models.unet import UNet
from zoo_medical.preprocessing import MaskPreprocessing
from zoo_medical.scans.nifti import NiftiFile
from zoo_medical.scans.scan import ArrayMask, ArrayScan, Slice
from zoo_medical.tasks.classify import Classify
from zoo_medical.tasks.segment import Segment

import zoo
from zoo.inference import Sweep

ONES = np.ones(12, np.int64)


def test_tiles_are_as_large_as_scans_up_to_a_limit() -> None:
    def tile(task: Segment, *sizes: int) -> tuple[int, ...]:
        return task.prepare(discs(2, *sizes), info_of("disc")).tile

    assert tile(Segment(), 50, 70) == (64, 96)
    assert tile(Segment(tile=40), 50, 70) == (40, 40)
    assert tile(Segment(), 10, 30, 40) == (16, 32, 40)
    assert tile(Segment(), 600, 30) == (512, 32)
    with pytest.raises(zoo.ConfigError, match="multiple of 8"):
        tile(Segment(tile=50), 50, 70)


def test_scans_and_masks_are_filled_up_alike() -> None:
    task, examples = Segment(), discs(4, 20, 30)
    preprocessing = task.prepare(examples, info_of("disc"))
    windows = zoo.all_rows(task.windows(examples, preprocessing))
    inputs, targets = preprocessing.inputs(windows), preprocessing.targets(windows)
    assert inputs["scan"].shape == (4, 32, 32, 1)
    assert targets.shape == (4, 32, 32)
    assert targets.dtype == np.int32
    np.testing.assert_array_equal(targets[1, :20, :30], examples.columns["mask"][1].read())
    assert not targets[:, 20:].any()


def test_preprocessing_is_the_same_after_loading(tmp_path: Path) -> None:
    preprocessing = Segment().prepare(discs(4, 20, 30), info_of("disc", "ring"))
    preprocessing.save(tmp_path)
    assert MaskPreprocessing.load(tmp_path) == preprocessing


def certain(masks: list[np.ndarray], sure: float = 0.9) -> zoo.Batch:
    """Return outputs that say `sure` of class 1 where a mask is, and half of it elsewhere."""
    probabilities = [np.where(mask > 0, sure, sure / 2)[..., None] for mask in masks]
    return {
        "probabilities": zoo.object_column(each.astype(np.float16) for each in probabilities),
        "classes": np.broadcast_to(np.array(["disc"], object), (len(masks), 1)),
    }


@pytest.mark.parametrize("sure", [0.3, 0.9])
def test_the_threshold_is_chosen_on_validation(sure: float) -> None:
    truth = zoo.all_rows(discs(12, 24, 24))
    outputs = certain([mask.read() for mask in truth["mask"]], sure)
    decision = Segment().tune(truth, outputs)
    assert sure / 2 < decision["threshold"] < sure
    found = Segment().decode(outputs, decision)
    dice = Segment().metrics(truth, found)[0]
    assert dice.name == Segment.monitor
    assert dice.compute(ONES) == 1.0


def test_the_likeliest_of_several_classes_is_taken() -> None:
    probabilities = np.array([[[0.2, 0.5], [0.4, 0.3], [0.1, 0.2]]], np.float16)
    outputs = {
        "probabilities": zoo.object_column([probabilities]),
        "classes": np.array([["organ", "lesion"]], object),
    }
    found = Segment().decode(outputs, {})
    np.testing.assert_array_equal(found["mask"][0], [[2, 1, 0]])
    assert found["confidence"][0] == pytest.approx(0.7, abs=1e-3)


def test_metrics_equal_their_references() -> None:
    truth = zoo.all_rows(discs(12, 24, 24))
    masks = [mask.read() for mask in discs(12, 24, 24, seed=1).columns["mask"]]
    found = Segment().decode(certain(masks), {})
    values = {each.name: each.compute(ONES) for each in Segment().metrics(truth, found)}
    assert 0 < values["dice"] < 1
    for name, expected in Segment().references(truth, found).items():
        assert values[name] == pytest.approx(expected, abs=1e-6)


def test_a_unet_learns_to_outline_balls() -> None:
    sizes = (16, 24, 24)
    task = Segment(tile=24, overlap=0.3)
    train, test = discs(24, *sizes), discs(12, *sizes, seed=5)
    preprocessing = task.prepare(train, info_of("disc"))
    model = fitted(
        UNet(size="tiny"), task, train, preprocessing, batch=4, steps=70, learning_rate=5e-3
    )
    outputs = Sweep(task, preprocessing, test, 8).outputs(model)
    assert [each.shape for each in outputs["probabilities"]] == [(*sizes, 1)] * 12
    found = task.decode(outputs, {})
    assert task.metrics(zoo.all_rows(test), found)[0].compute(ONES) > 0.8


def test_sizes_are_said_in_square_millimetres_and_millilitres() -> None:
    flat, deep = np.zeros((4, 5), np.uint8), np.zeros((4, 5, 6), np.uint8)
    flat[:2] = deep[:2] = 1
    batch = {
        "id": zoo.object_column(["flat", "deep"]),
        "scan": zoo.object_column(
            [
                ArrayScan(np.zeros((4, 5, 1)), "flat", (0.5, 0.5)),
                ArrayScan(np.zeros((4, 5, 6, 1)), "deep", (10.0, 1.0, 1.0)),
            ]
        ),
    }
    predictions = {
        "mask": zoo.object_column([flat, deep]),
        "classes": np.array([["disc"], ["disc"]], object),
        "confidence": np.array([0.8, np.nan]),
    }
    first, second = Segment().records(batch, predictions)
    assert first["classes"] == {"disc": {"pixels": 10, "mm2": 2.5}}
    assert second["classes"] == {"disc": {"pixels": 60, "ml": 0.6}}
    assert second["confidence"] is None


def test_masks_are_written_in_the_geometry_of_their_scans(tmp_path: Path) -> None:
    picture, volume = discs(2, 20, 30), discs(2, 8, 20, 30)
    batch = {
        name: np.concatenate([picture.columns[name][1:], volume.columns[name][1:]])
        for name in ("id", "scan", "mask")
    }
    batch["scan"][1] = replace(batch["scan"][1], given_spacing=(3.0, 0.7, 0.8))
    masks = [mask.read() for mask in batch["mask"]]
    Segment().files(batch, Segment().decode(certain(masks), {}), tmp_path, None)
    png = np.asarray(Image.open(tmp_path / "masks" / "00000-s1.png"))
    np.testing.assert_array_equal(png, masks[0])
    nifti = nibabel.load(tmp_path / "masks" / "00001-s1.nii.gz")
    assert nifti.header.get_zooms() == pytest.approx((0.8, 0.7, 3.0))
    assert np.count_nonzero(np.asarray(nifti.dataobj)) == np.count_nonzero(masks[1])
    assert {path.name for path in (tmp_path / "overlays").iterdir()} == {
        "00000-s1.png",
        "00001-s1.png",
    }
    with (tmp_path / "sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["unit"]) for row in rows] == [("disc", "mm2"), ("disc", "ml")]


def test_figures_show_the_worst_scans() -> None:
    truth = zoo.all_rows(discs(12, 24, 24))
    masks = [mask.read() for mask in truth["mask"]]
    masks[5] = np.zeros_like(masks[5])
    figures = Segment().figures(truth, Segment().decode(certain(masks), {}), {})
    assert [figure.title for figure in figures] == ["Classes", "Dice by size", "Worst scans"]
    assert "s5: true" in figures[2].html


def test_figures_are_shown_for_subgroups() -> None:
    truth = zoo.all_rows(discs(12, 24, 24)) | {"site": zoo.object_column(["north", "south"] * 6)}
    found = Segment().decode(certain([mask.read() for mask in truth["mask"]]), {})
    figure = Segment(subgroups=("site",)).figures(truth, found, {})[-1]
    assert figure.title == "Subgroups"
    assert "north" in figure.html
    with pytest.raises(zoo.ConfigError, match="'sight'"):
        Segment(subgroups=("sight",)).prepare(zoo.Columns(truth), info_of("disc"))


def test_baselines_outline_what_is_bright_or_always_there() -> None:
    train, test = zoo.all_rows(discs(12, 24, 24)), zoo.all_rows(discs(12, 24, 24, seed=3))
    found = mask_baselines.pixel_by_pixel(["disc"])(train, test)
    assert Segment().metrics(test, found)[0].compute(ONES) > 0.8
    always = {**train, "mask": zoo.object_column([train["mask"][1]] * 12)}
    usual = mask_baselines.usual_place(["disc"])(always, always)
    assert Segment().metrics(always, usual)[0].compute(ONES) > 0.9


def test_it_says_that_it_is_no_medical_device() -> None:
    assert Segment.notice.startswith("Not a medical device.")


def test_masks_of_slices_are_written_as_a_volume(tmp_path: Path) -> None:
    volume = ArrayScan(np.zeros((4, 20, 30, 1), np.float32), "v", (3.0, 0.7, 0.8))
    scans = [ArrayScan(np.zeros((20, 30, 1)), "p"), *(Slice(volume, place) for place in range(4))]
    names = ["p#1", *(f"scans/v#{place:04d}" for place in range(4))]
    batch = {"id": zoo.object_column(names), "scan": zoo.object_column(scans)}
    masks = [np.zeros((20, 30), np.uint8) for _ in scans]
    masks[2][:10], masks[4][:, :5] = 1, 1
    Segment().files(batch, Segment().decode(certain(masks), {}), tmp_path, None)
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {
        "00000-p_1.png",
        "00001-scans_v.nii.gz",
    }
    nifti = nibabel.load(tmp_path / "masks" / "00001-scans_v.nii.gz")
    assert nifti.header.get_zooms() == pytest.approx((0.8, 0.7, 3.0))
    written = np.asarray(nifti.dataobj).transpose(2, 1, 0)
    np.testing.assert_array_equal(written, np.stack(masks[1:]))
    with (tmp_path / "sizes.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["scans/v"]["unit"] == "ml"
    assert float(rows["scans/v"]["size"]) == pytest.approx(400 * 3 * 0.7 * 0.8 / 1000, abs=1e-4)
    assert rows["p#1"]["unit"] == "mm2"


@pytest.mark.parametrize("channels", [2, 16])
@pytest.mark.parametrize("slices", [False, True], ids=["volumes", "slices"])
def test_channels_of_a_nifti_file_reach_the_network(
    tmp_path: Path, channels: int, slices: bool
) -> None:
    values = np.random.default_rng(0).random((12, 16, 8, channels)).astype(np.float32)
    volume = NiftiFile(write_nifti(tmp_path / "a.nii", values))
    scans = [Slice(volume, place) for place in range(8)] if slices else [volume]
    mask = ArrayMask(np.zeros(scans[0].read().shape[:-1], np.uint8))
    columns = {
        "id": zoo.object_column(map(str, range(len(scans)))),
        "scan": zoo.object_column(scans),
        "mask": zoo.object_column([mask] * len(scans)),
    }
    task, examples = Segment(tile=16), zoo.Columns(columns)
    preprocessing = task.prepare(examples, info_of("disc"))
    assert preprocessing.channels == len(preprocessing.mean) == channels
    windows = zoo.all_rows(task.windows(examples, preprocessing))
    scan = preprocessing.inputs(windows)["scan"]
    np.testing.assert_array_equal(
        scan[0][tuple(map(slice, scans[0].read().shape))], scans[0].read()
    )
    assert UNet(size="tiny").build(preprocessing.space)({"scan": scan}).shape == (
        *scan.shape[:-1],
        2,
    )
    canvas = Classify().scan_fields(columns)
    assert canvas["channels"] == channels
