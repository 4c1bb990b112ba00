"""What the network sees: sentences as it has learnt to read them, and their translations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from zoo_translation.preprocessing import PairPreprocessing
from zoo_translation.windows import windows

import zoo


def _windows(
    preprocessing: PairPreprocessing, longest: int = 99, **columns: list[str]
) -> zoo.Batch:
    examples = zoo.Columns({name: zoo.object_column(each) for name, each in columns.items()})
    return zoo.all_rows(windows(examples, preprocessing, longest))


def test_examples_that_can_be_read_stay_as_they_are(
    pairs: zoo.Batch, preprocessing: PairPreprocessing
) -> None:
    examples = zoo.Columns(pairs)
    assert windows(examples, preprocessing, 1_000) is examples


def test_sentences_train_with_their_translations(preprocessing: PairPreprocessing) -> None:
    found = _windows(
        preprocessing,
        source=["red dog. blue cat.", "red dog. blue cat.", "dog."],
        target=["rot Hund. blau Katze.", "rot Hund und blau Katze.", "Hund. Katze."],
    )
    assert found["source"].tolist() == ["red dog.", "blue cat."] * 2 + ["dog."]
    assert found["target"].tolist() == ["rot Hund.", "blau Katze.", "", "", "Hund. Katze."]
    assert found["example"].tolist() == [0, 0, 1, 1, 2]
    np.testing.assert_array_equal(preprocessing.weights(found), [1, 1, 0, 0, 1])


def test_as_many_sentences_are_read_at_once_as_in_training(pairs: zoo.Batch) -> None:
    several = {**pairs, "source": zoo.object_column(f"dog. {each}" for each in pairs["source"])}
    preprocessing = PairPreprocessing.fit(several, pieces=400, kind="unigram")
    found = _windows(preprocessing, source=["cat. dog.", "cat. dog. red. blue. big."])
    assert found["source"].tolist() == ["cat. dog.", "cat. dog.", "red. blue.", "big."]


def test_parts_of_an_over_long_sentence_count_nothing_in_training(
    preprocessing: PairPreprocessing,
) -> None:
    long = "big red dog runs, small cat sleeps, red house, blue tree."
    found = _windows(preprocessing, 10, source=["dog.", long, ""], target=["a", "b. c. d.", "c"])
    assert preprocessing.sizes(found)[:, 0].max() <= 10
    parts = found["example"] == 1
    assert parts.sum() > 1
    assert not found["known"][parts].any()
    assert set(found["target"][parts]) == {""}
    assert found["target"][~parts].tolist() == ["a", "c"]


def test_what_training_hardly_had_is_not_shown_to_the_network(
    preprocessing: PairPreprocessing,
) -> None:
    assert _windows(preprocessing, source=["red 😀 dog."])["source"].tolist() == ["red dog."]
    often = replace(preprocessing, corpus=replace(preprocessing.corpus, frequent="😀"))
    assert _windows(often, source=["red 😀 dog."])["source"].tolist() == ["red 😀 dog."]
