"""Numbers, dates and times as one says them in German."""

from __future__ import annotations

import datetime

_SMALL = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs",
    "sieben", "acht", "neun", "zehn", "elf", "zwölf", "dreizehn",
    "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
_TENS = (
    "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
)  # fmt: skip
_ORDINALS = {1: "ersten", 3: "dritten", 7: "siebten", 8: "achten"}
_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli",
    "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
_WEEKDAYS = (
    "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag",
)  # fmt: skip


def cardinal(number: int) -> str:
    """Return a number from 0 to 999,999.

    >>> cardinal(312), cardinal(1_001), cardinal(21_100)
    ('dreihundertzwölf', 'eintausendeins', 'einundzwanzigtausendeinhundert')
    """
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return (f"{_before(ones)}und" if ones else "") + _TENS[tens - 2]
    size, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    count, rest = divmod(number, size)
    return _before(count) + name + (cardinal(rest) if rest else "")


def _before(count: int) -> str:
    """Return a number as it stands before another word: `ein` and not `eins`."""
    word = cardinal(count)
    return word.removesuffix("s") if word.endswith("eins") else word


def ordinal(number: int) -> str:
    """Return the ordinal of a number from 1 to 99, as it stands after "am".

    >>> ordinal(3), ordinal(14), ordinal(31)
    ('dritten', 'vierzehnten', 'einunddreißigsten')
    """
    return _ORDINALS.get(number, cardinal(number) + ("ten" if number < 20 else "sten"))


def year(number: int) -> str:
    """Return a year from 1700 to 2099.

    >>> year(1987), year(1900), year(2005)
    ('neunzehnhundertsiebenundachtzig', 'neunzehnhundert', 'zweitausendfünf')
    """
    if number >= 2000:
        return cardinal(number)
    century, rest = divmod(number, 100)
    return f"{cardinal(century)}hundert{cardinal(rest) if rest else ''}"


def day(date: datetime.date, *, weekday: bool) -> str:
    """Return a day as it stands after "am".

    >>> day(datetime.date(1987, 3, 3), weekday=True)
    'Dienstag, dem dritten März neunzehnhundertsiebenundachtzig'
    """
    plain = f"{ordinal(date.day)} {_MONTHS[date.month - 1]} {year(date.year)}"
    return f"{_WEEKDAYS[date.weekday()]}, dem {plain}" if weekday else plain


def time(hour: int, minute: int) -> str:
    """Return a time of the day as it stands after "um".

    >>> time(7, 15), time(7, 25), time(18, 59)
    ('Viertel nach sieben morgens', 'fünf vor halb acht morgens', 'eine Minute vor sieben abends')
    """
    return f"{_on_the_clock(hour, minute)} {_part_of_day(hour)}"


def _on_the_clock(hour: int, minute: int) -> str:
    this, following = _hour(hour), _hour(hour + 1)
    if minute == 0:
        return f"{_before((hour - 1) % 12 + 1)} Uhr"
    if minute in (25, 30, 35):
        near = {25: "fünf vor ", 30: "", 35: "fünf nach "}[minute]
        return f"{near}halb {following}"
    if minute > 30:
        return f"{_minutes(60 - minute)} vor {following}"
    return f"{_minutes(minute)} nach {this}"


def _minutes(minutes: int) -> str:
    if minutes == 15:
        return "Viertel"
    if minutes % 5 == 0:
        return cardinal(minutes)
    return "eine Minute" if minutes == 1 else f"{cardinal(minutes)} Minuten"


def _hour(hour: int) -> str:
    return cardinal((hour - 1) % 12 + 1)


def _part_of_day(hour: int) -> str:
    if hour < 5 or hour >= 22:
        return "nachts"
    if hour < 12:
        return "morgens"
    return "nachmittags" if hour < 18 else "abends"
