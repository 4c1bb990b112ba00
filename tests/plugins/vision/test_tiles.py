from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from zoo_vision.geometry import Letterbox
from zoo_vision.images import ImageArray, ImageFile, Picture
from zoo_vision.prediction.tiles import TiledExamples, merge_windows, tile_grid

import zoo

TILE, OVERLAP = 100, 0.2
Batch = dict[str, np.ndarray]


def pictures(*sizes: tuple[int, int], boxes: list[list[float]] | None = None) -> zoo.Columns:
    """Return examples of these sizes; the boxes are in each."""
    count = len(sizes)
    columns = {
        "id": zoo.object_column([f"{row}.png" for row in range(count)]),
        "image": zoo.object_column([CountingPicture(*size) for size in sizes]),
        "width": np.array([width for width, _ in sizes], np.int64),
        "height": np.array([height for _, height in sizes], np.int64),
    }
    if boxes is not None:
        every = np.array(boxes, np.float32).reshape(-1, 4)
        columns["boxes"] = np.empty(count, object)
        columns["classes"] = np.empty(count, object)
        columns["crowd"] = np.empty(count, object)
        for row in range(count):
            columns["boxes"][row] = every
            columns["classes"][row] = np.arange(len(every))
            columns["crowd"][row] = np.zeros(len(every), bool)
    return zoo.Columns(columns)


class CountingPicture:
    """A picture whose pixels say where they are, and that counts how often it is read."""

    name = "counting"

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.reads = width, height, 0

    def read(self) -> np.ndarray:
        self.reads += 1
        y, x = np.mgrid[: self.height, : self.width]
        return np.stack([x % 256, y % 256, (x // 256) * 16 + y // 256], axis=-1).astype(np.uint8)


def all_windows(examples: TiledExamples) -> Batch:
    return examples[np.arange(len(examples))]


def detect_perfectly(truth: np.ndarray, windows: Batch, score: float = 0.9) -> list[np.ndarray]:
    """Return of each window what a perfect detector finds of boxes [n, 5], in whole px."""
    found = []
    for row in range(len(windows["example"])):
        left, top = windows["left"][row], windows["top"][row]
        right, bottom = left + windows["width"][row], top + windows["height"][row]
        boxes = np.clip(truth[:, :4], [left, top] * 2, [right, bottom] * 2)
        seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        scores = np.full((len(boxes), 1), score - 0.001 * row)
        rows = np.concatenate([boxes, scores, truth[:, 4:]], axis=1)[seen]
        found.append(rows.astype(np.float32))
    return found


def tiles_alone(windows: Batch, examples: Batch) -> Batch:
    """Return windows without the one of the whole picture."""
    whole = windows["width"] == examples["width"][windows["example"]]
    return {name: column[~whole] for name, column in windows.items()}


@pytest.mark.parametrize("size", [(100, 100), (101, 100), (250, 90), (333, 777), (20, 30)])
def test_tiles_cover_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    covered = np.zeros((height, width), int)
    rects = tile_grid(width, height, TILE, OVERLAP)
    for left, top, right, bottom in rects:
        assert (right - left, bottom - top) == (min(TILE, width), min(TILE, height))
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    assert len(np.unique(rects, axis=0)) == len(rects)


def test_neighbouring_tiles_overlap() -> None:
    lefts = np.unique(tile_grid(1000, 100, TILE, OVERLAP)[:, 0])
    assert (lefts[:-1] + TILE - lefts[1:]).min() >= OVERLAP * TILE


def test_no_tiles_are_asked_for() -> None:
    examples = pictures((300, 200), (50, 60), boxes=[[-5, 0, 40, 40]])
    windows = all_windows(TiledExamples(examples, 0))
    whole = examples[np.arange(2)]
    for name, column in whole.items():
        assert windows[name].tolist() == column.tolist() or name == "boxes"
    assert windows["boxes"][0].tolist() == [[-5, 0, 40, 40]]
    assert windows["example"].tolist() == [0, 1]
    assert windows["left"].tolist() == [0, 0]


def test_each_picture_is_seen_through_tiles_and_whole() -> None:
    windows = all_windows(TiledExamples(pictures((180, 100), (90, 50)), TILE, OVERLAP))
    assert windows["example"].tolist() == [0, 0, 0, 1]
    assert windows["id"].tolist() == ["0.png", "0.png", "0.png", "1.png"]
    assert windows["left"].tolist() == [0, 80, 0, 0]
    assert windows["width"].tolist() == [100, 100, 180, 90]
    assert windows["height"].tolist() == [100, 100, 100, 50]
    assert "boxes" not in windows


def test_a_tile_shows_its_part_and_a_picture_is_decoded_once() -> None:
    examples = pictures((180, 100))
    windows = all_windows(TiledExamples(examples, TILE, OVERLAP))
    whole = CountingPicture(180, 100).read()
    for picture, left, width in zip(
        windows["image"], windows["left"], windows["width"], strict=True
    ):
        np.testing.assert_array_equal(picture.read(), whole[:, left : left + width])
    assert examples.columns["image"][0].reads == 1


def test_rows_are_given_in_any_order() -> None:
    examples = TiledExamples(pictures((180, 100), (90, 50)), TILE, OVERLAP)
    batch = examples[np.array([3, 1, 3])]
    assert batch["example"].tolist() == [1, 0, 1]
    assert batch["left"].tolist() == [0, 80, 0]
    assert batch["image"][0].read().shape == (50, 90, 3)


def test_boxes_are_cut_to_the_tile_and_scraps_ignored() -> None:
    boxes = [[10, 10, 30, 30], [60, 0, 140, 10], [90, 50, 140, 60], [150, 20, 170, 40]]
    windows = all_windows(TiledExamples(pictures((180, 100), boxes=boxes), TILE, OVERLAP, 0.4))
    assert windows["boxes"][0].tolist() == [
        [10, 10, 30, 30],
        [60, 0, 100, 10],
        [90, 50, 100, 60],
    ]
    assert windows["boxes"][0].dtype == np.float32
    assert windows["classes"][0].tolist() == [0, 1, 2]
    assert windows["crowd"][0].tolist() == [False, False, True]
    assert windows["boxes"][1].tolist() == [[0, 0, 60, 10], [10, 50, 60, 60], [70, 20, 90, 40]]
    assert windows["crowd"][1].tolist() == [False, False, False]
    assert windows["boxes"][2].tolist() == boxes


def test_a_box_half_outside_the_picture_is_still_an_object() -> None:
    examples = pictures((180, 100), boxes=[[-60, 0, 20, 20]])
    windows = all_windows(TiledExamples(examples, TILE, OVERLAP))
    assert windows["boxes"][0].tolist() == [[0, 0, 20, 20]]
    assert windows["crowd"][0].tolist() == [False]


def test_no_examples_give_no_windows() -> None:
    assert len(TiledExamples(pictures(), TILE)) == 0


@pytest.mark.parametrize(
    "box",
    [
        [60, 20, 120, 60],  # cut by both tiles
        [82, 20, 98, 60],  # whole in both
        [70, 20, 99, 60],  # whole in one, cut in the other
        [40, 20, 250, 70],  # larger than a tile
        [60, 60, 140, 140],  # in four tiles
        [0, 0, 260, 180],  # the whole picture
    ],
)
@pytest.mark.parametrize("with_whole", [True, False])
def test_an_object_over_seams_comes_back_as_one_box(box: list[int], with_whole: bool) -> None:
    examples = pictures((260, 180))
    windows = all_windows(TiledExamples(examples, TILE, OVERLAP))
    if not with_whole:
        windows = tiles_alone(windows, examples.columns)
    found = detect_perfectly(np.array([[*box, 3]]), windows)
    (merged,) = merge_windows(found, windows, examples.columns)
    np.testing.assert_array_equal(merged[:, [0, 1, 2, 3, 5]], [[*box, 3]])
    assert merged[0, 4] == max(rows[:, 4].max(initial=0) for rows in found)


def test_imprecise_pieces_are_joined() -> None:
    examples = pictures((180, 100))
    windows = tiles_alone(all_windows(TiledExamples(examples, TILE, OVERLAP)), examples.columns)
    left = np.array([[60, 20, 99, 62, 0.8, 0]], np.float32)
    right = np.array([[81, 18, 140, 60, 0.9, 0]], np.float32)
    (merged,) = merge_windows([left, right], windows, examples.columns)
    np.testing.assert_allclose(merged, [[60, 18, 140, 62, 0.9, 0]])


def test_neighbours_classes_and_pictures_stay_apart() -> None:
    examples = pictures((180, 100), (180, 100))
    windows = tiles_alone(all_windows(TiledExamples(examples, TILE, OVERLAP)), examples.columns)
    truth = np.array([[60, 0, 120, 20, 0], [60, 22, 120, 42, 0], [60, 0, 120, 20, 1]])
    merged = merge_windows(detect_perfectly(truth, windows), windows, examples.columns)
    for rows in merged:
        found = rows[np.lexsort([rows[:, 1], rows[:, 5]])]
        np.testing.assert_array_equal(found[:, [0, 1, 2, 3, 5]], truth)


def test_a_small_object_before_a_large_one_stays() -> None:
    examples = pictures((180, 100))
    windows = tiles_alone(all_windows(TiledExamples(examples, TILE, OVERLAP)), examples.columns)
    truth = np.array([[20, 0, 160, 90, 0], [84, 40, 96, 52, 0]])
    (merged,) = merge_windows(detect_perfectly(truth, windows), windows, examples.columns)
    assert sorted(merged[:, :4].tolist()) == sorted(truth[:, :4].tolist())


def test_many_objects_at_random_come_back() -> None:
    rng = np.random.default_rng(0)
    cells = np.stack(np.meshgrid(np.arange(6), np.arange(5)), axis=-1).reshape(-1, 2) * 100
    corners = cells + rng.integers(1, 20, (len(cells), 2))
    truth = np.concatenate([corners, corners + rng.integers(20, 80, (len(cells), 2))], axis=1)
    truth = np.concatenate([truth, rng.integers(0, 2, (len(cells), 1))], axis=1)
    examples = pictures((640, 520))
    windows = all_windows(TiledExamples(examples, 128, 0.25))
    (merged,) = merge_windows(detect_perfectly(truth, windows), windows, examples.columns)
    assert sorted(merged[:, [0, 1, 2, 3, 5]].tolist()) == sorted(truth.tolist())
    assert (np.diff(merged[:, 4]) <= 0).all()


def test_a_picture_with_one_window_keeps_its_boxes() -> None:
    examples = pictures((90, 50), (180, 100))
    windows = all_windows(TiledExamples(examples, TILE, OVERLAP))
    boxes = np.array([[0, 0, 40, 40, 0.9, 0], [1, 0, 40, 40, 0.8, 0]], np.float32)
    nothing = np.zeros((0, 6), np.float32)
    merged = merge_windows([boxes, nothing, nothing, nothing], windows, examples.columns)
    np.testing.assert_array_equal(merged[0], boxes)
    assert merged[1].shape == (0, 6)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_of_a_rotated_tiled_letterboxed_picture_are_in_its_own_pixels(
    tmp_path: Path, orientation: int
) -> None:
    """White blocks are found in the model's input by their pixels and brought back."""
    truth = np.array([[30, 40, 70, 90], [120, 60, 200, 140], [230, 150, 250, 180]])
    upright = np.zeros((200, 280, 3), np.uint8)
    for left, top, right, bottom in truth:
        upright[top:bottom, left:right] = 255
    turned = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, turned).copy()).save(tmp_path / "a.png", exif=exif)
    file = ImageFile(tmp_path / "a.png")
    examples = zoo.Columns(
        {
            "id": zoo.object_column(["a.png"]),
            "image": zoo.object_column([file]),
            "width": np.array([280]),
            "height": np.array([200]),
        }
    )
    windows = all_windows(TiledExamples(examples, TILE, OVERLAP))

    found = [bright_blocks(windows, row) for row in range(len(windows["image"]))]
    (merged,) = merge_windows(found, windows, examples.columns)

    np.testing.assert_array_equal(file.read(), upright)
    assert sorted(merged[:, :4].tolist()) == truth.tolist()


def bright_blocks(windows: Batch, row: int) -> np.ndarray:
    """Detect white blocks in a window letterboxed to twice a tile, in px of the picture."""
    picture: Picture = windows["image"][row]
    width, height = int(windows["width"][row]), int(windows["height"][row])
    if width > TILE:  # The whole picture, shrunk, shows edges between pixels: none found.
        return np.zeros((0, 6), np.float32)
    letterbox = Letterbox(width, height, canvas_height=2 * TILE, canvas_width=2 * TILE + 32)
    # The grey margin is darker than what counts as bright.
    labels, _ = ndimage.label(letterbox.apply(picture.read())[..., 0] > 128)
    canvas = [
        [columns.start, rows.start, columns.stop, rows.stop]
        for rows, columns in ndimage.find_objects(labels)
        if (labels[rows, columns] > 0).sum() > 20
    ]
    boxes = letterbox.backward(np.array(canvas, np.float32).reshape(-1, 4))
    boxes += np.array([windows["left"][row], windows["top"][row]] * 2, np.float32)
    rest = np.tile(np.array([0.9, 0], np.float32), (len(boxes), 1))
    return np.concatenate([boxes, rest], axis=1)


def test_an_array_can_be_tiled() -> None:
    image = np.arange(180 * 120 * 3, dtype=np.uint8).reshape(120, 180, 3)
    columns = pictures((180, 120)).columns | {"image": zoo.object_column([ImageArray(image)])}
    windows = all_windows(TiledExamples(zoo.Columns(columns), TILE, OVERLAP))
    np.testing.assert_array_equal(windows["image"][-1].read(), image)
