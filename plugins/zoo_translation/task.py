"""The translation task: what pairs of sentences and translations mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_translation.decoding.translator import alignments, translator
from zoo_translation.evaluation import baselines, figures, metrics
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.parts import cut_examples, joined
from zoo_translation.preprocessing import PairPreprocessing
from zoo_translation.tokeniser import END, PAD, SPACE, Kind

_log = logging.getLogger(__name__)

_SHORT = 64
"""Tokens of a source that is never over-long unless the user says so."""
_NEVER = -1e8
"""Scores below it are of no translation; see `zoo_translation.decoding`."""


@dataclass(frozen=True, kw_only=True)
class Translate(zoo.Task):
    """Translates sentences from one language into another.

    An example has `id`, `source` and, if labelled, `target`. A prediction has `text`, the
    best translation; `score`, its log probability over the length penalty; `alternatives`,
    a list of texts with their scores, the best first; and `parts`, into how many parts the
    source was cut as it was over-long. A blank source has a blank translation.
    """

    monitor: ClassVar[str] = "bleu"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = PairPreprocessing

    pieces: int = zoo.setting(
        8_000, "Pieces of the tokeniser of both languages; short texts have fewer.", minimum=300
    )
    tokeniser: Kind = zoo.setting("unigram", "How SentencePiece finds pieces.")
    label_smoothing: float = zoo.setting(
        0.1, "Share of a target's weight that goes to all pieces.", minimum=0, maximum=0.9
    )
    agreement: float = zoo.setting(
        0.0,
        "How much two readings of an example under different dropout have to agree, if "
        "`model.twice` (R-Drop, arXiv:2106.14448); 5 is usual.",
        minimum=0,
    )
    beams: int = zoo.setting(5, "Translations that are followed at once; 1 is greedy.", minimum=1)
    length_penalty: float = zoo.setting(
        1.0, "Above 0 longer translations gain (arXiv:1609.08144).", minimum=0
    )
    longest: int = zoo.setting(
        0,
        "Tokens of a source, above which it is translated in parts, cut where sentences end, "
        "and does not train; 0 takes the longest of training, or 64.",
        minimum=0,
    )
    alternatives: int = zoo.setting(
        0, "Translations beside the best that a prediction lists; fewer than beams.", minimum=0
    )
    words: metrics.Words = zoo.setting(
        "13a", "How sacreBLEU cuts words for BLEU; `zh` or `char` where there are no spaces."
    )
    lower_case: bool = zoo.setting(True, "Measure BLEU in lower case too, as some papers do.")

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> PairPreprocessing:
        batch = zoo.all_rows(train)
        preprocessing = PairPreprocessing.fit(batch, pieces=self.pieces, kind=self.tokeniser)
        if 0 < self.longest < preprocessing.lengths.source:
            self._tell_of_over_long(preprocessing.sizes(batch)[:, 0])
        return preprocessing

    def _tell_of_over_long(self, lengths: np.ndarray) -> None:
        """Say how many training pairs are over-long, as they do not train.

        Args:
            lengths: of their sources in tokens, int64 [pairs].

        Raises:
            ConfigError: all are.
        """
        count = int((lengths > self.longest).sum())
        if count == len(lengths):
            raise zoo.ConfigError(
                f"task.longest is {self.longest}, and no training pair has a source so short.",
                hint=f"Half of them have up to {np.median(lengths):.0f} tokens; 0 trains on all.",
            )
        _log.warning(
            f"{count:,} of {len(lengths):,} training pairs do not train, as their sources have "
            f"more than task.longest = {self.longest} tokens, up to {lengths.max()}. Raise it, or "
            "cut their texts into sentences."
        )

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        tokens = float(space.arrays["tokens"])
        return SmoothedCrossEntropy(self.label_smoothing, tokens, self.agreement)

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        """Return examples with over-long sources in parts; see `zoo_translation.parts`."""
        return cut_examples(examples, preprocessing.tokeniser, self._longest(preprocessing))

    def predictor(
        self, model: keras.Model, preprocessing: Any
    ) -> Callable[[zoo.Batch], dict[str, np.ndarray]]:
        """Return beam search; validation in training decodes as predicting does."""
        translate = translator(
            model,
            beams=self.beams,
            length_penalty=self.length_penalty,
            longest=2 * self._longest(preprocessing) + 10,
        )

        def predict(inputs: zoo.Batch) -> dict[str, np.ndarray]:
            pieces, scores = translate(inputs["source"])
            return {"pieces": pieces, "scores": scores}

        return predict

    def _longest(self, preprocessing: PairPreprocessing) -> int:
        return self.longest or max(preprocessing.lengths.source, _SHORT)

    def reduce(self, outputs: zoo.Batch, preprocessing: zoo.Preprocessing) -> zoo.Batch:
        """Return `pieces` without padding, object column of int32 [beams, L], and `scores`."""
        pieces = (each[:, (each != PAD).any(axis=0)] for each in outputs["pieces"])
        return {"pieces": zoo.object_column(pieces), "scores": outputs["scores"]}

    def restore(
        self, outputs: zoo.Batch, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return translations as text, those of the parts of a source as one."""
        beams = outputs["scores"].shape[1]
        texts = preprocessing.tokeniser.decode(row for each in outputs["pieces"] for row in each)
        found: list[list[list[tuple[str, float]]]] = [[] for _ in examples["source"]]
        rows = windows.get("example", np.arange(len(windows["source"])))
        for number, (row, scores) in enumerate(zip(rows, outputs["scores"].tolist(), strict=True)):
            some = texts[number * beams : (number + 1) * beams]
            found[row].append(_distinct(zip(some, scores, strict=True)))
        ranked = [
            _whole(parts) if source.strip() else [("", 0.0)]
            for source, parts in zip(examples["source"], found, strict=True)
        ]
        return {
            "text": zoo.object_column(each[0][0] for each in ranked),
            "score": np.array([each[0][1] for each in ranked], np.float32),
            "alternatives": zoo.object_column(ranked),
            "parts": np.array([len(each) for each in found], np.int64),
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
        [translation, source]; None for a blank line, and for a source that was cut in parts.
        """
        tokeniser = preprocessing.tokeniser

        def aligned(source: str, text: str, parts: int) -> figures.Alignment | None:
            read, written = tokeniser.encode([source, text])
            if parts > 1 or not len(written):
                return None
            names = [
                [tokeniser.pieces[each].replace(SPACE, " ").strip() for each in pieces]
                for pieces in (read, written)
            ]
            weights = alignments(model, np.append(read, END).astype(np.int32), written)
            return {"source": names[0], "translation": names[1], "weights": weights[:, :-1]}

        columns = (batch["source"], predictions["text"], predictions["parts"])
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
            if self.alternatives:
                others = predictions["alternatives"][row][1 : self.alternatives + 1]
                record["alternatives"] = [
                    {"translation": text, "score": round(score, 4)} for text, score in others
                ]
            if "alignment" in predictions:
                record["alignment"] = predictions["alignment"][row]
            yield record

    def files(
        self,
        batch: zoo.Batch,
        predictions: zoo.Batch,
        folder: Path,
        preprocessing: zoo.Preprocessing,
    ) -> None:
        """Write `translations.txt`: a line for each example, in order, blank where it is blank."""
        lines = (" ".join(text.splitlines()) + "\n" for text in predictions["text"])
        (folder / "translations.txt").write_text("".join(lines), encoding="utf-8", newline="\n")


def _distinct(ranked: Any) -> list[tuple[str, float]]:
    """Return texts with scores, the best first, each text once; at least one."""
    best: dict[str, float] = {}
    for text, score in ranked:
        if score > _NEVER or not best:
            best.setdefault(text, score)
    return list(best.items())


def _whole(parts: list[list[tuple[str, float]]]) -> list[tuple[str, float]]:
    """Return the ranked translations of a source, given those of its parts.

    That of several parts is made of the best of each, and scores their mean.
    """
    if len(parts) == 1:
        return parts[0]
    texts, scores = zip(*(ranked[0] for ranked in parts), strict=True)
    return [(joined(texts), float(np.mean(scores)))]
