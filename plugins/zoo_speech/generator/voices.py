"""Synthetic voices: what differs from one speaker and one recording to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FORMANTS = 3


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Attributes:
        name: of the speaker.
        pitch: mean, Hz.
        tract: what formants of a man are multiplied by; a short vocal tract has high ones.
        tempo: how fast the speaker is, 1 for as fast as others.
        breathiness: amplitude of the noise at the glottis while the voice sounds.
        hiss: what the noise of consonants is multiplied by.
        openness: share of a period in which the glottis is open.
        tilt: fall of the voice's spectrum beyond the usual, dB an octave.
        melody: how far the pitch rises and falls, octaves.
        roughness: by how much periods differ in length.
        reach: how far formants of vowels lie from the neutral one; below 1 is mumbled.
        closeness: how fast formants move, as seconds in which targets blend.
        accent: what the formants of each kind of sound are multiplied by.
        ways: decides which of several pronunciations of a word the speaker has.
    """

    name: str
    pitch: float
    tract: float
    tempo: float
    breathiness: float
    hiss: float
    openness: float
    tilt: float
    melody: float
    roughness: float
    reach: float
    closeness: float
    accent: dict[str, np.ndarray]
    ways: int


def draw_voice(seed: int, number: int, phones: list[str]) -> Voice:
    """Return a speaker of a seed.

    Args:
        seed: of all speakers.
        number: of this one.
        phones: the sounds that the speaker has an own way to say.
    """
    rng = np.random.default_rng([seed, number, 7])
    low = rng.random() < 0.5
    pitch = rng.normal(115, 20) if low else rng.normal(195, 28)
    tract = rng.normal(1.0, 0.06) if low else rng.normal(1.14, 0.06)
    accent = {each: np.exp(rng.normal(0, (0.07, 0.06, 0.04), _FORMANTS)) for each in phones}
    return Voice(
        name=f"voice-{number:03d}",
        pitch=float(np.clip(pitch, 75, 280)),
        tract=float(np.clip(tract, 0.85, 1.35)),
        tempo=float(np.exp(rng.normal(0.1, 0.2))),
        breathiness=float(rng.uniform(0.01, 0.15)),
        hiss=float(np.exp(rng.normal(-0.5, 0.6))),
        openness=float(rng.uniform(0.45, 0.75)),
        tilt=float(rng.uniform(-3, 5)),
        melody=float(rng.uniform(0.05, 0.5)),
        roughness=float(rng.uniform(0.002, 0.025)),
        reach=float(rng.uniform(0.75, 1.1)),
        closeness=float(rng.uniform(0.035, 0.08)),
        accent=accent,
        ways=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class Scene:
    """How a recording is made.

    Attributes:
        before: silence before the first word, seconds.
        after: silence after the last word, seconds.
        loudness: largest sample, 1 for full scale.
        signal_to_noise: of the speech, dB.
        noise_tilt: fall of the noise's spectrum, dB an octave.
        echo: seconds after which the room's echo has faded by 60 dB.
        wetness: energy of the echo beside that of the direct sound.
        low, high: the band that the microphone passes, Hz.
        colour: by how much the microphone and the place colour the spectrum, dB.
    """

    before: float
    after: float
    loudness: float
    signal_to_noise: float
    noise_tilt: float
    echo: float
    wetness: float
    low: float
    high: float
    colour: float


def draw_scene(rng: np.random.Generator) -> Scene:
    """Return how a recording is made."""
    return Scene(
        before=float(rng.exponential(0.06)) + 0.01,
        after=float(rng.exponential(0.06)) + 0.01,
        loudness=float(np.exp(rng.uniform(np.log(0.05), np.log(0.95)))),
        signal_to_noise=float(rng.uniform(12, 50)),
        noise_tilt=float(rng.uniform(0, 6)),
        echo=float(rng.uniform(0.05, 0.4)),
        wetness=float(rng.choice([0.0, rng.uniform(0, 0.4)])),
        low=float(rng.uniform(40, 250)),
        high=float(rng.uniform(3200, 9000)),
        colour=float(rng.uniform(0, 6)),
    )
