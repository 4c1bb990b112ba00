"""Reading recordings: whatever the file, one rate and one channel; or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from speech_files import tone, write
from zoo_speech.audio.look import examine, look_at
from zoo_speech.audio.recording import Recording, RecordingError, Stretch


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_formats_are_read_alike(tmp_path: Path, suffix: str) -> None:
    sound = tone(0, seconds=0.5, rate=16_000)
    path = write(tmp_path / f"a.{suffix}", sound, 16_000)

    read = Recording(path, 16_000).read()

    assert read.dtype == np.float32
    assert len(read) == len(sound)
    assert np.corrcoef(read, sound)[0, 1] > 0.98


@pytest.mark.parametrize("native", [8000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_rate_and_channels_become_one(tmp_path: Path, native: int, channels: int) -> None:
    sound = tone(1, seconds=1.0, rate=native, channels=channels)
    path = write(tmp_path / "a.wav", sound, native, subtype="FLOAT")
    recording = Recording(path, 16_000)

    read = recording.read()

    mono = sound.reshape(len(sound), -1).mean(axis=1)
    assert len(read) == 16_000 == examine(recording).length
    assert np.allclose(read, soxr.resample(mono, native, 16_000, "HQ"), atol=1e-5)


@pytest.mark.parametrize("native", [8000, 22_050, 48_000])
def test_a_stretch_is_what_the_whole_has_there(tmp_path: Path, native: int) -> None:
    path = write(tmp_path / "a.wav", tone(2, seconds=12.0, rate=native), native)
    recording = Recording(path, 16_000)
    whole = recording.read()

    for start, end in ((0, 500), (4321, 90_000), (len(whole) - 777, len(whole))):
        stretch = Stretch(recording, start, end)
        assert np.allclose(stretch.read(), whole[start:end], atol=1e-5)
        inner = Stretch(stretch, 100, 300)
        assert np.allclose(inner.read(50), whole[start + 150 : start + 300], atol=1e-5)


def test_a_segment_of_a_file_is_read_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(3, seconds=2.0))

    segment = Recording(path, 8000, start=0.5, seconds=0.75).read()

    assert np.array_equal(segment, Recording(path, 8000).read()[4000:10_000])


def test_samples_beyond_full_scale_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 5 * tone(4), subtype="FLOAT")
    assert np.abs(Recording(path, 8000).read()).max() == 1


def broken(folder: Path, kind: str) -> Path:
    """Write a recording that something is wrong with."""
    whole = write(folder / "whole.wav", tone(5)).read_bytes()
    path = folder / f"{kind}.wav"
    if kind in ("flac", "mp3", "ogg"):
        path = write(folder / f"cut.{kind}", tone(5, seconds=3.0, rate=16_000), 16_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "nan":
        sound = tone(5)
        sound[100] = np.nan
        write(path, sound, subtype="FLOAT")
    elif kind == "no-frames":
        write(path, np.zeros(0, np.float32))
    elif kind != "missing":
        path.write_bytes(
            {
                "empty": b"",
                "header": whole[:44],
                "cut": whole[: len(whole) // 2],
                "no-channels": whole[:22] + bytes(2) + whole[24:],
                "text": b"this is no sound at all",
            }[kind]
        )
    return path


@pytest.mark.parametrize(
    ("kind", "cause", "said"),
    [
        ("empty", "empty", "0 bytes"),
        ("header", "no-sound", "header, but no sound"),
        ("no-frames", "no-sound", "header, but no sound"),
        ("cut", "truncated", "cut off"),
        ("flac", "truncated", "cut off"),
        ("mp3", "truncated", "cut off"),
        ("ogg", "truncated", "cut off"),
        ("nan", "not-finite", "NaN"),
        ("no-channels", "no-channels", "0 channels"),
        ("text", "not-audio", "no audio file"),
        ("missing", "missing", "does not exist"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    tmp_path: Path, kind: str, cause: str, said: str
) -> None:
    recording = Recording(broken(tmp_path, kind), 8000)

    with pytest.raises(RecordingError, match=said) as raised:
        recording.read()

    assert raised.value.cause == cause
    assert examine(recording).cause == cause


def test_hours_are_not_read_at_once_but_their_stretches_are(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 50, 1) as file:
        file.write(np.zeros(3 * 3600 * 50 + 50))
    recording = Recording(path, 50)

    with pytest.raises(RecordingError, match=r"3\.0 hours") as raised:
        recording.read()

    assert raised.value.cause == "too-long"
    assert len(recording.read(3600 * 100, 3600 * 100 + 20)) == 20


def test_a_look_measures_and_is_kept(tmp_path: Path) -> None:
    loud = np.clip(3 * tone(6), -1, 1)
    recordings = [
        Recording(write(tmp_path / "a.wav", loud), 16_000),
        Recording(write(tmp_path / "b.flac", loud), 16_000),
        Recording(write(tmp_path / "c.wav", np.zeros(800, np.float32)), 16_000),
    ]

    clipped, copy, silent = look_at(recordings, tmp_path / "cache")

    assert clipped.peak == pytest.approx(1, abs=1e-3)
    assert clipped.clipped > 0.1
    assert (clipped.native, clipped.length, clipped.seconds) == (8000, 4800, 0.3)
    assert clipped.content == copy.content
    assert (silent.peak, silent.rms, silent.clipped) == (0, 0, 0)
    assert look_at(recordings, tmp_path / "cache") == [clipped, copy, silent]
    write(tmp_path / "a.wav", tone(7))
    assert look_at(recordings, tmp_path / "cache")[0].content != clipped.content
