"""What a translator has to beat: the source as it is, and a dictionary learnt by IBM Model 1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import zoo

_TOKEN = re.compile(r"\w+|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r"\s+([.,;:!?%)\]}…»”])")
_NO_SPACE_AFTER = re.compile(r"([(\[{«„“])\s+")

_PAIRS = 50_000
"""Most pairs that the dictionary is learnt from; of more, that many at even distances."""
_ROUNDS = 5
"""Of expectation and maximisation."""


def copied(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Leave the source as it is, which keeps names and numbers."""
    return {"text": test["source"].copy()}


def word_by_word(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Give each word the translation that IBM Model 1 finds likeliest (Brown et al., 1993).

    Words keep the order of the source, and one that training did not have stays as it is.
    """
    step = -(-len(train["source"]) // _PAIRS)
    dictionary = learnt_dictionary(*(train[side][::step].tolist() for side in ("source", "target")))
    texts = []
    for source in test["source"]:
        words = [_translated(word, dictionary) for word in _TOKEN.findall(source)]
        text = _NO_SPACE_BEFORE.sub(r"\1", " ".join(words))
        texts.append(_NO_SPACE_AFTER.sub(r"\1", text))
    return {"text": zoo.object_column(texts)}


def _translated(word: str, dictionary: Mapping[str, str]) -> str:
    return dictionary.get(word) or dictionary.get(word.lower()) or word


@dataclass(frozen=True)
class _Cooccurrences:
    """Which words of a source may have made which of its target.

    Attributes:
        source: names of the source words.
        target: names of the target words.
        pairs: a source word and a target word that stand in one pair of sentences, int64 [n, 2].
        pair: for each cell, which of `pairs` it is, int64 [cells]. A cell is a word of a
            source beside a word of its target.
        place: for each cell, which word of which target, int64 [cells], rising.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    pairs: np.ndarray
    pair: np.ndarray
    place: np.ndarray


def learnt_dictionary(sources: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Return the likeliest translation of each word of the sources by IBM Model 1."""
    cells = _cooccurrences(sources, targets)
    words = cells.pairs[:, 0]
    likelihood = np.ones(len(words))
    for _ in range(_ROUNDS):
        of_cell = likelihood[cells.pair]
        of_place = np.bincount(cells.place, of_cell)
        counts = np.bincount(cells.pair, of_cell / of_place[cells.place], len(words))
        likelihood = counts / np.bincount(words, counts)[words]
    # The last of each word in order of likelihood, and of equals the first of the text.
    order = np.lexsort((-np.arange(len(words)), likelihood))
    return {cells.source[word]: cells.target[to] for word, to in cells.pairs[order].tolist()}


def _cooccurrences(sources: Sequence[str], targets: Sequence[str]) -> _Cooccurrences:
    # An empty word in each source makes what stands in most targets, such as a full stop,
    # so that rare words do not.
    source_words, source = _numbered([["", *_TOKEN.findall(text)] for text in sources])
    target_words, target = _numbered([_TOKEN.findall(text) for text in targets])
    keys, places, count = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for left, right in zip(source, target, strict=True):
        keys.append((left[None] * len(target_words) + right[:, None]).ravel())
        places.append(np.repeat(count + np.arange(len(right)), len(left)))
        count += len(right)
    found, pair = np.unique(np.concatenate(keys), return_inverse=True)
    pairs = np.stack(np.divmod(found, max(len(target_words), 1)), axis=1)
    return _Cooccurrences(source_words, target_words, pairs, pair, np.concatenate(places))


def _numbered(cut: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Return the words of all texts, the most frequent first, and those of each by number."""
    words = tuple(word for word, _ in Counter(word for each in cut for word in each).most_common())
    numbers = {word: number for number, word in enumerate(words)}
    return words, [np.array([numbers[word] for word in each], np.int64) for each in cut]
