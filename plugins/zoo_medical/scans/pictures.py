"""Pictures in the usual formats, read by Pillow.

- 8 and 16 bits a channel are scaled by their full range; floats that leave 0 to 1 by theirs;
- a picture whose three channels are equal is grey, and grey is one channel;
- transparent parts lie on black; photographs are turned upright as their EXIF says;
- a TIFF of several pages of one size is a volume; of other formats the first frame counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from zoo import DataError
from zoo_medical.scans.scan import OneFile, spacing_affine, unit_range, unreadable, write_mask

SUFFIXES = (
    ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
"""How the names of pictures end, in small letters."""

_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_GREY = ("1", "L", "F")
_MOST_PIXELS = 500_000_000
"""Of all pages together; what has more is not read at once."""


@dataclass(frozen=True)
class PictureFile(OneFile):
    """A picture in a file.

    Attributes:
        path: of the file.
    """

    @property
    def spacing(self) -> tuple[float, ...]:
        """Ones: pictures do not tell how large what they show is."""
        with _opened(opener(self.path), self.name) as image:
            return (1.0,) * (3 if _is_stack(image) else 2)

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        return read_picture(opener(self.path), self.name)

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`zoo_medical.scans.scan.Scan.write_like`."""
        return write_mask(path, mask, spacing_affine(()))


def opener(path: Path) -> Callable[[], BinaryIO]:
    """Return what opens a file for reading its bytes."""
    return lambda: path.open("rb")


def read_picture(open_file: Callable[[], BinaryIO], name: str) -> np.ndarray:
    """Return an encoded picture, float32 from 0 to 1, [height, width, channels].

    Args:
        open_file: opens it.
        name: for messages.

    Raises:
        DataError: it cannot be read.
    """
    with _opened(open_file, name) as image:
        if not _is_stack(image):
            return _one_channel_if_grey(_values(image))
        pages = [_values(page) for page in ImageSequence.Iterator(image)]
        if len({page.shape for page in pages}) > 1:
            return _one_channel_if_grey(pages[0])  # a pyramid of one picture in several sizes
        return _one_channel_if_grey(np.stack(pages))


def read_indices(open_file: Callable[[], BinaryIO], name: str) -> np.ndarray:
    """Return the numbers that the pixels of a mask hold, integers [height, width].

    Those of a palette are its indices; pages of a TIFF make [pages, height, width].

    Raises:
        DataError: it cannot be read, or is in colour.
    """
    with _opened(open_file, name) as image:
        several = _is_stack(image)
        pages = ImageSequence.Iterator(image) if several else [image]
        indices = [_indices(page, name) for page in pages]
        return np.stack(indices) if several else indices[0]


@contextmanager
def _opened(open_file: Callable[[], BinaryIO], name: str) -> Iterator[Image.Image]:
    """Open a picture; what goes wrong with it, now or inside, is a DataError."""
    try:
        with open_file() as file, Image.open(file, formats=_formats()) as image:
            pixels = image.width * image.height * getattr(image, "n_frames", 1)
            if pixels > _MOST_PIXELS:
                problem = f"has {pixels:,} pixels; expected at most {_MOST_PIXELS:,}."
                raise unreadable(name, problem, "Cut it into parts.")
            yield image
    except UnidentifiedImageError as error:
        problem = "is no picture of a known kind, or is cut off in its header."
        raise unreadable(name, problem) from error
    except OSError as error:
        reason = error.strerror or str(error).rstrip(".")
        raise unreadable(name, f"cannot be read: {reason}.") from error
    except DataError:
        raise
    except Exception as error:  # decoders raise what a damaged file makes them stumble on
        reason = str(error).rstrip(".") or type(error).__name__
        raise unreadable(name, f"is damaged: {reason}.") from error


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are read, out of those this build of Pillow has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _is_stack(image: Image.Image) -> bool:
    return image.format == "TIFF" and getattr(image, "n_frames", 1) > 1


def _values(image: Image.Image) -> np.ndarray:
    """Return the pixels of a page from 0 to 1, float32 [height, width, channels]."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return _whole_numbers(np.asarray(image))[..., None]
    if image.mode == "F":
        return _floats(np.asarray(image))[..., None]
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer)
    if image.mode not in _GREY:
        image = image.convert("RGB")
    array = unit_range(np.asarray(image))
    return array[..., None] if array.ndim == 2 else array


def _whole_numbers(values: np.ndarray) -> np.ndarray:
    """Scale grey of 16 bits, which Pillow may hold in 32, or of 32 bits."""
    if values.min(initial=0) >= 0 and values.max(initial=0) < 2**16:
        values = values.astype(np.uint16)
    return unit_range(values)


def _floats(values: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(values)
    low, high = float(values.min(initial=0)), float(values.max(initial=1))
    return ((values - low) / (high - low)).astype(np.float32)


def _one_channel_if_grey(array: np.ndarray) -> np.ndarray:
    first = array[..., :1]
    return np.ascontiguousarray(first) if np.all(array == first) else array


def _indices(image: Image.Image, name: str) -> np.ndarray:
    if image.mode not in (*_GREY, "P") and not image.mode.startswith("I"):
        array = np.asarray(image.convert("RGB"))
        if not np.all(array == array[..., :1]):
            raise unreadable(
                name,
                "is a mask in colour; expected grey values or a palette, one for each class.",
                "Save it with a number for each class.",
            )
        return array[..., 0].astype(np.int64)
    array = np.asarray(ImageOps.exif_transpose(image))
    return array.astype(np.int64)
