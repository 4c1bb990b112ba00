"""What would make a detector useless, or its figures dishonest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from zoo import SPLITS, Columns, Finding

_FEW = 20
"""Objects of a class below which it is hardly learnt."""
_IMBALANCE = 100
"""How many times rarer than the most frequent class one may be without a word."""
_CROWDED = 500
"""Boxes above which a picture has more than detectors give."""
_OUTLIER = 4
"""How many times larger or smaller than usual a picture may be without a word."""
_USUAL_SIDE = 640
"""Longest side of a picture as most detectors see it, px."""
_TINY, _TINY_SHARE = 8, 0.25
"""Side below which a box hardly shows at that size, px, and the share of such to speak of."""


def split_findings(splits: Mapping[str, Columns], classes: Sequence[str]) -> Iterator[Finding]:
    """Look at the splits: at classes, at the number and size of objects, and at pictures."""
    counts = {name: boxes_by_class(examples, classes) for name, examples in splits.items()}
    yield from _class_findings(counts, classes)
    for name in SPLITS:
        yield from _image_findings(splits[name].columns, name)
    yield from _tiny(splits["train"].columns)


def boxes_by_class(examples: Columns, classes: Sequence[str]) -> dict[str, int]:
    """Return the number of boxes of each class, crowds left out."""
    columns = zip(examples.columns["classes"], examples.columns["crowd"], strict=True)
    counts = Counter(name for names, crowd in columns for name in names[~crowd])
    return {name: counts[name] for name in classes}


def _class_findings(
    counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> Iterator[Finding]:
    for name in classes:
        where = [split for split in SPLITS if counts[split][name]]
        train = counts["train"][name]
        if not where:
            hint = f"Leave it out: --set 'data.rename.{name}=\"\"'."
            yield Finding("warning", "unseen-class", f"No object is a {name}.", name, hint)
        elif not train:
            message = f"{name} is in {' and '.join(where)} but not in train, so it is never learnt."
            yield Finding("warning", "untrained-class", message, name)
        elif len(where) < len(SPLITS):
            missing = " and ".join(split for split in SPLITS if split not in where)
            message = f"{name} has no object in {missing}, so nothing is measured of it there."
            yield Finding("warning", "unmeasured-class", message, name)
        if 0 < train < _FEW:
            message = f"Only {train} objects are there to learn {name} from."
            yield Finding("warning", "rare-class", message, name)
    seen = {name: count for name, count in counts["train"].items() if count}
    if seen and max(seen.values()) > _IMBALANCE * min(seen.values()):
        most, least = max(seen, key=seen.__getitem__), min(seen, key=seen.__getitem__)
        message = f"There are {seen[most]:,} of {most} but {seen[least]:,} of {least} in train."
        yield Finding("note", "class-imbalance", message, "train")


def _image_findings(columns: Mapping[str, np.ndarray], split: str) -> Iterator[Finding]:
    count = np.array([len(boxes) for boxes in columns["boxes"]])
    for row in np.flatnonzero(count > _CROWDED):
        message = f"The picture has {count[row]:,} boxes; detectors give a few hundred at most."
        yield Finding("note", "crowded-image", message, str(columns["id"][row]))
    longest = np.maximum(columns["width"], columns["height"])
    usual = np.median(longest)
    odd = np.flatnonzero((longest > _OUTLIER * usual) | (longest * _OUTLIER < usual))
    for row in odd:
        size = f"{columns['width'][row]} x {columns['height'][row]}"
        message = f"The picture has {size} pixels, others of {split} about {usual:.0f} a side."
        yield Finding("note", "size-outlier", message, str(columns["id"][row]))
    if not count.any():
        yield Finding("warning", "no-boxes", f"No picture of {split} has a box.", split)


def _tiny(columns: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Say so if many objects hardly show at the usual size of inputs."""
    longest = np.maximum(columns["width"], columns["height"])
    scales = np.minimum(_USUAL_SIDE / longest, 1)
    sides = [
        (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) * scale
        for boxes, scale in zip(columns["boxes"], scales, strict=True)
        if len(boxes)
    ]
    every = np.concatenate(sides) if sides else np.zeros(0)
    share = float((every < _TINY).mean()) if len(every) else 0.0
    if share > _TINY_SHARE:
        message = f"{share:.0%} of the boxes have a side below {_TINY} pixels once the longest "
        message += f"side of the picture has {_USUAL_SIDE}."
        hint = "Train at a larger size, or with tiles."
        yield Finding("note", "tiny-objects", message, "train", hint)
