"""Splits that keep apart what must not be in two of them: a group, or the future.

Each function takes one value for each example and the shares of the parts, which add up
to 1, and returns the rows of each part, ascending int64. No row is in two parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def split_by_group(groups: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Split at random so that each group (a card, patient or speaker) is in one part alone.

    Args:
        groups: the group of each example, any values.
        shares: of the examples, kept as nearly as whole groups allow. While there are enough
            groups, no part with a share is empty.
        seed: decides which groups go where.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    part = np.empty(len(sizes), np.int64)
    part[order] = np.searchsorted(np.cumsum(shares)[:-1] * len(codes), middle, side="right")
    for number, share in enumerate(shares):
        groups_in = np.bincount(part, minlength=len(shares))
        if share and not groups_in[number] and groups_in.max() > 1:
            given = order[part[order] == groups_in.argmax()]
            part[given[-1]] = number
    return [np.flatnonzero(part[codes] == number) for number in range(len(shares))]


def split_stratified(labels: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Split at random so that each class has the same share in every part.

    Args:
        labels: the class of each example, any values.
        shares: of each class's examples.
        seed: decides which examples go where.
    """
    generator = np.random.default_rng(seed)
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum(shares)[:-1] * len(rows)).astype(int)
        for part, chosen in zip(parts, np.split(rows, ends), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) if part else np.empty(0, np.int64) for part in parts]


def split_by_time(times: np.ndarray, shares: Sequence[float], gap: float = 0.0) -> list[np.ndarray]:
    """Split so that each part is later than the one before it, by more than a gap.

    Examples of one moment stay together. Those within the gap are in no part.

    Args:
        times: of each example, numbers in any unit.
        shares: of the examples, before the gap is taken out of the later parts.
        gap: time between two parts, in the same unit.
    """
    order = np.argsort(times, kind="stable")
    ends = np.round(np.cumsum(shares)[:-1] * len(order)).astype(int)
    parts: list[np.ndarray] = []
    last = None
    for rows in np.split(order, ends):
        kept = rows if last is None else rows[times[rows] > last + gap]
        last = times[kept].max() if len(kept) else last
        parts.append(np.sort(kept))
    return parts
