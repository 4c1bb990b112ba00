from __future__ import annotations

import numpy as np
import pytest
from zoo_translation.data.alignment import shifts
from zoo_translation.data.datasets import Pairs
from zoo_translation.generator.sentences import draw

COUNT = 2000


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[str]]:
    drawn = draw(np.random.default_rng(1))
    english, german = zip(*(next(drawn) for _ in range(COUNT)), strict=True)
    return list(english), list(german)


def write(folder, sources, targets, stem: str = "train"):
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.en").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (folder / f"{stem}.de").write_text("\n".join(targets) + "\n", encoding="utf-8")
    return folder


def check(path, tmp_path):
    return Pairs(path=str(path), source="en", target="de").check(seed=0, cache=tmp_path)


def found(findings, code: str):
    return [finding for finding in findings if finding.code == code]


def test_good_data_raise_no_alarm(tmp_path, pairs):
    findings = check(write(tmp_path / "data", *pairs), tmp_path)

    assert {finding.code for finding in findings} == {"random-split"}


@pytest.mark.parametrize("lines", [1, -3, 20])
def test_a_shift_is_found_where_it_begins_and_ends(pairs, lines):
    sources, targets = pairs[0], list(pairs[1])
    piece = targets[400:1600]
    targets[400:1600] = piece[-lines:] + piece[:-lines]

    (shift,) = shifts(sources, targets)

    assert shift.lines == lines
    assert abs(shift.start - 400) <= 200
    assert abs(shift.stop - 1600) <= 200


@pytest.mark.parametrize("count", [160, 230])
def test_a_missing_line_is_mostly_found_in_small_files_and_never_where_none_is(pairs, count):
    found = 0
    for start in range(0, 1700, 100):
        sources, targets = pairs[0][start : start + count], pairs[1][start : start + count]
        shorter = targets[:40] + targets[41:]

        assert shifts(sources, targets) == []
        found += {each.lines for each in shifts(sources[:-1], shorter)} == {-1}

    assert found >= 13  # of 17


def test_misaligned_lines_are_an_error_that_says_which(tmp_path, pairs):
    targets = [*pairs[1][:801], *pairs[1][802:], "Ein Satz, der nicht hierher gehört."]

    (finding,) = found(check(write(tmp_path / "data", pairs[0], targets), tmp_path), "misaligned")

    assert finding.level == "error"
    assert "1 lines earlier" in finding.message
    assert finding.where.startswith("train.en, lines 801 to")


def test_unrelated_lines_are_a_warning(tmp_path, pairs):
    targets = [pairs[1][row] for row in np.random.default_rng(0).permutation(COUNT)]

    findings = check(write(tmp_path / "data", pairs[0], targets), tmp_path)

    assert [each.level for each in found(findings, "unrelated")] == ["warning"]
    assert not found(findings, "misaligned")


@pytest.mark.parametrize("text", ["", "same"])
def test_lines_that_are_all_alike_say_nothing_of_alignment(text):
    assert shifts([text] * 500, [text] * 500) == []
    assert shifts(["a"] * 20, ["b"] * 20) == []


def test_files_in_each_others_language_are_an_error(tmp_path, pairs):
    path = write(tmp_path / "data", pairs[1], pairs[0])

    (finding,) = found(check(path, tmp_path), "swapped-languages")

    assert finding.level == "error"
    assert finding.message == "The sources look like de and the translations like en."


@pytest.mark.parametrize(("count", "expected"), [(400, ["warning"]), (8, [])])
def test_a_side_in_another_language_of_the_same_script_is_a_warning(
    tmp_path, pairs, count, expected
):
    places = ("la maison", "le jardin", "une rue", "un train")
    french = [f"Il y a {row} chats dans {places[row % 4]}." for row in range(count)]

    of_translations = check(write(tmp_path / "a", pairs[0][:count], french), tmp_path)
    of_sources = check(write(tmp_path / "b", french, pairs[1][:count]), tmp_path)

    assert [each.level for each in found(of_translations, "other-language")] == expected
    assert [each.level for each in found(of_sources, "other-language")] == expected
    if expected:
        (finding,) = found(of_translations, "other-language")
        assert finding.message == "The translations look like fr, and are said to be de."


def test_a_file_in_another_encoding_is_an_error(tmp_path, pairs):
    path = write(tmp_path / "data", *pairs)
    (path / "train.de").write_bytes("".join(f"{text}\n" for text in pairs[1]).encode("latin-1"))

    findings = check(path, tmp_path)

    assert [each.level for each in found(findings, "many-bad-lines")] == ["error"]
    assert found(findings, "bad-line")[0].where.startswith(f"{path / 'train.de'}, line ")


def test_copies_and_known_sentences_are_named_across_splits(tmp_path, pairs):
    path = write(tmp_path / "data", [*pairs[0][:600], pairs[0][0]], [*pairs[1][:600], pairs[1][0]])
    write(path, pairs[0][600:700], pairs[1][600:700], "val")
    write(
        path,
        [*pairs[0][700:790], f" {pairs[0][5].upper()}", pairs[0][6], *pairs[0][790:798]],
        [*pairs[1][700:790], pairs[1][5].upper(), "Anders übersetzt.", *pairs[1][790:798]],
        "test",
    )

    findings = check(path, tmp_path)

    (copy,) = found(findings, "copies-across-splits")
    assert (copy.level, copy.where) == ("warning", "test.en:91")
    (known,) = found(findings, "source-in-train")
    assert known.message.startswith("2 of 100 source sentences of test (2.0%)")
    assert (known.level, known.where) == ("warning", "test")
    assert found(findings, "target-in-train")[0].message.startswith("1 of 100 target")
    assert found(findings, "copies-within-split")[0].message.startswith("1 examples")


def test_empty_and_copied_lines_to_measure_on_are_named(tmp_path, pairs):
    path = write(tmp_path / "data", pairs[0][:300], pairs[1][:300])
    write(path, pairs[0][300:400], pairs[1][300:400], "val")
    write(path, [*pairs[0][400:500], "", "OK"], [*pairs[1][400:500], "Leer", "OK"], "test")

    findings = check(path, tmp_path)

    assert found(findings, "empty-line")[0].message.startswith("1 of 102 pairs of test")
    assert found(findings, "copied-line")[0].where == "test"
