from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from zoo_vision.data.video import frames_per_second, is_video, read_frames, write_video

import zoo

COUNT = 20


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twenty noisy frames, each with a red level of ten times its number."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12, (64, 48))
    for index in range(COUNT):
        noise = np.random.default_rng(index).integers(0, 40, (48, 64, 3), np.uint8)
        noise[..., 2] = 10 * index
        writer.write(noise)
    writer.release()
    return path


def number(image: np.ndarray) -> int:
    """Return which frame this is by its red."""
    return round(float(image[..., 0].mean()) / 10)


def test_videos_are_known_by_their_suffix() -> None:
    assert is_video(Path("a/b.MP4"))
    assert not is_video(Path("mp4.png"))


def test_frames_are_pictures_in_order(video: Path) -> None:
    frames = read_frames(video)
    assert [number(frame.read()) for frame in frames] == list(range(COUNT))
    image = frames[5].read()
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image[..., 0].mean() > image[..., 2].mean() + 20
    assert frames[5].name == "clip.avi#5"


def test_frames_are_right_in_any_order(video: Path) -> None:
    frames = read_frames(video)
    order = np.random.default_rng(0).permutation(COUNT)
    assert [number(frames[index].read()) for index in order] == order.tolist()


def test_frames_of_two_videos_can_take_turns(video: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "white.mp4", [np.full((32, 32, 3), 255, np.uint8)] * COUNT, 10)
    white = read_frames(tmp_path / "white.mp4")
    for index, frame in enumerate(read_frames(video)):
        assert white[index].read().mean() > 250
        assert number(frame.read()) == index


def test_threads_do_not_disturb_each_other(video: Path) -> None:
    frames = read_frames(video)
    found: dict[int, list[int]] = {}

    def read(start: int) -> None:
        found[start] = [number(frame.read()) for frame in frames[start::2]]

    threads = [threading.Thread(target=read, args=[start]) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: list(range(0, COUNT, 2)), 1: list(range(1, COUNT, 2))}


def test_many_threads_go_through_a_video_a_few_times_at_most(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = read_frames(video)
    opened = []
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda path: opened.append(path) or capture(path))
    for start in range(0, COUNT, 4):
        with ThreadPoolExecutor(4) as threads:
            batch = range(start, start + 4)
            assert [*threads.map(lambda row: number(frames[row].read()), batch)] == [*batch]
    assert len(opened) <= 4


def test_a_video_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for level in (40, 200):
        write_video(path, [np.full((32, 32, 3), level, np.uint8)] * COUNT, 10)
        levels = [frame.read().mean() for frame in read_frames(path)[:3]]
        assert np.allclose(levels, level, atol=8)


def test_every_third_frame(video: Path) -> None:
    frames = read_frames(video, every=3)
    assert [number(frame.read()) for frame in frames] == list(range(0, COUNT, 3))
    assert [frame.index for frame in frames] == list(range(0, COUNT, 3))


def test_the_pace_of_a_video(video: Path) -> None:
    assert frames_per_second(video) == pytest.approx(12)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_a_broken_video_is_named(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(zoo.DataError, match=r"bad\.mp4 cannot be opened"):
        read_frames(tmp_path / "bad.mp4")
    assert capfd.readouterr().err == ""


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(zoo.DataError, match="no video"):
        read_frames(tmp_path / "none.mp4")


def test_a_torn_video_gives_the_frames_it_has(video: Path) -> None:
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    frames = read_frames(video)
    assert 2 < len(frames) < COUNT
    numbers = [number(frame.read()) for frame in frames]
    assert numbers[:-1] == list(range(len(frames) - 1))


def test_a_video_that_shrinks_meanwhile_is_named(video: Path) -> None:
    frames = read_frames(video)
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    with pytest.raises(zoo.DataError, match="no readable frame 19"):
        frames[-1].read()


def test_a_video_is_written_and_read_again(tmp_path: Path) -> None:
    frames = [np.full((47, 63, 3), (10 * index, 0, 0), np.uint8) for index in range(COUNT)]
    write_video(tmp_path / "out.mp4", iter(frames), 12.5)
    again = read_frames(tmp_path / "out.mp4")
    assert [number(frame.read()) for frame in again] == list(range(COUNT))
    assert again[0].read().shape == (48, 64, 3)
    assert frames_per_second(tmp_path / "out.mp4") == pytest.approx(12.5)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_frames_of_two_sizes_are_a_bug(tmp_path: Path) -> None:
    frames = [np.zeros((32, 32, 3), np.uint8), np.zeros((32, 64, 3), np.uint8)]
    with pytest.raises(ValueError, match="64"):
        write_video(tmp_path / "out.mp4", frames, 10)
    assert not list(tmp_path.iterdir())


def test_no_frames_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "out.mp4", [], 10)
    assert not list(tmp_path.iterdir())
