"""From recordings to what networks take: sound, padded, and how long it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

import zoo
from zoo_speech.text import TextForm, Units, encoded, places

_PIECES = 8
"""Pieces of a stretch that an explanation silences one by one."""
_FRAMES = 100
"""Frames a second, in which the size of an example is counted."""


@dataclass(frozen=True, kw_only=True)
class KeywordPreprocessing(zoo.ClassPreprocessing):
    """Cuts stretches of one length out of recordings; short ones are padded at the end.

    Attributes:
        rate: samples a second.
        length: of a stretch, samples.
    """

    rate: int
    length: int

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"sound": zoo.Tensor((self.length,)), "length": zoo.Tensor((), "int32")}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"rate": np.array(self.rate)}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        """Return `sound`, float32 [batch, samples], and `length`, int32 [batch] samples."""
        starts = batch.get("start", np.zeros(len(batch["recording"]), np.int64))
        sounds = [
            recording.read(int(start), int(start) + self.length)
            for recording, start in zip(batch["recording"], starts, strict=True)
        ]
        return _padded(sounds, self.length)

    def seen(self, batch: zoo.Batch) -> np.ndarray:
        """Return how much of each row the network sees, int64 [batch] samples."""
        return np.clip(batch["length"] - batch.get("start", 0), 1, self.length)

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Silence pieces of the first stretch, one after the other."""
        inputs = self.inputs(batch)
        edges = np.linspace(0, self.length, _PIECES + 1).astype(int)
        for start, end in pairwise(edges):
            sound = inputs["sound"].copy()
            sound[:, start:end] = 0
            name = f"{start / self.rate:.2f} s to {end / self.rate:.2f} s"
            there = inputs["length"] > start
            yield np.where(there, name, "").astype(object), {**inputs, "sound": sound}


@dataclass(frozen=True, kw_only=True)
class SpeakerPreprocessing(zoo.ClassPreprocessing):
    """Pads whole recordings, or windows of long ones; the class is the speaker.

    Attributes:
        rate: samples a second.
        longest: samples that a network is given at once in training, at most; 0 if unknown.
    """

    rate: int
    longest: int = 0

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return _VARIABLE

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"rate": np.array(self.rate), "longest": np.array(self.longest)}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return padded_sounds(batch)

    def seen(self, batch: zoo.Batch) -> np.ndarray:
        """Return how much of each row the network sees, int64 [batch] samples."""
        return batch["length"]

    def sizes(self, batch: zoo.Batch) -> np.ndarray:
        return _frames(batch, self.rate)

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return the place of each example's speaker, int32 [batch].

        Raises:
            DataError: a speaker is not among those of the training split.
        """
        names = speakers(batch)
        if unknown := sorted(set(names) - set(self.classes)):
            raise zoo.DataError(
                f"Nothing in train is of {unknown[0]!r}, who is to be recognised in another split.",
                hint="Split by examples: --set data.split_by=example",
            )
        return super().targets({"label": names})


@dataclass(frozen=True, kw_only=True)
class TranscriptPreprocessing(zoo.Preprocessing):
    """Pads whole recordings, or windows of long ones, and spells their texts.

    Attributes:
        rate: samples a second.
        alphabet: what the network writes, without the blank.
        pieces: mean number of these in a text of the training split.
        units: whether these are characters or words.
        form: of normalised text.
        window: how long recordings are that the network sees whole, unless the task says, s.
        longest: samples that a network is given at once in training, at most; 0 if unknown.
    """

    rate: int
    alphabet: tuple[str, ...]
    pieces: float = 1.0
    window: float = 20.0
    longest: int = 0
    units: Units = "characters"
    form: TextForm = field(default_factory=TextForm)

    @property
    def space(self) -> zoo.Space:
        classes = ("", *self.alphabet)
        return zoo.Space(
            inputs=_VARIABLE,
            outputs={"logits": zoo.Tensor((None, len(classes)), names=classes)},
            classes=classes,
            arrays={
                "rate": np.array(self.rate),
                "pieces": np.array(self.pieces),
                "longest": np.array(self.longest),
            },
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return padded_sounds(batch)

    def seen(self, batch: zoo.Batch) -> np.ndarray:
        """Return how much of each row the network sees, int64 [batch] samples."""
        return batch["length"]

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return the texts as places in `space.classes`, int32 [batch, longest], 0 for padding."""
        numbers = places(self.alphabet)
        texts = [encoded(self.form.normalised(text), numbers, self.units) for text in batch["text"]]
        found = np.zeros((len(texts), max(1, *map(len, texts))), np.int32)
        for row, text in zip(found, texts, strict=True):
            row[: len(text)] = text
        return found

    def weights(self, batch: zoo.Batch) -> np.ndarray | None:
        """Return 0 for windows whose own text is not known; see `Transcribe.windows`."""
        known = batch.get("known")
        return None if known is None else known.astype(np.float32)

    def sizes(self, batch: zoo.Batch) -> np.ndarray:
        return _frames(batch, self.rate)

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "preprocessing.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        state: dict[str, Any] = json.loads((folder / "preprocessing.json").read_text("utf-8"))
        form, alphabet = TextForm(**state.pop("form")), tuple(state.pop("alphabet"))
        return cls(form=form, alphabet=alphabet, **state)


def padded_sounds(batch: zoo.Batch) -> zoo.Batch:
    """Return whole recordings: `sound`, float32 [batch, longest], and `length`, int32 [batch]."""
    sounds = [recording.read() for recording in batch["recording"]]
    return _padded(sounds, max(map(len, sounds)))


def _padded(sounds: Sequence[np.ndarray], length: int) -> zoo.Batch:
    """Return sounds with zeros at the end, and how long each was."""
    found = np.zeros((len(sounds), length), np.float32)
    for row, sound in zip(found, sounds, strict=True):
        row[: len(sound)] = sound
    return {"sound": found, "length": np.array([len(each) for each in sounds], np.int32)}


def speakers(batch: zoo.Batch) -> np.ndarray:
    """Return who speaks: the column `speaker`, or else `label`; object [batch]."""
    return batch["speaker"] if "speaker" in batch else batch["label"]


_VARIABLE = {"sound": zoo.Tensor((None,)), "length": zoo.Tensor((), "int32")}


def _frames(batch: zoo.Batch, rate: int) -> np.ndarray:
    """Return how long recordings are in hundredths of a second, int64 [batch]."""
    return np.maximum(-(-batch["length"].astype(np.int64) * _FRAMES // rate), 1)
