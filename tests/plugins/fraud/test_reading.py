from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zoo_fraud.reading import connect, find_files, open_table, write_standard
from zoo_fraud.schema import Schema, read_schema, resolve
from zoo_fraud.tfds_tables import tfds_as_parquet

from zoo import DataError, StorageError

SCHEMA = Schema(
    time="when", entities=("card", "shop"), amount="euros", label="fraud", categories=("channel",)
)
HEADER = "when,card,shop,euros,channel,fraud"
LINES = (
    "2018-07-25 00:00:00,007,a b,3.50,chip,0",
    '2018-07-25T10:00:00Z,7,"a,b",4,online,1',
    "2018-07-25 12:00:00+02:00,8,,NA,,",
)


@pytest.fixture
def read(tmp_path):
    def standard(source: Path | str, schema: Schema = SCHEMA, **options):
        with connect(tmp_path / "cache", memory_gb=1) as connection:
            table = open_table(connection, str(source), tmp_path / "cache")
            target = tmp_path / "cache" / "standard.parquet"
            intake = write_standard(connection, table, schema, target, **options)
        return pd.read_parquet(target), intake

    return standard


def write_csv(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_csv_file_becomes_transactions_in_order_of_time(tmp_path, read):
    rows, intake = read(write_csv(tmp_path / "a.csv", LINES[1], LINES[0], LINES[2]))

    assert rows.time.tolist() == [1532476800, 1532512800, 1532512800]
    assert rows.card.tolist() == ["007", "7", "8"]
    assert rows.terminal.tolist()[:2] == ["a b", "a,b"]
    assert rows.amount.fillna(-1).tolist() == [3.5, 4, -1]
    assert rows.label.fillna(-1).tolist() == [0, 1, -1]
    assert rows["own:channel"].fillna("").tolist() == ["chip", "online", ""]
    assert intake.bad == []
    assert intake.unsorted == 1


def test_a_missing_entity_is_like_no_other(tmp_path, read):
    lines = ["2018-07-25,1,,1,chip,0", "2018-07-26,1,,1,chip,0"]

    rows, _ = read(write_csv(tmp_path / "a.csv", *lines))

    assert rows.terminal.nunique() == 2


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, read, delimiter):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([HEADER, LINES[0]]).replace(",", delimiter) + "\n")

    assert read(path)[0].amount.tolist() == [3.5]


def test_gzip_byte_order_mark_and_windows_lines_are_read(tmp_path, read):
    text = "\r\n".join([HEADER, *LINES]) + "\r\n"
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))

    assert len(read(path)[0]) == 3


def test_csv_and_parquet_give_the_same(tmp_path, read, transactions):
    transactions.to_csv(tmp_path / "a.csv", index=False)
    transactions.to_parquet(tmp_path / "a.parquet")
    schema = Schema(
        time="TX_DATETIME", entities=("CUSTOMER_ID", "TERMINAL_ID"), amount="TX_AMOUNT",
        label="TX_FRAUD", id="TRANSACTION_ID", categories=("CHANNEL",),
    )  # fmt: skip

    from_csv, _ = read(tmp_path / "a.csv", schema)
    from_parquet, _ = read(tmp_path / "a.parquet", schema)

    pd.testing.assert_frame_equal(from_csv, from_parquet)


def test_files_of_a_folder_or_glob_are_one_table(tmp_path, read):
    folder = tmp_path / "data"
    folder.mkdir()
    write_csv(folder / "1.csv", LINES[0])
    write_csv(folder / "2.csv", LINES[1], LINES[2])

    assert len(read(folder)[0]) == 3
    assert len(read(folder / "*.csv")[0]) == 3


def test_the_order_of_rows_and_files_does_not_matter(tmp_path, read, transactions):
    schema = Schema(
        time="TX_DATETIME", entities=("CUSTOMER_ID",), amount="TX_AMOUNT", id="TRANSACTION_ID"
    )
    transactions.to_parquet(tmp_path / "a.parquet")
    shuffled = transactions.sample(frac=1, random_state=0)
    (tmp_path / "parts").mkdir()
    shuffled[:1000].to_parquet(tmp_path / "parts" / "1.parquet")
    shuffled[1000:].to_parquet(tmp_path / "parts" / "2.parquet")

    pd.testing.assert_frame_equal(read(tmp_path / "a.parquet", schema)[0],
                                  read(tmp_path / "parts", schema)[0])  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("euros", "twelve", "euros is 'twelve', expected a number"),
        ("fraud", "2", "fraud is '2', expected 0 or 1"),
        ("when", "yesterday", "when is 'yesterday', expected a date-time"),
        ("when", "", "when is missing"),
    ],
)
def test_a_bad_value_is_named_with_file_and_line(tmp_path, read, column, value, problem):
    rows = pd.DataFrame([LINES[0].split(",")] * 25_000, columns=HEADER.split(","))
    rows.loc[24_000, column] = value
    rows.to_csv(tmp_path / "a.csv", index=False)

    good, intake = read(tmp_path / "a.csv")

    assert len(good) == 24_999
    assert (intake.bad[0].file.name, intake.bad[0].place) == ("a.csv", "line 24002")
    assert intake.bad[0].problem.startswith(problem)


def test_a_bad_value_in_parquet_is_named_with_its_row(tmp_path, read, transactions):
    transactions.assign(
        TX_FRAUD=transactions.TX_FRAUD.where(transactions.index != 9, 3)
    ).to_parquet(tmp_path / "a.parquet")

    _, intake = read(tmp_path / "a.parquet", Schema(time="TX_DATETIME", label="TX_FRAUD"))

    assert intake.bad[0].place == "row 10"


def test_torn_lines_are_named_and_do_not_shift_the_others(tmp_path, read):
    lines = [LINES[0], "2018-07-25,1,2", LINES[0], LINES[0].replace("3.50", "x")]

    rows, intake = read(write_csv(tmp_path / "a.csv", *lines))

    assert len(rows) == 2
    assert [row.place for row in intake.bad] == ["line 3", "line 5"]


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path, read):
    path = write_csv(tmp_path / "a.csv", LINES[0], LINES[1])
    path.write_bytes(path.read_bytes().replace(b"a,b", b"caf\xe9"))

    _, intake = read(path)

    assert intake.bad[0].place == "line 3"
    assert "UTF-8" in intake.bad[0].problem


def test_times_in_seconds_and_in_a_format_of_ones_own_are_read(tmp_path, read):
    seconds = write_csv(tmp_path / "a.csv", "86400,1", "90000.9,1", header="when,card")
    own = write_csv(tmp_path / "b.csv", "25/07/2018 10:00,1", header="when,card")
    schema = Schema(time="when", entities=("card",))

    assert read(seconds, schema)[0].time.tolist() == [86400, 90000]
    found, _ = read(own, schema, time_format="%d/%m/%Y %H:%M")
    assert found.time.tolist() == [1532512800]


def test_unusable_files_are_refused_by_name(tmp_path, read):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "notes.txt").write_text("x")
    write_csv(tmp_path / "twice.csv", "1,2", header="a,A")
    whole = tmp_path / "whole.parquet"
    pd.DataFrame({"when": np.arange(5000)}).to_parquet(whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-100])

    for name, words in {
        "nowhere.csv": "does not exist",
        "empty.csv": "is empty",
        "notes.txt": "holds no .csv or .csv.gz or .parquet file",
        "twice.csv": "names a column twice: A, a",
        "cut.parquet": "may be damaged or cut off",
    }.items():
        with pytest.raises(DataError, match=words) as error:
            read(tmp_path / name)
        assert name in error.value.message


def test_files_that_do_not_fit_together_are_refused(tmp_path, read):
    write_csv(tmp_path / "1.csv", LINES[0])
    write_csv(tmp_path / "2.csv", "2018-07-25,1", header="when,kard")

    with pytest.raises(DataError, match=r"2\.csv has no column 'card'.*'kard' besides"):
        read(tmp_path / "*.csv")


def test_too_little_memory_and_disk_is_said(tmp_path):
    def sort_in_little_room() -> None:
        with connect(tmp_path, memory_gb=0.03) as connection:
            connection.con.execute("SET max_temp_directory_size = '1MB'")
            connection.con.execute(
                "CREATE TABLE t AS SELECT random() AS x FROM range(20000000) ORDER BY x"
            )

    with pytest.raises(StorageError, match="no room in"):
        sort_in_little_room()


def test_csv_and_parquet_are_not_mixed(tmp_path):
    write_csv(tmp_path / "1.csv", LINES[0])
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "2.parquet")

    with pytest.raises(DataError, match="both CSV and Parquet"):
        find_files(str(tmp_path))


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", LINES[0])
    monkeypatch.setattr(os, "access", lambda *_: False)  # Root may read everything.

    with pytest.raises(DataError, match="may not be read"):
        find_files(str(path))


# The schema


def test_well_known_names_are_guessed_and_reported():
    kinds = {
        "trans_date_trans_time": "time",
        "cc_num": "number",
        "merchant": "text",
        "amt": "number",
        "city_pop": "number",
        "category": "text",
        "dob": "time",
        "is_fraud": "number",
        "trans_num": "text",
    }

    schema, notes = resolve(kinds, {}, "a.csv")

    assert schema == Schema(
        time="trans_date_trans_time",
        entities=("cc_num", "merchant"),
        amount="amt",
        label="is_fraud",
        id="trans_num",
        numbers=("city_pop",),
        categories=("category",),
        ignore=("dob",),
    )
    assert {note.code for note in notes} == {"guessed-column", "unused-column"}
    assert any("entities = cc_num, merchant" in note.message for note in notes)


def test_what_is_said_is_not_guessed():
    kinds = {"time": "number", "booked": "time", "card": "text", "amount": "number"}

    schema, notes = resolve(kinds, {"time": "booked", "entities": [], "amount": ""}, "a.csv")

    assert (schema.time, schema.entities, schema.amount) == ("booked", (), "")
    assert schema.numbers == ("time", "amount")
    assert notes == []


def test_a_schema_settles_itself():
    kinds = {"when": "time", "card": "text", "x": "number", "y": "text", "z": "number"}
    schema, _ = resolve(kinds, {"ignore": ["z"]}, "a.csv")

    again, notes = resolve({**kinds, "new": "number"}, schema.settings(), "b.csv")

    assert again == schema
    assert notes == []


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(DataError, match="no column 'amuont'") as error:
        resolve({"amount": "number", "when": "time"}, {"amount": "amuont"}, "a.csv")
    assert "'amount'" in error.value.hint


def test_a_schema_file_is_read_and_checked(tmp_path):
    path = tmp_path / "schema.toml"
    path.write_text('time = "when"\nentities = ["card"]\n')
    assert read_schema(path) == {"time": "when", "entities": ["card"]}

    for text, words in {
        'tiem = "x"': "unknown entry 'tiem'",
        'time = ["x"]': "expected a column name",
        "time =": "cannot be read",
    }.items():
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_schema(path)


# TensorFlow Datasets


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_a_tfds_table_is_read(tmp_path, monkeypatch, file_format):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    features = tfds.features.FeaturesDict(
        {
            "amount": np.float32,
            "country": tfds.features.ClassLabel(names=["BE", "DE", "FR"]),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
            "shop": tfds.features.Text(),
            "more": {"vector": tfds.features.Tensor(shape=(2,), dtype=np.float32)},
        }
    )
    examples = [
        {"amount": k, "country": k % 3, "label": k % 2, "shop": f"s{k}",
         "more": {"vector": [k, -k]}}
        for k in range(10)
    ]  # fmt: skip
    tfds.dataset_builders.store_as_tfds_dataset(
        name=f"cards_{file_format}",
        version="1.0.0",
        features=features,
        split_datasets={"train": enumerate(examples[:6]), "test": enumerate(examples[6:])},
        data_dir=tmp_path,
        file_format=file_format,
    )

    table = pd.read_parquet(tfds_as_parquet(f"cards_{file_format}", tmp_path / "cache"))

    table = table.sort_values("amount").reset_index(drop=True)
    assert table.label.tolist() == [0, 1] * 5
    assert table.country.tolist()[:3] == ["BE", "DE", "FR"]
    assert table.shop.tolist()[:2] == ["s0", "s1"]
    assert table.more_vector_1.tolist() == [-float(k) for k in range(10)]


def test_a_tfds_name_that_is_not_known_or_not_here_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    with pytest.raises(DataError, match="no dataset 'germna_credit_numeric'") as error:
        tfds_as_parquet("germna_credit_numeric", tmp_path)
    assert "german_credit_numeric" in error.value.hint
    with pytest.raises(DataError, match="ZOO_OFFLINE"):
        tfds_as_parquet("german_credit_numeric", tmp_path)
