"""Scans with masks: how they are paired, what their numbers mean, and what does not match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medical_files import picture, write_dicom, write_nifti, write_picture, write_table
from zoo_medical.data.datasets import Masks
from zoo_medical.data.pairs import is_mask, paired
from zoo_medical.scans.dicom import series_in

from zoo import Batch, Data, DataError, all_rows

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def load(path: Path, **settings: Any) -> Data:
    return Masks(path=str(path), **settings).load(seed=0, cache=path.parent / "cache")


def everything(data: Data) -> Batch:
    splits = [all_rows(split) for split in data.splits.values()]
    return {name: np.concatenate([each[name] for each in splits]) for name in splits[0]}


def of_code(data: Data, code: str) -> list[Any]:
    return [finding for finding in data.findings if finding.code == code]


def drawn(seed: int, value: int = 1) -> np.ndarray:
    """Return a mask with a box of a value, uint8 [height, width]."""
    mask = np.zeros((24, 32), np.uint8)
    mask[seed % 12 : seed % 12 + 8, 4 : 6 + seed % 20] = value
    return mask


def write_pairs(root: Path, count: int = 12, images: str = "images", masks: str = "masks") -> Path:
    for number in range(count):
        write_picture(root / images / f"{number}.png", picture(number))
        write_picture(root / masks / f"{number}.png", drawn(number, 255))
    return root


LAYOUTS = {
    "images/a.png": "masks/a.png",
    "train/images/b.png": "train/masks/b.png",
    "images/train/c.jpg": "labels/train/c.png",
    "imagesTr/d_0000.nii.gz": "labelsTr/d.nii.gz",
    "patient7/scan.nii.gz": "patient7/scan_seg.nii.gz",
    "e.png": "e_mask.png",
    "images/f_image.tif": "annotations/f-label.png",
}


def test_usual_layouts_are_paired() -> None:
    found = paired([*LAYOUTS, *LAYOUTS.values(), "images/alone.png", "masks/lost.png"])

    assert found == LAYOUTS
    assert all(map(is_mask, LAYOUTS.values()))
    assert not any(map(is_mask, LAYOUTS))


def test_folders_of_equal_names_make_examples(tmp_path: Path) -> None:
    data = load(write_pairs(tmp_path / "in"))
    columns = everything(data)

    assert set(columns) == {"id", "scan", "mask", "group"}
    assert data.info.facts["classes"] == ["foreground"]
    assert data.info.facts["mask_values"] == [255]
    assert data.info.facts["dimensions"] == 2
    assert sum(data.info.counts.values()) == 12
    for name, scan, mask in zip(columns["id"], columns["scan"], columns["mask"], strict=True):
        number = int(Path(name).stem)
        np.testing.assert_array_equal(mask.read(), drawn(number))
        assert mask.read().shape == scan.read().shape[:2]
    assert not of_code(data, "other-files")


def test_folders_of_splits_are_kept(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for number in range(3):
            seed = 10 * len(split) + number
            write_picture(tmp_path / "in" / "images" / split / f"{number}.png", picture(seed))
            write_picture(tmp_path / "in" / "masks" / split / f"{number}.png", drawn(number))

    data = load(tmp_path / "in")

    assert data.info.counts == {"train": 3, "validation": 3, "test": 3}
    assert {name.split("/")[1] for name in all_rows(data.splits["validation"])["id"]} == {"val"}


def test_a_table_names_masks_patients_and_more(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        write_picture(tmp_path / "in" / "x" / f"{number}.png", picture(number))
        write_picture(tmp_path / "in" / "y" / f"{number}_m.png", drawn(number, 1 + number % 2))
        rows.append(
            {
                "image": f"x/{number}.png",
                "mask": f"y/{number}_m" if number else "",
                "patient": f"p{number // 2}",
                "site": "north",
            }
        )

    data = load(write_table(tmp_path / "in" / "t.csv", rows))
    named = load(tmp_path / "in" / "t.csv", classes=("tumour", "vessel"), mask_column="mask")

    assert set(everything(data)) == {"id", "scan", "mask", "group", "site"}
    assert data.info.facts["classes"] == ["1", "2"]
    assert named.info.facts["classes"] == ["tumour", "vessel"]
    assert sum(each["tumour"] for each in named.info.classes.values()) == 5
    assert [each.where for each in of_code(data, "no-mask")] == ["x/0.png"]
    groups = [set(all_rows(split)["group"]) for split in data.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    with pytest.raises(DataError, match="no column 'maks'"):
        load(tmp_path / "in" / "t.csv", mask_column="maks")


def test_volumes_have_masks_of_volumes_and_slices_those_of_slices(tmp_path: Path) -> None:
    for number in range(6):
        volume = np.stack([picture(9 * number + place, 10, 12) for place in range(5)], axis=-1)
        mask = (volume > 128).astype(np.uint8)
        write_nifti(
            tmp_path / "in" / "images" / f"{number}.nii.gz", volume.astype(np.int16), AFFINE
        )
        write_nifti(tmp_path / "in" / "masks" / f"{number}.nii", mask, AFFINE)

    volumes, slices = load(tmp_path / "in"), load(tmp_path / "in", slices=True)

    whole, parts = everything(volumes), everything(slices)
    assert volumes.info.facts["dimensions"] == 3
    assert volumes.info.facts["size"] == [5, 12, 10]
    assert volumes.info.facts["spacing"] == [2, 1, 1]
    assert slices.info.facts["dimensions"] == 2
    assert len(parts["id"]) == 30
    row = whole["id"].tolist().index("images/3.nii.gz")
    scan, mask = whole["scan"][row].read()[..., 0], whole["mask"][row].read()
    assert scan[mask == 1].min() > scan[mask == 0].max()
    part = parts["id"].tolist().index("images/3.nii.gz#0002")
    np.testing.assert_array_equal(parts["mask"][part].read(), mask[2])
    np.testing.assert_array_equal(parts["scan"][part].read()[..., 0], scan[2])


def test_a_series_of_dicom_files_has_a_mask_in_nifti(tmp_path: Path) -> None:
    for number in range(6):
        paths = []
        for place in range(3):
            about = {
                "PatientID": f"p{number}",
                "SeriesInstanceUID": f"1.2.{number}",
                "ImagePositionPatient": [5, -3, 10 - 2 * place],
                "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [0.5, 0.7],
            }
            path = tmp_path / "in" / "images" / f"case{number}" / f"{place}.dcm"
            paths.append(write_dicom(path, picture(9 * number + place).astype(np.uint16), **about))
        (series,) = series_in(paths, None)
        mask = (series.read()[..., 0] > 0.7).astype(np.uint8)
        series.write_like(tmp_path / "in" / "masks" / f"case{number}", mask)

    data = load(tmp_path / "in", series=True)

    columns = everything(data)
    assert sorted(columns["id"]) == [f"images/case{number}" for number in range(6)]
    assert data.info.facts["spacing"] == [2, 0.5, 0.7]
    for scan, mask in zip(columns["scan"], columns["mask"], strict=True):
        np.testing.assert_array_equal(mask.read() == 1, scan.read()[..., 0] > 0.7)


def test_a_dicom_file_as_mask_is_answered_by_what_to_do(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    (root / "masks" / "3.png").unlink()
    write_dicom(root / "masks" / "3.dcm", drawn(3).astype(np.uint16))

    (finding,) = of_code(load(root), "bad-mask")

    assert "masks are read from pictures and NIfTI files" in finding.message


def test_masks_that_do_not_match_are_named_and_left_out(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    write_picture(root / "masks" / "1.png", np.zeros((10, 10), np.uint8))
    write_picture(root / "masks" / "2.png", np.full((24, 32), 7, np.uint8))
    (root / "masks" / "3.png").write_text("no mask")
    (root / "masks" / "4.png").unlink()

    data = load(root, mask_values=(255,), classes=("tumour",))

    assert sum(data.info.counts.values()) == 8
    messages = {each.where: each.message for each in of_code(data, "bad-mask")}
    assert "10 x 10 pixels and its scan 24 x 32" in messages["images/1.png"]
    assert "no picture" in messages["images/3.png"]
    (unknown,) = of_code(data, "unknown-mask-value")
    assert "holds 7; expected 0, 255" in unknown.message
    assert [each.where for each in of_code(data, "no-mask")] == ["images/4.png"]


def test_a_mask_that_lies_elsewhere_is_left_out(tmp_path: Path) -> None:
    for number in range(6):
        volume = picture(number, 8, 10)[..., None].repeat(4, axis=-1).astype(np.int16)
        affine = AFFINE.copy()
        affine[0, 3] = 30 * (number == 0)
        write_nifti(tmp_path / "in" / "images" / f"{number}.nii", volume, AFFINE)
        write_nifti(tmp_path / "in" / "masks" / f"{number}.nii", volume // 200, affine)

    data = load(tmp_path / "in")

    (finding,) = of_code(data, "bad-mask")
    assert finding.where == "images/0.nii"
    assert "affines differ" in finding.message


def test_numbers_without_names_are_asked_for(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    write_picture(root / "masks" / "1.png", drawn(1, 5))

    with pytest.raises(DataError, match="hold 5, 255, and"):
        load(root, classes=("a", "b", "c"))
    for number in range(12):
        write_picture(root / "masks" / f"{number}.png", picture(number))
    with pytest.raises(DataError, match="different numbers, as after JPEG"):
        load(root)
    for number in range(12):
        write_picture(root / "masks" / f"{number}.png", 0 * picture(number))
    with pytest.raises(DataError, match="Nothing is marked"):
        load(root)


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "2": "tumour", "1": "organ"},
        {"background": 0, "tumour": 2, "organ": 1},
    ],
)
def test_a_description_beside_the_data_names_classes(tmp_path: Path, labels: Any) -> None:
    root = tmp_path / "in"
    for number in range(9):
        write_picture(root / "imagesTr" / f"{number}_0000.png", picture(number))
        write_picture(root / "labelsTr" / f"{number}.png", drawn(number, 2))
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))

    described, named = load(root), load(root, classes=("a", "b"))
    (root / "dataset.json").write_text("[1, 2]")

    assert described.info.facts["classes"] == ["organ", "tumour"]
    assert described.info.facts["mask_values"] == [1, 2]
    assert named.info.facts["classes"] == ["a", "b"]
    assert load(root).info.facts["classes"] == ["foreground"]


def test_classes_that_no_mask_holds_are_spoken_of(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    for number in range(12):
        write_picture(root / "masks" / f"{number}.png", drawn(number) * (number % 3 > 0))

    data = load(root, classes=("tumour", "vessel"))

    assert data.info.facts["mask_values"] == [1, 2]
    assert "No example of vessel is in train" in of_code(data, "untrained-class")[0].message
    assert "nothing is marked" in of_code(data, "empty-masks")[0].message


def test_new_scans_are_read_with_masks_only_if_all_have_one(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    data = load(root)
    settled = Masks(path=str(root)).settled(data.info)
    write_picture(tmp_path / "new" / "a.png", picture(50))

    known, _ = settled.read(str(root), cache=tmp_path)
    bare, _ = settled.read(str(tmp_path / "new"), cache=tmp_path)
    write_picture(root / "masks" / "1.png", drawn(1, 9))
    mixed, findings = settled.read(str(root), cache=tmp_path)

    assert settled.mask_values == (255,)
    assert set(all_rows(known)) == set(everything(data))
    assert set(all_rows(bare)) == {"id", "scan", "group"}
    assert set(all_rows(mixed)) == {"id", "scan", "group"}
    assert len(mixed) == 12
    assert "unknown-mask-value" in [each.code for each in findings]


def test_the_fingerprint_follows_masks(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in")
    first, again = load(root), load(root)
    write_picture(root / "masks" / "1.png", drawn(2, 255))

    assert first.info == again.info
    assert load(root).info.fingerprint != first.info.fingerprint
