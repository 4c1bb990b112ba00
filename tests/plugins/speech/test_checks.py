"""What `check-data` finds in recordings, texts and splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from speech_files import tone, write, write_digits, write_jsonl
from zoo_speech.data.checks import spoken_alphabet, text_problems
from zoo_speech.data.datasets import Recordings, Transcripts
from zoo_speech.generator.spoken import Spoken

from zoo import Finding

NAMES = {"label": r"^(\d)_", "group": r"_([a-z]+\d+)_", "rate": 8000}


def check(path: Path, **settings) -> dict[str, Finding]:
    """Return the first finding of each kind."""
    dataset = Recordings(path=str(path), **{**NAMES, **settings})
    found = dataset.check(seed=0, cache=path.parent / "cache")
    return {finding.code: finding for finding in reversed(found)}


def test_good_recordings_have_no_fault(tmp_path: Path) -> None:
    found = check(write_digits(tmp_path / "in", speakers=12))
    assert [each.code for each in found.values() if each.level != "note"] == []


def test_broken_recordings_are_named_and_the_others_used(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in", speakers=12)
    whole = (folder / "0_anna0_0.wav").read_bytes()
    nan = tone(0)
    nan[7] = np.nan
    (folder / "0_bad0_0.wav").write_bytes(b"")
    (folder / "0_bad1_0.wav").write_bytes(whole[:44])
    (folder / "0_bad2_0.wav").write_bytes(whole[:3000])
    (folder / "0_bad3_0.wav").write_bytes(whole[:22] + bytes(2) + whole[24:])
    write(folder / "0_bad4_0.wav", nan, subtype="FLOAT")
    write(folder / "0_bad5_0.flac", np.zeros(3 * 3600 * 100, np.float32), 100)

    found = check(folder)
    data = Recordings(path=str(folder), **NAMES).load(seed=0, cache=tmp_path / "cache")

    where = {
        "empty": "0_bad0_0.wav",
        "no-sound": "0_bad1_0.wav",
        "truncated": "0_bad2_0.wav",
        "no-channels": "0_bad3_0.wav",
        "not-finite": "0_bad4_0.wav",
        "too-long": "0_bad5_0.flac",
    }
    assert {code: Path(found[code].where).name for code in where} == where
    assert "3.0 hours" in found["too-long"].message
    assert sum(data.info.counts.values()) == 72


def test_silent_clipped_short_and_long_recordings_are_found(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in", speakers=12)
    write(folder / "0_odd0_0.wav", np.zeros(2400, np.float32))
    write(folder / "0_odd1_0.wav", np.clip(9 * tone(1), -1, 1))
    write(folder / "0_odd2_0.wav", tone(2, seconds=0.02))
    write(folder / "0_odd3_0.wav", tone(3, seconds=4.0))
    write(folder / "0_odd4_0.wav", tone(4, rate=4000), 4000)

    found = check(folder, max_seconds=3.0)

    names = ("silent", "clipped", "too-short", "too-long")
    assert [found[each].where for each in names] == [f"0_odd{k}_0.wav" for k in range(4)]
    assert "data.max_seconds=4" in found["too-long"].hint
    assert "1 of " in found["low-rate"].message


def test_copies_and_speakers_in_two_splits_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(6):
        split = ("train", "val", "test")[number % 3]
        write(folder / split / "yes" / f"a{number}_0.wav", tone(number))
        write(folder / split / "no" / f"b{number}_0.wav", tone(10 + number))
    write(folder / "test" / "yes" / "a0_1.flac", tone(0))

    found = check(folder, label="", group=r"/([ab]\d)_")

    assert "yes/a0_0.wav" in found["copies-across-splits"].message
    assert "1 of 5 speakers of test are also in train: a0" in found["speaker-across-splits"].message


def test_one_recording_is_found_again_though_it_sounds_otherwise(tmp_path: Path) -> None:
    voice = [Spoken(("seven",), speaker=1, seed=0, index=each, rate=16_000) for each in range(20)]
    sounds = [each.read() for each in voice]
    for number, sound in enumerate(sounds):
        split = ("train", "test", "val")[number % 3]
        write(tmp_path / "in" / split / "yn"[number // 3 % 2] / f"{number}.wav", sound, 16_000)
    copies = tmp_path / "in" / "val" / "y"
    write(copies / "lossy.ogg", sounds[0], 16_000)
    write(copies / "lossier.mp3", sounds[3], 16_000)
    write(copies / "cut.wav", sounds[6][80:-80], 16_000)
    write(copies / "quiet.wav", 0.3 * sounds[9], 16_000)
    write(copies / "telephone.wav", soxr.resample(sounds[12], 16_000, 8000))
    write(copies / "padded.flac", np.pad(sounds[15], 2000), 16_000)

    dataset = Recordings(path=str(tmp_path / "in"), rate=16_000)
    found = dataset.check(seed=0, cache=tmp_path / "cache")

    again = {Path(each.where).name for each in found if each.code == "copies-across-splits"}
    names = {"lossy.ogg", "lossier.mp3", "cut.wav", "quiet.wav", "telephone.wav", "padded.flac"}
    assert again == names


def test_speakers_in_two_splits_are_found_though_one_is_not_known(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        write(tmp_path / f"{number}.wav", tone(number))
        split, speaker = ("train", "dev", "test")[number // 2 % 3], "anna" if number else ""
        row = {"audio_filepath": f"{number}.wav", "label": "yn"[number % 2]}
        rows.append({**row, "split": split, "speaker": speaker})

    found = check(write_jsonl(tmp_path / "m.jsonl", rows), label="", group="")

    assert (
        "1 of 1 speakers of validation are also in train" in found["speaker-across-splits"].message
    )


def test_it_is_said_where_speakers_are_not_known(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in", speakers=12)

    found = check(folder, group="_(anna[1-9])_")

    assert "18 of 72 recordings" in found["unknown-speakers"].message
    assert "data.group" in found["unknown-speakers"].hint
    for settings in ({"group": ""}, {"group": "", "split_by": "example"}, {"held_out": "anna3_"}):
        assert ("unknown-speakers" in check(folder, **settings)) == (settings == {"group": ""})


def test_texts_are_looked_at(tmp_path: Path) -> None:
    said = ["yes sir", "no", "call 112", "", "a" * 200, *["hello"] * 8]
    rows = []
    for number, text in enumerate(said):
        write(tmp_path / f"{number}.wav", tone(number, seconds=1.0))
        rows.append({"audio_filepath": f"{number}.wav", "text": text, "duration": 1.0})
    rows[0]["duration"] = 7
    manifest = write_jsonl(tmp_path / "m.jsonl", rows)

    found = Transcripts(path=str(manifest), rate=8000).check(seed=0, cache=tmp_path / "cache")

    by_code = {each.code: each for each in found}
    assert by_code["outside-alphabet"].where == "2.wav"
    assert "'1' '2'" in by_code["outside-alphabet"].message
    assert by_code["empty-text"].where == "3.wav"
    assert by_code["too-fast"].where == "4.wav"
    assert "1.00 s long; the manifest says 7 s" in by_code["wrong-duration"].message


def test_what_cannot_be_used_at_all_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    found = Recordings(path=str(tmp_path)).check(seed=0, cache=tmp_path / "cache")
    assert [(each.level, each.code) for each in found] == [("error", "unusable")]
    assert "is empty (0 bytes)" in found[0].message


@pytest.mark.parametrize(
    ("texts", "alphabet"),
    [
        (["abc", "a b", "it's 5 \u20ac"], " 'abcist"),
        (["\u0434\u0430", "\u043d\u0435\u0442"], "\u0430\u0434\u0435\u043d\u0442"),
        (["a" * 50 + "\u0436"], "a"),
        (["\u0434" * 50 + "\u02bc"], "\u02bc\u0434"),
        (["\u6f22" * 90 + "\u3042\u30a2\u30fc"], "\u3042\u30a2\u30fc\u6f22"),
    ],
)
def test_the_alphabet_is_the_letters_that_texts_are_written_in(
    texts: list[str], alphabet: str
) -> None:
    assert spoken_alphabet(texts) == alphabet


def test_a_good_text_has_no_problem() -> None:
    assert list(text_problems("hello you", 0.8, " ehlouy")) == []
