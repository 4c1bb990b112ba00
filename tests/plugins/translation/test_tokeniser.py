"""The tokeniser: text survives, and equal text gives an equal tokeniser."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from zoo_translation.tokeniser import END, PAD, START, UNKNOWN, Kind, Tokeniser

import zoo

KINDS = get_args(Kind)


@pytest.fixture(params=KINDS)
def tokeniser(request: pytest.FixtureRequest, pairs: zoo.Batch) -> Tokeniser:
    texts = [*pairs["source"], *pairs["target"]]
    return Tokeniser.train(texts, pieces=400, kind=request.param)


@pytest.mark.parametrize(
    "text",
    [
        "Der kleine Hund schläft.",
        "",
        "日本語のテキスト、한국어, العربية",
        "😀👩‍👩‍👧 flag 🇩🇪",
        "① ½ … ﬁ ™ „Anführung“ – don’t",  # noqa: RUF001
        "<s> </s> <pad> <0x41>",
        "a\tb",
    ],
)
def test_any_text_survives(tokeniser: Tokeniser, text: str) -> None:
    (pieces,) = tokeniser.encode([text])
    assert pieces.dtype == np.int32
    assert not set(pieces.tolist()) & {PAD, UNKNOWN, START, END}
    assert tokeniser.decode([pieces]) == [text]


def test_equal_text_gives_an_equal_tokeniser(pairs: zoo.Batch) -> None:
    for kind in KINDS:
        models = {Tokeniser.train(list(pairs["source"]), pieces=350, kind=kind) for _ in range(2)}
        assert len(models) == 1


def test_a_short_text_gives_fewer_pieces_than_wanted(tokeniser: Tokeniser) -> None:
    assert 260 < len(tokeniser.pieces) <= 400
    large = Tokeniser.train(["one two three"] * 3, pieces=8_000, kind="bpe")
    assert len(large.pieces) < 400


def test_the_first_pieces_are_of_no_text(tokeniser: Tokeniser) -> None:
    assert tokeniser.pieces[:4] == ("<pad>", "<unk>", "<s>", "</s>")


def test_what_follows_the_end_is_no_text(tokeniser: Tokeniser) -> None:
    (pieces,) = tokeniser.encode(["dog"])
    whole = np.concatenate([[START], pieces, [END], pieces, [PAD, PAD]])
    assert tokeniser.decode([whole, np.zeros(3, np.int32)]) == ["dog", ""]


def test_it_is_the_same_after_it_was_saved(tokeniser: Tokeniser, tmp_path: Path) -> None:
    tokeniser.save(tmp_path)
    assert Tokeniser.load(tmp_path) == tokeniser


def test_it_refuses_no_text_and_too_few_pieces() -> None:
    with pytest.raises(zoo.DataError, match="no text"):
        Tokeniser.train(["", "  "])
    with pytest.raises(zoo.ConfigError, match=r"task\.pieces is 262"):
        Tokeniser.train(["abcdefghijk"], pieces=262)
