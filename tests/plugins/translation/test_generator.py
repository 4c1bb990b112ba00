from __future__ import annotations

import datetime
import re

import numpy as np
import pytest
from zoo_translation.generator import english, german
from zoo_translation.generator.dataset import Numbers

from zoo import all_rows

ENGLISH = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
GERMAN_ONES = {
    "null": 0, "ein": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7,
    "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwölf": 12, "sech": 6, "sieb": 7,
}  # fmt: skip
GERMAN_TENS = {"zwan": 20, "drei": 30, "vier": 40, "fünf": 50, "sech": 60, "sieb": 70}
GERMAN_TENS |= {"acht": 80, "neun": 90}
GERMAN_UNDER_100 = re.compile(
    r"(?:(?P<ones>\w+)und)?(?P<tens>\w+?)(?:z|ß)ig|(?P<teen>\w+)zehn|(?P<small>\w+)"
)


def parse_english(text: str) -> int:
    """Return the number that English words say, read from left to right."""
    total = part = 0
    for word in text.replace("-", " ").replace(" and ", " ").split():
        if word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = part * 1000, 0
        else:
            part += ENGLISH[word]
    return total + part


def parse_german(text: str) -> int:
    """Return the number that a German word says, taken apart at tausend and hundert."""
    for name, size in (("tausend", 1000), ("hundert", 100)):
        before, found, after = text.partition(name)
        if found:
            return parse_german(before) * size + (parse_german(after) if after else 0)
    match = GERMAN_UNDER_100.fullmatch(text)
    if match["tens"]:
        ones = GERMAN_ONES[match["ones"]] if match["ones"] else 0
        return GERMAN_TENS[match["tens"]] + ones
    if match["teen"]:
        return 10 + GERMAN_ONES[match["teen"]]
    return 1 if text == "eins" else GERMAN_ONES[text]


def parse_english_year(text: str) -> int:
    first, _, rest = text.replace("-", " ").partition(" ")
    if first == "two" or rest == "hundred":
        return parse_english(text)
    tens, _, more = rest.removeprefix("oh ").partition(" ")
    century = ENGLISH[first]
    return century * 100 + ENGLISH[tens] + (ENGLISH[more] if more else 0)


def parse_english_time(text: str) -> tuple[int, int]:
    clock, part = re.fullmatch(r"(.+) ((?:at|in the) \w+)", text).groups()
    if clock.endswith(" o'clock"):
        hour, minute = ENGLISH[clock.split()[0]], 0
    else:
        minutes, way, name = re.fullmatch(r"(.+) (past|to) (\w+)", clock).groups()
        minutes = re.sub(r" minutes?$|^a ", "", minutes)
        count = {"quarter": 15, "half": 30}.get(minutes) or parse_english(minutes)
        hour, minute = ENGLISH[name], count if way == "past" else -count
    return on_the_day(hour, minute, part.split()[-1])


def parse_german_time(text: str) -> tuple[int, int]:
    clock, part = text.rsplit(" ", 1)
    if clock.endswith(" Uhr"):
        hour, minute = parse_german(clock.removesuffix(" Uhr")), 0
    else:
        minutes, way, name = re.fullmatch(r"(?:(.+) (vor|nach) )?((?:halb )?\w+)", clock).groups()
        minutes = re.sub(r" Minuten?$", "", minutes or "null").replace("eine", "eins")
        count = 15 if minutes == "Viertel" else parse_german(minutes)
        half = name.startswith("halb ")
        hour = parse_german(name.removeprefix("halb "))
        minute = (-30 if half else 0) + (-count if way == "vor" else count)
    parts = {
        "morgens": "morning",
        "nachmittags": "afternoon",
        "abends": "evening",
        "nachts": "night",
    }
    return on_the_day(hour, minute, parts[part])


def on_the_day(hour: int, minute: int, part: str) -> tuple[int, int]:
    """Return the one time of a part of the day that a clock with twelve hours may mean."""
    parts = {
        "morning": range(5, 12),
        "afternoon": range(12, 18),
        "evening": range(18, 22),
        "night": (22, 23, 0, 1, 2, 3, 4),
    }
    times = [divmod((60 * hour + minute) % 720 + half, 60) for half in (0, 720)]
    (time,) = [time for time in times if time[0] in parts[part]]
    return time


@pytest.mark.parametrize("start", range(0, 1_000_000, 250_000))
def test_every_number_parses_back_in_both_languages(start):
    step = 1 if start == 0 else 7  # All combinations of parts come up within the first quarter.
    for number in range(start, start + 250_000, step):
        assert parse_english(english.cardinal(number)) == number
        assert parse_german(german.cardinal(number)) == number


@pytest.mark.parametrize(
    ("number", "in_english", "in_german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (76, "seventy-six", "sechsundsiebzig"),
        (100, "one hundred", "einhundert"),
        (101, "one hundred and one", "einhunderteins"),
        (312, "three hundred and twelve", "dreihundertzwölf"),
        (1_000, "one thousand", "eintausend"),
        (1_001, "one thousand and one", "eintausendeins"),
        (1_100, "one thousand one hundred", "eintausendeinhundert"),
        (101_000, "one hundred and one thousand", "einhunderteintausend"),
        (
            999_999,
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
            "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
        ),
    ],
)
def test_numbers_are_said_as_grammars_have_them(number, in_english, in_german):
    assert (english.cardinal(number), german.cardinal(number)) == (in_english, in_german)


def test_ordinals_of_the_days_of_a_month():
    assert [english.ordinal(day) for day in (1, 2, 3, 5, 8, 9, 12, 20, 21, 30)] == [
        "first", "second", "third", "fifth", "eighth", "ninth", "twelfth", "twentieth",
        "twenty-first", "thirtieth",
    ]  # fmt: skip
    assert [german.ordinal(day) for day in (1, 2, 3, 7, 8, 16, 19, 20, 31)] == [
        "ersten", "zweiten", "dritten", "siebten", "achten", "sechzehnten", "neunzehnten",
        "zwanzigsten", "einunddreißigsten",
    ]  # fmt: skip


def test_every_year_parses_back_in_both_languages():
    for year in range(1700, 2100):
        assert parse_english_year(english.year(year)) == year
        assert parse_german(german.year(year)) == year


def test_every_time_parses_back_in_both_languages():
    for hour in range(24):
        for minute in range(60):
            assert parse_english_time(english.time(hour, minute)) == (hour, minute)
            assert parse_german_time(german.time(hour, minute)) == (hour, minute)


@pytest.mark.parametrize(
    ("hour", "minute", "in_english", "in_german"),
    [
        (1, 0, "one o'clock at night", "ein Uhr nachts"),
        (0, 30, "half past twelve at night", "halb eins nachts"),
        (7, 15, "a quarter past seven in the morning", "Viertel nach sieben morgens"),
        (13, 1, "one minute past one in the afternoon", "eine Minute nach eins nachmittags"),
        (19, 25, "twenty-five past seven in the evening", "fünf vor halb acht abends"),
        (19, 35, "twenty-five to eight in the evening", "fünf nach halb acht abends"),
        (23, 43, "seventeen minutes to twelve at night", "siebzehn Minuten vor zwölf nachts"),
    ],
)
def test_times_are_said_as_clocks_are_read(hour, minute, in_english, in_german):
    assert (english.time(hour, minute), german.time(hour, minute)) == (in_english, in_german)


def test_days_are_those_of_the_calendar():
    date = datetime.date(1987, 3, 3)

    assert english.day(date, weekday=False) == "the third of March nineteen eighty-seven"
    assert german.day(date, weekday=False) == "dritten März neunzehnhundertsiebenundachtzig"
    assert english.day(date, weekday=True).startswith("Tuesday, the third")
    assert german.day(date, weekday=True).startswith("Dienstag, dem dritten")


def test_pairs_go_by_the_seed_and_none_is_there_twice(tmp_path):
    first, again, other = (
        Numbers(count=3000).load(seed=seed, cache=tmp_path) for seed in (1, 1, 2)
    )
    columns = {name: all_rows(split) for name, split in first.splits.items()}

    assert first.info.counts == {"train": 2400, "validation": 300, "test": 300}
    assert first.info.facts["languages"] == ["en", "de"]
    for side in ("source", "target"):
        texts = [text for each in columns.values() for text in each[side]]
        assert len(set(texts)) == 3000
    assert first.info.fingerprint == again.info.fingerprint != other.info.fingerprint
    assert np.array_equal(all_rows(again.splits["test"])["source"], columns["test"]["source"])
    assert not np.array_equal(all_rows(other.splits["test"])["source"], columns["test"]["source"])


def test_more_pairs_move_none_and_the_direction_may_be_turned(tmp_path):
    few, many, turned = (
        all_rows(Numbers(**settings).load(seed=0, cache=tmp_path).splits["test"])
        for settings in ({"count": 100}, {"count": 200}, {"count": 100, "source": "de"})
    )

    assert many["source"][:10].tolist() == few["source"].tolist()
    assert turned["source"].tolist() == few["target"].tolist()
    assert turned["target"].tolist() == few["source"].tolist()


def test_the_generator_reads_files_to_translate(tmp_path):
    (tmp_path / "new.txt").write_text("The number is five.\n\n", encoding="utf-8")

    examples, findings = Numbers().read(str(tmp_path / "new.txt"), cache=tmp_path)

    assert all_rows(examples)["source"].tolist() == ["The number is five.", ""]
    assert findings == []
