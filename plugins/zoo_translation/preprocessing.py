"""From pairs of sentences to numbers of pieces, padded to the longest of a batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

import zoo
from zoo_translation.parts import sentences
from zoo_translation.tokeniser import END, PAD, START, Kind, Tokeniser

_OFTEN = 10
"""Times that the training split has a character which the network learns to read in bytes."""
_USUAL = 0.95
"""Share of sources that may have fewer sentences than a source that stays whole."""


@dataclass(frozen=True)
class Corpus:
    """What is known of the training split.

    Attributes:
        mean: tokens of a target, END included.
        source: tokens of the longest source, END included.
        sentences: of a source; one in twenty may have more.
        languages: codes of both sides, empty where unknown.
        frequent: the characters that come often enough to be learnt, sorted.
    """

    mean: float
    source: int
    sentences: int
    languages: Sequence[str]
    frequent: str


@dataclass(frozen=True)
class PairPreprocessing(zoo.Preprocessing):
    """Cuts both sides of a pair into the pieces of one tokeniser.

    Attributes:
        tokeniser: of both languages.
        corpus: what it was learnt from.
        readings: of each pair in training, 1, or 2 where they have to agree.
    """

    tokeniser: Tokeniser
    corpus: Corpus
    readings: int = 1

    @classmethod
    def fit(
        cls,
        batch: zoo.Batch,
        *,
        pieces: int,
        kind: Kind,
        languages: Sequence[str] = ("", ""),
        readings: int = 1,
    ) -> PairPreprocessing:
        """Learn the tokeniser and what is known of the corpus from the whole training split.

        Args:
            batch: has `source` and `target`.
            pieces: as many as the tokeniser shall have.
            kind: of tokeniser.
            languages: codes of both sides, empty where unknown.
            readings: of each pair in training.

        Raises:
            DataError: there is no text.
            ConfigError: `pieces` are too few.
        """
        sides = [list(batch["source"]), list(batch["target"])]
        tokeniser = Tokeniser.train([*sides[0], *sides[1]], pieces=pieces, kind=kind)
        source, target = (_tokens(tokeniser.encode(texts)) for texts in sides)
        counts = [len(sentences(text, languages[0])) for text in sides[0]]
        letters = Counter(chain(*sides[0], *sides[1]))
        corpus = Corpus(
            mean=float(target.mean()),
            source=int(source.max()),
            sentences=int(np.quantile(counts, _USUAL, method="higher")),
            languages=list(languages),
            frequent="".join(sorted(each for each, n in letters.items() if n >= _OFTEN)),
        )
        return cls(tokeniser, corpus, readings)

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """The characters that the network has learnt to read."""
        return self.tokeniser.alphabet | set(self.corpus.frequent)

    @property
    def space(self) -> zoo.Space:
        pieces = self.tokeniser.pieces
        return zoo.Space(
            inputs={
                "source": zoo.Tensor((None,), "int32"),
                "target": zoo.Tensor((None,), "int32"),
            },
            outputs={"logits": zoo.Tensor((None, len(pieces)), names=pieces)},
            classes=pieces,
            arrays={
                "tokens": np.array(self.corpus.mean, np.float32),
                "readings": np.array(self.readings),
            },
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        """Return `source`, which ends with END, and `target`, which begins with START.

        Examples without targets have START alone.
        """
        source = self.tokeniser.encode(batch["source"])
        target = self._targets(batch)
        return {"source": padded(source, last=(END,)), "target": padded(target, first=(START,))}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return what follows each piece of the input `target`: int32 [batch, T], END last."""
        return padded(self._targets(batch), last=(END,))

    def weights(self, batch: zoo.Batch) -> np.ndarray | None:
        """Return 0 for windows whose translation is not known; see `zoo_translation.windows`."""
        known = batch.get("known")
        return None if known is None else np.asarray(known, np.float32)

    def sizes(self, batch: zoo.Batch) -> np.ndarray:
        """Return the tokens of source and target, int64 [batch, 2], END or START included."""
        source = _tokens(self.tokeniser.encode(batch["source"]))
        return np.stack([source, _tokens(self._targets(batch))], axis=1)

    def _targets(self, batch: zoo.Batch) -> list[np.ndarray]:
        if "target" not in batch:
            return [np.zeros(0, np.int32)] * len(batch["source"])
        return self.tokeniser.encode(batch["target"])

    def save(self, folder: Path) -> None:
        self.tokeniser.save(folder)
        known = {"corpus": asdict(self.corpus), "readings": self.readings}
        text = json.dumps(known, indent=1, ensure_ascii=False)
        (folder / "pairs.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        known = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        return cls(Tokeniser.load(folder), Corpus(**known["corpus"]), known["readings"])


def padded(
    sequences: Sequence[np.ndarray], *, first: Sequence[int] = (), last: Sequence[int] = ()
) -> np.ndarray:
    """Return sequences of pieces as one array, int32 [sequences, longest], PAD at the end.

    Args:
        sequences: int32 [pieces] each.
        first: what to put before each.
        last: what to put after each.
    """
    longest = max(map(len, sequences), default=0) + len(first) + len(last)
    found = np.full((len(sequences), longest), PAD, np.int32)
    for row, pieces in zip(found, sequences, strict=True):
        whole = [*first, *pieces, *last]
        row[: len(whole)] = whole
    return found


def _tokens(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Return the lengths of sequences with one piece more, int64 [sequences]."""
    return np.array([len(each) + 1 for each in sequences], np.int64)
