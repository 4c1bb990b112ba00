"""The npz files of MedMNIST: two and three dimensions, one class or several findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_medical.data.datasets import Images
from zoo_medical.data.unlabelled import Unlabelled

from zoo import Data, DataError, all_rows

COUNTS = {"train": 12, "val": 4, "test": 5}
RNG = np.random.default_rng(0)


def write(path: Path, shape: tuple[int, ...], labels: Any, **arrays: Any) -> Path:
    """Write a file as MedMNIST's are, with pictures of a shape."""
    content = {}
    for split, count in COUNTS.items():
        content[f"{split}_images"] = RNG.integers(0, 256, (count, *shape), np.uint8)
        content[f"{split}_labels"] = labels(count)
    np.savez_compressed(path, **{**content, **arrays})
    return path


def turns(count: int) -> np.ndarray:
    return (np.arange(count) % 2)[:, None].astype(np.uint8)


def load(path: Path, **settings: Any) -> Data:
    return Images(path=str(path), **settings).load(seed=0, cache=path.parent / "cache")


def test_pictures_keep_their_splits_and_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", (28, 28), turns)

    data = load(path, classes=("normal", "pneumonia"))
    plain = load(path)

    assert data.info.counts == {"train": 12, "validation": 4, "test": 5}
    assert data.info.facts["classes"] == ["normal", "pneumonia"]
    assert data.info.facts["size"] == [28, 28]
    assert plain.info.facts["classes"] == ["0", "1"]
    batch = all_rows(data.splits["test"])
    assert batch["label"].tolist() == ["normal", "pneumonia", "normal", "pneumonia", "normal"]
    with np.load(path) as stored:
        expected = stored["test_images"][3][..., None] / 255
    np.testing.assert_allclose(batch["scan"][3].read(), expected, rtol=1e-6)
    assert set(batch) == {"id", "scan", "label", "group"}


@pytest.mark.parametrize(
    ("shape", "read"), [((28, 28, 3), (28, 28, 3)), ((12, 14, 16), (12, 14, 16, 1))]
)
def test_colours_and_volumes_are_told_by_their_shape(
    tmp_path: Path, shape: tuple[int, ...], read: tuple[int, ...]
) -> None:
    data = load(write(tmp_path / "a.npz", shape, turns))

    assert all_rows(data.splits["train"])["scan"][0].read().shape == read
    assert data.info.facts["dimensions"] == len(read) - 1
    assert data.info.facts["channels"] == read[-1]


def test_many_classes_keep_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", (8, 8), lambda count: np.arange(count)[:, None])

    assert load(path).info.facts["classes"] == [f"{number:02d}" for number in range(12)]


def test_several_findings_are_told_apart_if_asked_for(tmp_path: Path) -> None:
    def labels(count: int) -> np.ndarray:
        return np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]] * 4)[:count]

    path = write(tmp_path / "a.npz", (16, 16), labels)

    data = load(path, multi_label=True, classes=("edema", "mass", "nodule"))

    train = all_rows(data.splits["train"])["label"]
    assert train[:3].tolist() == ["edema|nodule", "", "mass"]
    assert data.info.classes["train"] == {"edema": 4, "mass": 4, "nodule": 4}
    with pytest.raises(DataError, match="3 labels an example") as failed:
        load(path)
    assert "data.multi_label=true" in failed.value.hint


def test_a_file_can_be_predicted_on_and_pretrained_with(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", (16, 16), turns)
    bare = tmp_path / "b.npz"
    np.savez(bare, test_images=RNG.integers(0, 256, (5, 16, 16), np.uint8))

    examples, _ = Images(classes=("0", "1")).read(str(bare), cache=tmp_path)
    unlabelled = Unlabelled(path=str(path)).load(seed=0, cache=tmp_path)

    assert set(all_rows(examples)) == {"id", "scan", "group", "split"}
    assert len(examples) == 5
    assert unlabelled.info.counts["train"] == 12
    assert set(all_rows(unlabelled.splits["train"])) == {"id", "scan", "group"}


def test_what_is_no_such_file_is_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    trap = np.array([Trap()], object)
    np.savez(tmp_path / "trap.npz", train_images=trap, train_labels=trap)
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    write(tmp_path / "flat.npz", (), turns)
    write(tmp_path / "short.npz", (8, 8), turns, val_labels=np.zeros((1, 1), int))
    write(tmp_path / "few.npz", (8, 8), lambda count: np.arange(count)[:, None] % 3)
    expected = {
        "trap": "no npz file of plain arrays",
        "text": "no npz file of plain arrays",
        "gone": "no npz file of plain arrays",
        "other": "holds no pictures, but the arrays x",
        "flat": r"train_images of shape \(12,\)",
        "short": "4 val_images and 1 labels",
        "few": "has 3 classes from 0; data.classes has 2",
    }

    for name, words in expected.items():
        with pytest.raises(DataError, match=rf"{name}\.npz .*{words}"):
            load(tmp_path / f"{name}.npz", classes=("a", "b"))
    assert not (tmp_path / "sprung").exists()
