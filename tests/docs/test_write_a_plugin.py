"""The tutorial's plugin works: its blocks, put together as the page says, train and predict."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from documents import ROOT, blocks, commands

from zoo.cli import main
from zoo.registry import registry

PAGE = ROOT / "docs" / "write-a-plugin.md"
COMMANDS = list(commands(PAGE))
IN_THIS_PROCESS = "not (resumes or replicas or another_process)"
"""Checks to carry out; tests/scaffold carries out all of them, for a package like this one."""
PENGUINS = [("Adelie", 38.8, 190), ("Chinstrap", 48.8, 196), ("Gentoo", 47.5, 217)]


def _files() -> dict[str, str]:
    """The files of the page: each block says in its first line which one it is, or goes on."""
    found: dict[str, str] = {}
    for block in blocks(PAGE, "toml") + blocks(PAGE, "python"):
        name = block.text.partition("\n")[0].removeprefix("# ").removesuffix(", continued")
        found[name] = found.get(name, "") + block.text
    return found


@pytest.fixture
def penguins(
    install_distribution: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The plugin of the page, installed, and a folder with the files the page speaks of."""
    files = _files()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    package = {"zoo_penguins/__init__.py": "", **files}
    points = project["entry-points"]["zoo.plugins"]
    install_distribution(project["name"], files=package, plugins=points)
    rows = [f"{name},{bill + k / 10},{fin - k}" for k in range(12) for name, bill, fin in PENGUINS]
    (tmp_path / "penguins.csv").write_text("species,bill_mm,flipper_mm\n" + "\n".join(rows))
    (tmp_path / "new.csv").write_text("bill_mm,flipper_mm\n39.1,181\nunknown,211\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_SET_evaluation__samples", "20")
    registry.cache_clear()
    yield
    registry.cache_clear()


def test_the_plugin_of_the_page_trains_and_predicts(
    penguins: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in COMMANDS:
        program, *words = command.words
        if program == "pip":  # what the fixture stands for
            continue
        if words[:2] == ["plugins", "check"]:
            words += ["--only", IN_THIS_PROCESS]
        run = next(iter(sorted(Path("runs").glob("*"))), "")
        assert main([word.replace("runs/penguins-train-...", str(run)) for word in words]) == 0, (
            f"{command.place}: {command}\n{capsys.readouterr().err}"
        )
        shown = capsys.readouterr()
        if words[0] == "train":
            assert "Most common species" in shown.out
        if words[0] == "predict":
            assert '"Adelie"' in shown.out
            assert "new.csv:3" in shown.err
