"""Word and character error rates as jiwer has them, as functions of how often examples count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

import jiwer
import numpy as np

import zoo

KINDS = ("hits", "substitutions", "deletions", "insertions")


class Errors:
    """What has to be changed in texts to get their references.

    Args:
        references: normalised texts.
        texts: what was written.
        characters: whether characters are counted, not words.
    """

    def __init__(
        self, references: Iterable[str], texts: Iterable[str], *, characters: bool = False
    ) -> None:
        process = jiwer.process_characters if characters else jiwer.process_words
        self.found = process(list(map(str, references)), list(map(str, texts)))
        """What jiwer says: the words or characters of each text, and how they are aligned."""
        self.counts: np.ndarray = np.array([_counts(each) for each in self.found.alignments])
        """Hits, substitutions, deletions and insertions, int64 [examples, 4]."""

    def rate(self, weights: np.ndarray) -> float:
        """Return errors over the length of the references; NaN where they are empty."""
        return _share(weights @ self.counts, 1, 2, 3)

    def rates(self) -> np.ndarray:
        """Return the error rate of each example, float64; errors themselves for an empty text."""
        errors = self.counts[:, 1:].sum(axis=1)
        return errors / np.maximum(self.counts[:, :3].sum(axis=1), 1)

    def totals(self) -> dict[str, int]:
        """Return how many of each kind there are."""
        return dict(zip(KINDS, self.counts.sum(axis=0).tolist(), strict=True))

    def mistaken(self) -> Counter[tuple[str, str]]:
        """Return what was written for what; an empty text for what was added or left out."""
        counts: Counter[tuple[str, str]] = Counter()
        texts = zip(self.found.references, self.found.hypotheses, strict=True)
        for (reference, text), chunks in zip(texts, self.found.alignments, strict=True):
            for chunk in chunks:
                if chunk.type != "equal":
                    said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
                    written = text[chunk.hyp_start_idx : chunk.hyp_end_idx]
                    counts.update(zip_longest(said, written, fillvalue=""))
        return counts


def all_metrics(references: Iterable[str], texts: Iterable[str]) -> list[zoo.Metric]:
    """Return the metrics of texts, the monitored one first.

    Args:
        references: normalised texts [examples].
        texts: what was written [examples].
    """
    words, characters = Errors(references, texts), Errors(references, texts, characters=True)
    wrong = np.array([str(a) != str(b) for a, b in zip(references, texts, strict=True)], bool)

    def share_of(kind: int) -> zoo.Metric:
        def compute(weights: np.ndarray) -> float:
            return _share(weights @ words.counts, kind)

        name = KINDS[kind]
        return zoo.Metric(f"word_{name}", f"{name.capitalize()}, words", compute, False)

    return [
        zoo.Metric("wer", "Word error rate", words.rate, False),
        zoo.Metric("cer", "Character error rate", characters.rate, False),
        *(share_of(kind) for kind in (1, 2, 3)),
        zoo.Metric("wrong_texts", "Texts with an error", lambda w: _mean(wrong, w), False),
    ]


def reference_values(references: Iterable[str], texts: Iterable[str]) -> Mapping[str, float]:
    """Return what jiwer itself says of all texts."""
    ours, theirs = list(map(str, references)), list(map(str, texts))
    return {"wer": jiwer.wer(ours, theirs), "cer": jiwer.cer(ours, theirs)}


def _counts(chunks: Sequence[jiwer.AlignmentChunk]) -> list[int]:
    """Return hits, substitutions, deletions and insertions of one alignment."""
    found = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
    for chunk in chunks:
        said = chunk.ref_end_idx - chunk.ref_start_idx
        found[chunk.type] += max(said, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return list(found.values())


def _share(counts: np.ndarray, *kinds: int) -> float:
    length = counts[:3].sum()
    return float(counts[list(kinds)].sum() / length) if length else math.nan


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    total = weights.sum()
    return float(values @ weights / total) if total else math.nan
