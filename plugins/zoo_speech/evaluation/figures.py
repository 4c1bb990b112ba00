"""What a report shows of recognised speech, beside what all tasks of classes have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import zoo
from zoo_speech.evaluation.errors import Errors
from zoo_speech.evaluation.players import played

_WORST = 8
"""Recordings that can be played."""
EXPLAINED = 4
"""Recordings of which a report draws what speaks for the prediction."""
_DRAWN = 500
"""Frames that are drawn of a recording at most."""
_WIDTH = 400
"""Pixels of a drawn recording at least, or nearly so."""
_FOR, _AGAINST = np.array([0.84, 0.37, 0.0]), np.array([0.0, 0.45, 0.7])
"""Red, green and blue of what speaks for a prediction and against it."""
_MISTAKES = 20
"""Rows of the table of mistaken words."""
_GROUPS = 6
"""Groups of recordings of alike length."""
_FEWEST = 10
"""Recordings in such a group."""


def worst_classified(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """Play the recordings whose true class seemed least likely."""
    likely, worst = _likely(truth, predictions), worst_of_classes(truth, predictions)[:_WORST]
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


def worst_of_classes(truth: zoo.Batch, predictions: zoo.Batch) -> np.ndarray:
    """Return the rows of all recordings, those first whose true class seemed least likely."""
    return np.argsort(_likely(truth, predictions), kind="stable")


def _likely(truth: zoo.Batch, predictions: zoo.Batch) -> np.ndarray:
    """Return the probability of each recording's true class."""
    is_class = predictions["classes"] == truth["label"][:, None]
    return (predictions["probabilities"] * is_class).sum(axis=1)


def explained_classes(truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Figure]:
    """Draw what speaks for the class of the worst recordings, if that was found out."""
    worst = worst_of_classes(truth, predictions)[:EXPLAINED]
    labels = {row: f"{predictions['label'][row]}; true: {truth['label'][row]}" for row in worst}
    return _explained(predictions, labels)


def _explained(predictions: zoo.Batch, labels: Mapping[int, str]) -> list[zoo.Figure]:
    """Draw the saliency of some recordings by row, each with a label."""
    if "saliency" not in predictions:
        return []
    return [
        zoo.charts.image_grid(
            "What speaks for it",
            f"Spectrograms of the worst recordings, the first {_DRAWN} frames at most: time from "
            "left to right, low sounds below. Orange places speak for what was predicted, blue "
            "ones against it.",
            [_drawn(predictions["saliency"][row]) for row in labels],
            list(labels.values()),
        )
    ]


def _drawn(saliency: np.ndarray) -> np.ndarray:
    """Return saliency [frames, bands] as a picture, float [height, width, 3]."""
    shown = saliency[:_DRAWN].T[::-1]
    strength = shown / max(np.abs(shown).max(), 1e-12)
    colour = np.where(strength[..., None] > 0, _FOR, _AGAINST)
    zoom = max(_WIDTH // shown.shape[1], 1)
    picture = 1 - np.abs(strength)[..., None] * (1 - colour)
    return np.repeat(np.repeat(picture, 4, axis=0), zoom, axis=1)


def of_transcripts(
    truth: zoo.Batch, references: np.ndarray, predictions: zoo.Batch
) -> list[zoo.Figure]:
    """Return the figures of transcriptions.

    Args:
        truth: the examples.
        references: their normalised texts [examples].
        predictions: have `text` and `words`, and may have `saliency`.
    """
    words = Errors(references, predictions["text"])
    characters = Errors(references, predictions["text"], characters=True)
    return [
        error_kinds(words, characters),
        mistaken_words(words),
        errors_by_length(words, _seconds(truth)),
        worst_written(truth, references, predictions, words),
        *_explained(
            predictions,
            {
                row: f"{predictions['text'][row] or '(nothing)'}; true: {references[row]}"
                for row in worst_of_transcripts(truth, words)[:EXPLAINED]
            },
        ),
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


def worst_of_transcripts(truth: zoo.Batch, words: Errors) -> np.ndarray:
    """Return the rows of all recordings by falling error rates; of equals the longest first."""
    return np.lexsort((-truth["length"], -words.rates()))


def worst_written(
    truth: zoo.Batch, references: np.ndarray, predictions: zoo.Batch, words: Errors
) -> zoo.Figure:
    """Play the recordings with the highest error rates."""
    rates, worst = words.rates(), worst_of_transcripts(truth, words)[:_WORST]
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
