"""Splits pictures into train, validation and test: as official lists say, else at random."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from zoo import ConfigError, DataError, Finding, split_by_group
from zoo_vision.data.annotations import SPLITS


def split(
    official: np.ndarray, groups: np.ndarray, *, validation: float, test: float, seed: int
) -> tuple[dict[str, np.ndarray], list[Finding]]:
    """Return the rows of each split, and how they came about.

    Official splits stay as they are. What is missing of validation and test is drawn from
    the official training split; without one, everything is drawn.

    Args:
        official: names of splits, empty where there is none [n].
        groups: pictures of one group stay together in what is drawn [n].
        validation: its share of what it is drawn from.
        test: its share of what it is drawn from.
        seed: decides what is drawn.

    Raises:
        ConfigError: the shares leave nothing to train on.
        DataError: a split would be empty.
    """
    if validation + test >= 1:
        raise ConfigError(
            f"data.validation = {validation} and data.test = {test} leave nothing to train on.",
            hint="Choose shares whose sum is below 1.",
        )
    parts = {name: np.flatnonzero(official == name) for name in SPLITS}
    findings: list[Finding] = []
    if not len(parts["train"]):
        given = [name for name in SPLITS if len(parts[name])]
        parts = {"train": np.arange(len(official))}
        if given:
            message = f"There is only an official {' and '.join(given)} split and no training one."
            findings.append(Finding("warning", "no-train-split", message, hint="All are mixed."))
    shares = {"validation": validation, "test": test}
    drawn = {name: share for name, share in shares.items() if not len(parts.get(name, ()))}
    if drawn:
        pool = parts["train"]
        rest = 1 - sum(drawn.values())
        rows = split_by_group(groups[pool], [rest, *drawn.values()], seed)
        parts |= {name: pool[part] for name, part in zip(("train", *drawn), rows, strict=True)}
        shown = " and ".join(f"{share:.0%} for {name}" for name, share in drawn.items())
        findings.append(Finding("note", "random-split", f"Drawn at random from training: {shown}."))
    for name in SPLITS:
        if not len(parts[name]):
            raise DataError(
                f"No picture is left for the {name} split out of {len(official):,}.",
                hint="Give more pictures, or raise data.validation and data.test.",
            )
    return {name: parts[name] for name in SPLITS}, findings


def named_groups(ids: Iterable[str], pattern: str) -> np.ndarray:
    """Return the group of each picture: what a pattern finds in its name, else the name.

    Args:
        ids: names.
        pattern: a regular expression; its first bracket counts, if it has one.

    Raises:
        ConfigError: it is not one.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"data.group = {pattern!r} is not a regular expression: {error}.",
            hint=r"For example '^(patient\d+)_' or '^[^_]+'.",
        ) from error
    names = []
    for name in ids:
        match = compiled.search(name) if pattern else None
        names.append((match[1] if compiled.groups else match[0]) if match else name)
    return np.array(names, object)
