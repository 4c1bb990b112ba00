"""Splits by official lists, and at random by groups where there are none.

What a loader of files in folders needs: examples that belong together, such as those of
one patient, speaker or video, and near copies of one another, are never in two splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from zoo.components import Batch, Finding, setting
from zoo.data.splits import split_by_group
from zoo.errors import ConfigError, DataError

SPLITS = ("train", "validation", "test")
"""The names of the splits, in order."""


@dataclass(frozen=True, kw_only=True)
class GroupedSplits:
    """The settings of a dataset that is split so, and what follows from them.

    A dataset inherits from it beside :class:`zoo.Dataset`.
    """

    validation: float = setting(
        0.15, "Share for validation where no official list says.", minimum=0.01, maximum=0.9
    )
    test: float = setting(
        0.15, "Share for test where no official list says.", minimum=0.01, maximum=0.9
    )
    group: str = setting(
        "",
        "Regular expression for what, in an example's name, must not be in two random splits: "
        "a patient, speaker, video or place. Its first bracket counts, if it has one.",
    )

    def group_names(self, names: Iterable[str]) -> np.ndarray:
        """Return the group of each example, object [n]: what `group` finds in its name.

        An example in which it finds nothing is a group of its own.

        Raises:
            ConfigError: `group` is not a regular expression.
        """
        try:
            pattern = re.compile(self.group)
        except re.error as error:
            raise ConfigError(
                f"data.group = {self.group!r} is not a regular expression: {error}.",
                hint=r"For example '^(patient\d+)_' or '^[^_]+'.",
            ) from error
        groups = []
        for name in names:
            match = pattern.search(name) if self.group else None
            groups.append((match and match[1 if pattern.groups else 0]) or name)
        return np.array(groups, object)

    def with_official(self, columns: Batch, official: np.ndarray) -> Batch:
        """Return columns with `split` if any example is of an official one.

        Args:
            columns: of examples that :meth:`zoo.Dataset.read` returns.
            official: the official split of each example, empty where there is none [n].
        """
        return {**columns, "split": official} if np.any(official != "") else dict(columns)

    def split(
        self, official: np.ndarray, groups: np.ndarray, copies: np.ndarray, seed: int
    ) -> tuple[dict[str, np.ndarray], list[Finding]]:
        """Return the rows of each split, and how they came about.

        Official splits stay as they are. What is missing of validation and test is drawn
        from the official training split; without one, everything is drawn.

        Args:
            official: the official split of each example, empty where there is none [n].
            groups: of each example, any values [n].
            copies: pairs of rows that are nearly the same example, int64 [pairs, 2]; groups
                that they connect stay together.
            seed: decides what is drawn.

        Raises:
            ConfigError: the shares leave nothing to train on.
            DataError: a split would be empty.
        """
        if self.validation + self.test >= 1:
            raise ConfigError(
                f"data.validation = {self.validation} and data.test = {self.test} leave nothing "
                "to train on.",
                hint="Choose shares whose sum is below 1.",
            )
        parts, findings = _official_parts(official)
        shares = {"validation": self.validation, "test": self.test}
        drawn = {name: share for name, share in shares.items() if not len(parts[name])}
        if drawn:
            pool = parts["train"]
            together = connected(groups, copies)[pool]
            rows = split_by_group(together, [1 - sum(drawn.values()), *drawn.values()], seed)
            parts |= {name: pool[part] for name, part in zip(("train", *drawn), rows, strict=True)}
            shown = " and ".join(f"{share:.0%} for {name}" for name, share in drawn.items())
            message = f"Drawn at random from training: {shown}."
            findings.append(Finding("note", "random-split", message))
        for name in SPLITS:
            if not len(parts[name]):
                raise DataError(
                    f"No example is left for the {name} split out of {len(official):,}.",
                    hint="Give more examples, or raise data.validation and data.test.",
                )
        return {name: parts[name] for name in SPLITS}, findings


def _official_parts(official: np.ndarray) -> tuple[dict[str, np.ndarray], list[Finding]]:
    """Return the rows of each official split; all are for training if none of them is."""
    parts = {name: np.flatnonzero(official == name) for name in SPLITS}
    if len(parts["train"]):
        unlisted = len(official) - sum(map(len, parts.values()))
        message = f"{unlisted:,} examples are in no official split, and are left out."
        return parts, [Finding("warning", "unlisted", message)] if unlisted else []
    given = [name for name in SPLITS if len(parts[name])]
    none = np.empty(0, np.int64)
    parts = {"train": np.arange(len(official)), "validation": none, "test": none}
    if not given:
        return parts, []
    message = f"There is only an official {' and '.join(given)} split and no training one."
    return parts, [Finding("warning", "no-train-split", message, hint="All are mixed.")]


def connected(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return int64 [n], equal for examples of one group and for those that pairs connect.

    Args:
        groups: of each example, any values [n].
        pairs: of rows, int64 [pairs, 2]; connections form chains.
    """
    from scipy import sparse

    count = len(groups)
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    same_group = np.stack([first[group], np.arange(count)], axis=1)
    links = np.concatenate([np.asarray(pairs, np.int64).reshape(-1, 2), same_group])
    graph = sparse.coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), (count, count))
    return sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def copy_findings(
    pairs: np.ndarray, ids: np.ndarray, rows: Mapping[str, np.ndarray]
) -> Iterator[Finding]:
    """Name examples that are nearly the same, one by one if they are in two splits.

    Args:
        pairs: rows of such examples, int64 [pairs, 2].
        ids: names of the examples [n].
        rows: of each split.
    """
    split = np.full(len(ids), "", object)
    for name, members in rows.items():
        split[members] = name
    used = pairs[np.all(split[pairs] != "", axis=1)]
    across = split[used[:, 0]] != split[used[:, 1]]
    for first, second in used[across]:
        yield Finding(
            "warning",
            "copies-across-splits",
            f"{ids[first]} in {split[first]} and {ids[second]} in {split[second]} are nearly the "
            "same.",
            where=str(ids[second]),
            hint="Keep both in one split, or remove one: figures on it are too good.",
        )
    if len(inside := used[~across]):
        _, sizes = np.unique(connected(np.arange(len(ids)), inside), return_counts=True)
        more = int((sizes - 1)[sizes > 1].sum())
        first, second = inside[0]
        message = f"{more:,} examples nearly repeat another of their split, such as {ids[second]} "
        yield Finding("note", "copies-within-split", f"{message}and {ids[first]}.")


def equal_pairs(keys: Iterable[object]) -> np.ndarray:
    """Return the pairs of rows that have one key, such as the hash of a file's content.

    Returns:
        int64 [pairs, 2]: the first row of the key, and each later one.
    """
    first: dict[object, int] = {}
    pairs = [(first[key], row) for row, key in enumerate(keys) if first.setdefault(key, row) != row]
    return np.array(pairs, np.int64).reshape(-1, 2)
