"""Archives from elsewhere, unpacked so that they can harm nothing.

An archive is a program that writes files, and its author need not be a friend. Names that
leave the folder, links, devices and bombs are refused, and what is refused leaves nothing
behind: the folder appears when all of it is there. The owners, times and permissions that
an archive claims are not taken over.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from zoo.errors import StorageError, first_line
from zoo.storage import publish_folder

LIMIT_BYTES = 200 * 2**30
LIMIT_FILES = 2_000_000

_RATIO = 200
_UNSUSPICIOUS = 64 * 2**20
_CHUNK = 2**20
_LONGEST_NAME, _LONGEST_PATH = 255, 1024
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    EOFError, NotImplementedError, ValueError, OverflowError,
    OSError,  # bz2's error, and zipfile's where an offset lies before the file's start
    RecursionError,  # tarfile's, as each of its long headers is read within the one before
)  # fmt: skip
_DAMAGED = "Give a tar (plain, gzip, bzip2, xz) or zip archive; copy or download it again."
_REFUSED = "Get it from its original source. If you do trust it, unpack it by other means."


def extract(
    archive: Path,
    folder: Path,
    *,
    limit_bytes: int = LIMIT_BYTES,
    limit_files: int = LIMIT_FILES,
) -> list[Path]:
    """Unpack a tar (plain, gzip, bzip2 or xz) or zip archive into a new folder.

    The kind is told by the content, not by the name. What comes out is counted while it is
    read, whatever the archive's headers claim.

    Args:
        archive: the file.
        folder: where to; it does not exist yet or is empty, and appears when it is whole.
        limit_bytes: how much may come out.
        limit_files: how many files and folders may come out.

    Returns:
        the files, in the archive's order.

    Raises:
        StorageError: the archive is damaged, encrypted or of another kind, holds what could
            harm, or the folder cannot be written. Nothing is left behind.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise StorageError(
            f"Cannot unpack {archive} into {folder}: something is there already.",
            hint="Give a folder that does not exist yet, or an empty one.",
        )
    try:
        with archive.open("rb") as file, publish_folder(folder) as draft:
            inspector = _Inspector(archive, limit_bytes, limit_files)
            names = list(_unpack(file, draft, inspector))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise StorageError(
            f"{archive} cannot be read: {error.strerror}.", hint="Correct the path."
        ) from error
    except _UNREADABLE as error:
        raise StorageError(
            f"{archive} cannot be unpacked: {first_line(error)}.", hint=_DAMAGED
        ) from error
    return [folder / name for name in names]


def plausible_size(packed: int) -> int:
    """Return how many bytes may come out of a file of so many, unless it is a bomb."""
    return max(_UNSUSPICIOUS, _RATIO * packed)


def _unpack(file: IO[bytes], draft: Path, inspector: _Inspector) -> Iterator[str]:
    """Write what an archive holds into `draft` and yield the files' names."""
    start = file.read(max(map(len, _OPENERS)))
    file.seek(0)
    if start.startswith(_ZIP):
        yield from _unpack_zip(file, draft, inspector)
        return
    opener = next((each for magic, each in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None:
        yield from _unpack_tar(file, draft, inspector)
        return
    with opener(file, "rb") as content:  # type: ignore[operator]
        yield from _unpack_tar(content, draft, inspector)


def _unpack_zip(file: IO[bytes], draft: Path, inspector: _Inspector) -> Iterator[str]:
    with zipfile.ZipFile(file) as stored:
        for member in stored.infolist():
            shown = repr(member.orig_filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise inspector.refusal(f"{shown} is a link or a special file")
            if member.flag_bits & 1:
                raise inspector.refusal(f"{shown} is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # zipfile does not bound what one read of its other decompressors brings.
                raise inspector.refusal(f"{shown} is neither stored nor deflated")
            name = inspector.admit(member.orig_filename, is_file=not member.is_dir())
            if member.is_dir():
                (draft / name).mkdir(parents=True, exist_ok=True)
                continue
            with stored.open(member) as content:
                inspector.begin()
                _write(_Counted(content, inspector), draft / name)
            yield name


def _unpack_tar(file: IO[bytes], draft: Path, inspector: _Inspector) -> Iterator[str]:
    stream = _Counted(file, inspector)
    with tarfile.open(fileobj=stream, mode="r:") as stored:  # type: ignore[call-overload]
        while (member := stored.next()) is not None:
            stored.members = []  # else the headers of all members pile up
            if not (member.isdir() or member.isreg()) or member.issparse():
                raise inspector.refusal(f"{member.name!r} is a link or a special file")
            name = inspector.admit(member.name, is_file=member.isreg())
            if member.isdir():
                (draft / name).mkdir(parents=True, exist_ok=True)
                continue
            content = stored.extractfile(member)
            assert content is not None, "a regular file has content"
            _write(content, draft / name)
            yield name
    if stream.latest != bytes(tarfile.BLOCKSIZE):
        # tarfile takes whatever is no header for the end of the archive.
        raise tarfile.ReadError("it is cut off, or damaged in the middle")
    while stream.read(_CHUNK):
        pass  # the check sums of gzip, bzip2 and xz come last


def _write(content: IO[bytes] | _Counted, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)


class _Inspector:
    """Says what may come out of an archive, and how much.

    Args:
        archive: the file.
        limit_bytes: how much may come out.
        limit_files: how many files and folders may come out.
    """

    def __init__(self, archive: Path, limit_bytes: int, limit_files: int) -> None:
        self._archive = archive
        self._bytes = min(limit_bytes, plausible_size(archive.stat().st_size))
        self._files = limit_files
        self._out_before, self._out = 0, 0
        self._taken: dict[str, tuple[str, bool]] = {}

    def refusal(self, what: str) -> StorageError:
        """Return the error that says what was found."""
        return StorageError(f"{self._archive} is refused: {what}.", hint=_REFUSED)

    def begin(self) -> None:
        """Note that another stream is read, whose positions begin at 0."""
        self._out_before += self._out
        self._out = 0

    def reach(self, position: int) -> None:
        """Check that a stream may be read up to a position.

        Raises:
            StorageError: too much comes out.
        """
        self._out = max(self._out, position)
        if self._out_before + self._out > self._bytes:
            raise self.refusal(
                f"it unpacks to more than {self._bytes:,} bytes, as a decompression bomb does"
            )

    def admit(self, name: str, *, is_file: bool) -> str:
        """Return where a member goes, relative to the folder.

        Raises:
            StorageError: the name could harm or is taken, or there are too many files.
        """
        self._check_name(name)
        parts = PurePosixPath(name).parts
        if is_file and not parts:
            raise self.refusal("it holds a file without a name")
        for depth in range(1, len(parts) + 1):
            self._take("/".join(parts[:depth]), is_file=is_file and depth == len(parts))
        if len(self._taken) > self._files:
            raise self.refusal(f"it holds more than {self._files:,} files")
        return "/".join(parts)

    def _check_name(self, name: str) -> None:
        parts = name.split("/")
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise self.refusal(f"the name {name!r} holds control characters or is not UTF-8")
        if name.startswith("/") or ".." in parts or "\\" in name:
            raise self.refusal(f"{name!r} would leave the folder")
        longest = max(len(part.encode()) for part in parts)
        if longest > _LONGEST_NAME or len(name.encode()) > _LONGEST_PATH:
            raise self.refusal(f"the name {name[:40]!r}... is too long")

    def _take(self, path: str, *, is_file: bool) -> None:
        """Note that a file or folder has a name; only a folder may have it again."""
        # Some file systems tell neither case nor Unicode's ways of writing a letter apart.
        key = unicodedata.normalize("NFC", path).casefold()
        is_new = key not in self._taken
        other = self._taken.setdefault(key, (path, is_file))
        if not is_new and (is_file or other != (path, False)):
            raise self.refusal(f"{path!r} has the name of another member, {other[0]!r}")


class _Counted:
    """A stream of which no more is read than is allowed, and little at once.

    Attributes:
        latest: what was read last.
    """

    def __init__(self, stream: IO[bytes], inspector: _Inspector) -> None:
        self.latest = b""
        self._stream = stream
        self._inspector = inspector

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if not 0 <= size <= _CHUNK:
            raise self._inspector.refusal("it holds a header of more than a megabyte")
        self.latest = self._stream.read(size)
        self._inspector.reach(self.tell())
        return self.latest

    def seek(self, offset: int, /) -> int:
        """Go to a position, which a compressed stream does by reading up to it."""
        self._inspector.reach(offset)
        return self._stream.seek(offset)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()
