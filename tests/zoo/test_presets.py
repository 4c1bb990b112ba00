"""Presets by folder, address and name: where they are looked for, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

import zoo
from zoo.errors import StorageError
from zoo.startup import OFFLINE
from zoo.store import keep

ADDRESS = "kaggle://keras/small/keras/small_en/2"
KNOWN = {"small_en": ADDRESS, "large_en": "kaggle://keras/small/keras/large_en/2"}


@pytest.fixture(autouse=True)
def _new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty store and caches, and no network."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    for name in ("ZOO_OFFLINE", *OFFLINE):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("kagglehub.model_download", _no_network)


def _no_network(name: str) -> str:
    raise ConnectionError("Name or service not known")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A preset folder."""
    folder = tmp_path / "files"
    (folder / "assets").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with h5py.File(folder / "model.weights.h5", "w") as file:
        file["kernel"] = np.arange(6.0)
    (folder / "assets/vocabulary.txt").write_text("a\nb\n")
    return folder


def read(handle: str, known: dict[str, str] = KNOWN) -> Path:
    with zoo.preset(handle, known) as folder:
        return folder


def test_a_folder_is_taken_as_it_is(files: Path) -> None:
    assert read(str(files)) == files


@pytest.mark.parametrize("handle", ["small_en", ADDRESS])
def test_what_is_in_the_store_is_read_from_there(files: Path, handle: str) -> None:
    kept = keep(files, ADDRESS)

    folder = read(handle)

    assert folder == kept.folder
    weights = "model.weights.h5"
    assert (folder / weights).read_bytes() == (files / weights).read_bytes()
    assert (folder / "assets/vocabulary.txt").exists()


def test_what_is_in_the_cache_of_kaggle_is_found_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    cached = tmp_path / "kaggle/models/keras/small/keras/small_en/2"
    cached.mkdir(parents=True)
    with pytest.raises(zoo.ConfigError, match="not on this machine"):
        read("small_en")  # it was not fetched to the end

    cached.with_name("2.complete").touch()

    assert read("small_en") == cached


def test_half_a_download_of_hugging_face_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / "models--org--model/snapshots/0"
    half.mkdir(parents=True)
    (half / "config.json").write_text("{}")
    files = [SimpleNamespace(rfilename=name) for name in ("config.json", "a.h5", "a.bin")]
    monkeypatch.setattr("huggingface_hub.model_info", lambda name: SimpleNamespace(siblings=files))
    # It gives what there is where the network fails.
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(half))
    with pytest.raises(zoo.ConfigError, match=r"cannot be fetched: a\.h5 is missing"):
        read("hf://org/model")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(zoo.ConfigError, match="not on this machine"):
        read("hf://org/model")

    monkeypatch.setenv("ZOO_OFFLINE", "")
    with h5py.File(half / "a.h5", "w") as file:
        file["kernel"] = np.arange(6.0)
    assert read("hf://org/model") == half

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert read("hf://org/model") == half


def test_what_is_whole_in_the_cache_serves_where_the_network_fails(
    tmp_path: Path,
) -> None:
    cached = tmp_path / "kaggle/models/keras/small/keras/small_en/2"
    cached.mkdir(parents=True)
    cached.with_name("2.complete").touch()

    assert read("small_en") == cached


def test_what_is_nowhere_is_fetched(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(name: str) -> str:
        asked.append(name)
        return str(files)

    monkeypatch.setattr("kagglehub.model_download", download)

    assert read("small_en") == files
    assert asked == ["keras/small/keras/small_en/2"]


def _truncate(folder: Path) -> Path:
    (folder / "model.weights.h5").write_bytes(b"weig")
    return folder / "model.weights.h5"


def _change(folder: Path) -> Path:
    (folder / "config.json").write_text("[]")
    return folder / "config.json"


def _remove(folder: Path) -> Path:
    (folder / "assets/vocabulary.txt").unlink()
    return folder / "assets/vocabulary.txt"


def _add(folder: Path) -> Path:
    (folder / "task.json").write_text("{}")
    return folder / "task.json"


def _damage_manifest(folder: Path) -> Path:
    (folder / "zoo-manifest.json").write_text("{")
    return folder / "zoo-manifest.json"


@pytest.mark.parametrize("tamper", [_truncate, _change, _remove, _add, _damage_manifest])
@pytest.mark.parametrize("by", ["name", "folder"])
def test_a_tampered_preset_is_refused_by_the_file_s_name(files: Path, tamper: Any, by: str) -> None:
    folder = keep(files, ADDRESS).folder
    path = tamper(folder)

    with pytest.raises(StorageError) as error:
        read("small_en" if by == "name" else str(folder))

    assert str(path) in error.value.message
    assert "zoo prefetch" in error.value.hint


def test_offline_what_is_missing_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    with pytest.raises(zoo.ConfigError, match="ZOO_OFFLINE") as error:
        read("small_en")

    assert f"zoo prefetch {ADDRESS}" in error.value.hint
    assert "zoo prefetch --from" in error.value.hint


def test_a_failing_network_is_an_error_for_the_user() -> None:
    with pytest.raises(zoo.ConfigError, match=r"small_en/2 cannot be fetched: Name or service"):
        read("small_en")


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(zoo.ConfigError, match="no preset 'smal_en'") as error:
        read("smal_en")

    assert "small_en" in error.value.hint


@pytest.mark.parametrize(
    "address",
    ["kaggle://../../etc/passwd", "hf://a/../b", "kaggle://a//b", "hf://a/b/c", "kaggle://a/b"],
)
def test_an_address_cannot_lead_out_of_the_store_or_be_of_another_form(address: str) -> None:
    with pytest.raises(zoo.ConfigError, match="no address"):
        read(address)


def test_what_a_library_says_of_a_preset_is_for_the_user_and_a_bug_is_not(files: Path) -> None:
    with (
        pytest.raises(zoo.ConfigError, match="cannot be read: no such layer"),
        zoo.preset(str(files)),
    ):
        raise ValueError("no such layer\nand more")
    with pytest.raises(AttributeError), zoo.preset(str(files)):
        raise AttributeError("a bug")


def test_presets_of_a_hub_are_those_that_have_an_address() -> None:
    class Backbone:
        presets = {  # noqa: RUF012
            "small_en": {"kaggle_handle": ADDRESS, "metadata": {}},
            "old": {"kaggle_handle": "gs://bucket/old"},
            "without": {},
        }

    assert zoo.hub_presets(Backbone) == {"small_en": ADDRESS}
