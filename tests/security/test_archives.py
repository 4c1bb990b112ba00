"""An archive writes nothing outside its folder and nothing at all if something is wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from zoo.archives import extract
from zoo.errors import StorageError

MEBI = 2**20


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], kind: int = 8) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def zip_link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def encrypted() -> bytes:
    content = bytearray(zipped([("a.txt", b"secret")]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def lying_zip() -> bytes:
    """The headers claim one byte; far more comes out."""
    content = bytearray(zipped([("a", bytes(100 * MEBI))]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + offset, 1)
    return bytes(content)


def large_header() -> bytes:
    """A header of extended attributes that says it is a gigabyte long."""
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 2**30
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096)


def damaged_in_the_middle() -> bytes:
    content = bytearray(tar(("a", b"1"), ("b", b"2"), format=tarfile.USTAR_FORMAT))
    content[1024:1100] = b"x" * 76
    return bytes(content)


def chained_names() -> bytes:
    """Long names that each belong to the next one: tarfile reads them one within the other."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    return (info.tobuf(tarfile.GNU_FORMAT) + b"a\0" + bytes(510)) * 3000 + tar(("a", b"1"))


def damaged_bzip2() -> bytes:
    content = bytearray(bz2.compress(tar(("a", os.urandom(50_000)))))
    content[30] ^= 255
    content[20_000] ^= 255
    return bytes(content)


def zip_before_its_start() -> bytes:
    """The archive says that its members begin before the file does."""
    content = bytearray(zipped([("a", b"1")]))
    struct.pack_into("<I", content, content.index(b"PK\x05\x06") + 16, 10_000)
    return bytes(content)


OUTSIDE = "../canary"
ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "tar-parent": (lambda: tar((OUTSIDE, b"!")), "leave the folder"),
    "tar-parent-inside": (lambda: tar(("a/../../canary", b"!")), "leave the folder"),
    "tar-absolute": (lambda: tar(("/tmp/canary", b"!")), "leave the folder"),
    "tar-symlink": (lambda: tar(special("a", tarfile.SYMTYPE, "..")), "link"),
    "tar-through-symlink": (
        lambda: tar(special("a", tarfile.SYMTYPE, ".."), ("a/canary", b"!")),
        "link",
    ),
    "tar-hardlink": (lambda: tar(special("a", tarfile.LNKTYPE, "/etc/passwd")), "link"),
    "tar-device": (lambda: tar(special("a", tarfile.CHRTYPE)), "special file"),
    "tar-fifo": (lambda: tar(special("a", tarfile.FIFOTYPE)), "special file"),
    "tar-duplicate": (lambda: tar(("a", b"1"), ("a", b"2")), "another member"),
    "tar-case": (lambda: tar(("Read.txt", b"1"), ("read.txt", b"2")), "another member"),
    "tar-case-of-folders": (lambda: tar(("A/x", b"1"), ("a/y", b"2")), "another member"),
    "tar-unicode": (lambda: tar(("\u00e9", b"1"), ("e\u0301", b"2")), "another member"),
    "tar-file-as-folder": (lambda: tar(("a", b"1"), ("a/b", b"2")), "another member"),
    "tar-long-name": (lambda: tar(("a" * 300, b"1")), "too long"),
    "tar-long-path": (lambda: tar(("a/" * 600 + "b", b"1")), "too long"),
    "tar-escape-sequence": (lambda: tar(("\x1b[2Ja", b"1")), "control characters"),
    "tar-not-utf8": (lambda: tar(("\udcff", b"1"), format=tarfile.GNU_FORMAT), "not UTF-8"),
    "tar-large-header": (large_header, "header of more than"),
    "tar-chained-names": (chained_names, "cannot be unpacked"),
    "tar-damaged": (damaged_in_the_middle, "damaged in the middle"),
    "tar-cut": (lambda: tar(("a", bytes(5000)))[:2048], "unexpected end"),
    "tar-without-end": (lambda: tar(("a", bytes(512)))[:1024], "cut off"),
    "gzip-bomb": (lambda: gzip.compress(tar(("a", bytes(70 * MEBI))), 9), "bomb"),
    "bzip2-bomb": (lambda: bz2.compress(tar(("a", bytes(70 * MEBI)))), "bomb"),
    "xz-bomb": (lambda: lzma.compress(tar(("a", bytes(70 * MEBI))), preset=0), "bomb"),
    "bzip2-damaged": (damaged_bzip2, "cannot be unpacked"),
    "gzip-cut": (lambda: gzip.compress(tar(("a", os.urandom(9999))))[:-9], "end-of-stream"),
    "zip-parent": (lambda: zipped([(OUTSIDE, b"!")]), "leave the folder"),
    "zip-absolute": (lambda: zipped([("/tmp/canary", b"!")]), "leave the folder"),
    "zip-backslash": (lambda: zipped([("..\\canary", b"!")]), "leave the folder"),
    "zip-symlink": (lambda: zipped([zip_link("a", ".."), ("a/canary", b"!")]), "link"),
    "zip-duplicate": (lambda: zipped([("a/b", b"1"), ("A/B", b"2")]), "another member"),
    "zip-bomb": (lambda: zipped([("a", bytes(70 * MEBI))]), "bomb"),
    "zip-bomb-in-parts": (lambda: zipped([(f"{i}", bytes(7 * MEBI)) for i in range(10)]), "bomb"),
    "zip-lies": (lying_zip, "cannot be unpacked"),
    "zip-encrypted": (encrypted, "encrypted"),
    "zip-other-method": (lambda: zipped([("a", b"1")], zipfile.ZIP_LZMA), "neither stored"),
    "zip-before-its-start": (zip_before_its_start, "cannot be unpacked"),
    "zip-cut": (lambda: zipped([("a", os.urandom(999))])[:500], "cannot be unpacked"),
    "neither": (lambda: b"<html>404 not found</html>" * 99, "cannot be unpacked"),
    "empty": (lambda: b"", "cannot be unpacked"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("attack", ATTACKS)
def test_archive_is_refused(tmp_path: Path, attack: str) -> None:
    build, reason = ATTACKS[attack]
    archive = tmp_path / "archive"
    archive.write_bytes(build())
    with pytest.raises(StorageError, match=reason) as caught:
        extract(archive, tmp_path / "inside" / "folder")
    assert str(archive) in caught.value.message
    assert caught.value.hint
    assert sorted(tmp_path.rglob("*")) == [archive, tmp_path / "inside"]
    assert not Path("/tmp/canary").exists()


def packed(kind: str, folder: Path) -> bytes:
    if kind == "zip":
        return zipped((str(each.relative_to(folder)), each.read_bytes()) for each in files(folder))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{kind}") as archive:
        archive.add(folder, ".")
    return file.getvalue()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz", "zip"])
def test_harmless_archive_is_unpacked_without_its_permissions(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "large").write_bytes(os.urandom(MEBI + 1))
    (source / "a" / "empty").write_bytes(b"")
    (source / "run").write_bytes(b"#!/bin/sh\n")
    (source / "run").chmod(0o6755)
    archive = tmp_path / "archive"
    archive.write_bytes(packed(kind, source))
    (tmp_path / "empty").mkdir()

    unpacked = extract(archive, tmp_path / "empty")

    names = [path.relative_to(source) for path in files(source)]
    assert sorted(unpacked) == [tmp_path / "empty" / name for name in names]
    assert all(
        (tmp_path / "empty" / each).read_bytes() == (source / each).read_bytes() for each in names
    )
    assert not (tmp_path / "empty" / "run").stat().st_mode & 0o7111


def test_limits_count_what_comes_out(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(zipped([(f"{i}", bytes(1000)) for i in range(5)], zipfile.ZIP_STORED))
    assert len(extract(archive, tmp_path / "all", limit_bytes=5000, limit_files=5)) == 5
    with pytest.raises(StorageError, match="4,999 bytes"):
        extract(archive, tmp_path / "none", limit_bytes=4999)
    with pytest.raises(StorageError, match="more than 4 files"):
        extract(archive, tmp_path / "none", limit_files=4)
    assert not (tmp_path / "none").exists()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(tar(("mine.txt", b"theirs")))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="something is there"):
        extract(archive, tmp_path / "folder")
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
