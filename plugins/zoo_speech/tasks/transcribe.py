"""Transcription: what is said in a recording, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from zoo_speech.decoding.timing import mean_confidence, timed_words
from zoo_speech.decoding.words import WordList, read_words
from zoo_speech.evaluation import baselines, errors, figures
from zoo_speech.losses import CTC, NEVER
from zoo_speech.preprocessing import TranscriptPreprocessing
from zoo_speech.tasks.varied import Varied
from zoo_speech.tasks.windows import Cut, cut_recordings, example_of, joined
from zoo_speech.text import TextForm, Units, alphabet_of, cut, places


@dataclass(frozen=True, kw_only=True)
class Transcribe(Varied, zoo.Task):
    """Writes down what is said in a recording.

    An example has `id`, `recording`, `length` in samples and, if labelled, `text`. A
    prediction has `text`; `words`, a list with the time of each; and `confidence`, from 0 to 1,
    the geometric mean over what was written.
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
        "Text file with the words that may be written, one a line; needs `unit=characters`.",
    )
    window_seconds: float = zoo.setting(
        20.0, "Recordings longer than this are seen in overlapping windows, s.", minimum=1
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
            DataError: its texts are empty.
        """
        texts = [self.form.normalised(text) for text in zoo.all_rows(train)["text"]]
        alphabet = alphabet_of(texts, self.unit)
        if not alphabet:
            raise zoo.DataError(
                "The texts of the training split are empty once they are normalised.",
                hint="`zoo check-data` lists what is wrong; see also task.punctuation.",
            )
        return TranscriptPreprocessing(
            rate=int(info.facts["rate"]),
            alphabet=alphabet,
            pieces=float(np.mean([len(cut(text, self.unit)) for text in texts])),
            units=self.unit,
            form=self.form,
        )

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return CTC(float(space.arrays["pieces"]))

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        """Return examples with long recordings in windows, which do not train.

        See `zoo_speech.tasks.windows`.
        """
        return cut_recordings(examples, self.cut(preprocessing.rate))

    def cut(self, rate: int) -> Cut:
        """Return how long recordings are cut at a rate."""
        return Cut.of(self.window_seconds, self.context_seconds, rate)

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
        example, cut_ = example_of(windows), self.cut(preprocessing.rate)
        edges = np.searchsorted(example, np.arange(len(examples["length"]) + 1))
        whole = [
            joined(list(outputs["log_probs"][a:b]), windows["length"][a:b], cut_)
            for a, b in pairwise(edges)
        ]
        return {
            "log_probs": zoo.object_column(frames for frames, _ in whole),
            "frame": np.array([samples / preprocessing.rate for _, samples in whole]),
            "symbols": zoo.object_column([("", *preprocessing.alphabet)] * len(whole)),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        """Return texts with times; see :class:`Transcribe`."""
        search = self._search(outputs["symbols"][0]) if len(outputs["symbols"]) else ctc.greedy
        columns = (outputs["log_probs"], outputs["frame"], outputs["symbols"])
        found = [
            timed_words(log_probs, search(log_probs), float(frame), symbols, self.unit)
            for log_probs, frame, symbols in zip(*columns, strict=True)
        ]
        return {
            "text": zoo.object_column(" ".join(each["word"] for each in words) for words in found),
            "words": zoo.object_column(found),
            "confidence": np.array([mean_confidence(words) for words in found]),
        }

    def _search(self, symbols: tuple[str, ...]) -> Callable[[np.ndarray], ctc.Symbols]:
        """Return what finds the symbols that log probabilities say."""
        if not self.words:
            if self.beams == 1:
                return ctc.greedy
            return lambda log_probs: ctc.prefix_beam(log_probs, self.beams)[0][0]
        if self.unit == "words":
            raise zoo.ConfigError(
                "task.words is set, but the network writes whole words and knows no others.",
                hint="Leave task.words empty, or train with task.unit=characters.",
            )
        listed = WordList(map(self.form.normalised, read_words(self.words)), places(symbols[1:]))
        search = partial(
            ctc.prefix_beam, beams=self.beams, allowed=listed.allowed, whole=listed.whole
        )
        return lambda log_probs: search(log_probs)[0][0]

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

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the text of each recording, its words with their times, and its length."""
        for row in range(len(batch["id"])):
            yield {
                "id": str(batch["id"][row]),
                "text": str(predictions["text"][row]),
                "confidence": round(float(predictions["confidence"][row]), 4),
                "seconds": round(float(batch["length"][row]) / batch["recording"][row].rate, 3),
                "words": predictions["words"][row],
            }

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
