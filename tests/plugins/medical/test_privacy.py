"""What tells who a patient is, is said to be there, and is never said, kept or shown itself."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from medical_files import NAME, NUMBER, item, picture, write_dicom, write_picture, write_table
from zoo_medical.data.datasets import Images, Masks
from zoo_medical.data.unlabelled import Unlabelled
from zoo_medical.scans.dicom import DicomScan, identifying_tags, patient_key, says_burned_in

import zoo
from zoo import Columns, Data, DataError, Finding, all_rows

SECRETS = (NAME, "Doe", "Jane", NUMBER, "19700101", "Elm Street", "1.2.826.0.1.555")


def write_study(root: Path, **elements: Any) -> Path:
    """Write DICOM files of several patients, whose headers tell all."""
    for number in range(20):
        about = {
            "PatientID": f"{NUMBER} {number // 2}",
            "PatientBirthDate": "19700101",
            "PatientAddress": "Elm Street 1",
            "StudyInstanceUID": "1.2.826.0.1.555",
            "SeriesInstanceUID": "1.2.826.0.1.555.1",
            "OtherPatientIDsSequence": [item(PatientID=NUMBER)],
            **elements,
        }
        path = root / ("ill", "well")[number % 2] / f"{number}.dcm"
        write_dicom(path, picture(number).astype(np.uint16), **about)
    return root


def shown(data: Data) -> str:
    """Return all text that a run, a log or a report could take from data."""
    parts = [repr(data.info), json.dumps(dict(data.info.facts)), *map(repr, data.findings)]
    parts += [repr(all_rows(split)) for split in data.splits.values()]
    return "\n".join(parts)


@pytest.mark.parametrize("kind", [Images, Unlabelled])
def test_identifying_tags_are_named_and_their_values_are_nowhere(
    tmp_path: Path, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_study(tmp_path / "in")

    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        data = kind(path=str(root)).load(seed=0, cache=tmp_path / "cache")

    (found,) = [each for each in data.findings if each.code == "identifying-tags"]
    assert "20 examples" in found.message
    for keyword in (
        "PatientName (20)",
        "PatientID (20)",
        "PatientBirthDate (20)",
        "PatientAddress",
    ):
        assert keyword in found.message
    told = "\n".join([shown(data), caplog.text, *(str(each.message) for each in caught)])
    assert not [secret for secret in SECRETS if secret in told]
    assert not (tmp_path / "cache").exists()


def test_empty_tags_and_clean_files_are_not_spoken_of(tmp_path: Path) -> None:
    clean = {"PatientName": "", "PatientID": None, "PatientBirthDate": "", "PatientAddress": " "}
    root = write_study(tmp_path / "in", **clean)

    data = Images(path=str(root)).load(seed=0, cache=tmp_path / "cache")

    assert "identifying-tags" not in [each.code for each in data.findings]
    assert sum(data.info.counts.values()) == 20


def test_a_patient_is_a_hash_which_is_equal_for_equal_numbers(tmp_path: Path) -> None:
    one, padded, other = (
        DicomScan(
            (write_dicom(tmp_path / f"{n}.dcm", picture(n).astype(np.uint16), PatientID=own),)
        )
        for n, own in enumerate(("A 1", "A 1 ", "A 2"))
    )

    assert one.patient == padded.patient == patient_key("A 1")
    assert one.patient != other.patient
    assert "A 1" not in one.patient
    assert patient_key("") == patient_key("  ") == ""


def test_text_in_pixels_is_warned_of_where_the_header_says_so(tmp_path: Path) -> None:
    root = write_study(tmp_path / "in")
    burned = write_dicom(
        root / "ill" / "0.dcm", picture(0).astype(np.uint16), BurnedInAnnotation="YES"
    )

    data = Images(path=str(root)).load(seed=0, cache=tmp_path / "cache")

    (found,) = [each for each in data.findings if each.code == "burned-in-text"]
    assert found.where == "ill/0.dcm"
    assert says_burned_in(burned)
    assert not says_burned_in(root / "well" / "1.dcm")


def test_damaged_headers_are_told_of_without_quoting_them(tmp_path: Path) -> None:
    good = write_dicom(tmp_path / "good.dcm", picture(0).astype(np.uint16))
    content = good.read_bytes()
    place = content.index(NAME.encode())
    damaged = [
        content[: place + 4],
        content[:place] + NAME.encode() * 40,
        content.replace(b"PN", b"??"),
    ]

    for number, each in enumerate(damaged):
        path = tmp_path / f"bad{number}.dcm"
        path.write_bytes(each)
        with pytest.raises(DataError) as failed:
            DicomScan((path,)).read()
        assert not [secret for secret in SECRETS if secret in str(failed.value)]


def test_odd_values_of_names_make_no_noise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_dicom(tmp_path / "a.dcm", picture(0).astype(np.uint16))
    long = f"{NAME} " * 30
    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(path)
        dataset.PatientID = long
        dataset.AccessionNumber = long
        dataset.save_as(path)

    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        scan = DicomScan((path,))
        scan.read()
        assert scan.patient == patient_key(long)
        assert "AccessionNumber" in identifying_tags(path)

    assert "Doe" not in caplog.text + "".join(str(each.message) for each in caught)


def test_columns_of_a_table_that_tell_who_somebody_is_are_left_out(tmp_path: Path) -> None:
    rows = []
    for number in range(20):
        write_picture(tmp_path / "in" / f"{number}.png", picture(number))
        rows.append(
            {
                "image": f"{number}.png",
                "label": "ab"[number % 2],
                "patient_id": f"{NUMBER} {number // 2}",
                "Patient Name": NAME,
                "date of birth": "19700101",
                "age": "50",
                "site": "north",
            }
        )
    table = write_table(tmp_path / "in" / "t.csv", rows)

    data = Images(path=str(table)).load(seed=0, cache=tmp_path / "cache")

    (found,) = [each for each in data.findings if each.code == "identifying-columns"]
    assert "Patient Name, date of birth" in found.message
    assert set(all_rows(data.splits["train"])) == {"id", "scan", "label", "group", "age", "site"}
    assert not [secret for secret in SECRETS if secret in shown(data)]


@pytest.mark.parametrize(
    ("column", "tells"),
    [
        ("Patient's Name", True),
        ("surname", True),
        ("First Name", True),
        ("DOB", True),
        ("patient_birth_date", True),
        ("E-Mail", True),
        ("MRN", True),
        ("accessionNumber", True),
        ("referring physician", True),
        ("scanner name", False),
        ("age", False),
        ("site", False),
    ],
)
def test_columns_are_told_apart_by_their_names(tmp_path: Path, column: str, tells: bool) -> None:
    write_picture(tmp_path / "a.png", picture(0))
    table = write_table(tmp_path / "t.csv", [{"image": "a.png", "patient": "p", column: "secret"}])

    examples, findings = Images().read(str(table), cache=tmp_path)

    assert (column not in all_rows(examples)) == tells
    assert ("identifying-columns" in [each.code for each in findings]) == tells
    assert "secret" not in repr(findings)


def test_new_files_are_read_as_discreetly(tmp_path: Path) -> None:
    root = write_study(tmp_path / "in")
    readers: list[Any] = [Images(classes=("ill", "well")), Masks(classes=("organ",))]

    for reader in readers:
        examples, findings = reader.read(str(root), cache=tmp_path / "cache")
        assert isinstance(examples, Columns)
        assert all(isinstance(each, Finding) for each in findings)
        told = repr(examples.columns) + repr(findings)
        assert not [secret for secret in SECRETS if secret in told]


def test_no_run_report_or_prediction_holds_what_identifies(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = write_study(tmp_path / "in")

    settings = {"train.stages": [{"steps": 3}]}
    run = zoo.train(
        "medical", data=str(root), trial=True, settings=settings, runs=tmp_path / "runs"
    )
    predictions = zoo.predict(run.path, root, explain=True)
    predictions.write(tmp_path / "predicted")

    written = [path for path in tmp_path.rglob("*") if path.is_file() and root not in path.parents]
    told = [b"".join(path.read_bytes() for path in written), *map(str.encode, capfd.readouterr())]
    assert (run.path / "report.html") in written
    # Pictures hold any three letters.
    secrets = [secret.encode() for secret in SECRETS if len(secret) > 5]
    assert not [secret for secret in secrets for text in told if secret in text]
    assert b"identifying-tags" in told[0]
