"""Small recordings and folders of them, for tests of the speech plugin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 8000


def tone(seed: int, seconds: float = 0.3, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Return a tone with some noise, float32 [samples] or [samples, channels]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sound = 0.4 * np.sin(2 * np.pi * rng.uniform(150, 900) * time) + rng.normal(0, 0.02, len(time))
    return np.repeat(sound[:, None], channels, 1).squeeze().astype(np.float32)


def write(path: Path, sound: np.ndarray, rate: int = RATE, **options: Any) -> Path:
    """Write a recording, in the format that its name ends with; in 16 bits by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not options and path.suffix in (".wav", ".flac"):  # which round floats in two ways
        sound = np.round(np.clip(sound, -1, 1) * 32_767).astype(np.int16)
    soundfile.write(path, sound, rate, **options)
    return path


def write_digits(folder: Path, speakers: int = 6, words: int = 2, turns: int = 3) -> Path:
    """Write recordings called `WORD_SPEAKER_TURN.wav`, such as `1_anna3_0.wav`."""
    for number in range(speakers * words * turns):
        word, rest = number % words, number // words
        name = f"{word}_anna{rest % speakers}_{rest // speakers}.wav"
        write(folder / name, tone(number))
    return folder


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
