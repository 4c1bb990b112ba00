"""Maps of where a class was told from, whether they depend on what was learnt, and pictures."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from medical_scans import space_of_classes
from PIL import Image
from zoo_medical.explanation.maps import explain_classes, gradcam, occlusion, shuffled
from zoo_medical.explanation.overlays import overlay, write_overlays
from zoo_medical.models.classifiers import ResNet

import zoo

SIDE = 28


def corners(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scans of which every second one has a bright square in the upper left corner."""
    random = np.random.default_rng(0)
    scans = random.normal(0.3, 0.03, (count, SIDE, SIDE, 1)).astype(np.float32)
    places = np.arange(count) % 2
    scans[places == 1, 2:10, 2:10] += 0.5
    return scans, places


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = ResNet(size="tiny", members=2, dropout=0.0).build(space_of_classes(SIDE, SIDE, 1))
    scans, places = corners(64)

    def loss(truth: np.ndarray, logits: np.ndarray) -> np.ndarray:
        return keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(
                keras.ops.repeat(truth, 2, axis=0),
                keras.ops.reshape(logits, (-1, 2)),
                from_logits=True,
            )
        )

    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit({"scan": scans}, places, batch_size=16, epochs=12, verbose=0)
    return model


def test_maps_point_at_what_the_class_is_told_from(trained: keras.Model) -> None:
    scans, places = corners(6)
    lesions = np.flatnonzero(places == 1)
    falls = occlusion(trained, scans[lesions], places[lesions])
    assert falls.shape == (3, 7, 7)
    for fall in falls:
        assert max(np.unravel_index(fall.argmax(), fall.shape)) <= 2
        assert fall.max() > 0.5
    for heat in gradcam(trained, scans[lesions], places[lesions]):
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert max(row / heat.shape[0], column / heat.shape[1]) < 0.6


def test_hiding_what_does_not_matter_changes_little(trained: keras.Model) -> None:
    scans, places = corners(6)
    falls = occlusion(trained, scans[1::2], places[1::2])
    assert falls[:, 4:, 4:].max() < falls.max() / 2


def test_maps_change_when_the_weights_are_shuffled(trained: keras.Model) -> None:
    scans, places = corners(16)
    found = explain_classes(trained, {"scan": scans}, places)
    before, after = (gradcam(model, scans, places) for model in (trained, shuffled(trained)))
    assert np.abs(before - after).mean() > 0.1
    assert abs(float(np.median(found["sanity"]))) < 0.6
    np.testing.assert_array_equal(gradcam(trained, scans, places), before)


def test_shuffling_keeps_the_trained_network_as_it_is(trained: keras.Model) -> None:
    before = trained.get_weights()
    other = shuffled(trained)
    for ours, kept in zip(trained.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, kept)
    changed = [
        not np.array_equal(one, two)
        for one, two in zip(other.get_weights(), before, strict=True)
        if one.ndim > 1
    ]
    assert all(changed)
    for one, two in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(np.sort(one.ravel()), np.sort(two.ravel()))


def test_volumes_have_maps_of_three_axes() -> None:
    model = ResNet(size="tiny").build(space_of_classes(8, 16, 16, 1))
    scans = np.random.default_rng(0).random((2, 8, 16, 16, 1)).astype(np.float32)
    found = explain_classes(model, {"scan": scans}, np.array([0, 1]))
    assert found["gradcam"][0].ndim == found["occlusion"][0].ndim == 3
    assert overlay(found["seen"][0], found["gradcam"][0]).shape == (224, 224, 3)


def test_overlays_are_written_and_show_the_heat(tmp_path: Path) -> None:
    heat = np.zeros((7, 7), np.float32)
    heat[0, 0] = 1
    predictions = {
        "gradcam": zoo.object_column([heat]),
        "occlusion": zoo.object_column([0.3 * heat]),
        "seen": zoo.object_column([np.full((28, 28, 1), 40, np.uint8)]),
    }
    batch = {"id": np.array(["../chest/one?.png"], object)}
    write_overlays(batch, predictions, tmp_path / "explanations")
    written = sorted(path.name for path in (tmp_path / "explanations").iterdir())
    assert written == [
        "00000-.._chest_one_.png-gradcam.png",
        "00000-.._chest_one_.png-occlusion.png",
    ]
    picture = np.asarray(Image.open(tmp_path / "explanations" / written[0])).astype(int)
    assert picture.shape == (224, 224, 3)
    assert picture[8, 8].max() > picture[200, 200].max() + 50
