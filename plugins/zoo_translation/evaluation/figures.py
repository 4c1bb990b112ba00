"""What a report shows of translations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

import zoo
from zoo_translation.evaluation.metrics import Kind, Scored, exact_matches

_SENTENCES = 10
"""Sentences in a table of the worst or the best."""
_GROUPS = 6
"""Groups of sentences of alike length."""
_FEWEST = 10
"""Sentences in such a group."""
_ALIGNMENTS = 4
_READABLE = 40
"""Pieces of a side whose alignment can still be read."""
_LETTERS = 12
"""Characters of a text that may well have several pieces and not just one."""
_SHORT = 60
"""Characters of a text whose alignment is easy to read."""


class Alignment(TypedDict):
    """What each piece of a translation looks at.

    Attributes:
        source: pieces.
        translation: pieces.
        weights: float32 [translation, source].
    """

    source: list[str]
    translation: list[str]
    weights: np.ndarray


def all_figures(
    truth: zoo.Batch, predictions: zoo.Batch, kinds: Sequence[Kind]
) -> list[zoo.Figure]:
    """Return the report's figures.

    Args:
        truth: has `source` and `target`.
        predictions: have `text`, and `alignment` where it is known.
        kinds: sacreBLEU's metrics, BLEU first and chrF among them.
    """
    scored = {
        kind.name: Scored(kind.measure, predictions["text"], truth["target"]) for kind in kinds
    }
    chrf = scored["chrf"].by_sentence()
    lengths = _lengths(truth["source"])
    # Of equals the longest come first: they are the hardest.
    worst, best = np.lexsort((-lengths, chrf)), np.lexsort((-lengths, -chrf))
    return [
        signatures(scored, kinds),
        bleu_in_detail(scored["bleu"]),
        quality_by_length(lengths, scored, exact_matches(truth, predictions)),
        _sentences("Worst translations", worst, chrf, truth, predictions),
        _sentences("Best translations", best, chrf, truth, predictions),
        *alignment_figures(predictions),
    ]


def signatures(scored: dict[str, Scored], kinds: Sequence[Kind]) -> zoo.Figure:
    """Show each metric with what others need to know to compare theirs with it."""
    rows = []
    for kind in kinds:
        ones = np.ones(len(scored[kind.name].counts), np.int64)
        rows.append([kind.title, scored[kind.name].value(ones), scored[kind.name].signature])
    return zoo.charts.table(
        "Metrics and their signatures",
        "State the signature with the value: figures of other signatures cannot be compared.",
        ["metric", "value", "sacreBLEU's signature"],
        rows,
    )


def bleu_in_detail(scored: Scored) -> zoo.Figure:
    """Show what BLEU is made of."""
    score = scored.whole()
    rows = [
        *([f"precision of {n}-grams, %", p] for n, p in enumerate(score.precisions, start=1)),
        ["brevity penalty", float(score.bp)],
        ["words of the translations", score.sys_len],
        ["words of the references", score.ref_len],
    ]
    return zoo.charts.table(
        "BLEU in detail",
        "BLEU is the geometric mean of the precisions times the brevity penalty.",
        ["part", "value"],
        rows,
    )


def quality_by_length(
    lengths: np.ndarray, scored: dict[str, Scored], exact: np.ndarray
) -> zoo.Figure:
    """Draw BLEU, chrF and the share of exact translations over the length of the source.

    Args:
        lengths: of the sources [examples].
        scored: has `bleu` and `chrf`.
        exact: whether a translation is its reference, bool [examples].
    """
    groups = np.array_split(
        np.argsort(lengths, kind="stable"), max(1, min(_GROUPS, len(lengths) // _FEWEST))
    )
    x = [float(lengths[group].mean()) for group in groups]

    def measured(scored: Scored) -> list[float]:
        counts = (np.bincount(group, minlength=len(lengths)) for group in groups)
        return [scored.value(each) for each in counts]

    return zoo.charts.line_chart(
        "Quality by length",
        f"{len(lengths):,} sentences in {len(groups)} groups of equally many, by the length of "
        "the source.",
        {
            "BLEU": (x, measured(scored["bleu"])),
            "chrF": (x, measured(scored["chrf"])),
            "exact match, %": (x, [100 * float(exact[group].mean()) for group in groups]),
        },
        x_label="mean length of the source, words",
        y_label="of 100",
    )


def readable_rows(truth: zoo.Batch, predictions: zoo.Batch) -> list[int]:
    """Return rows whose alignment can probably be read in a figure: at even distances, of short
    texts or, where there are none, of the shortest.

    They are twice as many as are drawn, as some turn out to have too many pieces.
    """
    columns = (truth["source"], *(predictions[name] for name in ("text", "parts", "carried")))
    lengths = {
        row: max(len(source), len(text))
        for row, (source, text, parts, carried) in enumerate(zip(*columns, strict=True))
        if min(len(source), len(text)) >= _LETTERS and parts == 1 and not carried
    }
    count = 2 * _ALIGNMENTS
    longest = max([_SHORT, *sorted(lengths.values())[:count]])
    rows = [row for row, length in lengths.items() if length <= longest]
    return rows[:: max(1, len(rows) // count)][:count]


def alignment_figures(predictions: zoo.Batch) -> list[zoo.Figure]:
    """Draw what some translations look at in their sources, where it is known."""
    known = [each for each in predictions.get("alignment", ()) if each is not None]
    readable = [each for each in known if _size(each) <= _READABLE]
    return [
        zoo.charts.heat_map(
            f"Alignment {number}",
            "How much each piece of a translation, row by row, looks at each piece of its source.",
            each["weights"],
            rows=each["translation"],
            columns=each["source"],
            x_label="source",
            y_label="translation",
            texts=[[""] * len(each["source"])] * len(each["translation"]),
            limits=(0.0, 1.0),
        )
        for number, each in enumerate(sorted(readable, key=_size)[:_ALIGNMENTS], start=1)
    ]


def _size(alignment: Alignment) -> int:
    """Return the pieces of the longer side."""
    return max(len(alignment["source"]), len(alignment["translation"]))


def _sentences(
    title: str, order: np.ndarray, chrf: np.ndarray, truth: zoo.Batch, predictions: zoo.Batch
) -> zoo.Figure:
    """Show the first sentences of an order with their references."""
    rows = [
        [
            float(chrf[row]),
            truth["source"][row],
            truth["target"][row],
            predictions["text"][row],
            truth["id"][row],
        ]
        for row in order[:_SENTENCES]
    ]
    return zoo.charts.table(
        title,
        "By chrF of the sentence; BLEU says little of one sentence.",
        ["chrF", "source", "reference", "translation", "id"],
        rows,
    )


def _lengths(texts: np.ndarray) -> np.ndarray:
    """Return the words of each text, int64 [texts]."""
    return np.array([len(str(text).split()) for text in texts], np.int64)
