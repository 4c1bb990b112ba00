"""CTC decoding: equal to trying out every path, words from a list, and times."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax
from zoo_speech.decoding.ctc import BeamSearch, Greedy, Said, Search, Symbols
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


def heard(search: Search, log_probs: np.ndarray) -> list[Said]:
    search.hear(log_probs)
    return search.said()


def symbols_of(said: list[Said]) -> Symbols:
    return tuple(each.symbol for each in said)


def text_of(said: list[Said]) -> str:
    return "".join(NAMES[each.symbol] for each in said)


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_what_trying_every_path_finds(seed: int) -> None:
    log_probs = random_frames(6, 4, seed)
    every = texts_of(log_probs)
    search = BeamSearch(1000)
    assert symbols_of(heard(search, log_probs)) == max(every, key=every.__getitem__)
    for text, score in search.texts()[:20]:
        np.testing.assert_allclose(score, every[text], rtol=1e-9)


def test_the_best_path_drops_repeats_and_blanks() -> None:
    log_probs = path_of("__aa_ab_ c")
    assert text_of(heard(Greedy(), log_probs)) == "aab c"
    assert text_of(heard(BeamSearch(4), log_probs)) == "aab c"


def test_a_beam_sums_paths_where_the_best_path_sees_one() -> None:
    # Each frame's best symbol is the blank, and yet `a` has more probability in all.
    log_probs = np.log(np.array([[0.55, 0.45], [0.55, 0.45]]))
    assert heard(Greedy(), log_probs) == []
    assert symbols_of(heard(BeamSearch(4), log_probs)) == (1,)


LISTED = ("ab", "abc", "ca")


def test_only_words_of_a_list_are_written() -> None:
    words = WordList(LISTED, places(ALPHABET))
    for text, expected in {"ac": "ab", "ab_b": "ab", "cc_ab": "ca"}.items():
        log_probs = path_of(text, sure=0.6)
        every = texts_of(log_probs)
        listed = [each for each in every if _listed(each)]
        found = symbols_of(heard(BeamSearch(500, words), log_probs))
        assert found == max(listed, key=every.__getitem__)
        assert "".join(NAMES[each] for each in found) == expected


def _listed(symbols: Symbols) -> bool:
    text = "".join(NAMES[each] for each in symbols)
    return text == "" or all(word in LISTED for word in text.split(" "))


@pytest.mark.parametrize("beams", [1, 5, 100])
@pytest.mark.parametrize("end", ["_ab__", " __", "_ a_", "_ c"])
def test_a_text_that_ends_within_a_word_keeps_those_before(end: str, beams: int) -> None:
    words = WordList(LISTED, places(ALPHABET))
    said = heard(BeamSearch(beams, words), path_of("abc_ _ca" + end, sure=0.98))
    found = [each["word"] for each in timed_words(said, 0.04, NAMES, "characters")]
    assert found[:2] == ["abc", "ca"]
    assert set(found) <= set(LISTED)


def test_an_empty_recording_says_nothing() -> None:
    nothing = np.zeros((0, 5))
    assert heard(Greedy(), nothing) == []
    assert heard(BeamSearch(4), nothing) == []
    assert timed_words([], 0.04, NAMES, "characters") == []
    assert np.isnan(mean_confidence([]))


@pytest.mark.parametrize("seed", range(5))
def test_times_are_those_of_the_best_path_of_the_text(seed: int) -> None:
    log_probs = random_frames(7, 4, seed)
    for search in (Greedy(), BeamSearch(1000)):
        said = heard(search, log_probs)
        paths = [
            path
            for path in product(range(4), repeat=7)
            if tuple(symbol for symbol, _ in groupby(path) if symbol) == symbols_of(said)
        ]
        best = max(paths, key=lambda path: sum(log_probs[range(7), path]))
        runs = [list(run) for _, run in groupby(range(7), best.__getitem__)]
        expected = [(run[0], run[-1] + 1) for run in runs if best[run[0]]]
        assert [(each.start, each.end) for each in said] == expected
        for each in said:
            surest = log_probs[each.start : each.end, each.symbol].max()
            np.testing.assert_allclose(each.surest, surest)


@pytest.mark.parametrize("beams", [1, 4])
def test_frames_may_come_in_parts_and_a_copy_goes_its_own_way(beams: int) -> None:
    def new() -> Search:
        return Greedy() if beams == 1 else BeamSearch(beams)

    log_probs = random_frames(200, 5, seed=0)
    whole, search = heard(new(), log_probs), new()
    for start in range(0, 200, 7):
        heard(search.copy(), random_frames(9, 5, seed=start))
        search.hear(log_probs[start : start + 7])
    assert search.said() == whole


@pytest.mark.parametrize("beams", [1, 10])
def test_memory_grows_with_frames_and_not_with_their_square(beams: int) -> None:
    def peak(frames: int) -> int:
        log_probs = random_frames(frames, 30, seed=0).astype(np.float32)
        search = Greedy() if beams == 1 else BeamSearch(beams)
        tracemalloc.start()
        heard(search, log_probs)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(1200) < 6 * peak(300)


def test_words_have_the_times_of_their_frames() -> None:
    log_probs = path_of("__ab__ c__")
    (first, second) = timed_words(heard(Greedy(), log_probs), 0.04, NAMES, "characters")
    assert (first["word"], first["start"], first["end"]) == ("ab", 0.08, 0.16)
    assert (second["word"], second["start"], second["end"]) == ("c", 0.28, 0.32)
    assert first["confidence"] == pytest.approx(0.9, abs=1e-3)
    assert mean_confidence([first, second]) == pytest.approx(0.9, abs=1e-3)


def test_whole_words_may_be_the_symbols() -> None:
    names = ("", "one", "two")
    log_probs = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    words = timed_words(heard(Greedy(), log_probs), 0.5, names, "words")
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
