"""The plugin from files to predictions, by what a user types."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medical_scans import discs
from PIL import Image

import zoo
from zoo.registry import registry

TINY = {
    "evaluation.samples": 5,
    "model.size": "tiny",
    "train.batch_size": 4,
    "train.stages": [{"steps": 2}],
}
PATIENT = r"(p\d+)_"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))


def grey(array: np.ndarray) -> Image.Image:
    return Image.fromarray((255 * array).round().astype(np.uint8))


def write_classes(folder: Path, count: int = 40) -> Path:
    columns = discs(count, 28, 28).columns
    for row, scan in enumerate(columns["scan"]):
        place = folder / str(columns["label"][row])
        place.mkdir(parents=True, exist_ok=True)
        grey(scan.read()[..., 0]).save(place / f"p{row // 2:02d}_{row}.png")
    return folder


def write_volumes(folder: Path, count: int = 24) -> Path:
    """Write NIfTI volumes with masks, of 2 mm slices that lie as scanners often leave them."""
    affine = np.array([[-0.8, 0, 0, 9], [0, 0.9, 0, -4], [0, 0, 2.0, 7], [0, 0, 0, 1]])
    columns = discs(count, 10, 18, 20).columns
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for row in range(count):
        volume = columns["scan"][row].read()[..., 0].transpose(2, 1, 0)
        mask = columns["mask"][row].read().transpose(2, 1, 0)
        name = f"p{row // 2:02d}_{row}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(1000 * volume, affine), folder / "images" / name)
        nibabel.save(nibabel.Nifti1Image(mask, affine), folder / "masks" / name)
    return folder


@pytest.mark.parametrize("recipe", ["classify", "findings", "segment", "pretrain", "contrast"])
def test_a_recipe_of_each_task_is_there(recipe: str) -> None:
    spec = registry().spec("recipe", f"medical/{recipe}")
    assert spec.trial
    assert spec.default == (recipe == "classify")


def test_classes_from_files_to_predictions(tmp_path: Path) -> None:
    run = zoo.train(
        "medical",
        data=str(write_classes(tmp_path / "scans")),
        settings={**TINY, "data.group": PATIENT, "task.operating_point": "specificity"},
        runs=tmp_path / "runs",
    )
    report = run.report.read_text(encoding="utf-8")
    assert "Not a medical device" in report
    assert "Where it was told from" in report
    assert "Sensitivity at 90% specificity" in report
    assert "Not a medical device" in (run.bundle / "README.md").read_text(encoding="utf-8")
    assert run.evaluation["monitor"] == "auroc"
    assert 0 < run.evaluation["decision"]["threshold"] < 1

    new = tmp_path / "new"
    new.mkdir()
    grey(np.full((40, 30), 0.3)).save(new / "good.png")
    (new / "bad.png").write_bytes(b"")
    found = zoo.predict(run.path, new, explain=True)
    (record,) = found.records
    assert record["label"] in ("normal", "disc")
    assert len(record["occlusion"]) == 7
    assert any("bad.png" in finding.where for finding in found.findings)
    found.write(tmp_path / "out")
    assert len(list((tmp_path / "out" / "explanations").glob("*.png"))) == 2


def test_findings_from_a_table_to_predictions(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "scans")
    rows = ["image,patient,finding,sex"]
    for row, path in enumerate(sorted(folder.rglob("*.png"))):
        label = ("disc|shadow", "shadow", "", "disc")[row % 4]
        rows.append(f"{path.relative_to(folder)},{path.name[:3]},{label},{'fm'[row % 2]}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    run = zoo.train(
        "medical/findings", data=str(folder / "labels.csv"), settings=TINY, runs=tmp_path / "runs"
    )
    assert {"threshold disc", "threshold shadow"} <= run.evaluation["decision"].keys()
    found = zoo.predict(run.path, folder / "normal")
    assert set(found.records[0]["probabilities"]) == {"disc", "shadow"}
    found.write(tmp_path / "out")
    with (tmp_path / "out" / "findings.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found.records)


def test_volumes_from_files_to_masks_in_their_own_geometry(tmp_path: Path) -> None:
    folder = write_volumes(tmp_path / "volumes")
    settings = {**TINY, "data.group": PATIENT, "evaluation.baselines": False}
    run = zoo.train("medical/segment", data=str(folder), settings=settings, runs=tmp_path / "runs")
    assert run.evaluation["monitor"] == "dice"
    assert "Worst scans" in run.report.read_text(encoding="utf-8")
    new = tmp_path / "new"
    new.mkdir()
    given = nibabel.load(folder / "images" / "p00_1.nii.gz")
    nibabel.save(given, new / "chest.nii.gz")
    zoo.predict(run.path, new).write(tmp_path / "out")
    (path,) = (tmp_path / "out" / "masks").iterdir()
    mask = nibabel.load(path)
    assert mask.shape == given.shape
    np.testing.assert_allclose(mask.affine, given.affine, atol=1e-5)
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    (size,) = json.loads(lines[0])["classes"].values()
    voxels = np.count_nonzero(np.asarray(mask.dataobj))
    assert size["pixels"] == voxels
    assert size["ml"] == pytest.approx(voxels * 0.8 * 0.9 * 2.0 / 1000, abs=1e-3)
