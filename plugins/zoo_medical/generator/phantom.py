"""Draws phantoms: bodies with organs, and findings in one of them. Equal fields, equal picture.

A phantom is a slice or a volume of a body: soft tissue within a rim of fat, a bright spine,
two dark cavities, vessels, and one large organ in which findings are. Each patient has an
anatomy, and each picture shows it a little shifted and scaled. One formula draws it in two
and in three dimensions, so what is marked is what was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from zoo_medical.scans.scan import spacing_affine, write_mask

FINDINGS = ("calcification", "cyst", "lesion")
"""What can be found in a phantom: bright specks, a dark blob, a blob that is a bit brighter."""
MARKED = ("organ", "lesion")
"""What the masks of phantoms mark."""

_ANATOMY, _PICTURE = 1, 2
"""What the generators of a patient and of a picture are keyed by, beside the seed."""
_ORGAN = 0.5
"""Brightness of the organ, 1 for white."""
_STEP = 0.35, 0.12
"""How much brighter a lesion is where the difficulty is 0, and where it is 1."""
_NOISE = 0.02, 0.1
"""Deviation of the noise where the difficulty is 0, and where it is 1."""
_SCANNERS = {"A": (1.0, 1.0), "B": (1.1, 1.5)}
"""How bright the pictures of a scanner are, and how noisy, against those of the first."""
_ACROSS = 350.0
"""What a picture shows, in millimetres."""


class Solid(NamedTuple):
    """An ellipsoid.

    Attributes:
        centre: in halves of the picture from its middle, [dimensions].
        radii: likewise.
        value: its brightness.
        uneven: by which share its surface goes up and down.
    """

    centre: np.ndarray
    radii: np.ndarray
    value: float
    uneven: float = 0.0


@dataclass(frozen=True)
class Phantom:
    """A scan that is drawn when it is read.

    Attributes:
        seed: of all phantoms.
        patient: number of the patient.
        index: number of the picture.
        size: pixels along each axis.
        dimensions: 2 for a slice, 3 for a volume.
        findings: what is in the organ, of :data:`FINDINGS`.
        difficulty: from 0 to 1: how little lesions stand out, and how noisy it is.
        scanner: `A`, or `B`, which is brighter and noisier.
    """

    seed: int
    patient: int
    index: int
    size: int
    dimensions: int = 2
    findings: tuple[str, ...] = ()
    difficulty: float = 0.3
    scanner: str = "A"

    @property
    def name(self) -> str:
        """The number of the picture."""
        return f"phantom-{self.index:05d}"

    @property
    def paths(self) -> tuple[Path, ...]:
        """None."""
        return ()

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`zoo_medical.scans.scan.Scan.spacing`."""
        return (_ACROSS / self.size,) * self.dimensions

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        return self._drawn()[0][..., None]

    def marked(self) -> np.ndarray:
        """Return where the organ and its lesions are, uint8, by place in :data:`MARKED`."""
        return self._drawn()[1]

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`zoo_medical.scans.scan.Scan.write_like`."""
        return write_mask(path, mask, spacing_affine(self.spacing))

    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture, float32 from 0 to 1, and what is marked in it, uint8."""
        rng = np.random.default_rng([self.seed, self.index, _PICTURE])
        shift = rng.uniform(-0.06, 0.06, self.dimensions)
        scale = rng.uniform(0.92, 1.06)
        axis = (np.arange(self.size) + 0.5) / self.size * 2 - 1
        grid = np.stack(np.meshgrid(*[axis] * self.dimensions, indexing="ij"))
        places = (grid - _column(shift, self.dimensions)) / scale
        hills = _smooth(rng, grid.shape[1:], self.size / 10)

        values = 0.03 * np.ones(grid.shape[1:])
        mask = np.zeros(grid.shape[1:], np.uint8)
        organ = self._organ()
        for solid in (*self._tissue(), organ):
            self._add(values, solid, places, hills)
        mask[_inside(organ, places, hills) > 0] = 1
        values += 0.03 * _smooth(rng, grid.shape[1:], self.size / 40) * (values > 0.1)
        for finding in reversed(FINDINGS):  # so that none hides a smaller one
            if finding not in self.findings:
                continue
            for solid in self._found(rng, finding, organ):
                self._add(values, solid, places, hills)
                if finding in MARKED:
                    mask[_inside(solid, places, hills) > 0] = MARKED.index(finding) + 1
        bright, noisy = _SCANNERS[self.scanner]
        noise = _between(_NOISE, self.difficulty) * noisy
        values = bright * values + noise * rng.standard_normal(values.shape)
        return np.clip(values, 0, 1).astype(np.float32), mask

    def _organ(self) -> Solid:
        """Return the organ of the patient: large, and left of the middle."""
        rng = np.random.default_rng([self.seed, self.patient, _ANATOMY])
        centre = rng.uniform(-0.08, 0.08, self.dimensions)
        centre[-1] -= 0.3
        return Solid(centre, rng.uniform(0.36, 0.46, self.dimensions), _ORGAN, 0.06)

    def _tissue(self) -> Iterator[Solid]:
        """Yield what else the patient is made of, each drawn over those before."""
        rng = np.random.default_rng([self.seed, self.patient, _ANATOMY, 1])
        middle = np.zeros(self.dimensions)
        body = rng.uniform(0.8, 0.92, self.dimensions)
        yield Solid(middle, body, 0.2, 0.03)
        yield Solid(middle, body * rng.uniform(0.86, 0.92), 0.35, 0.03)
        for side in (0.15, 0.5):
            at = middle + rng.uniform(-0.05, 0.05, self.dimensions)
            at[-1] += side
            at[-2] -= 0.45
            yield Solid(at, rng.uniform(0.1, 0.18, self.dimensions), 0.06, 0.1)
        spine = middle + rng.uniform(-0.04, 0.04, self.dimensions)
        spine[-2] += 0.58
        yield Solid(spine, rng.uniform(0.11, 0.15, self.dimensions), 0.9, 0.05)
        for _ in range(4):
            at = rng.uniform(-0.2, 0.3, self.dimensions)
            at[-1] = rng.uniform(0.3, 0.6)
            yield Solid(at, rng.uniform(0.04, 0.09, self.dimensions), rng.uniform(0.6, 0.9), 0.1)

    def _found(self, rng: np.random.Generator, finding: str, organ: Solid) -> Iterator[Solid]:
        """Yield what a finding looks like, somewhere in the organ."""
        count = {"calcification": 5, "cyst": 1, "lesion": int(rng.integers(1, 3))}[finding]
        for _ in range(count):
            direction = rng.standard_normal(self.dimensions)
            distance = rng.uniform(0, 0.5)
            at = organ.centre + organ.radii * distance * direction / np.linalg.norm(direction)
            if finding == "calcification":
                yield Solid(at, np.full(self.dimensions, 0.035), 0.95)
            elif finding == "cyst":
                yield Solid(at, rng.uniform(0.1, 0.16, self.dimensions), 0.15, 0.02)
            else:
                value = _ORGAN + _between(_STEP, self.difficulty)
                yield Solid(at, rng.uniform(0.12, 0.2, self.dimensions), value, 0.15)

    def _add(self, values: np.ndarray, solid: Solid, places: np.ndarray, hills: np.ndarray) -> None:
        """Draw a solid over what is there, with an edge as wide as a pixel."""
        depth = _inside(solid, places, hills) * solid.radii.min() * self.size / 2
        covered = np.clip(depth + 0.5, 0, 1)
        values += (solid.value - values) * covered


@dataclass(frozen=True)
class PhantomMask:
    """What is marked in a phantom."""

    phantom: Phantom

    @property
    def paths(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.MaskRef.read`."""
        return self.phantom.marked()


def _inside(solid: Solid, places: np.ndarray, hills: np.ndarray) -> np.ndarray:
    """Return how deep within a solid places are: 1 at its centre, 0 on its surface."""
    dimensions = len(places)
    away = (places - _column(solid.centre, dimensions)) / _column(solid.radii, dimensions)
    return 1 + solid.uneven * hills - np.sqrt((away**2).sum(axis=0))


def _column(values: np.ndarray, dimensions: int) -> np.ndarray:
    """Return numbers for each axis in a shape that fits a grid [axes, ...]."""
    return values.reshape(-1, *[1] * dimensions)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], wide: float) -> np.ndarray:
    """Return random hills of variance 1, as wide as some pixels."""
    hills = ndimage.gaussian_filter(rng.standard_normal(shape), wide, mode="wrap")
    return hills / max(float(hills.std()), 1e-9)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share
