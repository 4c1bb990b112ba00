"""Encoding of pairs: what the network reads, what it has to say, and how long both are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from zoo_translation.preprocessing import PairPreprocessing
from zoo_translation.tokeniser import END, PAD, START

import zoo


def test_the_target_input_is_the_target_one_place_later(
    preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    inputs, targets = preprocessing.inputs(pairs), preprocessing.targets(pairs)
    assert inputs["target"].shape == targets.shape
    assert (inputs["target"][:, 0] == START).all()
    for given, wanted in zip(inputs["target"], targets, strict=True):
        length = np.count_nonzero(wanted)
        assert wanted[length - 1] == END
        np.testing.assert_array_equal(given[1:length], wanted[: length - 1])
        assert not given[length:].any()
        assert not wanted[length:].any()


def test_both_sides_can_be_read_again(preprocessing: PairPreprocessing, pairs: zoo.Batch) -> None:
    decode = preprocessing.tokeniser.decode
    assert decode(preprocessing.inputs(pairs)["source"]) == list(pairs["source"])
    assert decode(preprocessing.targets(pairs)) == list(pairs["target"])


def test_sources_end_with_end_and_are_padded(preprocessing: PairPreprocessing) -> None:
    source = preprocessing.inputs({"source": zoo.object_column(["dog", "", "big red dog"])})
    assert source["source"].dtype == np.int32
    assert source["source"][1].tolist() == [END] + [PAD] * (source["source"].shape[1] - 1)
    np.testing.assert_array_equal(source["target"], [[START]] * 3)


def test_sizes_are_what_inputs_take(preprocessing: PairPreprocessing, pairs: zoo.Batch) -> None:
    inputs = preprocessing.inputs(pairs)
    expected = [np.count_nonzero(inputs[side], axis=1) for side in ("source", "target")]
    np.testing.assert_array_equal(preprocessing.sizes(pairs), np.transpose(expected))


def test_space_says_how_long_a_target_is(
    preprocessing: PairPreprocessing, pairs: zoo.Batch
) -> None:
    space = preprocessing.space
    tokens = np.count_nonzero(preprocessing.targets(pairs), axis=1)
    assert float(space.arrays["tokens"]) == np.float32(tokens.mean())
    assert space.classes == preprocessing.tokeniser.pieces


def test_it_is_the_same_after_it_was_saved(
    preprocessing: PairPreprocessing, tmp_path: Path
) -> None:
    given = replace(
        preprocessing, readings=2, corpus=replace(preprocessing.corpus, languages=["en", "de"])
    )
    given.save(tmp_path)
    assert PairPreprocessing.load(tmp_path) == given
