"""What training recordings are varied by, each by itself and all together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from zoo_speech.augmentation import Augment
from zoo_speech.tasks.keywords import Keywords

import zoo

RATE = 8000
OFF = {"speed": 0.0, "shift": 0.0, "room": 0.0, "colour_db": 0.0, "noise": 0.0, "gain_db": 0.0}


def tones(lengths: list[int], samples: int) -> dict[str, np.ndarray]:
    """Tones of 500 Hz, padded."""
    sound = np.zeros((len(lengths), samples), np.float32)
    for row, length in zip(sound, lengths, strict=True):
        row[:length] = 0.3 * np.sin(2 * np.pi * 500 * np.arange(length) / RATE)
    return {"sound": sound, "length": np.array(lengths, np.int32)}


def seeds(count: int, first: int = 0) -> np.ndarray:
    return np.stack([np.full(count, 7), np.arange(first, first + count)], axis=1)


def varied(
    inputs: dict[str, np.ndarray], seeds: np.ndarray, *, fixed: bool = False, **settings: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return sound and lengths as the input pipeline's graph varies them."""
    augment = Augment(rate=RATE, **{**OFF, **settings})
    shape = [None, inputs["sound"].shape[1] if fixed else None]

    @tf.function(input_signature=[tf.TensorSpec(shape), tf.TensorSpec([None], tf.int32)])
    def run(sound: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        found, targets = augment({"sound": sound, "length": length}, 1.0, seeds, 0.0)
        assert targets == 1.0
        if fixed:
            assert found["sound"].shape[1] == shape[1]
        return found

    found = run(inputs["sound"], inputs["length"])
    return found["sound"].numpy(), found["length"].numpy()


def pitch(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * RATE / len(sound))


def test_nothing_is_varied_unless_asked_for() -> None:
    inputs = tones([4000, 2000], 4000)
    sound, length = varied(inputs, seeds(2))
    np.testing.assert_array_equal(sound, inputs["sound"])
    np.testing.assert_array_equal(length, inputs["length"])


def test_an_example_is_varied_alike_in_any_batch_and_differently_in_each_pass() -> None:
    everything = {"speed": 0.15, "shift": 0.1, "room": 1.0, "noise": 1.0, "gain_db": 10.0}
    everything |= {"colour_db": 10.0}
    inputs = tones([9000, 4000, 3000], 9000)
    alone = {"sound": inputs["sound"][1:2, :4000], "length": inputs["length"][1:2]}

    among, lengths = varied(inputs, seeds(3), **everything)
    again, length = varied(alone, seeds(1, first=1), **everything)
    other, _ = varied(alone, seeds(1, first=9), **everything)

    assert lengths[1] == length[0]
    np.testing.assert_allclose(among[1, : length[0]], again[0], atol=1e-4)
    assert not among[1, length[0] :].any()
    assert other.shape != again.shape or np.abs(other - again).max() > 0.01


def test_speed_changes_pitch_and_length_together() -> None:
    count = 30
    sound, length = varied(tones([4000] * count, 4000), seeds(count), speed=0.2)
    factors = 4000 / length
    assert factors.min() < 0.9
    assert factors.max() > 1.1
    assert ((factors > 0.79) & (factors < 1.21)).all()
    for row, samples, factor in zip(sound, length, factors, strict=True):
        assert abs(pitch(row[:samples]) - 500 * factor) < 6


def test_silence_comes_before_and_after() -> None:
    sound, length = varied(tones([1000] * 20, 1000), seeds(20), shift=0.1)
    first = (sound != 0).argmax(axis=1)
    assert first.max() > 300
    assert (first <= 801).all()
    assert (length > 1000).all()
    assert (length <= 2600).all()


def test_sound_of_a_fixed_length_keeps_it() -> None:
    sound, length = varied(
        tones([4000, 3000], 4000), seeds(2), fixed=True, speed=0.3, shift=0.3, noise=1.0
    )
    assert sound.shape == (2, 4000)
    assert (length <= 4000).all()


def test_noise_keeps_to_its_ratio_and_out_of_the_padding() -> None:
    inputs = tones([4000] * 10 + [1000] * 10, 4000)
    sound, _ = varied(inputs, seeds(20), noise=1.0, ratio_db=(10.0, 20.0))
    for row, plain, length in zip(sound, inputs["sound"], inputs["length"], strict=True):
        noise = (row - plain)[:length]
        ratio = 10 * np.log10(np.mean(plain[:length] ** 2) / np.mean(noise**2))
        assert 5 < ratio < 25
        assert not row[length:].any()


def test_rooms_echo_after_what_is_heard_directly() -> None:
    click = {"sound": np.zeros((10, 4000), np.float32), "length": np.full(10, 4000, np.int32)}
    click["sound"][:, 500] = 1.0
    sound, _ = varied(click, seeds(10), room=1.0)
    np.testing.assert_allclose(sound[:, 500], 1.0, atol=1e-4)
    np.testing.assert_allclose(sound[:, :500], 0.0, atol=1e-5)
    echo = np.square(sound[:, 501:]).sum(axis=1)
    assert (echo < 1.01).all()
    assert echo.max() > 0.3


def test_colour_moves_each_frequency_by_its_own_gain_within_the_range() -> None:
    count, samples = 20, 4000
    time = np.arange(samples) / RATE
    waves = [np.sin(2 * np.pi * hertz * time) for hertz in (200, 1600)]
    sound = np.tile(0.1 * sum(waves), (count, 1)).astype(np.float32)
    inputs = {"sound": sound, "length": np.full(count, samples, np.int32)}
    heard, _ = varied(inputs, seeds(count), colour_db=6.0)
    gains = np.array([
        20 * np.log10(np.abs(heard @ wave) / np.abs(sound @ wave)) for wave in waves
    ])  # fmt: skip
    assert np.abs(gains).max() <= 6.2
    assert np.ptp(gains, axis=1).min() > 3
    assert np.abs(gains[0] - gains[1]).max() > 3


def test_gain_is_within_its_range() -> None:
    inputs = tones([4000] * 20, 4000)
    sound, _ = varied(inputs, seeds(20), gain_db=6.0)
    gains = 20 * np.log10(np.abs(sound).max(axis=1) / np.abs(inputs["sound"]).max(axis=1))
    assert np.abs(gains).max() <= 6.01
    assert gains.max() > 2
    assert gains.min() < -2


def test_silence_cut_as_padding_is_no_error() -> None:
    inputs = tones([3000], 3000)
    inputs["length"] = np.array([4000], np.int32)
    sound, length = varied(inputs, seeds(1), speed=0.1)
    assert sound.shape[1] == length[0]


def test_the_users_own_noise_is_added_at_the_ratio(tmp_path: Path) -> None:
    hum = np.sin(2 * np.pi * 50 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "hum.flac", 0.2 * hum, 16_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    task = Keywords(noises=str(tmp_path), noise=1.0, least_ratio=40.0, speed=0, shift=0, room=0)
    task = replace(task, colour=0, gain=0)
    augment = task.augmentation(zoo.Space(inputs={}, outputs={}, arrays={"rate": np.array(RATE)}))
    inputs = tones([8000], 8000)
    found, _ = augment(inputs, None, seeds(1), 0.0)
    added = found["sound"].numpy() - inputs["sound"]
    spectrum = np.abs(np.fft.rfft(added[0]))
    assert spectrum.argmax() == 50
    ratio = 20 * np.log10(inputs["sound"].std() / added.std())
    np.testing.assert_allclose(ratio, 40, atol=0.1)


def test_the_users_own_rooms_echo(tmp_path: Path) -> None:
    response = np.zeros(4000)
    response[[100, 500]] = -0.8, -0.4
    soundfile.write(tmp_path / "room.wav", response, RATE)
    task = Keywords(rooms=str(tmp_path), noise=0, room=1.0, speed=0, shift=0, colour=0, gain=0)
    augment = task.augmentation(zoo.Space(inputs={}, outputs={}, arrays={"rate": np.array(RATE)}))
    click = np.zeros((1, 8000), np.float32)
    click[0, 1000] = 0.5
    inputs = {"sound": click, "length": np.array([8000], np.int32)}
    found, _ = augment(inputs, None, seeds(1), 0.0)
    (places,) = np.nonzero(np.abs(found["sound"].numpy()[0]) > 1e-3)
    assert places.tolist() == [1000, 1400]
    assert 0 < found["sound"].numpy()[0, 1400] <= 0.25 + 1e-4


@pytest.mark.parametrize("name", ["noises", "rooms"])
def test_a_folder_without_sound_is_refused(name: str, tmp_path: Path) -> None:
    space = zoo.Space(inputs={}, outputs={}, arrays={"rate": np.array(RATE)})
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(zoo.ConfigError, match=f"task.{name}"):
            Keywords(**{name: str(path)}).augmentation(space)
