"""What a report shows of recognised speech, beside what all tasks of classes have."""

from __future__ import annotations

import numpy as np

import zoo
from zoo_speech.evaluation.errors import Errors
from zoo_speech.evaluation.players import played

_WORST = 8
"""Recordings that can be played."""
_MISTAKES = 20
"""Rows of the table of mistaken words."""
_GROUPS = 6
"""Groups of recordings of alike length."""
_FEWEST = 10
"""Recordings in such a group."""


def worst_classified(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """Play the recordings whose true class seemed least likely."""
    is_class = predictions["classes"] == truth["label"][:, None]
    likely = (predictions["probabilities"] * is_class).sum(axis=1)
    worst = np.argsort(likely, kind="stable")[:_WORST]
    rows = [
        [
            str(truth["label"][row]),
            str(predictions["label"][row]),
            f"{likely[row]:.1%}",
            str(truth["id"][row]),
        ]
        for row in worst
    ]
    return played(
        "Worst recordings",
        "Those whose true class seemed least likely. Is the label right?",
        ["class", "predicted", "probability of the class", "id"],
        rows,
        truth["recording"][worst],
    )


def of_transcripts(
    truth: zoo.Batch, references: np.ndarray, predictions: zoo.Batch
) -> list[zoo.Figure]:
    """Return the figures of transcriptions.

    Args:
        truth: the examples.
        references: their normalised texts [examples].
        predictions: have `text` and `words`.
    """
    words = Errors(references, predictions["text"])
    characters = Errors(references, predictions["text"], characters=True)
    return [
        error_kinds(words, characters),
        mistaken_words(words),
        errors_by_length(words, _seconds(truth)),
        worst_written(truth, references, predictions, words),
    ]


def error_kinds(words: Errors, characters: Errors) -> zoo.Figure:
    """List what was mistaken, left out and added."""
    rows = []
    for name, errors in (("words", words), ("characters", characters)):
        counts = errors.totals()
        length = sum(counts.values()) - counts["insertions"]
        rate = errors.rate(np.ones(len(errors.counts), np.int64))
        rows.append([name, length, *counts.values(), rate])
    return zoo.charts.table(
        "Errors in detail",
        "The error rate is substitutions, deletions and insertions over what was said.",
        ["of", "said", "right", "substitutions", "deletions", "insertions", "error rate"],
        rows,
    )


def mistaken_words(words: Errors) -> zoo.Figure:
    """List what is most often written for what."""
    rows = [
        [said or "(nothing)", written or "(nothing)", count]
        for (said, written), count in words.mistaken().most_common(_MISTAKES)
    ]
    return zoo.charts.table(
        "Words mistaken",
        "The most frequent errors. Nothing said: a word was added; nothing written: left out.",
        ["said", "written", "times"],
        rows,
    )


def errors_by_length(words: Errors, seconds: np.ndarray) -> zoo.Figure:
    """Draw the word error rate over the length of recordings."""
    count = max(1, min(_GROUPS, len(seconds) // _FEWEST))
    groups = np.array_split(np.argsort(seconds, kind="stable"), count)
    rates = [words.rate(np.bincount(group, minlength=len(seconds))) for group in groups]
    return zoo.charts.line_chart(
        "Errors by length",
        f"{len(seconds):,} recordings in {count} groups of equally many.",
        {"word error rate": ([float(seconds[group].mean()) for group in groups], rates)},
        x_label="mean length of the recording, s",
        y_label="word error rate",
    )


def worst_written(
    truth: zoo.Batch, references: np.ndarray, predictions: zoo.Batch, words: Errors
) -> zoo.Figure:
    """Play the recordings with the highest error rates; of equals the longest first."""
    rates = words.rates()
    worst = np.lexsort((-truth["length"], -rates))[:_WORST]
    rows = [
        [
            f"{rates[row]:.1%}",
            str(references[row]),
            str(predictions["text"][row]),
            str(truth["id"][row]),
        ]
        for row in worst
    ]
    return played(
        "Worst recordings",
        "Those with the highest word error rates. Is the text right?",
        ["word error rate", "said", "written", "id"],
        rows,
        truth["recording"][worst],
    )


def _seconds(truth: zoo.Batch) -> np.ndarray:
    rates = [recording.rate for recording in truth["recording"]]
    return truth["length"] / np.array(rates, np.float64)
