"""Random changes of training sound, inside the input pipeline's graph.

What a held-out speaker's recordings differ by: pitch and tempo, distance and gain, the room,
the microphone, the noise, and the silence around what is said. All of an example's changes are
drawn from its own seeds, so they are the same in whatever batch it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import zoo

_ROOMS = 32
"""Rooms that there are to draw from."""
_ROOM_SECONDS = 0.25
"""How long an echo lasts, s."""
NOISE_SECONDS = 8
"""Length of each noise, which repeats, s."""
_COLOURS = (0.0, 0.5, 1.0)
"""Noises: their amplitude falls with this power of the frequency. White, pink and brown."""
_KNOTS_HERTZ = (100.0, 400.0, 1600.0, 6400.0)
"""Where the gain of a microphone is drawn; between them it is linear in octaves."""
_BLOCK = 4096
"""Fourier transforms take a multiple of so many samples, since odd counts are slow."""


class _Draws(NamedTuple):
    """Random numbers from 0 to 1, each float32 [batch].

    They are told apart by their place: a new one goes to the end, so that the others stay.
    """

    speed: tf.Tensor
    before: tf.Tensor
    after: tf.Tensor
    has_room: tf.Tensor
    room: tf.Tensor
    distance: tf.Tensor
    has_noise: tf.Tensor
    noise: tf.Tensor
    place: tf.Tensor
    ratio: tf.Tensor
    gain: tf.Tensor
    lowest: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    highest: tf.Tensor


@dataclass(frozen=True, kw_only=True)
class Augment(zoo.Augmentation):
    """Speed with pitch, silence around, room and microphone, noise and gain, in this order.

    Each is off at 0. Sound of one fixed length keeps it, and what goes beyond is cut; else
    batches become longer.

    Attributes:
        rate: samples a second.
        speed: sound is played 1 - speed to 1 + speed times as fast, which changes pitch,
            tempo and the length of the vocal tract alike.
        shift: up to so much silence comes before and after, s.
        room: probability of echoes.
        colour_db: low, middle and high frequencies become louder or softer by up to this, each
            by its own, dB.
        noise: probability of noise.
        ratio_db: the least and the largest ratio of speech to noise, dB.
        gain_db: sound becomes louder or softer by up to this, dB.
        own_noises: noises instead of generated ones, float32 [noises, samples], each with a mean
            square of 1; they are repeated.
        own_rooms: echoes instead of generated ones, float32 [rooms, samples], over what is
            heard directly.
    """

    rate: int
    speed: float = 0.15
    shift: float = 0.1
    room: float = 0.3
    colour_db: float = 6.0
    noise: float = 0.7
    ratio_db: tuple[float, float] = (5.0, 40.0)
    gain_db: float = 10.0
    own_noises: np.ndarray | None = field(default=None, repr=False, compare=False)
    own_rooms: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __call__(
        self, inputs: dict[str, Any], targets: Any, seeds: Any, progress: Any
    ) -> tuple[dict[str, tf.Tensor], Any]:
        """Return varied sound; targets stay as they are.

        Args:
            inputs: `sound`, float32 [batch, samples], and `length`, int32 [batch].
            targets: any.
            seeds: int64 [batch, 2].
            progress: unused.
        """
        sound, draws = tf.convert_to_tensor(inputs["sound"]), _draw(seeds)
        # Silence at the end of the longest recording may have been cut as if it were padding.
        length = tf.minimum(tf.cast(inputs["length"], tf.int32), tf.shape(sound)[1])
        sound, length = self._played(sound, length, draws)
        known = tf.cast(tf.range(tf.shape(sound)[1]) < length[:, None], tf.float32)
        if self.room or self.colour_db:
            sound = self._recorded(sound, draws) * known
        if self.noise:
            sound = self._with_noise(sound, length, draws) * known
        if self.gain_db:
            sound *= _amplitude(_around(0.0, self.gain_db, draws.gain))[:, None]
        return {**inputs, "sound": sound, "length": length}, targets

    def _played(
        self, sound: tf.Tensor, length: tf.Tensor, draws: _Draws
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Play sound faster or slower, with silence around it."""
        if not (self.speed or self.shift):
            return sound, length
        speed = _around(1.0, self.speed, draws.speed)
        before, after = (
            tf.cast(share * self.shift * self.rate, tf.int32)
            for share in (draws.before, draws.after)
        )
        played = tf.cast(tf.math.ceil(tf.cast(length, tf.float32) / speed), tf.int32)
        varied = before + played + after
        samples = sound.shape[1] or tf.reduce_max(varied)
        places = tf.cast(tf.range(samples)[None] - before[:, None], tf.float32) * speed[:, None]
        return _interpolated(sound, places, length), tf.minimum(varied, samples)

    def _recorded(self, sound: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Add echoes and colour; what is heard directly stays where it was."""
        samples = tf.shape(sound)[1]
        size = -(-(samples + self._rooms.shape[1]) // _BLOCK) * _BLOCK
        room = tf.cast(draws.room * len(self._rooms), tf.int32)
        there = tf.where(draws.has_room < self.room, draws.distance, 0.0)
        echoes = tf.gather(tf.signal.rfft(self._rooms, [size]), room)
        response = 1 + tf.cast(there[:, None], tf.complex64) * echoes
        response *= tf.cast(self._colour(draws, size), tf.complex64)
        heard = tf.signal.irfft(tf.signal.rfft(sound, [size]) * response, [size])[:, :samples]
        return tf.ensure_shape(heard, sound.shape)

    def _colour(self, draws: _Draws, size: int) -> tf.Tensor:
        """Return the gain of a microphone at each frequency, float32 [batch, size // 2 + 1]."""
        drawn = tf.stack([draws.lowest, draws.low, draws.high, draws.highest], axis=1)
        hertz = tf.range(size // 2 + 1, dtype=tf.float32) * (self.rate / tf.cast(size, tf.float32))
        first, last = _KNOTS_HERTZ[0], _KNOTS_HERTZ[-1]
        octaves = tf.math.log(tf.clip_by_value(hertz, first, last) / first) / np.log(last / first)
        knots = tf.range(len(_KNOTS_HERTZ), dtype=tf.float32)[:, None]
        shares = tf.maximum(1 - tf.abs(octaves * (len(_KNOTS_HERTZ) - 1) - knots), 0)
        return _amplitude(_around(0.0, self.colour_db, drawn) @ shares)

    def _with_noise(self, sound: tf.Tensor, length: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Add noise so much softer than the sound as a ratio says that is drawn."""
        ratio = self.ratio_db[0] + (self.ratio_db[1] - self.ratio_db[0]) * draws.ratio
        power = tf.reduce_sum(tf.square(sound), axis=1) / tf.cast(length, tf.float32)
        level = tf.sqrt(power) / _amplitude(ratio)
        level = tf.where(draws.has_noise < self.noise, level, 0.0)
        count, period = self._noises.shape
        first = tf.cast(draws.place * period, tf.int32)
        chosen = tf.cast(draws.noise * count, tf.int32) * period
        places = (first[:, None] + tf.range(tf.shape(sound)[1])) % period
        noise = tf.gather(tf.reshape(self._noises, [-1]), chosen[:, None] + places)
        return sound + level[:, None] * noise

    @cached_property
    def _noises(self) -> np.ndarray:
        """Noises of a mean square of 1, float32 [noises, samples]."""
        if self.own_noises is not None:
            return self.own_noises
        rng, samples = np.random.default_rng(0), self.rate * NOISE_SECONDS
        white = np.fft.rfft(rng.normal(size=samples))
        # Below 50 Hz nothing is heard, and brown noise would have all its power there.
        frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / self.rate), 50.0)
        noises = np.stack([np.fft.irfft(white / frequencies**power) for power in _COLOURS])
        noises /= noises.std(axis=1, keepdims=True)
        return noises.astype(np.float32)

    @cached_property
    def _rooms(self) -> np.ndarray:
        """Echoes of rooms, as loud together as what is heard directly, float32 [rooms, samples].

        Noise that decays by 60 dB within .1 to .8 s, sparse at first and dense later.
        """
        if self.own_rooms is not None:
            return self.own_rooms
        rng, samples = np.random.default_rng(1), round(self.rate * _ROOM_SECONDS)
        seconds = np.arange(samples) / self.rate
        decay = np.exp(-6.9 * seconds / rng.uniform(0.1, 0.8, (_ROOMS, 1)))
        dense = rng.uniform(size=(_ROOMS, samples)) < np.minimum(0.02 + seconds / 0.05, 1.0)
        first = seconds > rng.uniform(0.001, 0.01, (_ROOMS, 1))
        echoes = rng.normal(size=(_ROOMS, samples)) * decay * dense * first
        echoes /= np.sqrt(np.square(echoes).sum(axis=1, keepdims=True))
        return echoes.astype(np.float32)


def _draw(seeds: tf.Tensor) -> _Draws:
    def numbers(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([len(_Draws._fields)], seed, alg="philox")

    return _Draws(*tf.unstack(tf.map_fn(numbers, seeds, fn_output_signature=tf.float32), axis=1))


def _around(middle: float, reach: float, draw: tf.Tensor) -> tf.Tensor:
    """Stretch a draw from 0..1 to middle - reach..middle + reach."""
    return middle + reach * (2 * draw - 1)


def _amplitude(decibels: tf.Tensor) -> tf.Tensor:
    return tf.pow(10.0, decibels / 20)


def _interpolated(sound: tf.Tensor, places: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Return what sound is between its samples, float32 [batch, samples'].

    Args:
        sound: float32 [batch, samples].
        places: float32 [batch, samples'], in samples; where there is no sound it is 0.
        length: of the sound, int32 [batch].
    """
    last = tf.cast(length - 1, tf.float32)[:, None]
    inside = (places >= 0) & (places <= last)
    places = tf.clip_by_value(places, 0.0, last)
    left = tf.cast(places, tf.int32)
    right = tf.minimum(left + 1, length[:, None] - 1)
    share = places - tf.cast(left, tf.float32)
    before, after = (tf.gather(sound, each, batch_dims=1) for each in (left, right))
    return tf.where(inside, before + share * (after - before), 0.0)
