from __future__ import annotations

import numpy as np
import pytest
from detection_files import paint
from zoo_vision.data.datasets import Boxes

from zoo import DataError

tfds = pytest.importorskip("tensorflow_datasets")


def store(folder, name: str, file_format: str, objects: dict, examples: dict) -> None:
    """Write a TFDS dataset as its own tools do."""
    features = tfds.features.FeaturesDict(
        {
            "picture": tfds.features.Image(),
            "things": tfds.features.Sequence(objects),
            "other": tfds.features.Sequence(np.float32),
        }
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=features,
        split_datasets={split: list(enumerate(each)) for split, each in examples.items()},
        data_dir=folder,
        file_format=file_format,
    )


def example(seed: int, *things: dict) -> dict:
    return {"picture": np.array(paint(seed)), "things": list(things), "other": []}


@pytest.fixture
def objects() -> dict:
    return {
        "bbox": tfds.features.BBoxFeature(),
        "label": tfds.features.ClassLabel(names=["cat", "dog"]),
        "is_crowd": np.bool_,
    }


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_builder_with_boxes_is_read(tmp_path, monkeypatch, objects, file_format):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    box = tfds.features.BBox(ymin=0.25, xmin=0.5, ymax=0.75, xmax=1.0)
    thing = {"bbox": box, "label": 1, "is_crowd": False}
    examples = {
        "train": [example(0, thing), example(1)],
        "validation": [example(2, {**thing, "label": 0, "is_crowd": True})],
        "test": [example(3, thing, {**thing, "label": 0})],
        "unlabelled": [example(4)],
    }
    store(tmp_path, f"pets_{file_format}", file_format, objects, examples)

    data = Boxes(path=f"tfds:pets_{file_format}").load(seed=0, cache=tmp_path / "cache")

    assert data.info.counts == {"train": 2, "validation": 1, "test": 1}
    assert data.info.facts["classes"] == ["cat", "dog"]
    validation = data.splits["validation"][np.array([0])]
    assert validation["boxes"][0].tolist() == [[32, 12, 64, 36]]
    assert (validation["classes"][0].tolist(), validation["crowd"][0].tolist()) == (["cat"], [True])
    assert np.array_equal(validation["image"][0].read(), np.array(paint(2)))
    assert data.splits["test"][np.array([0])]["classes"][0].tolist() == ["dog", "cat"]
    assert "unlabelled-split" in [each.code for each in data.findings]


def test_boxes_without_a_class_are_of_one_named_after_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    thing = {"bbox": tfds.features.BBox(0.1, 0.1, 0.5, 0.5)}
    examples = {"train": [example(k, thing) for k in range(10)]}
    store(tmp_path, "plain", "array_record", {"bbox": tfds.features.BBoxFeature()}, examples)

    data = Boxes(path="tfds:plain").load(seed=0, cache=tmp_path / "cache")

    assert data.info.facts["classes"] == ["things"]
    assert sum(data.info.counts.values()) == 10


def test_what_has_no_boxes_is_not_known_or_not_here_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    examples = {"train": [example(0, {"label": 0})]}
    labels = {"label": tfds.features.ClassLabel(names=["cat", "dog"])}
    store(tmp_path, "labels_only", "array_record", labels, examples)
    expected = {
        "labels_only": "no picture with a sequence of boxes",
        "bcdc": "no dataset 'bcdc'",
        "bccd": "ZOO_OFFLINE",
    }

    for name, message in expected.items():
        with pytest.raises(DataError, match=message):
            Boxes(path=f"tfds:{name}").load(seed=0, cache=tmp_path / "cache")
