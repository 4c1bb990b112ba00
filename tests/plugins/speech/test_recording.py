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
    elif kind == "link":
        path.symlink_to(folder / "gone.wav")
    elif kind == "no-folder":
        path = folder / "whole.wav" / "a.wav"
    elif kind != "missing" and len(kind) < 100:
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
        ("no-folder", "not-opened", "cannot be opened"),
        ("x" * 300, "not-opened", "cannot be opened"),
        ("link", "missing", "link to no file"),
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


def headed(folder: Path, kind: str) -> Path:
    """Write a second of sound in a file whose header says less than usual."""
    path = folder / f"{kind}.wav"
    if kind == "gsm":
        return write(path, tone(8, seconds=1.0), subtype="GSM610")
    whole = bytearray(write(path, tone(8, seconds=1.0)).read_bytes())
    size = {"sox": 0x7FFFF000, "arecord": 0x80000000, "ffmpeg": 0xFFFFFFFF}[kind]
    whole[4:8] = min(size + 36, 2**32 - 1).to_bytes(4, "little")
    whole[40:44] = size.to_bytes(4, "little")
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("kind", ["sox", "arecord", "ffmpeg", "gsm"])
def test_files_that_were_piped_or_cannot_be_searched_are_read(tmp_path: Path, kind: str) -> None:
    recording = Recording(headed(tmp_path, kind), 8000)

    read = recording.read()

    assert np.corrcoef(read[:8000], tone(8, seconds=1.0))[0, 1] > 0.9
    assert np.allclose(recording.read(5000, 6000), read[5000:6000])
    assert examine(recording).length == len(read)


def test_files_that_do_not_say_their_length_are_named(tmp_path: Path) -> None:
    wav = bytearray(write(tmp_path / "a.wav", tone(9)).read_bytes())
    wav[40:44] = bytes(4)
    (tmp_path / "a.wav").write_bytes(wav)
    flac = bytearray(write(tmp_path / "a.flac", tone(9)).read_bytes())
    flac[21] &= 0xF0  # the number of samples
    flac[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(flac)
    sound = np.concatenate([0.01 * tone(9, 5.0, 16_000), tone(10, 5.0, 16_000)])
    vbr = {"bitrate_mode": "VARIABLE", "compression_level": 0.2}
    mp3 = write(tmp_path / "a.mp3", sound, 16_000, format="MP3", **vbr).read_bytes()
    headless = mp3[mp3.find(mp3[:2], 4) :]
    (tmp_path / "b.mp3").write_bytes(headless)
    (tmp_path / "tagged.mp3").write_bytes(mp3 + b"TAG" + bytes(3000))

    assert examine(Recording(tmp_path / "a.wav", 8000)).cause == "no-length"
    assert examine(Recording(tmp_path / "a.flac", 8000)).cause == "no-length"
    named = examine(Recording(tmp_path / "b.mp3", 8000))
    assert named.cause == "no-length"
    assert "ffmpeg" in named.hint
    for name in ("a.mp3", "tagged.mp3"):
        assert examine(Recording(tmp_path / name, 8000)).seconds == pytest.approx(10)


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
        Recording(write(tmp_path / "d.wav", np.stack([loud, -loud], axis=1)), 16_000),
    ]

    clipped, copy, silent, cancelled = look_at(recordings, tmp_path / "cache")

    assert clipped.peak == pytest.approx(1, abs=1e-3)
    assert clipped.clipped > 0.1
    assert (clipped.native, clipped.length, clipped.seconds) == (8000, 4800, 0.3)
    assert clipped.content == copy.content
    assert (silent.peak, silent.clipped, cancelled.peak) == (0, 0, 0)
    assert look_at(recordings, tmp_path / "cache") == [clipped, copy, silent, cancelled]
    write(tmp_path / "a.wav", tone(7))
    assert look_at(recordings, tmp_path / "cache")[0].content != clipped.content
