"""Transcription: what is said in a recording, and when."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from scipy.special import log_softmax

import zoo
from zoo_speech.decoding import ctc
from zoo_speech.decoding.timing import Word, mean_confidence, timed_words
from zoo_speech.decoding.words import WordList, read_words
from zoo_speech.evaluation import baselines, errors, figures
from zoo_speech.losses import CTC, NEVER
from zoo_speech.preprocessing import TranscriptPreprocessing
from zoo_speech.tasks.saliency import of_first_windows
from zoo_speech.tasks.varied import Varied
from zoo_speech.tasks.windows import Cut, cut_recordings, example_of, parts_of
from zoo_speech.text import TextForm, Units, alphabet_of, cut, places

_log = logging.getLogger(__name__)

_WINDOW_SECONDS = 20.0
"""How long recordings are at least that are seen whole, unless a setting says."""
_LISTED_BEAMS = 10
"""Texts that are followed at least with a list of words: one alone may end where no word does."""


@dataclass(frozen=True, kw_only=True)
class Transcribe(Varied, zoo.Task):
    """Writes down what is said in a recording.

    An example has `id`, `recording`, `length` in samples and, if labelled, `text`. A
    prediction has `text`; `words`, a list with the time of each; and `confidence`, from 0 to 1,
    the geometric mean over what was written, NaN where nothing was.
    """

    monitor: ClassVar[str] = "wer"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = TranscriptPreprocessing
    plain_text: ClassVar[str] = "text"

    unit: Units = zoo.setting("characters", "What the network writes: characters or whole words.")
    lower_case: bool = zoo.setting(True, "Learn and measure text in lower case.")
    punctuation: bool = zoo.setting(False, "Learn and measure punctuation too.")
    beams: int = zoo.setting(1, "Texts that are followed at once; 1 is greedy.", minimum=1)
    words: str = zoo.setting(
        "",
        "Text file with the words that may be written, one a line; needs `unit=characters`, and "
        f"follows {_LISTED_BEAMS} texts or more.",
    )
    window_seconds: float = zoo.setting(
        0.0,
        "Recordings longer than this are seen in overlapping windows, which do not train; 0 for "
        "20 s or the longest training recording, s.",
        minimum=0,
    )
    context_seconds: float = zoo.setting(
        2.0, "What a window sees of its neighbours on each side, s.", minimum=0
    )

    @property
    def form(self) -> TextForm:
        """How text is normalised."""
        return TextForm(self.lower_case, self.punctuation)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> TranscriptPreprocessing:
        """Learn the alphabet, or the words, from the training split.

        Raises:
            ConfigError: all recordings are longer than `window_seconds`.
            DataError: its texts are empty.
        """
        batch, rate = zoo.all_rows(train), int(info.facts["rate"])
        texts = [self.form.normalised(text) for text in batch["text"]]
        alphabet = alphabet_of(texts, self.unit)
        if not alphabet:
            raise zoo.DataError(
                "The texts of the training split are empty once they are normalised.",
                hint="`zoo check-data` lists what is wrong; see also task.punctuation.",
            )
        window = self.window_seconds or max(_WINDOW_SECONDS, batch["length"].max() / rate)
        seen = self._cut(window, rate).length
        _tell_of_long(batch["length"] > seen, window)
        return TranscriptPreprocessing(
            rate=rate,
            alphabet=alphabet,
            pieces=float(np.mean([len(cut(text, self.unit)) for text in texts])),
            units=self.unit,
            form=self.form,
            window=float(window),
            longest=self.longest(seen, rate),
        )

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return CTC(float(space.arrays["pieces"]))

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        """Return examples with long recordings in windows, which do not train.

        See `zoo_speech.tasks.windows`.
        """
        return cut_recordings(examples, self.cut(preprocessing))

    def cut(self, preprocessing: TranscriptPreprocessing) -> Cut:
        """Return how long recordings are cut.

        Raises:
            ConfigError: the context leaves nothing of a window.
        """
        return self._cut(self.window_seconds or preprocessing.window, preprocessing.rate)

    def _cut(self, window: float, rate: int) -> Cut:
        return Cut.of(window, self.context_seconds, rate)

    def reduce(self, outputs: Any, preprocessing: zoo.Preprocessing) -> zoo.Batch:
        """Return `log_probs` without padding, object column of float32 [frames, symbols]."""
        logits = np.asarray(outputs, np.float32)
        known = (logits[..., 1:] > NEVER / 2).any(axis=-1).sum(axis=1)
        found = (
            log_softmax(each[:count], axis=1) for each, count in zip(logits, known, strict=True)
        )
        return {"log_probs": zoo.object_column(found)}

    def restore(
        self, outputs: zoo.Batch, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return the frames of whole recordings, and how many seconds a frame has."""
        example, cut_ = example_of(windows), self.cut(preprocessing)
        edges = np.searchsorted(example, np.arange(len(examples["length"]) + 1))
        whole = [
            parts_of(list(outputs["log_probs"][a:b]), windows["length"][a:b], cut_)
            for a, b in pairwise(edges)
        ]
        return {
            "log_probs": zoo.object_column(np.concatenate(parts) for parts, _ in whole),
            "frame": np.array([samples / preprocessing.rate for _, samples in whole]),
            "symbols": zoo.object_column([("", *preprocessing.alphabet)] * len(whole)),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        """Return texts with times; see :class:`Transcribe`."""
        columns = (outputs["log_probs"], outputs["frame"], outputs["symbols"])
        start = self.search(outputs["symbols"][0]) if len(outputs["symbols"]) else ctc.Greedy()
        found = []
        for log_probs, frame, symbols in zip(*columns, strict=True):
            search = start.copy()
            search.hear(log_probs)
            found.append(timed_words(search.said(), float(frame), symbols, self.unit))
        return written(found)

    def search(self, symbols: Sequence[str]) -> ctc.Search:
        """Return a new search for what log probabilities of symbols say.

        Args:
            symbols: the blank and what the network writes.

        Raises:
            ConfigError: there is a list of words that cannot be used.
        """
        if not self.words:
            return ctc.Greedy() if self.beams == 1 else ctc.BeamSearch(self.beams)
        if self.unit == "words":
            raise zoo.ConfigError(
                "task.words is set, but the network writes whole words and knows no others.",
                hint="Leave task.words empty, or train with task.unit=characters.",
            )
        listed = WordList(map(self.form.normalised, read_words(self.words)), places(symbols[1:]))
        return ctc.BeamSearch(max(self.beams, _LISTED_BEAMS), listed)

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        return errors.all_metrics(self._texts(truth), predictions["text"])

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return what jiwer says."""
        return errors.reference_values(self._texts(truth), predictions["text"])

    def _texts(self, truth: zoo.Batch) -> np.ndarray:
        return zoo.object_column(map(self.form.normalised, truth["text"]))

    def labelled(self, batch: zoo.Batch) -> bool:
        return "text" in batch

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        form = preprocessing.form
        return {
            "Most frequent text": partial(baselines.most_frequent_text, form=form),
            "Text of the most alike recording": partial(baselines.nearest_text, form=form),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        return figures.of_transcripts(truth, self._texts(truth), predictions)

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        words = errors.Errors(self._texts(truth), predictions["text"])
        return figures.worst_of_transcripts(truth, words)[: figures.EXPLAINED].tolist()

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: zoo.Batch, predictions: zoo.Batch
    ) -> zoo.Batch:
        """Draw on the spectrogram of the first window what speaks for the best path.

        `saliency` is float32 [frames, bands] for each example; see `zoo_speech.tasks.saliency`.
        """
        return of_first_windows(self, model, preprocessing, batch)

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the text of each recording, its words with their times, and its length.

        `confidence` is None where nothing was written.
        """
        for row in range(len(batch["id"])):
            confidence = float(predictions["confidence"][row])
            record = {
                "id": str(batch["id"][row]),
                "text": str(predictions["text"][row]),
                "confidence": None if np.isnan(confidence) else round(confidence, 4),
                "seconds": round(float(batch["length"][row]) / batch["recording"][row].rate, 3),
                "words": predictions["words"][row],
            }
            if "saliency" in predictions:
                record["saliency"] = np.round(predictions["saliency"][row], 4)
            yield record

    def files(
        self, batch: zoo.Batch, predictions: zoo.Batch, folder: Path, preprocessing: Any
    ) -> None:
        """Write `words.ctm`, which scoring tools read: recording, channel, start, length, word."""
        lines = [
            f"{str(name).replace(' ', '_')} 1 {word['start']:.2f} "
            f"{word['end'] - word['start']:.2f} {word['word']} {word['confidence']:.2f}\n"
            for name, words in zip(batch["id"], predictions["words"], strict=True)
            for word in words
        ]
        (folder / "words.ctm").write_text("".join(lines), encoding="utf-8")


def written(words: Sequence[list[Word]]) -> zoo.Batch:
    """Return predictions of the words of each recording."""
    return {
        "text": zoo.object_column(" ".join(each["word"] for each in own) for own in words),
        "words": zoo.object_column(words),
        "confidence": np.array([mean_confidence(own) for own in words]),
    }


def _tell_of_long(long: np.ndarray, window: float) -> None:
    """Say how many training recordings do not train, since they are seen in windows.

    Args:
        long: which are, bool [recordings].
        window: seconds that are seen at once.

    Raises:
        ConfigError: all are.
    """
    hint = "Raise task.window_seconds, or leave it at 0: it is then as long as they are."
    if long.all():
        raise zoo.ConfigError(
            f"All {len(long):,} training recordings are longer than task.window_seconds = "
            f"{window:g}, and the text of a window is not known.",
            hint=hint,
        )
    if count := int(long.sum()):
        _log.warning(
            f"{count:,} of {len(long):,} training recordings do not train, as they are longer "
            f"than task.window_seconds = {window:g}. {hint}"
        )
