"""Random changes of training scans, inside the input pipeline's graph.

What differs from one patient or device to the next: where and how large the body lies in the
picture, brightness and contrast, and noise. All of an example's changes are drawn from its own
seeds, so they are the same in whatever batch it comes. A volume moves within its slices, all
alike; along the depth it is only turned over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import zoo


class _Draws(NamedTuple):
    """Random numbers from 0 to 1, each float32 [batch].

    They are told apart by their place: a new one goes to the end, so that the others stay.
    """

    mixup: tf.Tensor
    share: tf.Tensor
    horizontal_flip: tf.Tensor
    vertical_flip: tf.Tensor
    depth_flip: tf.Tensor
    quarter_turns: tf.Tensor
    turns: tf.Tensor
    rotation: tf.Tensor
    zoom: tf.Tensor
    shift_x: tf.Tensor
    shift_y: tf.Tensor
    brightness: tf.Tensor
    contrast: tf.Tensor
    gamma: tf.Tensor
    noise: tf.Tensor


class Place(NamedTuple):
    """Where each scan of a batch is moved to, float32 [batch] each.

    Attributes:
        angle: of the turn, radians.
        zoom: factor by which it grows.
        shift_x: to the right, as a share of the width.
        shift_y: down, as a share of the height.
        flip_x: -1 to swap left and right, else 1.
        flip_y: -1 to swap top and bottom, else 1.
    """

    angle: tf.Tensor
    zoom: tf.Tensor
    shift_x: tf.Tensor
    shift_y: tf.Tensor
    flip_x: tf.Tensor
    flip_y: tf.Tensor


@dataclass(frozen=True, kw_only=True)
class Augment(zoo.Augmentation):
    """Mixup, flips, turns, zoom, shift, brightness, contrast, gamma and noise, in this order.

    Each is off at 0.

    Attributes:
        masks: whether targets are masks, which move with their scans and are not mixed.
        mixup: probability that an example is blended with up to as much of another
            (arXiv:1710.09412); the targets alike.
        horizontal_flip: probability to swap left and right.
        vertical_flip: probability to swap top and bottom.
        depth_flip: probability to swap the first and the last slice of a volume.
        quarter_turns: probability to turn by 0, 90, 180 or 270 degrees; by 0 or 180 where
            height and width differ.
        rotation: largest further angle, degrees.
        zoom: scans grow by 1 - zoom to 1 + zoom.
        shift: scans move by up to this share of their side, each way.
        brightness: up to this is added; the range of values is 1.
        contrast: the distance from the scan's mean is multiplied by 1 - contrast to
            1 + contrast.
        gamma: values are raised to a power of 1 - gamma to 1 + gamma.
        noise: largest deviation of noise that is added to each pixel.
    """

    masks: bool = False
    mixup: float = 0.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    depth_flip: float = 0.0
    quarter_turns: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0

    @property
    def partners(self) -> int:
        """One, to be blended with, if any are."""
        return int(self.mixup > 0 and not self.masks)

    def __call__(
        self, inputs: dict[str, Any], targets: Any, seeds: Any, progress: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return varied scans and their targets.

        Args:
            inputs: `scan`, float32 [batch, height, width, channels], with a depth before the
                height for volumes; with a partner [batch, 2, ...].
            targets: float32 [batch, classes], or for masks int32 [batch, height, width]; with
                a partner likewise. Anything else is passed on.
            seeds: int64 [batch, 2].
            progress: unused.
        """
        scans, targets = tf.convert_to_tensor(inputs["scan"]), tf.convert_to_tensor(targets)
        draws = _draw(seeds)
        if self.partners:
            scans, targets = self._mixed(scans, targets, draws)
        scans, targets = self._moved(scans, targets, draws)
        return {**inputs, "scan": self._recoloured(scans, seeds, draws)}, targets

    def _mixed(
        self, scans: tf.Tensor, targets: tf.Tensor, draws: _Draws
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Blend each example with its partner, which gets half of the weight at most."""
        share = tf.where(draws.mixup < self.mixup, draws.share / 2, 0.0)

        def blend(pairs: tf.Tensor) -> tf.Tensor:
            weight = tf.reshape(share, [-1, *[1] * (len(pairs.shape) - 2)])
            return pairs[:, 0] + weight * (pairs[:, 1] - pairs[:, 0])

        return blend(scans), blend(targets)

    def _moved(
        self, scans: tf.Tensor, targets: tf.Tensor, draws: _Draws
    ) -> tuple[tf.Tensor, tf.Tensor]:
        flips = self.horizontal_flip or self.vertical_flip or self.quarter_turns
        if flips or self.rotation or self.zoom or self.shift:
            place = self._place(draws, square=scans.shape[-3] == scans.shape[-2])
            scans = moved(scans, place)
            if self.masks:
                labels = tf.cast(targets, tf.float32)[..., None]
                targets = tf.cast(moved(labels, place, smooth=False)[..., 0], targets.dtype)
        if self.depth_flip and len(scans.shape) == 5:
            turned = draws.depth_flip < self.depth_flip
            scans = _reversed(scans, turned)
            targets = _reversed(targets, turned) if self.masks else targets
        return scans, targets

    def _place(self, draws: _Draws, *, square: bool) -> Place:
        turns = tf.floor(4 * draws.turns) if square else 2 * tf.floor(2 * draws.turns)
        quarters = tf.where(draws.quarter_turns < self.quarter_turns, turns, 0.0)
        reach = math.radians(self.rotation)
        return Place(
            angle=math.pi / 2 * quarters + _around(0.0, reach, draws.rotation),
            zoom=_around(1.0, self.zoom, draws.zoom),
            shift_x=_around(0.0, self.shift, draws.shift_x),
            shift_y=_around(0.0, self.shift, draws.shift_y),
            flip_x=tf.where(draws.horizontal_flip < self.horizontal_flip, -1.0, 1.0),
            flip_y=tf.where(draws.vertical_flip < self.vertical_flip, -1.0, 1.0),
        )

    def _recoloured(self, scans: tf.Tensor, seeds: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Change brightness, contrast and gamma, add noise, and keep values from 0 to 1."""
        if not (self.brightness or self.contrast or self.gamma or self.noise):
            return scans

        def of(numbers: tf.Tensor) -> tf.Tensor:
            return tf.reshape(numbers, [-1, *[1] * (len(scans.shape) - 1)])

        if self.gamma:
            power = _around(1.0, self.gamma, draws.gamma)
            scans = tf.clip_by_value(scans, 0.0, 1.0) ** of(power)
        if self.brightness or self.contrast:
            mean = tf.reduce_mean(scans, axis=range(1, len(scans.shape)), keepdims=True)
            contrast = _around(1.0, self.contrast, draws.contrast)
            offset = _around(0.0, self.brightness, draws.brightness)
            scans = mean + of(contrast) * (scans - mean) + of(offset)
        if self.noise:
            scans += of(self.noise * draws.noise) * _normal(seeds, scans.shape[1:])
        return tf.clip_by_value(scans, 0.0, 1.0)


def moved(scans: tf.Tensor, place: Place, *, smooth: bool = True) -> tf.Tensor:
    """Return scans turned, grown and shifted about their middle; edges go on as they end.

    Args:
        scans: float32 [batch, height, width, channels], with a depth before the height for
            volumes, whose slices all move alike.
        place: of each.
        smooth: whether pixels are interpolated; else the nearest one is taken, as for masks.
    """
    flat = _flattened(scans)
    height, width = flat.shape[1:3]
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=flat,
        transforms=_transforms(place, height, width),
        output_shape=[height, width],
        interpolation="BILINEAR" if smooth else "NEAREST",
        fill_mode="NEAREST",
        fill_value=0.0,
    )
    if len(scans.shape) == 4:
        return tf.ensure_shape(transformed, scans.shape)
    depth, channels = scans.shape[1], scans.shape[-1]
    volumes = tf.reshape(transformed, [-1, height, width, depth, channels])
    return tf.transpose(volumes, [0, 3, 1, 2, 4])


def _flattened(scans: tf.Tensor) -> tf.Tensor:
    """Return volumes as pictures with depth x channels channels, and pictures as they are."""
    if len(scans.shape) == 4:
        return scans
    _, depth, height, width, channels = scans.shape
    return tf.reshape(tf.transpose(scans, [0, 2, 3, 1, 4]), [-1, height, width, depth * channels])


def _transforms(place: Place, height: int, width: int) -> tf.Tensor:
    """Return the affine maps from places of the result to those of the scan, [batch, 8]."""
    # Rounded, since a sine of 1e-8 would already blur a quarter turn.
    cosine, sine = (_tidied(function(place.angle)) / place.zoom for function in (tf.cos, tf.sin))
    xx, xy = place.flip_x * cosine, place.flip_x * sine
    yx, yy = -place.flip_y * sine, place.flip_y * cosine
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    from_x = middle_x + width * place.shift_x
    from_y = middle_y + height * place.shift_y
    offset_x = middle_x - xx * from_x - xy * from_y
    offset_y = middle_y - yx * from_x - yy * from_y
    zero = tf.zeros_like(xx)
    return tf.stack([xx, xy, offset_x, yx, yy, offset_y, zero, zero], axis=1)


def _tidied(numbers: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(numbers) < 1e-6, 0.0, numbers)


def _reversed(batch: tf.Tensor, turned: tf.Tensor) -> tf.Tensor:
    """Return rows [batch, depth, ...] with the depth reversed where `turned` says so."""
    chosen = tf.reshape(turned, [-1, *[1] * (len(batch.shape) - 1)])
    return tf.where(chosen, tf.reverse(batch, [1]), batch)


def _draw(seeds: tf.Tensor) -> _Draws:
    def numbers(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([len(_Draws._fields)], seed, alg="philox")

    return _Draws(*tf.unstack(tf.map_fn(numbers, seeds, fn_output_signature=tf.float32), axis=1))


def _normal(seeds: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Return noise float32 [batch, *shape], each example's from its own seeds."""

    def noise(seed: tf.Tensor) -> tf.Tensor:
        # Not the seeds of `_draw`, whose numbers it would follow.
        return tf.random.stateless_normal(shape, seed + np.array([0, 1 << 40]), alg="philox")

    return tf.map_fn(noise, seeds, fn_output_signature=tf.float32)


def _around(middle: float, reach: float, draw: tf.Tensor) -> tf.Tensor:
    """Stretch a draw from 0..1 to middle - reach..middle + reach."""
    return middle + reach * (2 * draw - 1)
