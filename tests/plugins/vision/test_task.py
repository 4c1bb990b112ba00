"""The detection task from pictures in files to measured and written detections."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from zoo_vision.data.datasets import Boxes
from zoo_vision.images import ImageArray
from zoo_vision.prediction.nms import distinct_detections
from zoo_vision.preprocessing import PicturePreprocessing
from zoo_vision.task import DetectObjects

import zoo

NO_SPACE = zoo.Space(inputs={}, outputs={})
"""For an augmentation that does not ask for it."""
NAMES = ("zebra", "ant", "moose")
"""Not in alphabetical order, so that places and sorted names differ."""
COLOURS = {"zebra": (250, 20, 20), "ant": (20, 250, 20), "moose": (20, 20, 250)}
TURNED_BACK = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation -> how an upright picture is stored under it."""
EXTRAS = 5
SIZES = [(150, 230), (230, 150), (97, 61), (61, 97), (64, 64), (200, 90), (90, 200), (128, 128)]
OBJECTS = {
    "zebra": (10.25, 5.5, 40.75, 30.125),
    "ant": (33.5, 20.0, 58.0625, 47.5),
    "moose": (4.0, 36.0, 17.5, 59.75),
}
"""In each picture; two of them lie over what may be a seam."""


# Pictures in files, and what a perfect network would say of them ---------------------------


@pytest.fixture
def turned(tmp_path: Path) -> zoo.Examples:
    """Eight pictures of as many sizes and EXIF orientations, labelled upright."""
    images, annotations = [], []
    for number, ((width, height), turn) in enumerate(zip(SIZES, TURNED_BACK, strict=True)):
        name = f"turned-{turn}.png"
        _write_turned(tmp_path / name, width, height, turn)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for category, (x1, y1, x2, y2) in enumerate(OBJECTS.values()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": place, "name": name} for place, name in enumerate(NAMES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    dataset = Boxes(path=str(tmp_path), classes=NAMES)
    examples, findings = dataset.read(str(tmp_path), cache=tmp_path / "cache")
    assert not findings
    return examples


def _write_turned(path: Path, width: int, height: int, turn: int) -> None:
    """Write a picture of filled boxes as a camera held like that stores it."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for name, box in OBJECTS.items():
        left, top, right, bottom = np.round(box).astype(int)
        pixels[top:bottom, left:right] = COLOURS[name]
    picture = Image.fromarray(pixels)
    if (back := TURNED_BACK[turn]) is not None:
        picture = picture.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = turn
    picture.save(path, exif=exif)


def prepared(task: DetectObjects, examples: zoo.Examples) -> PicturePreprocessing:
    """Return the preprocessing of a task that was trained on some examples."""
    facts = {"classes": list(NAMES)}
    info = zoo.DatasetInfo(name="test", source="", fingerprint="", counts={}, facts=facts)
    return task.prepare(examples, info)


def network(boxes: np.ndarray, names: Sequence[str], scores: np.ndarray) -> np.ndarray:
    """Return raw outputs [anchors, 4 + classes + extras] that say this and background else."""
    random = np.random.default_rng(0)
    outputs = random.uniform(-50, 50, (40, 4 + len(NAMES) + EXTRAS)).astype(np.float32)
    outputs[:, 4 : 4 + len(NAMES)] = -20
    for row, (box, name, score) in enumerate(zip(boxes, names, scores, strict=True)):
        anchor = 5 * row + 2
        outputs[anchor, :4] = box
        outputs[anchor, 4 + NAMES.index(name)] = np.log(score / (1 - score))
    return outputs


def perfect(
    preprocessing: PicturePreprocessing, windows: zoo.Batch, *, whole_pictures: bool = True
) -> np.ndarray:
    """Return raw outputs for windows that find all that is to be seen of `OBJECTS`.

    Args:
        preprocessing: says where a window's pixels lie on the canvas.
        windows: as :meth:`DetectObjects.windows` makes them.
        whole_pictures: whether anything is found in windows that do not begin or end at a
            seam, of pictures that also have others.
    """
    sure = np.linspace(0.9, 0.7, len(OBJECTS))
    several = np.bincount(windows["example"])[windows["example"]] > 1
    last = np.append(np.diff(windows["example"]) > 0, True)
    outputs = []
    for row in range(len(windows["example"])):
        left, top = windows["left"][row], windows["top"][row]
        width, height = windows["width"][row], windows["height"][row]
        boxes = np.array(list(OBJECTS.values())) - [left, top] * 2
        boxes = np.clip(boxes, 0, [width, height] * 2)
        seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if several[row] and last[row] and not whole_pictures:
            seen[:] = False
        names = np.array(NAMES)[seen].tolist()
        placed = preprocessing.letterbox(width, height).forward(boxes[seen])
        outputs.append(network(placed, names, sure[seen]))
    return np.stack(outputs)


def detected(
    task: DetectObjects,
    preprocessing: PicturePreprocessing,
    examples: zoo.Examples,
    see: Callable[[zoo.Batch], np.ndarray],
) -> zoo.Batch:
    """Return predictions as the core makes them, two windows at a time."""
    windows = zoo.all_rows(task.windows(examples, preprocessing))
    raw = see(windows)
    parts = [task.reduce(raw[start : start + 2], preprocessing) for start in range(0, len(raw), 2)]
    outputs = task.restore(np.concatenate(parts), windows, zoo.all_rows(examples), preprocessing)
    return task.decode(outputs, {"threshold": 0.5})


# Coordinates -------------------------------------------------------------------------------


@pytest.mark.parametrize("whole_pictures", [True, False], ids=["whole", "tiles-alone"])
@pytest.mark.parametrize("tile", [0, 50, 64, 100])
def test_boxes_come_back_in_pixels_of_the_upright_picture(
    turned: zoo.Examples, tile: int, whole_pictures: bool
) -> None:
    task = DetectObjects(size=128, tile=tile)
    preprocessing = prepared(task, turned)
    found = detected(
        task,
        preprocessing,
        turned,
        lambda windows: perfect(preprocessing, windows, whole_pictures=whole_pictures),
    )
    assert len(found["boxes"]) == len(SIZES)
    for boxes, names, scores in zip(found["boxes"], found["classes"], found["scores"], strict=True):
        assert names.tolist() == list(NAMES)  # one box each, though seams cut some
        np.testing.assert_allclose(boxes, list(OBJECTS.values()), rtol=0, atol=1e-3)
        np.testing.assert_allclose(scores, [0.9, 0.8, 0.7], atol=1e-5)


@pytest.mark.parametrize("tile", [0, 64])
def test_what_is_seen_on_the_canvas_is_where_it_was_painted(
    turned: zoo.Examples, tile: int
) -> None:
    """Pixels take the same way as boxes: through EXIF, tiles and letterbox."""
    task = DetectObjects(size=128, tile=tile)
    preprocessing = prepared(task, turned)

    def see(windows: zoo.Batch) -> np.ndarray:
        canvases = preprocessing.inputs(windows)["image"].astype(int)
        return np.stack([_by_colour(canvas) for canvas in canvases])

    found = detected(task, preprocessing, turned, see)
    for (width, height), boxes, names in zip(SIZES, found["boxes"], found["classes"], strict=True):
        letterbox = preprocessing.letterbox(width, height)
        pixel = 1.01 / min(letterbox.scale, 1)  # of the canvas, px of the picture
        assert sorted(names) == sorted(NAMES)
        truth = np.round([OBJECTS[name] for name in names])
        np.testing.assert_allclose(boxes, truth, rtol=0, atol=pixel)


def _by_colour(canvas: np.ndarray) -> np.ndarray:
    """Return what a network that knows each class by its colour says of a canvas."""
    boxes, names = [], []
    for name, colour in COLOURS.items():
        rows, columns = np.nonzero(np.abs(canvas - colour).max(axis=2) < 115)
        if len(rows):
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            names.append(name)
    return network(np.array(boxes), names, np.full(len(names), 0.9))


def test_a_target_is_what_the_network_should_say(turned: zoo.Examples) -> None:
    task = DetectObjects(size=128)
    preprocessing = prepared(task, turned)
    windows = zoo.all_rows(task.windows(turned, preprocessing))
    targets = preprocessing.targets(windows)
    np.testing.assert_array_equal(targets[..., 4], [[0, 1, 2]] * len(SIZES))

    def see(windows: zoo.Batch) -> np.ndarray:
        sure = np.array([0.9, 0.8, 0.7])
        return np.stack([network(target[:, :4], NAMES, sure) for target in targets])

    found = detected(task, preprocessing, turned, see)
    for boxes in found["boxes"]:
        np.testing.assert_allclose(boxes, list(OBJECTS.values()), rtol=0, atol=1e-3)


# Distinct detections -----------------------------------------------------------------------


def distinct(boxes: list[tuple[float, ...]], names: Sequence[str], **settings: float) -> np.ndarray:
    scores = np.linspace(0.9, 0.5, len(boxes))
    outputs = network(np.array(boxes, np.float32), names, scores)[None]
    options = {"overlap": 0.65, "most": 20, **settings}
    return distinct_detections(outputs, len(NAMES), **options)[0]


def test_equal_boxes_of_two_classes_both_stay() -> None:
    found = distinct([(5, 5, 20, 20)] * 3, ["zebra", "moose", "zebra"])
    assert found.shape == (20, 6)
    assert found[:2, 5].tolist() == [0, 2]
    np.testing.assert_allclose(found[:2, :4], [(5, 5, 20, 20)] * 2)
    np.testing.assert_allclose(found[:2, 4], [0.9, 0.7], atol=1e-6)
    assert (found[2:, 4] == 0).all()


def test_boxes_that_overlap_less_are_two_objects() -> None:
    boxes = [(0.0, 0.0, 20.0, 20.0), (0.0, 5.0, 20.0, 25.0)]  # IoU .6
    assert (distinct(boxes, ["ant", "ant"], overlap=0.65)[:, 4] > 0).sum() == 2
    assert (distinct(boxes, ["ant", "ant"], overlap=0.55)[:, 4] > 0).sum() == 1


def test_the_best_are_kept_and_boxes_beyond_the_canvas_stay_whole() -> None:
    found = distinct([(-9, -9, 700, 800), (0, 0, 9, 9), (20, 20, 30, 30)], NAMES, most=2)
    assert found.shape == (2, 6)
    np.testing.assert_allclose(found[0, :4], [-9, -9, 700, 800])
    assert found[1, 5] == 1


def test_nothing_found_is_padding_alone() -> None:
    assert (distinct([], [])[:, 4] == 0).all()


def test_a_network_that_finds_nothing_gives_no_boxes(turned: zoo.Examples) -> None:
    task = DetectObjects(size=128, tile=64)
    preprocessing = prepared(task, turned)

    def see(windows: zoo.Batch) -> np.ndarray:
        return np.stack([network(np.zeros((0, 4)), [], np.zeros(0))] * len(windows["example"]))

    found = detected(task, preprocessing, turned, see)
    assert [boxes.shape for boxes in found["boxes"]] == [(0, 4)] * len(SIZES)
    assert [len(names) for names in found["classes"]] == [0] * len(SIZES)
    assert [record["detections"] for record in task.records(zoo.all_rows(turned), found)] == [
        []
    ] * len(SIZES)


# Measures and the threshold ----------------------------------------------------------------


def batch_of(*rows: dict[str, list[tuple[float, ...]]]) -> zoo.Batch:
    """Return labelled pictures of 80 x 60 px with these boxes by class."""
    grey = np.full((60, 80, 3), 128, np.uint8)
    return {
        "id": zoo.object_column([f"{row}.png" for row in range(len(rows))]),
        "image": zoo.object_column([ImageArray(grey)] * len(rows)),
        "width": np.full(len(rows), 80),
        "height": np.full(len(rows), 60),
        "boxes": zoo.object_column(
            [
                np.array([box for boxes in row.values() for box in boxes], np.float32).reshape(
                    -1, 4
                )
                for row in rows
            ]
        ),
        "classes": zoo.object_column(
            [np.array([name for name, boxes in row.items() for _ in boxes], object) for row in rows]
        ),
        "crowd": zoo.object_column([np.zeros(sum(map(len, row.values())), bool) for row in rows]),
    }


def said_of(truth: zoo.Batch, threshold: float = 0.5) -> zoo.Batch:
    """Return predictions that are the truth."""
    scores = zoo.object_column([np.linspace(0.9, 0.6, len(boxes)) for boxes in truth["boxes"]])
    outputs = {"boxes": truth["boxes"], "classes": truth["classes"], "scores": scores}
    return DetectObjects().decode(outputs, {"threshold": threshold})


def values(truth: zoo.Batch, predictions: zoo.Batch) -> dict[str, float]:
    ones = np.ones(len(truth["id"]), np.int64)
    return {each.name: each.compute(ones) for each in DetectObjects().metrics(truth, predictions)}


TRUTH = (
    {"zebra": [(1, 1, 21, 21), (40, 10, 60, 30)], "ant": [(10, 30, 30, 50)]},
    {},
    {"moose": [(5, 5, 75, 55)]},
)


def test_what_is_right_in_all_measures_one(turned: zoo.Examples) -> None:
    measured = values(batch_of(*TRUTH), said_of(batch_of(*TRUTH)))
    assert next(iter(measured)) == DetectObjects.monitor
    for name in ("map", "map50", "map75", "map_small", "ar10", "ar100", "map_ant", "map_zebra"):
        assert measured[name] == pytest.approx(1), name
    task = DetectObjects(size=128, tile=64)
    preprocessing = prepared(task, turned)
    found = detected(task, preprocessing, turned, lambda windows: perfect(preprocessing, windows))
    assert values(zoo.all_rows(turned), found)["map"] == pytest.approx(1)


def test_a_model_is_measured_by_the_names_of_its_classes() -> None:
    """Neither the order of its classes matters, nor what the data do not know."""
    truth = batch_of({"ant": [(1, 1, 21, 21)], "zebra": [(40, 10, 60, 30)]})
    by_name = {"zebra": [(40, 10, 60, 30)], "ant": [(1, 1, 21, 21)]}
    assert values(truth, said_of(batch_of(by_name)))["map"] == pytest.approx(1)
    with_more = {"yeti": [(1, 1, 21, 21)], **by_name}
    measured = values(truth, said_of(batch_of(with_more)))
    assert measured["map"] == pytest.approx(1)
    assert "map_yeti" not in measured
    exchanged = {"zebra": [(1, 1, 21, 21)], "ant": [(40, 10, 60, 30)]}
    assert values(truth, said_of(batch_of(exchanged)))["map"] == 0


def test_a_class_that_the_model_does_not_know_counts_as_missed() -> None:
    truth = batch_of({"ant": [(1, 1, 21, 21)], "yeti": [(40, 10, 60, 30)]})
    measured = values(truth, said_of(batch_of({"ant": [(1, 1, 21, 21)]})))
    assert measured["map_yeti"] == 0
    assert measured["map"] == pytest.approx(0.5)


def test_data_without_any_object_have_no_measure_but_are_no_mistake() -> None:
    truth = batch_of({}, {})
    found = said_of(batch_of({"ant": [(1, 1, 21, 21)]}, {}))
    assert np.isnan(values(truth, found)["map"])
    assert DetectObjects().tune(truth, found) == {"threshold": 0.5}
    assert DetectObjects().figures(truth, found, {"threshold": 0.5}) is not None


def test_the_threshold_divides_right_from_wrong() -> None:
    task = DetectObjects()
    truth = batch_of({"ant": [(1, 1, 21, 21), (40, 10, 60, 30)]}, {"zebra": [(5, 5, 25, 25)]})
    said = batch_of(
        {"ant": [(1, 1, 21, 21), (40, 10, 60, 30), (5, 40, 9, 44)]},
        {"zebra": [(5, 5, 25, 25)], "ant": [(5, 5, 25, 25)]},
    )
    outputs = {
        "boxes": said["boxes"],
        "classes": said["classes"],
        "scores": zoo.object_column([np.array([0.8, 0.4, 0.2]), np.array([0.5, 0.3])]),
    }
    decision = task.tune(truth, outputs)
    assert 0.3 < decision["threshold"] <= 0.4
    shown = task.decode(outputs, decision)["shown"]
    assert [each.tolist() for each in shown] == [[True, True, False], [True, False]]


def test_figures_know_all_classes(turned: zoo.Examples) -> None:
    truth = batch_of(*TRUTH)
    said = said_of(batch_of({"yeti": [(1, 1, 21, 21)]}, {"ant": [(0, 0, 9, 9)]}, {}))
    figures = DetectObjects().figures(truth, said, {"threshold": 0.5})
    shown = " ".join(figure.html for figure in figures)
    for name in (*NAMES, "yeti"):
        assert name in shown


@pytest.mark.parametrize("name", ["Usual places", "HOG and linear SVM"])
def test_baselines_speak_of_classes_by_name(turned: zoo.Examples, name: str) -> None:
    task = DetectObjects(size=128)
    train = zoo.all_rows(turned)
    unlabelled = {key: train[key] for key in ("id", "image", "width", "height")}
    baseline = task.baselines(prepared(task, turned))[name]
    found = baseline(train, unlabelled)
    said = {str(each) for row in found["classes"] for each in row}
    assert said
    assert said <= set(NAMES)
    assert 0 <= values(train, found)["map"] <= 1


# Training ----------------------------------------------------------------------------------


def crowded(examples: zoo.Examples) -> zoo.Batch:
    """Return inputs and targets of four pictures, each with as many boxes as any."""
    task = DetectObjects(size=128)
    preprocessing = prepared(task, examples)
    windows = zoo.all_rows(task.windows(examples, preprocessing))
    four = {name: column[:4] for name, column in windows.items()}
    return {**preprocessing.inputs(four), "targets": preprocessing.targets(four)}


def test_pictures_that_are_all_full_become_a_mosaic(turned: zoo.Examples) -> None:
    batch = crowded(turned)
    augment = DetectObjects(mosaic=1.0, scale=0.5).augmentation(NO_SPACE)
    seeds = np.stack([np.arange(8), np.arange(8)], axis=1)
    _, targets = augment(
        {"image": tf.constant(np.stack([batch["image"]] * 8))},
        tf.constant(np.stack([batch["targets"]] * 8)),
        tf.constant(seeds),
        tf.constant(0.0),
    )
    alone = len(OBJECTS)
    assert (np.asarray(targets)[..., 4] >= 0).sum(axis=1).max() > alone


def test_the_settings_reach_the_augmentation() -> None:
    off = DetectObjects(
        mosaic=0, mixup=0, horizontal_flip=0, scale=0, translate=0,
        hue=0, saturation=0, brightness=0, contrast=0,
    ).augmentation(NO_SPACE)  # fmt: skip
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    targets = np.array([[[1, 2, 20, 30, 0]]] * 2, np.float32)
    seeds = np.zeros((2, 2), np.int64)
    varied, boxes = off({"image": image}, targets, seeds, 0.0)
    np.testing.assert_array_equal(varied["image"], image)
    np.testing.assert_array_equal(boxes, targets)
    assert off.partners == 0
    assert DetectObjects().augmentation(NO_SPACE).partners == 3


# What is written ---------------------------------------------------------------------------


def test_records_tell_what_is_shown() -> None:
    truth = batch_of(*TRUTH)
    unlabelled = {name: truth[name] for name in ("id", "image", "width", "height")}
    task = DetectObjects()
    predictions = said_of(truth, threshold=0.7)
    records = list(task.records(unlabelled, predictions))
    assert records == list(task.records(truth, predictions))
    assert json.loads(json.dumps(records)) == records
    assert records[0] == {
        "id": "0.png",
        "width": 80,
        "height": 60,
        "detections": [
            {"class": "zebra", "score": 0.9, "box": [1.0, 1.0, 21.0, 21.0]},
            {"class": "zebra", "score": 0.75, "box": [40.0, 10.0, 60.0, 30.0]},
        ],
    }
    assert records[1]["detections"] == []


@pytest.mark.parametrize("labelled", [True, False])
def test_a_folder_has_coco_json_and_drawn_pictures(tmp_path: Path, labelled: bool) -> None:
    batch = batch_of(*TRUTH)
    predictions = said_of(batch, threshold=0.7)
    if not labelled:
        batch = {name: batch[name] for name in ("id", "image", "width", "height")}
    task = DetectObjects()
    assert task.labelled(batch) == labelled
    preprocessing = PicturePreprocessing(classes=NAMES, height=64, width=96, boxes=4, objects=2.0)
    task.files(batch, predictions, tmp_path, preprocessing)
    written = json.loads((tmp_path / "detections.json").read_text())
    names = {each["id"]: each["name"] for each in written["categories"]}
    assert list(names.values()) == list(NAMES)  # all that the model knows, found or not
    assert [(each["image_id"], names[each["category_id"]]) for each in written["annotations"]] == [
        (1, "zebra"),
        (1, "zebra"),
        (3, "moose"),
    ]
    drawn = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in drawn] == ["0.png.jpg", "1.png.jpg", "2.png.jpg"]
    assert np.asarray(Image.open(drawn[0])).std() > np.asarray(Image.open(drawn[1])).std()
    assert not (tmp_path / "explanations").exists()
