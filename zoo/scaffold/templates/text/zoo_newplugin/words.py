"""How a text is taken apart into words."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+|[?!]")


def words(text: str) -> list[str]:
    """Return the words of a text in small letters; question and exclamation marks are words."""
    return _WORD.findall(text.lower())
