"""Synthetic voices: repeatable, different from one another, and telling words apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from speech_files import tone, write
from zoo_speech.audio.recording import Stretch
from zoo_speech.generator.datasets import Sentences, Voices
from zoo_speech.generator.phones import DIGITS, PHONES, VOWELS, WORDS
from zoo_speech.generator.spoken import Spoken

from zoo import ConfigError, Data, all_rows


def load(dataset: Voices | Sentences, seed: int = 0) -> Data:
    return dataset.load(seed=seed, cache=Path("unused"))


@pytest.mark.parametrize("word", WORDS)
def test_each_word_can_be_said(word: str) -> None:
    spoken = Spoken((word,), speaker=1, seed=0, index=3, rate=16_000)

    sound = spoken.read()

    assert sound.dtype == np.float32
    assert len(sound) == spoken.length
    assert np.isfinite(sound).all()
    assert 0.01 < np.abs(sound).max() <= 1
    assert 0.1 < len(sound) / 16_000 < 2.5


def test_words_use_known_sounds() -> None:
    assert {phone for ways in WORDS.values() for way in ways for phone in way.split()} <= set(
        PHONES
    )
    assert set(VOWELS) <= set(PHONES)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100])
def test_any_rate_and_stretch(rate: int) -> None:
    spoken = Spoken(("six", "two"), speaker=0, seed=0, index=0, rate=rate)

    whole = spoken.read()

    assert len(whole) == spoken.length == pytest.approx(rate / 8000 * _length_at(spoken), abs=rate)
    assert np.array_equal(Stretch(spoken, 100, 900).read(), whole[100:900])


def _length_at(spoken: Spoken) -> int:
    return replace(spoken, rate=8000).length


def test_equal_fields_are_equal_sound_and_others_differ() -> None:
    spoken = Spoken(("nine",), speaker=2, seed=0, index=5, rate=8000)

    again = Spoken(("nine",), speaker=2, seed=0, index=5, rate=8000)

    assert np.array_equal(spoken.read(), again.read())
    for other in ({"speaker": 3}, {"seed": 1}, {"index": 6}, {"words": ("one",)}):
        changed = replace(spoken, **other).read()
        assert len(changed) != spoken.length or not np.array_equal(changed, spoken.read())


def test_voices_are_split_by_speaker_or_by_example() -> None:
    by_speaker = load(Voices(count=200, rate=8000))
    by_example = load(Voices(count=200, rate=8000, split_by="example"))

    speakers = [set(all_rows(split)["speaker"]) for split in by_speaker.splits.values()]
    assert not speakers[0] & speakers[1]
    assert not speakers[0] & speakers[2]
    assert by_speaker.info.facts == {"rate": 8000, "classes": list(DIGITS)}
    assert sum(map(sum, (each.values() for each in by_speaker.info.classes.values()))) == 200
    train = set(all_rows(by_example.splits["train"])["speaker"])
    assert all(set(all_rows(each)["speaker"]) <= train for each in by_example.splits.values())


def test_more_recordings_move_none() -> None:
    few, many = (load(Voices(count=count)) for count in (100, 150))

    kept = set(all_rows(few.splits["train"])["id"])

    assert kept <= set(all_rows(many.splits["train"])["id"])
    assert few.info.fingerprint != many.info.fingerprint


def test_sentences_have_text_and_an_alphabet() -> None:
    data = load(Sentences(count=40, words=("yes", "no"), least=2, most=4))

    batch = all_rows(data.splits["train"])
    assert data.info.facts["alphabet"] == list(" enosy")
    assert {len(text.split()) for text in batch["text"]} == {2, 3, 4}
    assert " ".join(batch["recording"][0].words) == batch["text"][0]
    assert np.array_equal(batch["length"], [each.length for each in batch["recording"]])


def test_wrong_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="'sevn'") as raised:
        load(Voices(words=("one", "sevn")))
    assert "seven" in raised.value.hint
    with pytest.raises(ConfigError, match="two different words"):
        load(Voices(words=("one",)))
    with pytest.raises(ConfigError, match=r"data\.least"):
        load(Sentences(least=5, most=2))


def test_own_files_are_read_after_training_on_voices(tmp_path: Path) -> None:
    write(tmp_path / "in" / "two" / "a.wav", tone(0))

    examples, _ = Voices(rate=8000).read(str(tmp_path / "in"), cache=tmp_path)
    spoken, _ = Sentences(rate=8000).read(str(tmp_path / "in"), cache=tmp_path)

    assert all_rows(examples)["label"].tolist() == ["two"]
    assert "text" not in all_rows(spoken)


def test_words_of_new_voices_are_told_apart_by_their_spectra() -> None:
    def spectra(speakers: range, turn: int) -> np.ndarray:
        rows = []
        for speaker in speakers:
            for number, word in enumerate(DIGITS):
                index = 1000 * turn + 10 * speaker + number
                sound = Spoken((word,), speaker, seed=0, index=index, rate=8000).read()
                rows.append(_spectrum(sound))
        return np.stack(rows)

    train, test = spectra(range(12), 0), spectra(range(12, 15), 1)
    labels = np.arange(len(train)) % 10
    distance = ((test[:, None] - train[None]) ** 2).sum(axis=2)
    nearest = labels[distance.argmin(axis=1)]
    assert np.mean(nearest == np.arange(len(test)) % 10) > 0.4


def _spectrum(sound: np.ndarray) -> np.ndarray:
    """Return the course of the loud part's spectrum in twelve steps, in dB about their mean."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 256)[::80] * np.hanning(256)
    power = np.abs(np.fft.rfft(frames))[:, 1:].reshape(len(frames), 16, 8).sum(axis=2)
    loud = np.flatnonzero(power.sum(axis=1) > 0.05 * power.sum(axis=1).max())
    power = power[loud[0] : loud[-1] + 1]
    steps = np.linspace(0, len(power) - 1, 12).astype(int)
    level = np.log(power[steps] + 1e-3 * power.max())
    return (level - level.mean()).ravel()
