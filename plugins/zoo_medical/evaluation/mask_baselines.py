"""What a segmentation network has to beat: the usual place, and pixels one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import HistGradientBoostingClassifier

import zoo
from zoo_medical.preprocessing import resized
from zoo_medical.scans.scan import Scan

USUAL = "Usual place"
CLASSICAL = "Boosted trees, pixel by pixel"

_MOST = 200
"""Most training scans that are looked at; of more, that many at even distances."""
_PIXELS = 1000
"""Pixels that are taken of each."""
_BLURS = (1.0, 3.0, 8.0)
"""Widths of the surroundings whose mean brightness is known of a pixel, px."""
_SIDE = 32
"""Places along an axis that usual places are counted in."""


def usual_place(classes: Sequence[str]) -> zoo.Baseline:
    """Return the trivial rule: each place is of the class that it most often is in training.

    Args:
        classes: names, in the order of the masks' numbers from 1 on.
    """

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        masks = [mask.read() for mask in _fewer(train)["mask"]]
        numbers = np.arange(len(classes) + 1)
        shape = (_SIDE,) * masks[0].ndim
        shares = [resized((each[..., None] == numbers).astype(np.float32), shape) for each in masks]
        usual = np.mean(shares, axis=0)

        def predict(scan: Scan) -> np.ndarray:
            return resized(usual, scan.read().shape[:-1]).argmax(axis=-1)

        return _predictions([predict(scan) for scan in test["scan"]], classes)

    return fit_predict


def pixel_by_pixel(classes: Sequence[str]) -> zoo.Baseline:
    """Return boosted trees on each pixel's brightness, that around it, and its place.

    Args:
        classes: names, in the order of the masks' numbers from 1 on.
    """

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        trees.fit(*_sample(_fewer(train)))

        def predict(scan: Scan) -> np.ndarray:
            features = _features(scan.read())
            found = trees.predict(features.reshape(-1, features.shape[-1]))
            return found.reshape(features.shape[:-1])

        return _predictions([predict(scan) for scan in test["scan"]], classes)

    return fit_predict


def _sample(train: zoo.Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return features and classes of some pixels, as many of each class as there are."""
    random = np.random.default_rng(0)
    features, labels = [], []
    for scan, mask in zip(train["scan"], train["mask"], strict=True):
        pixels, truth = _features(scan.read()), mask.read().ravel()
        places = [np.flatnonzero(truth == place) for place in np.unique(truth)]
        most = _PIXELS // len(places)
        chosen = np.concatenate(
            [random.choice(each, min(most, len(each)), replace=False) for each in places]
        )
        features.append(pixels.reshape(-1, pixels.shape[-1])[chosen])
        labels.append(truth[chosen])
    return np.concatenate(features), np.concatenate(labels)


def _features(array: np.ndarray) -> np.ndarray:
    """Return what is known of each pixel, float32 [*sizes, features]."""
    sizes, axes = array.shape[:-1], range(array.ndim - 1)
    blurred = [gaussian_filter(array, width, axes=axes) for width in _BLURS]
    places = np.meshgrid(*[np.linspace(0, 1, size) for size in sizes], indexing="ij")
    return np.concatenate([array, *blurred, *(each[..., None] for each in places)], axis=-1).astype(
        np.float32
    )


def _predictions(masks: Sequence[np.ndarray], classes: Sequence[str]) -> zoo.Batch:
    return {
        "mask": zoo.object_column(each.astype(np.uint8) for each in masks),
        "classes": np.broadcast_to(np.array(classes, object), (len(masks), len(classes))),
    }


def _fewer(batch: zoo.Batch) -> zoo.Batch:
    step = -(-len(batch["scan"]) // _MOST)
    return {name: column[::step] for name, column in batch.items()}
