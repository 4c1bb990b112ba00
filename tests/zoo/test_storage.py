"""Files that are whole or absent: full disks, missing permissions, killed writers."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo import storage
from zoo.errors import ExitCode, StorageError
from zoo.storage import (
    append_line,
    publish_file,
    publish_folder,
    read_lines,
    remove_leftovers,
    sha256,
    write_bytes,
    write_json,
    write_text,
)

Write = Callable[[Path], Any]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fill(final: Path) -> None:
    with publish_folder(final) as folder:
        (folder / "weights.bin").write_bytes(b"new" * 100)


def failing(code: int) -> Callable[..., Any]:
    def fail(*args: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


WRITERS: dict[str, Write] = {
    "bytes": lambda folder: write_bytes(folder / "file", b"new"),
    "text": lambda folder: write_text(folder / "file", "new"),
    "json": lambda folder: write_json(folder / "file", {"new": 1}),
    "folder": lambda folder: fill(folder / "bundle"),
}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder with an earlier file and an earlier bundle."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "weights.bin").write_bytes(b"old")
    return tmp_path


# what is written


def test_content_is_written_and_read_back(tmp_path):
    write_bytes(tmp_path / "new" / "a.bin", b"\x00\xff")
    write_text(tmp_path / "new" / "a.txt", "größer\n")
    write_json(tmp_path / "new" / "a.json", {"a": [1, 2.5, None, "ü"]})
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "größer\n"
    text = (tmp_path / "new" / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [1, 2.5, None, "ü"]}
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_what_was_there_is_replaced(before, write):
    write(before)
    changed = {name for name, content in files(before).items() if b"new" in content}
    assert len(changed) == 1
    assert set(files(before)) == {"file", "bundle/weights.bin"}


def test_json_takes_numbers_that_are_not_finite_arrays_and_paths(tmp_path):
    value = {
        "nan": float("nan"),
        "list": (1, float("inf")),
        "array": np.array([1.0, np.nan]),
        "scalar": np.float32(0.5),
        "count": np.int64(3),
        "path": Path("a/b"),
        7: True,
    }
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "nan": None,
        "list": [1, None],
        "array": [1.0, None],
        "scalar": 0.5,
        "count": 3,
        "path": "a/b",
        "7": True,
    }


def test_a_name_that_is_not_utf8_is_written_out(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    write_text(tmp_path / "a.txt", name)
    write_json(tmp_path / "a.json", {name: [name, Path(name), np.array([name])]})
    append_line(tmp_path / "a.jsonl", {"where": name})
    assert (tmp_path / "a.txt").read_text() == r"caf\udce9.jpg"
    assert json.loads((tmp_path / "a.json").read_text()) == {name: [name, name, [name]]}
    assert read_lines(tmp_path / "a.jsonl") == [{"where": name}]


def test_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "written", "x")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_absent_until_it_is_whole(tmp_path):
    final = tmp_path / "bundle"
    with publish_folder(final) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "a").write_text("x")
        assert not final.exists()
        assert folder.parent == tmp_path
    assert files(tmp_path) == {"bundle/part/a": b"x"}


def test_a_writer_that_needs_a_suffix_gets_it(tmp_path):
    with publish_file(tmp_path / "state.npz") as path:
        np.savez(path, x=np.arange(3))
        assert not (tmp_path / "state.npz").exists()
    assert list(files(tmp_path)) == ["state.npz"]


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(StorageError, match="missing"):
        sha256(tmp_path / "missing")


# what fails


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "disk reports an error"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_a_failed_flush_leaves_what_was_there(before, monkeypatch, write, code, words):
    earlier = files(before)
    monkeypatch.setattr(os, "fsync", failing(code))
    with pytest.raises(StorageError, match=words) as caught:
        write(before)
    assert str(before) in caught.value.message
    assert ".zoo-tmp" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.STORAGE
    assert files(before) == earlier
    assert sorted(path.name for path in before.iterdir()) == ["bundle", "file"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_failed_rename_leaves_what_was_there(before, monkeypatch, write):
    earlier = files(before)
    rename = Path.rename

    def fail_for_the_new(self: Path, target: Path) -> Path:
        if self.name.startswith(".zoo-tmp"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(os, "replace", failing(errno.EIO))
    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(StorageError, match="disk reports an error"):
        write(before)
    assert files(before) == earlier


@pytest.mark.parametrize("publish", [publish_file, publish_folder])
def test_an_error_of_the_callers_own_passes_and_leaves_nothing(tmp_path, publish):
    for error in (ValueError("bad"), FileNotFoundError(errno.ENOENT, "x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), publish(tmp_path / "new"):
            raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_inside_a_folder_names_the_folder(tmp_path):
    with (
        pytest.raises(StorageError, match="disk is full") as caught,
        publish_folder(tmp_path / "b"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert f"{tmp_path / 'b'}:" in caught.value.message


def test_an_error_in_a_file_of_a_folder_shows_its_final_name(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StorageError) as caught, publish_folder(tmp_path / "bundle") as folder:
        write_bytes(folder / "weights.bin", b"x")
    assert f"{tmp_path / 'bundle' / 'weights.bin'}:" in caught.value.message


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(tiny_disk):
    write_text(tiny_disk / "file", "old")
    fill(tiny_disk / "bundle")
    append_line(tiny_disk / "log", {"step": 1})
    earlier = files(tiny_disk)
    big = b"x" * 100_000
    with pytest.raises(StorageError, match="disk is full"):
        write_bytes(tiny_disk / "file", big)
    with (
        pytest.raises(StorageError, match="disk is full"),
        publish_folder(tiny_disk / "bundle") as folder,
    ):
        (folder / "weights.bin").write_bytes(big)
    with pytest.raises(StorageError, match="disk is full"):
        append_line(tiny_disk / "log", {"text": "x" * 100_000})
    assert files(tiny_disk) == earlier
    assert len(list(tiny_disk.iterdir())) == 3
    append_line(tiny_disk / "log", {"step": 2})
    assert read_lines(tiny_disk / "log") == [{"step": 1}, {"step": 2}]


def test_a_file_that_grows_beyond_a_limit(tmp_path):
    pytest.importorskip("resource")
    write_text(tmp_path / "file", "old")
    append_line(tmp_path / "log", {"step": 1})
    done = run_python(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        for write in (
            lambda: write_bytes(folder / "file", b"x" * 10_000),
            lambda: append_line(folder / "log", "x" * 10_000),
        ):
            try:
                write()
            except StorageError as error:
                print(error.message)
        """,
        tmp_path,
    )
    assert done.stdout.count("grows beyond the size allowed") == 2
    assert files(tmp_path) == {"file": b"old", "log": b'{"step": 1}\n'}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_path_below_a_file(tmp_path, write):
    (tmp_path / "blocker").write_text("x")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        write(tmp_path / "blocker" / "below")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        append_line(tmp_path / "blocker" / "below" / "log", 1)
    assert files(tmp_path) == {"blocker": b"x"}


def test_a_name_that_a_folder_has(tmp_path):
    (tmp_path / "name").mkdir()
    with pytest.raises(StorageError, match="a folder has this name"):
        write_text(tmp_path / "name", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_folder_without_permission(before, write):
    earlier = files(before)
    before.chmod(0o500)
    if os.access(before, os.W_OK):
        pytest.skip("this user may write everywhere")
    try:
        with pytest.raises(StorageError, match="permission denied"):
            write(before)
    finally:
        before.chmod(0o700)
    assert files(before) == earlier


# lines


def test_lines_are_appended_and_read(tmp_path):
    log = tmp_path / "logs" / "metrics.jsonl"
    assert read_lines(log) == []
    for step in range(3):
        append_line(log, {"step": step, "loss": float("nan")})
    assert read_lines(log) == [{"step": step, "loss": None} for step in range(3)]


@pytest.mark.parametrize("torn", [b'{"step": 1', b'{"step": 1}', b'"' + b"x" * 10_000, b"\xc3"])
def test_a_torn_last_line_does_not_count_and_is_dropped(tmp_path, torn):
    log = tmp_path / "log"
    log.write_bytes(b'{"step": 0}\n' + torn)
    assert read_lines(log) == [{"step": 0}]
    append_line(log, {"step": 2})
    assert read_lines(log) == [{"step": 0}, {"step": 2}]
    log.write_bytes(torn)
    append_line(log, {"step": 3})
    assert read_lines(log) == [{"step": 3}]


def test_damage_elsewhere_is_reported_with_its_line(tmp_path):
    (tmp_path / "log").write_bytes(b"1\n{bad\n3\n")
    with pytest.raises(StorageError, match="line 2"):
        read_lines(tmp_path / "log")


def test_a_line_written_in_part_is_taken_back(tmp_path, monkeypatch):
    append_line(tmp_path / "log", {"step": 1})
    write = os.write

    def write_some_then_fail(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:10])

    monkeypatch.setattr(os, "write", write_some_then_fail)
    with pytest.raises(StorageError, match="disk is full"):
        append_line(tmp_path / "log", {"step": "a longer line"})
    assert (tmp_path / "log").read_bytes() == b'{"step": 1}\n'


# killed writers


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    start = "import os, signal, sys\nfrom pathlib import Path\nfrom zoo.storage import *\n"
    start += "from zoo.errors import StorageError\nfolder = Path(sys.argv[1])\n"
    script = start + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )


def test_what_a_killed_process_left_is_removed(before):
    done = run_python(
        """
        with publish_folder(folder / "bundle") as draft, publish_file(folder / "file") as file:
            (draft / "weights.bin").write_bytes(b"half")
            file.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        before,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list(before.iterdir())) == 4
    assert sorted(remove_leftovers(before)) == [before / "bundle", before / "file"]
    assert files(before) == {"file": b"old", "bundle/weights.bin": b"old"}
    assert len(list(before.iterdir())) == 2
    assert remove_leftovers(before) == []


def test_a_folder_whose_successor_never_came_is_put_back(before):
    done = run_python(
        """
        rename = Path.rename
        def rename_old_then_die(self, target):
            rename(self, target)
            os.kill(os.getpid(), signal.SIGKILL)
        Path.rename = rename_old_then_die
        with publish_folder(folder / "bundle") as draft:
            (draft / "weights.bin").write_bytes(b"new")
        """,
        before,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (before / "bundle").exists()
    remove_leftovers(before)
    assert files(before) == {"file": b"old", "bundle/weights.bin": b"old"}


def test_what_is_being_written_is_not_a_leftover(tmp_path):
    with publish_folder(tmp_path / "bundle") as folder, publish_file(tmp_path / "file") as file:
        assert remove_leftovers(tmp_path) == []
        assert folder.exists()
        assert file.exists()


def test_another_process_at_work_is_left_alone(tmp_path):
    name = storage._beside(tmp_path / "file", storage._TEMPORARY).name
    mine = f"-{os.getpid()}-"
    assert mine in name
    parent = tmp_path / name.replace(mine, f"-{os.getppid()}-")
    parent.touch()
    assert remove_leftovers(tmp_path) == []


def test_a_dead_process_with_our_number_is_not_us(tmp_path, monkeypatch):
    (tmp_path / storage._beside(tmp_path / "file", storage._TEMPORARY).name).touch()
    monkeypatch.setattr(storage, "_PROCESS", "another")
    assert remove_leftovers(tmp_path) == [tmp_path / "file"]


def test_a_file_of_another_machine_is_a_leftover_when_long_untouched(tmp_path, monkeypatch):
    temporary = storage._beside(tmp_path / "file", storage._TEMPORARY)
    temporary.touch()
    monkeypatch.setattr(storage.platform, "node", lambda: "elsewhere")
    assert remove_leftovers(tmp_path) == []
    os.utime(temporary, (0, 0))
    assert remove_leftovers(tmp_path) == [tmp_path / "file"]


def test_files_of_others_are_left_alone(tmp_path):
    for name in (".zoo-tmp~junk~x", ".zoo-tmp", ".zoo-config", "file"):
        (tmp_path / name).touch()
    assert remove_leftovers(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4
