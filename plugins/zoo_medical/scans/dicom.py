"""DICOM files (https://www.dicomstandard.org), read by pydicom.

Of a header only what says how pixels are shown and where they lie is read: what identifies
a patient is not even loaded, but for a hash of the patient's number, by which examples are
kept together. Stored values go through the rescale to the scanner's units, through a
window, and are inverted where the header says that low values are bright.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi,
    get_decoder,
    pixel_array,
)

from zoo import DataError
from zoo_medical.scans.scan import spacing_affine, unit_range, unreadable, write_mask
from zoo_medical.scans.windows import Shape, Window, stretched

# What pydicom warns of quotes values of headers, which may be those of a patient.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\b")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

SUFFIXES = (".dcm", ".dicom", ".ima")
"""How the names of DICOM files end, in small letters; many have no suffix at all."""

IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName",
    "PatientBirthDate", "PatientBirthTime", "PatientMotherBirthName", "PatientAddress",
    "PatientTelephoneNumbers", "PatientComments", "PatientReligiousPreference",
    "MilitaryRank", "CountryOfResidence", "RegionOfResidence", "MedicalRecordLocator",
    "IssuerOfPatientID", "ResponsiblePerson", "AccessionNumber", "StudyID",
    "ReferringPhysicianName", "ReferringPhysicianAddress", "PerformingPhysicianName",
    "RequestingPhysician", "NameOfPhysiciansReadingStudy", "OperatorsName",
    "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName",
)  # fmt: skip
"""Keywords of the tags that tell who somebody is, after DICOM PS3.15, table E.1-1."""

_PIXELS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelPaddingValue",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape",
)  # fmt: skip
_PLACE = (
    "PixelSpacing", "ImagerPixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber",
)  # fmt: skip
_FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_ABOUT_SCAN = ("SeriesInstanceUID", "Rows", "Columns", "NumberOfFrames")
_MOST_VALUES = 2**30
_HASH_LENGTH = 16
_LONGEST_WORDS = 200


@dataclass(frozen=True)
class DicomScan:
    """A file with one or several frames, or the slices of one series.

    Attributes:
        files: one, or those of the slices in order.
        window: centre and width of the values that are shown; None for those of the header.
        title: what it is called; the first file's name by default.
    """

    files: tuple[Path, ...]
    window: tuple[float, float] | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """See :attr:`zoo_medical.scans.scan.Scan.name`."""
        return self.title or self.files[0].name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return self.files

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`zoo_medical.scans.scan.Scan.spacing`."""
        headers = self._places()
        with _damage_told(self.name):
            is_volume = len(headers) > 1 or _frame_count(headers[0]) > 1
            spacing = tuple(np.linalg.norm(_affine(headers)[:3, :3], axis=0).tolist())
        return spacing if is_volume else spacing[1:]

    @property
    def patient(self) -> str:
        """A hash of the patient's number; empty where the file has none."""
        header = header_of(self.files[0], ("PatientID",))
        return patient_key(_raw(header, "PatientID"))

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        headers = [header_of(path, (*_PIXELS, *_FRAMES)) for path in self.files]
        values = []
        for path, header in zip(self.files, headers, strict=True):
            with _damage_told(path.name):
                values.append(_frames(path, header))
        if len({each.shape for each in values}) > 1:
            problem = "has slices of different sizes, so they make no volume."
            raise unreadable(self.name, problem, "Put each series into a folder of its own.")
        together = np.concatenate(values)
        with _damage_told(self.name):
            in_colour = together.ndim == 4
            shown = together if in_colour else self._shown(together, headers)[..., None]
            is_volume = len(self.files) > 1 or _frame_count(headers[0]) > 1
        return shown if is_volume else shown[0]

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`zoo_medical.scans.scan.Scan.write_like`."""
        affine = _affine(self._places()) if mask.ndim == 3 else spacing_affine(())
        return write_mask(path, mask, affine)

    def _places(self) -> list[Any]:
        wanted = (*_PLACE, *_FRAMES, "NumberOfFrames")
        return [header_of(path, wanted) for path in self.files]

    def _shown(self, values: np.ndarray, headers: Sequence[Any]) -> np.ndarray:
        """Bring values in the scanner's units to 0 to 1, low ones dark."""
        first = headers[len(headers) // 2]
        window = Window(*self.window) if self.window else _window(first)
        if window:
            shown = window(values)
        elif (table := _from_table(values, first)) is not None:
            shown = table
        else:
            shown = stretched(values, *_range(values, first))
        inverted = _text(first, "PhotometricInterpretation") == "MONOCHROME1"
        return 1 - shown if inverted else shown


def is_dicom(path: Path) -> bool:
    """Return whether a file is one by its name, or by its content if it has no suffix."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def series_in(paths: Sequence[Path], window: tuple[float, float] | None) -> list[DicomScan]:
    """Return the series that files of one folder are the slices of, each in order.

    Files that cannot be read are scans of their own, so that they are told of.
    """
    series: dict[str, list[tuple[Path, Any]]] = {}
    alone = []
    for path in sorted(paths):
        try:
            header = header_of(path, (*_PLACE, *_ABOUT_SCAN))
        except DataError:
            alone.append(DicomScan((path,), window))
            continue
        key = f"{_text(header, 'SeriesInstanceUID')} {header.get('Rows')} {header.get('Columns')}"
        series.setdefault(key, []).append((path, header))
    scans = [DicomScan(_in_order(files), window) for files in series.values()]
    return sorted([*scans, *alone], key=lambda scan: scan.files[0])


def patient_key(number: bytes | str) -> str:
    """Return a hash of a patient's number, empty for an empty one.

    It serves to keep a patient's examples together, and is never shown.
    """
    data = number.encode() if isinstance(number, str) else number
    data = data.strip(b" \0")
    digest = hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]
    return f"patient-{digest}" if data else ""


def identifying_tags(path: Path) -> tuple[str, ...]:
    """Return the keywords of the tags that hold something that tells who the patient is.

    Raises:
        DataError: it cannot be read.
    """
    header = header_of(path, IDENTIFYING)
    return tuple(each for each in IDENTIFYING if _raw(header, each).strip(b" \0"))


def says_burned_in(path: Path) -> bool:
    """Return whether the header says that names or the like are written into the pixels.

    Raises:
        DataError: it cannot be read.
    """
    return _text(header_of(path, ("BurnedInAnnotation",)), "BurnedInAnnotation") == "YES"


def header_of(path: Path, keywords: Sequence[str]) -> Any:
    """Return a `pydicom.Dataset` with some elements alone; others are skipped unread.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return pydicom.dcmread(path, specific_tags=list(keywords))
    except FileNotFoundError as error:
        raise unreadable(path.name, "does not exist.") from error
    except InvalidDicomError as error:
        raise unreadable(path.name, "is no DICOM file: it lacks the mark DICM.") from error
    except OSError as error:
        raise unreadable(path.name, f"cannot be read: {error.strerror}.") from error
    except Exception as error:  # pydicom stumbles on damaged files in many ways, and quotes them
        problem = f"is damaged in its header ({type(error).__name__})."
        raise unreadable(path.name, problem) from None


# Pixels ----------------------------------------------------------------------------------


def _frames(path: Path, header: Any) -> np.ndarray:
    """Return the frames of a file in the scanner's units, float64 [frames, height, width].

    Those in colour are from 0 to 1, float32 [frames, height, width, 3].

    Raises:
        DataError: they cannot be decoded.
    """
    _check_decoder(path, header)
    pixels = pixel_array(header)
    several = _frame_count(header) > 1
    in_colour = int(header.get("SamplesPerPixel", 1)) > 1
    if pixels.ndim != 2 + several + in_colour or (in_colour and pixels.shape[-1] != 3):
        shape = " x ".join(map(str, pixels.shape))
        raise unreadable(path.name, f"has {shape} values, which is not what its header says.")
    frames = pixels if several else pixels[None]
    if in_colour:
        span = 2 ** int(header.BitsStored) - 1
        return np.clip(frames.astype(np.float64) / span, 0, 1).astype(np.float32)
    if _text(header, "PhotometricInterpretation") == "PALETTE COLOR":
        return unit_range(apply_color_lut(frames, header)[..., :3])
    return np.stack([_rescaled(each, header, row) for row, each in enumerate(frames)])


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Turn whatever damaged pixels or elements make pydicom raise into a DataError.

    What is read here has nothing in it that identifies a patient, so its words may be shown.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        problem = f"has pixels that cannot be decoded: {_words_of(error)}."
        raise unreadable(name, problem) from error


def _words_of(error: Exception) -> str:
    """Return what an error says, in one line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:_LONGEST_WORDS].rstrip(".: ")


def _check_decoder(path: Path, header: Any) -> None:
    """Raise a DataError if there are no pixels, or nothing here can decompress them."""
    if not any(each in header for each in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        problem = "has no pixels, as a report or a structure has none."
        raise unreadable(path.name, problem, "Leave it out.")
    count = int(header.get("Rows", 0)) * int(header.get("Columns", 0)) * _frame_count(header)
    if count > _MOST_VALUES:
        problem = f"has {count:,} pixels; expected at most {_MOST_VALUES:,}."
        raise unreadable(path.name, problem, "Cut it into parts.")
    syntax = getattr(header.file_meta, "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_compressed or syntax.is_deflated:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise unreadable(
            path.name,
            f"is compressed as {syntax.name}, which nothing installed here can decompress.",
            "Try: pip install 'pylibjpeg[all]' python-gdcm. Or decompress it first, for example "
            "with: gdcmconv --raw FILE NEW_FILE",
        )


def _frame_count(header: Any) -> int:
    return int(header.get("NumberOfFrames", 1) or 1)


def _rescaled(frame: np.ndarray, header: Any, row: int) -> np.ndarray:
    """Return a frame in the scanner's units, as the header or its own part of it says."""
    own = _of_frame(header, row, "PixelValueTransformationSequence")
    return np.asarray(apply_modality_lut(frame, own or header), np.float64)


def _of_frame(header: Any, row: int, sequence: str) -> Any | None:
    """Return what enhanced files say of a frame, or of all, in a functional group."""
    for name, place in ((_FRAMES[1], row), (_FRAMES[0], 0)):
        groups = header.get(name)
        if groups and place < len(groups) and (found := groups[place].get(sequence)):
            return found[0]
    return None


def _window(header: Any) -> Window | None:
    """Return the first window of a header, or None."""
    own = _of_frame(header, 0, "FrameVOILUTSequence") or header
    centre, width = _first_number(own, "WindowCenter"), _first_number(own, "WindowWidth")
    if centre is None or width is None or width <= 0:
        return None
    shape = _text(own, "VOILUTFunction")
    known = shape if shape in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    return Window(centre, width, cast(Shape, known))


def _from_table(values: np.ndarray, header: Any) -> np.ndarray | None:
    """Return values through the header's table of grey levels, or None if it has none."""
    if not header.get("VOILUTSequence"):
        return None
    bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
    shown = apply_voi(np.rint(values).astype(np.int64), header)
    return (np.asarray(shown, np.float64) / (2**bits - 1)).astype(np.float32)


def _range(values: np.ndarray, header: Any) -> tuple[float, float]:
    """Return the extremes of the values, without those that only fill up the picture."""
    padding = _first_number(header, "PixelPaddingValue")
    used = values
    if padding is not None:
        filled = float(np.ravel(_rescaled(np.array([[int(padding)]]), header, 0))[0])
        used = values[values != filled]
    used = used if used.size else values
    return float(used.min()), float(used.max())


# Places ----------------------------------------------------------------------------------


def _in_order(files: Sequence[tuple[Path, Any]]) -> tuple[Path, ...]:
    """Return slices by their place along the normal, else by number, else by name."""
    positions = [_numbers(header, "ImagePositionPatient", 3) for _, header in files]
    normal = _normal(files[0][1])
    if normal is not None and all(each is not None for each in positions):
        keys = [float(np.dot(each, normal)) for each in cast(list[np.ndarray], positions)]
    else:
        numbers = [_first_number(header, "InstanceNumber") for _, header in files]
        keys = [0.0 if each is None else each for each in numbers]
    ranked = sorted(zip(keys, (path for path, _ in files), strict=True))
    return tuple(path for _, path in ranked)


def _affine(headers: Sequence[Any]) -> np.ndarray:
    """Return the matrix from depth, height and width to millimetres, float64 [4, 4].

    World axes point right, forward and up as in NIfTI files; those of DICOM point left,
    backward and up.
    """
    first, last = headers[0], headers[-1]
    measures = _of_frame(first, 0, "PixelMeasuresSequence") or first
    sizes = _numbers(measures, "PixelSpacing", 2)
    if sizes is None:
        sizes = _numbers(first, "ImagerPixelSpacing", 2)
    height, width = (1.0, 1.0) if sizes is None else (float(sizes[0]), float(sizes[1]))
    depth = _first_number(measures, "SpacingBetweenSlices")
    depth = depth or _first_number(measures, "SliceThickness") or 1.0
    start, end = _position(first), _position(last)
    normal, turn = _normal(first), _orientation(first)
    if start is None or normal is None or turn is None:
        return spacing_affine((depth, height, width))
    step = normal * depth
    if len(headers) > 1 and end is not None and np.any(end != start):
        step = (end - start) / (len(headers) - 1)
    affine = np.eye(4)
    affine[:3] = np.stack([step, turn[3:] * height, turn[:3] * width, start], axis=1)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _position(header: Any) -> np.ndarray | None:
    own = _of_frame(header, 0, "PlanePositionSequence") or header
    return _numbers(own, "ImagePositionPatient", 3)


def _orientation(header: Any) -> np.ndarray | None:
    """Return where rows and columns run to, [6], or None."""
    own = _of_frame(header, 0, "PlaneOrientationSequence") or header
    return _numbers(own, "ImageOrientationPatient", 6)


def _normal(header: Any) -> np.ndarray | None:
    turn = _orientation(header)
    return None if turn is None else np.cross(turn[:3], turn[3:])


def _numbers(header: Any, keyword: str, count: int) -> np.ndarray | None:
    """Return the finite numbers of an element, or None if it has not so many."""
    try:
        values = np.array(header.get(keyword), np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def _first_number(header: Any, keyword: str) -> float | None:
    """Return the first number of an element, or None if there is none."""
    try:
        values = np.array(header.get(keyword), np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return float(values[0]) if len(values) and np.isfinite(values[0]) else None


def _text(header: Any, keyword: str) -> str:
    """Return an element as text, such as a code; empty where there is none."""
    return _raw(header, keyword).strip(b" \0").decode("ascii", "replace")


def _raw(header: Any, keyword: str) -> bytes:
    """Return the bytes of an element as stored, which pydicom has not looked into."""
    if keyword not in header:
        return b""
    value = header.get_item(keyword).value
    return value if isinstance(value, bytes) else str(value or "").encode()
