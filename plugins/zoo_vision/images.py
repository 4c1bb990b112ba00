"""Pictures of any kind as upright 8-bit RGB, and what is wrong with those that are not.

How each kind becomes RGB:

- turned upright as its EXIF orientation says;
- 16 bits a channel: the upper 8, so that the full range of 65,535 becomes 255; numbers of
  32 bits alike, floats from 0 to 1 become 0 to 255;
- grey, palette and CMYK: as Pillow converts them; transparent parts: laid over white;
- several frames or pages: the first.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from zoo import DataError

Image.MAX_IMAGE_PIXELS = None  # It is one for the whole process; each picture has its own.

MAX_PIXELS = 250_000_000
"""Pictures with more are refused unless the user allows them."""

SUFFIXES = (
    ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo",
    ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""How the names of image files end, in lower case."""

THUMBNAIL = 32
"""Side of a thumbnail, in pixels."""

Cause = Literal[
    "missing", "no-permission", "empty", "not-an-image", "truncated", "damaged", "too-many-pixels"
]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "AVIF", "PPM", "TGA")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_SEVERAL = ("GIF", "WEBP", "PNG", "TIFF", "AVIF")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

Item = TypeVar("Item")
Result = TypeVar("Result")


class ImageError(DataError):
    """A picture cannot be read.

    Args:
        name: of the picture.
        cause: a stable name for what is wrong.
        problem: the same as a sentence about the picture.
        hint: what to do about it.
    """

    def __init__(self, name: str, cause: Cause, problem: str, hint: str = "") -> None:
        super().__init__(f"{name} {problem}", hint=hint)
        self.name = name
        self.cause = cause
        self.problem = problem


class Picture(Protocol):
    """Something that can be read as a picture; cheap to hold."""

    @property
    def name(self) -> str:
        """What the picture is called in messages."""
        ...

    def read(self) -> np.ndarray:
        """Return the upright picture, uint8 [height, width, 3], RGB.

        Raises:
            ImageError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class ImageArray:
    """A picture in memory.

    Attributes:
        array: uint8 [height, width, 3], RGB.
        name: what it is called.
    """

    array: np.ndarray
    name: str = "array"

    def read(self) -> np.ndarray:
        """See :meth:`Picture.read`."""
        return self.array


class Header(NamedTuple):
    """What an encoded picture says of itself.

    Attributes:
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        orientation: as in EXIF, 1 to 8; from 5 on, width and height are stored swapped.
        format: as Pillow names it, such as `JPEG`.
        several: whether more frames or pages follow the first.
    """

    width: int
    height: int
    orientation: int = 1
    format: str = ""
    several: bool = False

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as stored, before the picture is turned upright."""
        size = (self.width, self.height)
        return size[::-1] if self.orientation >= 5 else size


class EncodedImage:
    """A picture that has to be decoded; subclasses say where its bytes are.

    Class attributes:
        max_pixels: it is refused if it has more.
        turned: whether its EXIF orientation counts.
    """

    max_pixels: int = MAX_PIXELS
    turned: bool = True

    @property
    def name(self) -> str:
        """What the picture is called in messages."""
        raise NotImplementedError

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        raise NotImplementedError

    def read(self) -> np.ndarray:
        """See :meth:`Picture.read`."""
        with self._opened() as (image, header):
            return np.array(_upright(_rgb(image), header.orientation))

    def header(self) -> Header:
        """Read the first bytes only.

        Raises:
            ImageError: it is no picture, or has too many pixels.
        """
        with self._opened() as (_, header):
            return header

    def thumbnail(self) -> tuple[Header, np.ndarray]:
        """Decode all of the picture, roughly where that is faster.

        Returns:
            its header; and uint8 [THUMBNAIL, THUMBNAIL], the upright picture in grey.

        Raises:
            ImageError: it cannot be read.
        """
        with self._opened() as (image, header):
            image.draft("L", (2 * THUMBNAIL, 2 * THUMBNAIL))
            grey = _upright(_rgb(image).convert("L"), header.orientation)
            return header, _shrunk(grey)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Image.Image, Header]]:
        """Open the picture; what goes wrong with it, now or inside, is an ImageError."""
        with (
            _named_cause(self.name),
            self.open() as file,
            _identified(file, self.name) as image,
        ):
            header = _header(image, self.turned)
            if (pixels := header.width * header.height) > self.max_pixels:
                raise ImageError(
                    self.name,
                    "too-many-pixels",
                    f"has {header.width} x {header.height} pixels, {pixels:,} in all; "
                    f"expected at most {self.max_pixels:,}.",
                    f"If that is right: --set data.max_pixels={pixels}",
                )
            yield image, header


@dataclass(frozen=True)
class ImageFile(EncodedImage):
    """A picture in a file.

    Attributes:
        path: of the file.
        max_pixels: it is refused if it has more.
    """

    path: Path
    max_pixels: int = MAX_PIXELS

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def open(self) -> BinaryIO:
        """See :meth:`EncodedImage.open`."""
        return self.path.open("rb")


def examine(picture: Picture) -> tuple[Header, np.ndarray]:
    """Return what :meth:`EncodedImage.thumbnail` does, of any picture.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(picture, EncodedImage):
        return picture.thumbnail()
    array = picture.read()
    height, width = array.shape[:2]
    return Header(width, height), _shrunk(Image.fromarray(array).convert("L"))


def suits_suffix(header: Header, path: Path) -> bool:
    """Return whether a file is named as its format is."""
    usual = Image.registered_extensions().get(path.suffix.lower(), "")
    families = {"MPO": "JPEG", "DIB": "BMP"}
    return families.get(usual, usual) == families.get(header.format, header.format)


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `function` of each item in order, worked out by several threads.

    Pillow lets other threads run while it decodes.
    """
    with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1)) as threads:
        yield from threads.map(function, items)


# Reading ---------------------------------------------------------------------------------

_AGAIN = "Copy or download it again, or remove it."


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are read, out of those this build of Pillow has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _identified(file: BinaryIO, name: str) -> Image.Image:
    """Read a picture's header.

    Raises:
        ImageError: the file does not hold a whole one.
    """
    start = file.read(12)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not start:
        raise ImageError(name, "empty", "is empty (0 bytes).", _AGAIN)
    if start.startswith(b"RIFF") and (whole := int.from_bytes(start[4:8], "little") + 8) > size:
        raise ImageError(name, "truncated", f"is cut off at {size:,} of {whole:,} bytes.", _AGAIN)
    try:
        return Image.open(file, formats=_formats())
    except UnidentifiedImageError as error:
        if start.startswith(_MAGIC):
            problem = "begins as a picture but is cut off in its header, or of a rare kind."
            raise ImageError(name, "truncated", problem, _AGAIN) from error
        problem = f"is not a picture; it begins with {start[:8]!r}."
        raise ImageError(name, "not-an-image", problem, "Remove or replace it.") from error


@contextmanager
def _named_cause(name: str) -> Iterator[None]:
    """Turn whatever a file makes Pillow raise into an ImageError that says why."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(name, "missing", "does not exist.") from error
    except PermissionError as error:
        hint = f"Try: chmod u+r {name}"
        raise ImageError(name, "no-permission", "may not be read by this user.", hint) from error
    except IsADirectoryError as error:
        raise ImageError(name, "not-an-image", "is a folder.") from error
    except Exception as error:  # Decoders raise what a damaged file makes them stumble on.
        cause: Cause = "truncated" if _tells_of_end(error) else "damaged"
        said = "is cut off" if cause == "truncated" else "is damaged"
        raise ImageError(name, cause, f"{said}: {_first_line(error)}.", _AGAIN) from error


def _tells_of_end(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError | IndexError | struct.error) or any(
        words in text
        for words in ("truncated", "end of file", "eof", "not enough", "cannot load this image")
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _header(image: Image.Image, turned: bool) -> Header:
    width, height = image.size
    orientation = _orientation(image) if turned else 1
    if image.format == "TIFF":  # Pillow already says, and later gives, the upright size.
        orientation = 1
    if orientation >= 5:
        width, height = height, width
    kind = "JPEG" if image.format == "MPO" else image.format or ""
    several = kind in _SEVERAL and bool(getattr(image, "is_animated", False))
    return Header(width, height, orientation, kind, several)


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # A damaged note on the camera does not make a picture useless.
        return 1
    return orientation if orientation in _TURNS else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    """Decode the first frame and convert it to 8-bit RGB."""
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Bring grey values of 16 or 32 bits to 8."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
        return np.clip(values * scale + 0.5, 0, 255).astype(np.uint8)
    shift = 8 if values.max(initial=0) < 2**16 else 24
    return (np.maximum(values, 0) >> shift).astype(np.uint8)


def _shrunk(grey: Image.Image) -> np.ndarray:
    return np.array(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
