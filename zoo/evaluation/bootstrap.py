"""Bootstrap intervals for any metric that can weigh its examples.

The percentile bootstrap of Efron and Tibshirani (1993, chapter 13), drawing whole units
(cards, patients, speakers) where examples of one unit are alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.components import Metric


@dataclass(frozen=True)
class Interval:
    """A metric's value and how far it could have come out otherwise.

    Attributes:
        value: on the examples as they are.
        low: lower end of the interval; NaN if too few samples define the metric.
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

    def weights(self, examples: int, units: np.ndarray | None) -> list[np.ndarray]:
        """Return for each sample how often each example counts, int64 [examples].

        Every metric and every system is measured on the same draws, so that their
        differences can be compared.
        """
        generator = np.random.default_rng(self.seed)
        if units is None:
            codes, count = np.arange(examples), examples
        else:
            distinct, codes = np.unique(units, return_inverse=True)
            count = len(distinct)
        return [
            np.bincount(generator.integers(0, count, count), minlength=count)[codes]
            for _ in range(self.samples)
        ]

    def sample(self, metric: Metric, weights: Sequence[np.ndarray]) -> np.ndarray:
        """Return the metric on each draw, float64 [samples]; NaN where it is undefined."""
        return np.array([metric.compute(each) for each in weights], np.float64)

    def interval(self, value: float, sampled: np.ndarray) -> Interval:
        """Return a value with the interval that holds `level` of its samples."""
        defined = sampled[np.isfinite(sampled)]
        if len(defined) < max(1, 0.9 * self.samples):
            return Interval(value, math.nan, math.nan)
        tail = (1 - self.level) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return Interval(value, float(low), float(high))
