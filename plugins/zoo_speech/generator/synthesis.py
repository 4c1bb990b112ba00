"""Makes speech of sources and filters: a voice and noises, coloured by moving formants.

What is to be said is a score: a target every few milliseconds, of formants and of how loud
each source is. Sources are cut into frames that overlap, each frame is filtered by its own
formants, and the frames are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

from zoo_speech.generator.phones import PHONES, VOWELS, WORDS, Segment
from zoo_speech.generator.voices import Scene, Voice

RATE = 16_000
"""Samples a second at which speech is made."""
HOP = 80
"""Samples between two frames."""

_WINDOW, _FFT = 4 * HOP, 8 * HOP
_NEUTRAL = np.array((500.0, 1500.0, 2500.0))
_HIGHER = (3500.0, 4500.0)
"""Formants that move little, and make a voice sound like one."""
_BANDWIDTHS = np.array((70.0, 100.0, 150.0, 220.0, 300.0))
_NASAL = 2.5
"""By what an open nose widens formants."""
_AMPLITUDE_SECONDS = 0.015
"""Within which sources become loud or fade."""


class Placed(NamedTuple):
    """A segment as one speaker says it once.

    Attributes:
        segment: what is said.
        frames: for how long.
        formants: of the speaker, Hz [3].
        loudness: what its amplitudes are multiplied by.
    """

    segment: Segment
    frames: int
    formants: np.ndarray
    loudness: float = 1.0


@dataclass(frozen=True)
class Score:
    """What is to be said by whom, and how it is recorded."""

    voice: Voice
    scene: Scene
    segments: Sequence[Placed]

    @property
    def frames(self) -> int:
        """How long it is."""
        return sum(each.frames for each in self.segments)


def compose(words: Sequence[str], voice: Voice, scene: Scene, rng: np.random.Generator) -> Score:
    """Return the score of words that are said one after the other.

    Args:
        words: of :data:`zoo_speech.generator.phones.WORDS`.
        voice: who says them.
        scene: how they are recorded.
        rng: the only source of chance.
    """
    segments = [_pause(scene.before)]
    tempo = voice.tempo * np.exp(rng.normal(0, 0.1))
    for number, word in enumerate(words):
        if number:
            segments.append(_pause(rng.choice([0.0, 0.02, rng.exponential(0.15)])))
        last = number == len(words) - 1
        segments += _word(word, voice, tempo * (1.0 if last else 1.15), rng)
    return Score(voice, scene, [*segments, _pause(scene.after)])


def synthesise(score: Score, rng: np.random.Generator) -> np.ndarray:
    """Return speech, float32 [score.frames * HOP], within -1 and 1."""
    counts = [each.frames for each in score.segments]
    targets = np.array([np.multiply(each.segment[2:5], each.loudness) for each in score.segments])
    voice, breath, noise = _smooth(np.repeat(targets, counts, 0), _AMPLITUDE_SECONDS).T
    formants = _formant_tracks(score, counts)
    samples = score.frames * HOP
    pulses = _pulses(score.voice, _pitch(score.voice, voice, rng), rng)
    white = rng.normal(0, 1, (2, samples))
    open_glottis = score.voice.breathiness * (0.3 + np.abs(pulses))
    at_glottis = pulses * _by_sample(voice)
    at_glottis += white[0] * (open_glottis * _by_sample(voice) + _by_sample(breath))
    nasal = np.repeat([each.segment.nasal for each in score.segments], counts)
    coloured = _filtered(at_glottis, _tract(score.voice, formants, nasal))
    hiss = _filtered(white[1] * _by_sample(noise), _narrow_place(score, counts))
    loud = np.repeat(voice > 0.5 * voice.max(), HOP)
    level = np.sqrt(np.mean(coloured[loud] ** 2))
    return _recorded(coloured / (level + 1e-9) + score.voice.hiss * hiss, score.scene, rng)


# Score -----------------------------------------------------------------------------------


def _word(word: str, voice: Voice, tempo: float, rng: np.random.Generator) -> list[Placed]:
    ways = WORDS[word]
    phones = ways[voice.ways % len(ways)].split()
    placed: list[Placed] = []
    fading = rng.uniform(0, 20)
    for number, phone in enumerate(phones):
        # Most words lose their breath towards the end.
        loudness = 10 ** (-fading / 20 * (number / len(phones)) ** 1.5)
        stretch = np.exp(rng.normal(0, 0.12)) / tempo
        stretch *= 1.25 if number == len(phones) - 1 else 1.0
        own = voice.accent[phone] * np.exp(rng.normal(0, 0.03, 3)) * voice.tract
        for segment in PHONES[phone]:
            formants = np.array(segment.formants)
            if phone in VOWELS:
                formants = _NEUTRAL + voice.reach * (formants - _NEUTRAL)
            seconds = segment.seconds * (stretch if segment.free else 1.0)
            placed.append(Placed(segment, _frames(seconds), formants * own, loudness))
    if phones[-1] in ("T", "P", "K", "D") and rng.random() < 0.3:
        placed = placed[:-2]  # the stop is not released
    return placed


def _pause(seconds: float) -> Placed:
    return Placed(Segment(seconds, (500, 1500, 2500)), _frames(seconds), _NEUTRAL)


def _frames(seconds: float) -> int:
    return max(round(seconds * RATE / HOP), 1)


def _formant_tracks(score: Score, counts: Sequence[int]) -> np.ndarray:
    """Return five formants of each frame, Hz [frames, 5], which move on to the next target."""
    own = np.repeat([each.formants for each in score.segments], counts, 0)
    higher = np.full((len(own), len(_HIGHER)), _HIGHER) * score.voice.tract
    return np.concatenate([_smooth(own, score.voice.closeness), higher], axis=1)


def _smooth(tracks: np.ndarray, seconds: float) -> np.ndarray:
    size = _frames(seconds)
    return uniform_filter1d(uniform_filter1d(tracks, size, axis=0), max(size // 2, 1), axis=0)


def _by_sample(track: np.ndarray) -> np.ndarray:
    """Return values of frames [frames] as values of samples [frames * HOP]."""
    frames = np.arange(len(track) * HOP) / HOP - 0.5
    return np.interp(frames, np.arange(len(track)), track)


# Sources ---------------------------------------------------------------------------------


def _pitch(voice: Voice, loudness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the pitch of each sample, Hz: it rises a little and falls at the end."""
    time = np.linspace(0, 1, len(loudness))
    shape = rng.choice([0.3, 0.6, 1.0]) * np.sin(np.pi * time ** rng.uniform(0.5, 1.2))
    fall = rng.normal(0.5, 0.4) * time
    drift = _smooth(rng.normal(0, 1, len(time)), 0.04) * voice.roughness
    octaves = rng.normal(0, 0.08) + voice.melody * (shape - fall) + drift
    jitter = 1 + voice.roughness * rng.normal(0, 1, len(time))
    return _by_sample(voice.pitch * 2.0**octaves * jitter)


def _pulses(voice: Voice, pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the derivative of the flow through the glottis, after Rosenberg (1971)."""
    phase = (rng.random() + np.cumsum(pitch) / RATE) % 1.0
    rise, end = 0.66 * voice.openness, voice.openness
    rising = 0.5 - 0.5 * np.cos(np.pi * phase / rise)
    falling = np.cos(0.5 * np.pi * (phase - rise) / (end - rise))
    flow = np.where(phase < rise, rising, np.where(phase < end, falling, 0.0))
    derivative = np.diff(flow, prepend=flow[:1])
    return derivative / (derivative.std() + 1e-9)


# Filters ---------------------------------------------------------------------------------


def _frequencies() -> np.ndarray:
    return np.fft.rfftfreq(_FFT, 1 / RATE)


def _tract(voice: Voice, formants: np.ndarray, nasal: np.ndarray) -> np.ndarray:
    """Return the response of the vocal tract in each frame, complex [frames, frequencies]."""
    wide = np.where(nasal[:, None], _NASAL, 1.0)
    response = np.ones((len(formants), len(_frequencies())), complex)
    for centre, width in zip(formants.T, _BANDWIDTHS, strict=True):
        response *= _resonance(centre[:, None], width * wide)
    return response * _tilted(_frequencies(), -voice.tilt)


def _resonance(centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return the response of two poles, 1 at 0 Hz; Klatt (1980)."""
    radius = np.exp(-np.pi * width / RATE)
    turn = 2 * radius * np.cos(2 * np.pi * np.minimum(centre, 0.49 * RATE) / RATE)
    delay = np.exp(-2j * np.pi * _frequencies() / RATE)
    return (1 - turn + radius**2) / (1 - turn * delay + radius**2 * delay**2)


def _narrow_place(score: Score, counts: Sequence[int]) -> np.ndarray:
    """Return the response to noise from a narrow place, of unit power [frames, frequencies]."""
    targets = np.array([each.segment[5:7] for each in score.segments], float)
    tracts = np.sqrt(score.voice.tract)
    centre, width = (
        np.repeat(targets, counts, 0).T[:, :, None] * np.array([tracts, 1])[:, None, None]
    )
    response = np.exp(-0.5 * ((_frequencies() - centre) / (0.5 * width)) ** 2)
    return response / np.sqrt(np.mean(response**2, axis=1, keepdims=True))


def _filtered(source: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return a source filtered by the response of each frame, cross-faded between them."""
    frames = len(response)
    padded = np.pad(source, (_WINDOW // 2, _WINDOW))
    starts = np.arange(frames) * HOP + HOP // 2
    pieces = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW + 1)[:-1]
    sounding = np.fft.irfft(np.fft.rfft(pieces, _FFT) * response, _FFT)
    mixed = np.zeros(len(source) + _FFT + _WINDOW)
    # Frames that are a whole FFT apart do not overlap, so each such set is added at once.
    apart = _FFT // HOP
    for first in range(apart):
        rows = sounding[first::apart]
        start = starts[first]
        mixed[start : start + rows.size] += rows.ravel()[: len(mixed) - start]
    return mixed[_WINDOW // 2 :][: len(source)] * 0.5


def _tilted(frequencies: np.ndarray, decibels: float) -> np.ndarray:
    """Return a gain that rises by so many decibels an octave above 500 Hz."""
    return 10 ** (decibels / 20 * np.log2(np.maximum(frequencies, 500) / 500))


# Recording -------------------------------------------------------------------------------


def _recorded(speech: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return speech as a microphone in a room with some noise records it."""
    count = len(speech)
    size = 2 ** int(np.ceil(np.log2(2 * count)))
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    echo = rng.normal(0, 1, count) * 10 ** (-3 * np.arange(count) / (scene.echo * RATE))
    echo *= np.sqrt(scene.wetness / np.sum(echo**2))
    echo[0] += 1
    noise = rng.normal(0, 1, count)
    noise = np.fft.irfft(np.fft.rfft(noise, size) * _tilted(frequencies, -scene.noise_tilt))[:count]
    wet = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(echo, size))[:count]
    loud = np.sqrt(np.mean(speech**2))
    mixed = wet + noise * loud / noise.std() * 10 ** (-scene.signal_to_noise / 20)
    heard = np.fft.irfft(np.fft.rfft(mixed, size) * _microphone(frequencies, scene, rng))[:count]
    return (heard * scene.loudness / np.abs(heard).max()).astype(np.float32)


def _microphone(frequencies: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return the gain of a microphone: a band, and slow waves over the octaves."""
    octaves = np.log2(np.maximum(frequencies, 20) / 20)
    waves = sum(
        np.sin(2 * np.pi * (octaves * cycles + rng.random())) for cycles in (0.1, 0.23, 0.41)
    )
    band = (1 + (scene.low / np.maximum(frequencies, 1)) ** 4) ** -0.5
    band = band * (1 + (frequencies / scene.high) ** 8) ** -0.5
    return band * 10 ** (scene.colour / 20 * waves / 2)
