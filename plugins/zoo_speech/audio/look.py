"""Goes through recordings once, to know how long and loud they are and what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo import fingerprint, publish_file
from zoo_speech.audio import likeness
from zoo_speech.audio.recording import Recording, RecordingError, blocks, opened

_VERSION = 2
"""Rises when looks say other things, so that what is kept of them is not used."""
_FULL_SCALE = 0.999
"""From this on a sample counts as clipped, if it is not alone."""


@dataclass(frozen=True)
class Look:
    """What is known of a recording that was gone through.

    Attributes:
        cause: a stable name for what is wrong with it; empty if it can be used.
        problem: the same as a sentence.
        hint: what to do about it.
        length: samples at the rate at which it is read.
        seconds: how long it is.
        native: samples a second of the file.
        channels: of the file.
        peak: largest absolute sample of the mean of the channels, 1 for full scale.
        clipped: share of the samples that stand at full scale, two or more in a row.
        content: a hash of the samples, whatever the file's name and format.
        picture: of `zoo_speech.audio.likeness`, as hexadecimal digits.
    """

    cause: str = ""
    problem: str = ""
    hint: str = ""
    length: int = 0
    seconds: float = 0.0
    native: int = 0
    channels: int = 0
    peak: float = 0.0
    clipped: float = 0.0
    content: str = ""
    picture: str = ""


def look_at(recordings: Sequence[Recording], cache: Path) -> list[Look]:
    """Go through recordings, several at a time, unless that was done before.

    Args:
        recordings: in files.
        cache: a folder in which the looks are kept.
    """
    file = cache / f"looks-{_stamp(recordings)}.json"
    if file.exists():
        return [Look(**each) for each in json.loads(file.read_text("utf-8"))]
    with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1)) as threads:
        looks = list(threads.map(examine, recordings))
    with publish_file(file) as temporary:
        temporary.write_text(json.dumps([asdict(look) for look in looks]), "utf-8")
    return looks


def examine(recording: Recording) -> Look:
    """Go through a recording of any length, a block at a time."""
    try:
        with opened(recording.path) as file:
            extent = recording.extent(file)
            digest, clipped = hashlib.sha256(), 0
            peak, begin = 0.0, np.zeros(0, np.float32)
            for block in blocks(extent.path, file, extent.first, extent.frames):
                digest.update(np.ascontiguousarray(block).tobytes())
                full = np.abs(block) >= _FULL_SCALE
                clipped += int(np.count_nonzero(full[1:] & full[:-1]))
                mono = block.mean(axis=1)
                peak = max(peak, float(np.abs(mono).max()))
                if len(begin) < likeness.SECONDS * extent.native:
                    begin = np.append(begin, mono)
            return Look(
                length=extent.length,
                seconds=extent.frames / extent.native,
                native=extent.native,
                channels=file.channels,
                peak=peak,
                clipped=clipped / (extent.frames * file.channels),
                content=digest.hexdigest()[:20],
                picture=likeness.picture(begin, extent.native).tobytes().hex(),
            )
    except RecordingError as error:
        return Look(cause=error.cause, problem=error.problem, hint=error.hint)


def _stamp(recordings: Sequence[Recording]) -> str:
    """Return a hash that changes when a file does."""
    parts: list[Any] = [_VERSION]
    for recording in recordings:
        parts.append([recording.path, recording.rate, recording.start, recording.seconds])
        with suppress(OSError):
            about = recording.path.stat()
            parts.append([about.st_size, about.st_mtime_ns, about.st_mode])
    return fingerprint(parts)
