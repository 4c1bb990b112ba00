"""Reads tables of transactions, of any size, into one standard form.

CSV and TFDS tables are first copied to Parquet as they are; then the columns of every
table are converted alike, so that a value that does not fit is found, named and located
in the same way whatever file it came from.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import ibis
import ibis.expr.datatypes as dt
import pyarrow as pa
import pyarrow.parquet as pq

from zoo import DataError, StorageError, publish_file
from zoo_fraud.features import DAY
from zoo_fraud.schema import Kind, Schema

CSV = (".csv", ".csv.gz")
PARQUET = (".parquet",)
OWN = "own:"
"""Prefix of the user's further columns, so that they cannot take the name of another."""

_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"]
_PLACE = ("filename", "file_row_number")
_HEAD = 10_000
_MOST = 0.8
_SHOWN = 1000


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Attributes:
        file: the user's file.
        place: `line 7` in a CSV file, `row 7` in others, counted from 1.
        problem: the column, its value and what was expected.
    """

    file: Path
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.problem}"


class Intake(NamedTuple):
    """What was noticed while a table was converted.

    Attributes:
        bad: the first rows that cannot be used.
        bad_count: how many there are.
        unsorted: how many rows follow one of a later time.
    """

    bad: list[BadRow]
    bad_count: int
    unsorted: int


@dataclass(frozen=True)
class Table:
    """The user's files as one table.

    Attributes:
        source: what the user gave.
        content: a hash of the files' content.
        files: the files.
        parquet: the same rows as Parquet, one for each file.
        kinds: what each column holds, as far as its first rows tell.
        torn: rows of CSV files that are no rows of this table, with their line numbers.
    """

    source: str
    content: str
    files: tuple[Path, ...]
    parquet: tuple[Path, ...]
    kinds: Mapping[str, Kind]
    torn: Mapping[Path, Mapping[int, str]]


@contextmanager
def connect(folder: Path, memory_gb: float) -> Iterator[Any]:
    """Open DuckDB with a bound on its memory; what does not fit goes to files in `folder`.

    Raises:
        StorageError: memory and disk do not suffice.
    """
    connection = ibis.duckdb.connect(
        memory_limit=f"{round(memory_gb * 1000)}MB", temp_directory=str(folder / "spill")
    )
    try:
        yield connection
    except (duckdb.Error, OSError) as error:
        if isinstance(error, duckdb.OutOfMemoryException) or _disk_is_full(error):
            raise StorageError(
                f"There is no room in {folder}: {_first_line(error)}",
                hint="Free some space there, choose another folder by ZOO_HOME, or raise "
                "data.memory_gb.",
            ) from error
        raise
    finally:
        connection.disconnect()


def open_table(connection: Any, path: str, cache: Path) -> Table:
    """Open a file, folder or glob of CSV or Parquet files.

    Args:
        connection: from :func:`connect`.
        path: what the user gave.
        cache: a folder for copies of CSV files.

    Raises:
        DataError: there is nothing, it cannot be read, or the files do not fit together.
    """
    files = find_files(path)
    hashes = [_hash(file) for file in files]
    torn: dict[Path, dict[int, str]] = {}
    if _is(files[0], PARQUET):
        parquet = files
        columns = [_parquet_kinds(file) for file in files]
    else:
        parquet = [cache / f"csv-{content}.parquet" for content in hashes]
        for file, copy in zip(files, parquet, strict=True):
            torn[file] = _copy_csv(connection, file, copy)
        columns = [_text_kinds(connection, copy) for copy in parquet]
    content = hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Table(path, content, tuple(files), tuple(parquet), _one_schema(files, columns), torn)


def find_files(path: str) -> list[Path]:
    """Return the files that `path` stands for, in order of name.

    Raises:
        DataError: there are none, they may not be read, are empty or of two formats.
    """
    given = Path(path).expanduser()
    if given.is_dir():
        candidates = sorted(given.rglob("*"))
    elif given.exists():
        candidates = [given]
    else:
        candidates = [Path(name) for name in sorted(glob.glob(str(given), recursive=True))]
    files = [file for file in candidates if file.is_file() and _is(file, CSV + PARQUET)]
    if not files:
        what = f"holds no {' or '.join(CSV + PARQUET)} file" if candidates else "does not exist"
        raise DataError(
            f"{path} {what}.",
            hint="Give a file, a folder or a quoted glob of CSV or Parquet files.",
        )
    for file in files:
        if not os.access(file, os.R_OK):
            raise DataError(f"{file} may not be read by this user.", hint=f"Try: chmod u+r {file}")
        if file.stat().st_size == 0:
            raise DataError(f"{file} is empty.")
    if len({_is(file, CSV) for file in files}) == 2:
        raise DataError(
            f"{path} holds both CSV and Parquet files.",
            hint=f"Choose one: '{given}/*.csv' or '{given}/*.parquet'.",
        )
    return files


def standard(raw: ibis.Table, schema: Schema, time_format: str = "") -> ibis.Table:
    """Convert columns to the standard form.

    Args:
        raw: the user's columns, with `filename` and `file_row_number`.
        schema: which column plays which part.
        time_format: how times are written, as for `strptime`; empty for ISO 8601.

    Returns:
        `id` string; `time` int64, seconds; `day` int32; `amount` float64; `label` int8, or
        null if not known; each entity as a string under its role; further columns under
        their name with the prefix `own:`, float64 or string; and the name, `bad`, of the
        first column whose value does not fit, with the `value`, else null.
    """
    number = (raw.file_row_number + 1).cast("string")
    columns = {
        "id": raw[schema.id].cast("string").fill_null(number) if schema.id else number,
        "time": _seconds(raw[schema.time], time_format) if schema.time else ibis.literal(0),
        "amount": _number(raw[schema.amount]) if schema.amount else ibis.null("float64"),
        "label": _label(raw[schema.label]) if schema.label else ibis.null("int8"),
    }
    for role, name in schema.roles.items():
        columns[role] = raw[name].cast("string").fill_null(ibis.literal("?") + number)
    for name in schema.numbers:
        columns[OWN + name] = _number(raw[name])
    for name in schema.categories:
        columns[OWN + name] = raw[name].cast("string")
    columns["time"] = columns["time"].cast("int64")
    columns["day"] = (columns["time"] // DAY).cast("int32")
    columns.update(_mark_bad(raw, schema, columns))
    return raw.select(*_PLACE, **columns)


def write_standard(
    connection: Any, table: Table, schema: Schema, target: Path, time_format: str = ""
) -> Intake:
    """Write the table's good rows in standard form, in order of time, and name the others.

    They get the columns `row`, counted from 0, and `content`, a hash of all but the id.
    Rows of equal time are in order of their id, so that the order does not depend on that
    of the files.

    Raises:
        DataError: a file is damaged.
    """
    raw = connection.read_parquet(
        [str(file) for file in table.parquet],
        union_by_name=True,
        filename=True,
        file_row_number=True,
    )
    rows = standard(raw, schema, time_format)
    good = rows.filter(rows.bad.isnull())
    names = [name for name in rows.columns if name not in (*_PLACE, "bad", "value")]
    keys = ["time", *(["id"] if schema.id else []), *schema.roles, "amount", *_PLACE]
    in_order = good.select(
        *names,
        content=ibis.struct({name: good[name] for name in names if name != "id"}).hash(),
        row=ibis.row_number().over(order_by=keys),
    ).order_by("row")
    with reading(table.source):
        write(connection, in_order, target)
        bad, bad_count = _bad_rows(rows, schema, table)
        return Intake(bad, bad_count, _unsorted(rows))


def write(connection: Any, rows: ibis.Table, target: Path) -> None:
    """Write `rows` to a Parquet file."""
    write_query(connection, str(ibis.to_sql(rows, dialect="duckdb")), target)


def write_query(connection: Any, query: str, target: Path) -> None:
    """Write the rows of an SQL query to a Parquet file."""
    with publish_file(target) as temporary:
        connection.con.execute(f"COPY ({query}) TO {_literal(temporary)} (FORMAT parquet)")


@contextmanager
def reading(source: str | Path) -> Iterator[None]:
    """Turn what DuckDB and Arrow raise on damaged files into a DataError that names them."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, duckdb.OutOfMemoryException) or _disk_is_full(error):
            raise
        raise DataError(
            f"{source} cannot be read, it may be damaged or cut off: {_first_line(error)}",
            hint="Copy or write the file again.",
        ) from error


def _disk_is_full(error: Exception) -> bool:
    return "No space left on device" in str(error)


def bad_rows_error(intake: Intake) -> DataError:
    """Return the error for rows that stop training."""
    more = intake.bad_count - 1
    return DataError(
        f"{intake.bad[0]}.{f' {more:,} more rows cannot be used.' if more else ''}",
        hint="Mend or remove such rows; `zoo check-data` lists them.",
    )


# Conversions ---------------------------------------------------------------------------


@ibis.udf.scalar.builtin
def try_strptime(text: str, format: str) -> dt.timestamp:  # type: ignore[empty-body]
    """DuckDB's: null where `text` is not written as `format`."""


def _seconds(column: Any, time_format: str) -> Any:
    """Convert date-times, or numbers of seconds, to whole seconds."""
    if time_format:
        return try_strptime(column.cast("string"), time_format).epoch_seconds().floor()
    if column.type().is_timestamp() or column.type().is_date():
        return column.cast("timestamp").epoch_seconds().floor()
    if column.type().is_string():
        written = column.try_cast(dt.Timestamp("UTC")).epoch_seconds()
        return ibis.coalesce(written, column.try_cast("float64")).floor()
    return column.try_cast("float64").floor()


def _number(column: Any) -> Any:
    value = column.try_cast("float64")
    return ibis.cases((value.isinf() | value.isnan(), ibis.null("float64")), else_=value)


def _label(column: Any) -> Any:
    text = column.cast("string").lower()
    fraud = text.isin(["1", "1.0", "true"])
    legitimate = text.isin(["0", "0.0", "false"])
    return ibis.cases((fraud, 1), (legitimate, 0), else_=ibis.null("int8")).cast("int8")


def _mark_bad(raw: ibis.Table, schema: Schema, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Name the first column whose value is lost in conversion; only the time must be there."""
    checked = {schema.amount: "amount", schema.label: "label"}
    checked.update({name: OWN + name for name in schema.numbers})
    lost = [(schema.time, columns["time"].isnull())] if schema.time else []
    for name, converted in checked.items():
        if name:
            lost.append((name, _is_given(raw[name]) & columns[converted].isnull()))
    none = ibis.null("string")
    if not lost:
        return {"bad": none, "value": none}
    return {
        "bad": ibis.cases(*((test, ibis.literal(name)) for name, test in lost), else_=none),
        "value": ibis.cases(*((test, raw[name].cast("string")) for name, test in lost), else_=none),
    }


def _is_given(column: Any) -> Any:
    if column.type().is_floating():
        return column.notnull() & ~column.isnan() & ~column.isinf()
    return column.notnull()


def _unsorted(rows: ibis.Table) -> int:
    before = rows.time.lag().over(order_by=_PLACE)
    return int(rows.mutate(late=rows.time < before).late.sum().fill_null(0).execute())


def _bad_rows(rows: ibis.Table, schema: Schema, table: Table) -> tuple[list[BadRow], int]:
    bad = rows.filter(rows.bad.notnull())
    torn = [
        BadRow(file, f"line {line}", problem)
        for file, lines in table.torn.items()
        for line, problem in lines.items()
    ]
    first = bad.order_by(_PLACE).limit(_SHOWN).select(*_PLACE, "bad", "value").to_pyarrow()
    files = dict(zip(map(str, table.parquet), table.files, strict=True))
    misfits = []
    for row in first.to_pylist():
        file = files[row["filename"]]
        place = _place(file, row["file_row_number"], table.torn.get(file, {}))
        misfits.append(BadRow(file, place, _problem(row["bad"], row["value"], schema)))
    count = len(torn) + int(bad.count().execute())
    return (torn + misfits)[:_SHOWN], count


def _place(file: Path, row: int, torn: Mapping[int, str]) -> str:
    """Say where row `row`, counted from 0, stands in the user's file."""
    if _is(file, PARQUET):
        return f"row {row + 1}"
    line = row + 2
    for other in sorted(torn):
        line += other <= line
    return f"line {line}"


def _problem(column: str, value: str | None, schema: Schema) -> str:
    if column == schema.time:
        expected = "a date-time such as 2018-07-25 13:45:00, or a number of seconds"
    else:
        expected = "0 or 1" if column == schema.label else "a number"
    given = "is missing" if value is None else f"is {value!r}"
    return f"{column} {given}, expected {expected}"


# Files ---------------------------------------------------------------------------------


def _copy_csv(connection: Any, file: Path, copy: Path) -> dict[int, str]:
    """Copy a CSV file to Parquet, all columns as text, unless that was done before.

    Returns:
        what is wrong with the lines that could not be copied, by their number.
    """
    torn = copy.with_suffix(".json")
    if not (copy.exists() and torn.exists()):
        delimiter, columns = _header(file)
        types = ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in columns)
        missing = ", ".join(map(_literal, _MISSING))
        source = (
            f"read_csv({_literal(file)}, auto_detect = false, header = true, store_rejects = true, "
            f"quote = '\"', escape = '\"', delim = {_literal(delimiter)}, "
            f"columns = {{{types}}}, nullstr = [{missing}])"
        )
        with reading(file), publish_file(torn) as listed:
            write_query(connection, f"FROM {source}", copy)
            rejects = connection.con.sql("FROM reject_errors ORDER BY line").to_arrow_table()
            connection.con.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
            problems = {row["line"]: _torn(row) for row in rejects.to_pylist()}
            listed.write_text(json.dumps(problems))
    return {int(line): problem for line, problem in json.loads(torn.read_text()).items()}


def _torn(reject: Mapping[str, Any]) -> str:
    if "unicode" in reject["error_message"].lower():
        return "the line is not UTF-8 text; iconv -f latin1 -t utf-8 FILE converts most files"
    return f"{reject['error_message'].splitlines()[0]}: {reject['csv_line'].strip()!r}"


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _header(file: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the column names of a CSV file."""
    opened = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with opened(file, "rb") as stream:
            line = stream.readline().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}, line 1, is not UTF-8 text.",
            hint=f"Convert it, for instance: iconv -f latin1 -t utf-8 {file} > utf8.csv",
        ) from error
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    delimiter = max(",;\t|", key=line.count)
    columns = next(csv.reader([line], delimiter=delimiter), [])
    twice = {name for name in columns if [c.lower() for c in columns].count(name.lower()) > 1}
    if twice:
        raise DataError(
            f"{file} names a column twice: {', '.join(sorted(twice))}.",
            hint="Column names must differ in more than upper and lower case.",
        )
    return delimiter, columns


def _text_kinds(connection: Any, file: Path) -> dict[str, Kind]:
    """Find out what the text columns of a copied CSV file hold, by most of its first rows."""
    head = connection.read_parquet(str(file)).limit(_HEAD)
    tests = {}
    for name in head.columns:
        tests[f"{name} given"] = head[name].count()
        tests[f"{name} number"] = head[name].try_cast("float64").count()
        tests[f"{name} time"] = head[name].try_cast("timestamp").count()
    found = head.aggregate(**tests).to_pyarrow().to_pylist()[0]

    def holds(kind: Kind, name: str) -> bool:
        given = found[f"{name} given"]
        return given > 0 and found[f"{name} {kind}"] >= _MOST * given

    return {
        name: "number" if holds("number", name) else "time" if holds("time", name) else "text"
        for name in head.columns
    }


def _parquet_kinds(file: Path) -> dict[str, Kind]:
    with reading(file):
        schema = pq.read_schema(file)
    return {field.name: _arrow_kind(field.type) for field in schema}


def _arrow_kind(type_: pa.DataType) -> Kind:
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return "time"
    is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if pa.types.is_boolean(type_) or any(test(type_) for test in is_number):
        return "number"
    return "text"


def _one_schema(files: Sequence[Path], columns: Sequence[dict[str, Kind]]) -> dict[str, Kind]:
    """Return the columns that all files share.

    Raises:
        DataError: a file has others, or the same with other content.
    """
    first = columns[0]
    for file, kinds in zip(files, columns, strict=True):
        differences = [f"no column {name!r}" for name in first if name not in kinds]
        differences += [f"the column {name!r} besides" for name in kinds if name not in first]
        differences += [
            f"{name!r} as {kinds[name]} instead of {kind}"
            for name, kind in first.items()
            if kinds.get(name, kind) != kind
        ]
        if differences:
            raise DataError(
                f"The files do not fit together: beside {files[0]}, {file} has "
                f"{', '.join(differences)}.",
                hint="Give files with the same columns, for instance by a glob.",
            )
    return first


def _is(file: Path, suffixes: tuple[str, ...]) -> bool:
    return file.name.lower().endswith(suffixes)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _literal(text: object) -> str:
    """Return `text` as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
