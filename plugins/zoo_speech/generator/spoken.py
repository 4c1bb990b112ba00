"""A synthetic recording as a reference: made when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import soxr

from zoo_speech.generator.phones import PHONES
from zoo_speech.generator.synthesis import HOP, RATE, Score, compose, synthesise
from zoo_speech.generator.voices import Voice, draw_scene, draw_voice

_SCORE, _SOUND = 0, 1


@dataclass(frozen=True)
class Spoken:
    """Words that are said by a synthetic voice; equal fields, equal recording.

    Attributes:
        words: what is said.
        speaker: number of the voice.
        seed: of all voices.
        index: of the recording, which decides how it is said and recorded.
        rate: samples a second.
    """

    words: tuple[str, ...]
    speaker: int
    seed: int
    index: int
    rate: int

    @property
    def name(self) -> str:
        """A stable name."""
        return f"spoken-{self.seed}-{self.index:06d}"

    @property
    def voice(self) -> Voice:
        """Who says it."""
        return _voice(self.seed, self.speaker)

    @cached_property
    def length(self) -> int:
        """Samples, known without making them."""
        return max(round(self._score().frames * HOP * self.rate / RATE), 1)

    def read(self, start: int = 0, end: int | None = None) -> np.ndarray:
        """See :meth:`zoo_speech.audio.recording.Sound.read`."""
        sound = synthesise(self._score(), self._rng(_SOUND))
        if self.rate != RATE:
            sound = np.clip(soxr.resample(sound, RATE, self.rate), -1, 1)
        return np.pad(sound, (0, max(self.length - len(sound), 0)))[: self.length][start:end]

    def _score(self) -> Score:
        rng = self._rng(_SCORE)
        return compose(self.words, self.voice, draw_scene(rng), rng)

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.index, purpose])


@lru_cache(maxsize=1024)
def _voice(seed: int, speaker: int) -> Voice:
    return draw_voice(seed, speaker, list(PHONES))
