"""Datasets: the same each time, read by rows, with splits that share nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any
from unittest import SkipTest

import numpy as np

from zoo.components import Batch, Data, Dataset
from zoo.data.examples import all_rows
from zoo.data.grouped import SPLITS
from zoo.testing.digest import digest, length, rows_of
from zoo.testing.subject import MOST_ROWS, Trial
from zoo.testing.violations import blamed, require


def loads(trial: Trial) -> None:
    """There are examples to train on and to measure on, and nothing is wrong with them."""
    data, address = trial.data, _address(trial)
    unknown = set(data.splits) - set(SPLITS)
    require(not unknown, f"{address} has the splits {sorted(unknown)}, expected {SPLITS}.")
    for name in ("train", "test"):
        require(
            name in data.splits and len(data.splits[name]),
            f"{address} has no examples in the split {name!r}: there is nothing to "
            f"{'train' if name == 'train' else 'measure'} on.",
        )
    errors = [finding for finding in data.findings if finding.level == "error"]
    require(not errors, f"{address} finds its own data wrong: {_told(errors)}")


def tells_the_truth(trial: Trial) -> None:
    """What the dataset says of itself is so."""
    info, address = trial.data.info, _address(trial)
    counts = {name: len(split) for name, split in trial.data.splits.items()}
    require(
        dict(info.counts) == counts,
        f"DatasetInfo.counts of {address} is {dict(info.counts)}, but the splits hold {counts}.",
    )
    require(
        set(info.classes) <= set(counts),
        f"DatasetInfo.classes of {address} names splits that there are not: "
        f"{sorted(set(info.classes) - set(counts))}.",
    )
    require(info.fingerprint, f"DatasetInfo.fingerprint of {address} is empty.")
    try:
        json.dumps(dict(info.facts))
    except TypeError as error:
        require(False, f"DatasetInfo.facts of {address} are not JSON values: {error}.")


def is_deterministic(trial: Trial) -> None:
    """Equal settings and an equal seed give equal data, also with another cache."""
    dataset, seed = trial.recipe.dataset, trial.recipe.seed
    again = _load(dataset, seed, trial, "another-cache")
    _same(trial, trial.data, again, "loaded a second time with another cache folder")
    other = _load(dataset, seed + 1, trial, "another-cache")
    if _contents(trial, other) != _contents(trial, trial.data):
        require(
            other.info.fingerprint != trial.data.info.fingerprint,
            f"{_address(trial)} has the fingerprint {other.info.fingerprint!r} for two seeds whose "
            "data differ: a run could go on with other data than it began with. Put the seed "
            "into the fingerprint.",
        )


def is_the_same_elsewhere(trial: Trial) -> None:
    """Another process, with another hash seed and cache folder, loads the same data."""
    answer, ours = trial.elsewhere.of("data"), summary(trial)
    require(
        answer["fingerprint"] == ours["fingerprint"],
        f"{_address(trial)} has another fingerprint in another process: it depends on something "
        "besides content and settings, such as `hash()`, a path or the time.",
    )
    differing = [
        name for name in ours["splits"] if answer["splits"].get(name) != ours["splits"][name]
    ]
    require(
        not differing,
        f"{_address(trial)} loads other examples in another process (split "
        f"{', '.join(differing)}): sort what comes from sets and folders, and draw from a "
        "generator seeded with `seed`.",
    )


def summary(trial: Trial) -> dict[str, Any]:
    """Return what two processes compare of loaded data."""
    return {
        "fingerprint": trial.data.info.fingerprint,
        "splits": _contents(trial, trial.data),
    }


def is_indexable(trial: Trial) -> None:
    """Examples can be read by any rows: in any order, many times, none."""
    for name, split in trial.data.splits.items():
        place = f"the split {name!r} of {_address(trial)}"
        count = min(len(split), MOST_ROWS)
        with blamed(f"Reading rows of {place}"):
            whole = split[np.arange(count)]
            rows = np.random.default_rng(0).integers(0, max(count, 1), count + 1 if count else 0)
            picked = split[rows]
            nothing = split[np.zeros(0, np.int64)]
        lengths = {column: len(values) for column, values in whole.items()}
        require(
            set(lengths.values()) <= {count},
            f"Asked for {count} rows, {place} returns columns of {lengths} rows.",
        )
        expected = {column: values[rows] for column, values in whole.items()}
        require(
            digest(picked) == digest(expected),
            f"Asked for rows out of order and more than once, {place} does not return those rows "
            "in that order.",
        )
        require(
            set(nothing) == set(whole) and length(nothing) == 0,
            f"Asked for no rows, {place} does not return all columns with no rows.",
        )


def splits_share_no_example(trial: Trial) -> None:
    """No example is in two splits."""
    keys = {
        name: Counter(rows_of(_rows(trial.data, name), trial.preprocessing))
        for name in trial.data.splits
    }
    for one, other in combinations(keys, 2):
        shared = sum((keys[one] & keys[other]).values())
        require(
            not shared,
            f"{shared} examples of {_address(trial)} are in {one!r} and in {other!r}, so what is "
            "measured is partly what was learnt: split so that each is in one alone.",
        )


def splits_share_no_unit(trial: Trial) -> None:
    """No card, patient or speaker is in two splits, unless one split is the other's future."""
    task = trial.recipe.task
    columns = {name: all_rows(split) for name, split in trial.data.splits.items() if len(split)}
    units = {}
    for name, truth in columns.items():
        with blamed("`units` of the task"):
            found = task.units(truth)
        if found is None:
            continue
        require(
            len(found) == length(truth),
            f"`units` of the task returns {len(found)} values for {length(truth)} examples.",
        )
        units[name] = set(found.tolist())
    for one, other in combinations(units, 2):
        shared = units[one] & units[other]
        require(
            not shared or _apart_in_time(columns[one], columns[other]),
            f"{len(shared)} units of the task, such as {next(iter(shared), None)!r}, are in "
            f"{one!r} and in {other!r} of {_address(trial)}. Keep each in one split, with "
            "zoo.split_by_group, or split by a column `time`.",
        )


def _apart_in_time(one: Batch, other: Batch) -> bool:
    """Return whether all examples of one split are before or after those of another."""
    if "time" not in one:
        return False
    a, b = one["time"], other["time"]
    return bool(a.max() < b.min() or b.max() < a.min())


def check_finds_no_error(trial: Trial) -> None:
    """`check-data` has nothing against the sample."""
    with blamed(f"`check` of {_address(trial)}"):
        findings = trial.recipe.dataset.check(seed=trial.recipe.seed, cache=trial.cache)
    errors = [finding for finding in findings if finding.level == "error"]
    require(not errors, f"`check` finds errors in {_address(trial)}: {_told(errors)}")


def reads_like_it_loads(trial: Trial) -> None:
    """`read` of the files that were trained on gives examples with the same columns."""
    dataset = trial.recipe.dataset
    if not dataset.path:
        raise SkipTest(f"{_address(trial)} generates its examples, so there are no files to read.")
    with blamed(f"`read` of {_address(trial)}"):
        examples, findings = dataset.settled(trial.data.info).read(dataset.path, cache=trial.cache)
    errors = [finding for finding in findings if finding.level == "error"]
    require(not errors, f"`read` finds errors in files that could be loaded: {_told(errors)}")
    found = set(all_rows(examples)) - {"split"}
    expected = set(trial.rows("train")) - {"split"}
    require(
        found == expected,
        f"`read` of {_address(trial)} gives the columns {sorted(found)} for the files that were "
        f"trained on, and `load` gives {sorted(expected)}: they have to be the same.",
    )


def is_labelled(trial: Trial) -> None:
    """The task knows the sample's examples for labelled ones."""
    require(
        trial.recipe.task.labelled(trial.rows("test")),
        f"`labelled` of the task is false for the examples of {_address(trial)}, so nothing can be "
        "measured on them: it looks for a column that they lack.",
    )


def _load(dataset: Dataset, seed: int, trial: Trial, cache: str) -> Data:
    with blamed(f"Loading the dataset {_address(trial)}"):
        return dataset.load(seed=seed, cache=trial.folder / cache)


def _same(trial: Trial, one: Data, other: Data, words: str) -> None:
    require(
        one.info.fingerprint == other.info.fingerprint,
        f"{_address(trial)} has the fingerprint {other.info.fingerprint!r} when it is {words}, "
        f"and had {one.info.fingerprint!r}: work it out from content and settings alone.",
    )
    first, second = _contents(trial, one), _contents(trial, other)
    differing = [name for name in first if first[name] != second.get(name)]
    require(
        not differing,
        f"{_address(trial)} has other examples in the split {', '.join(differing)} when it is "
        f"{words}: draw only from a generator seeded with `seed`.",
    )


def _contents(trial: Trial, data: Data) -> Mapping[str, str]:
    """Return a hash of each split."""
    return {name: digest(rows_of(_rows(data, name), trial.preprocessing)) for name in data.splits}


def _rows(data: Data, split: str) -> Batch:
    examples = data.splits[split]
    return examples[np.arange(min(MOST_ROWS, len(examples)))]


def _told(findings: list[Any]) -> str:
    return "; ".join(f"{each.where} {each.message}".strip() for each in findings[:3])


def _address(trial: Trial) -> str:
    return trial.recipe.addresses["dataset"]
