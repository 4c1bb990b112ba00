"""A SentencePiece tokeniser: text to numbers of pieces and back, learnt on the user's text.

One tokeniser reads both sides. Text is not normalised, so what is decoded is what was encoded;
runs of spaces alone become one. A character that the training text hardly had is spelt in the
bytes of UTF-8, so any script and emoji survive.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
import sentencepiece

import zoo

PAD, UNKNOWN, START, END = range(4)
"""Numbers of the pieces that stand for no text; PAD is 0, as the core pads with 0."""

SPACE = "\u2581"
"""What stands for a space in the names of pieces."""

Kind: TypeAlias = Literal["unigram", "bpe"]

_FILE = "sentencepiece.model"
_SENTENCES = 2_000_000
"""Most sentences a tokeniser is trained on; of more, that many at even distances."""
_COVERAGE = 0.9999
"""Share of the characters of the training text that have a piece; the others become bytes."""
_LONGEST = 1 << 20
"""Bytes; the trainer skips a longer sentence."""


@dataclass(frozen=True)
class Tokeniser:
    """Text to numbers of pieces and back.

    Attributes:
        model: the SentencePiece model, serialised.
    """

    model: bytes

    @classmethod
    def train(
        cls, texts: Sequence[str], *, pieces: int = 8_000, kind: Kind = "unigram"
    ) -> Tokeniser:
        """Learn pieces of text; equal text gives an equal tokeniser.

        Args:
            texts: sentences of both sides.
            pieces: how many there shall be, bytes and the four of no text among them. A text
                that has not so many gives fewer.
            kind: `unigram` (arXiv:1804.10959) or `bpe` (arXiv:1508.07909).

        Raises:
            DataError: there is no text.
            ConfigError: the characters alone are more than `pieces`.
        """
        if not any(text.strip() for text in texts):
            raise zoo.DataError(
                "There is no text to learn a tokeniser from.",
                hint="Give pairs of sentences that are not empty.",
            )
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts[:: -(-len(texts) // _SENTENCES)]),
                model_writer=model,
                model_type=kind,
                vocab_size=pieces,
                hard_vocab_limit=False,
                byte_fallback=True,
                character_coverage=_COVERAGE,
                normalization_rule_name="identity",
                max_sentence_length=_LONGEST,
                # Sums of floats depend on how many threads share them.
                num_threads=1,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                unk_surface="",
                minloglevel=2,
            )
        except RuntimeError as error:
            if "required_chars" not in str(error):
                raise
            raise zoo.ConfigError(
                f"task.pieces is {pieces}, but bytes and the letters of the text are more.",
                hint="Set task.pieces to 1,000 or more; 8,000 is usual.",
            ) from error
        return cls(model.getvalue())

    @cached_property
    def _processor(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Names of the pieces, by number."""
        return tuple(self._processor.id_to_piece(list(range(len(self._processor)))))

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """The characters that are not spelt in bytes."""
        names = (
            name
            for number, name in enumerate(self.pieces)
            if not (self._processor.is_byte(number) or self._processor.is_control(number))
        )
        return frozenset("".join(names)) - {SPACE}

    def encode(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Return the pieces of each text, int32 [pieces], without START and END."""
        encoded = self._processor.encode(list(texts), out_type=int)
        return [np.array(each, np.int32) for each in encoded]

    def decode(self, pieces: Iterable[np.ndarray]) -> list[str]:
        """Return the text of each sequence of pieces, up to its END; padding is no text."""
        return self._processor.decode([before_end(each).tolist() for each in pieces])

    def save(self, folder: Path) -> None:
        """Write `sentencepiece.model`."""
        (folder / _FILE).write_bytes(self.model)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls((folder / _FILE).read_bytes())


def before_end(pieces: np.ndarray) -> np.ndarray:
    """Return a sequence of pieces up to its first END, without padding."""
    ends = np.flatnonzero(pieces == END)
    kept = pieces[: ends[0]] if len(ends) else pieces
    return kept[kept != PAD]
