"""From samples to spectrograms, as layers: within the model, and so within its export too.

The Fourier transform is a product with a matrix. At the lengths of a spectrogram's windows
that is as fast as an FFT, and unlike it can be exported to every format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.fft import dct

import zoo

_register = keras.saving.register_keras_serializable(package="zoo_speech")

Shape = tuple[Any, ...]
"""Sizes of a tensor's axes; None where they vary."""

_BREAK, _HERTZ_A_MEL, _OCTAVES_A_MEL = 1000.0, 200 / 3, np.log(6.4) / 27
"""Slaney's mel scale: linear up to a frequency in Hz, and logarithmic above it."""


@_register
class LogMel(keras.layers.Layer):
    """The logarithm of the power in mel bands: float32 [batch, samples] to [batch, frames, bands].

    Frame t is centred on sample t * hop, and there are ceil(samples / hop) of them. Values are
    those of `librosa.feature.melspectrogram` with a `floor` added and the logarithm taken.

    Args:
        rate: samples a second.
        bands: how many mel bands there are, from 0 Hz to half the rate.
        window: samples under the Hann window of a frame.
        hop: samples from one frame to the next.
        floor: power that is added, so that silence has a logarithm.
    """

    def __init__(
        self,
        rate: int,
        bands: int = 40,
        window: int = 400,
        hop: int = 160,
        floor: float = 1e-6,
        **options: Any,
    ) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.rate, self.bands, self.window, self.hop = rate, bands, window, hop
        self.floor = floor
        self._waves = hann_fourier(window)
        self._filters = mel_filters(rate, window, bands)

    def call(self, sound: Any) -> Any:
        frames = ops.extract_sequences(self._padded(sound), self.window, self.hop)
        waves = ops.matmul(frames, ops.convert_to_tensor(self._waves))
        real, imaginary = ops.split(waves, 2, axis=-1)
        power = real * real + imaginary * imaginary
        return ops.log(ops.matmul(power, ops.convert_to_tensor(self._filters)) + self.floor)

    def _padded(self, sound: Any) -> Any:
        """Return `sound` with zeros at both ends, of which each frame gets a whole window."""
        frames = -(-ops.shape(sound)[1] // self.hop)
        before = self.window // 2
        padded = ops.pad(sound, [[0, 0], [before, self.window]])
        return padded[:, : (frames - 1) * self.hop + self.window]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        samples = input_shape[1]
        return (input_shape[0], None if samples is None else -(-samples // self.hop), self.bands)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "bands": self.bands,
            "window": self.window,
            "hop": self.hop,
            "floor": self.floor,
        }


@_register
class MFCC(LogMel):
    """Cepstral coefficients: the cosine transform of :class:`LogMel` over its bands.

    Values are those of `librosa.feature.mfcc` of the same spectrogram.

    Args:
        coefficients: how many are kept, the smoothest first.
        options: those of :class:`LogMel`.
    """

    def __init__(self, rate: int, coefficients: int = 20, **options: Any) -> None:
        super().__init__(rate, **options)
        self.coefficients = coefficients
        cosines = dct(np.eye(self.bands), norm="ortho", axis=1)
        self._cosines = cosines[:, :coefficients].astype(np.float32)

    def call(self, sound: Any) -> Any:
        return ops.matmul(super().call(sound), ops.convert_to_tensor(self._cosines))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*super().compute_output_shape(input_shape)[:2], self.coefficients)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coefficients": self.coefficients}


@_register
class NormaliseUtterance(keras.layers.Layer):
    """Gives each band of each recording a mean of 0 and a deviation of 1 over its frames.

    Called with spectrograms [batch, frames, bands] and a mask [batch, frames]; what the mask
    hides becomes 0.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: Any, mask: Any) -> Any:
        known = ops.cast(mask, "float32")[..., None]
        count = ops.maximum(ops.sum(known, axis=1, keepdims=True), 1.0)
        mean = ops.sum(x * known, axis=1, keepdims=True) / count
        x = (x - mean) * known
        variance = ops.sum(x * x, axis=1, keepdims=True) / count
        return x * ops.rsqrt(variance + 1e-2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@_register
class NormaliseRange(keras.layers.Layer):
    """Brings the usual range of speech to about -1 to 1, alike for every recording and band.

    So what tells one recording's spectrum from another's stays. Called as
    :class:`NormaliseUtterance`.

    Args:
        middle: of each band's range.
        reach: half of the range.
    """

    def __init__(self, middle: Sequence[float], reach: float, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.middle, self.reach = [float(each) for each in middle], float(reach)

    def call(self, x: Any, mask: Any) -> Any:
        x = (x - ops.convert_to_tensor(self.middle, "float32")) / self.reach
        return x * ops.cast(mask, "float32")[..., None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "middle": self.middle, "reach": self.reach}


@_register
class FrameMask(keras.layers.Layer):
    """Tells frames from padding: bool [batch, frames].

    Called with features [batch, frames, ...] and lengths in samples, int [batch].

    Args:
        hop: samples from one frame to the next.
    """

    def __init__(self, hop: int, **options: Any) -> None:
        super().__init__(**options)
        self.hop = hop

    def call(self, features: Any, length: Any) -> Any:
        places = ops.arange(ops.shape(features)[1])
        return places < frames_of(ops.cast(length, "int32"), self.hop)[:, None]

    def compute_output_spec(self, features: Any, length: Any) -> Any:
        return keras.KerasTensor(features.shape[:2], dtype="bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hop": self.hop}


@_register
class SpecAugment(keras.layers.Layer):
    """Hides bands and stretches of time, and warps the scale of bands; in training alone.

    Masks as in arXiv:1904.08779, the warp as in "Vocal Tract Length Perturbation" (Jaitly and
    Hinton, 2013). Takes normalised spectrograms [batch, frames, bands] and their mask, and
    hides by 0, which is their mean.

    Args:
        band_masks: how many groups of neighbouring bands are hidden.
        band_share: the widest such group, as a share of all bands.
        time_masks: how many stretches of time are hidden.
        time_share: the longest such stretch, as a share of the recording.
        warp: the place of each band is multiplied by 1 - warp to 1 + warp.
        seed: of the random numbers.
    """

    def __init__(
        self,
        *,
        band_masks: int = 2,
        band_share: float = 0.15,
        time_masks: int = 2,
        time_share: float = 0.1,
        warp: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self._settings: dict[str, Any] = {
            "band_masks": band_masks,
            "band_share": band_share,
            "time_masks": time_masks,
            "time_share": time_share,
            "warp": warp,
            "seed": seed,
        }
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any, mask: Any, training: bool | None = None) -> Any:
        if not training:
            return x
        settings, bands = self._settings, x.shape[-1]
        if settings["warp"]:
            x = self._warped(x, settings["warp"])
        frames = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)
        hidden = self._stretches(
            ops.ones_like(frames) * bands, bands, settings["band_masks"], settings["band_share"]
        )
        x = ops.where(hidden[:, None, :], 0.0, x)
        hidden = self._stretches(
            frames, ops.shape(x)[1], settings["time_masks"], settings["time_share"]
        )
        return ops.where(hidden[:, :, None], 0.0, x)

    def _warped(self, x: Any, warp: float) -> Any:
        """Return what a longer or shorter vocal tract would have said."""
        bands = ops.arange(x.shape[-1], dtype="float32")
        shape = (ops.shape(x)[0], 1, 1)
        factors = 1 + warp * (2 * zoo.uniform_by_example(shape, self.seed_generator) - 1)
        places = ops.minimum(bands * factors, x.shape[-1] - 1.0)
        # Each band is a mean of the two that its place lies between.
        shares = ops.maximum(1.0 - ops.abs(places - bands[:, None]), 0.0)
        return ops.matmul(x, shares)

    def _stretches(self, whole: Any, places: Any, count: int, share: float) -> Any:
        """Draw stretches of the places up to `whole`: bool [batch, places], true within one.

        Args:
            whole: float32 [batch, 1].
            places: how many there are in all.
            count: of stretches.
            share: the longest, as a share of `whole`.
        """
        shape = (ops.shape(whole)[0], count, 2)
        drawn = zoo.uniform_by_example(shape, self.seed_generator)
        length, start = ops.unstack(drawn, num=2, axis=-1)
        length = length * share * whole
        start = start * (whole - length)
        place = ops.arange(places, dtype="float32")[:, None]
        inside = (place >= start[:, None]) & (place < (start + length)[:, None])
        return ops.any(inside, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


def frames_of(length: Any, hop: int) -> Any:
    """Return how many frames there are of so many samples: numbers, arrays or tensors."""
    return -(-length // hop)


def hann_fourier(window: int) -> np.ndarray:
    """Return the real and imaginary waves of a Fourier transform under a Hann window.

    Args:
        window: samples of a frame.

    Returns:
        float32 [window, 2 * (window // 2 + 1)], all cosines before all sines.
    """
    samples = np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * samples / window)
    turns = np.outer(samples, np.arange(window // 2 + 1)) % window
    angles = 2 * np.pi / window * turns
    waves = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)
    return (hann[:, None] * waves).astype(np.float32)


def mel_filters(rate: int, window: int, bands: int) -> np.ndarray:
    """Return triangles of equal area on Slaney's mel scale, from 0 Hz to half the rate.

    Args:
        rate: samples a second.
        window: samples of a frame.
        bands: how many triangles.

    Returns:
        float32 [window // 2 + 1, bands].
    """
    frequencies = np.arange(window // 2 + 1) * (rate / window)
    edges = _to_hertz(np.linspace(0.0, _to_mel(rate / 2), bands + 2))
    rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    area = (edges[2:] - edges[:-2]) / 2
    return (np.maximum(0.0, np.minimum(rising, falling)) / area).astype(np.float32)


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK:
        return hertz / _HERTZ_A_MEL
    return _BREAK / _HERTZ_A_MEL + np.log(hertz / _BREAK) / _OCTAVES_A_MEL


def _to_hertz(mels: np.ndarray) -> np.ndarray:
    above = mels - _BREAK / _HERTZ_A_MEL
    return np.where(above < 0, mels * _HERTZ_A_MEL, _BREAK * np.exp(above * _OCTAVES_A_MEL))
