"""The tasks: from recordings to what networks take, and from what they say to predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_speech.losses import NEVER
from zoo_speech.models.resnet import ResNet
from zoo_speech.preprocessing import (
    KeywordPreprocessing,
    SpeakerPreprocessing,
    TranscriptPreprocessing,
)
from zoo_speech.streaming import Received
from zoo_speech.tasks.keywords import Keywords
from zoo_speech.tasks.saliency import saliency
from zoo_speech.tasks.speakers import Speakers
from zoo_speech.tasks.transcribe import Transcribe
from zoo_speech.tasks.windows import Cut, cut_recordings, parts_of
from zoo_speech.text import TextForm

import zoo
from zoo.inference import Sweep

RATE = 8000


def recordings(seconds: list[float], **columns: list[str]) -> zoo.Batch:
    """Return examples with tones in noise of some lengths, and further columns of texts."""
    rng = np.random.default_rng(0)
    sounds = []
    for row, each in enumerate(seconds):
        time = np.arange(round(each * RATE)) / RATE
        tone = np.sin(2 * np.pi * (200 + 150 * (row % 4)) * time)
        sounds.append((0.3 * tone + 0.05 * rng.normal(size=len(time))).astype(np.float32))
    return {
        "id": zoo.object_column(f"{row}.wav" for row in range(len(sounds))),
        "recording": zoo.object_column(Received(sound, RATE) for sound in sounds),
        "length": np.array([len(sound) for sound in sounds], np.int64),
        **{name: zoo.object_column(each) for name, each in columns.items()},
    }


def info_of(**facts: Any) -> zoo.DatasetInfo:
    return zoo.DatasetInfo(
        name="tones", source="", fingerprint="0", counts={}, facts={"rate": RATE, **facts}
    )


@pytest.fixture
def words() -> zoo.Batch:
    return recordings(
        [0.5, 0.8, 1.0, 0.7] * 3,
        label=["no", "yes"] * 6,
        speaker=["ann", "ann", "bob", "bob"] * 3,
    )


@pytest.fixture
def texts() -> zoo.Batch:
    return recordings([0.5, 2.5, 1.0, 1.5], text=["One two.", "two", "Two-one", "one"])


# Text


def test_text_is_normalised_as_it_is_spoken() -> None:
    form = TextForm()
    assert form.normalised("  Well-known, “isn’t” it? 5 € ") == "well known isn't it 5"  # noqa: RUF001
    assert TextForm(lower_case=False, punctuation=True).normalised("A,  b.") == "A, b."


# Preprocessing


def test_keywords_are_padded_at_the_end_to_one_length(words: zoo.Batch) -> None:
    preprocessing = Keywords(seconds=0.75).prepare(
        zoo.Columns(words), info_of(classes=["no", "yes"])
    )
    inputs = preprocessing.inputs(words)
    assert inputs["sound"].shape == (12, 6000)
    assert inputs["length"].tolist()[:4] == [4000, 6000, 6000, 5600]
    assert inputs["length"].dtype == np.int32
    assert not inputs["sound"][0, 4000:].any()
    np.testing.assert_array_equal(inputs["sound"][1], words["recording"][1].read(0, 6000))
    assert preprocessing.targets(words).tolist() == [0, 1] * 6


def test_texts_become_numbers_and_what_is_unknown_is_left_out(texts: zoo.Batch) -> None:
    preprocessing = Transcribe().prepare(zoo.Columns(texts), info_of())
    assert preprocessing.alphabet == (" ", "e", "n", "o", "t", "w")
    assert preprocessing.space.classes == ("", *preprocessing.alphabet)
    found = preprocessing.targets({**texts, "text": zoo.object_column(["Two!", "zoo", "", "one"])})
    assert found.tolist() == [[5, 6, 4], [4, 4, 0], [0, 0, 0], [4, 3, 2]]
    whole = Transcribe(unit="words").prepare(zoo.Columns(texts), info_of())
    assert whole.alphabet == ("one", "two")
    assert whole.targets(texts).tolist() == [[1, 2], [2, 0], [2, 1], [1, 0]]
    np.testing.assert_allclose(whole.pieces, 1.5)


def test_sizes_are_hundredths_of_a_second(texts: zoo.Batch) -> None:
    preprocessing = Transcribe().prepare(zoo.Columns(texts), info_of())
    assert preprocessing.sizes(texts).tolist() == [50, 250, 100, 150]


@pytest.mark.parametrize("kind", ["keywords", "transcribe", "speakers"])
def test_a_preprocessing_that_was_saved_encodes_alike(
    kind: str, words: zoo.Batch, texts: zoo.Batch, tmp_path: Path
) -> None:
    task = {"keywords": Keywords(), "transcribe": Transcribe(), "speakers": Speakers()}[kind]
    batch = texts if kind == "transcribe" else words
    preprocessing = task.prepare(zoo.Columns(batch), info_of(classes=["no", "yes"]))
    preprocessing.save(tmp_path)
    loaded = type(preprocessing).load(tmp_path)
    assert loaded == preprocessing
    np.testing.assert_array_equal(loaded.targets(batch), preprocessing.targets(batch))


def test_training_without_any_text_is_refused() -> None:
    batch = recordings([1.0, 1.0], text=["?", ""])
    with pytest.raises(zoo.DataError, match="empty"):
        Transcribe().prepare(zoo.Columns(batch), info_of())


# Windows


@pytest.mark.parametrize("frame", [80, 320, 640])
@pytest.mark.parametrize("seconds", [0.9, 1.0, 2.0, 2.01, 3.5, 7.37])
def test_frames_of_windows_make_up_those_of_the_whole(frame: int, seconds: float) -> None:
    """A network that says of each frame where it begins is read back in order."""
    cut = Cut.of(2.0, 0.5, RATE)
    length = round(seconds * RATE)
    windows = zoo.all_rows(cut_recordings(zoo.Columns(recordings([seconds])), cut))
    starts = windows.get("start", np.zeros(1, np.int64))
    frames = [
        start + frame * np.arange(-(-size // frame))
        for start, size in zip(starts, windows["length"], strict=True)
    ]
    parts, samples = parts_of(frames, windows["length"], cut)
    whole = np.concatenate(parts)
    np.testing.assert_array_equal(whole, frame * np.arange(-(-length // frame)))
    assert 0 <= (frame - samples) * len(whole) < frame  # times are right within a frame


def test_windows_are_parts_of_their_recording_and_do_not_train() -> None:
    batch = recordings([0.5, 4.0], text=["a", "b"])
    windows = zoo.all_rows(cut_recordings(zoo.Columns(batch), Cut.of(2.0, 0.5, RATE)))
    assert windows["example"].tolist() == [0, 1, 1, 1]
    assert windows["known"].tolist() == [True, False, False, False]
    whole = batch["recording"][1].read()
    for row in range(1, 4):
        start, length = int(windows["start"][row]), int(windows["length"][row])
        np.testing.assert_array_equal(
            windows["recording"][row].read(), whole[start : start + length]
        )
    preprocessing = Transcribe().prepare(zoo.Columns(batch), info_of())
    assert preprocessing.weights(windows).tolist() == [1, 0, 0, 0]


def test_recordings_that_are_short_stay_as_they_are(texts: zoo.Batch) -> None:
    examples = zoo.Columns(texts)
    preprocessing = Transcribe().prepare(examples, info_of())
    assert Transcribe().windows(examples, preprocessing) is examples


def test_a_context_that_leaves_nothing_of_a_window_is_refused(texts: zoo.Batch) -> None:
    with pytest.raises(zoo.ConfigError, match="context"):
        Transcribe(window_seconds=4, context_seconds=2).prepare(zoo.Columns(texts), info_of())


def test_what_trains_is_seen_whole_and_what_is_left_out_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    examples = zoo.Columns(recordings([30.0, 38.7, 5.0], text=["a", "b", "c"]))
    task = Transcribe()
    preprocessing = task.prepare(examples, info_of())
    assert task.windows(examples, preprocessing) is examples
    longer = zoo.Columns(recordings([41.0], text=["a"]))
    windows = zoo.all_rows(task.windows(longer, preprocessing))
    assert preprocessing.weights(windows).tolist() == [0, 0]
    assert not caplog.records
    Transcribe(window_seconds=10).prepare(examples, info_of())
    assert "2 of 3 training recordings do not train" in caplog.text
    with pytest.raises(zoo.ConfigError, match="All 3 training recordings"):
        Transcribe(window_seconds=4, context_seconds=1).prepare(examples, info_of())


# From outputs to predictions


def logits_of(texts: list[str], preprocessing: TranscriptPreprocessing, frames: int) -> np.ndarray:
    """Return what a network would say that hears a symbol each frame; `_` is the blank."""
    symbols = ("_", *preprocessing.alphabet)
    logits = np.full((len(texts), frames, len(symbols)), np.float32(NEVER))
    logits[..., 0] = 0
    for row, text in enumerate(texts):
        logits[row, : len(text)] = 0
        for frame, character in enumerate(text):
            logits[row, frame, symbols.index(character)] = 6
    return logits


def transcribed(task: Transcribe, said: list[str], texts: zoo.Batch) -> zoo.Batch:
    preprocessing = task.prepare(zoo.Columns(texts), info_of())
    outputs = task.reduce(logits_of(said, preprocessing, 60), preprocessing)
    return task.decode(task.restore(outputs, texts, texts, preprocessing), {})


SAID = ["one__ two_", "__two_" + 19 * "_", "two on_ne_", "_" * 15]


def test_transcriptions_have_text_times_and_confidence(texts: zoo.Batch, tmp_path: Path) -> None:
    task = Transcribe()
    found = transcribed(task, SAID, texts)
    assert found["text"].tolist() == ["one two", "two", "two onne", ""]
    records = list(task.records(texts, found))
    assert records[0]["seconds"] == 0.5
    first, second = records[0]["words"]
    assert (first["word"], first["start"], first["end"]) == ("one", 0.0, 0.15)
    assert (second["word"], second["start"]) == ("two", 0.3)
    assert records[0]["confidence"] > 0.9
    assert records[3] == {**records[3], "text": "", "words": [], "confidence": None}
    task.files(texts, found, tmp_path, TranscriptPreprocessing(rate=RATE, alphabet=("a",)))
    line = (tmp_path / "words.ctm").read_text(encoding="utf-8").splitlines()[0]
    assert line.split()[:5] == ["0.wav", "1", "0.00", "0.15", "one"]


def test_measured_text_is_normalised(texts: zoo.Batch) -> None:
    task = Transcribe()
    said = ["one two" + "_" * 3, "two" + "_" * 22, "two one___", "one" + "_" * 12]
    found = transcribed(task, said, texts)
    ones = np.ones(4, np.int64)
    values = {metric.name: metric.compute(ones) for metric in task.metrics(texts, found)}
    assert next(iter(values)) == task.monitor == "wer"
    assert values["wer"] == values["cer"] == 0
    assert task.references(texts, found)["wer"] == 0


def test_a_word_list_corrects_what_was_heard(texts: zoo.Batch, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("One\nTwo\n")
    task = Transcribe(words=str(tmp_path / "words.txt"))
    found = transcribed(task, SAID, texts)
    assert found["text"].tolist() == ["one two", "two", "two one", ""]
    with pytest.raises(zoo.ConfigError, match="whole words"):
        replace(task, unit="words").decode(
            {"log_probs": [], "frame": [], "symbols": [("", "one")]}, {}
        )


def test_reports_play_the_worst_recordings(texts: zoo.Batch, words: zoo.Batch) -> None:
    task = Transcribe()
    found = transcribed(task, SAID, texts)
    figures = {figure.title: figure for figure in task.figures(texts, found, {})}
    html = figures["Worst recordings"].html
    assert html.count("<audio controls") == 4
    assert "data:audio/flac;base64," in html
    assert "(nothing)" in figures["Words mistaken"].html


def test_names_in_a_report_are_text_and_not_html(texts: zoo.Batch) -> None:
    texts["id"][2] = "<script>alert(1)</script>"
    task = Transcribe()
    html = task.figures(texts, transcribed(task, SAID, texts), {})[-1].html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# Networks


def network(preprocessing: Any) -> Any:
    return ResNet(size="tiny").build(preprocessing.space)


def test_long_recordings_are_the_mean_of_their_stretches(words: zoo.Batch) -> None:
    task = Keywords(seconds=0.5)
    preprocessing = task.prepare(zoo.Columns(words), info_of(classes=["no", "yes"]))
    windows = zoo.all_rows(task.windows(zoo.Columns(words), preprocessing))
    assert len(windows["id"]) > len(words["id"])
    assert preprocessing.seen(windows).max() == preprocessing.length
    logits = np.random.default_rng(0).normal(size=(len(windows["id"]), 2))
    found = task.decode(task.restore(logits, windows, words, preprocessing), {})
    records = list(task.records(words, found))
    assert [record["seconds"] for record in records[:4]] == [0.5, 0.8, 1.0, 0.7]


def test_saliency_has_the_frames_of_the_recording_alone(words: zoo.Batch) -> None:
    preprocessing = Keywords(seconds=1.0).prepare(
        zoo.Columns(words), info_of(classes=["no", "yes"])
    )
    inputs = {name: each[:3] for name, each in preprocessing.inputs(words).items()}
    maps = saliency(network(preprocessing), inputs)
    assert [each.shape for each in maps] == [(50, 40), (80, 40), (100, 40)]
    assert all(np.isfinite(each).all() and each.any() for each in maps)


@pytest.mark.parametrize("kind", ["keywords", "transcribe", "speakers"])
def test_explanations_are_given_and_drawn(kind: str, words: zoo.Batch, texts: zoo.Batch) -> None:
    tasks: dict[str, Any] = {
        "keywords": Keywords(seconds=0.5),
        "transcribe": Transcribe(window_seconds=1.4, context_seconds=0.24),
        "speakers": Speakers(),
    }
    task, batch = tasks[kind], texts if kind == "transcribe" else words
    preprocessing = task.prepare(zoo.Columns(batch), info_of(classes=["no", "yes"]))
    model = network(preprocessing)
    examples = zoo.Columns(batch)
    predictions = Sweep(task, preprocessing, examples, 4).outputs(model)
    predictions = task.decode(predictions, {})
    rows = task.explained(batch, predictions)
    assert len(rows) == 4
    some = ({name: each[rows] for name, each in part.items()} for part in (batch, predictions))
    maps = task.explain(model, preprocessing, *some)["saliency"]
    assert model.to_json()  # it can be saved as before
    seen = {"keywords": 0.5, "transcribe": 1.44, "speakers": 9.0}[kind]
    frames = [round(100 * min(length / RATE, seen)) for length in batch["length"][rows]]
    assert [each.shape for each in maps] == [(count, 40) for count in frames]
    assert all(each.any() for each in maps)
    saliency = np.full(len(batch["id"]), None, object)
    saliency[rows] = maps
    figures = task.figures(batch, {**predictions, "saliency": saliency}, {})
    drawn = next(each for each in figures if each.title == "What speaks for it")
    assert drawn.html.count("<img") == 4
    part = {name: each[rows] for name, each in batch.items()}
    found = {**{name: each[rows] for name, each in predictions.items()}, "saliency": maps}
    assert all(len(each["saliency"]) for each in task.records(part, found))


def test_speakers_are_recognised_whatever_the_label_is(words: zoo.Batch) -> None:
    task = Speakers(window_seconds=1.0)
    batch = {**words, **recordings([0.5, 2.6] * 6)}
    preprocessing = task.prepare(zoo.Columns(batch), info_of(classes=["no", "yes"]))
    assert preprocessing.classes == ("ann", "bob")
    assert preprocessing.targets(batch).tolist() == [0, 0, 1, 1] * 3
    predict = task.predictor(network(preprocessing), preprocessing)
    windows = zoo.all_rows(task.windows(zoo.Columns(batch), preprocessing))
    assert len(windows["id"]) > 12
    outputs = task.reduce(predict(preprocessing.inputs(windows)), preprocessing)
    found = task.decode(task.restore(outputs, windows, batch, preprocessing), {})
    np.testing.assert_allclose(np.linalg.norm(found["embedding"], axis=1), 1, rtol=1e-5)
    names = [metric.name for metric in task.metrics(batch, found)]
    assert names[:2] == ["accuracy", "eer"]
    assert len(task.figures(batch, found, {})) >= 6
    record = next(task.records(batch, found))
    assert record["label"] in ("ann", "bob")
    assert len(record["embedding"]) == 128


def test_a_speaker_who_was_not_in_training_is_named(words: zoo.Batch) -> None:
    preprocessing = SpeakerPreprocessing(classes=("ann", "eve"), rate=RATE)
    with pytest.raises(zoo.DataError, match="'bob'") as raised:
        preprocessing.targets(words)
    assert "split_by=example" in str(raised.value.hint)


def test_baselines_tell_tones_apart(words: zoo.Batch, texts: zoo.Batch) -> None:
    preprocessing = KeywordPreprocessing(classes=("no", "yes"), rate=RATE, length=RATE)
    (_, cepstral) = Keywords().baselines(preprocessing).values()
    assert (cepstral(words, words)["label"] == words["label"]).all()
    form = Transcribe().prepare(zoo.Columns(texts), info_of())
    (frequent, nearest) = Transcribe().baselines(form).values()
    assert set(frequent(texts, texts)["text"]) == {"one"}
    assert nearest(texts, texts)["text"].tolist() == ["one two", "two", "two one", "one"]


def test_settings_reach_the_augmentation(words: zoo.Batch) -> None:
    task = Keywords(speed=0, shift=0, room=0, colour=0, noise=0, gain=0)
    preprocessing = task.prepare(zoo.Columns(words), info_of(classes=["no", "yes"]))
    inputs = preprocessing.inputs(words)
    seeds = np.zeros((12, 2), np.int64)
    varied, _ = task.augmentation(preprocessing.space)(inputs, None, seeds, 0.0)
    np.testing.assert_allclose(varied["sound"], inputs["sound"], atol=1e-6)
    louder, _ = replace(task, gain=10.0).augmentation(preprocessing.space)(inputs, None, seeds, 0.0)
    assert not np.allclose(louder["sound"], inputs["sound"])
