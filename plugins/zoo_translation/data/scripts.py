"""Which script a language is written in, and its most frequent words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

_LATIN = (
    "af az bs ca ceb cs cy da de en eo es et eu fi fil fo fr fy ga gd gl ha hr ht hu id ig is it "
    "jv lb lt lv mg mi ms mt nb nl nn no oc pl pt ro rw sk sl sm sn so sq sv sw tl tr uz vi xh yo "
    "zu ces dan deu eng est fin fra hun ita lav lit nld nor pol por ron slk slv spa swe tur vie"
)
_OTHERS = {
    "Arab": "ar fa ps sd ug ur ara fas urd",
    "Armn": "hy hye",
    "Beng": "as bn ben",
    "Cyrl": "be bg kk ky mk mn ru tg tt uk bel bul mkd rus ukr",
    "Deva": "hi mr ne sa hin mar nep",
    "Ethi": "am ti amh",
    "Geor": "ka kat",
    "Grek": "el ell",
    "Gujr": "gu guj",
    "Guru": "pa pan",
    "Hani": "zh cmn yue zho",
    "Hebr": "he yi heb",
    "Jpan": "ja jpn",
    "Khmr": "km khm",
    "Knda": "kn kan",
    "Kore": "ko kor",
    "Laoo": "lo lao",
    "Mlym": "ml mal",
    "Mymr": "my mya",
    "Sinh": "si sin",
    "Taml": "ta tam",
    "Telu": "te tel",
    "Thai": "th tha",
}
SCRIPTS = {
    code: script for script, codes in {"Latn": _LATIN, **_OTHERS}.items() for code in codes.split()
}
"""The ISO 15924 code of the script of each language, by its ISO 639 code.

Languages that are written in two scripts, such as Serbian, are left out.
"""
_FURTHER = (
    "aa ab ae ak an av ay ba bh bi bm bo br ce ch co cr cu cv dv dz ee ff fj gn gv ho hz ia ie ii "
    "ik io iu kg ki kj kl kr ks ku kv kw la lg li ln lu mh na nd ng nr nv ny oj om or os pi qu rm "
    "rn sc se sg sr ss st su tk tn to ts tw ty ve vo wa wo za srp"
)
LANGUAGES = frozenset(SCRIPTS) | frozenset(_FURTHER.split())
"""The codes of ISO 639-1, and usual ones of three letters."""

_HAN = r"\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RANGES = {
    "Latn": r"A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff\ufb00-\ufb06\uff21-\uff5a",
    "Arab": r"\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Armn": r"\u0530-\u058f",
    "Beng": r"\u0980-\u09ff",
    "Cyrl": r"\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Deva": r"\u0900-\u097f",
    "Ethi": r"\u1200-\u139f",
    "Geor": r"\u10a0-\u10ff\u1c90-\u1cbf",
    "Grek": r"\u0370-\u03ff\u1f00-\u1fff",
    "Gujr": r"\u0a80-\u0aff",
    "Guru": r"\u0a00-\u0a7f",
    "Hani": _HAN,
    "Hans": _HAN,
    "Hant": _HAN,
    "Hebr": r"\u0590-\u05ff",
    "Jpan": _HAN + r"\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Khmr": r"\u1780-\u17ff",
    "Knda": r"\u0c80-\u0cff",
    "Kore": _HAN + r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Laoo": r"\u0e80-\u0eff",
    "Mlym": r"\u0d00-\u0d7f",
    "Mymr": r"\u1000-\u109f",
    "Sinh": r"\u0d80-\u0dff",
    "Taml": r"\u0b80-\u0bff",
    "Telu": r"\u0c00-\u0c7f",
    "Thai": r"\u0e00-\u0e7f",
}
_LETTER = re.compile(r"[^\W\d_]")
_LEAST_LETTERS = 4
"""Letters of another script below which a sentence says little of its script."""

_FREQUENT = {
    "cs": "je se na že to by jsem ale jako pro si který",
    "da": "og det er ikke jeg til af en på med der den",
    "de": "der die und das ist nicht ein eine mit auf den zu",
    "en": "the of and to is in that with on for it are",
    "es": "el la que los en las un una por con del es",
    "fi": "ja on ei että se hän oli mutta kun ovat myös niin",
    "fr": "le la les des et est une du dans un que pour",
    "hu": "az és hogy nem egy van meg csak ez volt de",
    "it": "il di che la un una per non del con della è",
    "nl": "de het een en van dat niet is op met zijn voor",
    "pl": "nie się na jest że do to jak z w ale po",
    "pt": "o que os uma um não com para do da em as",
    "ro": "și de la nu în este care cu pe un mai din",
    "sv": "och det att är en som på inte jag för med den",
    "tr": "bir ve bu da de için ne çok ama ile gibi daha",
}
_WORD = re.compile(r"[^\W\d_]+")
_LEAST_WORDS = 100
_CLEAR, _MORE = 0.05, 3.0
"""Share of words by which a text is clearly in another language, and how many times its own."""


def normal(code: str) -> str:
    """Return the code of a language in small letters, with hyphens."""
    return code.lower().replace("_", "-")


def script_of(language: str) -> str:
    """Return the script that a language is written in; empty where unknown.

    >>> script_of("de"), script_of("sr-Cyrl"), script_of("xx")
    ('Latn', 'Cyrl', '')
    """
    parts = normal(language).split("-")
    said = next((part.title() for part in parts[1:] if part.title() in _RANGES), "")
    return said or SCRIPTS.get(parts[0], "")


def foreign(texts: Sequence[str], language: str) -> np.ndarray:
    """Return which texts are mostly in letters that the language is not written in, bool [n].

    None is where the script of the language is unknown.
    """
    script = script_of(language)
    if not script:
        return np.zeros(len(texts), bool)
    other = re.compile(rf"(?![{_RANGES[script]}])[^\W\d_]")
    latin = script == "Latn"
    flags = (not (latin and text.isascii()) and _mostly(other, text) for text in texts)
    return np.fromiter(flags, bool, len(texts))


def _mostly(other: re.Pattern[str], text: str) -> bool:
    """Return whether more than half of the letters are such as `other` finds."""
    count = len(other.findall(text))
    if count < _LEAST_LETTERS:
        return False
    return 2 * count > len(_LETTER.findall(text))


def share_of_frequent(texts: Iterable[str], language: str) -> float:
    """Return how many of the words are among the most frequent of a language, in [0, 1].

    It is 0 for a language whose words are not known.
    """
    frequent, words = _frequent(language), _words(texts)
    return _share(words, frequent)


def other_language(texts: Iterable[str], said: str) -> str:
    """Return which language texts are clearly in that are not in the one they are said to be in.

    It is empty if they are, if there is too little text to tell, or if the frequent words of
    the language are not known. Words that are frequent in both languages count for neither.

    >>> other_language(["Il y a un chat dans la maison et un chien sous la table."] * 9, "de")
    'fr'
    """
    own, words = _frequent(said), _words(texts)
    if not own or words.total() < _LEAST_WORDS:
        return ""
    best = max(_FREQUENT, key=lambda code: _share(words, _frequent(code) - own))
    theirs = _frequent(best)
    share = _share(words, theirs - own)
    return best if share > max(_CLEAR, _MORE * _share(words, own - theirs)) else ""


def _frequent(language: str) -> frozenset[str]:
    return frozenset(_FREQUENT.get(normal(language).split("-")[0], "").split())


def _words(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in _WORD.findall(text.lower()))


def _share(words: Counter[str], frequent: Iterable[str]) -> float:
    return sum(words[word] for word in frequent) / max(words.total(), 1)
