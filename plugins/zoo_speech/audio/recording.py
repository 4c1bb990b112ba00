"""Recordings as references: cheap to hold, read when an example is encoded.

However a file is stored, it is read as the mean of its channels at the rate that is asked
for, within -1 and 1. A stretch of it is what the whole would have there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import gcd
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol

import numpy as np
import soundfile
import soxr

from zoo import DataError

SUFFIXES = (".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav")
"""How the names of audio files end, in lower case."""

MAX_SECONDS = 3 * 3600.0
"""As much as this is not read at once."""

Cause = Literal[
    "missing",
    "no-permission",
    "not-opened",
    "empty",
    "no-sound",
    "no-channels",
    "not-audio",
    "truncated",
    "damaged",
    "not-finite",
    "no-length",
    "too-long",
]

_BLOCK_SECONDS = 10.0
_MARGIN_SECONDS = 0.1
"""Around a stretch, so that the filter of the resampler has faded where it begins."""
_SIZED: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}
"""Containers that say how long they are, and the order of the bytes in which they say it."""
_UNKNOWN_SIZES = (range(2**31 - 4096, 2**31 + 256), range(2**32 - 256, 2**32))
"""Sizes that mean that a program wrote into a pipe and could not know, as sox and ffmpeg do."""
_UNKNOWN_FRAMES = 2**62
"""From so many frames on, their number is not known."""
_MPEG = tuple(b"\xff" + bytes([each]) for each in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2))
"""How the frames of MP3 files begin."""
_LONGEST_FRAME = 1441
"""Bytes of such a frame at most."""
_MPEG_HINT = "If it plays: ffmpeg -i FILE -c copy WHOLE.mp3 writes a header that says its length."
_OGG_PAGE = 65_307
"""Bytes of a page of an Ogg file at most."""
_HEADER = 80
"""Bytes of the longest usual header in such a container."""
_HEADERS = 4096
"""Bytes that headers and tags without sound may well have."""
_AGAIN = "Copy or download it again, or remove it."


class RecordingError(DataError):
    """A recording cannot be read.

    Args:
        name: of the recording.
        cause: a stable name for what is wrong.
        problem: the same as a sentence about the recording.
        hint: what to do about it.
    """

    def __init__(self, name: str, cause: Cause, problem: str, hint: str = _AGAIN) -> None:
        super().__init__(f"{name} {problem}", hint=hint)
        self.name = name
        self.cause = cause
        self.problem = problem


class Sound(Protocol):
    """Something that can be read as sound; cheap to hold."""

    @property
    def rate(self) -> int:
        """Samples a second at which it is read."""
        ...

    def read(self, start: int = 0, end: int | None = None) -> np.ndarray:
        """Return the samples from `start` to before `end`, float32 [samples], within -1 and 1.

        Raises:
            RecordingError: they cannot be read.
        """
        ...


@dataclass(frozen=True)
class Stretch:
    """A part of a recording.

    Attributes:
        recording: the whole.
        start: its first sample.
        end: the sample after its last one.
    """

    recording: Sound
    start: int
    end: int

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.recording.rate

    def read(self, start: int = 0, end: int | None = None) -> np.ndarray:
        """See :meth:`Sound.read`."""
        last = self.end if end is None else min(self.end, self.start + end)
        return self.recording.read(self.start + start, last)


@dataclass(frozen=True)
class Recording:
    """A recording in a file, or a segment of it.

    Attributes:
        path: of the file.
        rate: samples a second at which it is read, whatever its own.
        start: of the segment, seconds.
        seconds: length of the segment; None for all that follows.
    """

    path: Path
    rate: int
    start: float = 0.0
    seconds: float | None = None

    def read(self, start: int = 0, end: int | None = None) -> np.ndarray:
        """See :meth:`Sound.read`."""
        with opened(self.path) as file:
            extent = self.extent(file)
            end = extent.length if end is None else min(end, extent.length)
            if end - start >= MAX_SECONDS * self.rate:
                problem = f"is {(end - start) / self.rate / 3600:.1f} hours long; expected less "
                problem += f"than {MAX_SECONDS / 3600:g}."
                raise RecordingError(str(self.path), "too-long", problem, "Cut it into parts.")
            return np.clip(_resampled(file, extent, max(start, 0), max(end, start, 0)), -1, 1)

    def extent(self, file: soundfile.SoundFile) -> Extent:
        """Return where the segment lies in its opened file.

        Raises:
            RecordingError: it has no sound, lies behind the end of the file, or nobody knows
                where that is.
        """
        _check_length(self.path, file)
        first = round(self.start * file.samplerate)
        rest = max(file.frames - first, 0)
        frames = rest if self.seconds is None else min(round(self.seconds * file.samplerate), rest)
        if not frames:
            problem = f"ends before the {self.start:g} s at which the segment begins."
            if rest:
                problem = f"has a segment of {self.seconds:g} s at {self.start:g} s."
            raise RecordingError(str(self.path), "no-sound", problem, "Correct the manifest.")
        return Extent(self.path, first, frames, file.samplerate, self.rate)


class Extent(NamedTuple):
    """A segment of a file.

    Attributes:
        path: of the file.
        first: its first frame.
        frames: how many.
        native: frames a second of the file.
        rate: samples a second at which it is read.
    """

    path: Path
    first: int
    frames: int
    native: int
    rate: int

    @property
    def length(self) -> int:
        """Samples at the rate at which it is read; at least one."""
        return max(round(self.frames * self.rate / self.native), 1)


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file; what goes wrong with it, now or inside, is a RecordingError."""
    failed = partial(RecordingError, str(path))
    try:
        with path.open("rb") as raw:
            _check_container(path, raw)
            # Only through an object that Python reads is it known how far an MP3 file was read.
            whole = raw if raw.peek(3).startswith((b"ID3", *_MPEG)) else path
            with soundfile.SoundFile(whole) as file:
                yield file
                if whole is raw and file.tell() == file.frames and _has_mpeg_frames(raw.read()):
                    seconds = file.frames / file.samplerate
                    problem = f"goes on after the {seconds:.1f} s that it says it has."
                    raise failed("no-length", problem, _MPEG_HINT)
    except FileNotFoundError as error:
        problem = "is a link to no file." if path.is_symlink() else "does not exist."
        raise failed("missing", problem, "") from error
    except PermissionError as error:
        hint = f"Try: chmod u+r {path}"
        raise failed("no-permission", "may not be read by this user.", hint) from error
    except IsADirectoryError as error:
        raise failed("not-audio", "is a folder.", "") from error
    except soundfile.LibsndfileError as error:
        raise failed(*_cause(path, error.error_string)) from error
    except OSError as error:
        raise failed("not-opened", f"cannot be opened ({error.strerror}).", "") from error


def blocks(path: Path, file: soundfile.SoundFile, first: int, frames: int) -> Iterator[np.ndarray]:
    """Yield frames of an opened file, float32 [frames, channels], a few seconds at a time.

    Raises:
        RecordingError: the file ends earlier than its header says, or has no numbers in it.
    """
    most = max(round(_BLOCK_SECONDS * file.samplerate), 1)
    if file.seekable():
        file.seek(first)
    else:
        for start in range(0, first, most):
            file.read(min(most, first - start))
    left = frames
    while left:
        wanted = min(left, most)
        block = file.read(wanted, dtype="float32", always_2d=True)
        left -= len(block)
        if len(block) < wanted:
            problem = f"is cut off: it has {frames - left:,} of {frames:,} frames."
            hint = f"{_AGAIN} {_MPEG_HINT}" if file.format == "MP3" else _AGAIN
            raise RecordingError(str(path), "truncated", problem, hint)
        if not np.isfinite(block).all():
            problem = "holds samples that are no finite numbers (NaN or infinity)."
            raise RecordingError(str(path), "not-finite", problem)
        yield block


def _resampled(file: soundfile.SoundFile, extent: Extent, start: int, end: int) -> np.ndarray:
    """Return samples from `start` to before `end` of what the whole extent is resampled to."""
    if extent.native == extent.rate:
        whole = blocks(extent.path, file, extent.first + start, end - start)
        return np.concatenate([np.zeros(0, np.float32), *(each.mean(axis=1) for each in whole)])
    # Only where both rates have a sample at the same moment may a stretch begin.
    common = gcd(extent.native, extent.rate)
    step, native_step = extent.rate // common, extent.native // common
    begin = max(start - round(_MARGIN_SECONDS * extent.rate), 0) // step
    margin = round(_MARGIN_SECONDS * extent.native)
    first = begin * native_step
    last = min(-(-end * native_step // step) + margin, extent.frames)
    stream = soxr.ResampleStream(extent.native, extent.rate, 1, quality="HQ")
    pieces = [
        stream.resample_chunk(np.ascontiguousarray(each.mean(axis=1)))
        for each in blocks(extent.path, file, extent.first + first, last - first)
    ]
    pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(pieces)[start - begin * step :][: end - start]
    return np.pad(samples, (0, end - start - len(samples)))


def _check_container(path: Path, file: BinaryIO) -> None:
    """Raise for what libsndfile takes without a word, or says in words that do not help.

    Raises:
        RecordingError: the file is empty or ends earlier than its container says.
    """
    start = file.read(8)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _OGG_PAGE, 0))
    end = file.read() if start.startswith(b"OggS") else b""
    file.seek(0)
    if not start:
        raise RecordingError(str(path), "empty", "is empty (0 bytes).")
    whole = size + _lacking_of_page(end)
    if (order := _SIZED.get(start[:4])) and len(start) == 8:
        said = int.from_bytes(start[4:], order)
        whole = size if any(said in sizes for sizes in _UNKNOWN_SIZES) else said + 8
    # A last odd byte may lack its padding.
    if whole > size + 1:
        problem = f"cut off at {size:,} of {whole:,} bytes or more."
        if size <= _HEADER:
            problem = f"has a header, but no sound; it is {problem}"
            raise RecordingError(str(path), "no-sound", problem)
        raise RecordingError(str(path), "truncated", f"is {problem}")


def _check_length(path: Path, file: soundfile.SoundFile) -> None:
    """Raise for a header that does not say how long the sound is, or says that there is none.

    Raises:
        RecordingError: that is so.
    """
    if file.frames >= _UNKNOWN_FRAMES:
        problem = "does not say how long it is, as its writer could not know."
        hint = "Write it again, for example: ffmpeg -i FILE NEW.flac"
        raise RecordingError(str(path), "no-length", problem, hint)
    if not file.frames:
        if (size := path.stat().st_size) <= _HEADERS:
            raise RecordingError(str(path), "no-sound", "has a header, but no sound.")
        problem = f"has {size:,} bytes, but a header that says that there is no sound."
        hint = "If its writer was stopped: ffmpeg -ignore_length 1 -i FILE NEW.flac"
        raise RecordingError(str(path), "no-length", problem, hint)


def _lacking_of_page(end: bytes) -> int:
    """Return how many bytes of its last page an Ogg file lacks, to judge by its end."""
    page = end[end.rfind(b"OggS") :] if b"OggS" in end else b""
    if not page:
        return 0
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return max(27 + len(lengths) + sum(lengths) - len(page), 0)


def _has_mpeg_frames(rest: bytes) -> bool:
    """Return whether MP3 frames are among the last bytes of a file, where tags may be, too."""
    return max(map(rest.count, _MPEG)) * _LONGEST_FRAME > max(len(rest), 2 * _LONGEST_FRAME)


def _cause(path: Path, said: str) -> tuple[Cause, str, str]:
    """Return cause, problem and hint for what libsndfile says of a file."""
    with path.open("rb") as file:
        start = file.read(12)
    text = said.rstrip(".").lower()
    if "channel count is zero" in text:
        return "no-channels", "has 0 channels.", _AGAIN
    if "lost sync" in text or "malformed" in text or "unexpected end" in text:
        return "truncated", f"is cut off or damaged ({text}).", _AGAIN
    if start.startswith((b"fLaC", b"OggS", b"FORM", b"RIFF", b"ID3", *_MPEG)):
        return "damaged", f"begins as audio but cannot be read ({text}).", _AGAIN
    known = ", ".join(each.removeprefix(".") for each in SUFFIXES)
    hint = f"Read are {known}. Convert it, for example: ffmpeg -i FILE FILE.flac"
    return "not-audio", f"is no audio file of a known kind; it begins with {start[:8]!r}.", hint
