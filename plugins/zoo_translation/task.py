"""The translation task: what pairs of sentences and translations mean."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

import zoo
from zoo_translation.carried import put_back
from zoo_translation.decoding.search import NEVER
from zoo_translation.decoding.translator import alignments, limit, translator
from zoo_translation.evaluation import baselines, figures, metrics
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.parts import joined
from zoo_translation.preprocessing import PairPreprocessing
from zoo_translation.tokeniser import END, PAD, SPACE, Kind
from zoo_translation.windows import windows

_log = logging.getLogger(__name__)

_SHORT = 64
"""Tokens of a sentence that is never over-long unless the user says so."""


@dataclass(frozen=True, kw_only=True)
class Translate(zoo.Task):
    """Translates sentences from one language into another.

    An example has `id`, `source` and, if labelled, `target`. A prediction has `text`, the
    best translation; `score`, its log probability over the length penalty; `alternatives`,
    a list of texts with their scores, the best first; `parts`, in how many parts the source
    was translated; `carried`, a list of what of it was not translated but carried over; and
    `ended`, whether the translation was ended as it had become too long. A blank source has a
    blank translation.
    """

    monitor: ClassVar[str] = "bleu"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = PairPreprocessing
    plain_text: ClassVar[str] = "translation"

    pieces: int = zoo.setting(
        8_000, "Pieces of the tokeniser of both languages; short texts have fewer.", minimum=300
    )
    tokeniser: Kind = zoo.setting("unigram", "How SentencePiece finds pieces.")
    label_smoothing: float = zoo.setting(
        0.1, "Share of a target's weight that goes to all pieces.", minimum=0, maximum=0.9
    )
    agreement: float = zoo.setting(
        0.0,
        "How much two readings of an example under different dropout have to agree (R-Drop, "
        "arXiv:2106.14448); 5 is usual. Above 0 training takes twice as long.",
        minimum=0,
    )
    beams: int = zoo.setting(5, "Translations that are followed at once; 1 is greedy.", minimum=1)
    length_penalty: float = zoo.setting(
        1.6, "Above 0 longer translations gain (arXiv:1609.08144).", minimum=0
    )
    longest: int = zoo.setting(
        0,
        "Tokens above which a source is translated in parts and its pair does not train; 0 takes "
        "the longest source of training, or 64.",
        minimum=0,
    )
    alternatives: int = zoo.setting(
        0, "Translations beside the best that a prediction lists; fewer than beams.", minimum=0
    )
    words: metrics.Words = zoo.setting(
        "13a", "How sacreBLEU cuts words for BLEU; `zh` or `char` where there are no spaces."
    )
    lower_case: bool = zoo.setting(True, "Measure BLEU in lower case too, as some papers do.")

    def __post_init__(self) -> None:
        if self.alternatives and self.alternatives >= self.beams:
            raise zoo.ConfigError(
                f"task.alternatives is {self.alternatives}, but task.beams is {self.beams}, so "
                f"there are {self.beams - 1} beside the best.",
                hint=f"Set task.beams to {self.alternatives + 1} or more.",
            )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> PairPreprocessing:
        batch = zoo.all_rows(train)
        preprocessing = PairPreprocessing.fit(
            batch,
            pieces=self.pieces,
            kind=self.tokeniser,
            languages=info.facts.get("languages", ("", "")),
            readings=2 if self.agreement else 1,
        )
        if 0 < self.longest < preprocessing.corpus.source:
            self._tell_of_over_long(batch, preprocessing)
        return preprocessing

    def _tell_of_over_long(self, batch: zoo.Batch, preprocessing: PairPreprocessing) -> None:
        """Say how many training pairs do not train, as they are over-long.

        Raises:
            ConfigError: none trains.
        """
        found = zoo.all_rows(self.windows(zoo.Columns(batch), preprocessing))
        lengths = preprocessing.sizes(batch)[:, 0]
        rows = np.unique(found["example"][found["known"] == 0])
        if len(rows) == len(lengths):
            raise zoo.ConfigError(
                f"task.longest is {self.longest}, and no training pair has a source so short.",
                hint=f"Half of them have up to {np.median(lengths):.0f} tokens; 0 trains on all.",
            )
        if len(rows):
            _log.warning(
                f"{len(rows):,} of {len(lengths):,} training pairs do not train, as their sources "
                f"have more than task.longest = {self.longest} tokens, up to {lengths.max()}. "
                "Raise it, or cut their texts into sentences."
            )

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        tokens = float(space.arrays["tokens"])
        return SmoothedCrossEntropy(self.label_smoothing, tokens, self.agreement)

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        """Return what the network sees of examples; see `zoo_translation.windows`."""
        return windows(examples, preprocessing, self._longest(preprocessing))

    def predictor(
        self, model: keras.Model, preprocessing: Any
    ) -> Callable[[zoo.Batch], dict[str, np.ndarray]]:
        """Return beam search; validation in training decodes as predicting does."""
        longest = limit(self._longest(preprocessing), sys.maxsize)
        translate = translator(
            model, beams=self.beams, length_penalty=self.length_penalty, longest=longest
        )

        def predict(inputs: zoo.Batch) -> dict[str, np.ndarray]:
            pieces, scores = translate(inputs["source"])
            source, written = (
                np.count_nonzero(each != PAD, axis=1) for each in (inputs["source"], pieces[:, 0])
            )
            most = keras.ops.convert_to_numpy(limit(source, longest))
            return {"pieces": pieces, "scores": scores, "ended": written + 1 >= most}

        return predict

    def _longest(self, preprocessing: PairPreprocessing) -> int:
        return self.longest or max(preprocessing.corpus.source, _SHORT)

    def reduce(self, outputs: zoo.Batch, preprocessing: zoo.Preprocessing) -> zoo.Batch:
        """Return the outputs with `pieces` without padding, object column of int32 [beams, L]."""
        pieces = (each[:, (each != PAD).any(axis=0)] for each in outputs["pieces"])
        return {**outputs, "pieces": zoo.object_column(pieces)}

    def restore(
        self, outputs: zoo.Batch, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return translations as text, those of the parts of a source as one."""
        rows = windows.get("example", np.arange(len(windows["source"])))
        parts: list[list[_Translation]] = [[] for _ in examples["source"]]
        for row, part in zip(rows, _translations(outputs, windows, preprocessing), strict=True):
            parts[row].append(part)
        whole = [_whole(each) for each in parts]
        return {
            "text": zoo.object_column(each.ranked[0][0] for each in whole),
            "score": np.array([each.ranked[0][1] for each in whole], np.float32),
            "alternatives": zoo.object_column(each.ranked for each in whole),
            "parts": np.array([len(each) for each in parts], np.int64),
            "carried": zoo.object_column(each.carried for each in whole),
            "ended": np.array([each.ended for each in whole], bool),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        return outputs

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        return metrics.all_metrics(truth, predictions, self.words, lower_case=self.lower_case)

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return what sacreBLEU says."""
        return metrics.reference_values(truth, predictions, self.words, lower_case=self.lower_case)

    def labelled(self, batch: zoo.Batch) -> bool:
        return "target" in batch

    def baselines(self, preprocessing: zoo.Preprocessing) -> Mapping[str, zoo.Baseline]:
        return {
            "Source as it is": baselines.copied,
            "Word by word (IBM Model 1)": baselines.word_by_word,
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        kinds = metrics.kinds(self.words, lower_case=self.lower_case)
        return figures.all_figures(truth, predictions, kinds)

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        return figures.readable_rows(truth, predictions)

    def explain(
        self,
        model: keras.Model,
        preprocessing: Any,
        batch: zoo.Batch,
        predictions: zoo.Batch,
    ) -> zoo.Batch:
        """Return the column `alignment`: what each piece of a translation looks at.

        Each is a dict of `source` and `translation`, lists of pieces, and `weights`, float32
        [translation, source]; None for a blank line, and for a source that was translated in
        parts or of which something was carried over.
        """
        tokeniser = preprocessing.tokeniser

        def aligned(
            source: str, text: str, parts: int, carried: Sequence[str]
        ) -> figures.Alignment | None:
            read, written = tokeniser.encode([source, text])
            if parts > 1 or carried or not len(written):
                return None
            names = [
                [tokeniser.pieces[each].replace(SPACE, " ").strip() for each in pieces]
                for pieces in (read, written)
            ]
            weights = alignments(model, np.append(read, END).astype(np.int32), written)
            return {"source": names[0], "translation": names[1], "weights": weights[:, :-1]}

        columns = [batch["source"], *(predictions[x] for x in ("text", "parts", "carried"))]
        return {"alignment": zoo.object_column(map(aligned, *columns))}

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        for row in range(len(batch["id"])):
            record = {
                "id": str(batch["id"][row]),
                "source": str(batch["source"][row]),
                "translation": str(predictions["text"][row]),
                "score": round(float(predictions["score"][row]), 4),
            }
            if predictions["parts"][row] > 1:
                record["parts"] = int(predictions["parts"][row])
            if predictions["carried"][row]:
                record["carried"] = predictions["carried"][row]
            if predictions["ended"][row]:
                record["ended"] = True
            if self.alternatives:
                others = predictions["alternatives"][row][1 : self.alternatives + 1]
                record["alternatives"] = [
                    {"translation": text, "score": round(score, 4)} for text, score in others
                ]
            if "alignment" in predictions:
                record["alignment"] = predictions["alignment"][row]
            yield record


class _Translation(NamedTuple):
    """What was found for a source or a part of it.

    Attributes:
        ranked: translations with their scores, the best first; at least one.
        carried: what was not translated but carried over.
        ended: whether the best had to end as it had become too long.
    """

    ranked: list[tuple[str, float]]
    carried: list[str]
    ended: bool


def _translations(
    outputs: zoo.Batch, windows: zoo.Batch, preprocessing: PairPreprocessing
) -> Iterator[_Translation]:
    """Yield the translation of each window, with what was carried over in its place."""
    none = zoo.object_column([] for _ in windows["source"])
    columns = [windows["source"], windows.get("carried", none)]
    columns += [outputs[name] for name in ("pieces", "scores", "ended")]
    decode = preprocessing.tokeniser.decode
    for source, carried, pieces, scores, ended in zip(*columns, strict=True):
        ranked = _distinct(decode(pieces), scores.tolist()) if source.strip() else [("", 0.0)]
        yield _Translation(
            [(put_back(text, carried), score) for text, score in ranked],
            [each.text.strip() for each in carried],
            bool(ended and source.strip()),
        )


def _distinct(texts: Sequence[str], scores: Sequence[float]) -> list[tuple[str, float]]:
    """Return texts with scores, the best first, each text once; at least one."""
    best: dict[str, float] = {}
    for text, score in zip(texts, scores, strict=True):
        if score > NEVER or not best:
            best.setdefault(text, score)
    return list(best.items())


def _whole(parts: Sequence[_Translation]) -> _Translation:
    """Return the translation of a source, given those of its parts.

    That of several parts is made of the best of each, and scores their mean.
    """
    if len(parts) == 1:
        return parts[0]
    texts, scores = zip(*(each.ranked[0] for each in parts), strict=True)
    return _Translation(
        [(joined(texts), float(np.mean(scores)))],
        [words for each in parts for words in each.carried],
        any(each.ended for each in parts),
    )
