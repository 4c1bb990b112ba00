"""Random views of training pictures and their boxes, inside the input pipeline's graph.

Everything that moves pixels is one affine map, so a picture is resampled once: four pictures
side by side are the plane that a mosaic looks at, and its random centre is where it looks.
Boxes go through the same map. Everything that changes colours is one matrix for each picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

import zoo
from zoo_vision.geometry import GREY, SMALLEST_SIDE

_Pair: TypeAlias = "tuple[tf.Tensor, tf.Tensor]"
"""Pictures [batch, height, width, 3] and their boxes [batch, boxes, 5]."""

_ROWS = 8
"""Rows of targets come in multiples of it, since a compiler may compile for each count."""


class _Draws(NamedTuple):
    """Random numbers from 0 to 1, each float32 [batch].

    They are told apart by their place: a new one goes to the end, so that the others stay.
    """

    mosaic: tf.Tensor
    centre_x: tf.Tensor
    centre_y: tf.Tensor
    mixup: tf.Tensor
    share: tf.Tensor
    horizontal_flip: tf.Tensor
    vertical_flip: tf.Tensor
    quarter_turns: tf.Tensor
    turns: tf.Tensor
    scale: tf.Tensor
    translate_x: tf.Tensor
    translate_y: tf.Tensor
    rotation: tf.Tensor
    shear_x: tf.Tensor
    shear_y: tf.Tensor
    hue: tf.Tensor
    saturation: tf.Tensor
    brightness: tf.Tensor
    contrast: tf.Tensor


class _Map(NamedTuple):
    """Affine maps, one a picture, from px of a plane to px of a view.

    Attributes:
        look: the point of the plane that is looked at, x and y, float32 [batch, 2].
        linear: how the view is scaled and turned around it, float32 [batch, 2, 2].
        place: where in the view that point is seen, x and y, float32 [batch, 2].
    """

    look: tf.Tensor
    linear: tf.Tensor
    place: tf.Tensor

    def forward(self, points: tf.Tensor) -> tf.Tensor:
        """Map points [batch, boxes, corners, 2] of the plane into the view."""
        away = points - self.look[:, None, None]
        return tf.einsum("bij,bncj->bnci", self.linear, away) + self.place[:, None, None]

    def backward(self) -> tf.Tensor:
        """Return the maps from the view to the plane as TensorFlow's operation takes them.

        It counts both ways from the middle of the first pixel, and we from its corner.
        """
        linear = tf.linalg.inv(self.linear)
        shift = self.look - 0.5 - tf.linalg.matvec(linear, self.place - 0.5)
        affine = tf.concat([linear, shift[..., None]], axis=-1)
        return tf.pad(tf.reshape(affine, [-1, 6]), [[0, 0], [0, 2]])


@dataclass(frozen=True, kw_only=True)
class Augment(zoo.Augmentation):
    """Mosaic, mixup, flips, turns, scale, crop and colour, with the boxes that follow.

    Every operation is off unless asked for. A box that a view cuts is clipped; it goes if
    too little of it is left. Boxes that a rotation or shear tilts become the upright boxes
    around them.

    Attributes:
        mosaic: probability that a view shows the example and three others, around a random
            centre.
        mixup: probability that a view is blended with another example.
        close_mosaic: share of training after which mosaic and mixup end, so that the last
            steps see pictures as they are.
        horizontal_flip: probability to swap left and right.
        vertical_flip: probability to swap top and bottom.
        quarter_turns: probability to turn by 0, 90, 180 or 270 degrees; on a canvas that is
            not square by 0 or 180.
        scale: a view is enlarged by a factor from 1 - scale to 1 + scale.
        translate: a view is moved by up to this share of the canvas, each way.
        rotation: largest angle, degrees.
        shear: largest angle along each axis, degrees.
        hue: largest change, as a share of the colour circle.
        saturation: colourfulness is multiplied by 1 - saturation to 1 + saturation.
        brightness: values are multiplied by 1 - brightness to 1 + brightness.
        contrast: the distance from the padding's grey is multiplied by 1 - contrast to
            1 + contrast.
        visible: the smallest share of a box that must be left after a cut.
    """

    mosaic: float = 0.0
    mixup: float = 0.0
    close_mosaic: float = 0.85
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    quarter_turns: float = 0.0
    scale: float = 0.0
    translate: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    hue: float = 0.0
    saturation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    visible: float = 0.3

    keeps_shapes = False

    @property
    def partners(self) -> int:
        """How many other examples each one comes with: three for mosaic, one for mixup."""
        return 3 if self.mosaic else int(self.mixup > 0)

    def __call__(
        self, inputs: dict[str, Any], targets: Any, seeds: Any, progress: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return varied pictures and boxes.

        Args:
            inputs: `image`, uint8 [batch, 1 + partners, height, width, 3]; without partners
                [batch, height, width, 3].
            targets: float32 [batch, 1 + partners, boxes, 5], or without the second axis:
                corners in px and class; -1 is padding.
            seeds: int64 [batch, 2].
            progress: float32 scalar from 0 to 1.

        Returns:
            `image`, uint8 [batch, height, width, 3], and float32 [batch, most, 5]: boxes come
            before padding, of which there is little more than the fullest picture needs,
            since a loss compares every row with every prediction.
        """
        images, targets = tf.convert_to_tensor(inputs["image"]), tf.convert_to_tensor(targets)
        if not self.partners:
            images, targets = images[:, None], targets[:, None]
        draws, combining = _draw(seeds), tf.less(progress, self.close_mosaic)
        image, boxes = images[:, 0], targets[:, 0]
        if self._moves:
            image, boxes = self._view(images, targets, draws, combining)
        if self.mixup:
            partner = images[:, -1], targets[:, -1]
            image, boxes = self._blend((image, boxes), partner, draws, combining)
        if self._recolours:
            image = _recolour(image, *self._colours(draws))
        return {"image": _bytes(image)}, _compact(boxes)

    @property
    def _moves(self) -> bool:
        """Whether any pixel may leave its place."""
        flips = self.horizontal_flip or self.vertical_flip or self.quarter_turns
        return bool(
            self.mosaic or flips or self.scale or self.translate or self.rotation or self.shear
        )

    @property
    def _recolours(self) -> bool:
        return bool(self.hue or self.saturation or self.brightness or self.contrast)

    def _view(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _Draws, combining: tf.Tensor
    ) -> _Pair:
        """Look at the plane of pictures through a random affine map.

        Args:
            images: uint8 [batch, pictures, height, width, 3].
            targets: float32 [batch, pictures, boxes, 5].
            draws: as drawn for each example.
            combining: bool scalar, whether mosaics are still made.

        Returns:
            uint8 [batch, height, width, 3] and float32 [batch, boxes, 5].
        """
        height, width = images.shape[2:4]
        mosaic = tf.zeros_like(draws.mosaic, bool)
        plane, boxes = images[:, 0], targets[:, 0]
        if self.mosaic:
            mosaic = (draws.mosaic < self.mosaic) & combining
            plane = tf.cond(combining, lambda: _tiled(images, mosaic), lambda: plane)
            boxes = _tiled_boxes(targets, mosaic, height, width)
        to_view = self._map(draws, mosaic, height, width)
        boxes = self._moved(boxes, to_view, height, width)
        return _resample(plane, to_view, height, width), boxes

    def _map(self, draws: _Draws, mosaic: tf.Tensor, height: int, width: int) -> _Map:
        """Return the maps from px of the plane to px of the view."""
        size = tf.constant([width, height], tf.float32)
        # A single picture is looked at in its middle, a mosaic near where its four meet.
        centre = 0.5 + tf.stack([draws.centre_x, draws.centre_y], axis=-1)
        look = size * tf.where(mosaic[:, None], centre, 0.5)
        shift = tf.stack([draws.translate_x, draws.translate_y], axis=-1)
        place = size * _around(0.5, self.translate, shift)

        one = tf.ones_like(draws.scale)
        flip_x = tf.where(draws.horizontal_flip < self.horizontal_flip, -one, one)
        flip_y = tf.where(draws.vertical_flip < self.vertical_flip, -one, one)
        flip = _matrix(flip_x, 0 * one, 0 * one, flip_y)
        shear_x = tf.tan(_around(0.0, math.radians(self.shear), draws.shear_x))
        shear_y = tf.tan(_around(0.0, math.radians(self.shear), draws.shear_y))
        shear = _matrix(one, shear_x, shear_y, one)
        scale = _around(1.0, self.scale, draws.scale)
        angle = _around(0.0, math.radians(self.rotation), draws.rotation)
        cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
        rotation = _matrix(cosine, -sine, sine, cosine)
        turn = self._turn(draws, square=height == width)
        return _Map(look, turn @ flip @ shear @ rotation, place)

    def _turn(self, draws: _Draws, *, square: bool) -> tf.Tensor:
        """Return rotations [batch, 2, 2] by quarter turns after which the canvas is filled."""
        turns = tf.floor(4 * draws.turns) if square else 2 * tf.floor(2 * draws.turns)
        turns = tf.where(draws.quarter_turns < self.quarter_turns, turns, 0.0)
        # Rounded, since a cosine of 1e-8 would already change the picture.
        cosine, sine = tf.round(tf.cos(math.pi / 2 * turns)), tf.round(tf.sin(math.pi / 2 * turns))
        return _matrix(cosine, -sine, sine, cosine)

    def _moved(self, boxes: tf.Tensor, to_view: _Map, height: int, width: int) -> tf.Tensor:
        """Map boxes [batch, boxes, 5] into the view; those no longer to be seen get class -1."""
        x1, y1, x2, y2, label = tf.unstack(boxes, axis=-1)
        xs, ys = tf.stack([x1, x2, x1, x2], axis=-1), tf.stack([y1, y1, y2, y2], axis=-1)
        corners = to_view.forward(tf.stack([xs, ys], axis=-1))
        low, high = tf.reduce_min(corners, axis=2), tf.reduce_max(corners, axis=2)
        size = tf.constant([width, height], tf.float32)
        seen_low, seen_high = tf.clip_by_value(low, 0.0, size), tf.clip_by_value(high, 0.0, size)
        area, seen = high - low, seen_high - seen_low
        share = tf.math.divide_no_nan(tf.reduce_prod(seen, -1), tf.reduce_prod(area, -1))
        kept = (share >= self.visible) & (tf.reduce_min(seen, -1) >= SMALLEST_SIDE)
        label = tf.where(kept, label, -1.0)
        return tf.concat([seen_low, seen_high, label[..., None]], axis=-1)

    def _blend(self, view: _Pair, partner: _Pair, draws: _Draws, combining: tf.Tensor) -> _Pair:
        """Blend views with partners: about half of each, and the boxes of both."""
        image, boxes = view
        other, other_boxes = partner
        blended = (draws.mixup < self.mixup) & combining
        label = tf.where(blended[:, None, None], other_boxes[..., 4:], -1.0)
        boxes = tf.concat([boxes, tf.concat([other_boxes[..., :4], label], axis=-1)], axis=1)
        # About as wide as the usual Beta(32, 32).
        share = tf.where(blended, _around(0.5, 0.1, draws.share), 0.0)[:, None, None, None]
        image = tf.cast(image, tf.float32)
        image = tf.cond(
            tf.reduce_any(blended),
            lambda: image + share * (tf.cast(other, tf.float32) - image),
            lambda: image,
        )
        return image, boxes

    def _colours(self, draws: _Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """Return matrices [batch, 3, 3] on RGB, and what to add afterwards, float32 [batch].

        Hue turns colours about the grey axis, saturation moves them from or to it, and
        brightness and contrast are factors. Unlike in HSV the mean of the channels, not the
        largest, is what hue and saturation keep; greys stay grey.
        """
        angle = _around(0.0, 2 * math.pi * self.hue, draws.hue)
        saturation = _around(1.0, self.saturation, draws.saturation)
        contrast = _around(1.0, self.contrast, draws.contrast)
        gain = contrast * _around(1.0, self.brightness, draws.brightness)
        along = saturation * tf.cos(angle)
        across = saturation * tf.sin(angle) / math.sqrt(3)
        rest = (1 - along) / 3
        own, after, before = along + rest, rest - across, rest + across
        rows = [own, after, before, before, own, after, after, before, own]
        matrix = tf.reshape(tf.stack(rows, axis=-1), [-1, 3, 3])
        return gain[:, None, None] * matrix, GREY * (1 - contrast)


def _draw(seeds: tf.Tensor) -> _Draws:
    def numbers(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([len(_Draws._fields)], seed, alg="philox")

    return _Draws(*tf.unstack(tf.map_fn(numbers, seeds, fn_output_signature=tf.float32), axis=1))


def _around(middle: float, reach: float, draw: tf.Tensor) -> tf.Tensor:
    """Stretch a draw from 0..1 to middle - reach..middle + reach."""
    return middle + reach * (2 * draw - 1)


def _matrix(xx: tf.Tensor, xy: tf.Tensor, yx: tf.Tensor, yy: tf.Tensor) -> tf.Tensor:
    """Return matrices [batch, 2, 2] from their elements [batch]."""
    return tf.reshape(tf.stack([xx, xy, yx, yy], axis=-1), [-1, 2, 2])


def _count(targets: tf.Tensor) -> tf.Tensor:
    """Count the boxes among the rows, int32 [batch]."""
    return tf.reduce_sum(tf.cast(targets[..., 4] >= 0, tf.int32), axis=1)


def _tiled(images: tf.Tensor, mosaic: tf.Tensor) -> tf.Tensor:
    """Lay four pictures [batch, 4, height, width, 3] in two rows; grey where no mosaic is."""
    height, width = images.shape[2:4]
    shown = tf.stack([tf.ones_like(mosaic), mosaic, mosaic, mosaic], axis=1)
    # Flat, since TensorFlow spreads a condition over many axes six times as slowly.
    pixels = tf.reshape(images, [-1, height * width * 3])
    pixels = tf.where(tf.reshape(shown, [-1, 1]), pixels, tf.constant(GREY, tf.uint8))
    rows = tf.transpose(tf.reshape(pixels, [-1, 2, 2, height, width, 3]), [0, 1, 3, 2, 4, 5])
    return tf.reshape(rows, [-1, 2 * height, 2 * width, 3])


def _tiled_boxes(targets: tf.Tensor, mosaic: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Return all boxes [batch, 4 * boxes, 5] in px of the plane that :func:`_tiled` lays."""
    shown = tf.stack([tf.ones_like(mosaic), mosaic, mosaic, mosaic], axis=1)
    label = tf.where(shown[:, :, None, None], targets[..., 4:], -1.0)
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    offsets = tf.constant([[x, y, x, y] for x, y in corners], tf.float32)
    moved = tf.concat([targets[..., :4] + offsets[:, None], label], axis=-1)
    return tf.concat(tf.unstack(moved, axis=1), axis=1)


def _resample(plane: tf.Tensor, to_view: _Map, height: int, width: int) -> tf.Tensor:
    """Return the views of the plane, uint8 [batch, height, width, 3]."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=plane,
        transforms=to_view.backward(),
        output_shape=[height, width],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=float(GREY),
    )


def _compact(targets: tf.Tensor) -> tf.Tensor:
    """Move boxes [batch, boxes, 5] in their order before the padding, and cut most of that.

    The fullest picture decides how many rows are left.
    """
    there = tf.cast(targets[..., 4] >= 0, tf.float32)
    # Of equal values top_k takes the earlier ones first.
    rows = tf.math.top_k(there, targets.shape[1]).indices
    targets = tf.gather(targets, rows, batch_dims=1)
    padding = tf.constant([0.0, 0.0, 0.0, 0.0, -1.0])
    targets = tf.where(targets[..., 4:] >= 0, targets, padding)
    most = tf.cast(tf.reduce_max(_count(targets)), tf.int32)
    return targets[:, : tf.maximum(-(-most // _ROWS) * _ROWS, 1)]


def _recolour(image: tf.Tensor, matrix: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Multiply pixels [batch, height, width, 3] by a matrix for each picture, float32."""
    pixels = tf.reshape(tf.cast(image, tf.float32), [-1, image.shape[1] * image.shape[2], 3])
    pixels = tf.matmul(pixels, matrix, transpose_b=True) + offset[:, None, None]
    return tf.reshape(pixels, [-1, *image.shape[1:]])


def _bytes(image: tf.Tensor) -> tf.Tensor:
    """Return pictures as uint8, rounded and limited."""
    if image.dtype == tf.uint8:
        return image
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)
