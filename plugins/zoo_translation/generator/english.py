"""Numbers, dates and times as one says them in British English."""

from __future__ import annotations

import datetime

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_PAST = {5: "five", 10: "ten", 15: "a quarter", 20: "twenty", 25: "twenty-five", 30: "half"}


def cardinal(number: int) -> str:
    """Return a number from 0 to 999,999.

    >>> cardinal(312), cardinal(1_005), cardinal(40_120)
    ('three hundred and twelve', 'one thousand and five', 'forty thousand one hundred and twenty')
    """
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    count, rest = divmod(number, size)
    link = " and" if 0 < rest < 100 else ""
    return f"{cardinal(count)} {name}" + (f"{link} {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """Return the ordinal of a number from 1 to 99.

    >>> ordinal(3), ordinal(14), ordinal(31)
    ('third', 'fourteenth', 'thirty-first')
    """
    first, dash, last = cardinal(number).rpartition("-")
    return first + dash + _ORDINALS.get(last, f"{last}th")


def year(number: int) -> str:
    """Return a year from 1700 to 2099.

    >>> year(1987), year(1905), year(1900), year(2005)
    ('nineteen eighty-seven', 'nineteen oh five', 'nineteen hundred', 'two thousand and five')
    """
    century, rest = divmod(number, 100)
    if 2000 <= number < 2010:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def day(date: datetime.date, *, weekday: bool) -> str:
    """Return a day as it stands after "on".

    >>> day(datetime.date(1987, 3, 3), weekday=True)
    'Tuesday, the third of March nineteen eighty-seven'
    """
    month = _MONTHS[date.month - 1]
    plain = f"the {ordinal(date.day)} of {month} {year(date.year)}"
    return f"{_WEEKDAYS[date.weekday()]}, {plain}" if weekday else plain


def time(hour: int, minute: int) -> str:
    """Return a time of the day as it stands after "at".

    >>> time(7, 15), time(16, 43)
    ('a quarter past seven in the morning', 'seventeen minutes to five in the afternoon')
    """
    return f"{_on_the_clock(hour, minute)} {_part_of_day(hour)}"


def _on_the_clock(hour: int, minute: int) -> str:
    if minute > 30:
        return f"{_minutes(60 - minute)} to {_hour(hour + 1)}"
    return f"{_minutes(minute)} past {_hour(hour)}" if minute else f"{_hour(hour)} o'clock"


def _minutes(minutes: int) -> str:
    counted = f"{cardinal(minutes)} minute{'s' if minutes > 1 else ''}"
    return _PAST.get(minutes, counted)


def _hour(hour: int) -> str:
    return cardinal((hour - 1) % 12 + 1)


def _part_of_day(hour: int) -> str:
    if hour < 5 or hour >= 22:
        return "at night"
    if hour < 12:
        return "in the morning"
    return "in the afternoon" if hour < 18 else "in the evening"
