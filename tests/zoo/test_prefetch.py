"""`zoo prefetch`, and work on a machine without a network with what it brought."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import brought
import numpy as np
import pytest
import tensorflow_datasets as tfds
import toy
from hub import Hub

import zoo
from zoo.actions.prefetch import needs
from zoo.api import resolve
from zoo.cli import main
from zoo.errors import ExitCode, StorageError
from zoo.registry import registry
from zoo.startup import OFFLINE
from zoo.storage import read_lines
from zoo.store import Kept, contents, find, find_whole, keep, pack, unpack

MODEL = "hf://org/model"
FILES = {
    "config.json": b"{}",
    "model.weights.h5": bytes(range(256)) * 400,
    "assets/tokenizer/vocabulary.txt": b"a\nb\n",
    "pytorch_model.bin": b"a pickle",
}
FETCHED = FILES.keys() - {"pytorch_model.bin"}
POINTS = "tfds:published_points:1.0.0"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new machine."""
    for name in ("ZOO_HOME", "HF_HOME", "KAGGLEHUB_CACHE", "TFDS_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in ("ZOO_OFFLINE", *OFFLINE):
        monkeypatch.setenv(name, "")
    return tmp_path / "zoo_home"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub(FILES) as serving:
        monkeypatch.setenv("HF_ENDPOINT", serving.address)
        yield serving


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "zoo.cli", "prefetch", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )


def prefetch(*arguments: str) -> tuple[int, str, str]:
    """Run the command as a process of its own, as libraries read variables on import."""
    process = start(*arguments)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A preset in the store."""
    return keep(brought.write_preset(tmp_path / "published"), brought.SMALL)


# Fetching


def test_all_files_but_pickles_are_kept_with_their_hashes(hub: Hub, home: Path) -> None:
    code, out, err = prefetch(MODEL, "--json")

    assert code == ExitCode.OK
    folder = home / "store/hf/org--model"
    value = json.loads(out)
    assert value == {"kept": [{"address": MODEL, "folder": str(folder), "bytes": 102406}]}
    assert {name: (folder / name).read_bytes() for name in FETCHED} == {
        name: FILES[name] for name in FETCHED
    }
    assert not (folder / "pytorch_model.bin").exists()
    (one,) = contents()
    one.verify()
    assert one.files.keys() == FETCHED
    assert err.splitlines() == [f"Fetching {MODEL}"]


def test_what_is_there_and_whole_is_not_fetched_again(hub: Hub) -> None:
    prefetch(MODEL)
    shutil.rmtree(os.environ["HF_HOME"])

    code, _, err = prefetch(MODEL)

    assert code == ExitCode.OK
    assert "Here already" in err
    assert hub.fetched == dict.fromkeys(FETCHED, 1)


def test_what_is_damaged_is_fetched_again(hub: Hub, home: Path) -> None:
    prefetch(MODEL)
    weights = home / "store/hf/org--model/model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:100])

    code, _, err = prefetch(MODEL)

    assert code == ExitCode.OK
    assert "Damaged" in err
    assert weights.read_bytes() == FILES["model.weights.h5"]


def test_a_broken_connection_leaves_nothing_under_a_final_name_and_is_made_up_for(
    hub: Hub, home: Path
) -> None:
    hub.cut = "model.weights.h5"

    code, out, err = prefetch(MODEL)

    assert (code, out) == (ExitCode.USAGE, "")
    assert f"error: The preset {MODEL} cannot be fetched" in err
    assert "Traceback" not in err
    assert not list((home / "store").rglob("*"))

    hub.cut = ""
    before = hub.fetched["config.json"]
    code, _, _ = prefetch(MODEL)

    assert code == ExitCode.OK
    assert find_whole(MODEL) is not None
    assert hub.fetched["config.json"] == before


def test_two_processes_at_once_fetch_once(hub: Hub) -> None:
    processes = [start(MODEL), start(MODEL)]
    outputs = [each.communicate() for each in processes]

    assert [each.returncode for each in processes] == [ExitCode.OK, ExitCode.OK]
    assert hub.fetched == dict.fromkeys(FETCHED, 1)
    told = sorted(err.partition(" ")[0] for _, err in outputs)
    assert told == ["Fetching", "Here"]
    assert find_whole(MODEL) is not None


def test_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    code, _, err = prefetch(MODEL)

    assert code == ExitCode.USAGE
    assert "ZOO_OFFLINE forbids the network" in err
    assert f"`zoo prefetch {MODEL}`" in err


def test_the_cache_of_hugging_face_serves_offline(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefetch(MODEL)
    shutil.rmtree(home)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    code, _, _ = prefetch(MODEL)

    assert code == ExitCode.OK


# Archives


@pytest.mark.parametrize("name", ["x.tar", "x.zip", "folder"])
def test_an_archive_or_folder_takes_it_to_another_machine(
    name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / name
    code, out, _ = prefetch(MODEL, "--into", str(archive), "--json")
    assert code == ExitCode.OK
    assert ("sha256" in json.loads(out)) == (name != "folder")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    code, _, _ = prefetch("--from", str(archive))

    assert code == ExitCode.OK
    there = find_whole(MODEL)
    assert there is not None
    assert there.folder.is_relative_to(tmp_path / "other/store")
    assert there.files.keys() == FETCHED


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_equal_content_gives_equal_archives(suffix: str, kept: Kept, tmp_path: Path) -> None:
    archives = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for archive in archives:
        pack([kept], archive)
        os.utime(kept.folder / "config.json", (1e9, 1e9))

    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_a_changed_file_in_an_archive_is_refused_and_nothing_is_taken_over(
    kept: Kept, tmp_path: Path
) -> None:
    other = keep(kept.folder, brought.LARGE)
    (kept.folder / "config.json").write_text("[]")
    pack([kept, other], tmp_path / "x.tar")

    with pytest.raises(StorageError, match=r"config\.json was changed"):
        unpack(tmp_path / "x.tar", tmp_path / "new")

    assert contents(tmp_path / "new") == []


def test_an_archive_cannot_put_one_thing_in_the_place_of_another(
    kept: Kept, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(kept.folder, "kaggle/zoo--points--keras--large--1")

    with pytest.raises(StorageError, match="belongs elsewhere"):
        unpack(tmp_path / "x.tar")


def test_what_is_no_archive_of_ours_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("text" * 1000)
    for name in ("empty", "text.tar", "missing.tar"):
        assert main(["prefetch", "--from", str(tmp_path / name)]) == ExitCode.STORAGE
        assert capsys.readouterr().err.startswith("error: ")


def test_what_is_there_and_whole_is_left_as_it_is(kept: Kept, tmp_path: Path) -> None:
    pack([kept], tmp_path / "x.tar")
    before = (kept.folder / "config.json").stat()

    unpack(tmp_path / "x.tar")

    assert (kept.folder / "config.json").stat() == before
    (kept.folder / "config.json").write_text("[]")
    unpack(tmp_path / "x.tar")
    assert (kept.folder / "config.json").read_text() == "{}"


def test_a_preset_in_the_place_of_another_is_refused(kept: Kept) -> None:
    other = keep(kept.folder, brought.LARGE)
    shutil.rmtree(kept.folder)
    other.folder.rename(kept.folder)

    with pytest.raises(StorageError, match="belongs elsewhere"), zoo.preset(brought.SMALL):
        pass


def test_a_full_disk_is_an_error_for_the_user(
    kept: Kept, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*paths: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)

    with pytest.raises(StorageError, match="the disk is full"):
        keep(kept.folder, brought.LARGE)

    assert [each.name for each in (home / "store/kaggle").iterdir()] == [kept.folder.name]


def test_a_home_that_cannot_be_written_is_an_error_for_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file/home"))

    assert main(["prefetch", MODEL]) == ExitCode.STORAGE

    assert "Set ZOO_HOME" in capsys.readouterr().err


# What recipes need


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Arguments that name a recipe with a preset and a TFDS dataset, both published."""
    for module, name in ((toy, "toy"), (brought, "brought")):
        if name not in {plugin.name for plugin in registry().plugins()}:
            registry().register(module, name)
    folder = brought.write_preset(tmp_path / "published")
    monkeypatch.setattr("kagglehub.model_download", lambda name: str(folder))
    brought.write_tfds(tmp_path / "tfds_data_dir")
    return ["toy", "--model", "brought/net", "--dataset", "brought/points"]


def test_a_recipe_says_what_it_needs(
    recipe: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = [*recipe, "--weights", "small", "--data", "tfds:published_points"]
    assert main(["prefetch", *arguments, "--into", str(tmp_path / "x.tar")]) == ExitCode.OK

    table = capsys.readouterr().out
    assert brought.SMALL in table
    assert POINTS in table
    shutil.rmtree(tmp_path / "tfds_data_dir")
    assert main(["prefetch", *arguments]) == ExitCode.OK  # both are in the store
    assert "Fetching" not in capsys.readouterr().err


def test_a_recipe_on_its_generator_needs_nothing(
    recipe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prefetch", "toy"]) == ExitCode.OK

    assert "nothing has to be fetched" in capsys.readouterr().err


def test_an_older_archive_is_not_said_to_be_what_was_asked_for(
    recipe: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "old.tar").write_text("old")
    assert main(["prefetch", "toy", "--into", str(tmp_path / "old.tar")]) == ExitCode.OK

    captured = capsys.readouterr()
    assert "nothing has to be fetched" in captured.err
    assert captured.out == ""


def test_what_further_metrics_need_is_among_the_needs(recipe: list[str]) -> None:
    class Judged(zoo.Metrics):
        def downloads(self) -> list[str]:
            return [MODEL]

        def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
            return []

    resolved = replace(resolve("toy"), metrics={"toy/judged": Judged()})
    assert needs(resolved) == [MODEL]


def test_an_earlier_run_below_the_user_s_home_needs_nothing(
    recipe: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run = zoo.train("toy", runs=tmp_path / "runs")
    weights = f"~/runs/{run.path.name}"
    assert needs(resolve("toy", weights=weights)) == []
    again = zoo.train("toy", weights=weights, runs=tmp_path / "runs")
    assert any(each["event"] == "transfer" for each in read_lines(again.path / "metrics.jsonl"))


def test_an_address_of_no_known_form_is_refused_offline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert main(["prefetch", "hf://a/b/c"]) == ExitCode.USAGE
    assert "hf://OWNER/MODEL" in capsys.readouterr().err


def test_an_unknown_preset_is_refused(
    recipe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prefetch", *recipe, "--weights", "smal"]) == ExitCode.USAGE

    assert "Did you mean 'small'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["toy", "--from", "x.tar"], ["--from", "x.tar", "--into", "y"], ["toy", "--into", "x.gz"]],
)
def test_wrong_arguments(arguments: list[str], recipe: list[str]) -> None:
    assert main(["prefetch", *arguments]) == ExitCode.USAGE


def test_a_tampered_dataset_is_refused(recipe: list[str], tmp_path: Path) -> None:
    zoo.prefetch("tfds:published_points")
    shutil.rmtree(tmp_path / "tfds_data_dir")
    assert len(zoo.tfds_builder("published_points").as_data_source("train")) == 40
    points = find(POINTS)
    assert points is not None
    for name in points.files:
        content = (points.folder / name).read_bytes()
        (points.folder / name).write_bytes(content[:-1])

        with pytest.raises(StorageError, match=name) as error:
            zoo.tfds_builder("published_points")

        assert POINTS in error.value.hint
        (points.folder / name).write_bytes(content)


def test_a_dataset_is_downloaded_and_prepared(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    site_is_down = [True]

    class MadePoints(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({"label": np.int64})
            )

        def _split_generators(self, manager: Any) -> Any:
            if site_is_down[0]:
                raise ConnectionError("the site is down")
            return {"train": ((row, {"label": row}) for row in range(3))}

        def _generate_examples(self) -> Any:
            raise NotImplementedError

    assert main(["prefetch", "tfds:made_points"]) == ExitCode.DATA
    assert "made_points/1.0.0 cannot be fetched" in capsys.readouterr().err
    assert not list((home / "store").rglob("*"))

    site_is_down[0] = False
    assert main(["prefetch", "tfds:made_points", "--json"]) == ExitCode.OK

    (one,) = json.loads(capsys.readouterr().out)["kept"]
    assert one["address"] == "tfds:made_points:1.0.0"
    shutil.rmtree(os.environ["TFDS_DATA_DIR"])
    assert zoo.tfds_builder("made_points").info.splits["train"].num_examples == 3


def test_doctor_shows_what_is_kept(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == ExitCode.OK

    assert "1 kept" in json.loads(capsys.readouterr().out)["places"]["store"]


# Without a network

SESSION = """
import json, socket, sys

def refuse(*arguments, **options):
    raise AssertionError(f"a connection was opened: {arguments}")

for name in ("connect", "connect_ex", "sendto", "bind"):
    setattr(socket.socket, name, refuse)
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, refuse)

import contextlib, io
import brought, toy
from zoo.cli import main
from zoo.registry import registry

registry().register(toy, "toy")
registry().register(brought, "brought")
run = ""
for words in json.loads(sys.argv[1]):
    words = [word.replace("{run}", run) for word in words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    if words[0] == "train" and code == 0:
        run = json.loads(out.getvalue())["run"]
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


def session(*commands: list[str]) -> list[dict[str, Any]]:
    """Carry out commands in one process that cannot open a connection.

    Args:
        commands: their words; `{run}` stands for the run that was trained last.
    """
    paths = [*sys.path, str(Path(toy.__file__).parent)]
    process = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(commands)],
        env={**os.environ, "ZOO_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_offline_no_connection_is_opened_and_what_is_missing_is_named(
    recipe: list[str], tmp_path: Path, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, runs = str(tmp_path / "all.tar"), str(tmp_path / "runs")
    train = ["train", *recipe, "--runs", runs, "--json"]
    main(["prefetch", brought.SMALL, "tfds:published_points", "--into", archive])
    for name in ("ZOO_HOME", "TFDS_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "other" / name))

    listed, unpacked, generated, both, predicted, *missing = session(
        ["list", "--json"],
        ["prefetch", "--from", archive],
        ["train", "toy", "--runs", runs, "--json"],
        [*train, "--weights", "small", "--data", "tfds:published_points"],
        ["predict", "{run}", str(points)],
        [*train, "--weights", "large"],
        [*train, "--data", "tfds:bccd"],
        [*train, "--data", "tfds:community:points"],
        ["train", "vision/yolov8", "--weights", "yolo_v8_xs_backbone_coco", "--runs", runs],
        ["train", "vision/dfine", "--weights", "hf://keras/dfine", "--runs", runs],
    )

    for result in (listed, unpacked, generated, both, predicted):
        assert result["code"] == ExitCode.OK, result["err"]
    assert len(predicted["out"].splitlines()) == 16
    commands = [
        f"zoo prefetch {brought.LARGE}",
        "zoo prefetch tfds:bccd:1.0.0",
        "zoo prefetch tfds:community:points",
        "zoo prefetch kaggle://keras/yolov8/keras/yolo_v8_xs_backbone_coco/",
        "zoo prefetch hf://keras/dfine",
    ]
    for result, command in zip(missing, commands, strict=True):
        assert result["code"] in (ExitCode.USAGE, ExitCode.DATA), result["err"]
        assert command in result["err"]
