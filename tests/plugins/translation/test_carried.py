"""What a network cannot read is taken out of a source and comes out in the translation."""

from __future__ import annotations

import string

import pytest
from zoo_translation.carried import put_back, take_out

LETTERS = frozenset(string.ascii_letters + "0123456789.,-'\"日本語です。")


@pytest.mark.parametrize(
    ("source", "read", "translation"),
    [
        ("A man plays 😀", "A man plays", "Ein Mann spielt heute. 😀"),
        ("A man plays 👍🏽😀.", "A man plays.", "Ein Mann spielt heute 👍🏽😀."),
        ("😀 A man plays ☂.", "A man plays.", "😀 Ein Mann spielt heute ☂."),
        ("A man 😀 plays well", "A man plays well", "Ein Mann 😀 spielt heute."),
        ("Plays with Иван Петров.", "Plays with.", "Ein Mann spielt heute Иван Петров."),
        ("Łukasz plays", "plays", "Łukasz Ein Mann spielt heute."),
        ("It is 5€.", "It is 5.", "Ein Mann spielt heute€."),
        ("ab😀cd", "ab cd", "Ein Mann😀 spielt heute."),
        ("日本鬱語。", "日本 語。", "Ein Mann鬱 spielt heute."),
        ("A “man” isn’t – old", 'A "man" isn\'t - old', "Ein Mann spielt heute."),  # noqa: RUF001
        ("", "", "Ein Mann spielt heute."),
    ],
)
def test_it_comes_out_at_about_the_same_place(source: str, read: str, translation: str) -> None:
    text, carried = take_out(source, LETTERS)
    assert text == read
    assert put_back("Ein Mann spielt heute.", carried) == translation


@pytest.mark.parametrize("text", ["😀", "Иван 😀 Петров", " plain text "])
def test_nothing_is_lost_where_all_or_nothing_can_be_read(text: str) -> None:
    rest, carried = take_out(text, LETTERS)
    assert put_back(rest, carried) == text
