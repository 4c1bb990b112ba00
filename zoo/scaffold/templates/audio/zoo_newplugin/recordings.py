"""Recordings as references: cheap to hold, read when an example is encoded."""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zoo
from scipy.io import wavfile
from scipy.signal import resample_poly

_DAMAGED = "Copy or download it again, or remove it."


@dataclass(frozen=True)
class WavFile:
    """A recording in a WAV file of any rate, depth and number of channels.

    Attributes:
        path: of the file.
        rate: at which it is read, samples a second.
    """

    path: Path
    rate: int

    def read(self) -> np.ndarray:
        """Return the mean of the channels, float32 [samples], from -1 to 1.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        try:
            with warnings.catch_warnings():  # of chunks that hold no sound
                warnings.simplefilter("ignore", wavfile.WavFileWarning)
                rate, samples = wavfile.read(self.path)
        except (OSError, ValueError, EOFError, struct.error) as error:
            message = f"{self.path.name} cannot be read as a WAV file: {error}."
            raise zoo.DataError(message, hint=_DAMAGED) from error
        if not len(samples):
            raise zoo.DataError(f"{self.path.name} holds no sound.", hint=_DAMAGED)
        mono = _unit(samples).reshape(len(samples), -1).mean(axis=1)
        if not np.all(np.isfinite(mono)):
            raise zoo.DataError(f"{self.path.name} holds values that are no numbers.")
        common = math.gcd(rate, self.rate)
        resampled = resample_poly(mono, self.rate // common, rate // common)
        return resampled.astype(np.float32)


@dataclass(frozen=True)
class Whistle:
    """A whistle in noise, made when it is read; equal fields, equal recording.

    Attributes:
        kind: falling, rising, steady or warbling.
        seed: decides pitch, loudness, place and noise.
        rate: samples a second.
        seconds: of the recording.
    """

    kind: str
    seed: int
    rate: int
    seconds: float

    def read(self) -> np.ndarray:
        """Return the recording, float32 [samples]."""
        rng = np.random.default_rng(self.seed)
        time = np.arange(int(self.rate * self.seconds)) / self.rate
        pitch = rng.uniform(0.1, 0.16) * self.rate
        sweep = rng.uniform(0.3, 0.6) * pitch
        share = time / self.seconds - 0.5
        hertz = {
            "falling": pitch - sweep * share,
            "rising": pitch + sweep * share,
            "steady": np.full(len(time), pitch),
            "warbling": pitch + sweep / 2 * np.sin(2 * np.pi * rng.uniform(4, 8) * time),
        }[self.kind]
        whistle = np.sin(2 * np.pi * np.cumsum(hertz) / self.rate + rng.uniform(0, 2 * np.pi))
        noise = rng.normal(0, rng.uniform(0.1, 0.5), len(time))
        return (rng.uniform(0.1, 0.5) * (whistle + noise)).astype(np.float32)


def _unit(samples: np.ndarray) -> np.ndarray:
    """Bring samples of any depth to -1 to 1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    return samples / -float(np.iinfo(samples.dtype).min)
