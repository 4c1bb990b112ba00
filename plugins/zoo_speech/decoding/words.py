"""A list of the words that may be said, as a tree of the symbols that spell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import zoo

Place: TypeAlias = "dict[int, Place]"
"""Where a text has got to: the symbols that may follow, each with where it leads."""


class WordList:
    """Says which symbols may follow so that only listed words come about.

    After a word a space leads back to `start`.

    Args:
        words: normalised.
        numbers: of each character, from 1; a word with another one is left out.
    """

    def __init__(self, words: Iterable[str], numbers: Mapping[str, int]) -> None:
        self.start: Place = {}
        # Without a space there is one word alone: 0 is the blank, which follows nothing.
        self._space = numbers.get(" ", 0)
        for word in words:
            if word and all(character in numbers for character in word):
                place = self.start
                for character in word:
                    place = place.setdefault(numbers[character], {})
                place[self._space] = self.start

    def is_whole(self, place: Place) -> bool:
        """Return whether a text may end there: with a word or between two."""
        return place is self.start or self._space in place


def read_words(path: str) -> tuple[str, ...]:
    """Return the words in a text file, one a line.

    Raises:
        ConfigError: it cannot be read or has none.
    """
    hint = "Give a UTF-8 text file with a word a line: --set task.words=words.txt"
    try:
        lines = Path(path).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise zoo.ConfigError(f"task.words: {path} cannot be read: {error}.", hint=hint) from error
    if not lines:
        raise zoo.ConfigError(f"task.words: {path} has no words.", hint=hint)
    return tuple(lines)
