"""Batches of examples of alike size, as a pure function of (seed, step).

Examples whose sizes differ, such as sentences, are padded to the longest of their batch. So
those of alike size go together, and a batch has as many as fit in a number of tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from zoo.data.order import draw_partners
from zoo.errors import ConfigError

_GROWTH = 1.1
"""How much longer the longest examples of a bucket are than those of the one before."""
_MULTIPLE = 8
"""Batches of so many examples or more have a multiple of it."""
_SORTED_TOGETHER = 8
"""Batches of a bucket among which examples are sorted by what else they are long in."""
_BUCKET, _SHUFFLE = 2, 3
"""Keep the draws of this module apart from one another and from those of partners."""


@dataclass(frozen=True)
class _Bucket:
    """Examples of alike size: an endless shuffled stream, cut into batches of equal count."""

    rows: np.ndarray
    batch_size: int

    def batches_by(self, passes: int) -> int:
        """Return how many batches are full after so many passes over the bucket."""
        return passes * len(self.rows) // self.batch_size


class SizedOrder:
    """An endless stream of batches, each of examples of alike size.

    Each bucket of sizes is a stream of its own: one permutation of its examples after
    another, cut into full batches, so every example comes once a pass. The batches that the
    buckets fill in a pass come in random order. Step `k` needs nothing of the steps before.

    Args:
        sizes: of each example in tokens, int64 [examples] or, of several inputs each of
            which is padded, [examples, inputs]; 1 or more.
        tokens: room for tokens in a batch, over all replicas, padding included.
        seed: decides the permutations.
        replicas: every batch can be shared evenly among so many. Batches are the same for
            any number of them that divides 8.

    Raises:
        ConfigError: the longest example does not fit in a batch.
    """

    def __init__(self, sizes: np.ndarray, tokens: int, seed: int, replicas: int = 1) -> None:
        self.seed = seed
        self.examples = len(sizes)
        self._sizes = np.asarray(sizes, np.int64).reshape(len(sizes), -1)
        longest = self._sizes.max(axis=1)
        if longest.max() * replicas > tokens:
            raise ConfigError(
                f"train.batch_tokens is {tokens:,}, but an example of {longest.max():,} tokens "
                f"has to fit, once for each of {replicas} replicas.",
                hint="Raise train.batch_tokens, or leave out the longest examples.",
            )
        self._buckets = _buckets(longest, tokens, replicas)
        # Batches are asked for nearly in order, so each bucket is in one pass or two.
        self._schedule = lru_cache(maxsize=4)(self._schedule_of)
        self._permutation = lru_cache(maxsize=2 * len(self._buckets))(self._permutation_of)

    @cached_property
    def _batches_a_pass(self) -> float:
        return sum(len(bucket.rows) / bucket.batch_size for bucket in self._buckets)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a pass, on average and rounded up."""
        return max(1, int(np.ceil(self._batches_a_pass)))

    @cached_property
    def padding(self) -> float:
        """The share of padding among the tokens of an average batch, of the first ones."""
        steps = min(200, self.steps_per_epoch)
        sizes = [self._sizes[self.batch(step)[0]] for step in range(steps)]
        room = sum(each.max(axis=0).sum() * len(each) for each in sizes)
        return 1 - sum(each.sum() for each in sizes) / room

    @property
    def mean_batch(self) -> float:
        """Examples in an average batch."""
        return self.examples / self._batches_a_pass

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a step and the pass each belongs to, both int64 [batch]."""
        number, first = self._pass_of(step)
        bucket, turn = self._schedule(number)[step - first]
        return self._rows(bucket, turn)

    def partners(self, rows: np.ndarray, passes: np.ndarray, count: int) -> np.ndarray:
        """Return rows to mix each row with, int64 [batch, count], drawn by (seed, pass, row)."""
        return draw_partners(self.seed, rows, passes, self.examples, count)

    def _steps_by(self, passes: int) -> int:
        return sum(bucket.batches_by(passes) for bucket in self._buckets)

    def _pass_of(self, step: int) -> tuple[int, int]:
        """Return the pass in which a step is, and the first step of that pass."""
        number = int(step / self._batches_a_pass)
        while self._steps_by(number) > step:
            number -= 1
        while self._steps_by(number + 1) <= step:
            number += 1
        return number, self._steps_by(number)

    def _schedule_of(self, number: int) -> np.ndarray:
        """Return bucket and place in its stream of each batch of a pass, int64 [steps, 2]."""
        filled = [
            (place, turn)
            for place, bucket in enumerate(self._buckets)
            for turn in range(bucket.batches_by(number), bucket.batches_by(number + 1))
        ]
        generator = np.random.default_rng([self.seed, number, _SHUFFLE])
        return generator.permutation(np.array(filled, np.int64).reshape(-1, 2))

    def _rows(self, place: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
        bucket = self._buckets[place]
        position = np.arange(turn * bucket.batch_size, (turn + 1) * bucket.batch_size)
        passes, within = np.divmod(position, len(bucket.rows))
        rows = np.empty_like(position)
        for each in range(passes[0], passes[-1] + 1):
            here = passes == each
            rows[here] = self._permutation(place, int(each))[within[here]]
        return rows, passes

    def _permutation_of(self, place: int, number: int) -> np.ndarray:
        """Return a bucket's rows in the order of a pass, alike ones near one another."""
        bucket = self._buckets[place]
        generator = np.random.default_rng([self.seed, number, place, _BUCKET])
        rows = generator.permutation(bucket.rows)
        together = np.arange(len(rows)) // (bucket.batch_size * _SORTED_TOGETHER)
        return rows[np.lexsort([self._sizes[rows].sum(axis=1), together])]


def _buckets(longest: np.ndarray, tokens: int, replicas: int) -> list[_Bucket]:
    """Return buckets, each with enough examples of alike size to fill a batch in a pass."""
    limits = _limits(int(longest.min()), int(longest.max()))
    place = np.searchsorted(limits, longest)
    buckets: list[_Bucket] = []
    waiting = np.empty(0, np.int64)
    for each, limit in enumerate(limits):
        waiting = np.concatenate([waiting, np.flatnonzero(place == each)])
        room = _shared(tokens // int(limit), replicas)
        if each == len(limits) - 1 and len(waiting) < room and buckets:
            waiting = np.concatenate([buckets.pop().rows, waiting])
        if len(waiting) >= room or each == len(limits) - 1:
            few = _shared(max(len(waiting), replicas), replicas)
            buckets.append(_Bucket(waiting, min(room, few)))
            waiting = np.empty(0, np.int64)
    return buckets


def _shared(count: int, replicas: int) -> int:
    """Return a number up to `count` that replicas share: a multiple of 8, or below a power of 2."""
    step = math.lcm(min(_MULTIPLE, 1 << (count.bit_length() - 1)), replicas)
    step = step if step <= count else replicas
    return count // step * step


def _limits(shortest: int, longest: int) -> np.ndarray:
    """Return the longest size in each bucket, int64 [buckets], rising."""
    limits = [shortest]
    while limits[-1] < longest:
        limits.append(min(longest, max(limits[-1] + 1, int(limits[-1] * _GROWTH))))
    return np.array(limits, np.int64)
