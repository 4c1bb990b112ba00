from __future__ import annotations

import numpy as np
import pytest
from zoo_translation.data.filters import FilterSettings, clean, unfit
from zoo_translation.data.scripts import foreign, script_of
from zoo_translation.data.sides import Sides
from zoo_translation.data.texts import Languages
from zoo_translation.generator.sentences import draw

EN_DE = Languages("en", "de")


def reasons(sources, targets, languages=EN_DE, **settings) -> dict[str, list[int]]:
    found = unfit(sources, targets, languages, FilterSettings(**settings))
    return {
        reason: np.flatnonzero(flagged).tolist()
        for reason, flagged in found.items()
        if flagged.any()
    }


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[str]]:
    drawn = draw(np.random.default_rng(0))
    english, german = zip(*(next(drawn) for _ in range(1000)), strict=True)
    return list(english), list(german)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("  two   spaces ", "two spaces"),
        ("e\u0301\u200b\ufeff \u00adx\x07", "é x"),
        ("one\u2028two\u00a0three\ttab", "one two three tab"),
        ("\u202bright to left\u202c", "right to left"),
        ("a\u200db\u200cc", "abc"),
        ("👩\u200d🚀 👍🏽 \u2764\ufe0f\u200d🔥", "👩\u200d🚀 👍🏽 \u2764\ufe0f\u200d🔥"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
        ("क्\u200dष", "क्\u200dष"),
        ("\ufb01n \uff21", "\ufb01n \uff21"),
        ("", ""),
    ],
)
def test_cleaning_drops_what_cannot_be_seen_and_keeps_what_means_something(text, expected):
    assert clean(text, "nfc") == expected
    assert clean(clean(text, "nfc"), "nfc") == expected


def test_nfkc_unifies_forms_and_none_leaves_all():
    assert clean("\ufb01n \uff21", "nfkc") == "fin A"
    assert clean(" e\u0301\u200b ", "none") == " e\u0301\u200b "


def test_each_pair_is_left_out_for_one_reason():
    sources = ["good one", "", "OK", "word " * 300, "x" * 2000, "short", "good two"]
    targets = ["gutes", "leer", "OK", "Wort " * 300, "y" * 2000, "viel zu lang " * 9, "  "]

    assert reasons(sources, targets) == {
        "empty": [1, 6],
        "copied": [2],
        "too long": [3, 4],
        "unequal lengths": [5],
    }
    settings = {"drop_copied": False, "max_words": 500, "max_characters": 5000, "max_ratio": 99.0}
    assert reasons(sources, targets, **settings) == {"empty": [1, 6]}


def test_lengths_are_compared_as_is_usual_between_the_two():
    sources = [f"a rather long sentence in English, number {k}" for k in range(20)]
    targets = ["短い日本語の文"] * 20 + ["長い" * 40]

    found = reasons([*sources, "a short one"], targets, Languages("en", "ja"))

    assert found == {"unequal lengths": [20]}


def test_sentences_in_a_wrong_script_are_left_out():
    sources = ["Hello there", "Привет, мир", "你好世界你好", "NATO и ЕС", "12:30 !", "Ω"]  # noqa: RUF001
    targets = ["Привет", "Hello there", "Привет", "НАТО и EU", "12:30 .", "Ω-3"]  # noqa: RUF001

    assert reasons(sources, targets, Languages("en", "ru")) == {"wrong script": [1, 2]}
    assert reasons(sources, targets, Languages("en", "ru"), check_languages=False) == {}
    assert reasons(sources[:3], targets[:3], Languages()) == {}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Straße über Köln"),
        ("vi", "Tiếng Việt rất đẹp"),
        ("ru", "Съешь ещё"),
        ("el", "Καλημέρα κόσμε"),
        ("zh-Hant", "繁體中文字"),
        ("ja", "カタカナとひらがな漢字"),
        ("ko", "한국어 문장"),
        ("ar", "مرحبا بالعالم"),
        ("he", "שלום עולם"),
        ("hi", "नमस्ते दुनिया"),
        ("th", "สวัสดีชาวโลก"),
        ("sr-Latn", "Dobar dan svima"),
        ("ka", "გამარჯობა მსოფლიო"),
    ],
)
def test_languages_are_known_by_their_script(language, text):
    other = "Plain English" if script_of(language) != "Latn" else "По-русски написано"

    assert foreign([text, other], language).tolist() == [False, True]


def test_swapped_pairs_and_untranslated_ones_are_found_by_the_text_itself(pairs):
    sources, targets = list(pairs[0]), list(pairs[1])
    swapped, same = range(0, 1000, 5), range(1, 1000, 20)
    for row in swapped:
        sources[row], targets[row] = targets[row], sources[row]
    for row in same:
        targets[row] = pairs[0][(row + 2) % 1000]

    found = reasons(sources, targets, max_ratio=99.0)

    assert set(found["swapped"]) <= set(swapped)
    assert set(found["one language"]) <= set(same)
    assert len(found["swapped"]) > 0.95 * len(swapped)
    assert len(found["one language"]) > 0.8 * len(same)


def test_nothing_is_told_apart_where_there_is_nothing_to_tell(pairs):
    shuffled = [pairs[0][row] for row in np.random.default_rng(0).permutation(1000)]

    assert Sides.learn(pairs[0], shuffled) is None
    assert Sides.learn(pairs[0][:50], pairs[1][:50]) is None
    assert "swapped" not in reasons(pairs[0], shuffled, max_ratio=99.0)
    assert reasons(*pairs) == {}
