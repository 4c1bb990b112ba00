"""What an evaluation says: values with intervals, the best of them, and one plain sentence."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from zoo.reporting.wording import NOTHING, decimals, finite, label, number

Standing = Literal["ahead", "uncertain", "behind", "alone", "unknown"]


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval; None where it is undefined or unknown."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, stored: Any) -> Self:
        """Read a bare number, an object with `value`, `low` and `high`, or null."""
        if isinstance(stored, Mapping):
            return cls(*(finite(stored.get(key)) for key in ("value", "low", "high")))
        return cls(finite(stored))

    @property
    def bounded(self) -> bool:
        """Whether value and interval are all known."""
        return None not in (self.value, self.low, self.high)

    def excludes_zero(self) -> bool | None:
        """Return whether 0 lies outside the interval; None if that is unknown."""
        if self.low is None or self.high is None:
            return None
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Measure:
    """A metric as it is shown: its key, title, direction and number of decimals."""

    name: str
    title: str
    higher_is_better: bool
    places: int = 3

    def show(self, value: float | None) -> str:
        """Return a value of this metric as text."""
        return number(value, self.places)

    def better(self, value: float, other: float) -> bool:
        """Return whether `value` is better than `other`."""
        return value > other if self.higher_is_better else value < other


@dataclass(frozen=True)
class System:
    """The model, another one or a baseline with its estimates by metric.

    The leads are those of the model over it, above 0 where the model is better, on the same
    bootstrap samples; `not_ahead` is the share of these on which the model is not better.
    """

    name: str
    kind: str
    estimates: Mapping[str, Estimate]
    leads: Mapping[str, Estimate] = field(default_factory=dict)
    not_ahead: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_model(self) -> bool:
        """Whether it is the model that the evaluation is of."""
        return self.kind == "model"

    def on(self, measure: Measure) -> Estimate:
        """Return the estimate of one metric."""
        return self.estimates.get(measure.name, Estimate())

    def lead(self, measure: Measure) -> Estimate:
        """Return how far the model is ahead of it by one metric."""
        return self.leads.get(measure.name, Estimate())

    def share_not_ahead(self, measure: Measure) -> str:
        """Return the share of samples on which the model is not ahead of it, as text."""
        share = finite(self.not_ahead.get(measure.name))
        return NOTHING if share is None else f"{share:.1%}"


@dataclass(frozen=True)
class Spread:
    """The values of one metric over trainings that differ by their seed alone."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """How the model stands against the best baseline, and the sentence that says so."""

    standing: Standing
    sentence: str


@dataclass(frozen=True)
class Results:
    """An `evaluation.json`, ready to be shown.

    Attributes:
        split: the split it was measured on.
        examples: how many examples that split has.
        units: how many groups the bootstrap drew from, if examples were grouped.
        samples: how many bootstrap samples were drawn.
        level: the share of samples that an interval covers.
        measures: the metrics, in the order of the table.
        monitor: the metric that heads the report.
        systems: the model, others that it is compared with, and the baselines.
        other_splits: the model's estimates on other splits, each named by its split.
        seeds: the stored values of each training with a seed of its own.
        decision: thresholds and the like, chosen on validation.
        calibration: calibration error before and after, if measured.
    """

    split: str
    examples: int | None
    units: int | None
    samples: int | None
    level: float
    measures: list[Measure]
    monitor: Measure | None
    systems: list[System]
    other_splits: list[System]
    seeds: list[Mapping[str, Any]]
    decision: Mapping[str, Any]
    calibration: Mapping[str, Any]

    @classmethod
    def parse(cls, stored: Mapping[str, Any], monitor: str) -> Self:
        """Read `evaluation.json`; an empty mapping gives empty results."""
        systems = [
            System(
                str(system.get("name", "")),
                str(system.get("kind") or "baseline"),
                _estimates(system.get("values")),
                _estimates(system.get("lead")),
                system.get("not_ahead") or {},
            )
            for system in stored.get("systems") or []
        ]
        measures = [_measure(metric, systems) for metric in stored.get("metrics") or []]
        named = [measure for measure in measures if measure.name == monitor]
        bootstrap = stored.get("bootstrap") or {}
        return cls(
            split=str(stored.get("split") or "test"),
            examples=stored.get("examples"),
            units=stored.get("units"),
            samples=bootstrap.get("samples"),
            level=finite(bootstrap.get("level")) or 0.95,
            measures=measures,
            monitor=next(iter(named or measures), None),
            systems=systems,
            other_splits=[
                System(split, "model", _estimates(values))
                for split, values in (stored.get("by_split") or {}).items()
            ],
            seeds=stored.get("seeds") or [],
            decision=stored.get("decision") or {},
            calibration=stored.get("calibration") or {},
        )

    @property
    def model(self) -> System | None:
        """The trained model."""
        return next((system for system in self.systems if system.is_model), None)

    @property
    def rival(self) -> System | None:
        """Another trained model that the model is compared with."""
        return next((system for system in self.systems if system.kind == "rival"), None)

    @property
    def headline(self) -> Estimate:
        """The model's estimate of the monitored metric."""
        return self.model.on(self.monitor) if self.model and self.monitor else Estimate()

    @property
    def interval_name(self) -> str:
        """The kind of interval, such as ``95% interval``."""
        return f"{self.level * 100:g}% interval"

    def best(self, measure: Measure, systems: Iterable[System] | None = None) -> dict[str, float]:
        """Return the best value by the name of the system; several if they tie."""
        values = {
            system.name: value
            for system in (self.systems if systems is None else systems)
            if (value := system.on(measure).value) is not None
        }
        if not values:
            return {}
        top = (max if measure.higher_is_better else min)(values.values())
        return {name: value for name, value in values.items() if value == top}

    def spread(self, measure: Measure) -> Spread | None:
        """Return the spread over seeds, or None if fewer than two have a value."""
        found = (Estimate.parse((run.get("values") or {}).get(measure.name)) for run in self.seeds)
        values = [estimate.value for estimate in found if estimate.value is not None]
        if len(values) < 2:
            return None
        deviation = statistics.stdev(values)
        return Spread(len(values), statistics.fmean(values), deviation, min(values), max(values))

    def verdict(self) -> Verdict:
        """Say in one sentence how the model stands against the other, or the best baseline."""
        value, measure = self.headline.value, self.monitor
        if measure is None or self.model is None:
            return Verdict(
                "unknown", "The run has no evaluation, so nothing is known of its quality yet."
            )
        if value is None:
            return Verdict(
                "unknown",
                f"{measure.title} is undefined for the model on the {self.split} split, "
                "so it cannot be compared.",
            )
        rivals = [self.rival] if self.rival else [s for s in self.systems if not s.is_model]
        best = self.best(measure, rivals)
        if not best:
            return Verdict("alone", "There is no baseline to compare with.")
        name, other = next(iter(best.items()))
        rival = next(system for system in rivals if system.name == name)
        return _compare(measure, value, other, model=self.model, rival=rival, results=self)


_WORDS = {
    "baseline": (
        "The model only equals the best baseline, {other}",
        "The model is {gap} better than the best baseline, {other}",
        "The baseline wins: {other} is {gap} better than the model",
    ),
    "rival": (
        "{model} only equals {other}",
        "{model} is {gap} better than {other}",
        "{other} is {gap} better than {model}",
    ),
}
"""How a comparison begins, by the kind of the other: the model is equal, ahead or behind."""


def _compare(
    measure: Measure, value: float, other: float, *, model: System, rival: System, results: Results
) -> Verdict:
    """Word the gap between the model's value and that of the other system."""
    equal, ahead, behind = (
        words.format(
            model=model.name,
            gap=_gap(measure, value, other),
            other=f"{rival.name} ({measure.show(other)})",
        )
        for words in _WORDS.get(rival.kind, _WORDS["baseline"])
    )
    if value == other:
        return Verdict("uncertain", f"{equal}.")
    lead, interval = rival.lead(measure), results.interval_name
    leads = measure.better(value, other)
    text = ahead if leads else behind
    ends = sorted((abs(lead.low), abs(lead.high))) if lead.low and lead.high else []
    span = " to ".join(measure.show(end) for end in ends)
    certainty = {
        None: "; without an interval nobody can say whether that is chance",
        True: f"; the {interval} of the difference is {span}",
        False: f", but the {interval} of the difference includes 0: it may be chance",
    }[lead.excludes_zero()]
    certain = lead.excludes_zero() is True
    standing: Standing = "behind" if not leads else "ahead" if certain else "uncertain"
    return Verdict(standing, f"{text}{certainty}.")


def _gap(measure: Measure, value: float, other: float) -> str:
    """Return the distance of two values as text."""
    smallest = 10.0**-measure.places
    distance = abs(value - other)
    if distance < smallest / 2:
        return f"less than {measure.show(smallest)}"
    return measure.show(distance)


def _estimates(stored: Mapping[str, Any] | None) -> dict[str, Estimate]:
    return {name: Estimate.parse(value) for name, value in (stored or {}).items()}


def _measure(stored: Mapping[str, Any], systems: list[System]) -> Measure:
    """Read a metric; its decimals follow from the values in its column."""
    name = str(stored.get("name", ""))
    values = [system.estimates.get(name, Estimate()).value for system in systems]
    return Measure(
        name,
        str(stored.get("title") or label(name)),
        bool(stored.get("higher_is_better", True)),
        decimals(values),
    )
