"""Formats in which recordings are listed: manifests, Common Voice, LibriSpeech, TFDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from speech_files import tone, write, write_jsonl
from zoo_speech.data import formats
from zoo_speech.data.datasets import Recordings, Transcripts

from zoo import DataError


def test_a_jsonl_manifest_names_files_texts_and_segments(tmp_path: Path) -> None:
    write(tmp_path / "audio" / "a.wav", tone(0, seconds=2.0))
    rows = [
        {"audio_filepath": "a.wav", "duration": 2.0, "text": "yes no", "speaker": 7},
        {"audio_filepath": "a.wav", "duration": 0.5, "offset": 1.0, "text": "no"},
    ]
    manifest = write_jsonl(tmp_path / "my_train.jsonl", rows)

    whole, segment = formats.find(str(manifest), tmp_path).clips

    assert (whole.text, whole.speaker, whole.split) == ("yes no", "7", "train")
    assert (whole.path.name, whole.start, whole.seconds, whole.duration) == ("a.wav", 0, None, 2)
    assert (segment.start, segment.seconds, segment.name) == (1.0, 0.5, "a.wav@1")


def test_a_json_array_is_a_manifest_too(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone(0))
    manifest = tmp_path / "data.json"
    manifest.write_text('[{"audio_filepath": "a.wav",\n "text": "yes"},\n "a.wav"]')

    listing = formats.find(str(manifest), tmp_path)

    assert [clip.text for clip in listing.clips] == ["yes"]
    assert [each.where for each in listing.findings] == ["data.json:2"]


def test_bad_rows_are_named_and_the_others_read(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone(0))
    manifest = tmp_path / "data.jsonl"
    manifest.write_text(
        '{"audio_filepath": "a.wav", "text": "yes"}\n'
        "{oops\n"
        '["a.wav"]\n'
        '{"text": "no"}\n'
        '{"audio_filepath": "a.wav", "text": "no", "duration": "long"}\n'
    )

    listing = formats.find(str(manifest), tmp_path)

    assert [clip.text for clip in listing.clips] == ["yes"]
    assert [each.where for each in listing.findings] == [
        f"data.jsonl:{row}" for row in (2, 3, 4, 5)
    ]
    assert "'long', expected seconds" in listing.findings[-1].message


def test_a_manifest_without_files_says_what_is_lacking(tmp_path: Path) -> None:
    manifest = tmp_path / "data.csv"
    manifest.write_text("sound,text\na.wav,yes\n")
    with pytest.raises(DataError, match="no column of audio files; it has sound, text"):
        formats.find(str(manifest), tmp_path)
    manifest.write_bytes(b"path,text\na.wav,\xe9t\xe9\n")
    with pytest.raises(DataError, match="not UTF-8"):
        formats.find(str(manifest), tmp_path)


def test_common_voice_has_official_splits_and_speakers(tmp_path: Path) -> None:
    language = tmp_path / "corpus" / "en"
    header = "client_id\tpath\tsentence\tup_votes\n"
    for number, split in enumerate(["train", "dev", "test"]):
        write(language / "clips" / f"{split}.mp3", tone(number, 1.0, rate=16_000), 16_000)
        row = f'anna{number}\t{split}.mp3\tHe said "hello".\t2\n'
        (language / f"{split}.tsv").write_text(header + row)
    (language / "validated.tsv").write_text(header + row)
    (language / "clip_durations.tsv").write_text("clip\tduration[ms]\ntrain.mp3\t300\n")

    data = Transcripts(path=str(language)).load(seed=0, cache=tmp_path / "cache")

    assert data.info.counts == {"train": 1, "validation": 1, "test": 1}
    row = data.splits["validation"][np.array([0])]
    assert (row["text"][0], row["speaker"][0]) == ('He said "hello".', "anna1")
    assert data.info.facts["alphabet"] == list(" adehilos")
    with pytest.raises(DataError) as raised:
        Transcripts(path=str(tmp_path / "corpus")).load(seed=0, cache=tmp_path / "cache")
    assert "that have manifests: en" in str(raised.value)


def test_librispeech_folders_tell_split_speaker_and_text(tmp_path: Path) -> None:
    for number, (split, speaker) in enumerate(
        [("train-clean-100", 19), ("dev-clean", 84), ("test-other", 61)]
    ):
        chapter = tmp_path / split / str(speaker) / "198"
        lines = []
        for turn in range(2):
            name = f"{speaker}-198-{turn:04d}"
            write(chapter / f"{name}.flac", tone(10 * number + turn, seconds=1.0))
            lines.append(f"{name} IT'S NUMBER {'ONE' if turn else 'TWO'}\n")
        (chapter / f"{speaker}-198.trans.txt").write_text("".join(lines))

    data = Transcripts(path=str(tmp_path)).load(seed=0, cache=tmp_path / "cache")

    assert data.info.counts == {"train": 2, "validation": 2, "test": 2}
    test = data.splits["test"][np.arange(2)]
    assert test["speaker"].tolist() == ["61", "61"]
    assert test["text"].tolist() == ["IT'S NUMBER TWO", "IT'S NUMBER ONE"]


def test_texts_lie_beside_their_recordings(tmp_path: Path) -> None:
    for number, text in enumerate(["Hello.", "Good night"]):
        write(tmp_path / f"{number}.wav", tone(number, seconds=1.0))
        (tmp_path / f"{number}.txt").write_text(text + "\n")

    examples, findings = Transcripts().read(str(tmp_path), cache=tmp_path / "cache")

    assert [text.strip() for text in examples[np.arange(2)]["text"]] == ["Hello.", "Good night"]
    assert [each.level for each in findings] == ["note"]


def test_speech_commands_lists_are_official(tmp_path: Path) -> None:
    for number, name in enumerate(["yes/a_0", "yes/b_0", "no/a_0", "no/b_0", "_noise_/c"]):
        write(tmp_path / f"{name}.wav", tone(number))
    (tmp_path / "testing_list.txt").write_text("yes/b_0.wav\n")
    (tmp_path / "validation_list.txt").write_text("no/b_0.wav\n")

    listing = formats.find(str(tmp_path), tmp_path)

    splits = {clip.name: clip.split for clip in listing.clips}
    assert splits == {
        "yes/a_0.wav": "train",
        "yes/b_0.wav": "test",
        "no/a_0.wav": "train",
        "no/b_0.wav": "validation",
    }
    assert "hidden-folder" in [each.code for each in listing.findings]


def test_names_of_speech_commands_tell_speakers_if_all_do(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "yes" / f"0a7c2a8{number // 2}_nohash_{number}.wav", tone(number))

    named = formats.find(str(tmp_path), tmp_path).clips
    write(tmp_path / "yes" / "other.wav", tone(4))
    mixed = formats.find(str(tmp_path), tmp_path).clips

    assert [clip.speaker for clip in named] == ["0a7c2a80"] * 2 + ["0a7c2a81"] * 2
    assert {clip.speaker for clip in mixed} == {""}


def store(folder: Path, name: str, audio: Any, examples: list[dict], **options: Any) -> None:
    """Write a TFDS dataset with classes, speakers and names of files."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = {
        "audio": audio,
        "label": tfds.features.ClassLabel(names=["no", "yes"]),
        "audio/filename": tfds.features.Text(),
        "speaker_id": tfds.features.Text(),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=folder,
        **options,
    )


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize("kept", ["numbers", "files"])
def test_a_tfds_dataset_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str, kept: str
) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    files = [write(tmp_path / f"{number}.wav", tone(number)) for number in range(6)]
    sounds = [soundfile.read(file, dtype="int16")[0].astype(np.int64) for file in files]
    audio = tfds.features.Audio(sample_rate=8000)
    if kept == "files":  # each of which tells its rate
        audio = tfds.features.Audio(file_format="wav", lazy_decode=True)
    examples = [
        {
            "audio": files[number] if kept == "files" else sounds[number],
            "label": number % 2,
            "audio/filename": f"clips/{number}_anna{number}.wav",
            "speaker_id": f"anna{number}",
        }
        for number in range(6)
    ]
    name = f"words_{kept}_{file_format}"
    store(tmp_path, name, audio, examples, file_format=file_format)
    dataset = Recordings(path=f"tfds:{name}", rate=8000)

    data, again = (dataset.load(seed=0, cache=tmp_path / "cache") for _ in range(2))

    assert data.info == again.info
    assert data.info.facts["classes"] == ["no", "yes"]
    assert sum(data.info.counts.values()) == 6
    row = data.splits["train"][np.array([0])]
    number = int(row["speaker"][0][-1])
    assert row["id"][0].startswith(f"train/{number}_anna{number}.")
    assert row["label"][0] == ("no", "yes")[number % 2]
    assert np.allclose(row["recording"][0].read(), sounds[number] / 2**15, atol=1e-6)


def test_the_rate_of_a_tfds_dataset_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    sound = {"audio": np.arange(8000), "label": 0, "audio/filename": "a.wav", "speaker_id": "anna"}
    store(tmp_path, "no_rate", tfds.features.Audio(), [sound, sound])

    with pytest.raises(DataError, match="does not say how many samples"):
        formats.find("tfds:no_rate", tmp_path)
    clips = formats.find("tfds:no_rate", tmp_path, tfds_rate=48_000).clips

    assert [clip.name for clip in clips] == ["train/a.flac", "train/0000001.flac"]
    assert soundfile.info(clips[0].path).samplerate == 48_000


def test_a_path_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file at"):
        Recordings(path=str(tmp_path / "none")).load(seed=0, cache=tmp_path)
