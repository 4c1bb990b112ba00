"""What a reader finds in the figures of a detector."""

from __future__ import annotations

import base64
import html
import io
import re
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from zoo_vision.evaluation.coco_metrics import Detections
from zoo_vision.evaluation.figures import (
    all_figures,
    by_class,
    by_size,
    confusion_matrix,
    error_gallery,
    examples,
)
from zoo_vision.evaluation.mistakes import find_mistakes
from zoo_vision.images import ImageArray

import zoo

Batch = dict[str, np.ndarray]
CLASSES = ["cell", "<plate>", "never seen"]


@dataclass(frozen=True)
class Gone:
    """A picture whose file has been removed since the data were loaded."""

    name: str = "/somewhere/gone.png"

    def read(self) -> np.ndarray:
        raise zoo.DataError(f"{self.name} does not exist.")


@pytest.fixture
def scene() -> tuple[Batch, Batch]:
    """Three images, each with a box found, one confused, one missed and one false."""
    images = 3
    square = np.array([0, 0, 40, 40], np.float32)
    true = np.stack([square + 10, square + 80, square * 0.5 + 150])
    found = np.stack([square + 12, square + 82, np.add(square, [0, 150, 0, 150])])
    truth = {
        "id": zoo.object_column([f"scan/{index}.png" for index in range(images)]),
        "image": zoo.object_column([ImageArray(np.full((200, 200, 3), 90, np.uint8))] * images),
        "boxes": zoo.object_column([true] * images),
        "classes": zoo.object_column([np.array([0, 0, 1])] * images),
        "crowd": zoo.object_column([np.zeros(3, bool)] * images),
    }
    predictions = {
        "boxes": zoo.object_column([found] * images),
        "classes": zoo.object_column([np.array([0, 1, 0])] * images),
        "scores": zoo.object_column(
            [np.array([0.9, 0.8, 0.7 + 0.1 * i], np.float32) for i in range(images)]
        ),
    }
    return truth, predictions


def pictures(figure: zoo.Figure) -> list[Image.Image]:
    addresses = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', figure.html)
    return [Image.open(io.BytesIO(base64.b64decode(address))) for address in addresses]


def cells(figure: zoo.Figure) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", figure.html)
    return [[html.unescape(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def test_a_report_has_all_figures_and_nothing_from_elsewhere(scene: tuple[Batch, Batch]) -> None:
    figures = all_figures(*scene, CLASSES, {"threshold": 0.5})
    titles = [figure.title for figure in figures]
    assert titles[:3] == ["Precision and recall", "Classes", "Sizes"]
    assert len(set(titles)) == 8
    for figure in figures:
        assert figure.caption
        assert not re.search(r'(src|href)="(?!data:|#)', figure.html)
        assert "<plate>" not in figure.html


def test_classes_and_sizes_are_tabulated(scene: tuple[Batch, Batch]) -> None:
    detections = Detections(*scene, len(CLASSES))
    classes = cells(by_class(detections, CLASSES))[1:]
    assert [row[:2] for row in classes] == [["cell", "6"], ["<plate>", "3"], ["never seen", "0"]]
    assert classes[1][2] == "0.000"
    assert classes[2][2:] == ["\N{EN DASH}"] * 4
    sizes = {row[0]: row[2] for row in cells(by_size(detections))[1:]}
    assert sizes == {"small": "3", "medium": "6", "large": "0", "all": "9"}


def test_the_gallery_shows_each_kind_with_the_costliest_first(scene: tuple[Batch, Batch]) -> None:
    truth, predictions = scene
    gallery = error_gallery(truth, find_mistakes(truth, predictions, 0.5), CLASSES)
    headings = re.findall(r"<h4>(.*?)</h4>", gallery.html)
    assert headings == ["Confused class: 3", "Background: 3", "Missed: 3"]
    lines = re.findall(r"<figcaption>(.*?)</figcaption>", gallery.html)
    assert lines[0].startswith("&lt;plate&gt; 0.80, true cell, IoU 0.8")
    assert lines[3:6] == [f"cell {0.7 + 0.1 * i:.2f} · scan/{i}.png" for i in (2, 1, 0)]


def test_the_gallery_draws_truth_and_detection(scene: tuple[Batch, Batch]) -> None:
    truth, predictions = scene
    gallery = error_gallery(truth, find_mistakes(truth, predictions, 0.5), CLASSES)
    confused, *_, missed = [np.asarray(picture, int) for picture in pictures(gallery)]
    assert max(confused.shape) == max(missed.shape) == 320

    def shows(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
        return bool((np.abs(picture - colour).max(axis=-1) < 40).any())

    green, orange = (0, 158, 115), (213, 94, 0)
    assert shows(confused, green)
    assert shows(confused, orange)
    assert shows(missed, green)
    assert not shows(missed, orange)


def test_the_gallery_is_limited(scene: tuple[Batch, Batch]) -> None:
    truth, predictions = scene
    mistakes = find_mistakes(truth, predictions, 0.5) * 50
    gallery = error_gallery(truth, mistakes, CLASSES)
    assert len(pictures(gallery)) == 18
    assert "Confused class: 150" in gallery.html


def test_pictures_that_are_gone_are_left_out_and_named(scene: tuple[Batch, Batch]) -> None:
    truth, predictions = scene
    truth["image"][1] = Gone()
    gallery = error_gallery(truth, find_mistakes(truth, predictions, 0.5), CLASSES)
    assert len(pictures(gallery)) == 6
    assert "1 pictures could not be read, among them scan/1.png." in gallery.caption
    assert len(pictures(examples(truth, predictions, CLASSES, 0.5))) == 2


def test_boxes_at_and_beyond_the_edge_are_drawn(scene: tuple[Batch, Batch]) -> None:
    truth, predictions = scene
    outside = np.array([[500, 500, 540, 530], [-50, -9, 0, 0], [0, 0, 1, 1]], np.float32)
    predictions["boxes"] = zoo.object_column([outside] * 3)
    gallery = error_gallery(truth, find_mistakes(truth, predictions, 0.5), CLASSES)
    assert len(pictures(gallery)) == 12


def test_examples_show_what_is_above_the_threshold(scene: tuple[Batch, Batch]) -> None:
    figure = examples(*scene, CLASSES, threshold=0.75)
    assert [picture.size for picture in pictures(figure)] == [(200, 200)] * 3
    lines = re.findall(r"<figcaption>(.*?)</figcaption>", figure.html)
    assert lines[0] == "2 detected, 3 true · scan/0.png"
    assert lines[2] == "3 detected, 3 true · scan/2.png"


def test_confusions_of_many_classes_are_listed(scene: tuple[Batch, Batch]) -> None:
    many = [f"kind {index}" for index in range(40)]
    rows = cells(confusion_matrix(*scene, many, threshold=0.5))[1:]
    assert ["kind 0", "kind 1", "3"] in rows
    assert ["kind 1", "background", "3"] in rows
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("empty", "classes"),
    [({"truth"}, CLASSES), ({"predictions"}, CLASSES), ({"truth", "predictions"}, [])],
)
def test_figures_of_nothing_are_drawn(
    scene: tuple[Batch, Batch], empty: set[str], classes: list[str]
) -> None:
    for columns, which in zip(scene, ("truth", "predictions"), strict=True):
        for name in {"boxes", "classes", "scores", "crowd"} & set(columns):
            if which in empty:
                columns[name] = zoo.object_column(values[:0] for values in columns[name])
    assert len(all_figures(*scene, classes, {})) == 8
