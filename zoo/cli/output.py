"""What a command writes: data on standard output, everything else on standard error.

Data are tables and text on a terminal, aligned plain text in a pipe, and one JSON value
with `--json`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from zoo.errors import ExitCode

_GOOD = "ok"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""All but tabs and line breaks; marks that turn text around; bytes that are not UTF-8."""


@dataclass(frozen=True)
class Table:
    """Rows to show.

    Attributes:
        columns: headings; empty for a table without them.
        rows: one text for each column; a line break in it is kept on a terminal alone.
        title: shown above.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def plain(self) -> str:
        """Return the table as aligned text, without a trailing line break."""
        lines = [self.columns] if self.columns else []
        lines += [[cell.replace("\n", " ") for cell in row] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *text] if self.title else text)


@dataclass
class Output:
    """Where a command writes.

    Attributes:
        json: data are written as JSON.
        quiet: notes are left out.
        muted: data are left out too.
    """

    json: bool = False
    quiet: bool = False
    muted: bool = False

    def mute_unless_chief(self) -> None:
        """Write errors alone if this process is one of several workers, but not the first."""
        from zoo.cluster import detect

        cluster = detect()
        self.muted = cluster is not None and not cluster.is_chief
        self.quiet = self.quiet or self.muted

    def data(self, value: Any, *blocks: Table | str) -> None:
        """Write what the command was asked for.

        Args:
            value: as JSON shows it.
            blocks: as a reader is shown it; a blank line separates them.
        """
        if self.muted:
            return
        if self.json:
            print(_visible(_as_json(value)))
        elif not blocks:
            return
        elif sys.stdout.isatty():
            _render(blocks)
        else:
            texts = [block.plain() if isinstance(block, Table) else block for block in blocks]
            print(_visible("\n\n".join(texts)))

    def note(self, text: str) -> None:
        """Say something that is not data, unless the user wants quiet."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Say something that must be seen."""
        with suppress(BrokenPipeError):  # nobody listens any more: no reason to stop training
            print(_visible(text), file=sys.stderr, flush=True)

    def error(self, kind: str, message: str, hint: str, code: ExitCode) -> None:
        """Say why the command failed.

        Args:
            kind: name of the error's class.
            message: what was given and what was expected.
            hint: what to do next.
            code: the exit code.
        """
        self.warn(f"error: {message}" + (f"\n{hint}" if hint else ""))
        if self.json and not self.muted:
            content = {"type": kind, "message": message, "hint": hint, "exit_code": int(code)}
            print(_visible(_as_json({"error": content})), flush=True)


def _visible(text: str) -> str:
    """Return text whose control characters are written out, as in JSON.

    Names of files and classes are not trusted: a terminal would obey what is in them.
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _as_json(value: Any) -> str:
    import json

    from zoo.storage import jsonable

    return json.dumps(jsonable(value), indent=2, ensure_ascii=False)


def _render(blocks: Sequence[Table | str]) -> None:
    """Show blocks on a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    for number, block in enumerate(blocks):
        if number:
            console.print()
        if isinstance(block, str):
            console.print(_visible(block), markup=False, soft_wrap=True)
        else:
            if block.title:
                console.print(_visible(block.title), markup=False, style="bold")
            console.print(_rich_table(block))


def _rich_table(table: Table) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(
        box=SIMPLE_HEAD if table.columns else None,
        show_header=bool(table.columns),
        pad_edge=False,
    )
    width = len(table.columns) or max((len(row) for row in table.rows), default=0)
    headings = list(table.columns) or [""] * width
    for heading in headings:
        rich_table.add_column(Text(_visible(heading)), overflow="fold")
    for row in table.rows:
        rich_table.add_row(
            *(_cell(heading, text) for heading, text in zip(headings, row, strict=True))
        )
    return rich_table


def _cell(heading: str, text: str) -> Any:
    from rich.text import Text

    if heading != "Status":
        return Text(_visible(text))
    return Text(_visible(text), style="green" if text == _GOOD else "yellow")
