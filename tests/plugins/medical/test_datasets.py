"""Scans of classes: folders, tables, DICOM and NIfTI, and splits by patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medical_files import picture, write_dicom, write_nifti, write_picture, write_table
from zoo_medical.data.datasets import Images
from zoo_medical.data.unlabelled import Unlabelled

from zoo import Batch, ConfigError, Data, DataError, all_rows


def load(path: Path, kind: Any = Images, seed: int = 0, **settings: Any) -> Data:
    return kind(path=str(path), **settings).load(seed=seed, cache=path.parent / "cache")


def everything(data: Data) -> Batch:
    splits = [all_rows(split) for split in data.splits.values()]
    return {name: np.concatenate([each[name] for each in splits]) for name in splits[0]}


def codes(data: Data) -> list[str]:
    return [finding.code for finding in data.findings]


def folders(root: Path, count: int = 30, suffix: str = ".png") -> Path:
    """Write pictures of two classes, three of each patient, whose number is in the name."""
    for number in range(count):
        name = f"p{number // 3:02d}_{number}{suffix}"
        write_picture(root / ("ill", "well")[number % 2] / name, picture(number))
    return root


def test_a_folder_is_a_class_and_columns_are_as_tasks_want_them(tmp_path: Path) -> None:
    data = load(folders(tmp_path / "in"))
    columns = everything(data)

    assert data.info.facts["classes"] == ["ill", "well"]
    assert data.info.facts["dimensions"] == 2
    assert data.info.facts["channels"] == 1
    assert data.info.facts["size"] == [24, 32]
    assert sum(data.info.counts.values()) == 30
    assert set(columns) == {"id", "scan", "label", "group"}
    assert [name.split("/")[0] for name in columns["id"]] == columns["label"].tolist()
    assert columns["scan"][0].read().shape == (24, 32, 1)
    number = int(columns["id"][0].split("_")[1].removesuffix(".png"))
    np.testing.assert_allclose(columns["scan"][0].read()[..., 0] * 255, picture(number), atol=1e-4)


def test_names_can_tell_the_patient(tmp_path: Path) -> None:
    data = load(folders(tmp_path / "in"), group=r"/(p\d+)_")

    groups = [set(all_rows(split)["group"]) for split in data.splits.values()]
    assert set.union(*groups) == {f"p{number:02d}" for number in range(10)}
    assert sum(map(len, groups)) == 10


def test_a_table_tells_classes_patients_splits_and_more(tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        write_picture(tmp_path / "in" / f"{number}.png", picture(number))
        row = {"image": f"{number}", "diagnosis": ("ill", "well")[number % 2]}
        rows.append({**row, "Patient ID": f"p{number // 2}", "sex": "fm"[number % 2], "age": 40})

    data = load(write_table(tmp_path / "in" / "table.csv", rows))
    for number, row in enumerate(rows):
        row["split"] = ("train", "val", "test")[number // 8]
    table = write_table(tmp_path / "in" / "official.csv", rows)
    official = load(table)
    read, _ = Images(classes=("ill", "well")).read(str(table), cache=tmp_path)

    columns = everything(data)
    groups = [set(all_rows(split)["group"]) for split in data.splits.values()]
    assert set(columns) == {"id", "scan", "label", "group", "sex", "age"}
    assert sum(map(len, groups)) == len(set.union(*groups)) == 12
    assert not any(name.startswith("p1") for name in set.union(*groups))  # hashed, never as it is
    assert official.info.counts == {"train": 8, "validation": 8, "test": 8}
    assert set(all_rows(official.splits["test"])["id"]) == {str(number) for number in range(16, 24)}
    assert all_rows(read)["split"].tolist().count("test") == 8


def test_dicom_files_tell_the_patient_themselves(tmp_path: Path) -> None:
    for number in range(24):
        pixels = picture(number).astype(np.uint16)
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.dcm"
        write_dicom(path, pixels, PatientID=f"patient {number // 2}")

    data = load(tmp_path / "in")

    groups = [set(all_rows(split)["group"]) for split in data.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 12


def test_files_of_one_patient_are_not_split_unless_the_user_says_so(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"IM{number}"
        write_dicom(path, picture(number).astype(np.uint16))

    with pytest.raises(DataError, match="12 examples are of 1 patients") as failed:
        load(tmp_path / "in")
    data = load(tmp_path / "in", split_by="example")

    assert "data.split_by=example" in failed.value.hint
    assert sum(data.info.counts.values()) == 12
    assert len(set(everything(data)["group"])) == 12


def test_the_window_is_the_users_or_refused(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.dcm"
        write_dicom(path, picture(number).astype(np.uint16), PatientID=f"{number}")

    plain, dark = load(tmp_path / "in"), load(tmp_path / "in", window=(2000, 1000))

    assert everything(plain)["scan"][0].read().max() == 1
    assert everything(dark)["scan"][0].read().max() == 0
    assert plain.info.fingerprint != dark.info.fingerprint
    with pytest.raises(ConfigError, match=r"data\.window = \[5\.0\]"):
        load(tmp_path / "in", window=(5.0,))


def test_a_series_is_a_volume_and_its_slices_can_be_examples(tmp_path: Path) -> None:
    for number in range(8):
        for place in range(3):
            folder = tmp_path / "in" / ("ill", "well")[number % 2] / f"scan{number}"
            about = {"PatientID": f"p{number}", "SeriesInstanceUID": f"1.2.{number}"}
            pixels = picture(10 * number + place).astype(np.uint16)
            write_dicom(folder / f"{place}.dcm", pixels, InstanceNumber=3 - place, **about)

    volumes, slices = load(tmp_path / "in", series=True), load(tmp_path / "in", slices=True)
    parts = load(tmp_path / "in", series=True, slices=True)

    columns = everything(volumes)
    assert sorted(columns["id"])[0] == "ill/scan0"
    assert volumes.info.facts["dimensions"] == 3
    assert volumes.info.facts["size"] == [3, 24, 32]
    assert sum(volumes.info.counts.values()) == 8
    first = columns["scan"][columns["id"] == "ill/scan0"][0].read()[..., 0]
    np.testing.assert_allclose(first[0] / first[0].max(), picture(2) / picture(2).max(), atol=0.01)
    assert sum(slices.info.counts.values()) == 24
    assert slices.info.facts["dimensions"] == 2
    both = everything(parts)
    assert len(both["id"]) == 24
    assert "ill/scan0#0002" in both["id"]
    np.testing.assert_array_equal(
        both["scan"][both["id"] == "ill/scan0#0001"][0].read()[..., 0], first[1]
    )


def test_slices_of_a_volume_stay_in_one_split(tmp_path: Path) -> None:
    for number in range(12):
        volume = np.stack([picture(50 * number + place) for place in range(4)], axis=-1)
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.nii.gz"
        write_nifti(path, volume.astype(np.int16), np.diag([1, 1, 5, 1.0]))

    data = load(tmp_path / "in", slices=True)

    files = [{name.split("#")[0] for name in all_rows(each)["id"]} for each in data.splits.values()]
    assert sum(map(len, files)) == len(set.union(*files)) == 12
    assert sum(data.info.counts.values()) == 48
    assert data.info.facts["spacing"] == [1, 1]


def test_pictures_and_volumes_are_not_mixed(tmp_path: Path) -> None:
    folders(tmp_path / "in")
    for number in range(12):
        volume = np.random.default_rng(number).normal(size=(8, 8, 8)).astype(np.float32)
        write_nifti(tmp_path / "in" / "ill" / f"v{number}.nii", volume)

    with pytest.raises(DataError, match="pictures and others volumes") as failed:
        load(tmp_path / "in")
    assert "data.slices=true" in failed.value.hint


@pytest.mark.parametrize("separator", ["|", ", "])
def test_a_table_may_name_several_findings_or_none(tmp_path: Path, separator: str) -> None:
    named = ["Edema", separator.join(["Effusion", "Edema"]), "No Finding", ""]
    rows = []
    for number in range(24):
        write_picture(tmp_path / "in" / f"{number}.png", picture(number))
        rows.append({"image": f"{number}.png", "Finding Labels": named[number % 4]})

    data = load(write_table(tmp_path / "in" / "t.csv", rows), multi_label=True)

    assert set(everything(data)["label"]) == {"Edema", "Edema|Effusion", ""}
    assert data.info.facts["classes"] == ["Edema", "Effusion"]
    assert sum(each["Edema"] for each in data.info.classes.values()) == 12


def test_a_table_may_have_a_column_for_each_finding(tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        write_picture(tmp_path / "in" / f"{number}.png", picture(number))
        edema, effusion = ("1.0", "0", "")[number % 3], ("1", "-1")[number % 2]
        rows.append({"Path": f"{number}.png", "Edema": edema, "Effusion": effusion, "Sex": "F"})
    table = write_table(tmp_path / "in" / "t.csv", rows)

    data = load(table, multi_label=True, classes=("Edema", "Effusion"))

    assert set(everything(data)["label"]) == {"Edema", "Effusion", "Edema|Effusion", ""}
    assert set(everything(data)) == {"id", "scan", "label", "group", "Sex"}
    assert "uncertain-labels" in codes(data)
    with pytest.raises(DataError, match="No column of the table is called label"):
        load(table, multi_label=True)


def test_new_files_are_labelled_only_if_something_says_so(tmp_path: Path) -> None:
    write_picture(tmp_path / "new" / "a.png", picture(0))
    reader = Images(classes=("Edema", "Effusion"), multi_label=True)

    bare, _ = reader.read(str(tmp_path / "new"), cache=tmp_path)
    row = {"image": "a.png", "findings": "none"}
    none, _ = reader.read(str(write_table(tmp_path / "new" / "t.csv", [row])), cache=tmp_path)

    assert "label" not in all_rows(bare)
    assert all_rows(none)["label"].tolist() == [""]


def test_what_was_settled_reads_new_files_the_same(tmp_path: Path) -> None:
    folders(tmp_path / "in")
    data = load(tmp_path / "in")
    settled = Images(path=str(tmp_path / "in")).settled(data.info)

    examples, findings = settled.read(str(tmp_path / "in"), cache=tmp_path)

    assert settled.classes == ("ill", "well")
    assert set(all_rows(examples)) == set(everything(data))
    assert len(examples) == 30
    assert not [each for each in findings if each.level == "error"]


def test_bad_files_are_named_and_the_others_used(tmp_path: Path) -> None:
    folders(tmp_path / "in")
    (tmp_path / "in" / "ill" / "bad.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "in" / "well" / "bad.dcm").write_text("hello")
    (tmp_path / "in" / "well" / "bad.nii.gz").write_bytes(b"\x1f\x8b nothing")
    (tmp_path / "in" / "notes.txt").write_text("not a scan")

    data = load(tmp_path / "in")

    bad = {Path(each.where).name: each for each in data.findings if each.code == "bad-file"}
    assert set(bad) == {"bad.png", "bad.dcm", "bad.nii.gz"}
    assert all(each.message and each.hint for each in bad.values())
    assert sum(data.info.counts.values()) == 30
    assert "other-files" in codes(data)


def test_loading_twice_is_the_same_and_content_changes_the_fingerprint(tmp_path: Path) -> None:
    folder = folders(tmp_path / "in")
    first, again = load(folder), load(folder)
    write_picture(folder / "ill" / "p00_0.png", picture(999))
    changed = load(folder)

    assert first.info == again.info
    assert changed.info.fingerprint != first.info.fingerprint


def test_a_share_of_the_training_patients_can_be_used(tmp_path: Path) -> None:
    folder = folders(tmp_path / "in", 60)
    whole = load(folder, group=r"/(p\d+)_")
    part = load(folder, group=r"/(p\d+)_", train_share=0.5)

    ids = {name: set(all_rows(split)["id"]) for name, split in part.splits.items()}
    assert ids["train"] < set(all_rows(whole.splits["train"])["id"])
    assert ids["test"] == set(all_rows(whole.splits["test"])["id"])
    assert part.info.counts["train"] == pytest.approx(whole.info.counts["train"] / 2, abs=3)
    groups = set(all_rows(part.splits["train"])["group"])
    assert len(groups) * 3 == part.info.counts["train"]
    assert sum(part.info.classes["train"].values()) == part.info.counts["train"]
    assert "train-share" in codes(part)


def test_unlabelled_scans_are_loaded_whatever_their_folders_say(tmp_path: Path) -> None:
    folder = folders(tmp_path / "in")
    write_picture(folder / "more.png", picture(100))

    data = load(folder, Unlabelled)

    columns = everything(data)
    assert set(columns) == {"id", "scan", "group"}
    assert len(columns["id"]) == 31
    assert data.info.facts["size"] == [24, 32]
    read, _ = Unlabelled().read(str(folder), cache=tmp_path)
    assert set(all_rows(read)) == set(columns)


def test_nothing_or_one_class_is_refused_with_what_to_do(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "ill" / "a.png", picture(0))

    with pytest.raises(DataError, match="two classes or more"):
        load(tmp_path / "in")
    with pytest.raises(DataError, match="There is no file"):
        load(tmp_path / "gone")
