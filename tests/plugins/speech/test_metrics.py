"""Error rates equal jiwer's under any weights, and verification is what its name says."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from sklearn.metrics import roc_curve
from zoo_speech.evaluation.errors import Errors, all_metrics, reference_values
from zoo_speech.evaluation.verification import Verification

SAID = ["one two three", "four", "five six seven eight", "", "nine zero"]
WRITTEN = ["one too three", "", "five six six seven ate", "one", "nine zero"]


def test_rates_are_those_of_jiwer() -> None:
    expected = reference_values(SAID, WRITTEN)
    ones = np.ones(len(SAID), np.int64)
    found = {metric.name: metric.compute(ones) for metric in all_metrics(SAID, WRITTEN)}
    assert found["wer"] == pytest.approx(expected["wer"])
    assert found["cer"] == pytest.approx(expected["cer"])
    assert found["wer"] == pytest.approx(
        found["word_substitutions"] + found["word_deletions"] + found["word_insertions"]
    )
    assert found["wrong_texts"] == pytest.approx(4 / 5)


def test_an_example_that_was_drawn_twice_counts_twice() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = rng.integers(0, 4, len(SAID))
        said, written = (np.repeat(each, weights).tolist() for each in (SAID, WRITTEN))
        if not "".join(said):
            continue
        found = {metric.name: metric.compute(weights) for metric in all_metrics(SAID, WRITTEN)}
        assert found["wer"] == pytest.approx(jiwer.wer(said, written))
        assert found["cer"] == pytest.approx(jiwer.cer(said, written))


def test_rates_without_anything_said_are_undefined() -> None:
    errors = Errors(SAID, WRITTEN)
    assert np.isnan(errors.rate(np.array([0, 0, 0, 3, 0])))
    assert np.isnan(errors.rate(np.zeros(5, np.int64)))


def test_what_was_mistaken_for_what_is_counted() -> None:
    errors = Errors(SAID, WRITTEN)
    mistaken = errors.mistaken()
    assert mistaken["two", "too"] == 1
    assert mistaken["four", ""] == 1
    assert mistaken["", "one"] == 1
    totals = errors.totals()
    assert sum(mistaken.values()) == sum(totals.values()) - totals["hits"]
    np.testing.assert_allclose(errors.rates(), [1 / 3, 1, 2 / 4, 1, 0])


def vectors(angles: list[float]) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def names(count: int) -> np.ndarray:
    return np.array([f"{number}.wav" for number in range(count)])


def test_speakers_who_lie_apart_are_never_mistaken() -> None:
    pairs = Verification(names(4), np.array(["a", "a", "b", "b"]), vectors([0, 0.1, 2, 2.1]))
    assert pairs.equal_error_rate(np.ones(4, np.int64)) == 0


def test_turned_around_embeddings_are_always_mistaken() -> None:
    pairs = Verification(names(4), np.array(["a", "b", "b", "a"]), vectors([0, 0.1, 3.0, 3.1]))
    assert pairs.equal_error_rate(np.ones(4, np.int64)) > 0.4


def test_the_equal_error_rate_lies_where_the_roc_curve_meets_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 5, 60)
    embeddings = rng.normal(size=(60, 8)) + 1.2 * np.eye(8)[speakers]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(60, 1)
    alike = np.sum(embeddings[first] * embeddings[second], axis=1)
    accepted, found, _ = roc_curve(speakers[first] == speakers[second], alike)
    place = np.argmin(np.abs(accepted - (1 - found)))
    rate = Verification(names(60), speakers, embeddings).equal_error_rate(np.ones(60, np.int64))
    assert rate == pytest.approx((accepted[place] + 1 - found[place]) / 2, abs=0.01)


def test_verification_counts_pairs_of_what_was_drawn() -> None:
    rng = np.random.default_rng(1)
    speakers, embeddings = rng.integers(0, 3, 12), rng.normal(size=(12, 4))
    weights = np.array([1, 0] * 6)
    half = Verification(names(6), speakers[::2], embeddings[::2])
    whole = Verification(names(12), speakers, embeddings)
    assert whole.equal_error_rate(weights) == pytest.approx(
        half.equal_error_rate(np.ones(6, np.int64))
    )


def test_a_recording_that_is_drawn_twice_is_not_compared_with_itself() -> None:
    rng = np.random.default_rng(2)
    speakers, embeddings = rng.integers(0, 3, 12), rng.normal(size=(12, 4))
    once, twice = np.arange(12), np.repeat(np.arange(12), 2)
    rates = [
        Verification(names(12)[rows], speakers[rows], embeddings[rows]).equal_error_rate(
            np.ones(len(rows), np.int64)
        )
        for rows in (once, twice)
    ]
    assert rates[0] == pytest.approx(rates[1])


def test_verification_of_one_speaker_alone_is_undefined() -> None:
    pairs = Verification(names(3), np.array(["a", "a", "a"]), vectors([0, 1, 2]))
    assert np.isnan(pairs.equal_error_rate(np.ones(3, np.int64)))
    alone = Verification(names(1), np.array(["a"]), vectors([0]))
    assert np.isnan(alone.equal_error_rate(np.ones(1)))
