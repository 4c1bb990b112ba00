"""Small pairs of sentences for the tests of the translation plugin."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_translation.preprocessing import PairPreprocessing

import zoo

_ENGLISH = ("dog", "cat", "house", "tree", "red", "blue", "small", "big", "runs", "sleeps")
_GERMAN = ("Hund", "Katze", "Haus", "Baum", "rot", "blau", "klein", "groß", "rennt", "schläft")


@pytest.fixture
def pairs() -> zoo.Batch:
    """Two hundred labelled pairs: two to seven words, translated one by one."""
    return make_pairs(200)


@pytest.fixture
def other_pairs() -> zoo.Batch:
    """Fifty more pairs of the same words."""
    return make_pairs(50, seed=9)


@pytest.fixture
def preprocessing(pairs: zoo.Batch) -> PairPreprocessing:
    """A small tokeniser of those pairs."""
    return PairPreprocessing.fit(pairs, pieces=400, kind="unigram")


def make_pairs(count: int, seed: int = 0) -> zoo.Batch:
    """Return random pairs; each word has one translation, and order is kept."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, len(_ENGLISH), rng.integers(2, 8)) for _ in range(count)]
    return {
        "id": zoo.object_column(f"generator:{row}" for row in range(count)),
        "source": zoo.object_column(" ".join(_ENGLISH[i] for i in row) + "." for row in rows),
        "target": zoo.object_column(" ".join(_GERMAN[i] for i in row) + "." for row in rows),
    }
