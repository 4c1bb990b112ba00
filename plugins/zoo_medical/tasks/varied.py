"""Scans that are varied in training, by settings that all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import zoo
from zoo_medical.augmentation import Augment

NOTICE = (
    "Not a medical device. This model was made for research; it has not been tested or approved "
    "for the diagnosis or treatment of patients, and its figures hold for scans like those it was "
    "measured on. Decisions about patients are for those who are qualified and responsible for "
    "them."
)
"""What every card and report of this plugin says."""


@dataclass(frozen=True, kw_only=True)
class Varied:
    """The settings of augmentation; a task inherits from it before its own base.

    The defaults are what any scan stands. Flips and quarter turns are off, since they change
    what a scan says where left and right or up and down mean something; for tissue under a
    microscope they are right.

    Class attributes:
        masks: whether targets are masks, which move with the scans.
    """

    masks: ClassVar[bool] = False

    shift: float = zoo.setting(
        0.08, "Move in training, by up to this share of a side.", minimum=0, maximum=0.5
    )
    rotation: float = zoo.setting(
        10.0, "Turn in training, by up to this, degrees.", minimum=0, maximum=180
    )
    zoom: float = zoo.setting(
        0.12, "Grow or shrink in training, by up to this share.", minimum=0, maximum=0.9
    )
    horizontal_flip: float = zoo.setting(
        0.0, "Probability to swap left and right in training.", minimum=0, maximum=1
    )
    vertical_flip: float = zoo.setting(
        0.0, "Probability to swap top and bottom in training.", minimum=0, maximum=1
    )
    depth_flip: float = zoo.setting(
        0.0, "Probability to reverse the slices of a volume in training.", minimum=0, maximum=1
    )
    quarter_turns: float = zoo.setting(
        0.0, "Probability to turn by 0, 90, 180 or 270 degrees in training.", minimum=0, maximum=1
    )
    brightness: float = zoo.setting(
        0.1, "Add up to this in training; the range of values is 1.", minimum=0, maximum=1
    )
    contrast: float = zoo.setting(
        0.2, "Change contrast in training, by up to this share.", minimum=0, maximum=1
    )
    gamma: float = zoo.setting(
        0.2, "Raise to a power of 1 - this to 1 + this in training.", minimum=0, maximum=0.9
    )
    noise: float = zoo.setting(
        0.02, "Largest deviation of noise in training; the range of values is 1.", minimum=0
    )

    @property
    def blending(self) -> float:
        """Probability that an example is blended with another."""
        return 0.0

    def augmentation(self, space: zoo.Space) -> zoo.Augmentation:
        return self.augment()

    def augment(self) -> Augment:
        """Return what these settings say."""
        return Augment(
            masks=self.masks,
            mixup=self.blending,
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
            depth_flip=self.depth_flip,
            quarter_turns=self.quarter_turns,
            rotation=self.rotation,
            zoom=self.zoom,
            shift=self.shift,
            brightness=self.brightness,
            contrast=self.contrast,
            gamma=self.gamma,
            noise=self.noise,
        )
