"""The smallest plugin with what comes from the network: a preset, and a dataset of TFDS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import toy

import zoo

ZOO_CONTRACT = 1
SMALL = "kaggle://zoo/points/keras/small/1"
LARGE = "kaggle://zoo/points/keras/large/1"


@zoo.hookimpl
def zoo_models():
    return [
        zoo.ModelSpec(
            name="net",
            summary="Two dense layers with published weights.",
            implementation=f"{__name__}:PublishedNet",
            tasks=("toy/classify",),
        )
    ]


@zoo.hookimpl
def zoo_datasets():
    return [
        zoo.DatasetSpec(
            name="points",
            summary="Points of a TFDS dataset.",
            implementation=f"{__name__}:PublishedPoints",
            tasks=("toy/classify",),
        )
    ]


@dataclass(frozen=True, kw_only=True)
class PublishedNet(toy.Net):
    def presets(self) -> Mapping[str, str]:
        return {"small": SMALL, "large": LARGE}

    def load_preset(self, handle: str, model: keras.Model) -> None:
        with zoo.preset(handle, self.presets()) as folder:
            weights = np.load(folder / "weights.npz")
        model.set_weights([weights[name] for name in weights.files])


@dataclass(frozen=True, kw_only=True)
class PublishedPoints(toy.Points):
    def read(self, path: str, *, cache: Path) -> tuple[zoo.Columns, list[zoo.Finding]]:
        name = zoo.tfds_name(path)
        if name is None:
            return super().read(path, cache=cache)
        source = zoo.tfds_builder(name).as_data_source("train")
        rows = [source[row] for row in range(len(source))]
        columns = {name: np.stack([row[name] for row in rows]) for name in ("point", "label")}
        return zoo.Columns(columns), []


def write_preset(folder: Path) -> Path:
    """Write a preset as :class:`PublishedNet` reads it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    shapes = ((2, 8), (8,), (8, 1), (1,))
    np.savez(folder / "weights.npz", *(np.full(shape, 0.1, np.float32) for shape in shapes))
    return folder


def write_tfds(folder: Path, name: str = "published_points") -> None:
    """Write a TFDS dataset of points as its own tools do."""
    import tensorflow_datasets as tfds

    random = np.random.default_rng(0)
    examples = [
        (row, {"point": random.normal(size=2).astype(np.float32) + 2 * (row % 2), "label": row % 2})
        for row in range(40)
    ]
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {"point": tfds.features.Tensor(shape=(2,), dtype=np.float32), "label": np.int64}
        ),
        split_datasets={"train": examples},
        data_dir=folder,
        file_format="array_record",
    )
