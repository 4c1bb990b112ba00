"""Texts in parts: cut at the best places, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zoo_translation.parts import cut, joined, sentences


def _at_most(letters: int) -> Callable[[str], bool]:
    return lambda text: len(text.strip()) <= letters


def test_texts_are_cut_where_sentences_end() -> None:
    text = 'One is here. "Two, too!" Three? Four stays.'
    assert cut(text, _at_most(25)) == ['One is here. "Two, too!"', "Three? Four stays."]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Dr. Smith paid 3.5 euros. ", "He left at 5 p.m. yesterday."]),
        ("de-DE", ["Am 3. Mai kam Dr. Müller, z. B. mit dem Zug. ", "Warum?"]),
        ("ja", ["今日は晴れです。", "明日は雨。"]),
        ("", ["Really?! ", '"Yes." ', "Nice. 😀"]),
        ("en", [""]),
    ],
)
def test_sentences_end_where_they_do_in_the_language(language: str, expected: list[str]) -> None:
    assert sentences("".join(expected), language) == expected


def test_no_part_has_more_sentences_than_most() -> None:
    assert cut("One. Two. Three, and four.", _at_most(99), most=2) == [
        "One. Two.",
        "Three, and four.",
    ]


def test_a_long_sentence_is_cut_at_clauses_and_then_at_words() -> None:
    assert cut("one, two, three four five", _at_most(10)) == ["one, two,", "three four", "five"]


@pytest.mark.parametrize(
    "text", ["x" * 95, "今日は晴れです。" * 9, "a b  c\n" * 20, "  lead. tail  ", "B\u00a0.\u2028C"]
)
def test_no_letter_is_lost(text: str) -> None:
    parts = cut(text, _at_most(10))
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(part) <= 10 for part in parts)


def test_scripts_without_spaces_are_joined_without() -> None:
    assert joined(["Eins.", "", "Zwei."]) == "Eins. Zwei."
    assert joined(["一。", "二。"]) == "一。二。"
