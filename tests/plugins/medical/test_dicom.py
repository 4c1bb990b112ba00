"""DICOM: rescale, windows, MONOCHROME1, frames, series and their place in space."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from medical_files import item, write_dicom, write_nifti
from pydicom.pixels import apply_windowing
from pydicom.uid import JPEGLSLossless, RLELossless
from zoo_medical.scans.dicom import DicomScan, series_in
from zoo_medical.scans.nifti import NiftiFile

from zoo import DataError

PIXELS = np.arange(0, 60_000, 5000, dtype=np.uint16).reshape(3, 4)
"""[height, width]"""


def test_rescale_comes_first_then_the_window_of_the_header(tmp_path: Path) -> None:
    stored = np.array([[0, 1000], [1040, 2000]], np.uint16)
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    window = {"WindowCenter": [40, 500], "WindowWidth": [400, 1500]}
    path = write_dicom(tmp_path / "a.dcm", stored, **rescale, **window)

    values = DicomScan((path,)).read()

    header = pydicom.dcmread(path)
    shown = apply_windowing(stored.astype(np.float64) - 1024, header)
    top = 2**16 - 1 - 1024  # pydicom gives what it shows in the range of the rescaled bits
    assert values.shape == (2, 2, 1)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[..., 0], (shown + 1024) / (top + 1024), atol=1e-7)
    np.testing.assert_allclose(values[..., 0].ravel()[[0, 3]], [0, 1])


@pytest.mark.parametrize("shape", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_pydicom(tmp_path: Path, shape: str) -> None:
    about = {"WindowCenter": 30_000, "WindowWidth": 20_000, "VOILUTFunction": shape}
    path = write_dicom(tmp_path / "a.dcm", PIXELS, **about)

    values = DicomScan((path,)).read()[..., 0]

    expected = apply_windowing(PIXELS, pydicom.dcmread(path)) / 65_535
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_the_users_window_comes_before_that_of_the_header(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS, WindowCenter=1, WindowWidth=2)

    values = DicomScan((path,), window=(27_500.5, 55_001)).read()[..., 0]

    np.testing.assert_allclose(values, PIXELS / 55_000, rtol=1e-6)


def test_without_a_window_the_range_of_the_values_counts_but_not_the_padding(
    tmp_path: Path,
) -> None:
    signed = np.array([[-2000, -100], [0, 300]], np.int16)
    padding = {"PixelPaddingValue": -2000, "RescaleSlope": 2, "RescaleIntercept": 10}

    plain = DicomScan((write_dicom(tmp_path / "a.dcm", signed),)).read()[..., 0]
    padded = DicomScan((write_dicom(tmp_path / "b.dcm", signed, **padding),)).read()[..., 0]

    np.testing.assert_allclose(plain, (signed + 2000) / 2300, rtol=1e-6)
    np.testing.assert_allclose(padded, [[0, 0], [0.25, 1]])


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    usual = DicomScan((write_dicom(tmp_path / "a.dcm", PIXELS),)).read()
    inverted = write_dicom(tmp_path / "b.dcm", PIXELS, PhotometricInterpretation="MONOCHROME1")

    np.testing.assert_allclose(DicomScan((inverted,)).read(), 1 - usual)


def test_tables_of_grey_levels_are_gone_through(tmp_path: Path) -> None:
    shown = np.array([0, 819, 3276, 4095], np.uint16).tobytes()
    table = item(LUTDescriptor=[4, 0, 12], LUTData=shown)
    levels = np.array([[0, 1], [2, 3]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", levels, VOILUTSequence=[table])
    units = np.array([100, 200, 300, 500], np.uint16).tobytes()
    modality = item(LUTDescriptor=[4, 0, 16], LUTData=units, ModalityLUTType="US")
    other = write_dicom(tmp_path / "b.dcm", levels, ModalityLUTSequence=[modality])

    np.testing.assert_allclose(DicomScan((path,)).read()[..., 0], [[0, 0.2], [0.8, 1]], rtol=1e-6)
    np.testing.assert_allclose(DicomScan((other,)).read()[..., 0], [[0, 0.25], [0.5, 1]])


def test_colours_have_three_channels(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 51], [0, 102, 255]]], np.uint8)

    values = DicomScan((write_dicom(tmp_path / "a.dcm", colours),)).read()

    np.testing.assert_allclose(values, colours / 255, rtol=1e-6)


def test_frames_are_a_volume_and_each_may_have_a_rescale_of_its_own(tmp_path: Path) -> None:
    frames = np.stack([PIXELS, PIXELS // 2])
    measures = item(PixelSpacing=[0.5, 0.25], SpacingBetweenSlices=3)
    own = [
        item(PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=0)])
        for slope in (1, 4)
    ]
    shared = [item(PixelMeasuresSequence=[measures])]
    groups = {"SharedFunctionalGroupsSequence": shared, "PerFrameFunctionalGroupsSequence": own}
    scan = DicomScan((write_dicom(tmp_path / "a.dcm", frames, **groups),))

    values = scan.read()

    units = np.stack([PIXELS, PIXELS // 2 * 4.0])
    assert values.shape == (2, 3, 4, 1)
    np.testing.assert_allclose(values[..., 0], units / units.max(), rtol=1e-6)
    assert scan.spacing == (3, 0.5, 0.25)


def slices(folder: Path, names: str = "dbca") -> np.ndarray:
    """Write slices whose files' order is not theirs, and return the volume they make."""
    volume = np.arange(48, dtype=np.uint16).reshape(4, 3, 4)
    for number, name in enumerate(names):
        write_dicom(
            folder / f"{name}.dcm",
            volume[number],
            SeriesInstanceUID="1.2.3",
            ImagePositionPatient=[-10, 20, 5 + 2.5 * number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[0.7, 0.5],
            SliceThickness=9,
        )
    return volume


def test_slices_of_a_series_are_a_volume_in_order_of_their_place(tmp_path: Path) -> None:
    volume = slices(tmp_path)

    (scan,) = series_in(list(tmp_path.iterdir()), window=(24, 48))

    np.testing.assert_allclose(scan.read()[..., 0] * 47, volume, atol=1e-5)
    assert scan.spacing == pytest.approx((2.5, 0.7, 0.5))


def test_the_mask_of_a_series_lies_where_the_series_does(tmp_path: Path) -> None:
    slices(tmp_path / "in")
    (scan,) = series_in(list((tmp_path / "in").iterdir()), window=None)
    mask = np.zeros((4, 3, 4), np.uint8)
    mask[1, 2, 3] = 1

    written = scan.write_like(tmp_path / "mask", mask)

    image = nibabel.load(written)
    place = np.argwhere(np.asarray(image.dataobj))[0]
    # Left, back and up in DICOM are minus right, minus forward and up in NIfTI.
    left, back, up = -10 + 3 * 0.5, 20 + 2 * 0.7, 5 + 2.5
    np.testing.assert_allclose(image.affine @ [*place, 1], [-left, -back, up, 1], rtol=1e-6)
    np.testing.assert_array_equal(NiftiFile(written).numbers(), mask)


def test_a_series_and_the_same_volume_in_nifti_are_read_alike(tmp_path: Path) -> None:
    volume = slices(tmp_path / "in")
    affine = np.diag([-0.5, -0.7, 2.5, 1])
    nifti = write_nifti(tmp_path / "a.nii", volume.transpose(2, 1, 0).astype(np.int16), affine)
    (scan,) = series_in(list((tmp_path / "in").iterdir()), window=(24, 48))

    np.testing.assert_allclose(NiftiFile(nifti, window=(24, 48)).read(), scan.read())


def test_series_in_one_folder_are_told_apart_and_bad_files_stand_alone(tmp_path: Path) -> None:
    slices(tmp_path)
    for number, name in ((2, "other1"), (1, "other2")):
        about = {"SeriesInstanceUID": "1.2.9", "InstanceNumber": number}
        write_dicom(tmp_path / f"{name}.dcm", PIXELS, **about)
    (tmp_path / "bad.dcm").write_text("nothing")

    scans = series_in(sorted(tmp_path.iterdir()), window=None)

    files = [[path.stem for path in scan.files] for scan in scans]
    assert sorted(files) == [["bad"], ["d", "b", "c", "a"], ["other2", "other1"]]


def test_what_is_compressed_is_decoded_or_said_to_need_a_decoder(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS)
    compressed = pydicom.dcmread(path)
    compressed.compress(RLELossless)
    compressed.save_as(tmp_path / "rle.dcm")
    compressed.file_meta.TransferSyntaxUID = JPEGLSLossless
    compressed.save_as(tmp_path / "jls.dcm")

    np.testing.assert_array_equal(
        DicomScan((tmp_path / "rle.dcm",)).read(), DicomScan((path,)).read()
    )
    with pytest.raises(DataError) as failed:
        DicomScan((tmp_path / "jls.dcm",)).read()
    assert "is compressed as JPEG-LS Lossless" in failed.value.message
    assert "pylibjpeg" in failed.value.hint


def test_what_is_wrong_with_a_file_is_said_without_quoting_it(tmp_path: Path) -> None:
    good = write_dicom(tmp_path / "good.dcm", PIXELS)
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:-10])
    (tmp_path / "text.dcm").write_text("hello")
    report = pydicom.dcmread(good)
    del report.PixelData
    report.save_as(tmp_path / "report.dcm")
    expected = {
        "cut": "cannot be decoded: The .* pixel data",
        "text": "is no DICOM file",
        "report": "has no pixels",
        "gone": "does not exist",
    }

    for name, words in expected.items():
        with pytest.raises(DataError, match=rf"{name}\.dcm .*{words}"):
            DicomScan((tmp_path / f"{name}.dcm",)).read()
    with pytest.raises(DataError, match="slices of different sizes"):
        DicomScan((good, write_dicom(tmp_path / "b.dcm", PIXELS[:2]))).read()
