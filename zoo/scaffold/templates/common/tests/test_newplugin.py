"""The domain's own behaviour, which the contract says nothing of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import own_files
import pytest
import zoo


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))


@pytest.fixture
def files(tmp_path: Path) -> own_files.Written:
    return own_files.write(tmp_path / "data")


def _load(path: Path, **settings: object) -> zoo.Data:
    address = f"newplugin/{own_files.DATASET}"
    dataset = zoo.dataset(address, path=str(path), **settings)
    return dataset.load(seed=0, cache=path.parent / "cache")


def _ids(data: zoo.Data) -> dict[str, set[str]]:
    return {name: set(zoo.all_rows(split)["id"]) for name, split in data.splits.items()}


def _groups(data: zoo.Data) -> Iterator[set[str]]:
    for split in data.splits.values():
        yield set(zoo.all_rows(split)["group"])


def test_what_cannot_be_read_is_named_and_the_rest_is_used(files: own_files.Written) -> None:
    data = _load(files.path)
    assert sum(data.info.counts.values()) == files.good
    assert any(files.bad in f"{each.where} {each.message}" for each in data.findings)


def test_examples_of_a_group_stay_in_one_split(files: own_files.Written) -> None:
    train, validation, test = _groups(_load(files.path, **own_files.GROUPED))
    assert train
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_official_splits_are_kept(tmp_path: Path) -> None:
    data = _load(own_files.write_splits(tmp_path / "official"))
    for name, ids in _ids(data).items():
        assert ids
        assert all(name in each for each in ids)


def test_a_copy_stays_in_the_split_of_its_original(files: own_files.Written) -> None:
    own_files.add_copies(files.path)
    codes = {each.code for each in _load(files.path).findings}
    assert "copies-within-split" in codes
    assert "copies-across-splits" not in codes


def test_data_of_one_class_are_refused(files: own_files.Written) -> None:
    with pytest.raises(zoo.DataError, match="two classes"):
        _load(files.path, classes=("nothing",))
