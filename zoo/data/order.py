"""Which examples a training step takes, as a pure function of (seed, step)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Order:
    """An endless shuffled stream of rows, cut into batches of equal size.

    The stream is one permutation of all rows after another, each of its own (seed, pass),
    so every example comes exactly once a pass. Batches do not stop at the end of a pass:
    all are full, and step `k` needs nothing of the steps before it.

    Attributes:
        examples: how many rows there are.
        batch_size: rows in a batch, over all replicas.
        seed: decides the permutations.
    """

    examples: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.examples < 1 or self.batch_size < 1:
            raise ValueError(f"needs at least one example and a batch of one, got {self}")

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which every example has been seen at least once."""
        return -(-self.examples // self.batch_size)

    @property
    def mean_batch(self) -> float:
        """Examples in a batch."""
        return float(self.batch_size)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a step and the pass each belongs to, both int64 [batch]."""
        position = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        passes, place = np.divmod(position, self.examples)
        rows = np.empty_like(position)
        for each in range(passes[0], passes[-1] + 1):
            here = passes == each
            rows[here] = _permutation(self.seed, each, self.examples)[place[here]]
        return rows, passes

    def partners(self, rows: np.ndarray, passes: np.ndarray, count: int) -> np.ndarray:
        """Return rows to mix each row with, int64 [batch, count], drawn by (seed, pass, row)."""
        return draw_partners(self.seed, rows, passes, self.examples, count)


def draw_partners(
    seed: int, rows: np.ndarray, passes: np.ndarray, examples: int, count: int
) -> np.ndarray:
    """Return rows to mix each row with, int64 [batch, count], drawn by (seed, pass, row)."""
    draws = [
        np.random.default_rng([seed, *place, _PARTNERS]).integers(examples, size=count)
        for place in zip(passes, rows, strict=True)
    ]
    return np.stack(draws)


_PARTNERS = 1
"""Keeps the draws of partners apart from those of permutations."""


@lru_cache(maxsize=4)
def _permutation(seed: int, pass_number: int, examples: int) -> np.ndarray:
    return np.random.default_rng([seed, pass_number]).permutation(examples)
