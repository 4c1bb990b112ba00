"""NIfTI: values, orientation, spacing and the affine of what is written, all exact."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medical_files import write_nifti
from zoo_medical.scans.nifti import NiftiFile

from zoo import DataError

SHAPE = (4, 5, 6)
"""Right to left, front to back, feet to head."""
SIZES = (0.8, 1.2, 3.0)


def anatomy() -> np.ndarray:
    """Return a volume [left, back, head] whose values say where each voxel is."""
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


def stored(axes: tuple[int, ...], flips: tuple[bool, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the anatomy as a scanner may store it, with its affine [4, 4].

    Args:
        axes: which of the anatomy's axes each axis of the file is.
        flips: whether each of the file's axes runs the other way.
    """
    array = anatomy().transpose(axes)
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-SIZES[0], -SIZES[1], SIZES[2]])[:, axes]
    affine[:3, 3] = (11, -7, 5)
    for axis in np.flatnonzero(flips):
        array = np.flip(array, axis)
        affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
        affine[:3, axis] *= -1
    return array, affine


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_every_orientation_is_read_as_the_same_volume(
    tmp_path: Path, axes: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    array, affine = stored(axes, flips)
    scan = NiftiFile(write_nifti(tmp_path / "a.nii", array, affine), window=(60, 121))

    values = scan.read()

    assert values.shape == (6, 5, 4, 1)
    np.testing.assert_allclose(values[..., 0].transpose(2, 1, 0) * 120, anatomy() + 0.5, atol=1e-4)
    np.testing.assert_allclose(scan.spacing, (3.0, 1.2, 0.8), rtol=1e-6)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_mask_is_written_in_the_scans_own_geometry(
    tmp_path: Path, axes: tuple[int, ...], suffix: str
) -> None:
    array, affine = stored(axes, (True, False, True))
    path = write_nifti(tmp_path / f"a{suffix}", array, affine)
    mask = (NiftiFile(path, window=(60, 121)).read()[..., 0] > 0.5).astype(np.int64)

    written = NiftiFile(path).write_like(tmp_path / "out" / "a", mask)

    image = nibabel.load(written)
    assert written.name == "a.nii.gz"
    assert image.shape == array.shape
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(image.dataobj), array + 0.5 > 60)
    assert image.header["sform_code"] == nibabel.load(path).header["sform_code"]
    np.testing.assert_array_equal(NiftiFile(written).numbers(), mask)


def test_an_oblique_affine_is_kept_to_the_bit(tmp_path: Path) -> None:
    angle = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = [
        [np.cos(angle), -np.sin(angle), 0],
        [np.sin(angle), np.cos(angle), 0],
        [0, 0, 2],
    ]
    path = write_nifti(tmp_path / "a.nii.gz", anatomy(), affine)

    scan = NiftiFile(path)
    written = scan.write_like(tmp_path / "b.nii.gz", np.ones(scan.read().shape[:3], np.uint8))

    np.testing.assert_array_equal(nibabel.load(written).affine, nibabel.load(path).affine)
    np.testing.assert_allclose(scan.spacing, (2, 1, 1), rtol=1e-6)


def test_slope_and_intercept_count_and_percentiles_make_the_range(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.array([[[0, 100], [200, 300]]], np.int16), np.eye(4))
    image.header.set_slope_inter(2, -100)
    nibabel.save(image, tmp_path / "a.nii")
    spiky = np.append(np.linspace(0, 1000, 9999), 1e6).reshape(10, 10, 100).astype(np.float32)

    window = NiftiFile(tmp_path / "a.nii", window=(200, 401)).read()
    values = NiftiFile(write_nifti(tmp_path / "b.nii.gz", spiky)).read()

    unscaled = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    expected = np.clip((unscaled - 199.5) / 400 + 0.5, 0, 1)
    np.testing.assert_allclose(np.sort(window.ravel()), np.sort(expected.ravel()), rtol=1e-6)
    assert (values.min(), values.max()) == (0, 1)
    assert 0.4 < np.median(values) < 0.6


def test_one_slice_is_a_picture(tmp_path: Path) -> None:
    flat = np.arange(12, dtype=np.uint8).reshape(4, 3, 1)
    two = write_nifti(tmp_path / "two.nii", flat[..., 0], np.diag([-2.0, -3.0, 5.0, 1.0]))
    three = write_nifti(tmp_path / "three.nii", flat, np.diag([-2.0, -3.0, 5.0, 1.0]))

    for path in (two, three):
        scan = NiftiFile(path, window=(6, 13))
        assert scan.read().shape == (3, 4, 1)
        assert scan.spacing == pytest.approx((3, 2))
        mask = scan.write_like(tmp_path / "mask", np.ones((3, 4)))
        assert nibabel.load(mask).shape == (4, 3, 1)
        np.testing.assert_array_equal(NiftiFile(path).numbers(), flat[..., 0].T)


def test_channels_stand_in_the_fourth_axis_and_colours_in_the_type(tmp_path: Path) -> None:
    two = np.stack([anatomy(), 1000 - 3 * anatomy()], axis=-1)
    colours = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 51
    many = np.zeros((2, 2, 2, 40), np.int16)

    channels = NiftiFile(write_nifti(tmp_path / "c.nii", two)).read()
    coloured = NiftiFile(write_nifti(tmp_path / "rgb.nii", colours)).read()

    assert channels.shape == (6, 5, 4, 2)
    np.testing.assert_allclose(channels[..., 0] + channels[..., 1], 1, atol=1e-6)
    assert coloured[0, 0, 0].tolist() == pytest.approx([0, 0.2, 0])
    with pytest.raises(DataError, match="has 40 volumes, as one over time"):
        NiftiFile(write_nifti(tmp_path / "time.nii", many)).read()


def test_values_that_are_no_numbers_are_the_darkest(tmp_path: Path) -> None:
    values = anatomy().astype(np.float32)
    values[0, 0, 0] = np.nan

    read = NiftiFile(write_nifti(tmp_path / "a.nii", values)).read()

    assert np.isfinite(read).all()
    assert read.min() == 0


def test_a_header_without_a_place_counts_as_it_stands(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(anatomy(), None)
    image.header.set_zooms((1.5, 2, 3))
    nibabel.save(image, tmp_path / "a.nii")

    scan = NiftiFile(tmp_path / "a.nii")

    assert sorted(scan.spacing) == pytest.approx([1.5, 2, 3])
    assert scan.read().shape == (6, 5, 4, 1)


def test_masks_have_whole_numbers(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii", anatomy().astype(np.float32) % 3)
    half = write_nifti(tmp_path / "b.nii", np.full((2, 3, 4), 0.5, np.float32))

    assert set(NiftiFile(whole).numbers().ravel()) == {0, 1, 2}
    with pytest.raises(DataError, match="numbers are not whole"):
        NiftiFile(half).numbers()


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    good = write_nifti(tmp_path / "a.nii.gz", np.random.default_rng(0).normal(size=(20, 20, 20)))
    (tmp_path / "cut.nii.gz").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "text.nii").write_text("hello")
    (tmp_path / "empty.nii").write_bytes(b"")

    with pytest.raises(DataError, match=r"cut\.nii\.gz is cut off or damaged"):
        NiftiFile(tmp_path / "cut.nii.gz").read()
    for name in ("text.nii", "empty.nii"):
        with pytest.raises(DataError, match=f"{name} is no NIfTI file"):
            NiftiFile(tmp_path / name).read()
    with pytest.raises(DataError, match=r"gone\.nii does not exist"):
        NiftiFile(tmp_path / "gone.nii").read()
