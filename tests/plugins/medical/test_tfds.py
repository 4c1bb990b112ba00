"""Datasets of TFDS with pictures, in both of its formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medical_files import picture
from zoo_medical.data.datasets import Images
from zoo_medical.data.unlabelled import Unlabelled

from zoo import DataError, all_rows

tfds = pytest.importorskip("tensorflow_datasets")

NAMES = ["normal", "pneumonia"]


def store(folder: Path, name: str, file_format: str, features: dict, splits: dict) -> None:
    """Write a TFDS dataset as its own tools do."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(each)) for split, each in splits.items()},
        data_dir=folder,
        file_format=file_format,
    )


def image(seed: int) -> np.ndarray:
    return picture(seed)[..., None]


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_builder_with_classes_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    features = {
        "image": tfds.features.Image(shape=(None, None, 1)),
        "label": tfds.features.ClassLabel(names=NAMES),
        "patient_id": tfds.features.Text(),
    }
    splits = {
        "train": [
            {"image": image(n), "label": n % 2, "patient_id": f"p{n // 2}"} for n in range(12)
        ],
        "test": [{"image": image(50 + n), "label": n % 2, "patient_id": f"q{n}"} for n in range(4)],
    }
    store(tmp_path / "tfds", f"chests_{file_format}", file_format, features, splits)
    path = f"tfds:chests_{file_format}"

    data = Images(path=path).load(seed=0, cache=tmp_path / "cache")
    examples, _ = Images(classes=tuple(NAMES)).read(path, cache=tmp_path / "cache")
    unlabelled = Unlabelled(path=path).load(seed=0, cache=tmp_path / "cache")

    assert data.info.facts["classes"] == NAMES
    assert data.info.counts["test"] == 4
    assert sum(data.info.counts.values()) == 16
    test = all_rows(data.splits["test"])
    assert set(test) == {"id", "scan", "label", "group"}
    for scan, label in zip(test["scan"], test["label"], strict=True):
        stored = scan.read()[..., 0] * 255
        (number,) = [n for n in range(4) if np.allclose(stored, picture(50 + n), atol=1e-4)]
        assert label == NAMES[number % 2]
    groups = [set(all_rows(data.splits[name])["group"]) for name in ("train", "validation")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 6
    assert len(examples) == 16
    assert unlabelled.info.counts["test"] == 4
    assert not (tmp_path / "cache").exists()


def test_a_list_of_classes_is_several_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    features = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "findings": tfds.features.Sequence(tfds.features.ClassLabel(names=["edema", "mass"])),
    }
    lists: list[Any] = [[0], [0, 1], [], [1]]
    rows = [{"image": np.repeat(image(n), 3, axis=2), "findings": lists[n % 4]} for n in range(16)]
    store(tmp_path, "several", "array_record", features, {"train": rows})

    data = Images(path="tfds:several", multi_label=True).load(seed=0, cache=tmp_path / "cache")

    labels = {each for split in data.splits.values() for each in all_rows(split)["label"]}
    assert labels <= {"edema", "edema|mass", "", "mass"}
    assert sum(each["edema"] for each in data.info.classes.values()) == 8
    with pytest.raises(DataError, match="list of classes for each picture"):
        Images(path="tfds:several").load(seed=0, cache=tmp_path / "cache")


def test_what_has_no_classes_or_is_not_here_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    features = {"image": tfds.features.Image(), "score": tfds.features.Scalar(np.float32)}
    rows = [{"image": np.zeros((8, 8, 3), np.uint8), "score": 0.5}]
    store(tmp_path, "scores", "array_record", features, {"train": rows})
    expected = {
        "scores": "no pictures with a class",
        "pneumonia_mist": "no dataset 'pneumonia_mist'",
        "pneumonia_mnist": "ZOO_OFFLINE",
    }

    for name, message in expected.items():
        with pytest.raises(DataError, match=message):
            Images(path=f"tfds:{name}").load(seed=0, cache=tmp_path / "cache")
