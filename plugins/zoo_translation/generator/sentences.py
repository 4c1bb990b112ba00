"""Draws sentences with numbers, dates and times, in English and German at once."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import numpy as np

from zoo_translation.generator import english, german

LARGEST = 999_999
"""The largest number."""
_FIRST, _LAST = datetime.date(1700, 1, 1), datetime.date(2099, 12, 31)
_ROUND = 0.6
"""Share of times with whole five minutes, as one says most of them."""
_WITH_WEEKDAY = 0.3

# A kind of slot for each name: {n} and {m} are numbers.
_FRAMES = (
    (0.5, (
        ("The number is {n}.", "Die Zahl ist {n}."),
        ("The meter shows {n}.", "Der Zähler zeigt {n} an."),
        ("She counted up to {n}.", "Sie zählte bis {n}."),
        ("Your ticket has the number {n}.", "Ihr Los hat die Nummer {n}."),
        ("Please write {n} on the board.", "Bitte schreiben Sie {n} an die Tafel."),
        ("The answer to the question is {n}.", "Die Antwort auf die Frage ist {n}."),
        ("Read the pages from {n} to {m}.", "Lesen Sie die Seiten von {n} bis {m}."),
    )),
    (0.3, (
        ("He was born on {date}.", "Er wurde am {date} geboren."),
        ("The contract ends on {date}.", "Der Vertrag endet am {date}."),
        ("The bridge was opened on {date}.", "Die Brücke wurde am {date} eröffnet."),
        ("On {date} it snowed all day.", "Am {date} schneite es den ganzen Tag."),
    )),
    (0.2, (
        ("The train leaves at {time}.", "Der Zug fährt um {time} ab."),
        ("The shop opens at {time}.", "Das Geschäft öffnet um {time}."),
        ("Please call me at {time}.", "Bitte rufen Sie mich um {time} an."),
        ("At {time} the bells rang.", "Um {time} läuteten die Glocken."),
        ("We will meet on {date} at {time}.", "Wir treffen uns am {date} um {time}."),
    )),
)  # fmt: skip
_SHARES = [share for share, _ in _FRAMES]


def draw(rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield different pairs of an English sentence and its only German translation, for ever."""
    seen: set[str] = set()
    while True:
        _, frames = _FRAMES[rng.choice(len(_FRAMES), p=_SHARES)]
        frame = frames[rng.integers(len(frames))]
        words = _words(rng)
        pair = tuple(text.format(**slots) for text, slots in zip(frame, words, strict=True))
        if pair[0] not in seen:
            seen.add(pair[0])
            yield pair[0], pair[1]


def _words(rng: np.random.Generator) -> tuple[dict[str, str], dict[str, str]]:
    """Return what may stand in the slots of a frame, in English and in German."""
    n, m = _number(rng), _number(rng)
    date = _FIRST + datetime.timedelta(days=int(rng.integers((_LAST - _FIRST).days + 1)))
    weekday = bool(rng.random() < _WITH_WEEKDAY)
    hour, minute = int(rng.integers(24)), int(rng.integers(60))
    if rng.random() < _ROUND:
        minute -= minute % 5
    first, second = (
        {
            "n": language.cardinal(n),
            "m": language.cardinal(m),
            "date": language.day(date, weekday=weekday),
            "time": language.time(hour, minute),
        }
        for language in (english, german)
    )
    return first, second


def _number(rng: np.random.Generator) -> int:
    """Draw a number; those of one to six digits are equally frequent."""
    digits = int(rng.integers(1, len(str(LARGEST)) + 1))
    return int(rng.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits))
