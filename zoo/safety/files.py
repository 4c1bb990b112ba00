"""Checks of folders, JSON files, zip files and NumPy's arrays."""

from __future__ import annotations

import json
import math
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.archives import plausible_size
from zoo.errors import StorageError

_JSON_BYTES = 64 * 2**20
_DEPTH = 64
HINT = "Load only what zoo saved and what comes from people you trust; ask them for a new copy."


def refusal(where: Path, what: str, hint: str = HINT) -> StorageError:
    """Return the error that says what was found in a file."""
    return StorageError(f"{where} is refused: {what}.", hint=hint)


def check_folder(folder: Path) -> None:
    """Check that a folder holds plain files and folders alone: no links, pipes or devices.

    Raises:
        StorageError: it holds something else.
    """
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise refusal(path, "it is a link or a special file")


def read_json(path: Path, *, finite: bool = True) -> Any:
    """Return what a JSON file holds.

    Args:
        path: the file.
        finite: refuse NaN and infinity, which JSON itself does not have.

    Raises:
        StorageError: it is missing, no JSON, larger than 64 MiB or nested deeper than 64.
    """
    try:
        with path.open("rb") as file:
            return parse_json(file, path, finite=finite)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.", hint=HINT) from error


def check_file(path: Path) -> None:
    """Check a file by its suffix: `.json`, `.npz` and `.npy` files; others are not looked at.

    Raises:
        StorageError: it is damaged, or holds what it should not.
    """
    match path.suffix:
        case ".json":
            read_json(path, finite=False)
        case ".npz":
            check_arrays(path)
        case ".npy":
            with path.open("rb") as file:
                _check_array(file, path.stat().st_size, path)


def check_arrays(path: Path) -> None:
    """Check that an `.npz` file holds plain arrays of a plausible size.

    Raises:
        StorageError: it is damaged, a decompression bomb, or holds Python objects.
    """
    with open_zip(path) as (archive, members):
        for member in members:
            with archive.open(member) as file:
                _check_array(file, member.file_size, path / member.filename)


@contextmanager
def open_zip(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """Open a zip file whose members are each there once, and which is no bomb.

    Raises:
        StorageError: it is damaged, or something else; also while it is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(set(names)) < len(names):
                raise refusal(path, "it holds two parts of one name")
            if sum(member.file_size for member in members) > plausible_size(path.stat().st_size):
                raise refusal(path, "it unpacks to far more than it holds")
            yield archive, members
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise refusal(path, f"it is damaged ({error})") from error
    except RuntimeError as error:  # what zipfile raises where a password is missing
        raise refusal(path, f"it cannot be unpacked ({error})") from error


def parse_json(file: IO[bytes], where: Path, *, finite: bool) -> Any:
    """Return the JSON value in a file; see :func:`read_json`."""
    content = file.read(_JSON_BYTES + 1)
    if len(content) > _JSON_BYTES:
        raise refusal(where, f"it holds more than {_JSON_BYTES >> 20} MiB of JSON")

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number of JSON")

    try:
        value = json.loads(content, parse_constant=refuse if finite else float)
    except RecursionError as error:
        raise refusal(where, "its JSON is nested too deeply") from error
    except ValueError as error:
        raise refusal(where, f"it is not valid JSON ({error})") from error
    if _depth(value) > _DEPTH:
        raise refusal(where, "its JSON is nested too deeply")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [value for each in level for value in inner(each)]
    return depth


def inner(value: Any) -> Iterable[Any]:
    """Return what a JSON value holds, one level deep."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_array(file: IO[bytes], size: int, where: Path) -> None:
    """Check the head of a file of NumPy's format against the size of the file."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, _, dtype = read.get(version, np.lib.format.read_array_header_2_0)(file)
    except (ValueError, OSError, EOFError) as error:
        raise refusal(where, f"it is no array of NumPy ({error})") from error
    if dtype.hasobject:
        raise refusal(where, "it holds pickled Python objects")
    if math.prod(shape) * dtype.itemsize > size:
        raise refusal(where, f"it claims the shape {shape}, which it does not hold")
