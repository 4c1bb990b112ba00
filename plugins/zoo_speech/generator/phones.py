"""Sounds of English as targets for a synthesiser, and words as rows of them.

Formants of vowels are means of men's voices after Peterson and Barney (1952); those of
consonants are where the formants of vowels around them point to.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Formants: TypeAlias = tuple[float, float, float]


class Segment(NamedTuple):
    """A stretch of speech with one target.

    Attributes:
        seconds: how long it usually is.
        formants: the first three, Hz.
        voice: amplitude of the voice, 1 in a vowel.
        breath: amplitude of the noise at the glottis, which the formants colour as well.
        noise: amplitude of the noise at a narrow place of the mouth.
        centre: of the spectrum of that noise, Hz.
        width: of it, Hz.
        nasal: whether the nose is open.
        free: whether it becomes longer where one speaks slowly; a burst does not.
    """

    seconds: float
    formants: Formants
    voice: float = 0.0
    breath: float = 0.0
    noise: float = 0.0
    centre: float = 4000.0
    width: float = 3000.0
    nasal: bool = False
    free: bool = True


def _vowel(seconds: float, *targets: Formants) -> tuple[Segment, ...]:
    return tuple(Segment(seconds / len(targets), each, voice=1.0) for each in targets)


def _stop(
    formants: Formants, centre: float, width: float, *, voiced: bool = False
) -> tuple[Segment, ...]:
    closure = Segment(0.055, formants, voice=0.12 if voiced else 0.0)
    burst = Segment(0.012, formants, noise=0.5, centre=centre, width=width, free=False)
    rest = Segment(0.01 if voiced else 0.035, formants, breath=0.35, noise=0.08, centre=centre,
                   width=width, free=False)  # fmt: skip
    return closure, burst, rest


_ALVEOLAR, _LABIAL, _VELAR = (300, 1700, 2600), (300, 950, 2200), (300, 1950, 2350)
_DENTAL = (310, 1450, 2550)

PHONES: dict[str, tuple[Segment, ...]] = {
    "IY": _vowel(0.14, (280, 2250, 2950)),
    "IH": _vowel(0.09, (390, 1990, 2550)),
    "EH": _vowel(0.11, (530, 1840, 2480)),
    "AE": _vowel(0.14, (660, 1720, 2410)),
    "AH": _vowel(0.12, (640, 1190, 2390)),
    "AX": _vowel(0.06, (480, 1350, 2400)),
    "AA": _vowel(0.16, (730, 1090, 2440)),
    "AO": _vowel(0.16, (590, 880, 2410)),
    "UH": _vowel(0.09, (440, 1020, 2240)),
    "UW": _vowel(0.17, (310, 1050, 2250), (300, 900, 2240)),
    "UX": _vowel(0.15, (320, 1650, 2350), (310, 1300, 2250)),
    "OW": _vowel(0.20, (520, 950, 2400), (400, 820, 2300)),
    "EY": _vowel(0.18, (480, 2000, 2550), (330, 2250, 2750)),
    "AY": _vowel(0.22, (720, 1200, 2450), (600, 1550, 2480), (380, 2050, 2600)),
    "AW": _vowel(0.20, (720, 1250, 2450), (430, 950, 2350)),
    "R": (Segment(0.08, (360, 1200, 1600), voice=0.75),),
    "L": (Segment(0.07, (360, 1000, 2700), voice=0.7),),
    "W": (Segment(0.07, (300, 640, 2200), voice=0.7),),
    "Y": (Segment(0.06, (280, 2250, 3000), voice=0.7),),
    "M": (Segment(0.08, (270, 1000, 2200), voice=0.5, nasal=True),),
    "N": (Segment(0.09, (270, 1650, 2600), voice=0.5, nasal=True),),
    "NG": (Segment(0.09, (270, 2000, 2500), voice=0.5, nasal=True),),
    "F": (Segment(0.11, _LABIAL, noise=0.06, centre=4500, width=7000),),
    "V": (Segment(0.06, _LABIAL, voice=0.4, noise=0.04, centre=4500, width=7000),),
    "TH": (Segment(0.11, _DENTAL, noise=0.05, centre=5500, width=6000),),
    "S": (Segment(0.11, _ALVEOLAR, noise=0.3, centre=5800, width=3000),),
    "Z": (Segment(0.10, _ALVEOLAR, voice=0.3, noise=0.16, centre=5800, width=3000),),
    "SH": (Segment(0.13, (320, 1850, 2500), noise=0.45, centre=3000, width=1800),),
    "HH": (Segment(0.06, (500, 1500, 2500), breath=0.4),),
    "T": _stop(_ALVEOLAR, 4500, 3500),
    "D": _stop(_ALVEOLAR, 4200, 3500, voiced=True),
    "K": _stop(_VELAR, 2100, 1200),
    "G": _stop(_VELAR, 2000, 1200, voiced=True),
    "P": _stop(_LABIAL, 1000, 2500),
    "B": _stop(_LABIAL, 900, 2500, voiced=True),
}  # fmt: skip

VOWELS = ("IY", "IH", "EH", "AE", "AH", "AX", "AA", "AO", "UH", "UW", "UX", "OW", "EY", "AY", "AW")

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

WORDS: dict[str, tuple[str, ...]] = {
    "zero": ("Z IH R OW", "Z IY R OW", "Z IY OW"),
    "one": ("W AH N", "W AA N"),
    "two": ("T UW", "T UX"),
    "three": ("TH R IY",),
    "four": ("F AO R", "F AO", "F OW R"),
    "five": ("F AY V", "F AY F"),
    "six": ("S IH K S",),
    "seven": ("S EH V AX N", "S EH V N"),
    "eight": ("EY T", "EY"),
    "nine": ("N AY N",),
    "oh": ("OW",),
    "yes": ("Y EH S",),
    "no": ("N OW",),
    "up": ("AH P",),
    "down": ("D AW N",),
    "left": ("L EH F T",),
    "right": ("R AY T",),
    "on": ("AA N", "AO N"),
    "off": ("AO F", "AA F"),
    "stop": ("S T AA P", "S T AO P"),
    "go": ("G OW",),
    "and": ("AE N D", "AX N"),
    "point": ("P AO IH N T",),
    "hundred": ("HH AH N D R AX D",),
}
"""How words are pronounced; of several ways, each voice has its own."""
