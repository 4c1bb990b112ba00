"""Videos as pictures, one a frame, and frames put together to videos."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# FFmpeg writes about a broken file on stderr; the errors below say it in our words.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

import zoo

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

_MOST_OPEN = 8
"""Readers of videos, each of which holds a few decoded frames."""
_readers: list[_Reader] = []
"""Open videos, the one used last at the end."""
_reading = threading.Lock()


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video, decoded when it is read.

    The right frame is found by counting from the start, as nothing else does in every
    format. So a video is kept open, and a frame is counted from where it stands.

    Attributes:
        path: the video.
        index: the frame's number, from 0.
        name: what messages call it.
    """

    path: Path
    index: int
    name: str

    def read(self) -> np.ndarray:
        """Return uint8 [height, width, 3], RGB.

        Raises:
            DataError: the file has no such frame any more.
        """
        with _reading:
            reader = _reader(self.path, self.index)
            while reader.position < self.index and reader.capture.grab():
                reader.position += 1
            found, frame = reader.capture.read()
            reader.position += 1
            if not found:
                _readers.remove(reader)
        if not found:
            raise zoo.DataError(
                f"{self.path} has no readable frame {self.index}.",
                hint="Check whether the file has changed, or write it again.",
            )
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@dataclass(eq=False)
class _Reader:
    """An open video and the number of the frame that comes next."""

    path: Path
    capture: cv2.VideoCapture
    position: int = 0


def _reader(path: Path, index: int) -> _Reader:
    """Return the reader of a video that comes to a frame soonest, or a new one.

    Threads that work on batches of frames ask for them nearly in order: what one reader is
    past already, one that lags behind still has before it.
    """
    before = [each for each in _readers if each.path == path and each.position <= index]
    if before:
        reader = max(before, key=lambda each: each.position)
        _readers.remove(reader)
    else:
        reader = _Reader(path, _capture(path))
    _readers[:] = [*_readers, reader][-_MOST_OPEN:]
    return reader


def _capture(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise zoo.DataError(f"There is no video {path}.", hint="Check the path.")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise zoo.DataError(
            f"{path} cannot be opened as a video: it is empty, broken or of an unknown format.",
            hint=f"Give a video that other programs play: {', '.join(VIDEO_SUFFIXES)}.",
        )
    return capture


def is_video(path: Path) -> bool:
    """Return whether a path's suffix is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def read_frames(path: Path, every: int = 1) -> list[VideoFrame]:
    """Return the frames of a video, none of them held in memory.

    The frames are counted by going through the file, as what its header says is often
    wrong and says nothing of where the file is broken.

    Args:
        path: the video.
        every: 1 for each frame, 2 for every other one, and so on.

    Raises:
        DataError: the file is no video or has no frames.
    """
    with _reading:
        _readers[:] = [each for each in _readers if each.path != path]
    capture = _capture(path)
    count = 0
    while capture.grab():
        count += 1
    if not count:
        raise zoo.DataError(f"{path} has no frame that can be read.", hint="Write the video again.")
    return [VideoFrame(path, index, f"{path.name}#{index}") for index in range(0, count, every)]


def frames_per_second(path: Path) -> float:
    """Return a video's frames a second; 25 where it does not say.

    Raises:
        DataError: the file is no video.
    """
    rate = _capture(path).get(cv2.CAP_PROP_FPS)
    return rate if 0 < rate < 1000 else 25.0


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write an MP4 video (MPEG-4 part 2).

    Args:
        path: the file, with the suffix `.mp4`.
        frames: uint8 [height, width, 3], RGB, all of one size. An odd side grows by a
            pixel, as the format has even ones.
        fps: frames a second.

    Raises:
        StorageError: it cannot be written; an earlier file of the name is unchanged.
        ValueError: there is no frame, or one of another size.
    """
    with zoo.publish_file(path) as temporary:
        writer, size = None, ()
        try:
            for frame in frames:
                if writer is None:
                    size = frame.shape
                    writer = _writer(temporary, frame, fps)
                if frame.shape != size:
                    raise ValueError(f"a frame of {frame.shape} in a video of {size}")
                writer.write(cv2.cvtColor(_even(frame), cv2.COLOR_RGB2BGR))
        finally:
            if writer is not None:
                writer.release()
        if writer is None:
            raise ValueError("a video needs at least one frame")


def _writer(path: Path, frame: np.ndarray, fps: float) -> cv2.VideoWriter:
    height, width = _even(frame).shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    if not writer.isOpened():
        raise zoo.StorageError(
            f"OpenCV cannot write a video of {width} x {height} px at {fps:g} frames a second.",
            hint="Install opencv-python-headless from PyPI, which comes with FFmpeg.",
        )
    return writer


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
