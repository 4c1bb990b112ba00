from __future__ import annotations

import numpy as np
import pytest
from detection_files import paint
from PIL import Image
from zoo_vision.images import (
    Header,
    ImageArray,
    ImageError,
    ImageFile,
    examine,
    in_threads,
)

RED_OVER_BLUE = np.repeat(np.uint8([[[255, 0, 0]], [[0, 0, 255]]]), 6, axis=1)
"""Two rows of six pixels."""

ORIENTATIONS = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, 1),
}


def read(path) -> np.ndarray:
    return ImageFile(path).read()


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_image_is_turned_upright_as_its_exif_says(tmp_path, orientation, suffix):
    pixels = np.array(paint(0, 48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)

    upright = ORIENTATIONS[orientation](pixels)
    assert read(path).shape == upright.shape
    assert np.abs(read(path).astype(int) - upright).mean() < 8
    header = ImageFile(path).header()
    assert (header.width, header.height) == upright.shape[1::-1]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", 76), ("LA", 76), ("RGBA", (255, 0, 0)), ("P", (255, 0, 0)), ("1", None)],
)
def test_every_mode_becomes_8_bit_rgb(tmp_path, mode, expected):
    Image.fromarray(RED_OVER_BLUE).convert(mode).save(tmp_path / "a.png")

    pixels = read(tmp_path / "a.png")

    assert (pixels.dtype, pixels.shape) == (np.uint8, (2, 6, 3))
    if expected is not None:
        assert np.all(pixels[0] == expected)


def test_transparent_parts_are_white(tmp_path):
    layer = np.zeros((4, 4, 4), np.uint8)
    layer[:2] = (0, 255, 0, 255)
    Image.fromarray(layer).save(tmp_path / "a.png")
    palette = Image.fromarray(np.uint8([[0, 1]])).convert("P")
    palette.save(tmp_path / "p.png", transparency=0)

    assert read(tmp_path / "a.png")[[0, 3], 0].tolist() == [[0, 255, 0], [255, 255, 255]]
    assert read(tmp_path / "p.png")[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_their_full_range(tmp_path, suffix):
    values = np.uint16([[0, 255, 256, 32_768, 65_535]])
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")

    assert read(tmp_path / f"a.{suffix}")[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_floats_are_taken_as_shares(tmp_path):
    Image.fromarray(np.float32([[0, 0.5, 1]])).save(tmp_path / "a.tif")

    assert read(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128, 255]


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path):
    image = Image.new("RGB", (32, 32), (200, 30, 40))
    image.convert("CMYK").save(tmp_path / "a.jpg", quality=95)

    assert np.abs(read(tmp_path / "a.jpg").astype(int) - (200, 30, 40)).max() < 8


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_several_frames_the_first_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])

    pixels = read(tmp_path / f"a.{suffix}").astype(int)

    assert np.abs(pixels - (255, 0, 0)).max() < 8
    assert ImageFile(tmp_path / f"a.{suffix}").header().several


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp"])
def test_a_cut_off_image_is_said_to_be_truncated(tmp_path, suffix, share):
    paint(0, 200, 150).save(tmp_path / f"a.{suffix}")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: int(len(whole) * share)])

    for look in (read, lambda path: examine(ImageFile(path))):
        with pytest.raises(ImageError) as error:
            look(tmp_path / f"a.{suffix}")
        assert error.value.cause == "truncated"
        assert "a." in error.value.message


def test_causes_are_told_apart(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image at all")
    paint(0, 40, 30).save(tmp_path / "large.png")
    files = {
        "empty": ImageFile(tmp_path / "empty.jpg"),
        "not-an-image": ImageFile(tmp_path / "text.jpg"),
        "missing": ImageFile(tmp_path / "gone.jpg"),
        "too-many-pixels": ImageFile(tmp_path / "large.png", max_pixels=1_199),
    }

    for cause, file in files.items():
        with pytest.raises(ImageError) as error:
            file.read()
        assert error.value.cause == cause


def test_a_bomb_is_refused_by_its_header_and_allowed_on_demand(tmp_path):
    Image.new("1", (20_000, 15_000)).save(tmp_path / "bomb.png")

    with pytest.raises(ImageError, match="20000 x 15000") as error:
        ImageFile(tmp_path / "bomb.png").read()
    assert error.value.cause == "too-many-pixels"
    assert ImageFile(tmp_path / "bomb.png", max_pixels=300_000_000).header().width == 20_000


def test_postscript_is_never_run(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")

    with pytest.raises(ImageError) as error:
        read(tmp_path / "a.jpg")
    assert error.value.cause == "not-an-image"


def test_many_files_are_read_by_threads_in_order(tmp_path):
    for seed in range(40):
        paint(seed).save(tmp_path / f"{seed:02d}.png")
    files = [ImageFile(path) for path in sorted(tmp_path.iterdir())]

    pictures = list(in_threads(ImageFile.read, files))

    assert all(np.array_equal(pictures[seed], np.array(paint(seed))) for seed in range(40))


def test_an_array_is_a_picture(tmp_path):
    header, thumbnail = examine(ImageArray(np.array(paint(0))))

    assert header == Header(64, 48)
    assert thumbnail.shape == (32, 32)
