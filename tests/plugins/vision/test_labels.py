"""Classes by name and by number."""

from __future__ import annotations

import numpy as np
from zoo_vision.labels import class_names, named, numbered

import zoo

NAMES = ("zebra", "ant", "moose")


def objects(*rows: list[str]) -> zoo.Batch:
    """Return pictures with objects of these classes; each column says where an object stood."""
    places = [np.arange(len(row)) for row in rows]
    return {
        "id": zoo.object_column([f"{number}.png" for number in range(len(rows))]),
        "classes": zoo.object_column([np.array(row, object) for row in rows]),
        "boxes": zoo.object_column(
            [np.repeat(place[:, None], 4, axis=1).astype(np.float32) for place in places]
        ),
        "crowd": zoo.object_column([place % 2 == 1 for place in places]),
        "scores": zoo.object_column([place.astype(np.float32) for place in places]),
        "shown": zoo.object_column([place % 2 == 0 for place in places]),
    }


def lists(column: np.ndarray) -> list[list[object]]:
    return [row.tolist() for row in column]


def test_names_become_their_places_and_come_back() -> None:
    batch = objects(["moose", "zebra", "moose"], ["ant"])
    numbers = numbered(batch, NAMES)
    assert lists(numbers["classes"]) == [[2, 0, 2], [1]]
    assert all(row.dtype == np.int64 for row in numbers["classes"])
    assert lists(named(numbers["classes"], NAMES)) == lists(batch["classes"])
    for column in ("boxes", "crowd", "scores", "shown"):
        assert lists(numbers[column]) == lists(batch[column])


def test_unknown_names_go_with_all_that_is_said_of_their_objects() -> None:
    numbers = numbered(objects(["moose", "yeti", "ant", "yeti"], ["yeti"]), NAMES)
    assert lists(numbers["classes"]) == [[2, 1], []]
    assert lists(numbers["boxes"]) == [[[0] * 4, [2] * 4], []]
    assert numbers["boxes"][1].shape == (0, 4)
    assert lists(numbers["crowd"]) == [[False, False], []]
    assert lists(numbers["scores"]) == [[0, 2], []]
    assert lists(numbers["shown"]) == [[True, True], []]
    assert numbers["id"].tolist() == ["0.png", "1.png"]


def test_what_was_given_stays_as_it_was() -> None:
    batch = objects(["yeti", "ant"])
    numbered(batch, NAMES)
    assert lists(batch["classes"]) == [["yeti", "ant"]]
    assert batch["boxes"][0].shape == (2, 4)


def test_truth_has_no_scores_and_predictions_no_crowds() -> None:
    batch = objects(["ant"])
    truth = {name: batch[name] for name in ("id", "boxes", "classes", "crowd")}
    assert set(numbered(truth, NAMES)) == set(truth)
    predictions = {name: batch[name] for name in ("boxes", "classes", "scores")}
    assert set(numbered(predictions, NAMES)) == set(predictions)


def test_pictures_without_objects_stay() -> None:
    numbers = numbered(objects([], ["ant"], []), NAMES)
    assert lists(numbers["classes"]) == [[], [1], []]
    assert numbers["classes"][0].dtype == np.int64
    assert numbers["boxes"][0].shape == (0, 4)
    assert lists(named(numbers["classes"], NAMES)) == [[], ["ant"], []]


def test_no_picture_has_any_object() -> None:
    numbers = numbered(objects([], []), ())
    assert lists(named(numbers["classes"], ())) == [[], []]
    assert class_names(objects([], [])) == ()


def test_the_names_of_several_batches_are_sorted_and_told_once() -> None:
    assert class_names(objects(["zebra", "ant"], []), objects(["ant", "moose"])) == (
        "ant",
        "moose",
        "zebra",
    )
