"""Recordings that are varied in training, by settings that all tasks have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import zoo
from zoo_speech.augmentation import NOISE_SECONDS, Augment
from zoo_speech.data.surroundings import noises_in, rooms_in

_ROOM_SECONDS = 1.0
"""After so long the echoes of the user's rooms are cut, s."""


@dataclass(frozen=True, kw_only=True)
class Varied:
    """The settings of augmentation; a task inherits from it before its own base.

    What is varied are samples, in the graph of the input pipeline. The spectrogram is varied
    by the model; see its settings `band_masks`, `time_masks` and `warp`.
    """

    speed: float = zoo.setting(
        0.15,
        "Play 1 - this to 1 + this times as fast in training, as other voices; 0 for never.",
        minimum=0,
        maximum=0.5,
    )
    shift: float = zoo.setting(
        0.1, "Silence before and after in training, up to this, s.", minimum=0
    )
    room: float = zoo.setting(0.3, "Probability of echoes in training.", minimum=0, maximum=1)
    colour: float = zoo.setting(
        6.0,
        "Make low, middle and high frequencies louder or softer in training, by up to this, as "
        "other microphones do, dB.",
        minimum=0,
    )
    noise: float = zoo.setting(0.7, "Probability of noise in training.", minimum=0, maximum=1)
    noises: str = zoo.setting(
        "", "Folder of recordings of noise to add instead of generated noise."
    )
    rooms: str = zoo.setting(
        "", "Folder of impulse responses of rooms to take instead of generated echoes."
    )
    least_ratio: float = zoo.setting(5.0, "Least ratio of speech to that noise, dB.")
    gain: float = zoo.setting(
        10.0, "Make louder or softer in training, by up to this, dB.", minimum=0
    )

    def longest(self, samples: int, rate: int) -> int:
        """Return how long sound of so many samples may become in training, in samples."""
        return math.ceil(samples / (1 - self.speed) + 2 * self.shift * rate)

    def augmentation(self, space: zoo.Space) -> Augment:
        """Return what varies recordings.

        Raises:
            ConfigError: the user's own noises or rooms cannot be used.
        """
        rate = int(space.arrays["rate"])
        noises, rooms = self.noises if self.noise else "", self.rooms if self.room else ""
        return Augment(
            rate=rate,
            own_noises=noises_in(noises, rate, NOISE_SECONDS) if noises else None,
            own_rooms=rooms_in(rooms, rate, _ROOM_SECONDS) if rooms else None,
            speed=self.speed,
            shift=self.shift,
            room=self.room,
            colour_db=self.colour,
            noise=self.noise,
            ratio_db=(self.least_ratio, max(40.0, self.least_ratio)),
            gain_db=self.gain,
        )
