"""Files that are either whole or absent, whenever a process is killed or a disk fills up.

Everything is written under a temporary name in the folder of its final name, flushed to
the disk and renamed. A temporary name says which process writes it, so that what a killed
process left behind is told from what is being written now. Works on POSIX systems.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.errors import StorageError

ABANDONED_SECONDS = 24 * 3600
"""A temporary file of an unknown process is a leftover if untouched for so long."""

_TEMPORARY = ".zoo-tmp"
_REPLACED = ".zoo-old"
_PROCESS = secrets.token_hex(4)
_NAME = re.compile(
    r"(?P<purpose>\.zoo-tmp|\.zoo-old)"
    r"~(?P<machine>\w+)-(?P<process>\d+)-(?P<token>\w+)-\w+~(?P<final>.+)"
)
_FULL = "Free some space or choose a folder on another disk. What was there is unchanged."
_DENIED = "Change its permissions or choose a folder you may write. What was there is unchanged."
_CAUSES = {
    errno.ENOSPC: ("the disk is full", _FULL),
    errno.EDQUOT: ("your disk quota is used up", _FULL),
    errno.EFBIG: ("the file grows beyond the size allowed here", "Raise the limit (ulimit -f)."),
    errno.EIO: ("the disk reports an error", "Check the disk or choose a folder on another one."),
    errno.EROFS: ("the file system is read-only", "Choose a folder that you may write."),
    errno.EACCES: ("permission denied", _DENIED),
    errno.EPERM: ("permission denied", _DENIED),
    errno.ENOTDIR: ("a part of the path is a file", "Choose another path or remove that file."),
    errno.EEXIST: ("a part of the path is a file", "Choose another path or remove that file."),
    errno.EISDIR: ("a folder has this name", "Choose another path or remove the folder."),
}
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextmanager
def publish_file(final: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `final` if all goes well.

    For writers that take a path. The temporary name ends as the final one does.

    Raises:
        StorageError: it cannot be written; an earlier file of the name is unchanged.
    """
    temporary = _beside(final, _TEMPORARY)
    try:
        with _reported(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(exist_ok=False)
        with _reported(final, _DISK_ERRORS):
            yield temporary
        with _reported(final):
            _flush(temporary)
            os.replace(temporary, final)
            _flush(final.parent)
    finally:
        _delete(temporary)


@contextmanager
def publish_folder(final: Path) -> Iterator[Path]:
    """Give a temporary folder to fill, and rename it to `final` if all goes well.

    An earlier folder of the name is replaced. It is moved aside first, so for a moment
    there is neither; `remove_leftovers` puts it back if the process dies just then.

    Raises:
        StorageError: it cannot be written; an earlier folder of the name is unchanged.
    """
    temporary = _beside(final, _TEMPORARY)
    try:
        with _reported(final):
            temporary.mkdir(parents=True)
        with _reported(final, _DISK_ERRORS):
            yield temporary
        with _reported(final):
            for path in sorted(temporary.rglob("*")):
                _flush(path)
            _flush(temporary)
            _replace_folder(temporary, final)
            _flush(final.parent)
    finally:
        _delete(temporary)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file that appears when it is whole.

    Raises:
        StorageError: it cannot be written; an earlier file of the name is unchanged.
    """
    with publish_file(path) as temporary, temporary.open("wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; see :func:`write_bytes`.

    A byte of a file's name that is no UTF-8 is written out, such as `\\udce9`, which in JSON
    stands for that byte again.
    """
    write_bytes(path, _encoded(text))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file; see :func:`write_bytes`.

    Paths become text, arrays lists, and numbers that are not finite null.
    """
    write_text(path, json.dumps(jsonable(value), indent=2, ensure_ascii=False) + "\n")


def append_line(path: Path, value: Any) -> None:
    """Append a value to a file of JSON lines.

    Either the whole line is written or none of it. A line that an earlier process was
    killed in the middle of is dropped. One process may append at a time. The line
    survives a kill at once, a power cut when the system has flushed its files.

    Raises:
        StorageError: it cannot be written; the earlier lines are unchanged.
    """
    line = _encoded(json.dumps(jsonable(value), ensure_ascii=False) + "\n")
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            end = _end_of_lines(descriptor)
            os.ftruncate(descriptor, end)
            try:
                _write_at(descriptor, line, end)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)


def read_lines(path: Path) -> list[Any]:
    """Return the values in a file of JSON lines, none if there is no file.

    A last line without an end, torn by a kill, does not count.

    Raises:
        StorageError: the file cannot be read, or is damaged elsewhere.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.") from error
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise StorageError(
                f"{path}, line {number} is damaged: {error}.",
                hint="Delete that line, or restore the file from a copy.",
            ) from error
    return values


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        StorageError: the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.") from error


def fingerprint(*parts: Any) -> str:
    """Return a short hash of what something is made of: equal for equal parts.

    Args:
        parts: JSON values, paths, bytes, and arrays, of which also type and shape count.
    """
    digest = hashlib.sha256()
    for part in parts:
        kind, data = _as_bytes(part)
        digest.update(f"{kind} {len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:20]


def _as_bytes(part: Any) -> tuple[str, bytes]:
    if isinstance(part, bytes):
        return "bytes", part
    if hasattr(part, "tobytes") and part.dtype != object:
        return f"{part.dtype} {part.shape}", part.tobytes()
    return "json", json.dumps(jsonable(part), sort_keys=True).encode()


def remove_leftovers(folder: Path) -> list[Path]:
    """Delete what processes that no longer run left half-written in `folder` itself.

    A folder that was moved aside and whose successor never came is put back.

    Returns:
        the final names of what was being written.

    Raises:
        StorageError: a leftover cannot be deleted.
    """
    names = []
    for path in sorted(folder.glob(".zoo-*")):
        name = _NAME.fullmatch(path.name)
        if name is None or _at_work(name, path):
            continue
        final = folder / name["final"]
        with _reported(path):
            if name["purpose"] == _REPLACED and not final.exists():
                path.rename(final)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        names.append(final)
    return names


def _beside(final: Path, purpose: str) -> Path:
    """Return a new name in the folder of `final` that matches `_NAME`."""
    writer = f"{_machine()}-{os.getpid()}-{_PROCESS}-{secrets.token_hex(4)}"
    return final.with_name(f"{purpose}~{writer}~{final.name}")


def _at_work(name: re.Match[str], path: Path) -> bool:
    """Return whether the process that made `path` may still be writing it."""
    if name["machine"] == _machine():
        process = int(name["process"])
        # A restarted container gives its new process the number of the dead one.
        return name["token"] == _PROCESS if process == os.getpid() else _runs(process)
    with suppress(OSError):
        return time.time() - path.stat().st_mtime < ABANDONED_SECONDS
    return False


def _runs(process: int) -> bool:
    try:
        with suppress(PermissionError):
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextmanager
def _reported(path: Path, codes: tuple[int, ...] | None = None) -> Iterator[None]:
    """Turn an `OSError`, or only those of some codes, into a `StorageError` about `path`."""
    try:
        yield
    except OSError as error:
        if codes is not None and error.errno not in codes:
            raise
        cause, hint = _CAUSES.get(error.errno or 0, (error.strerror or str(error), ""))
        raise StorageError(f"Cannot write {_final(path)}: {cause}.", hint=hint) from error


def _final(path: Path) -> Path:
    """Return what `path` will be called when the folders that hold it are published."""
    names = [(_NAME.fullmatch(part), part) for part in path.parts]
    return Path(*(name["final"] if name else part for name, part in names))


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk; a full disk may show only now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _replace_folder(temporary: Path, final: Path) -> None:
    if not final.is_dir():
        temporary.rename(final)
        return
    replaced = _beside(final, _REPLACED)
    final.rename(replaced)
    try:
        temporary.rename(final)
    except OSError:
        replaced.rename(final)
        raise
    _delete(replaced)


def _delete(path: Path) -> None:
    """Delete a file or folder if it is there; what cannot be deleted is left over."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _end_of_lines(descriptor: int) -> int:
    """Return the size of a file without a torn last line."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    os.lseek(descriptor, offset, os.SEEK_SET)
    while data:
        data = data[os.write(descriptor, data) :]


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def jsonable(value: Any) -> Any:
    """Return `value` as JSON has it: no NaN, no arrays, no paths."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return jsonable(value.tolist()) if hasattr(value, "tolist") else value
