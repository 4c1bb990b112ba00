"""Finds out how recordings are labelled."""

from __future__ import annotations

from pathlib import Path

from zoo import tfds_name
from zoo_speech.data import folders, manifests, tfds_audio
from zoo_speech.data.clips import Listing


def find(path: str, cache: Path, tfds_rate: int = 0) -> Listing:
    """Return the recordings at a path: of a manifest, of folders, or of TFDS.

    Args:
        path: file, folder, glob or `tfds:NAME`.
        cache: a folder for copies.
        tfds_rate: samples a second of a TFDS dataset that does not say.

    Raises:
        DataError: there is nothing, or a manifest cannot be read.
    """
    listing = _found(path, cache, tfds_rate)
    listing.leave_out_unwritable()
    listing.take_speakers_from_names()
    return listing


def _found(path: str, cache: Path, tfds_rate: int) -> Listing:
    if name := tfds_name(path):
        return tfds_audio.read(name, cache, tfds_rate)
    place = Path(path).expanduser()
    tables = manifests.in_folder(place) if place.is_dir() else []
    if place.is_file() and place.suffix.lower() in manifests.MANIFESTS:
        tables = [place]
    if not tables:
        return folders.read(*folders.files_at(path))
    listing = Listing()
    for table in tables:
        listing.add(manifests.read(table))
    return listing
