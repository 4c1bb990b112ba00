"""Loaders of examples with classes: folders, tables that name files, rows, and generators."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import zoo


@dataclass(frozen=True)
class TextFile:
    """A file of numbers."""

    path: Path

    def read(self) -> np.ndarray:
        try:
            return np.array(self.path.read_text().split(), np.float32)
        except ValueError as error:
            raise zoo.DataError(f"{self.path.name} holds no numbers.") from error


@dataclass(frozen=True, kw_only=True)
class Files(zoo.LabelledFiles):
    """Files of numbers."""

    title: ClassVar[str] = "numbers"
    column: ClassVar[str] = "numbers"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".num.gz")

    def file(self, path: Path) -> TextFile:
        return TextFile(path)


@dataclass(frozen=True, kw_only=True)
class FilesWithHeader(Files):
    """Files whose first number is a patient's."""

    def about(self, file: zoo.ExampleFile, content: np.ndarray) -> Mapping[str, Any]:
        if content[0] > 1000:
            raise zoo.DataError("Its header is damaged.")
        return {"group": f"patient {content[0]:g}", "scanner": "A"}


@dataclass(frozen=True, kw_only=True)
class FilesOfSeveral(Files):
    """Files whose label names several classes, and some of which are left out."""

    def listing(self, path: str, *, labelled: bool) -> zoo.FileListing:
        found = super().listing(path, labelled=labelled)
        kept = [entry for entry in found.entries if not entry.name.startswith("old")]
        return zoo.FileListing(kept, found.findings, found.columns)

    def classes_of(self, label: str) -> tuple[str, ...] | None:
        return tuple(filter(None, label.split("+"))) if label else None


@dataclass(frozen=True, kw_only=True)
class Rows(zoo.LabelledRows):
    """Rows with a text."""

    title: ClassVar[str] = "texts"

    @property
    def required(self) -> tuple[str, ...]:
        return ("text",)

    def parse(self, rows: Sequence[zoo.TableRow]) -> zoo.ParsedRows:
        texts = [row.values["text"] for row in rows]
        problems = {number: "No text." for number, text in enumerate(texts) if not text}
        column = zoo.object_column(texts)
        return zoo.ParsedRows({"text": column, "content": column}, problems)


@dataclass(frozen=True, kw_only=True)
class Patients(zoo.GeneratedData):
    """Three numbers of each of some patients."""

    classes: ClassVar[tuple[str, ...]] = ("ill", "well")
    files: ClassVar[type[zoo.LabelledData]] = Files
    group_size: ClassVar[int] = 3

    def draw_group(self, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"sex": str(rng.choice(["f", "m"])), "ill": bool(rng.random() < 0.5)}

    def draw_class(self, rng: np.random.Generator, group: Mapping[str, Any]) -> str:
        return "ill" if group["ill"] else "well"

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        return {"number": rng.normal(size=1)}


CLASSES = ("cat", "dog")
COUNT = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders with two dozen files each, of a dozen patients."""
    for place, name in enumerate(CLASSES):
        for number in range(COUNT):
            _write(
                tmp_path / "data" / name / f"{number:02d}.txt", f"{number % 12} {place} {number}"
            )
    return tmp_path / "data"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _listed(folder: Path, name: str, **further: Any) -> list[dict[str, str]]:
    """A row for each file in class folders, with its path in a column of that name."""
    return [
        {name: path.relative_to(folder).as_posix(), "label": path.parent.name}
        | {key: value(path) for key, value in further.items()}
        for path in sorted(folder.rglob("*.txt"))
    ]


def _table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    return path


def _load(dataset: zoo.Dataset) -> zoo.Data:
    return dataset.load(seed=0, cache=Path("nowhere"))


def _all(data: zoo.Data) -> dict[str, zoo.Batch]:
    return {name: zoo.all_rows(split) for name, split in data.splits.items()}


def _codes(data: zoo.Data) -> set[str]:
    return {each.code for each in data.findings}


def _patient(path: Path) -> str:
    return f"p{int(path.stem) % 12}"


def test_class_folders_are_split_without_overlap(folder: Path) -> None:
    data = _load(Files(path=str(folder)))
    ids = [set(split["id"]) for split in _all(data).values()]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 2 * COUNT
    assert data.info.facts["classes"] == list(CLASSES)
    assert sum(data.info.classes["train"].values()) == data.info.counts["train"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_table_names_files_as_folders_do(folder: Path, suffix: str) -> None:
    table = _table(folder / f"list{suffix}", _listed(folder, "file"))
    from_table, from_folders = _load(Files(path=str(table))), _load(Files(path=str(folder)))
    assert from_table.info.fingerprint == from_folders.info.fingerprint
    assert from_table.info.counts == from_folders.info.counts


@pytest.mark.parametrize("name", ["path", "File Name", "Image Index", "audio_filepath"])
def test_usual_names_of_columns_are_known(folder: Path, name: str) -> None:
    rows = _listed(folder, name, **{"Patient ID": _patient, "Sex": lambda _: "f"})
    data = _load(Files(path=str(_table(folder / "list.csv", rows))))
    splits = _all(data)
    groups = [set(split["group"]) for split in splits.values()]
    assert set.union(*groups) == {f"p{number}" for number in range(12)}
    assert sum(map(len, groups)) == 12
    assert set(splits["test"]["Sex"]) == {"f"}
    assert "Patient ID" not in splits["test"]
    (note,) = (each for each in data.findings if each.code == "columns")
    assert "group: Patient ID" in note.message


def test_columns_can_be_named(folder: Path) -> None:
    rows = _listed(folder, "where", what=lambda path: path.parent.name.upper(), who=_patient)
    dataset = Files(
        path=str(_table(folder / "list.csv", rows)),
        file_column="where",
        label_column="what",
        group_column="who",
    )
    data = _load(dataset)
    assert data.info.facts["classes"] == ["CAT", "DOG"]
    assert "label" not in data.info.facts["columns"].values()


def test_official_splits_of_a_table_are_kept(folder: Path) -> None:
    names = ("train", "Val", "testing", "fold 5")
    rows = _listed(folder, "path", split=lambda path: names[int(path.stem) % 4])
    table = str(_table(folder / "list.csv", rows))
    data = _load(Files(path=table))
    for part, (split, columns) in enumerate(_all(data).items()):
        assert len(columns["id"]) == COUNT // 2, split
        assert {int(name[-6:-4]) % 4 for name in columns["id"]} == {part}
    assert {"unknown-split", "unlisted"} <= _codes(data)
    read, _ = Files(classes=CLASSES).read(table, cache=folder)
    assert set(zoo.all_rows(read)["split"]) == {"train", "validation", "test", ""}


def test_tables_of_splits_are_read_together(folder: Path, tmp_path: Path) -> None:
    rows = _listed(folder, "path")
    for part, name in enumerate(("train", "validation", "test")):
        _table(folder / f"{name}.csv", rows[part::3])
    data = _load(Files(path=str(folder / "*.csv")))
    assert data.info.counts == {"train": 16, "validation": 16, "test": 16}
    assert set(_all(data)["test"]["id"]) == {row["path"] for row in rows[2::3]}


def test_a_table_may_leave_out_the_suffix(folder: Path) -> None:
    rows = [row | {"path": row["path"].removesuffix(".txt")} for row in _listed(folder, "path")]
    data = _load(Files(path=str(_table(folder / "list.csv", rows))))
    assert sum(data.info.counts.values()) == 2 * COUNT


def test_what_a_table_names_and_cannot_be_read_is_said(folder: Path) -> None:
    rows = _listed(folder, "path")
    (folder / "dog" / "03.txt").write_text("no number")
    rows += [{"path": "gone.txt", "label": "dog"}, {"path": "", "label": "dog"}]
    data = _load(Files(path=str(_table(folder / "list.csv", rows))))
    assert sum(data.info.counts.values()) == 2 * COUNT - 1
    said = [f"{each.code} {each.where} {each.message}" for each in data.findings]
    assert any("bad-file" in each and "dog/03.txt" in each for each in said)
    assert any("There is no file gone.txt" in each for each in said)
    assert any("bad-row list.csv:51" in each for each in said)


@pytest.mark.parametrize(
    ("missing", "setting"), [("path", "file_column"), ("label", "label_column")]
)
def test_a_column_that_is_not_found_is_asked_for(folder: Path, missing: str, setting: str) -> None:
    rows = [
        {f"my {key}" if key == missing else key: value for key, value in row.items()}
        for row in _listed(folder, "path")
    ]
    with pytest.raises(zoo.DataError, match=f"my {missing}") as refused:
        _load(Files(path=str(_table(folder / "list.csv", rows))))
    assert f"data.{setting}=" in refused.value.hint


def test_a_model_trained_from_a_table_reads_bare_files(folder: Path) -> None:
    rows = _listed(folder, "where", kind=lambda path: path.parent.name, Patient=_patient)
    for row in rows:
        del row["label"]
    table = str(_table(folder / "list.csv", rows))
    dataset = Files(path=table, file_column="where", label_column="kind")
    settled = dataset.settled(_load(dataset).info)
    assert settled.classes == CLASSES
    _write(folder.parent / "new" / "a.txt", "1 2")
    examples, findings = settled.read(str(folder.parent / "new"), cache=folder)
    assert len(examples) == 1
    assert not findings
    assert "label" not in zoo.all_rows(examples)
    labelled, _ = settled.read(table, cache=folder)
    assert set(zoo.all_rows(labelled)["label"]) == set(CLASSES)


def test_a_new_table_without_classes_can_be_predicted_on(folder: Path) -> None:
    rows = [{"file": row["path"]} for row in _listed(folder, "path")]
    table = _table(folder / "list.csv", rows)
    examples, _ = Files(classes=CLASSES, label_column="label").read(str(table), cache=folder)
    assert len(examples) == 2 * COUNT
    assert "label" not in zoo.all_rows(examples)


def test_files_can_say_themselves_whom_they_are_of(folder: Path) -> None:
    splits = _all(_load(FilesWithHeader(path=str(folder))))
    groups = [set(split["group"]) for split in splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 12
    assert set(splits["train"]["scanner"]) == {"A"}
    by_name = _all(_load(FilesWithHeader(path=str(folder), group=r"/(\d)")))
    assert set.union(*(set(split["group"]) for split in by_name.values())) == {"0", "1", "2"}


def test_a_file_whose_header_cannot_be_read_is_left_out(folder: Path) -> None:
    _write(folder / "high" / "bad.txt", "2000 1 1")
    data = _load(FilesWithHeader(path=str(folder)))
    (finding,) = [each for each in data.findings if each.code == "bad-file"]
    assert (Path(finding.where).name, finding.message) == ("bad.txt", "Its header is damaged.")


def test_copies_of_two_classes_are_named(folder: Path) -> None:
    for name in CLASSES:
        _write(folder / name / "copy.txt", "7 7 7")
    data = _load(Files(path=str(folder)))
    (finding,) = (each for each in data.findings if each.code == "contradicting-labels")
    assert "cat" in finding.message
    assert "copies-across-splits" not in _codes(data)


def test_a_label_may_name_several_classes_or_none_and_files_may_be_left_out(tmp_path: Path) -> None:
    labels = ["red", "red+round", "+", "round"]
    rows = [{"path": f"{n}.txt", "label": labels[n % 4]} for n in range(40)]
    rows.append({"path": "old.txt", "label": "red"})
    rows.append({"path": "39.txt", "label": ""})
    for row in rows:
        _write(tmp_path / row["path"], f"{row['path'].removesuffix('.txt').encode().hex()}")
    _write(tmp_path / "new" / "1.txt", "1 2 3")
    data_at = str(_table(tmp_path / "table.csv", rows))

    data = _load(FilesOfSeveral(path=data_at))
    settled = FilesOfSeveral(path=data_at).settled(data.info)
    known, _ = settled.read(data_at, cache=tmp_path)
    unknown, _ = settled.read(str(tmp_path / "new" / "1.txt"), cache=tmp_path)

    assert data.info.facts["classes"] == ["red", "round"]
    assert sum(data.info.counts.values()) == 40
    assert sum(counts["red"] for counts in data.info.classes.values()) == 20
    assert "no-class" in _codes(data)
    assert "label" not in zoo.all_rows(known)  # one row does not say
    assert "label" not in zoo.all_rows(unknown)
    assert set(_all(data)["train"]["label"]) <= set(labels)
    with pytest.raises(zoo.DataError, match="two classes"):
        _load(FilesOfSeveral(path=data_at, classes=("round",)))


def test_suffixes_may_have_two_parts(folder: Path) -> None:
    _write(folder / "cat" / "more.NUM.GZ", "5 5")
    _write(folder / "cat" / "other.gz", "5 6")
    data = _load(Files(path=str(folder)))
    assert sum(data.info.counts.values()) == 2 * COUNT + 1
    assert "other-files" in _codes(data)


def test_files_without_a_class_are_refused_with_what_to_do(tmp_path: Path) -> None:
    _write(tmp_path / "a.txt", "1")
    with pytest.raises(zoo.DataError, match="no class") as refused:
        _load(Files(path=str(tmp_path)))
    assert "folder for each class" in refused.value.hint
    assert ".csv" in refused.value.hint


def _texts(count: int = 40) -> list[dict[str, str]]:
    return [
        {"id": f"t{n}", "text": f"text {n}", "label": CLASSES[n % 2], "shop": f"s{n % 8}"}
        for n in range(count)
    ]


def test_rows_know_their_class_name_and_split(tmp_path: Path) -> None:
    names = ("train", "dev", "test")
    rows = [row | {"Split": names[number % 3]} for number, row in enumerate(_texts(30))]
    data = _load(Rows(path=str(_table(tmp_path / "rows.csv", rows))))
    assert data.info.counts == {"train": 10, "validation": 10, "test": 10}
    assert set(_all(data)["validation"]["id"]) == {f"t{number}" for number in range(1, 30, 3)}


def test_rows_of_a_group_stay_together_where_a_column_is_named(tmp_path: Path) -> None:
    path = str(_table(tmp_path / "rows.jsonl", _texts()))
    splits = _all(_load(Rows(path=path, group_column="shop")))
    groups = [set(split["group"]) for split in splits.values()]
    assert sum(map(len, groups)) == 8
    alone = _all(_load(Rows(path=path)))
    assert sum(len(set(split["group"])) for split in alone.values()) == 40


def test_a_bad_row_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    rows = _texts()
    rows[4]["text"] = ""
    path = _table(tmp_path / "rows.csv", rows)
    with path.open("ab") as file:
        file.write(b"x,\xff,cat,s1\nx,too,many,fields,here\n")
    data = _load(Rows(path=str(path)))
    assert sum(data.info.counts.values()) == 39
    bad = {each.where for each in data.findings if each.code == "bad-row"}
    assert bad == {"rows.csv:6", "rows.csv:42", "rows.csv:43"}


def test_a_named_column_that_is_not_there_is_answered_by_the_nearest(tmp_path: Path) -> None:
    path = str(_table(tmp_path / "rows.csv", _texts()))
    with pytest.raises(zoo.DataError, match="has no column 'labels'") as refused:
        _load(Rows(path=path, label_column="labels"))
    assert "label" in str(refused.value)


def test_generated_groups_stay_in_one_split_and_are_alike() -> None:
    splits = _all(_load(Patients(examples=90)))
    groups = [set(split["group"]) for split in splits.values()]
    assert [len(each) for each in groups] == [21, 3, 6]
    assert len(set.union(*groups)) == 30
    for columns in splits.values():
        for name in set(columns["group"]):
            own = columns["group"] == name
            assert len(set(columns["sex"][own])) == len(set(columns["label"][own])) == 1
            assert len(set(columns["number"][own, 0])) == 3


def test_more_generated_examples_keep_the_first_ones() -> None:
    few, more = (_all(_load(Patients(examples=count)))["test"] for count in (90, 300))
    first = {name: column[: len(few["id"])] for name, column in more.items()}
    for name, column in few.items():
        np.testing.assert_array_equal(column, first[name])


def test_too_few_generated_examples_are_refused() -> None:
    with pytest.raises(zoo.ConfigError, match="examples = 20"):
        _load(Patients(examples=20))
