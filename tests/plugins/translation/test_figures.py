"""Figures: they show the sentences they speak of, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_translation.evaluation import figures, metrics

import zoo


@pytest.fixture
def drawn(pairs: zoo.Batch) -> dict[str, zoo.Figure]:
    texts = pairs["target"].copy()
    texts[5] = "<script>alert(1)</script> $x$"
    weights = np.full((2, 3), 1 / 3, np.float32)
    alignment = {"source": ["a", "b", "c"], "translation": ["x", "y"], "weights": weights}
    known = zoo.object_column([alignment, *[None] * 199])
    kinds = metrics.kinds("13a", lower_case=True)
    found = figures.all_figures(pairs, {"text": texts, "alignment": known}, kinds)
    return {figure.title: figure for figure in found}


def test_the_worst_sentence_is_shown_with_its_reference(
    drawn: dict[str, zoo.Figure], pairs: zoo.Batch
) -> None:
    html = drawn["Worst translations"].html
    assert pairs["target"][5] in html
    assert pairs["id"][5] in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert pairs["id"][5] not in drawn["Best translations"].html.split()


def test_signatures_stand_beside_the_values(drawn: dict[str, zoo.Figure]) -> None:
    html = drawn["Metrics and their signatures"].html
    assert "tok:13a" in html
    assert "case:lc" in html
    assert "nc:6" in html


def test_lengths_and_alignments_are_drawn(drawn: dict[str, zoo.Figure]) -> None:
    for title in ("Quality by length", "Alignment 1"):
        assert drawn[title].html.lstrip().startswith("<svg")
    assert "Alignment 2" not in drawn


def test_sentences_that_can_be_read_are_aligned(pairs: zoo.Batch) -> None:
    texts, parts = pairs["target"].copy(), np.ones(200, np.int64)
    texts[::2] = zoo.object_column("Hund " * 40 for _ in range(100))
    parts[1::4] = 2
    carried = zoo.object_column([] for _ in texts)
    rows = figures.readable_rows(pairs, {"text": texts, "parts": parts, "carried": carried})
    assert 4 <= len(rows) <= 8
    assert rows[-1] - rows[0] > 100
    assert all(row % 4 == 3 and len(pairs["source"][row]) >= 12 for row in rows)
    texts[:] = ""
    assert not figures.readable_rows(pairs, {"text": texts, "parts": parts, "carried": carried})


def test_of_long_sentences_alone_the_shortest_are_aligned() -> None:
    texts = zoo.object_column("x" * (100 + row % 50) for row in range(200))
    parts, carried = np.ones(200, np.int64), zoo.object_column([] for _ in texts)
    given = {"text": texts, "parts": parts, "carried": carried}
    rows = figures.readable_rows({"source": texts}, given)
    assert len(rows) == 8
    assert max(len(texts[row]) for row in rows) <= 102


def test_a_single_sentence_is_enough() -> None:
    truth = {name: zoo.object_column(["a"]) for name in ("id", "source", "target")}
    kinds = metrics.kinds("13a", lower_case=False)
    assert figures.all_figures(truth, {"text": zoo.object_column([""])}, kinds)
