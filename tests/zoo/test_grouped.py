"""Splits by official lists and groups, near copies, and lists of findings."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.data.grouped import connected

NONE = np.empty((0, 2), np.int64)


def names(*official: str) -> np.ndarray:
    return np.array(official, object)


def drawn(count: int, copies: np.ndarray = NONE, groups: np.ndarray | None = None, **settings):
    groups = np.arange(count) if groups is None else groups
    official = names(*[""] * count)
    rows, _ = zoo.GroupedSplits(**settings).split(official, groups, copies, seed=3)
    return rows


def test_every_example_is_in_one_split_and_shares_are_kept():
    rows = drawn(1000, validation=0.2, test=0.1)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1000))
    assert {name: len(each) for name, each in rows.items()} == {
        "train": 700,
        "validation": 200,
        "test": 100,
    }


def test_a_group_and_its_copies_stay_together():
    groups = np.repeat(np.arange(50), 4)
    copies = np.array([[0, 199], [5, 100]])
    rows = drawn(200, copies, groups)
    split = np.empty(200, object)
    for name, each in rows.items():
        split[each] = name
    assert all(len(set(split[groups == group])) == 1 for group in range(50))
    assert split[0] == split[199]
    assert split[5] == split[100]


def test_official_splits_stay_and_what_is_missing_is_drawn_from_training():
    official = names(*["train"] * 80, *["test"] * 20)
    rows, findings = zoo.GroupedSplits().split(official, np.arange(100), NONE, seed=0)
    assert rows["test"].tolist() == list(range(80, 100))
    assert set(rows["train"]) | set(rows["validation"]) == set(range(80))
    assert [each.code for each in findings] == ["random-split"]


def test_official_splits_without_training_are_mixed_with_a_warning():
    official = names(*["test"] * 40)
    rows, findings = zoo.GroupedSplits().split(official, np.arange(40), NONE, seed=0)
    assert sum(map(len, rows.values())) == 40
    assert findings[0].code == "no-train-split"


def test_what_cannot_be_split_is_refused():
    with pytest.raises(zoo.ConfigError, match="leave nothing to train on"):
        drawn(10, validation=0.5, test=0.5)
    with pytest.raises(zoo.DataError, match="No example is left"):
        drawn(2)


def test_groups_come_from_the_first_bracket_of_a_pattern():
    splits = zoo.GroupedSplits(group=r"^(\w+)_")
    assert splits.group_names(["anna_1.wav", "anna_2.wav", "7.wav"]).tolist() == [
        "anna",
        "anna",
        "7.wav",
    ]
    with pytest.raises(zoo.ConfigError, match=r"data\.group = '\('"):
        zoo.GroupedSplits(group="(").group_names(["a"])


def test_chains_of_pairs_are_one_group():
    groups = connected(np.arange(6), np.array([[0, 2], [2, 4], [1, 3]]))
    assert groups[0] == groups[2] == groups[4]
    assert groups[1] == groups[3]
    assert len(set(groups)) == 3


def test_copies_are_named_one_by_one_across_splits_and_counted_within():
    rows = {"train": np.array([0, 1, 2]), "test": np.array([3])}
    ids = names("a", "b", "c", "d")
    pairs = zoo.equal_pairs(["x", "y", "x", "y"])
    assert pairs.tolist() == [[0, 2], [1, 3]]
    across, within = zoo.copy_findings(pairs, ids, rows)
    assert (across.code, across.level, across.where) == ("copies-across-splits", "warning", "d")
    assert (within.code, within.level) == ("copies-within-split", "note")
    assert "c and a" in within.message


def test_long_lists_end_with_how_many_more_there_are():
    boxes = [zoo.Finding("warning", "clipped-box", str(k)) for k in range(30)]
    kept = zoo.limited_findings([*boxes, zoo.Finding("note", "other", "x")], shown=3)
    assert [each.message for each in kept] == [
        "0",
        "1",
        "2",
        "x",
        "27 more of the kind clipped-box.",
    ]


def test_a_fingerprint_tells_values_types_and_boundaries_apart():
    array = np.arange(6, dtype=np.int32)
    assert zoo.fingerprint("a", array) == zoo.fingerprint("a", array.copy())
    different = [
        zoo.fingerprint("a", array),
        zoo.fingerprint("a", array.reshape(2, 3)),
        zoo.fingerprint("a", array.astype(np.uint32)),
        zoo.fingerprint("ab"),
        zoo.fingerprint("a", "b"),
        zoo.fingerprint(["a", "b"]),
        zoo.fingerprint(b"ab"),
    ]
    assert len(set(different)) == len(different)


def test_examples_that_no_official_list_names_are_left_out_with_a_warning():
    official = names(*["train"] * 30, *["test"] * 10, *[""] * 5)
    rows, findings = zoo.GroupedSplits().split(official, np.arange(45), NONE, seed=0)
    assert max(max(each) for each in rows.values()) < 40
    assert findings[0].code == "unlisted"
    assert "5 examples" in findings[0].message


def test_an_example_whose_group_is_empty_is_a_group_of_its_own():
    assert zoo.GroupedSplits(group=r"^(p\d+)?_").group_names(["p1_a", "_b"]).tolist() == [
        "p1",
        "_b",
    ]
