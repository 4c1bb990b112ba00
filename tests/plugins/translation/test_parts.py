"""Over-long texts: cut at the best places, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from zoo_translation.parts import cut, cut_examples, joined
from zoo_translation.preprocessing import PairPreprocessing

import zoo


def _at_most(letters: int) -> Callable[[str], bool]:
    return lambda text: len(text.strip()) <= letters


def test_texts_are_cut_where_sentences_end() -> None:
    text = 'One is here. "Two, too!" Three? Four stays.'
    assert cut(text, _at_most(25)) == ['One is here. "Two, too!"', "Three? Four stays."]


def test_a_long_sentence_is_cut_at_clauses_and_then_at_words() -> None:
    assert cut("one, two, three four five", _at_most(10)) == ["one, two,", "three four", "five"]


@pytest.mark.parametrize(
    "text", ["x" * 95, "今日は晴れです。" * 9, "a b  c\n" * 20, "  lead. tail  "]
)
def test_no_letter_is_lost(text: str) -> None:
    parts = cut(text, _at_most(10))
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(part) <= 10 for part in parts)


def test_scripts_without_spaces_are_joined_without() -> None:
    assert joined(["Eins.", "", "Zwei."]) == "Eins. Zwei."
    assert joined(["一。", "二。"]) == "一。二。"


def test_examples_that_fit_stay_as_they_are(
    pairs: zoo.Batch, preprocessing: PairPreprocessing
) -> None:
    examples = zoo.Columns(pairs)
    assert cut_examples(examples, preprocessing.tokeniser, 1_000) is examples


def test_parts_of_over_long_examples_count_nothing_in_training(
    preprocessing: PairPreprocessing,
) -> None:
    source = ["big red dog.", "big dog runs. small cat sleeps. red house. blue tree.", ""]
    examples = zoo.Columns(
        {"source": zoo.object_column(source), "target": zoo.object_column(["a", "b", "c"])}
    )
    windows = zoo.all_rows(cut_examples(examples, preprocessing.tokeniser, 10))
    sizes = preprocessing.sizes(windows)
    assert sizes[:, 0].max() <= 10
    assert windows["example"][[0, -1]].tolist() == [0, 2]
    cut_ones = windows["example"] == 1
    assert cut_ones.sum() > 1
    assert not windows["known"][cut_ones].any()
    assert set(windows["target"][cut_ones]) == {""}
    np.testing.assert_array_equal(preprocessing.weights(windows), windows["known"])
    assert list(examples.columns["target"]) == ["a", "b", "c"]
