"""Loading recordings: classes, texts, splits by speaker, and what is predicted on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from speech_files import tone, write, write_digits, write_jsonl
from zoo_speech.data.datasets import Recordings, Transcripts

from zoo import ConfigError, Data, DataError, all_rows

DIGITS = {"label": r"^(\d)_", "group": r"_([a-z]+\d)_", "rate": 8000}


def load(folder: Path, kind: type = Recordings, **settings) -> Data:
    return kind(path=str(folder), **settings).load(seed=0, cache=folder.parent / "cache")


def codes(data: Data) -> list[str]:
    return [finding.code for finding in data.findings]


def test_a_folder_is_a_class_and_columns_are_as_tasks_want_them(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / "in" / ("yes", "no")[number % 2] / f"{number}.wav", tone(number))

    data = load(tmp_path / "in")

    assert data.info.facts["classes"] == ["no", "yes"]
    assert data.info.facts["rate"] == 16_000
    assert sum(data.info.counts.values()) == 20
    batch = all_rows(data.splits["train"])
    assert set(batch) == {"id", "recording", "length", "label", "group"}
    assert batch["length"].dtype == np.int64
    assert batch["length"][0] == len(batch["recording"][0].read()) == 4800
    assert [name.split("/")[0] for name in batch["id"]] == batch["label"].tolist()


def test_official_folders_stay_as_they_are(tmp_path: Path) -> None:
    for number in range(12):
        split = ("train", "val", "test")[number % 3]
        write(tmp_path / "in" / split / ("yes", "no")[number % 2] / f"{number}.wav", tone(number))

    data = load(tmp_path / "in")

    assert data.info.counts == {"train": 4, "validation": 4, "test": 4}


def test_a_speaker_is_in_one_split_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in")

    by_speaker = load(folder, **DIGITS)
    by_example = load(folder, **DIGITS, split_by="example")

    speakers = [set(all_rows(split)["speaker"]) for split in by_speaker.splits.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 6
    assert by_speaker.info.facts["speakers"]["test"] == len(speakers[2])
    assert "speaker-across-splits" not in codes(by_speaker)
    assert "speaker-across-splits" in codes(by_example)
    assert np.array_equal(
        all_rows(by_example.splits["test"])["group"], all_rows(by_example.splits["test"])["speaker"]
    )


def test_names_can_say_what_is_held_out(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in")

    by_turn = load(folder, **DIGITS, held_out=r"_0\.wav$", split_by="example")
    by_speaker = load(folder, **DIGITS, held_out="_anna5_")

    assert all(name.endswith("_0.wav") for name in all_rows(by_turn.splits["test"])["id"])
    assert by_turn.info.counts["test"] == 12
    assert set(all_rows(by_speaker.splits["test"])["speaker"]) == {"anna5"}
    read, _ = Recordings(**DIGITS, held_out=r"_0\.wav$").read(str(folder), cache=tmp_path / "cache")
    assert all_rows(read)["split"].tolist().count("test") == 12
    with pytest.raises(ConfigError, match="fits none"):
        load(folder, **DIGITS, held_out="nobody")
    with pytest.raises(ConfigError, match=r"data\.label = '\(' is not a regular expression"):
        load(folder, label="(")


def test_few_speakers_are_split_by_example_with_a_warning(tmp_path: Path) -> None:
    data = load(write_digits(tmp_path / "in", speakers=2, turns=8), **DIGITS)

    assert "few-speakers" in codes(data)
    assert all(count > 0 for count in data.info.counts.values())


def test_four_speakers_are_enough_for_three_splits(tmp_path: Path) -> None:
    data = load(write_digits(tmp_path / "in", speakers=4), **DIGITS)

    assert data.info.facts["speakers"] == {"train": 2, "validation": 1, "test": 1}


def test_segments_of_one_file_stay_in_one_split(tmp_path: Path) -> None:
    rows = []
    for talk in range(5):
        write(tmp_path / f"{talk}.wav", tone(talk, seconds=2.0))
        for start in (0.0, 0.5, 1.0):
            row = {"audio_filepath": f"{talk}.wav", "offset": start, "duration": 0.5}
            rows.append({**row, "label": "yn"[talk % 2]})

    apart = load(write_jsonl(tmp_path / "m.jsonl", rows))
    too_few = load(write_jsonl(tmp_path / "few.jsonl", rows[:6]))

    files = [set(all_rows(split)["group"]) for split in apart.splits.values()]
    assert sum(map(len, files)) == len(set.union(*files)) == 5
    assert "file-across-splits" not in codes(apart)
    assert {"few-speakers", "file-across-splits"} <= set(codes(too_few))


def test_loading_is_repeatable_and_its_fingerprint_follows_the_data(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "in")

    first, again = load(folder, **DIGITS), load(folder, **DIGITS)
    write(folder / "1_anna1_0.wav", tone(999))
    changed = load(folder, **DIGITS)

    assert first.info == again.info
    assert changed.info.fingerprint != first.info.fingerprint


def test_a_manifest_gives_classes(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        write(tmp_path / "in" / f"{number}.wav", tone(number))
        rows.append({"path": f"{number}.wav", "label": ("on", "off")[number % 2]})
    rows[0]["label"] = ""
    write_jsonl(tmp_path / "in" / "data.jsonl", rows)

    data = load(tmp_path / "in")
    chosen = load(tmp_path / "in", classes=("on", "off", "never"))

    assert data.info.facts["classes"] == ["off", "on"]
    assert sum(data.info.counts.values()) == 11
    assert "no-class" in codes(data)
    assert chosen.info.facts["classes"] == ["on", "off", "never"]
    assert "untrained-class" in codes(chosen)


def test_classes_are_speakers_only_if_told_so(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        write(tmp_path / f"{number}.wav", tone(number))
        rows.append({"path": f"{number}.wav", "speaker": ("ann", "bob")[number % 2]})
    unlabelled = write_jsonl(tmp_path / "a.jsonl", rows)
    labelled = write_jsonl(tmp_path / "b.jsonl", [{**row, "label": "yes"} for row in rows])

    for path in (unlabelled, labelled):
        data = load(path, classes_are="speakers", split_by="example")
        assert data.info.facts["classes"] == ["ann", "bob"]
    named = load(tmp_path, classes_are="speakers", split_by="example", group=r"^(\d)")
    assert named.info.facts["classes"] == list("0123456789")
    with pytest.raises(DataError, match="no class") as raised:
        load(unlabelled)
    assert "data.classes_are=speakers" in str(raised.value)


def test_what_the_model_does_not_know_is_named_and_not_measured_on(tmp_path: Path) -> None:
    for word in ("yes", "no", "perhaps"):
        write(tmp_path / "new" / word / "a.wav", tone(0))
    dataset = Recordings(classes=("no", "yes"))

    measured, findings = dataset.read_labelled(str(tmp_path / "new"), cache=tmp_path / "cache")
    predicted, _ = dataset.read(str(tmp_path / "new"), cache=tmp_path / "cache")

    assert all_rows(measured)["label"].tolist() == ["no", "yes"]
    assert len(predicted) == 3
    (left_out,) = (each for each in findings if each.code == "not-measured")
    assert left_out.where == "perhaps/a.wav"
    assert "'perhaps', which the model does not know" in left_out.message


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write(tmp_path / "in" / "yes" / "a.wav", tone(0))
    with pytest.raises(DataError, match="two classes or more"):
        load(tmp_path / "in")


def test_new_recordings_are_read_with_labels_only_if_all_have_one(tmp_path: Path) -> None:
    data = load(write_digits(tmp_path / "in"), **DIGITS)
    settled = Recordings(path=str(tmp_path / "in"), **DIGITS).settled(data.info)
    write(tmp_path / "new" / "0_anna9_0.wav", tone(70))

    labelled, _ = settled.read(str(tmp_path / "new"), cache=tmp_path / "cache")
    write(tmp_path / "new" / "hello.flac", tone(71))
    mixed, findings = settled.read(str(tmp_path / "new"), cache=tmp_path / "cache")
    one, _ = settled.read(str(tmp_path / "new" / "hello.flac"), cache=tmp_path / "cache")

    assert all_rows(labelled)["label"].tolist() == ["0"]
    assert set(all_rows(mixed)) == {"id", "recording", "length", "group"}
    assert all_rows(mixed)["id"].tolist() == ["0_anna9_0.wav", "hello.flac"]
    assert len(one) == 1
    assert not [each for each in findings if each.level == "error"]


@pytest.mark.parametrize("name", ["a.wav/x.wav", "x" * 300 + ".wav", "a\0.wav", "\udce9.wav"])
def test_a_row_with_an_impossible_name_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.wav", tone(0))
    rows = [{"audio_filepath": each, "label": "y"} for each in ("a.wav", name)]

    examples, findings = Recordings(rate=8000).read(
        str(write_jsonl(tmp_path / "m.jsonl", rows)), cache=tmp_path / "cache"
    )

    assert all_rows(examples)["id"].tolist() == ["a.wav"]
    assert [each.code for each in findings] in (["not-opened"], ["bad-name"])
    findings[0].where.encode()


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "in" / "good.wav", tone(0))
    for number in range(25):
        (tmp_path / "in" / f"bad{number}.wav").write_bytes(b"")
    (tmp_path / "in" / "link.wav").symlink_to("gone.wav")
    os.close(os.open(os.fsencode(tmp_path / "in") + b"/caf\xe9.wav", os.O_CREAT))

    examples, findings = Recordings(rate=8000).read(str(tmp_path / "in"), cache=tmp_path / "cache")

    assert len(examples) == 1
    names = {Path(each.where).name for each in findings}
    assert names == {*(f"bad{number}.wav" for number in range(25)), "link.wav", r"caf\udce9.wav"}


def transcribed(folder: Path, texts: list[str]) -> Path:
    """Write recordings, each by its own speaker, and a manifest with their texts."""
    rows = []
    for number, text in enumerate(texts):
        write(folder / f"{number}.wav", tone(number, seconds=1.0))
        rows.append({"audio_filepath": f"{number}.wav", "text": text, "speaker": f"s{number}"})
    return write_jsonl(folder / "manifest.jsonl", rows)


def test_texts_come_with_the_alphabet_of_their_script(tmp_path: Path) -> None:
    texts = ["Yes, it's me.", "no", "stop", "go on", "hello", "why", "well \u0436"]
    path = transcribed(tmp_path / "in", texts)

    data = load(path, Transcripts)

    assert data.info.facts["alphabet"] == sorted(set("".join(texts[:6]).lower()) - set(",."))
    kept = [text for split in data.splits.values() for text in all_rows(split)["text"]]
    assert sorted(kept) == sorted(texts[:6])
    assert data.info.classes == {}
    assert "outside-alphabet" in codes(data)


def test_an_alphabet_can_be_given_and_is_kept(tmp_path: Path) -> None:
    path = transcribed(tmp_path / "in", ["10", "01", "0 0", "11", "1 one"])

    dataset = Transcripts(path=str(path), alphabet="01 ")
    data = dataset.load(seed=0, cache=tmp_path / "cache")

    assert data.info.facts["alphabet"] == ["0", "1", " "]
    assert sum(data.info.counts.values()) == 4
    assert dataset.settled(data.info).alphabet == "01 "


def test_recordings_without_text_can_be_transcribed(tmp_path: Path) -> None:
    write(tmp_path / "new" / "a.wav", tone(0, seconds=90.0))

    examples, findings = Transcripts().read(str(tmp_path / "new"), cache=tmp_path / "cache")

    assert set(all_rows(examples)) == {"id", "recording", "length", "group"}
    assert all_rows(examples)["length"].tolist() == [90 * 16_000]
    assert [each.code for each in findings] == ["low-rate"]
    with pytest.raises(DataError, match="Nothing at"):
        load(tmp_path / "new", Transcripts, max_seconds=100.0)
