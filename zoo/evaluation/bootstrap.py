"""Bootstrap intervals for any metric that can weigh its examples.

The percentile bootstrap of Efron and Tibshirani (1993, chapter 13), drawing whole units
(cards, patients, speakers) where examples of one unit are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.components import Metric


@dataclass(frozen=True)
class Interval:
    """A metric's value and how far it could have come out otherwise.

    Attributes:
        value: on the examples as they are.
        low: lower end of the interval; NaN if too few samples define the metric, or there is
            but one unit to draw.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        samples: how many times the units are drawn.
        level: share of samples within the interval.
        seed: decides the draws.
    """

    samples: int = 300
    level: float = 0.95
    seed: int = 0

    def draws(self, examples: int, units: np.ndarray | None) -> Draws:
        """Return how often each example counts: at first once, then as it was drawn.

        Every metric and every system is measured on the same draws, so that their
        differences can be compared.
        """
        return Draws(self, examples, units)

    def sample(self, metric: Metric, draws: Draws) -> np.ndarray:
        """Return the metric itself and on each draw, float64 [1 + samples]."""
        values = np.full(1 + self.samples, math.nan)
        for place, weights in enumerate(draws):
            values[place] = metric.compute(weights)
        return values

    def interval(self, values: np.ndarray) -> Interval:
        """Return the first of `values` with the interval that holds `level` of the others."""
        value, drawn = float(values[0]), self._defined(values)
        if drawn is None:
            return Interval(value, math.nan, math.nan)
        tail = (1 - self.level) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Interval(value, float(low), float(high))

    def share_not_ahead(self, leads: np.ndarray) -> float:
        """Return the share of draws on which a system is not ahead of another.

        The paired bootstrap of Koehn (2004, W04-3250), for any metric.

        Args:
            leads: of the one over the other, the first on the examples as they are; float64
                [1 + samples].

        Returns:
            0 to 1; NaN if too few draws define the metric.
        """
        drawn = self._defined(leads)
        return math.nan if drawn is None else float(np.mean(drawn <= 0))

    def _defined(self, values: np.ndarray) -> np.ndarray | None:
        """Return what draws define of `values`, without the first; None if that is too little."""
        drawn = values[1:]
        defined = drawn[np.isfinite(drawn)]
        return None if len(defined) < max(1, 0.9 * self.samples) else defined


class Draws:
    """How often each example counts, int64 [examples], drawn anew for each pass over them.

    Args:
        bootstrap: how many draws, and their seed.
        examples: how many there are.
        units: what is drawn together, any values [examples]; None for each example alone.
    """

    def __init__(self, bootstrap: Bootstrap, examples: int, units: np.ndarray | None) -> None:
        self._bootstrap = bootstrap
        self._codes = np.arange(examples)
        self._units = examples
        if units is not None:
            distinct, self._codes = np.unique(units, return_inverse=True)
            self._units = len(distinct)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield np.ones(len(self._codes), np.int64)
        if self._units < 2:  # each draw would be the same, which says nothing of other units
            return
        generator = np.random.default_rng(self._bootstrap.seed)
        for _ in range(self._bootstrap.samples):
            drawn = generator.integers(0, self._units, self._units)
            yield np.bincount(drawn, minlength=self._units)[self._codes]
