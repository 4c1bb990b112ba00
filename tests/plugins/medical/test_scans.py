"""Pictures become numbers from 0 to 1, and masks are written in their geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medical_files import picture, write_dicom, write_nifti, write_picture
from PIL import Image
from zoo_medical.scans.files import is_scan, scan_of, stem
from zoo_medical.scans.masks import MaskFile
from zoo_medical.scans.pictures import PictureFile
from zoo_medical.scans.scan import ArrayMask, ArrayScan, MaskSlice, Slice, put_together
from zoo_medical.scans.windows import Window, robust_range, stretched

from zoo import DataError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_eight_bits_of_grey_are_one_channel_scaled_by_255(tmp_path: Path, suffix: str) -> None:
    stored = RNG.integers(0, 256, (5, 7), np.uint8)

    values = PictureFile(write_picture(tmp_path / f"a{suffix}", stored)).read()

    assert values.shape == (5, 7, 1)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[..., 0], (stored / 255).astype(np.float32))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_by_their_full_range(tmp_path: Path, suffix: str) -> None:
    stored = np.array([[0, 1, 255], [256, 4000, 65535]], np.uint16)

    values = PictureFile(write_picture(tmp_path / f"a{suffix}", stored)).read()

    np.testing.assert_array_equal(values[..., 0], (stored / 65535).astype(np.float32))


def test_colour_is_three_channels_unless_they_are_equal(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    grey = np.repeat(colour[..., :1], 3, axis=2)

    read = PictureFile(write_picture(tmp_path / "a.png", colour)).read()
    plain = PictureFile(write_picture(tmp_path / "b.png", grey)).read()

    np.testing.assert_array_equal(read, (colour / 255).astype(np.float32))
    assert plain.shape == (4, 4, 1)


def test_floats_black_and_white_palettes_and_transparency(tmp_path: Path) -> None:
    floats = write_picture(tmp_path / "f.tif", np.array([[-1.0, 0.0, 3.0]], np.float32))
    bits = write_picture(tmp_path / "b.png", np.array([[True, False]]))
    clear = np.array([[[255, 0, 0, 255], [255, 255, 255, 0]]], np.uint8)
    layered = write_picture(tmp_path / "t.png", clear)
    palette = Image.fromarray(np.array([[[9, 200, 30]]], np.uint8)).convert("P", palette=1)
    palette.save(tmp_path / "p.png")

    assert PictureFile(floats).read()[0, :, 0].tolist() == [0, 0.25, 1]
    assert PictureFile(bits).read()[0, :, 0].tolist() == [1, 0]
    assert PictureFile(layered).read()[0].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert PictureFile(tmp_path / "p.png").read().shape == (1, 1, 3)


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by a quarter to see it upright
    path = write_picture(tmp_path / "a.png", np.zeros((2, 3, 3), np.uint8), exif=exif.tobytes())

    assert PictureFile(path).read().shape[:2] == (3, 2)


def test_pages_of_one_size_are_a_volume_and_a_pyramid_is_its_first(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4, 5), 10 * page, np.uint8)) for page in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    small = Image.fromarray(np.zeros((2, 2), np.uint8))
    pages[1].save(tmp_path / "pyramid.tif", save_all=True, append_images=[small])

    stack = PictureFile(tmp_path / "stack.tif")

    assert stack.read().shape == (3, 4, 5, 1)
    assert stack.spacing == (1, 1, 1)
    np.testing.assert_allclose(stack.read()[:, 0, 0, 0], [0, 10 / 255, 20 / 255])
    assert PictureFile(tmp_path / "pyramid.tif").read().shape == (4, 5, 1)


def test_what_is_wrong_with_a_picture_is_said(tmp_path: Path) -> None:
    good = write_picture(tmp_path / "good.png", RNG.integers(0, 256, (64, 64), np.uint8))
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.tif").write_bytes(b"")

    for name, words in {
        "cut.png": "cut|truncated|damaged",
        "text.jpg": "no picture of a known",
    }.items():
        with pytest.raises(DataError, match=words):
            PictureFile(tmp_path / name).read()
    with pytest.raises(DataError, match=r"empty\.tif is no picture"):
        PictureFile(tmp_path / "empty.tif").read()
    with pytest.raises(DataError, match=r"gone\.png cannot be read: No such file"):
        PictureFile(tmp_path / "gone.png").read()


def test_a_window_is_the_formula_of_the_standard() -> None:
    """The examples in the notes of DICOM PS3.3, C.11.2.1.2.1 and C.11.2.1.3."""
    wide = Window(2048, 4096)(np.array([-5, 0, 1000, 4095, 5000]))
    step = Window(0, 1)(np.array([-1, -0.5, -0.4, 0, 1]))
    exact = Window(40, 400, "LINEAR_EXACT")(np.array([-160, 40, 240]))
    sigmoid = Window(0, 4, "SIGMOID")(np.array([0, 1]))

    np.testing.assert_allclose(wide, [0, 0, (1000 - 2047.5) / 4095 + 0.5, 1, 1], rtol=1e-6)
    assert step.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(exact, [0, 0.5, 1])
    np.testing.assert_allclose(sigmoid, [0.5, 1 / (1 + np.exp(-1))], rtol=1e-6)


def test_single_bright_values_do_not_darken_the_rest() -> None:
    values = np.append(np.linspace(0, 100, 9999), 1e6)

    low, high = robust_range(values)

    assert (low, high) == pytest.approx((0.5, 99.5), abs=0.1)
    assert stretched(values, low, high).max() == 1
    assert stretched(np.full(4, 7.0), 7, 7).tolist() == [0, 0, 0, 0]
    assert robust_range(np.append(np.zeros(999), 5.0)) == (0, 5)


def test_arrays_and_slices_are_scans_too() -> None:
    volume = ArrayScan(np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1), "v", (2.0, 1.0, 0.5))
    mask = ArrayMask(np.arange(24).reshape(2, 3, 4) % 3)

    np.testing.assert_allclose(volume.read().max(), 23 / 255)
    np.testing.assert_array_equal(Slice(volume, 1).read(), volume.read()[1])
    assert Slice(volume, 1).spacing == (1.0, 0.5)
    assert Slice(volume, 1).name == "v slice 1"
    np.testing.assert_array_equal(MaskSlice(mask, 0).read(), mask.read()[0])
    assert ArrayScan(np.array([[[0.25]]])).read().tolist() == [[[0.25]]]


def test_masks_of_slices_are_put_together_to_that_of_their_volume(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    volume, other = scan_of(path), ArrayScan(np.zeros((4, 3, 1), np.uint8))
    scans = [Slice(volume, 3), other, Slice(scan_of(path), 0)]
    masks = [np.full((4, 3), number, np.uint8) for number in (1, 2, 3)]

    (first, second) = put_together(scans, masks)

    assert (first[0], first[1], second[0], second[1]) == (0, volume, 1, other)
    assert first[2][:, 0, 0].tolist() == [3, 0, 0, 1, 0]
    np.testing.assert_array_equal(second[2], masks[1])
    written = first[1].write_like(tmp_path / "mask", first[2])
    np.testing.assert_array_equal(MaskFile(written, (1, 2, 3)).read(), first[2])


def test_a_mask_is_written_beside_a_picture(tmp_path: Path) -> None:
    picture = PictureFile(write_picture(tmp_path / "a.png", np.zeros((3, 4), np.uint8)))
    mask = np.array([[0, 1, 2, 0]] * 3)

    written = picture.write_like(tmp_path / "out" / "a", mask)

    assert written == tmp_path / "out" / "a.png"
    np.testing.assert_array_equal(MaskFile(written, (1, 2)).read(), mask)


def test_masks_hold_a_number_for_each_class(tmp_path: Path) -> None:
    white = write_picture(tmp_path / "white.png", np.array([[0, 255]], np.uint8))
    colours = write_picture(tmp_path / "colour.png", np.array([[[1, 2, 3]]], np.uint8))
    grey = write_picture(tmp_path / "grey.png", np.array([[[4, 4, 4], [0, 0, 0]]], np.uint8))

    assert MaskFile(white, (255,)).read().tolist() == [[0, 1]]
    assert MaskFile(white, (255,)).read().dtype == np.uint8
    assert MaskFile(grey, (7, 4)).read().tolist() == [[2, 0]]
    with pytest.raises(DataError, match="holds 255; expected 0, 1, 2"):
        MaskFile(white, (1, 2)).read()
    with pytest.raises(DataError, match="in colour"):
        MaskFile(colours).read()


def test_files_are_known_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "README").write_text("not a scan")

    assert is_scan(tmp_path / "IM0001")
    assert not is_scan(tmp_path / "README")
    assert not is_scan(tmp_path / "notes.txt")
    assert type(scan_of(Path("a/B.NII.GZ"))).__name__ == "NiftiFile"
    assert type(scan_of(tmp_path / "IM0001")).__name__ == "DicomScan"
    assert [stem(Path(each)) for each in ("x/a.b.nii.gz", "c.PNG", "IM1")] == ["a.b", "c", "IM1"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::UserWarning:pydicom")
def test_damaged_bytes_are_read_or_said_to_be_damaged(tmp_path: Path) -> None:
    """Whatever stands in a file, nothing but a DataError comes of it."""
    frames = np.stack([picture(0, 8, 8)] * 3).astype(np.uint16)
    whole = [
        write_dicom(tmp_path / "a.dcm", frames, RescaleSlope=2, PixelSpacing=[1, 2]),
        write_nifti(tmp_path / "a.nii.gz", frames.astype(np.int16)),
        write_picture(tmp_path / "a.png", picture(0)),
        write_picture(tmp_path / "a.tif", picture(0)),
    ]
    rng = np.random.default_rng(0)
    refused = 0

    for turn in range(120):
        path = whole[turn % len(whole)]
        content = bytearray(path.read_bytes())
        first = 132 if path.suffix == ".dcm" else 0
        for place in rng.integers(first, min(len(content), first + 900), 3):
            content[place] = rng.integers(256)
        damaged = tmp_path / f"damaged{''.join(path.suffixes)}"
        damaged.write_bytes(content[: rng.integers(1, 2 * len(content))])
        scan = scan_of(damaged)
        try:
            values, spacing = scan.read(), scan.spacing
        except DataError:
            refused += 1
        else:
            assert len(spacing) == values.ndim - 1
            assert 0 <= values.min() <= values.max() <= 1

    assert 20 < refused < 120
