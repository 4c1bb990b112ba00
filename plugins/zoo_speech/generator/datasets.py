"""Generated recordings, which try out a recogniser without any data and pretrain one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from zoo import (
    Batch,
    Columns,
    ConfigError,
    Data,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    fingerprint,
    nearest,
    object_column,
    setting,
)
from zoo_speech.data.checks import class_counts, spoken_alphabet
from zoo_speech.data.datasets import AudioFiles, Recordings, Transcripts
from zoo_speech.generator.phones import DIGITS, WORDS
from zoo_speech.generator.spoken import Spoken

_VERSION = 1
"""Rises when equal settings give other recordings."""

_SPLITS = {"train": (0, 1, 2, 3, 4, 5, 6, 7), "validation": (8,), "test": (9,)}
"""The last digits of the voices, or examples, in each split: asking for more moves none."""

_WORDS = 3
"""What the generator of the words of a recording is keyed by, beside seed and index."""


@dataclass(frozen=True, kw_only=True)
class GeneratedSpeech(Dataset):
    """Speech that is synthesised when it is read. A subclass says which words.

    Examples have `id`; `recording`, a :class:`zoo_speech.generator.spoken.Spoken`; `length`,
    int64 samples; and `speaker` and `group`, the name of the voice.

    Class attributes:
        title: what the examples are called in reports.
    """

    title: ClassVar[str]

    count: int = setting(
        3000, "How many recordings, all splits together.", minimum=20, maximum=10_000_000
    )
    voices: int = setting(40, "How many voices, all splits together.", minimum=10, maximum=100_000)
    words: tuple[str, ...] = setting(DIGITS, "Which words are said.")
    rate: int = setting(16_000, "Samples a second.", minimum=2000, maximum=192_000)
    split_by: Literal["speaker", "example"] = setting(
        "speaker", "Whether each voice is in one split alone, or in all of them."
    )

    @abstractmethod
    def draw_words(self, rng: np.random.Generator) -> tuple[str, ...]:
        """Return what is said in one recording."""

    @abstractmethod
    def said(self, words: Sequence[tuple[str, ...]]) -> Batch:
        """Return the columns of what is said in recordings."""

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """Return further facts for `DatasetInfo.facts`."""

    @abstractmethod
    def reader(self) -> AudioFiles:
        """Return what reads the user's own files with a model that was trained on these."""

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`.

        Raises:
            ConfigError: there are words that the voices cannot say.
        """
        self._check_words()
        columns = self._columns(seed)
        index = np.arange(self.count)
        voice, turn = index % self.voices, index // self.voices
        digit = (voice if self.split_by == "speaker" else voice + turn) % 10
        splits = {
            name: {key: column[np.isin(digit, last)] for key, column in columns.items()}
            for name, last in _SPLITS.items()
        }
        facts = {"rate": self.rate, **self.facts()}
        classes = facts.get("classes", ())
        info = DatasetInfo(
            name=self.title,
            source="generator",
            fingerprint=fingerprint(type(self).__name__, _VERSION, asdict(self), seed),
            counts={name: len(split["id"]) for name, split in splits.items()},
            classes=class_counts(splits, classes) if classes else {},
            facts=facts,
        )
        return Data(splits={name: Columns(each) for name, each in splits.items()}, info=info)

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """Return nothing: what is generated has no faults of its own."""
        return []

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's own recordings."""
        return self.reader().read(path, cache=cache)

    def read_labelled(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's own recordings to measure on."""
        return self.reader().read_labelled(path, cache=cache)

    def _check_words(self) -> None:
        for word in self.words:
            if word not in WORDS:
                raise ConfigError(
                    f"data.words has {word!r}, which the voices cannot say.",
                    hint=nearest(word, WORDS) or f"They say {', '.join(WORDS)}.",
                )
        if len(set(self.words)) < 2:
            raise ConfigError("data.words needs two different words or more.")

    def _columns(self, seed: int) -> Batch:
        spoken = [
            Spoken(
                words=self.draw_words(np.random.default_rng([seed, index, _WORDS])),
                speaker=index % self.voices,
                seed=seed,
                index=index,
                rate=self.rate,
            )
            for index in range(self.count)
        ]
        speakers = object_column(each.voice.name for each in spoken)
        return {
            "id": object_column(each.name for each in spoken),
            "recording": object_column(spoken),
            "length": np.array([each.length for each in spoken], np.int64),
            "speaker": speakers,
            "group": speakers,
            **self.said([each.words for each in spoken]),
        }


@dataclass(frozen=True, kw_only=True)
class Voices(GeneratedSpeech):
    """Single words, said by synthetic voices; `label` is the word."""

    title: ClassVar[str] = "generated words"

    def draw_words(self, rng: np.random.Generator) -> tuple[str, ...]:
        return (self.words[rng.integers(len(self.words))],)

    def said(self, words: Sequence[tuple[str, ...]]) -> Batch:
        return {"label": object_column(word for (word,) in words)}

    def facts(self) -> Mapping[str, Any]:
        return {"classes": list(self.words)}

    def reader(self) -> AudioFiles:
        return Recordings(classes=self.words, rate=self.rate)


@dataclass(frozen=True, kw_only=True)
class KnownVoices(Voices):
    """Single words of voices that are in all splits, so that the voices can be recognised."""

    split_by: Literal["speaker", "example"] = setting(
        "example", "Whether each voice is in one split alone, or in all of them."
    )


@dataclass(frozen=True, kw_only=True)
class Sentences(GeneratedSpeech):
    """Words said one after the other by synthetic voices; `text` has a space between two."""

    title: ClassVar[str] = "generated strings of words"

    least: int = setting(1, "Fewest words of a recording.", minimum=1, maximum=100)
    most: int = setting(7, "Most words of a recording.", minimum=1, maximum=100)

    def draw_words(self, rng: np.random.Generator) -> tuple[str, ...]:
        count = rng.integers(self.least, self.most + 1)
        return tuple(self.words[each] for each in rng.integers(len(self.words), size=count))

    def said(self, words: Sequence[tuple[str, ...]]) -> Batch:
        return {"text": object_column(" ".join(each) for each in words)}

    def facts(self) -> Mapping[str, Any]:
        return {"alphabet": list(spoken_alphabet([" ".join(self.words)]))}

    def reader(self) -> AudioFiles:
        return Transcripts(alphabet="".join(self.facts()["alphabet"]), rate=self.rate)

    def _check_words(self) -> None:
        super()._check_words()
        if self.least > self.most:
            raise ConfigError(
                f"data.least = {self.least} is more than data.most = {self.most}.",
                hint="Lower data.least or raise data.most.",
            )
