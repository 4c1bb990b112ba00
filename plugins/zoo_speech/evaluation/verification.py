"""Whether two recordings are of one speaker, by the angle between their embeddings."""

from __future__ import annotations

import math

import numpy as np

import zoo

_PAIRS = 200_000
"""Most pairs that are looked at; of more, that many at even distances."""
_POINTS = 200
"""Points of a curve at most."""


class Verification:
    """Pairs of two recordings, ranked by how alike they are.

    Args:
        names: of the recordings [examples]; one is not compared with itself.
        speakers: who speaks, any values [examples].
        embeddings: float [examples, width], of length 1.
    """

    def __init__(self, names: np.ndarray, speakers: np.ndarray, embeddings: np.ndarray) -> None:
        first, second = _pairs(names)
        alike = np.einsum("ij,ij->i", embeddings[first], embeddings[second])
        order = np.argsort(-alike, kind="stable")
        self._first, self._second = first[order], second[order]
        self._same = (speakers[self._first] == speakers[self._second]).astype(np.float64)
        # Pairs that are equally alike are accepted together.
        self._last = np.append(np.diff(alike[order]) != 0, True)[: len(order)]

    def equal_error_rate(self, weights: np.ndarray) -> float:
        """Return the error rate at which as many are refused wrongly as are accepted wrongly.

        Args:
            weights: how often each example counts, int64 [examples].

        Returns:
            the rate; NaN without pairs of one speaker, or without pairs of two.
        """
        accepted, refused = self.error_rates(weights)
        if len(accepted) < 2 or not np.isfinite(accepted[-1] + refused[-1]):
            return math.nan
        # Where the two cross, between two thresholds.
        place = int(np.argmax(accepted >= refused))
        before = max(place - 1, 0)
        gaps = refused[before] - accepted[before], accepted[place] - refused[place]
        share = gaps[0] / sum(gaps) if sum(gaps) else 0.0
        return float(accepted[before] + share * (accepted[place] - accepted[before]))

    def error_rates(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rates of wrong acceptance and of wrong refusal, from strict to lax.

        Returns:
            two float64 [thresholds + 1], the first of the one that accepts nothing.
        """
        counts = (weights[self._first] * weights[self._second]).astype(np.float64)
        same, other = np.cumsum(counts * self._same), np.cumsum(counts * (1 - self._same))
        with np.errstate(invalid="ignore", divide="ignore"):
            accepted = other[self._last] / other[-1:]
            refused = 1 - same[self._last] / same[-1:]
        return np.append(0.0, accepted), np.append(1.0, refused)

    def figure(self) -> zoo.Figure:
        """Draw wrong acceptance against wrong refusal over all thresholds."""
        ones = np.ones(int(max(self._second, default=-1)) + 1, np.int64)
        accepted, refused = self.error_rates(ones)
        chosen = np.unique(np.linspace(0, len(accepted) - 1, _POINTS).astype(np.int64))
        rate = self.equal_error_rate(ones)
        return zoo.charts.line_chart(
            "Verification",
            f"Two recordings are taken to be of one speaker above some likeness. Over all "
            f"thresholds for {len(self._same):,} pairs; both error rates are {rate:.1%} at once.",
            {"model": (accepted[chosen], refused[chosen])},
            references={"equal": ([0, 1], [0, 1])},
            x_label="share of other speakers accepted",
            y_label="share of the same speaker refused",
        )


def _pairs(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows of different names, the first before the second, int64 [pairs] each."""
    first, second = np.triu_indices(len(names), 1)
    step = -(-len(first) // _PAIRS) or 1
    first, second = first[::step], second[::step]
    differ = names[first] != names[second]
    return first[differ], second[differ]
