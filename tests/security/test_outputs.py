"""Names in the data stay names wherever they are shown."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
from pathlib import Path

import pytest

from zoo.actions.predict import Predictions
from zoo.bundle import load
from zoo.cli.output import Output, Table
from zoo.errors import ExitCode
from zoo.reporting import card, charts, render, summary_html
from zoo.storage import append_line, read_lines, write_json

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eexe.txt\udcff [bold]x[/bold]"


@pytest.mark.parametrize("start", list("=+-@\t\r\uff1d"))
def test_text_in_a_table_is_no_formula(good_bundle: Path, tmp_path: Path, start: str) -> None:
    name = f"{start}HYPERLINK(A1)"
    records = [{"id": name, name: 1, "score": -1.5, "why": [name]}]
    predictions = Predictions(records, (), {}, {}, load(good_bundle))
    text = predictions.write(tmp_path / "out.csv").read_bytes().decode()
    head, row = csv.reader(io.StringIO(text, newline=""))
    assert head == ["id", f"'{name}", "score", "why"]
    assert row == [f"'{name}", "1", "-1.5", json.dumps([name], ensure_ascii=False)]
    lines = predictions.write(tmp_path / "out.jsonl").read_text()
    assert json.loads(lines) == records[0], "as they are where nothing would run them"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_terminal_gets_no_commands(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    as_json: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Output(json=as_json)
    out.data(ESCAPES, Table([ESCAPES, "Status"], [[ESCAPES, ESCAPES]], title=ESCAPES), ESCAPES)
    out.note(ESCAPES)
    out.error("DataError", ESCAPES, ESCAPES, ExitCode.DATA)
    shown = "".join(capsys.readouterr())
    assert not [letter for letter in shown if not letter.isprintable() and letter != "\n"]
    assert "[bold]" in shown.replace("\n", "")
    if as_json:
        first, _ = json.JSONDecoder().raw_decode(shown)
        assert first == ESCAPES


def test_log_keeps_one_line_for_each_event(tmp_path: Path) -> None:
    name = 'x"}\n{"event": "finished"}\n'
    append_line(tmp_path / "metrics.jsonl", {"event": name})
    assert read_lines(tmp_path / "metrics.jsonl") == [{"event": name}]


def test_report_shows_names_as_text(tmp_path: Path) -> None:
    finding = {
        "level": "warning",
        "code": SCRIPT,
        "message": SCRIPT,
        "where": SCRIPT,
        "hint": SCRIPT,
    }
    data = {
        "name": SCRIPT, "source": SCRIPT, "fingerprint": SCRIPT, "counts": {SCRIPT: 3},
        "classes": {SCRIPT: {SCRIPT: 3}}, "facts": {SCRIPT: SCRIPT}, "findings": [finding],
    }  # fmt: skip
    system = {"name": SCRIPT, "kind": "model", "values": {"auc": 0.5}}
    evaluation = {
        "split": SCRIPT, "examples": 3, "monitor": "auc", "decision": {SCRIPT: 1.0},
        "metrics": [{"name": "auc", "title": SCRIPT}],
        "systems": [system, {**system, "kind": "baseline", "name": SCRIPT + "2"}],
    }  # fmt: skip
    run = {
        "recipe": SCRIPT,
        "status": SCRIPT,
        "summary": SCRIPT,
        "command": SCRIPT,
        "notice": SCRIPT,
    }
    folder = tmp_path / "run"
    write_json(folder / "run.json", {**run, "monitor": "auc", "plugin": {"name": SCRIPT}})
    write_json(folder / "data.json", data)
    write_json(folder / "evaluation.json", evaluation)
    (folder / "config.toml").write_text(f'a = "{SCRIPT}"')
    page = render(folder).read_text()
    assert "alert(1)" in page
    # Markdown shows code between backticks as it is.
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", card(folder), flags=re.DOTALL)
    for text in (page, summary_html(folder), prose):
        assert "<script" not in text
        assert "<img src=x" not in text
    assert "default-src 'none'" in page, "a figure of a plugin can run and load nothing"


def test_charts_show_names_as_text() -> None:
    names = {f"{SCRIPT} $\\frac{{$": (0.5, 0.4, 0.6), "b": (0.4, 0.3, 0.5)}
    figure = charts.interval_chart(SCRIPT, SCRIPT, names)
    assert "<script" not in figure.html
    assert "<img src=x" not in figure.html
    assert dataclasses.is_dataclass(figure)
