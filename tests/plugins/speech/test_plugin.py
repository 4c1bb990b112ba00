"""The plugin from files to predictions, by what a user types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from zoo_speech.generator.datasets import Sentences, Voices

import zoo
from zoo.registry import registry

RATE = 8000
TINY = {
    "data.rate": RATE,
    "evaluation.samples": 5,
    "model.size": "tiny",
    "train.stages": [{"steps": 2}],
}


def write(folder: Path, columns: zoo.Batch, *, by_class: bool) -> Path:
    """Write recordings as files: in a folder for each class, or with a text of the same name."""
    for row, recording in enumerate(columns["recording"]):
        place = folder / str(columns["label"][row]) if by_class else folder
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{row}.wav"
        soundfile.write(path, recording.read(), recording.rate)
        if not by_class:
            path.with_suffix(".txt").write_text(str(columns["text"][row]), encoding="utf-8")
    return folder


def words(tmp_path: Path) -> Path:
    data = Voices(count=60, voices=10, words=("yes", "no"), rate=RATE).load(seed=0, cache=tmp_path)
    return write(tmp_path / "words", zoo.all_rows(data.splits["train"]), by_class=True)


def texts(tmp_path: Path) -> Path:
    data = Sentences(count=60, voices=10, most=2, rate=RATE).load(seed=0, cache=tmp_path)
    return write(tmp_path / "texts", zoo.all_rows(data.splits["train"]), by_class=False)


def new_files(folder: Path) -> Path:
    """Write a good recording, and one that is none."""
    folder.mkdir()
    tone = 0.3 * np.sin(np.arange(RATE) / 5)
    soundfile.write(folder / "good.wav", tone, RATE)
    (folder / "bad.wav").write_bytes(b"")
    return folder


@pytest.mark.parametrize("recipe", ["keywords", "transcribe", "speakers", "voices"])
def test_a_recipe_of_each_task_is_there(recipe: str) -> None:
    spec = registry().spec("recipe", f"speech/{recipe}")
    assert spec.trial
    assert spec.default == (recipe == "keywords")


def test_words_from_files_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    settings = {**TINY, "train.batch_size": 8, "evaluation.baselines": False}
    run = zoo.train("speech", data=str(words(tmp_path)), settings=settings, runs=tmp_path / "runs")
    assert "<audio controls" in run.report.read_text(encoding="utf-8")
    found = zoo.predict(run.path, new_files(tmp_path / "new"), explain=True)
    (record,) = found.records
    assert record["label"] in ("no", "yes")
    assert record["seconds"] == 1.0
    assert len(record["saliency"]) == 100
    (finding,) = [each for each in found.findings if each.level != "note"]
    assert "bad.wav" in finding.where
    assert "0 bytes" in finding.message


def test_text_from_files_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    settings = {**TINY, "train.batch_tokens": 1000, "use.model": "resnet"}
    run = zoo.train(
        "speech/transcribe", data=str(texts(tmp_path)), settings=settings, runs=tmp_path / "runs"
    )
    assert run.evaluation["monitor"] == "wer"
    found = zoo.predict(run.path, new_files(tmp_path / "new"))
    found.write(tmp_path / "out")
    (line,) = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    record = json.loads(line)
    assert record["text"] == " ".join(word["word"] for word in record["words"])
    assert (tmp_path / "out" / "words.ctm").exists()
    assert "bad.wav" in (tmp_path / "out" / "findings.jsonl").read_text(encoding="utf-8")
