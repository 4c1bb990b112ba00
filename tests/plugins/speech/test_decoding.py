"""CTC decoding: equal to trying out every path, words from a list, and times."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax
from zoo_speech.decoding.ctc import aligned, greedy, prefix_beam
from zoo_speech.decoding.timing import mean_confidence, timed_words
from zoo_speech.decoding.words import WordList, read_words
from zoo_speech.text import places

import zoo

ALPHABET = (" ", "a", "b", "c")
NAMES = ("", *ALPHABET)


def path_of(text: str, sure: float = 0.9) -> np.ndarray:
    """Return log probabilities of frames that say a text; `_` is the blank."""
    names = ("_", *ALPHABET)
    probabilities = np.full((len(text), len(names)), (1 - sure) / (len(names) - 1))
    for frame, character in enumerate(text):
        probabilities[frame, names.index(character)] = sure
    return np.log(probabilities)


def texts_of(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Return the log probability of each text, by trying every path."""
    totals: dict[tuple[int, ...], float] = defaultdict(lambda: -np.inf)
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(symbol for symbol, _ in groupby(path) if symbol)
        score = sum(frame[symbol] for frame, symbol in zip(log_probs, path, strict=True))
        totals[text] = float(np.logaddexp(totals[text], score))
    return totals


def random_frames(frames: int, symbols: int, seed: int) -> np.ndarray:
    return log_softmax(np.random.default_rng(seed).normal(size=(frames, symbols)) * 2, axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_what_trying_every_path_finds(seed: int) -> None:
    log_probs = random_frames(6, 4, seed)
    every = texts_of(log_probs)
    best = max(every, key=every.__getitem__)
    found = prefix_beam(log_probs, beams=1000)
    assert found[0][0] == best
    for text, score in found[:20]:
        np.testing.assert_allclose(score, every[text], rtol=1e-9)


def test_the_best_path_drops_repeats_and_blanks() -> None:
    log_probs = path_of("__aa_ab_ c")
    assert "".join(NAMES[each] for each in greedy(log_probs)) == "aab c"
    assert prefix_beam(log_probs, beams=4)[0][0] == greedy(log_probs)


def test_a_beam_sums_paths_where_the_best_path_sees_one() -> None:
    # Each frame's best symbol is the blank, and yet `a` has more probability in all.
    log_probs = np.log(np.array([[0.55, 0.45], [0.55, 0.45]]))
    assert greedy(log_probs) == ()
    assert prefix_beam(log_probs, beams=4)[0][0] == (1,)


def test_only_words_of_a_list_are_written() -> None:
    words = WordList(["ab", "abc", "ca"], places(ALPHABET))
    for text, expected in {"ac": "ab", "ab_b": "abc", "cc_ab": "ca ab"}.items():
        log_probs = path_of(text, sure=0.6)
        every = texts_of(log_probs)
        best = prefix_beam(log_probs, 500, words.allowed, words.whole)[0][0]
        written = "".join(NAMES[each] for each in best)
        assert set(written.split()) <= {"ab", "abc", "ca"}
        listed = [each for each in every if _listed(each)]
        assert best == max(listed, key=every.__getitem__), expected


def _listed(symbols: tuple[int, ...]) -> bool:
    text = "".join(NAMES[each] for each in symbols)
    return text == "" or all(word in {"ab", "abc", "ca"} for word in text.split(" "))


def test_an_empty_recording_says_nothing() -> None:
    nothing = np.zeros((0, 5))
    assert greedy(nothing) == ()
    assert prefix_beam(nothing, 4)[0][0] == ()
    assert timed_words(nothing, (), 0.04, NAMES, "characters") == []
    assert mean_confidence([]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_times_are_those_of_the_best_path_of_the_text(seed: int) -> None:
    log_probs = random_frames(7, 4, seed)
    text = (1, 1, 2)
    paths = [
        path
        for path in product(range(4), repeat=7)
        if tuple(symbol for symbol, _ in groupby(path) if symbol) == text
    ]
    best = max(paths, key=lambda path: sum(log_probs[range(7), path]))
    runs = [list(run) for symbol, run in groupby(range(7), lambda frame: best[frame])]
    expected = [(run[0], run[-1]) for run in runs if best[run[0]]]
    assert list(map(tuple, aligned(log_probs, text))) == expected


def test_words_have_the_times_of_their_frames() -> None:
    log_probs = path_of("__ab__ c__")
    (first, second) = timed_words(log_probs, greedy(log_probs), 0.04, NAMES, "characters")
    assert (first["word"], first["start"], first["end"]) == ("ab", 0.08, 0.16)
    assert (second["word"], second["start"], second["end"]) == ("c", 0.28, 0.32)
    assert first["confidence"] == pytest.approx(0.9, abs=1e-3)
    assert mean_confidence([first, second]) == pytest.approx(0.9, abs=1e-3)


def test_whole_words_may_be_the_symbols() -> None:
    names = ("", "one", "two")
    log_probs = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    words = timed_words(log_probs, greedy(log_probs), 0.5, names, "words")
    assert [(each["word"], each["start"], each["end"]) for each in words] == [
        ("one", 0.0, 0.5),
        ("two", 1.0, 1.5),
    ]


def test_a_word_list_is_a_file_with_a_word_a_line(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n", encoding="utf-8")
    assert read_words(str(tmp_path / "words.txt")) == ("one", "two")
    (tmp_path / "empty.txt").touch()
    for name in ("missing.txt", "empty.txt"):
        with pytest.raises(zoo.ConfigError, match=name) as raised:
            read_words(str(tmp_path / name))
        assert "task.words" in str(raised.value.hint)
