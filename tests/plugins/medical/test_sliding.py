"""Scans in tiles: what is blended together is what the whole scan would give."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from zoo_medical.inference.sliding import TiledScans, blended, tile_starts
from zoo_medical.models.unet import UNet
from zoo_medical.scans.scan import ArrayMask, ArrayScan
from zoo_medical.tasks.segment import Segment

import zoo
from zoo.data.examples import Columns
from zoo.inference import Sweep

OVERLAP = 0.5


def space(*sizes: int) -> zoo.Space:
    names = ("background", "lesion")
    return zoo.Space(
        inputs={"scan": zoo.Tensor((*sizes, 1))},
        outputs={"logits": zoo.Tensor((*sizes, 2), names=names)},
        classes=names,
        arrays={"mean": np.array([0.5]), "deviation": np.array([0.25])},
    )


def cut(array: np.ndarray, tile: tuple[int, ...]) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """Return the tiles of an array [*sizes, values], with zeros beyond its end."""
    starts = tile_starts(array.shape[:-1], tile, OVERLAP)
    pieces = []
    for start in starts:
        piece = np.zeros((*tile, array.shape[-1]), np.float32)
        part = array[tuple(slice(a, a + side) for a, side in zip(start, tile, strict=True))]
        piece[tuple(map(slice, part.shape[:-1]))] = part
        pieces.append(piece)
    return pieces, starts


@pytest.mark.parametrize("sizes", [(50, 77), (16, 16), (9, 200), (20, 33, 41)])
def test_tiles_cover_a_scan_and_go_together_again(sizes: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random((*sizes, 2)).astype(np.float32)
    pieces, starts = cut(array, (16,) * len(sizes))
    together = blended(pieces, starts, sizes, OVERLAP)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, array, atol=1e-6)


def test_tiles_start_where_features_are_halved_evenly() -> None:
    starts = np.array(tile_starts((100, 64), (32, 32), 0.25))
    assert (starts % 8 == 0).all()
    assert len(np.unique(starts, axis=0)) == len(starts)


def test_a_network_that_sees_little_gives_what_it_gives_of_the_whole() -> None:
    """Two convolutions see 2 px around a place, and a quarter of the overlap is 4 px."""

    def build(height: int, width: int) -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((height, width, 1)),
                keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
                keras.layers.Conv2D(2, 3, padding="same"),
            ]
        )

    scan = np.random.default_rng(0).random((72, 56, 1)).astype(np.float32)
    small, large = build(32, 32), build(72, 56)
    large.set_weights(small.get_weights())
    pieces, starts = cut(scan, (32, 32))
    found = list(small.predict(np.stack(pieces), verbose=0))
    whole = large.predict(scan[None], verbose=0)[0]
    np.testing.assert_allclose(blended(found, starts, (72, 56), OVERLAP), whole, atol=1e-5)


def test_where_one_tile_holds_the_scan_it_is_whole_image_inference() -> None:
    """Half precision is what is kept of probabilities."""
    scan = np.random.default_rng(0).random((40, 56, 1)).astype(np.float32)
    task, model = Segment(tile=56), UNet(size="tiny").build(space(40, 56))
    examples = Columns(
        {"id": np.array(["a"], object), "scan": zoo.object_column([ArrayScan(scan)])}
    )
    preprocessing = task.preprocessing(
        classes=("lesion",), tile=(40, 56), channels=1, mean=(0.5,), deviation=(0.25,)
    )
    found = Sweep(task, preprocessing, examples, 1).outputs(model)["probabilities"][0]
    logits = model.predict({"scan": scan[None]}, verbose=0)[0]
    expected = 1 / (1 + np.exp(logits[..., :1] - logits[..., 1:]))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_large_scan_is_seen_in_tiles_and_each_part_of_its_mask_with_it() -> None:
    scan = np.arange(40 * 24, dtype=np.float32).reshape(40, 24, 1) / 960
    mask = (scan[..., 0] > 0.5).astype(np.uint8)
    examples = Columns(
        {"scan": zoo.object_column([ArrayScan(scan)]), "mask": zoo.object_column([ArrayMask(mask)])}
    )
    tiles = zoo.all_rows(TiledScans(examples, (16, 24), 0.5))
    assert list(tiles["example"]) == [0] * 4
    for tile, part, (top, left), size in zip(
        tiles["scan"], tiles["mask"], tiles["start"], tiles["size"], strict=True
    ):
        np.testing.assert_array_equal(tile.read(), scan[top : top + 16, left : left + 24])
        np.testing.assert_array_equal(part.read(), mask[top : top + 16, left : left + 24])
        assert size == (40, 24)


def test_a_volume_for_a_model_of_pictures_is_named() -> None:
    volume = ArrayScan(np.zeros((4, 8, 8, 1), np.float32), "chest")
    examples = Columns({"scan": zoo.object_column([volume])})
    with pytest.raises(zoo.DataError, match="chest is a volume"):
        TiledScans(examples, (8, 8), 0.5)
