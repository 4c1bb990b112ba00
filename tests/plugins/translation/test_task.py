"""The task: from what decoding returns to translations, records and files."""

from __future__ import annotations

from dataclasses import replace
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
    ended = np.zeros(len(texts), bool)
    return TASK.reduce({"pieces": pieces, "scores": scores, "ended": ended}, preprocessing)


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
    preprocessing: PairPreprocessing,
) -> None:
    sources = ["dog", "", "cat", "   ", "tree"]
    batch, found = _predictions(
        preprocessing, sources, [[t] for t in ["Hund", "groß", "Katze", "Haus", "Baum"]]
    )
    lines = [each[TASK.plain_text] for each in TASK.records(batch, found)]
    assert lines == ["Hund", "", "Katze", "", "Baum"]


def test_each_sentence_of_a_text_is_translated(preprocessing: PairPreprocessing) -> None:
    sources = ["cat", "big dog runs. small cat sleeps. red house."]
    texts = [["Katze", "x"], *([f"Teil {n}.", "y"] for n in range(3))]
    batch, found = _predictions(preprocessing, sources, texts)
    first, second = TASK.records(batch, found)
    assert second["translation"] == "Teil 0. Teil 1. Teil 2."
    assert (first.get("parts"), second["parts"]) == (None, 3)
    assert (len(first["alternatives"]), second["alternatives"]) == (1, [])


def test_emoji_are_carried_over(preprocessing: PairPreprocessing) -> None:
    batch, found = _predictions(preprocessing, ["cat 😀.", "😀"], [["Katze.", "x"], ["Baum", "y"]])
    first, second = TASK.records(batch, found)
    assert (first["translation"], first["carried"]) == ("Katze 😀.", ["😀"])
    assert (second["translation"], second["carried"]) == ("😀", ["😀"])
    assert "carried" not in next(TASK.records(*_predictions(preprocessing, ["cat"], [["Katze"]])))


def test_more_alternatives_than_beams_are_refused() -> None:
    with pytest.raises(zoo.ConfigError, match=r"task\.alternatives is 5, but task\.beams is 5"):
        Translate(alternatives=5)


@pytest.fixture
def network(preprocessing: PairPreprocessing) -> Any:
    return Transformer(size="tiny").build(preprocessing.space)


def test_a_network_translates_each_sentence_of_a_batch(
    network: Any, preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    some = {name: column[:3] for name, column in pairs.items()}
    predict = replace(TASK, beams=3).predictor(network, preprocessing)
    outputs = TASK.reduce(predict(preprocessing.inputs(some)), preprocessing)
    found = TASK.decode(TASK.restore(outputs, some, some, preprocessing), {})
    assert len(found["text"]) == 3
    assert all(isinstance(text, str) for text in found["text"])
    assert np.isfinite(found["score"]).all()


def test_a_translation_that_never_ends_is_ended_and_says_so(
    network: Any, preprocessing: PairPreprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def translator(*_: Any, **__: Any) -> Any:
        def translate(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            most = 2 * np.count_nonzero(source, axis=1) + 10
            pieces = np.arange(most.max()) < most[:, None] - [[1], [2]]
            return 300 * pieces[:, None].astype(np.int32), np.zeros((2, 1), np.float32)

        return translate

    monkeypatch.setattr("zoo_translation.task.translator", translator)
    batch = zoo.all_rows(_examples(["red dog", "cat"]))
    outputs = TASK.predictor(network, preprocessing)(preprocessing.inputs(batch))
    found = TASK.restore(TASK.reduce(outputs, preprocessing), batch, batch, preprocessing)
    assert [each.get("ended") for each in TASK.records(batch, found)] == [True, None]


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
    tokens = np.count_nonzero(targets, axis=1).mean() / preprocessing.corpus.mean
    expected = tokens * np.log(logits.shape[-1])
    np.testing.assert_allclose(float(loss(targets, logits)), expected, rtol=1e-5)
