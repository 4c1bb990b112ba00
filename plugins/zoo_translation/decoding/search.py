"""Beam search over whatever scores the next piece, in the graph of the backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from zoo_translation.tokeniser import END, PAD, START

Step = Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]
"""From the last pieces [batch, beams], their place, memory and cache to logits and the next two."""

NEVER = -1e9
"""What no sum of log probabilities reaches: the score of what is no translation."""


class _Beams(NamedTuple):
    """The translations that are followed, and the best that have ended.

    Attributes:
        last: piece of each, int32 [batch, beams].
        pieces: of each, int32 [batch, beams, steps].
        total: log probability of each, float32 [batch, beams], the best first.
        ended: pieces of the best that have ended, int32 [batch, beams, steps].
        scores: of these, float32 [batch, beams], the best first; `NEVER` where there is none.
        done: whether nothing better can follow, bool [batch].
        memory: of `step`, which belongs to no single beam.
        cache: of `step`, tensors [batch, beams, ...] by name.
    """

    last: Any
    pieces: Any
    total: Any
    ended: Any
    scores: Any
    done: Any
    memory: Any
    cache: Any


def beam_search(
    step: Step,
    memory: Any,
    cache: Any,
    limits: Any,
    *,
    beams: int,
    steps: Any,
    length_penalty: float,
) -> tuple[Any, Any]:
    """Find the likeliest sequences that end.

    A sentence is done when as many translations have ended as there are beams, and none that
    is still followed would be among them if it ended now. Of equals the piece with the
    smaller number wins. One beam is greedy search.

    Args:
        step: scores the pieces that may follow.
        memory: what it begins with.
        cache: what it begins with, tensors [batch, beams, ...] by name.
        limits: most pieces of a translation, END included, int32 [batch].
        beams: sequences of each sentence that are followed.
        steps: the largest of the limits, or more, int32 scalar.
        length_penalty: what lengthens translations; 0 compares plain log probabilities.

    Returns:
        pieces int32 [batch, beams, steps], PAD from END on, and scores float32 [batch, beams],
        the best first: log probability / ((5 + length) / 6) ** length_penalty
        (arXiv:1609.08144), the length with END. Where fewer have ended there are PAD alone
        and the score `NEVER`.
    """

    def score(total: Any, place: Any) -> Any:
        return total / ((6.0 + ops.cast(place, "float32")) / 6.0) ** length_penalty

    def extend(place: Any, state: _Beams) -> tuple[Any, _Beams]:
        logits, memory, cache = step(state.last, place, state.memory, state.cache)
        parents, pieces, totals = _candidates(state.total, logits, place + 1 >= limits)
        ends = ops.equal(pieces, END)
        # A sequence ends only if it is among as many best ones as there are beams.
        alive = ops.logical_and(totals > NEVER, ops.logical_not(state.done)[:, None])
        ending = ops.logical_and(ends, alive)[:, :beams]
        scores = ops.where(ending, score(totals[:, :beams], place), NEVER)
        scores = ops.concatenate([state.scores, scores], axis=1)
        ended = ops.concatenate([state.ended, _pick(state.pieces, parents[:, :beams])], axis=1)
        scores, order = ops.top_k(scores, beams)
        ended = _pick(ended, order)

        totals, order = ops.top_k(ops.where(ends, NEVER, totals), beams)
        parents, last = _pick(parents, order), _pick(pieces, order)
        here = ops.equal(ops.arange(steps), place)
        beats = score(totals[:, 0], place) > scores[:, -1]
        done = ops.logical_or(state.done, ops.logical_not(beats))
        return place + 1, _Beams(
            last=last,
            pieces=ops.where(here, last[..., None], _pick(state.pieces, parents)),
            total=totals,
            ended=ended,
            scores=scores,
            done=done,
            memory=memory,
            cache={name: _pick(value, parents) for name, value in cache.items()},
        )

    def unfinished(place: Any, state: _Beams) -> Any:
        return ops.logical_and(place < steps, ops.logical_not(ops.all(state.done)))

    start = _start(memory, cache, ops.shape(limits)[0], beams, steps)
    _, state = ops.while_loop(unfinished, extend, (ops.zeros((), "int32"), start))
    return state.ended, state.scores


def _start(memory: Any, cache: Any, batch: Any, beams: int, steps: Any) -> _Beams:
    """Return one beam of START in each sentence; the others count for nothing."""
    pieces = ops.full((batch, beams, steps), PAD, dtype="int32")
    never = ops.full((batch, beams), NEVER, dtype="float32")
    return _Beams(
        last=ops.full((batch, beams), START, dtype="int32"),
        pieces=pieces,
        total=ops.where(ops.arange(beams) == 0, 0.0, never),
        ended=pieces,
        scores=never,
        done=ops.zeros((batch,), "bool"),
        memory=memory,
        cache=cache,
    )


def _candidates(total: Any, logits: Any, must_end: Any) -> tuple[Any, Any, Any]:
    """Return the likeliest continuations of all beams, twice as many as there are beams.

    That many, since half of them may end.

    Args:
        total: log probabilities of the beams, float32 [batch, beams].
        logits: of the pieces that may follow, float32 [batch, beams, pieces].
        must_end: whether a sentence's translations have to end here, bool [batch].

    Returns:
        beams they continue int32, pieces int32 and log probabilities float32, each
        [batch, 2 * beams], the likeliest first.
    """
    beams, vocabulary = logits.shape[1:]
    probabilities = ops.softmax(ops.cast(logits, "float32"))
    # The best of each beam suffice, and two more as PAD and START may be among them; quicker
    # than to bar these among all pieces, and than to sort all beams' pieces at once.
    each = min(2 * beams + 2, vocabulary)
    values, pieces = ops.top_k(probabilities, each)
    barred = ops.logical_or(ops.equal(pieces, PAD), ops.equal(pieces, START))
    gains = ops.where(barred, NEVER, _log(values))

    end = ops.pad(_log(probabilities[..., END : END + 1]), ((0, 0), (0, 0), (0, each - 1)))
    end = ops.where(ops.arange(each) == 0, end, NEVER)
    must_end = must_end[:, None, None]
    pieces, gains = ops.where(must_end, END, pieces), ops.where(must_end, end, gains)

    values, pieces = (
        ops.reshape(x, (-1, beams * each)) for x in (total[..., None] + gains, pieces)
    )
    totals, places = ops.top_k(values, min(2 * beams, beams * each))
    return places // each, _pick(pieces, places), totals


def _log(probabilities: Any) -> Any:
    return ops.log(ops.maximum(probabilities, 1e-37))


def _pick(x: Any, places: Any) -> Any:
    """Return [batch, k, ...] of `x` [batch, n, ...] and places int32 [batch, k]."""
    shape = ops.shape(x)
    rows = ops.arange(shape[0])[:, None] * shape[1] + places
    return ops.take(ops.reshape(x, (-1, *shape[2:])), rows, axis=0)
