"""Tables with an example a row, in CSV, TSV and JSON Lines files.

DATA.csv                                     split at random, or by a column `split`
DATA/train.csv, validation.csv, test.csv     official splits, by the names of files
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from zoo.classification.labelled import FoundExamples, LabelledData
from zoo.classification.tables import NamedColumns, TableRow, columns_of, read_rows
from zoo.components import Batch, DatasetInfo, Finding, setting
from zoo.data.examples import object_column
from zoo.errors import DataError


@dataclass(frozen=True)
class ParsedRows:
    """What the model looks at in each row.

    Attributes:
        columns: by name, for all rows, with `content`, which is equal for copies.
        problems: why a row cannot be used, by its number.
        findings: what there is to say of the columns.
        facts: further facts for `DatasetInfo.facts`.
    """

    columns: Batch
    problems: Mapping[int, str] = dataclasses.field(default_factory=dict)
    findings: Sequence[Finding] = ()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LabelledRows(NamedColumns, LabelledData):
    """An example a row; a subclass says what of it the model looks at.

    Any column may be one to learn from, so none is taken for a group unless it is named.
    """

    usual_columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "label_column": ("label",),
        "group_column": (),
        "split_column": ("split",),
        "id_column": ("id",),
    }

    id_column: str = setting(
        "", "Column that names the example, if it is not `id`; else its file and line do."
    )

    @property
    @abstractmethod
    def required(self) -> tuple[str, ...]:
        """Columns that every file must have."""

    @abstractmethod
    def parse(self, rows: Sequence[TableRow]) -> ParsedRows:
        """Return what the model looks at in each of one or more rows.

        `self.named_columns()` then has all columns that are none to look at, by setting.
        """

    @property
    def layout(self) -> str:
        columns = ", ".join((*self.required, self.label_column or "label"))
        return f"Give CSV, TSV or JSONL files with the columns {columns}, or name others."

    def find(self, path: str, *, labelled: bool) -> FoundExamples:
        about = self.named_columns().values() if labelled else ()
        rows, findings = read_rows(path, (*self.required, *about))
        if not rows:
            raise self._nothing(path, findings)
        columns = columns_of(rows)
        named = self.naming(columns)
        if labelled:
            named.needed("label_column", columns)
        return named.examples(path, rows, findings)

    def examples(
        self, path: str, rows: Sequence[TableRow], findings: Sequence[Finding]
    ) -> FoundExamples:
        """Return what the rows hold, all columns being named; see :meth:`find`."""
        parsed = self.parse(rows)
        splits, unknown = self.official_splits(rows)
        problems = [
            Finding("warning", "bad-row", problem, rows[number].place)
            for number, problem in parsed.problems.items()
        ]
        found = [*findings, *unknown, *parsed.findings, *problems]
        good = [number for number in range(len(rows)) if number not in parsed.problems]
        if not good:
            raise self._nothing(path, found)
        kept = [rows[number] for number in good]
        ids = [row.get(self.id_column, row.place) for row in kept]
        columns = {
            "id": object_column(ids),
            "label": object_column(row.get(self.label_column) for row in kept),
            "group": self.groups(ids, [row.get(self.group_column) for row in kept]),
            "split": object_column(splits[number] for number in good),
            **{name: column[good] for name, column in parsed.columns.items()},
        }
        facts = {**parsed.facts, "columns": self.named_columns()}
        return FoundExamples(columns=columns, findings=found, facts=facts)

    def settled(self, info: DatasetInfo) -> Self:
        return replace(super().settled(info), **info.facts.get("columns", {}))

    def _nothing(self, path: str, findings: Sequence[Finding]) -> DataError:
        reasons = [f"{each.where}: {each.message}" for each in findings[: self.shown]]
        return DataError("\n".join([f"No row at {path} can be used.", *reasons]), hint=self.layout)
