"""The course of training: one row a stage, and learning curves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.components import Figure
from zoo.reporting import charts
from zoo.reporting.results import Measure
from zoo.reporting.wording import finite


@dataclass(frozen=True)
class Epoch:
    """One `epoch` event; None where a value is missing or not finite.

    Attributes:
        number: epochs of its stage so far; a fraction where validation is more frequent.
    """

    stage: str
    stage_index: int
    number: float
    step: int | None
    loss: float | None
    validation: dict[str, float | None]
    learning_rate: float | None
    rate: float | None


@dataclass(frozen=True)
class Stage:
    """A stage in one line: how long it was and where it came."""

    name: str
    epochs: float
    last_step: int | None
    learning_rate: float | None
    loss: float | None
    validation_loss: float | None
    monitored: float | None


def epochs(events: Sequence[dict[str, Any]]) -> list[Epoch]:
    """Return the epochs in order; one that a resumed run repeated counts once, as last seen."""
    latest = {
        (event.get("stage_index", 0), event.get("epoch")): event
        for event in events
        if event.get("event") == "epoch"
    }
    return [
        Epoch(
            stage=str(event.get("stage", "")),
            stage_index=event.get("stage_index", 0),
            number=finite(event.get("epoch")) or 0.0,
            step=event.get("step"),
            loss=finite(event.get("loss")),
            validation={k: finite(v) for k, v in (event.get("validation") or {}).items()},
            learning_rate=finite(event.get("learning_rate")),
            rate=finite(event.get("examples_per_second")),
        )
        for event in latest.values()
    ]


def stages(course: Sequence[Epoch], monitor: Measure | None) -> list[Stage]:
    """Return one summary for each stage, with the best monitored value on validation."""
    return [_stage(list(part), monitor) for part in _parts(course)]


def speed(course: Sequence[Epoch]) -> float | None:
    """Return the median of examples trained on in a second."""
    rates = [epoch.rate for epoch in course if epoch.rate is not None]
    return statistics.median(rates) if rates else None


def curves(course: Sequence[Epoch], monitor: Measure | None) -> list[Figure]:
    """Return the learning curves: the loss and the monitored metric."""
    loss = {
        "training": [epoch.loss for epoch in course],
        "validation": [epoch.validation.get("loss") for epoch in course],
    }
    figures = [_curve("Loss", "What training minimises, at each validation.", "loss", loss, course)]
    if monitor is not None:
        values = {"validation": [epoch.validation.get(monitor.name) for epoch in course]}
        caption = "The monitored metric on the validation split."
        figures.append(_curve(monitor.title, caption, monitor.title, values, course))
    return [figure for figure in figures if figure is not None]


def _curve(
    title: str,
    caption: str,
    y_label: str,
    lines: dict[str, list[float | None]],
    course: Sequence[Epoch],
) -> Figure | None:
    """Return one chart over all epochs, or None if it would be empty."""
    x: list[float] = []
    marks, begun = {}, 0.0
    for place, part in enumerate(_parts(course), start=1):
        marks[f"{place}. {part[0].stage}"] = begun
        x += [begun + epoch.number for epoch in part]
        begun = x[-1]
    series = {
        name: (x, [math.nan if value is None else value for value in values])
        for name, values in lines.items()
        if any(value is not None for value in values)
    }
    if not series:
        return None
    return charts.line_chart(
        title,
        caption,
        series,
        x_label="epoch",
        y_label=y_label,
        x_range=(0.0, max(begun, 0.01) * 1.02),
        marks=marks if len(marks) > 1 else None,
    )


def _parts(course: Sequence[Epoch]) -> Iterator[list[Epoch]]:
    """Yield the epochs of each stage."""
    part: list[Epoch] = []
    for epoch in course:
        if part and epoch.stage_index != part[-1].stage_index:
            yield part
            part = []
        part.append(epoch)
    if part:
        yield part


def _stage(part: list[Epoch], monitor: Measure | None) -> Stage:
    values = [epoch.validation.get(monitor.name) for epoch in part] if monitor else []
    known = [value for value in values if value is not None]
    best = max if monitor is None or monitor.higher_is_better else min
    return Stage(
        name=part[0].stage,
        epochs=part[-1].number,
        last_step=part[-1].step,
        learning_rate=part[-1].learning_rate,
        loss=part[-1].loss,
        validation_loss=part[-1].validation.get("loss"),
        monitored=best(known) if known else None,
    )
