from __future__ import annotations

import io

import numpy as np
import pytest
from detection_files import paint
from PIL import Image, ImageEnhance

from zoo.data.near_copies import near_copies, perceptual_hash

THUMBNAIL = 32
"""Side of a thumbnail, px."""


def thumbnail(image: Image.Image) -> np.ndarray:
    small = image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.array(small)


def compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file)


CHANGES = {
    "equal": lambda image: image,
    "compressed": compressed,
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change):
    images = [paint(seed, 320, 240) for seed in range(60)]
    copies = [CHANGES[change](image) for image in images[:20]]

    pairs = near_copies(np.stack([thumbnail(image) for image in [*images, *copies]]))

    assert pairs.tolist() == [[k, 60 + k] for k in range(20)]


def test_images_that_share_illumination_and_background_are_not_copies():
    """As of one microscope: the same vignette, and some cells in other places."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:240, :320]
    vignette = 200 - ((x - 160) ** 2 + (y - 120) ** 2) / 300

    def slide() -> Image.Image:
        field = vignette + rng.normal(0, 4, vignette.shape)
        for _ in range(4):
            cx, cy = rng.uniform(20, 300), rng.uniform(20, 220)
            field[(x - cx) ** 2 + (y - cy) ** 2 < 300] -= 60
        return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))

    thumbnails = np.stack([thumbnail(slide()) for _ in range(300)])

    assert len(near_copies(thumbnails)) == 0


def test_plain_images_of_one_colour_are_equal_and_of_two_are_not():
    colours = [Image.new("RGB", (64, 64), (level,) * 3) for level in (40, 40, 160)]

    assert near_copies(np.stack([thumbnail(each) for each in colours])).tolist() == [[0, 1]]


def test_many_images_are_compared_without_all_pairs():
    thumbnails = np.random.default_rng(0).integers(0, 256, (5_000, 32, 32)).astype(np.uint8)
    thumbnails[4_000] = thumbnails[7]

    assert near_copies(thumbnails).tolist() == [[7, 4_000]]


def test_hashes_do_not_depend_on_the_other_images():
    thumbnails = np.stack([thumbnail(paint(seed)) for seed in range(5)])

    assert perceptual_hash(thumbnails)[3] == perceptual_hash(thumbnails[3:4])[0]
    assert len(near_copies(thumbnails[:0])) == len(near_copies(thumbnails[:1])) == 0
