"""The task: from what decoding returns to translations, records and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_translation.models.transformer import Transformer
from zoo_translation.preprocessing import PairPreprocessing, padded
from zoo_translation.task import Translate

import zoo

TASK = Translate(pieces=400, alternatives=2)


def _outputs(preprocessing: PairPreprocessing, texts: list[list[str]]) -> zoo.Batch:
    """Return what a predictor would: for each source translations, the best first."""
    encode = preprocessing.tokeniser.encode
    flat = padded([pieces for each in texts for pieces in encode(each)])
    pieces = flat.reshape(len(texts), len(texts[0]), -1)
    scores = np.tile(-np.arange(1.0, len(texts[0]) + 1, dtype=np.float32), (len(texts), 1))
    return TASK.reduce({"pieces": pieces, "scores": scores}, preprocessing)


def _examples(sources: list[str]) -> zoo.Columns:
    ids = zoo.object_column(f"mine.en:{number}" for number in range(1, len(sources) + 1))
    return zoo.Columns({"id": ids, "source": zoo.object_column(sources)})


def _predictions(
    preprocessing: PairPreprocessing, sources: list[str], texts: list[list[str]], task: Any = TASK
) -> tuple[zoo.Batch, zoo.Batch]:
    examples = _examples(sources)
    windows = zoo.all_rows(task.windows(examples, preprocessing))
    batch = zoo.all_rows(examples)
    outputs = task.restore(_outputs(preprocessing, texts), windows, batch, preprocessing)
    return batch, task.decode(outputs, {})


def test_translations_come_with_their_alternatives(preprocessing: PairPreprocessing) -> None:
    batch, found = _predictions(
        preprocessing, ["red dog", "cat"], [["rot Hund", "Hund", "rot"], ["Katze", "Katze", "x"]]
    )
    assert found["text"].tolist() == ["rot Hund", "Katze"]
    first, second = TASK.records(batch, found)
    assert first["id"] == "mine.en:1"
    assert first["source"] == "red dog"
    assert first["translation"] == "rot Hund"
    assert first["score"] == -1
    assert first["alternatives"] == [
        {"translation": "Hund", "score": -2},
        {"translation": "rot", "score": -3},
    ]
    assert [each["translation"] for each in second["alternatives"]] == ["x"]
    assert "parts" not in first


def test_blank_lines_stay_blank_and_lines_keep_their_order(
    preprocessing: PairPreprocessing, tmp_path: Path
) -> None:
    sources = ["dog", "", "cat", "   ", "tree"]
    batch, found = _predictions(
        preprocessing, sources, [[t] for t in ["Hund", "groß", "Ka\ntze", "Haus", "Baum"]]
    )
    TASK.files(batch, found, tmp_path, preprocessing)
    text = (tmp_path / "translations.txt").read_text(encoding="utf-8")
    assert text == "Hund\n\nKa tze\n\nBaum\n"


def test_over_long_sources_are_translated_in_parts(preprocessing: PairPreprocessing) -> None:
    task = replace(TASK, longest=10)
    long = "big dog runs. small cat sleeps. red house. blue tree."
    windows = zoo.all_rows(task.windows(_examples(["cat", long]), preprocessing))
    count = len(windows["source"])
    assert count > 2
    texts = [["Katze", "x"], *([f"Teil {n}.", "y"] for n in range(1, count))]
    batch, found = _predictions(preprocessing, ["cat", long], texts, task)
    assert found["text"][1] == " ".join(f"Teil {n}." for n in range(1, count))
    assert [each.get("parts") for each in task.records(batch, found)] == [None, count - 1]


def test_sources_as_long_as_those_of_training_stay_whole(
    preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    examples = zoo.Columns(pairs)
    assert TASK.windows(examples, preprocessing) is examples


@pytest.fixture
def network(preprocessing: PairPreprocessing) -> Any:
    return Transformer(size="tiny").build(preprocessing.space)


def test_a_network_translates_each_sentence_of_a_batch(
    network: Any, preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    some = {name: column[:3] for name, column in pairs.items()}
    predict = replace(TASK, beams=2).predictor(network, preprocessing)
    outputs = TASK.reduce(predict(preprocessing.inputs(some)), preprocessing)
    found = TASK.decode(TASK.restore(outputs, some, some, preprocessing), {})
    assert len(found["text"]) == 3
    assert all(isinstance(text, str) for text in found["text"])
    assert np.isfinite(found["score"]).all()


def test_an_explanation_says_what_each_piece_looks_at(
    network: Any, preprocessing: PairPreprocessing
) -> None:
    batch, found = _predictions(preprocessing, ["red dog", ""], [["rot Hund"], [""]])
    (first, second) = TASK.explain(network, preprocessing, batch, found)["alignment"]
    assert "".join(first["translation"]) == "rotHund"
    assert first["weights"].shape == (len(first["translation"]), len(first["source"]))
    assert (first["weights"] >= 0).all()
    assert second is None


def test_the_loss_counts_tokens_and_not_padding(
    preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    targets = preprocessing.targets(pairs)[:2]
    logits = np.zeros((*targets.shape, len(preprocessing.space.classes)), np.float32)
    loss = TASK.loss(preprocessing.space)
    tokens = np.count_nonzero(targets, axis=1).mean() / preprocessing.lengths.mean
    expected = tokens * np.log(logits.shape[-1])
    np.testing.assert_allclose(float(loss(targets, logits)), expected, rtol=1e-5)
