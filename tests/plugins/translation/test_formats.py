from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pytest
from zoo_translation.data.datasets import Pairs
from zoo_translation.data.formats import read, read_any
from zoo_translation.data.texts import Languages

from zoo import ConfigError, DataError, all_rows

EN_DE = Languages("en", "de")
GOOD = {
    ".txt": b"one\n",
    ".gz": gzip.compress(b"one\n"),
    ".tsv": b"one\teins\n",
    ".tmx": b"""<tmx version="1.4"><header srclang="en"/><body><tu>
        <tuv xml:lang="en"><seg>one</seg></tuv><tuv xml:lang="de"><seg>eins</seg></tuv>
        </tu></body></tmx>""",
}
"""For each kind of file, one with one sentence."""


def write(path, *lines: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pairs(parallel):
    return [
        pair
        for section in parallel.sections
        for pair in zip(section.sources, section.targets, strict=True)
    ]


def places(findings):
    return [finding.where for finding in findings]


# Aligned files -----------------------------------------------------------------------------


def test_a_folder_of_aligned_files_is_read_by_language_and_split(tmp_path):
    for stem, split in (("train", "a"), ("val", "b"), ("test_2016", "c")):
        write(tmp_path / f"{stem}.en.gz", f"one {split}")
        write(tmp_path / f"{stem}.de.gz", f"eins {split}")
        write(tmp_path / f"{stem}.fr", f"un {split}")
    write(tmp_path / "README.md", "Nothing to translate.")

    parallel = read(str(tmp_path), EN_DE)

    assert pairs(parallel) == [("one c", "eins c"), ("one a", "eins a"), ("one b", "eins b")]
    assert [section.split for section in parallel.sections] == ["test", "train", "validation"]
    assert parallel.languages == ("en", "de")


def test_one_language_may_be_named_of_two_but_not_of_three(tmp_path):
    write(tmp_path / "a.en", "one")
    write(tmp_path / "a.de", "eins")
    assert pairs(read(str(tmp_path), Languages(source="de"))) == [("eins", "one")]

    with pytest.raises(ConfigError, match="what is translated into what"):
        read(str(tmp_path), Languages())
    write(tmp_path / "a.fr", "un")
    with pytest.raises(ConfigError, match="what is translated into what"):
        read(str(tmp_path), Languages(source="en"))
    with pytest.raises(ConfigError, match="has no 'it'"):
        read(str(tmp_path), Languages("en", "it"))


def test_other_endings_are_no_languages_unless_the_user_says_so(tmp_path):
    write(tmp_path / "x.txt", "one")
    write(tmp_path / "x.log", "two")
    write(tmp_path / "y.qaa", "eins")
    write(tmp_path / "y.en", "one")

    texts = read_any(str(tmp_path / "x.*"), EN_DE)
    named = read(str(tmp_path / "y.*"), Languages("en", "qaa"))

    assert [section.sources for section in texts.sections] == [["two"], ["one"]]
    assert pairs(named) == [("one", "eins")]


def test_two_files_with_a_comma_or_a_common_beginning(tmp_path):
    first, second = write(tmp_path / "c.en.txt", "one"), write(tmp_path / "c.pt-BR.txt", "um")
    expected = [("one", "um")]

    named = read(f"{first},{second}", Languages())

    assert (pairs(named), named.languages) == (expected, ("en", "pt-BR"))
    assert pairs(read(f"{second},{first}", Languages())) == [("um", "one")]
    assert pairs(read(str(tmp_path / "c"), Languages("en", "pt"))) == expected
    assert pairs(read(str(tmp_path / "c.*"), Languages("en", "pt"))) == expected
    with pytest.raises(DataError, match="is not a file"):
        read(f"{first},{tmp_path / 'd.de'}", Languages())


def test_only_line_feeds_end_a_line(tmp_path):
    write(tmp_path / "a.en", "\ufeffone\u2028two\x0bthree\x85four\r", "", "five")
    write(tmp_path / "a.de", "eins", "", "fünf")

    assert pairs(read(str(tmp_path), EN_DE)) == [
        ("one\u2028two\x0bthree\x85four", "eins"),
        ("", ""),
        ("five", "fünf"),
    ]


def test_unequal_line_counts_are_an_error_that_names_both(tmp_path):
    write(tmp_path / "a.en", "one", "two", "three")
    write(tmp_path / "a.de", "eins", "drei")

    with pytest.raises(DataError, match=r"a\.en has 3 lines and .*a\.de 2"):
        read(str(tmp_path), EN_DE)


def test_unequal_files_say_where_they_part(tmp_path):
    rng = np.random.default_rng(0)
    sources = ["x" * n for n in rng.integers(5, 100, 2000)]
    targets = [f"{text}yy" for text in sources]
    write(tmp_path / "a.en", *sources)
    write(tmp_path / "a.de", *targets[:1000], *targets[1001:])

    with pytest.raises(DataError, match="part near line 1,000"):
        read(str(tmp_path), EN_DE)


def test_lines_that_are_not_utf8_are_left_out_and_named(tmp_path):
    write(tmp_path / "a.en", "one", "two", "three")
    (tmp_path / "a.de").write_bytes("eins\nzwölf\n".encode("latin-1") + b"drei\n")

    parallel = read(str(tmp_path), EN_DE)

    assert pairs(parallel) == [("one", "eins"), ("three", "drei")]
    assert list(parallel.sections[0].numbers) == [1, 3]
    assert places(parallel.findings) == [f"{tmp_path / 'a.de'}, line 2"]


def test_utf16_and_damaged_archives_are_refused(tmp_path):
    write(tmp_path / "a.en", "one")
    (tmp_path / "a.de").write_bytes("eins\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16"):
        read(str(tmp_path), EN_DE)

    whole = gzip.compress(b"one\n" * 1000)
    (tmp_path / "b.en.gz").write_bytes(whole[:-9])
    (tmp_path / "b.de.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"b\.en\.gz cannot be read"):
        read(str(tmp_path / "b"), EN_DE)


def test_what_holds_no_pairs_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(str(tmp_path / "nothing"), EN_DE)
    with pytest.raises(DataError, match="holds no parallel text"):
        read(str(write(tmp_path / "only.en", "one")), EN_DE)


# Tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "languages", "expected"),
    [
        (["one\teins", 'a "quote\tein "Zitat'], ("", ""), 2),
        (["en\tde", "one\teins"], ("en", "de"), 1),
        (["source\ttarget", "one\teins"], ("", ""), 1),
        (["number\tde\ten", "1\teins\tone"], ("en", "de"), 1),
    ],
)
def test_tsv_with_and_without_a_header(tmp_path, lines, languages, expected):
    given = EN_DE if lines[0].startswith("number") else Languages()

    parallel = read(str(write(tmp_path / "train.tsv.gz", *lines)), given)

    assert pairs(parallel)[0] == ("one", "eins")
    assert (len(pairs(parallel)), parallel.languages) == (expected, languages)
    assert parallel.sections[0].split == "train"


def test_tsv_lines_with_other_columns_are_named(tmp_path):
    file = write(tmp_path / "a.tsv", "one\teins", "two", "three\tdrei\t3", "four\tvier")

    parallel = read(str(file), EN_DE)

    assert pairs(parallel) == [("one", "eins"), ("four", "vier")]
    assert places(parallel.findings) == [f"{file}, line 2", f"{file}, line 3"]
    assert "has 3 columns, expected 2" in parallel.findings[1].message


def test_a_table_of_sentences_with_a_stray_tab_keeps_the_others(tmp_path):
    file = write(tmp_path / "a.tsv", "one", "", "two\tzwei", "three")

    (section,) = read_any(str(file), EN_DE).sections

    assert (section.sources, section.targets) == (["one", "", "three"], None)
    assert places(section.findings) == [f"{file}, line 3"]


def test_fields_that_are_quoted_as_in_csv_are_named(tmp_path):
    lines = ['"He said ""hi"""\t"Er sagte ""hi"""', '"Who?" "Me!"\t"Wer?" "Ich!"']

    parallel = read(str(write(tmp_path / "a.tsv", *lines)), EN_DE)

    assert pairs(parallel)[0] == ('"He said ""hi"""', '"Er sagte ""hi"""')
    assert [(each.code, each.message[:8]) for each in parallel.findings] == [
        ("quoted-fields", "1 lines ")
    ]


@pytest.mark.parametrize(
    ("record", "languages"),
    [
        ({"source": "one", "target": "eins", "score": 0.9}, ("", "")),
        ({"number": 1, "en": "one", "de": "eins"}, ("en", "de")),
        ({"id": "1", "translation": {"en": "one", "de": "eins"}}, ("en", "de")),
    ],
)
def test_json_lines_in_three_styles(tmp_path, record, languages):
    parallel = read(str(write(tmp_path / "a.jsonl", json.dumps(record))), Languages())

    assert (pairs(parallel), parallel.languages) == ([("one", "eins")], languages)


def test_broken_json_lines_are_named(tmp_path):
    good = '{"en": "one", "de": "eins"}'
    bad = [
        "{",
        "[1]",
        '{"en": "two"}',
        '{"en": "\\ud83d", "de": "halb"}',
        '{"en": 2, "de": "zwei"}',
    ]
    file = write(tmp_path / "a.jsonl", good, *bad, "", good)

    parallel = read(str(file), EN_DE)

    assert pairs(parallel) == [("one", "eins")] * 2
    assert places(parallel.findings) == [f"{file}, line {number}" for number in range(2, 7)]


@pytest.mark.parametrize(
    "lines",
    [
        ['{"source": "one", "target": null}', '{"source": "two", "target": "zwei"}'],
        ['{"src": "one"}', '{"src": "two", "tgt": "zwei"}'],
        ['{"en": "one"}', '{"en": "two", "de": "zwei"}'],
        ["one", "two\tzwei", "three\tdrei"],
    ],
)
def test_of_tables_without_some_translations_all_are_predicted_and_the_others_learnt(
    tmp_path, lines
):
    kind = "jsonl" if lines[0].startswith("{") else "tsv"
    file = str(write(tmp_path / f"a.{kind}", *lines))

    (section,) = read_any(file, EN_DE).sections
    learnt = read(file, EN_DE)

    assert (section.sources[:2], section.targets) == (["one", "two"], None)
    assert [each.code for each in section.findings] == ["partly-labelled"]
    assert pairs(learnt)[0] == ("two", "zwei")
    assert places(learnt.findings) == [f"{file}, line 1"]


@pytest.mark.parametrize("odd", ['{"meta": 1}', '{"id": "7", "no": "yes", "is": "on"}', "[]"])
def test_an_odd_first_object_does_not_hide_the_others(tmp_path, odd):
    file = write(tmp_path / "a.jsonl", odd, '{"en": "one", "de": "eins"}')

    parallel = read(str(file), EN_DE)

    assert pairs(parallel) == [("one", "eins")]
    assert places(parallel.findings) == [f"{file}, line 1"]


def test_several_formats_or_languages_in_one_folder_are_refused(tmp_path):
    write(tmp_path / "a.tsv", "en\tde", "one\teins")
    write(tmp_path / "b.tsv", "en\tfr", "one\tun")
    with pytest.raises(ConfigError, match="several pairs of languages"):
        read(str(tmp_path), Languages())

    write(tmp_path / "c.jsonl", '{"en": "one", "de": "eins"}')
    with pytest.raises(DataError, match="several formats"):
        read(str(tmp_path), EN_DE)
    assert pairs(read(str(tmp_path / "*.jsonl"), EN_DE)) == [("one", "eins")]


# TMX ---------------------------------------------------------------------------------------

TMX = """<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4">
<header srclang="en-GB" datatype="plaintext" segtype="sentence" adminlang="en"/>
<body>
<tu><tuv xml:lang="de-DE"><seg>Drücken Sie <bpt i="1">&lt;b&gt;</bpt>Start<ept i="1"/>.</seg></tuv>
<tuv xml:lang="en-GB"><seg>Press <bpt i="1">&lt;b&gt;</bpt><hi>Start</hi><ept i="1"/>.</seg></tuv>
</tu>
<tu><tuv xml:lang="en-GB"><seg>Only here</seg></tuv></tu>
<tu><note>x</note><tuv lang="en-GB"><seg>Ham &amp; eggs</seg></tuv>
<tuv lang="de-DE"><seg>Schinken &amp; Eier</seg></tuv></tu>
</body></tmx>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("given", [Languages(), EN_DE])
def test_tmx_is_read_from_its_source_language(tmp_path, encoding, given):
    (tmp_path / "memory.tmx").write_bytes(TMX.format(encoding=encoding).encode(encoding))

    parallel = read(str(tmp_path / "memory.tmx"), given)

    assert pairs(parallel) == [
        ("Press Start.", "Drücken Sie Start."),
        ("Ham & eggs", "Schinken & Eier"),
    ]
    assert parallel.sections[0].numbers == [1, 3]
    assert parallel.languages == (given if given.source else ("en-GB", "de-DE"))
    assert parallel.findings[0].message == "1 of 3 units lack one of the languages."


def tmx(source: str, *units: list[tuple[str, str]]) -> str:
    variants = (
        "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in unit)
        for unit in units
    )
    body = "".join(f"<tu>{each}</tu>" for each in variants)
    return f'<tmx version="1.4"><header srclang="{source}"/><body>{body}</body></tmx>'


def test_tmx_languages_are_those_of_all_units(tmp_path):
    units = [("en", "only")], [("fr", "un")], [("en", "one"), ("de", "eins"), ("fr", "un")]
    file = str(write(tmp_path / "a.tmx", tmx("en", *units)))

    parallel = read(file, EN_DE)

    assert (pairs(parallel), parallel.sections[0].numbers) == ([("one", "eins")], [3])
    with pytest.raises(ConfigError, match=r"holds en, fr, de"):
        read(file, Languages())
    with pytest.raises(ConfigError, match=r"has no 'it', but en, fr, de"):
        read(file, Languages("en", "it"))


@pytest.mark.parametrize(
    ("source", "given", "expected", "languages"),
    [
        ("EN_us", Languages(), "one two three four", ("en", "de")),
        ("*all*", EN_DE, "one two three four", ("en", "de")),
        ("*all*", Languages("en-US", "de"), "one three four", ("en-US", "de")),
        ("*all*", Languages("de", "en-gb"), "eins zwei", ("de", "en-gb")),
    ],
)
def test_tmx_regions_of_a_language_are_one_unless_named(
    tmp_path, source, given, expected, languages
):
    units = (
        [("en-US", "one"), ("en-GB", "one b"), ("de-DE", "eins")],
        [("en-GB", "two"), ("de-AT", "zwei")],
        [("EN-US", "three"), ("de_de", "drei")],
        [("en-US", "four"), ("de", "vier")],
    )

    parallel = read(str(write(tmp_path / "a.tmx", tmx(source, *units))), given)

    assert " ".join(first for first, _ in pairs(parallel)) == expected
    assert parallel.languages == languages


def test_tmx_with_entities_or_cut_short_is_refused(tmp_path):
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx>&b;</tmx>'
    with pytest.raises(DataError, match="declares the entity 'a'"):
        read(str(write(tmp_path / "bomb.tmx", bomb)), EN_DE)

    cut = TMX.format(encoding="utf-8")[:-40]
    with pytest.raises(DataError, match=r"line \d+: not valid TMX"):
        read(str(write(tmp_path / "cut.tmx", cut)), EN_DE)


# TFDS --------------------------------------------------------------------------------------


def store(folder, name, features, splits, file_format):
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=features,
        split_datasets={split: list(enumerate(each)) for split, each in splits.items()},
        data_dir=folder,
        file_format=file_format,
    )


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_tfds_translation_is_read(tmp_path, monkeypatch, file_format):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    splits = {
        "train": [{"en": "one", "de": "eins"}, {"en": "two", "de": "zwölf"}],
        "validation": [{"en": "three", "de": "drei"}],
        "newstest2016": [{"en": "four", "de": "vier"}],
    }
    features = tfds.features.Translation(["en", "de"])
    store(tmp_path, f"small_{file_format}", features, splits, file_format)

    parallel = read(f"tfds:small_{file_format}", EN_DE)

    found = {section.split: sorted(section.targets) for section in parallel.sections}
    assert found == {"train": ["eins", "zwölf"], "validation": ["drei"], "test": ["vier"]}
    with pytest.raises(ConfigError, match="what is translated into what"):
        read(f"tfds:small_{file_format}", Languages())


def test_a_tfds_translation_with_other_languages_in_each_example(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    talks = [
        {"translations": {"en": "one", "de": ["eins", "ein"], "fr": "un"}, "talk": "a"},
        {"translations": {"en": "two", "fr": "deux"}, "talk": "a"},
        {"translations": {"de": "drei", "en": "three"}, "talk": "b"},
    ]
    features = tfds.features.FeaturesDict(
        {
            "translations": tfds.features.TranslationVariableLanguages(),
            "talk": tfds.features.Text(),
        }
    )
    store(tmp_path, "talks", features, {"train": talks}, "array_record")

    parallel = read("tfds:talks", EN_DE)

    assert sorted(pairs(parallel)) == [("one", "ein"), ("three", "drei")]
    assert "1 of 3" in parallel.findings[0].message


def test_a_tfds_dataset_without_translations_is_refused(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
    store(tmp_path, "plain", features, {"train": [{"text": "one"}]}, "array_record")

    with pytest.raises(DataError, match="has no translations"):
        read("tfds:plain", EN_DE)


# To predict on -----------------------------------------------------------------------------


def test_a_text_file_keeps_its_lines_whatever_is_in_them(tmp_path):
    file = tmp_path / "bad.txt"
    nothing, silence = Pairs().read(str(write(tmp_path / "empty.txt")), cache=tmp_path)
    assert (len(nothing), silence) == (0, [])
    file.write_bytes(b"one\n\n  \nz\xf6lf\n\nlast")

    examples, findings = Pairs(source="en", target="de").read(str(file), cache=tmp_path)

    rows = all_rows(examples)
    assert rows["source"].tolist() == ["one", "", "", "z\ufffdlf", "", "last"]
    assert rows["id"].tolist() == [f"bad.txt:{number}" for number in range(1, 7)]
    assert "target" not in rows
    assert places(findings) == [f"{file}, line 4"]


def test_the_standard_input_is_a_text_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("für\n\nzwei".encode())))

    examples, _ = Pairs().read("-", cache=tmp_path)

    assert all_rows(examples)["source"].tolist() == ["für", "", "zwei"]
    assert all_rows(examples)["id"].tolist() == ["stdin:1", "stdin:2", "stdin:3"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.tsv", ["one", "two"]),
        ("a.jsonl", ['{"source": "one"}', '{"source": "two"}']),
        ("b.jsonl", ['{"en": "one"}', '{"en": "two"}']),
    ],
)
def test_tables_may_lack_translations_to_predict_but_not_to_train(tmp_path, name, lines):
    file = str(write(tmp_path / name, *lines))

    parallel = read_any(file, EN_DE)

    assert parallel.sections[0].sources == ["one", "two"]
    assert parallel.sections[0].targets is None
    with pytest.raises(DataError, match="no translations"):
        read(file, EN_DE)


def test_labelled_files_and_folders_of_text_files_are_read(tmp_path):
    write(tmp_path / "a.en", "one", "two")
    write(tmp_path / "a.de", "eins", "zwei")
    write(tmp_path / "texts" / "x.txt", "one")
    write(tmp_path / "texts" / "y.txt", "two", "three")
    dataset = Pairs(source="en", target="de")

    labelled, _ = dataset.read(str(tmp_path / "a"), cache=tmp_path)
    texts, _ = dataset.read(str(tmp_path / "texts"), cache=tmp_path)

    assert all_rows(labelled)["target"].tolist() == ["eins", "zwei"]
    assert all_rows(texts)["id"].tolist() == ["x.txt:1", "y.txt:1", "y.txt:2"]


@pytest.mark.parametrize("name", ["bad.txt", "bad.txt.gz", "bad.tsv", "bad.tmx"])
def test_of_several_files_to_translate_one_that_cannot_be_read_is_left_out(tmp_path, name):
    bad = tmp_path / name
    bad.write_bytes("zwei\tdrei\n".encode("utf-16"))
    (tmp_path / bad.name.replace("bad", "good")).write_bytes(GOOD[bad.suffix])

    examples, findings = Pairs(source="en", target="de").read(str(tmp_path), cache=tmp_path)

    assert all_rows(examples)["source"].tolist() == ["one"]
    assert places(findings) == [str(bad)]


def test_nothing_is_left_out_where_no_file_can_be_read_or_pairs_are_to_be_learnt(tmp_path):
    write(tmp_path / "good.tsv", "one\teins")
    (tmp_path / "bad.tsv").write_bytes("zwei".encode("utf-16"))

    with pytest.raises(DataError, match=r"bad\.tsv"):
        read(str(tmp_path), EN_DE)
    (tmp_path / "good.tsv").unlink()
    with pytest.raises(DataError, match=r"bad\.tsv"):
        read_any(str(tmp_path), EN_DE)
