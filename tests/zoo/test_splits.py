"""Splits by group, by class and by time."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, strategies as st

import zoo

SHARES = (0.6, 0.2, 0.2)
values = st.lists(st.integers(0, 12), min_size=1, max_size=120).map(np.array)


def _disjoint(parts: list[np.ndarray]) -> bool:
    rows = np.concatenate(parts)
    return len(set(rows.tolist())) == len(rows)


@given(values, st.integers(0, 9))
def test_a_group_is_in_one_part_alone(groups: np.ndarray, seed: int) -> None:
    parts = zoo.split_by_group(groups, SHARES, seed)
    assert _disjoint(parts)
    assert sum(map(len, parts)) == len(groups)
    found = [set(groups[rows].tolist()) for rows in parts]
    assert not (found[0] & found[1])
    assert not (found[0] & found[2])
    assert not (found[1] & found[2])


def test_groups_keep_their_shares_and_follow_the_seed() -> None:
    groups = np.random.default_rng(0).integers(0, 500, 5000)
    parts = zoo.split_by_group(groups, SHARES, seed=1)
    assert np.allclose([len(rows) / 5000 for rows in parts], SHARES, atol=0.02)
    again, other = (zoo.split_by_group(groups, SHARES, seed=seed) for seed in (1, 2))
    assert all(map(np.array_equal, parts, again))
    assert not np.array_equal(parts[0], other[0])


@given(st.integers(3, 8), st.integers(0, 9))
def test_no_part_is_empty_where_there_are_groups_enough(count: int, seed: int) -> None:
    parts = zoo.split_by_group(np.repeat(np.arange(count), 5), SHARES, seed)
    assert all(len(rows) for rows in parts)
    assert _disjoint(parts)


@given(values, st.integers(0, 9))
def test_each_class_is_shared_out_alike(labels: np.ndarray, seed: int) -> None:
    parts = zoo.split_stratified(labels, SHARES, seed)
    assert _disjoint(parts)
    assert sum(map(len, parts)) == len(labels)
    for label in np.unique(labels):
        counts = [np.sum(labels[rows] == label) for rows in parts]
        assert np.allclose(counts, np.multiply(SHARES, np.sum(labels == label)), atol=1)


@given(values, st.integers(0, 4))
def test_later_parts_are_later_by_more_than_the_gap(times: np.ndarray, gap: int) -> None:
    parts = zoo.split_by_time(times, SHARES, gap)
    assert _disjoint(parts)
    filled = [times[rows] for rows in parts if len(rows)]
    for before, after in itertools.pairwise(filled):
        assert after.min() > before.max() + gap
