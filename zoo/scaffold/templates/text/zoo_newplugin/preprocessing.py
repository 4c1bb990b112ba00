"""From texts to numbers of words, with a vocabulary learnt on the training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import zoo

from zoo_newplugin.words import words

_PADDING, _UNKNOWN, _KNOWN = 0, 1, 2
"""The numbers of no word, of a word that is not in the vocabulary, and of its first word."""


@dataclass(frozen=True, kw_only=True)
class TextPreprocessing(zoo.ClassPreprocessing):
    """Numbers the first words of each text.

    Attributes:
        vocabulary: the known words, the most frequent first.
        length: words of a text that are read; shorter texts are filled up.
    """

    vocabulary: tuple[str, ...]
    length: int

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        size = len(self.vocabulary) + _KNOWN
        values = ("unknown", *self.vocabulary)
        return {"words": zoo.Tensor((self.length,), "int32", sizes=(size,), values=(values,))}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        places = {word: place for place, word in enumerate(self.vocabulary, start=_KNOWN)}
        numbers = np.full((len(batch["text"]), self.length), _PADDING, np.int32)
        for row, text in enumerate(batch["text"]):
            found = [places.get(word, _UNKNOWN) for word in words(text)[: self.length]]
            numbers[row, : len(found)] = found
        return {"words": numbers}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Make the words unknown, one after the other."""
        numbers = self.inputs(batch)["words"]
        texts = [words(text) for text in batch["text"]]
        for place in range(min(self.length, max(map(len, texts)))):
            hidden = numbers.copy()
            hidden[:, place] = np.minimum(hidden[:, place], _UNKNOWN)
            names = [text[place] if place < len(text) else "" for text in texts]
            yield zoo.object_column(names), {"words": hidden}


def learn_vocabulary(texts: np.ndarray, size: int, minimum_count: int) -> tuple[str, ...]:
    """Return the most frequent words of the training texts, most frequent first.

    Args:
        texts: of the training split [n].
        size: words at most.
        minimum_count: how often a word must occur.
    """
    counts = Counter(word for text in texts for word in words(text))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(word for word in ranked[:size] if counts[word] >= minimum_count)
