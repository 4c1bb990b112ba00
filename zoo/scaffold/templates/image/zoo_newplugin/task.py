"""The task: what pictures, classes and predictions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zoo_newplugin.augmentation import Flips
from zoo_newplugin.preprocessing import PicturePreprocessing

_SHADES, _DIRECTIONS = 8, 8


@dataclass(frozen=True, kw_only=True)
class ClassifyPictures(zoo.Classification):
    """Says which class a picture belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = PicturePreprocessing

    size: int = zoo.setting(64, "Side of the model's input, px.", minimum=16)
    flip: bool = zoo.setting(True, "Whether pictures are mirrored at random in training.")

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> PicturePreprocessing:
        fields = self.class_fields(zoo.all_rows(train), info)
        return PicturePreprocessing(**fields, size=self.size)

    def augmentation(self, space: zoo.Space) -> zoo.Augmentation | None:
        return Flips() if self.flip else None

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        def features(batch: zoo.Batch) -> np.ndarray:
            return colours_and_edges(preprocessing.inputs(batch)["picture"])

        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        return {
            **super().baselines(preprocessing),
            "Logistic regression on colours and edges": zoo.classical_baseline(
                regression, features, preprocessing.classes
            ),
        }


def colours_and_edges(pictures: np.ndarray) -> np.ndarray:
    """Return how often each shade of a colour, and each direction of an edge, occurs.

    Args:
        pictures: uint8 [n, height, width, 3].

    Returns:
        float64 [n, features].
    """
    rows = []
    for picture in pictures:
        shades = [
            np.bincount(picture[..., colour].ravel() // (256 // _SHADES), minlength=_SHADES)
            for colour in range(3)
        ]
        down, right = np.gradient(picture.mean(axis=2))
        angle = (np.arctan2(down, right) % np.pi * _DIRECTIONS / np.pi).astype(int) % _DIRECTIONS
        edges = np.bincount(angle.ravel(), np.hypot(down, right).ravel(), minlength=_DIRECTIONS)
        rows.append(np.concatenate([*shades, edges]) / angle.size)
    return np.stack(rows)
