"""A list of the words that may be said, as a tree of the symbols that spell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import zoo
from zoo_speech.decoding.ctc import Symbols

_END = 0
"""Key of a node at which a word ends; the blank is in no word."""


class WordList:
    """Says which symbols may follow a prefix so that only listed words come about.

    Args:
        words: normalised.
        numbers: of each character; a word with another one is left out.
    """

    def __init__(self, words: Iterable[str], numbers: Mapping[str, int]) -> None:
        self._space = numbers.get(" ", _END)
        self._root: dict[int, dict] = {}
        for word in words:
            if word and all(character in numbers for character in word):
                node = self._root
                for character in word:
                    node = node.setdefault(numbers[character], {})
                node[_END] = {}

    def allowed(self, prefix: Symbols) -> frozenset[int]:
        """Return the symbols that may follow."""
        node = self._node(prefix)
        if _END not in node:
            return frozenset(node)
        return frozenset({*node, self._space} - {_END})

    def ends(self, prefix: Symbols) -> bool:
        """Return whether a word ends with the prefix."""
        return _END in self._node(prefix)

    def whole(self, prefix: Symbols) -> bool:
        """Return whether the prefix is nothing but listed words."""
        return not prefix or self.ends(prefix)

    def _node(self, prefix: Symbols) -> dict[int, dict]:
        """Return where the last word of a prefix has got to in the tree."""
        node = self._root
        for symbol in prefix[_last(prefix, self._space) + 1 :]:
            node = node[symbol]
        return node


def _last(prefix: Symbols, symbol: int) -> int:
    """Return the last place of a symbol, or -1."""
    places = range(len(prefix) - 1, -1, -1)
    return next((place for place in places if prefix[place] == symbol), -1)


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
