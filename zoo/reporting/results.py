"""What an evaluation says: values with intervals, the best of them, and one plain sentence."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from zoo.reporting.wording import decimals, finite, label, number

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
    """The model or a baseline with its estimates by metric.

    The leads of a baseline are those of the model over it, above 0 where the model is better,
    on the same bootstrap samples.
    """

    name: str
    is_model: bool
    estimates: Mapping[str, Estimate]
    leads: Mapping[str, Estimate] = field(default_factory=dict)

    def on(self, measure: Measure) -> Estimate:
        """Return the estimate of one metric."""
        return self.estimates.get(measure.name, Estimate())


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
        systems: the model and the baselines.
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
                system.get("kind") == "model",
                _estimates(system.get("values")),
                _estimates(system.get("lead")),
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
                System(split, True, _estimates(values))
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
        """Say in one sentence how the model stands against the best baseline."""
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
        baselines = [system for system in self.systems if not system.is_model]
        best = self.best(measure, baselines)
        if not best:
            return Verdict("alone", "There is no baseline to compare with.")
        name, other = next(iter(best.items()))
        rival = next(system for system in baselines if system.name == name)
        lead = rival.leads.get(measure.name, Estimate())
        return _compare(measure, value, other, rival=name, lead=lead, interval=self.interval_name)


def _compare(
    measure: Measure, value: float, other: float, *, rival: str, lead: Estimate, interval: str
) -> Verdict:
    """Word the gap between the model's value and the other, of the best baseline."""
    against = f"{rival} ({measure.show(other)})"
    if value == other:
        return Verdict("uncertain", f"The model only equals the best baseline, {against}.")
    gap = _gap(measure, value, other)
    ahead = measure.better(value, other)
    if ahead:
        text = f"The model is {gap} better than the best baseline, {against}"
    else:
        text = f"The baseline wins: {against} is {gap} better than the model"
    ends = sorted((abs(lead.low), abs(lead.high))) if lead.low and lead.high else []
    span = " to ".join(measure.show(end) for end in ends)
    certainty = {
        None: "; without an interval nobody can say whether that is chance",
        True: f"; the {interval} of the difference is {span}",
        False: f", but the {interval} of the difference includes 0: it may be chance",
    }[lead.excludes_zero()]
    certain = lead.excludes_zero() is True
    standing: Standing = "behind" if not ahead else "ahead" if certain else "uncertain"
    return Verdict(standing, f"{text}{certainty}.")


def _gap(measure: Measure, value: float, other: float) -> str:
    """Return the distance of two values, which are not equal, as text."""
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
