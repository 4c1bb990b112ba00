from __future__ import annotations

import numpy as np
import pytest
from zoo_translation.data.datasets import Pairs

from zoo import ConfigError, DataError, all_rows


def write(folder, stem: str, sources, targets):
    folder.mkdir(exist_ok=True)
    for language, texts in (("en", sources), ("de", targets)):
        content = "".join(f"{text}\n" for text in texts)
        (folder / f"{stem}.{language}").write_text(content, encoding="utf-8")
    return folder


def numbered(count: int, word: str = "train"):
    sources = [f"the {word} sentence number {k} of this file" for k in range(count)]
    return sources, [f"der {word} Satz mit der Nummer {k} der Datei" for k in range(count)]


def load(path, tmp_path, seed: int = 0, **settings):
    dataset = Pairs(path=str(path), source="en", target="de", **settings)
    return dataset.load(seed=seed, cache=tmp_path / "cache")


def column(data, split: str, name: str) -> list:
    return all_rows(data.splits[split])[name].tolist()


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


def test_official_files_are_the_splits(tmp_path):
    for stem, count in (("train", 30), ("dev", 5), ("test", 7)):
        write(tmp_path / "data", stem, *numbered(count, stem))

    data = load(tmp_path / "data", tmp_path)

    assert data.info.counts == {"train": 30, "validation": 5, "test": 7}
    assert data.info.facts["languages"] == ["en", "de"]
    assert column(data, "test", "id")[:2] == ["test.en:1", "test.en:2"]
    assert column(data, "validation", "source")[4] == "the dev sentence number 4 of this file"
    assert column(data, "validation", "target")[4] == "der dev Satz mit der Nummer 4 der Datei"
    assert "random-split" not in codes(data.findings)


def test_of_several_test_sets_one_is_taken_and_the_others_are_named(tmp_path):
    for stem in ("train", "val", "test_2016", "test_2017"):
        write(tmp_path / "data", stem, *numbered(30 if stem == "train" else 3, stem))

    first = load(tmp_path / "data", tmp_path)
    second = load(tmp_path / "data", tmp_path, test_set="test_2017")

    assert column(first, "test", "id")[0] == "test_2016.en:1"
    assert column(second, "test", "id")[0] == "test_2017.en:1"
    assert first.info.facts["test_set"] == "test_2016"
    assert first.info.fingerprint != second.info.fingerprint
    assert any("test_2017 is left out" in finding.message for finding in first.findings)
    with pytest.raises(ConfigError, match="no test set 'test_2018'"):
        load(tmp_path / "data", tmp_path, test_set="test_2018")


def test_new_files_tell_of_their_splits_and_which_test_set_counts(tmp_path):
    for stem in ("train", "test_2016", "test_2017"):
        write(tmp_path / "data", stem, *numbered(2, stem))
    write(tmp_path / "new", "letters", *numbered(2))

    def splits(path, **settings):
        dataset = Pairs(source="en", target="de", **settings)
        examples, findings = dataset.read(str(path), cache=tmp_path)
        rows = all_rows(examples)
        stems = [name.split(".")[0] for name in rows["id"]]
        return dict(zip(stems, rows.get("split", stems), strict=True)), codes(findings)

    of_2016 = {"train": "train", "test_2016": "test", "test_2017": ""}
    of_2017 = {"train": "train", "test_2016": "", "test_2017": "test"}
    assert splits(tmp_path / "data") == (of_2016, [])
    assert splits(tmp_path / "data", test_set="flickr") == (of_2016, ["test-set"])
    assert splits(tmp_path / "data", test_set="test_2017") == (of_2017, [])
    assert splits(tmp_path / "new", test_set="test_2017") == ({"letters": "letters"}, [])


def test_without_official_files_equal_sources_stay_together(tmp_path):
    sources, targets = numbered(60)
    write(
        tmp_path / "data",
        "all",
        sources + [text.upper() for text in sources],
        targets + targets[::-1],
    )

    for seed in range(3):
        data = load(tmp_path / "data", tmp_path, seed)
        parts = [{text.lower() for text in column(data, name, "source")} for name in data.splits]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert "random-split" in codes(data.findings)
    other = load(tmp_path / "data", tmp_path, seed=7)
    assert other.info.fingerprint != data.info.fingerprint
    assert load(tmp_path / "data", tmp_path, 2).info.fingerprint == data.info.fingerprint


def test_groups_by_name_stay_together(tmp_path):
    for talk in range(12):
        write(tmp_path / "data", f"talk{talk}", *numbered(5, f"talk{talk}"))

    data = load(tmp_path / "data", tmp_path, group=r"^talk\d+")

    talks = [{name.split(".")[0] for name in column(data, split, "id")} for split in data.splits]
    assert sum(map(len, talks)) == len(set.union(*talks)) == 12


def test_training_is_filtered_and_references_stay_as_they_are(tmp_path):
    odd = ["Cafe\u0301\u200b \u00a0 ", "", "same", "x"]
    theirs = ["Kaffee\u0301\u200b", "leer", "same", "wort " * 60]
    for stem in ("train", "val", "test"):
        sources, targets = numbered(20, stem)
        write(tmp_path / "data", stem, sources + odd, targets + theirs)

    data = load(tmp_path / "data", tmp_path)

    assert data.info.counts == {"train": 21, "validation": 24, "test": 24}
    assert column(data, "train", "source")[20] == "Café"
    assert column(data, "train", "target")[20] == "Kaffeé"
    assert column(data, "test", "source")[20] == "Café"
    assert column(data, "test", "target")[20:] == theirs
    filtered = [finding for finding in data.findings if finding.code == "filtered"]
    assert [finding.message.split(": ")[1] for finding in filtered] == [
        "empty.",
        "copied.",
        "unequal lengths.",
    ]
    assert "train.en:22" in filtered[0].where


def test_settled_remembers_the_languages(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "en\tde\n" + "\n".join(map("\t".join, zip(*numbered(30), strict=True))), encoding="utf-8"
    )
    dataset = Pairs(path=str(tmp_path / "a.tsv"))

    data = dataset.load(seed=0, cache=tmp_path)
    settled = dataset.settled(data.info)
    examples, findings = settled.read(str(tmp_path / "a.tsv"), cache=tmp_path)

    assert (settled.source, settled.target) == ("en", "de")
    assert (len(examples), findings) == (30, [])
    assert set(all_rows(examples)) == set(data.splits["train"][np.arange(1)])


def test_what_cannot_be_trained_on_is_refused_and_check_says_so(tmp_path):
    path = write(tmp_path / "data", "train", ["a b"] * 30, ["a b"] * 30)

    with pytest.raises(DataError, match=r"Nothing in .* can be used|No example is left"):
        load(path, tmp_path)
    (path / "train.de").write_text("eins\n", encoding="utf-8")
    findings = Pairs(path=str(path), source="en", target="de").check(seed=0, cache=tmp_path)
    assert codes(findings) == ["unusable"]
    assert "30 lines" in findings[0].message
    with pytest.raises(DataError, match="No data are given"):
        Pairs().load(seed=0, cache=tmp_path)
