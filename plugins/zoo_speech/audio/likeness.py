"""Finds recordings that are the same, though one is compressed, cut a little or louder.

Candidates have pictures alike: the loudness of a few bands over time, from where the sound
begins to where it ends, in decibels below the loudest. A candidate counts if the samples
themselves, laid over each other, agree, since a speaker may well say a word twice in a way
that no picture so small tells apart.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.ndimage import uniform_filter1d

from zoo import near_copies
from zoo_speech.audio.recording import Sound

SIDE = 16
"""Bands, and stretches of time, of a picture."""
SECONDS = 60.0
"""As much of a recording, from its begin, is compared."""

_RATE = 8000
"""Samples a second at which recordings are compared."""
_LOWEST, _HIGHEST = 100.0, 3600.0
"""Hz between which they are compared: what recordings of any rate have."""
_WINDOW, _HOP = 256, 64
"""Samples that a spectrum is of, and from one to the next."""
_LOUD_FOR, _LOUD = 80, 0.01
"""Samples, and share of the largest energy in so many: from there on there is sound."""
_RANGE = 4.0
"""Powers of ten between black and white."""
_LIKENESS = 0.92
"""Correlation of samples from which they are of one recording."""
_MOST = 50_000
"""Candidates whose samples are compared."""


def picture(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return how loud which frequencies are when, whatever the rate and gain.

    Args:
        samples: float32 [samples].
        rate: samples a second.

    Returns:
        uint8 [SIDE, SIDE], bands and time; zeros where nothing is heard.
    """
    voice = _voice(samples, rate)
    energy = uniform_filter1d(voice.astype(np.float64) ** 2, _LOUD_FOR)
    loud = np.flatnonzero(energy >= _LOUD * energy.max())
    sound = np.pad(voice[loud[0] : loud[-1] + 1], _WINDOW // 2)
    frames = sliding_window_view(sound, _WINDOW)[::_HOP] * np.hanning(_WINDOW).astype(np.float32)
    powers = np.abs(fft.rfft(frames)) ** 2 @ _bands()
    summed = np.pad(np.cumsum(powers, axis=0), ((1, 0), (0, 0)))
    edges = np.linspace(0, len(powers), SIDE + 1)
    moments = np.arange(len(powers) + 1)
    pooled = np.diff([np.interp(edges, moments, band) for band in summed.T], axis=1)
    if not pooled.max() > 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    shades = np.log10(np.maximum(pooled / pooled.max(), 10**-_RANGE)) / _RANGE + 1
    return np.round(255 * shades).astype(np.uint8)


def same_recordings(recordings: Sequence[Sound], pictures: np.ndarray) -> np.ndarray:
    """Return the pairs of recordings that are the same.

    Args:
        recordings: to compare.
        pictures: of each, uint8 [n, SIDE, SIDE].

    Returns:
        int64 [pairs, 2], each with the lower row first, in order.
    """
    pairs = near_copies(pictures)[:_MOST]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        same = list(threads.map(lambda pair: _agree(*(recordings[row] for row in pair)), pairs))
    return pairs[np.array(same, bool)]


def _voice(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return what samples have between the frequencies that are compared, at `_RATE`."""
    length = fft.next_fast_len(len(samples), real=True)
    spectrum = fft.rfft(samples, length)
    frequencies = fft.rfftfreq(length, 1 / rate)
    spectrum[(frequencies < _LOWEST) | (frequencies > _HIGHEST)] = 0
    return fft.irfft(spectrum, max(round(length * _RATE / rate), 1))


@cache
def _bands() -> np.ndarray:
    """Return triangular weights of frequencies on a mel scale, float32 [frequencies, SIDE]."""
    mels = np.log1p(fft.rfftfreq(_WINDOW, 1 / _RATE) / 700)
    edges = np.linspace(np.log1p(_LOWEST / 700), np.log1p(_HIGHEST / 700), SIDE + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = mels[:, None] - low, high - mels[:, None]
    weights = np.minimum(rising / (middle - low), falling / (high - middle))
    return np.maximum(weights, 0).astype(np.float32)


def _agree(first: Sound, second: Sound) -> bool:
    """Return whether samples of two recordings agree where one is laid over the other best."""
    one, other = (each.read(0, round(SECONDS * each.rate)) for each in (first, second))
    one, other = _voice(one, first.rate), _voice(other, second.rate)
    length = fft.next_fast_len(len(one) + len(other), real=True)
    product = fft.rfft(one, length) * np.conj(fft.rfft(other, length))
    best = np.abs(fft.irfft(product, length)).max()
    return bool(best > _LIKENESS * np.linalg.norm(one) * np.linalg.norm(other))
