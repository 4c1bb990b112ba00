"""Beam search: against all sequences, without a cache, and whatever stands beside a sentence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from zoo_translation.decoding.search import NEVER, beam_search
from zoo_translation.decoding.translator import alignments, translate, translator
from zoo_translation.models.attention_gru import AttentionGRU
from zoo_translation.models.transformer import Transformer
from zoo_translation.tokeniser import END, PAD, START

import zoo

MODELS = {"transformer": Transformer(), "gru": AttentionGRU(width=16)}
each_model = pytest.mark.parametrize("name", MODELS)
pytestmark = pytest.mark.usefixtures("two_blocks")


def network(name: str, pieces: int = 12, seed: int = 0) -> keras.Model:
    """Return a network of random weights that ends soon, but not all sentences alike."""
    keras.utils.set_random_seed(seed)
    names = tuple(str(number) for number in range(pieces))
    space = zoo.Space(
        inputs={"source": zoo.Tensor((None,), "int32"), "target": zoo.Tensor((None,), "int32")},
        outputs={"logits": zoo.Tensor((None, pieces))},
        classes=names,
        arrays={"tokens": np.array(5.0)},
    )
    return MODELS[name].build(space)


@pytest.fixture(scope="module")
def networks(two_blocks: None) -> dict[str, keras.Model]:
    return {name: network(name) for name in MODELS}


def sources(rows: int = 6, pieces: int = 12) -> np.ndarray:
    """Return sources of 2 to 7 pieces and END, int32 [rows, 8]."""
    random = np.random.default_rng(2)
    source = np.zeros((rows, 8), np.int32)
    for row in range(rows):
        length = 2 + row % 6
        source[row, :length] = random.integers(4, pieces, length)
        source[row, length] = END
    return source


def log_probabilities(model: keras.Model, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return log probabilities [batch, T, pieces] by the whole network at once."""
    logits = model({"source": source, "target": target})
    return ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))


def greedy(model: keras.Model, source: np.ndarray, most: int) -> list[int]:
    """Return the likeliest piece after the likeliest, found without a cache."""
    pieces: list[int] = []
    while len(pieces) < most - 1:
        target = np.array([[START, *pieces]], np.int32)
        scores = log_probabilities(model, source[None], target)[0, -1]
        scores[[PAD, START]] = -np.inf
        if scores.argmax() == END:
            break
        pieces.append(int(scores.argmax()))
    return pieces


def text(pieces: np.ndarray) -> list[int]:
    return pieces[pieces != PAD].tolist()


@each_model
def test_one_beam_takes_the_likeliest_piece_each_time(
    name: str, networks: dict[str, keras.Model]
) -> None:
    source = sources()

    pieces, _ = translate(networks[name], source, beams=1, longest=9)

    assert [text(row[0]) for row in pieces] == [greedy(networks[name], row, 9) for row in source]


@each_model
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_enough_beams_find_the_best_of_all_sequences(name: str, penalty: float) -> None:
    model, source, most = network(name, pieces=7), sources(2, pieces=7), 4
    letters = (1, 4, 5, 6)
    every = [s for n in range(most) for s in itertools.product(letters, repeat=n)]

    pieces, scores = translate(
        model, source, beams=len(every), length_penalty=penalty, longest=most
    )

    for row in range(2):
        true = dict(zip(every, all_scores(model, source[row], every, penalty), strict=True))
        best = sorted(true, key=true.get, reverse=True)
        assert [tuple(text(found)) for found in pieces[row][:5]] == best[:5]
        np.testing.assert_allclose(scores[row][:5], [true[s] for s in best[:5]], rtol=1e-4)


def all_scores(
    model: keras.Model, source: np.ndarray, sequences: Sequence[Sequence[int]], penalty: float
) -> list[float]:
    """Return the scores of translations of one source, by the whole network at once."""
    longest = max(map(len, sequences)) + 1
    target = np.full((len(sequences), longest), PAD, np.int32)
    for row, pieces in zip(target, sequences, strict=True):
        row[: len(pieces) + 1] = START, *pieces
    gains = log_probabilities(model, np.tile(source, (len(target), 1)), target)
    totals = [
        sum(of_row[place, piece] for place, piece in enumerate((*pieces, END)))
        for of_row, pieces in zip(gains, sequences, strict=True)
    ]
    return [
        float(total / ((5 + len(pieces) + 1) / 6) ** penalty)
        for total, pieces in zip(totals, sequences, strict=True)
    ]


@each_model
def test_scores_are_those_of_the_network(name: str, networks: dict[str, keras.Model]) -> None:
    source = sources()

    pieces, scores = translate(networks[name], source, beams=3, length_penalty=0.6, longest=9)

    assert (np.diff(scores, axis=1) <= 0).all()
    for row in range(len(source)):
        found = [text(beam) for beam in pieces[row]]
        true = all_scores(networks[name], source[row], found, 0.6)
        np.testing.assert_allclose(scores[row], true, rtol=1e-4)


@each_model
@pytest.mark.parametrize("beams", [1, 4])
def test_cache_changes_no_piece(name: str, beams: int, networks: dict[str, keras.Model]) -> None:
    model, source, most = networks[name], sources(), 9
    rows = ops.convert_to_tensor(np.repeat(source, beams, axis=0))

    def recompute(pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        here = ops.equal(ops.arange(most), place)
        target = ops.where(here, pieces[..., None], cache["target"])
        scores = model({"source": rows, "target": ops.reshape(target, (-1, most))})
        scores = ops.reshape(scores[:, place], (len(source), beams, -1))
        return scores, memory, {"target": target}

    cache = {"target": ops.zeros((len(source), beams, most), "int32")}
    lengths = (source != PAD).sum(axis=1)
    limits = ops.convert_to_tensor(np.minimum(2 * lengths + 10, most), "int32")
    uncached, _ = beam_search(
        recompute, {}, cache, limits, beams=beams, steps=most, length_penalty=1.0
    )
    cached, _ = translate(model, source, beams=beams, longest=most)

    uncached = ops.convert_to_numpy(uncached)
    np.testing.assert_array_equal(cached, uncached[..., : cached.shape[2]])
    assert not uncached[..., cached.shape[2] :].any()


@each_model
def test_a_sentence_is_translated_alike_in_any_company(
    name: str, networks: dict[str, keras.Model]
) -> None:
    source = sources()
    run = translator(networks[name], beams=3)

    pieces, scores = run(source)

    for row in range(len(source)):
        alone, its_scores = run(source[row : row + 1, : (source[row] != PAD).sum()])
        assert [text(x) for x in alone[0]] == [text(x) for x in pieces[row]]
        np.testing.assert_allclose(its_scores[0], scores[row], rtol=1e-4)


def test_padding_columns_change_nothing(networks: dict[str, keras.Model]) -> None:
    source = sources()
    run = translator(networks["transformer"], beams=3)

    pieces, _ = run(source)
    padded, _ = run(np.pad(source, ((0, 0), (0, 5))))

    np.testing.assert_array_equal(padded, pieces)


def test_equal_pieces_are_taken_in_the_order_of_their_numbers() -> None:
    def even(pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        return ops.zeros((1, 2, 6)), memory, cache

    limits = ops.convert_to_tensor([3], "int32")

    pieces, scores = beam_search(even, {}, {}, limits, beams=2, steps=3, length_penalty=0.0)

    assert text(ops.convert_to_numpy(pieces)[0, 0]) == []
    assert float(scores[0, 0]) == pytest.approx(-np.log(6))


def test_where_fewer_sequences_end_than_are_followed_the_others_are_none() -> None:
    def even(pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        return ops.zeros((1, 3, 4)), memory, cache

    limits = ops.convert_to_tensor([2], "int32")

    _, scores = beam_search(even, {}, {}, limits, beams=3, steps=2, length_penalty=5.0)

    assert (ops.convert_to_numpy(scores)[0] > NEVER).tolist() == [True, True, False]


def test_no_translation_is_longer_than_allowed(networks: dict[str, keras.Model]) -> None:
    pieces, scores = translate(networks["transformer"], sources(), beams=2, longest=3)

    assert pieces.shape[2] <= 2
    assert (scores > -100).all()


def test_neither_start_nor_padding_is_written(networks: dict[str, keras.Model]) -> None:
    pieces, _ = translate(networks["gru"], sources(), beams=4)

    assert START not in pieces
    gaps = (pieces[..., :-1] == PAD) & (pieces[..., 1:] != PAD)
    assert not gaps.any()


def test_later_training_shows_in_what_is_compiled_already() -> None:
    model, source = network("gru"), sources()
    run = translator(model, beams=1)
    before, _ = run(source)

    for weight in model.trainable_weights:
        weight.assign(-weight)
    after, _ = run(source)

    np.testing.assert_array_equal(after, translate(model, source, beams=1)[0])
    assert before.shape != after.shape or (before != after).any()


@each_model
def test_alignments_of_one_example(name: str, networks: dict[str, keras.Model]) -> None:
    source = sources()[3]

    found = alignments(networks[name], source, np.array([5, 7, END], np.int32))

    assert found.shape == (3, len(source))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert not found[:, source == PAD].any()
