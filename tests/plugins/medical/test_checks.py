"""What is said of scans that would make figures dishonest or a model useless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medical_files import picture, write_dicom, write_nifti, write_picture, write_table
from PIL import Image, ImageDraw, ImageFont
from zoo_medical.data.datasets import Images, Masks
from zoo_medical.data.lettering import shows_text
from zoo_medical.generator.phantom import Phantom

from zoo import Finding


def check(path: Path, kind: Any = Images, **settings: Any) -> list[Finding]:
    return kind(path=str(path), **settings).check(seed=0, cache=path.parent / "cache")


def of_code(findings: list[Finding], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


def official(root: Path, count: int = 18) -> list[dict[str, str]]:
    """Write pictures, and return rows of a table that says their splits and patients."""
    rows = []
    for number in range(count):
        write_picture(root / f"{number}.png", picture(number))
        split = ("train", "val", "test")[number % 3]
        label = ("ill", "well")[number // 3 % 2]
        row = {"file": f"{number}.png", "label": label, "split": split}
        rows.append({**row, "patient": f"p{number}"})
    return rows


def test_a_patient_in_two_official_splits_is_found_and_not_named(tmp_path: Path) -> None:
    rows = official(tmp_path)
    rows[2]["patient"] = rows[0]["patient"] = "Jane Doe"

    findings = check(write_table(tmp_path / "t.csv", rows))

    (found,) = of_code(findings, "patient-across-splits")
    assert found.message == "1 patients of test are also in train; of them are 2.png."
    assert not any("Jane" in str(each) for each in findings)


def test_near_copies_in_two_splits_are_found(tmp_path: Path) -> None:
    rows = official(tmp_path)
    copy = Image.open(tmp_path / "0.png")
    copy.resize((48, 36)).save(tmp_path / "2.png")
    copy.save(tmp_path / "4.jpg", quality=60)
    rows[4]["file"] = "4.jpg"

    findings = check(write_table(tmp_path / "t.csv", rows))

    found = {each.where for each in of_code(findings, "copies-across-splits")}
    assert found == {"2.png", "4.jpg"}


def test_copies_are_never_drawn_into_two_splits(tmp_path: Path) -> None:
    for number in range(30):
        folder = tmp_path / "in" / ("ill", "well")[number % 2]
        write_picture(folder / f"{number}.png", picture(number // 2 * 2))

    findings = check(tmp_path / "in")

    assert not of_code(findings, "copies-across-splits")
    assert of_code(findings, "copies-within-split")
    assert len(of_code(findings, "contradicting-labels")) == 15


def test_slices_of_a_volume_are_not_called_copies(tmp_path: Path) -> None:
    for number in range(8):
        volume = np.stack([picture(number)] * 3, axis=-1).astype(np.int16)
        write_nifti(tmp_path / "in" / ("a", "b")[number % 2] / f"{number}.nii", volume)

    assert not of_code(check(tmp_path / "in", slices=True), "copies-within-split")


def test_empty_pictures_are_named_and_are_no_copies_of_each_other(tmp_path: Path) -> None:
    rows = official(tmp_path)
    for number in (0, 1, 2):
        write_picture(tmp_path / f"{number}.png", np.full((20, 20), 40, np.uint8))

    findings = check(write_table(tmp_path / "t.csv", rows))

    assert {each.where for each in of_code(findings, "constant-image")} == {
        "0.png",
        "1.png",
        "2.png",
    }
    assert not of_code(findings, "copies-across-splits")


def test_mixed_spacings_are_said_with_the_smallest_and_the_largest(tmp_path: Path) -> None:
    for number in range(12):
        about = {"PatientID": f"{number}", "PixelSpacing": [0.2, 0.2] if number else [0.4, 0.4]}
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.dcm"
        write_dicom(path, picture(number).astype(np.uint16), **about)

    (found,) = of_code(check(tmp_path / "in"), "mixed-spacings")

    assert "0.4 x 0.4 mm in ill/0.dcm" in found.message
    assert "0.2 x 0.2 mm apart" in found.message


def test_mixed_channels_are_said(tmp_path: Path) -> None:
    for number in range(12):
        array = picture(number)
        colour = np.stack([array, array[::-1], array], axis=-1)
        path = tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.png"
        write_picture(path, array if number else colour)

    (found,) = of_code(check(tmp_path / "in"), "mixed-channels")

    assert found.message == "Scans have different numbers of channels: 11 with 1, 1 with 3."


def test_a_check_of_masks_says_what_loading_says(tmp_path: Path) -> None:
    for number in range(9):
        write_picture(tmp_path / "in" / "images" / f"{number}.png", picture(number))
        mask = np.zeros((24, 32), np.uint8)
        mask[:5] = number > 0
        write_picture(tmp_path / "in" / "masks" / f"{number}.png", mask[: 20 + 4 * (number > 1)])

    findings = check(tmp_path / "in", Masks)

    assert {each.where for each in of_code(findings, "bad-mask")} == {
        "images/0.png",
        "images/1.png",
    }
    assert not of_code(findings, "unusable")


def test_data_that_cannot_be_used_are_a_finding_and_no_error(tmp_path: Path) -> None:
    write_picture(tmp_path / "in" / "ill" / "a.png", picture(0))

    (found,) = check(tmp_path / "in")

    assert (found.level, found.code) == ("error", "unusable")
    assert "two classes" in found.message


def lettered(seed: int, text: str, size: int) -> np.ndarray:
    """Return a phantom with a text written into it, [height, width, channels]."""
    image = Image.fromarray((Phantom(0, seed, seed, 256).read()[..., 0] * 230).astype(np.uint8))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((10 + 5 * seed, (3, 215)[seed % 2]), text, fill=255, font=font)
    return np.asarray(image)[..., None] / 255


@pytest.mark.parametrize("size", [12, 16, 24])
def test_text_in_a_picture_is_seen(size: int) -> None:
    texts = ("DOE JANE 1970", "Smith, John", "ID 4711-22 Hosp")

    for seed, text in enumerate(texts):
        values = lettered(seed, text, size)
        assert shows_text(values)
        assert shows_text(1 - values)
        assert shows_text(np.stack([values, values]))


def test_bodies_and_noise_are_not_taken_for_text() -> None:
    rng = np.random.default_rng(0)
    bodies = [
        Phantom(0, n, n, size, 2, ("calcification", "lesion"), n / 10).read()
        for n in range(10)
        for size in (64, 128, 256)
    ]
    noise = [rng.random((128, 128, 1)), np.zeros((80, 80, 1)), np.ones((80, 80, 3))]

    assert not any(map(shows_text, [*bodies, *noise]))


def test_scans_with_text_are_told_of(tmp_path: Path) -> None:
    for number in range(12):
        text = "DOE JANE 1970" if number == 4 else ""
        values = (lettered(number, text, 16)[..., 0] * 255).astype(np.uint8)
        write_picture(tmp_path / "in" / ("ill", "well")[number % 2] / f"{number}.png", values)

    (found,) = of_code(check(tmp_path / "in"), "text-in-pixels")

    assert "1 of 12 scans that were looked at: ill/4.png." in found.message
