"""Streaming says what a prediction of the whole recording says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_speech.data.datasets import Recordings, Transcripts
from zoo_speech.decoding.ctc import Greedy
from zoo_speech.models.resnet import ResNet
from zoo_speech.streaming import Received, Stream
from zoo_speech.tasks.keywords import Keywords
from zoo_speech.tasks.speakers import Speakers
from zoo_speech.tasks.transcribe import Transcribe

import zoo

RATE = 8000
CHUNK = 1999
TOLERANCE = 1e-4


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise whose loudness changes, float32 [samples]."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.01, 0.5, round(seconds * 4) + 1), RATE // 4)
    samples = round(seconds * RATE)
    return (rng.normal(size=samples) * loudness[:samples]).clip(-1, 1).astype(np.float32)


def examples(sounds: list[np.ndarray]) -> zoo.Batch:
    count = len(sounds)
    return {
        "id": zoo.object_column(["stream"] * count),
        "recording": zoo.object_column(Received(sound, RATE) for sound in sounds),
        "length": np.array([len(sound) for sound in sounds], np.int64),
        "label": zoo.object_column(["no", "yes"] * (count // 2)),
        "speaker": zoo.object_column(["ann", "bob"] * (count // 2)),
        "text": zoo.object_column(["one two", "two"] * (count // 2)),
    }


TASKS: dict[str, Any] = {
    "keywords": Keywords(seconds=1.0),
    "transcribe": Transcribe(window_seconds=2.0, context_seconds=0.5),
    "beams": Transcribe(window_seconds=2.0, context_seconds=0.5, beams=3),
    "speakers": Speakers(window_seconds=2.0),
}


@pytest.fixture(scope="module", params=TASKS)
def bundle(request: pytest.FixtureRequest) -> zoo.Bundle:
    return bundle_of(request.param)


def bundle_of(name: str) -> zoo.Bundle:
    """Return a network of a task whose weights were drawn, not learnt."""
    task = TASKS[name]
    train = zoo.Columns(examples([noise(1, 1), noise(1, 2)]))
    info = zoo.DatasetInfo(
        name="",
        source="",
        fingerprint="",
        counts={},
        facts={"rate": RATE, "classes": ["no", "yes"]},
    )
    preprocessing = task.prepare(train, info)
    model = ResNet(size="tiny")
    network = model.build(preprocessing.space)
    rng = np.random.default_rng(0)
    network.set_weights([each + rng.normal(0, 0.02, each.shape) for each in network.get_weights()])
    return zoo.Bundle(
        addresses={},
        task=task,
        architecture=model,
        dataset=Transcripts() if isinstance(task, Transcribe) else Recordings(),
        preprocessing=preprocessing,
        model=network,
        decision={},
        about={"batch_size": 4},
    )


def predicted(bundle: zoo.Bundle, sound: np.ndarray) -> dict[str, Any]:
    batch = {name: column[:1] for name, column in examples([sound, sound]).items()}
    (record,) = bundle.task.records(batch, bundle.predict(zoo.Columns(batch)))
    return record


def assert_alike(one: Any, other: Any) -> None:
    """Compare two records, numbers up to the tolerance."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_alike(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_alike(first, second)
    elif isinstance(one, str):
        assert one == other
    else:
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("seconds", [0.3, 1.9, 7.3])
def test_a_stream_ends_with_what_a_file_gives(bundle: zoo.Bundle, seconds: float) -> None:
    sound = noise(seconds)
    stream = Stream(bundle, every=1.0)
    updates = [stream.feed(sound[start : start + CHUNK]) for start in range(0, len(sound), CHUNK)]
    assert int(seconds) - 1 <= sum(update is not None for update in updates) <= int(seconds)
    assert_alike(stream.record(), predicted(bundle, sound))


def test_a_stream_says_at_any_time_what_the_file_so_far_gives(bundle: zoo.Bundle) -> None:
    sound = noise(5.0)
    stream = Stream(bundle, every=0)
    for start in range(0, len(sound), 10_000):
        record = stream.feed(sound[start : start + 10_000])
        assert_alike(record, predicted(bundle, sound[: start + 10_000]))


def test_whole_windows_are_run_once(bundle: zoo.Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(bundle, every=1.0)
    runs: list[int] = []
    run = stream._run

    def counted(inputs: zoo.Batch) -> Any:
        runs.append(len(inputs["length"]))
        return run(inputs)

    monkeypatch.setattr(stream, "_run", counted)
    for _ in range(12):
        before = len(runs)
        stream.feed(noise(1.0))
        assert len(runs) - before <= 3


def test_frames_that_stay_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(bundle_of("transcribe"), every=1.0)
    heard: list[int] = []
    hear = Greedy.hear

    def counted(search: Greedy, log_probs: np.ndarray) -> None:
        heard[-1] += len(log_probs)
        hear(search, log_probs)

    monkeypatch.setattr(Greedy, "hear", counted)
    for _ in range(12):
        heard.append(0)
        stream.feed(noise(1.0))
    assert max(heard[6:]) <= max(heard[:6])


def test_a_stream_takes_one_channel_of_numbers(bundle: zoo.Bundle) -> None:
    stream = Stream(bundle)
    with pytest.raises(zoo.DataError, match="shape"):
        stream.feed(np.zeros((2, 100)))
    with pytest.raises(zoo.DataError, match="no finite"):
        stream.feed(np.array([0.1, np.nan]))
    with pytest.raises(zoo.DataError, match="no samples"):
        stream.record()


def test_a_file_of_the_same_samples_gives_the_same(bundle: zoo.Bundle, tmp_path: Path) -> None:
    import soundfile

    sound = (noise(3.0) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    read, findings = type(bundle.dataset)(rate=RATE).read(str(tmp_path), cache=tmp_path / "cache")
    assert not [each for each in findings if each.level == "error"]
    (record,) = bundle.task.records(zoo.all_rows(read), bundle.predict(read))
    stream = Stream(bundle)
    stream.feed(sound.astype(np.float32) / 32768)
    assert_alike({**stream.record(), "id": record["id"]}, record)
