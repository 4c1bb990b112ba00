"""What was brought from the network to stay: weights and datasets, each with its hashes.

The store is a folder, `$ZOO_HOME/store` by default. What an address names has a folder of
its own in it, its place, with the files as they came and a manifest of their SHA-256.

| address | place in the store |
| --- | --- |
| `kaggle://keras/yolov8/keras/yolo_v8_m_pascalvoc/2` | `kaggle/keras--yolov8--keras--yolo_v8_m_pascalvoc--2` |
| `hf://keras/dfine_nano_coco` | `hf/keras--dfine_nano_coco` |
| `tfds:voc/2007:5.0.0` | `tfds/voc/2007/5.0.0`, as TFDS itself has it |

A folder appears when it is whole, and is checked whenever it is used. The hashes guard
against damage and against a changed file, not against who can write the manifest too.
"""  # noqa: E501

from __future__ import annotations

import fcntl
import json
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.archives import extract
from zoo.errors import ConfigError, StorageError, ZooError
from zoo.settings import cache_folder, home
from zoo.storage import publish_file, publish_folder, remove_leftovers, sha256, write_json

MANIFEST = "zoo-manifest.json"
ARCHIVES = (".tar", ".zip")
"""Endings of the archives that :func:`pack` writes."""

# What reading a manifest that is none can raise.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    ConfigError,
)

TFDS = "tfds:"
"""What an address, or a path, begins with that names a dataset of TFDS."""

_SCHEMES = ("kaggle://", "hf://", TFDS)
_LENGTHS = {"kaggle": (4, 5), "hf": (1, 2), "tfds": (1, 2, 3, 4)}
"""How many parts an address may have, by scheme."""

_PLACES = ("kaggle/*", "hf/*", "tfds/*/*", "tfds/*/*/*")
_PART = re.compile(r"\w([\w.+]|-(?!-))*", re.ASCII)


@dataclass(frozen=True)
class Kept:
    """Something in a store.

    Attributes:
        address: what it was fetched by.
        folder: where it is.
        files: path within the folder -> size in bytes and SHA-256.
    """

    address: str
    folder: Path
    files: Mapping[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())

    def verify(self) -> None:
        """Compare the files with the manifest.

        Raises:
            StorageError: a file is missing, is another or does not belong there.
        """
        present = _files(self.folder)
        for name, (size, digest) in self.files.items():
            path = self.folder / name
            if name not in present:
                raise self._damaged(f"{path} is missing")
            if path.stat().st_size != size:
                raise self._damaged(f"{path} has {path.stat().st_size} bytes instead of {size}")
            if sha256(path) != digest:
                raise self._damaged(f"{path} was changed: its SHA-256 is not {digest}")
        for name in sorted(present - self.files.keys()):
            raise self._damaged(f"{self.folder / name} is none of the files that were fetched")

    def _damaged(self, what: str) -> StorageError:
        return StorageError(
            f"{self.address} is not used, as {what}.",
            hint=f"Bring it again: {command(self.address)}",
        )


def is_address(text: str) -> bool:
    """Return whether a text begins as an address of something on the network does."""
    return text.startswith(_SCHEMES)


def store_folder() -> Path:
    """Return the folder of the user's store; it may not exist yet."""
    return home() / "store"


def command(address: str) -> str:
    """Return what brings something, with a network or by way of a machine that has one."""
    return (
        f"`zoo prefetch {address}`. Without a network, run that elsewhere with `--into FILE.tar`, "
        "and `zoo prefetch --from FILE.tar` here."
    )


def place(address: str, store: Path | None = None) -> Path:
    """Return the folder that an address has in a store, the user's by default.

    Raises:
        ConfigError: it is no address.
    """
    scheme, _, rest = address.partition(":")
    is_data = scheme == "tfds"
    parts = rest.replace(":", "/").split("/") if is_data else rest.removeprefix("//").split("/")
    is_whole = is_address(address) and len(parts) in _LENGTHS[scheme]
    if not is_whole or not all(map(_PART.fullmatch, parts)):
        raise ConfigError(
            f"{address!r} is no address of weights or data.",
            hint="Expected kaggle://OWNER/MODEL/keras/VARIANT/VERSION, hf://OWNER/MODEL or "
            f"{TFDS}NAME.",
        )
    return (store or store_folder()).joinpath(scheme, *(parts if is_data else ["--".join(parts)]))


def find(address: str, store: Path | None = None) -> Kept | None:
    """Return what a store has of an address, not yet verified, or None.

    Raises:
        StorageError: its manifest is damaged or another's.
    """
    folder = place(address, store)
    if not (folder / MANIFEST).exists():
        return None
    kept = read_manifest(folder)
    if kept.address != address:
        raise _misplaced(kept)
    return kept


def find_whole(address: str, store: Path | None = None) -> Kept | None:
    """Return what a store has of an address if it is undamaged, or None."""
    try:
        kept = find(address, store)
        if kept:
            kept.verify()
    except StorageError:
        return None
    return kept


def contents(store: Path | None = None) -> list[Kept]:
    """Return all that a store holds, not verified.

    Raises:
        StorageError: a manifest is damaged.
    """
    root = store or store_folder()
    return [
        read_manifest(folder)
        for pattern in _PLACES
        for folder in sorted(root.glob(pattern))
        if (folder / MANIFEST).exists() and not folder.name.startswith(".")
    ]


def keep(source: Path, address: str, store: Path | None = None) -> Kept:
    """Copy a folder into a store, with a manifest.

    Args:
        source: a folder with all that the address names.
        address: where it was fetched.
        store: the folder of the store.

    Raises:
        StorageError: the store cannot be written; what was there is unchanged.
    """
    final = place(address, store)
    with publish_folder(final) as draft:
        _copy(source, draft, shutil.copy2)
        files = {
            name: {"bytes": (draft / name).stat().st_size, "sha256": sha256(draft / name)}
            for name in sorted(_files(draft))
        }
        write_json(draft / MANIFEST, {"address": address, "files": files})
    return read_manifest(final)


@contextmanager
def fetching(address: str) -> Iterator[None]:
    """Let one process of this user at a time fetch what an address names; others wait.

    Raises:
        StorageError: the user's cache cannot be written.
    """
    name = place(address, Path()).as_posix().replace("/", "--")
    with (_made(cache_folder() / "locks") / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pack(kept: Sequence[Kept], archive: Path) -> None:
    """Write an archive of things in a store; equal content gives equal archives.

    Args:
        kept: what to put into it.
        archive: a file that ends in `.tar` or `.zip`.

    Raises:
        StorageError: it cannot be written; an earlier file of the name is unchanged.
    """
    members = [
        (each.folder / name, (place(each.address, Path()) / name).as_posix())
        for each in sorted(kept, key=lambda each: each.address)
        for name in (MANIFEST, *sorted(each.files))
    ]
    with publish_file(archive) as draft:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED, strict_timestamps=False) as file:
                for path, name in members:
                    _add_to_zip(file, path, name)
        else:
            with tarfile.open(draft, "w") as file:
                for path, name in members:
                    file.add(path, name, filter=_without_owner)


def unpack(archive: Path, store: Path | None = None) -> list[Kept]:
    """Put what :func:`pack` wrote, or another store's folder, into a store.

    Everything is verified first; what is there already and whole is left as it is.

    Raises:
        StorageError: the archive is refused or damaged, or the store cannot be written.
    """
    if not archive.exists():
        raise StorageError(f"There is no {archive}.", hint="Correct the path.")
    if archive.is_dir():
        return _take_over(archive, store, shutil.copy2)
    cache = _made(cache_folder())
    with tempfile.TemporaryDirectory(dir=cache, prefix="unpacked-") as folder:
        unpacked = Path(folder) / "store"
        extract(archive, unpacked, limit_bytes=shutil.disk_usage(cache).free)
        return _take_over(unpacked, store, shutil.move)


def clean(address: str, store: Path | None = None) -> None:
    """Remove what a killed process left of something it was writing."""
    folder = place(address, store).parent
    if folder.is_dir():
        remove_leftovers(folder)


def read_manifest(folder: Path) -> Kept:
    """Return what a folder with a manifest says of itself.

    Raises:
        StorageError: there is no manifest, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        files = {
            str(name): (int(about["bytes"]), str(about["sha256"]))
            for name, about in content["files"].items()
        }
        kept = Kept(content["address"], folder, files)
        place(kept.address)
    except _UNREADABLE as error:
        raise StorageError(
            f"{path} is damaged.", hint=f"Delete {folder} and run `zoo prefetch` again."
        ) from error
    return kept


def _made(folder: Path) -> Path:
    """Return a folder of the user's, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot write {folder}: {error.strerror}.",
            hint="Set ZOO_HOME to a folder that you may write.",
        ) from error
    return folder


def _take_over(source: Path, store: Path | None, transfer: Callable[..., object]) -> list[Kept]:
    """Verify all that is in the store `source` and put it into another one.

    Args:
        source: the folder of the store.
        store: the folder of the other one.
        transfer: copies or moves a file.
    """
    found = contents(source)
    if not found:
        raise StorageError(
            "Nothing that `zoo prefetch` wrote is in what was given.",
            hint="Write it on a machine with a network: zoo prefetch ADDRESS --into FILE.tar",
        )
    for each in found:
        if each.folder != place(each.address, source):
            raise _misplaced(each)
        each.verify()
    return [find_whole(each.address, store) or _adopt(each, store, transfer) for each in found]


def _adopt(kept: Kept, store: Path | None, transfer: Callable[..., object]) -> Kept:
    final = place(kept.address, store)
    with fetching(kept.address), publish_folder(final) as draft:
        _copy(kept.folder, draft, transfer)
        transfer(kept.folder / MANIFEST, draft / MANIFEST)
    return read_manifest(final)


def _misplaced(kept: Kept) -> StorageError:
    return StorageError(
        f"{kept.folder} says that it is {kept.address}, which belongs elsewhere.",
        hint=f"Delete that folder and bring it again: {command(kept.address)}",
    )


def _copy(source: Path, target: Path, transfer: Callable[..., object]) -> None:
    """Copy or move the files below a folder, one by one, so that a full disk is told as such."""
    for name in sorted(_files(source)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        transfer(source / name, target / name)


def _files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder but its manifest."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {MANIFEST}


def _add_to_zip(file: zipfile.ZipFile, path: Path, name: str) -> None:
    with path.open("rb") as content, file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as to:
        shutil.copyfileobj(content, to)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.mode = 0, 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def missing(what: str, address: str, kind: type[ZooError]) -> ZooError:
    """Return the error that something is not here and may not be fetched.

    Args:
        what: as the user calls it.
        address: what brings it.
        kind: class of the error.
    """
    return kind(
        f"{what} is not on this machine, and ZOO_OFFLINE forbids the network.",
        hint=f"Bring it: {command(address)}",
    )
