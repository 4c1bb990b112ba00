"""BLEU, chrF and TER as sacreBLEU has them, as functions of how often each example counts.

Each is a function of counts, such as of matching n-grams, that are summed over sentences. So
the counts of each sentence are taken once, and weighted sums of them are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER

import zoo

Words: TypeAlias = Literal["13a", "intl", "char", "zh", "none"]
"""How sacreBLEU cuts words for BLEU."""


class Scored:
    """Translations as one of sacreBLEU's metrics sees them.

    Args:
        measure: the metric.
        translations: object column [examples].
        references: of each, object column [examples].
    """

    def __init__(self, measure: Any, translations: np.ndarray, references: np.ndarray) -> None:
        self._measure = measure
        self._texts = [str(each) for each in translations]
        self._references = [str(each) for each in references]

    @cached_property
    def counts(self) -> np.ndarray:
        """What the metric sums over sentences, int64 [examples, counts]."""
        # sacreBLEU has no public way to them; its own tests of significance take this one.
        found = self._measure._extract_corpus_statistics(self._texts, [self._references])
        return np.array(found, np.float64).astype(np.int64)

    def value(self, weights: np.ndarray) -> float:
        """Return the metric, 0 to 100, when each example counts so often, int64 [examples]."""
        totals = weights @ self.counts
        return float(self._measure._compute_score_from_stats(totals.tolist()).score)

    def whole(self) -> Any:
        """Return sacreBLEU's own score of all translations, with its parts."""
        return self._measure._compute_score_from_stats(self.counts.sum(axis=0).tolist())

    def by_sentence(self) -> np.ndarray:
        """Return the metric of each sentence by itself, float64 [examples]."""
        scores = [
            self._measure._compute_score_from_stats(each).score for each in self.counts.tolist()
        ]
        return np.array(scores, np.float64)

    @cached_property
    def signature(self) -> str:
        """What has to be stated with the value for others to compare with it."""
        _ = self.counts  # the signature has the number of references, which it learns there
        return str(self._measure.get_signature())

    def own_value(self) -> float:
        """Return what sacreBLEU says of all translations."""
        return float(self._measure.corpus_score(self._texts, [self._references]).score)


class Kind(NamedTuple):
    """One of sacreBLEU's metrics, set up.

    Attributes:
        name: key in files.
        title: as shown in tables.
        measure: of sacreBLEU.
        higher_is_better: direction.
    """

    name: str
    title: str
    measure: Any
    higher_is_better: bool = True


def kinds(words: Words, *, lower_case: bool) -> list[Kind]:
    """Return the metrics that sacreBLEU has, the monitored one first.

    Args:
        words: how BLEU cuts words.
        lower_case: add BLEU of text in lower case, which papers on Multi30k state.
    """
    found = [
        Kind("bleu", "BLEU", BLEU(tokenize=words, force=True)),
        Kind("chrf", "chrF", CHRF()),
        Kind("ter", "TER", TER(), higher_is_better=False),
    ]
    if lower_case:
        measure = BLEU(tokenize=words, lowercase=True, force=True)
        found.append(Kind("bleu_lower_tokenised", "BLEU in lower case", measure))
    return found


def all_metrics(
    truth: zoo.Batch, predictions: zoo.Batch, words: Words, *, lower_case: bool
) -> list[zoo.Metric]:
    """Return sacreBLEU's metrics, and the share of translations that are the reference.

    Args:
        truth: has `target`.
        predictions: have `text`.
        words: how BLEU cuts words.
        lower_case: whether BLEU in lower case is among them.
    """
    metrics = [
        zoo.Metric(
            kind.name,
            kind.title,
            Scored(kind.measure, predictions["text"], truth["target"]).value,
            kind.higher_is_better,
        )
        for kind in kinds(words, lower_case=lower_case)
    ]
    exact = exact_matches(truth, predictions)
    share = zoo.Metric("exact_match", "exact match", lambda w: float(np.average(exact, weights=w)))
    return [*metrics, share]


def exact_matches(truth: zoo.Batch, predictions: zoo.Batch) -> np.ndarray:
    """Return whether each translation is its reference, but for spaces at its ends."""
    pairs = zip(predictions["text"], truth["target"], strict=True)
    return np.array([text.strip() == target.strip() for text, target in pairs], bool)


def reference_values(
    truth: zoo.Batch, predictions: zoo.Batch, words: Words, *, lower_case: bool
) -> Mapping[str, float]:
    """Return what sacreBLEU itself says of the same translations, by name of the metric."""
    return {
        kind.name: Scored(kind.measure, predictions["text"], truth["target"]).own_value()
        for kind in kinds(words, lower_case=lower_case)
    }
