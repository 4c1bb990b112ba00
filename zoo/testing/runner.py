"""Runs the suite by pytest in this process, for `zoo plugins check`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from zoo.discovery import describe
from zoo.testing import suite
from zoo.testing.violations import ContractViolation


@dataclass(frozen=True)
class Outcome:
    """How a check came out.

    Attributes:
        check: its name, with the component in brackets.
        status: whether the contract is kept.
        message: what is wrong and what to do, or why the check was not made.
    """

    check: str
    status: Literal["passed", "failed", "skipped"]
    message: str = ""


def run_suite(name: str, only: str, told: Callable[[Outcome], None]) -> list[Outcome]:
    """Check a plugin.

    Args:
        name: of the plugin.
        only: part of the names of the checks to make, or an expression of parts as pytest's
            `-k` takes it; empty for all.
        told: called with each outcome as it comes.

    Returns:
        all outcomes; none if no check has such a name.
    """
    told_of = _Told(told)
    suite.TestPlugin.plugin = name
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "pytest.ini")
        settings.write_text("[pytest]\n")
        # Its warnings are not shown, and it searches all of the process for garbage.
        quiet = ["-p", "no:warnings", "-p", "no:unraisableexception"]
        options = ["-p", "no:cacheprovider", "-p", "no:terminal", *quiet]
        places = ["-c", str(settings), "--basetemp", str(Path(folder, "checks"))]
        select = ["-k", only] if only else []
        pytest.main([*options, *places, *select, "--pyargs", suite.__name__], plugins=[told_of])
    return told_of.outcomes


class _Told:
    """A plugin of pytest that tells of each check."""

    def __init__(self, told: Callable[[Outcome], None]) -> None:
        self.outcomes: list[Outcome] = []
        self._told = told

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, Any, Any]:
        report = yield
        error = call.excinfo.value if call.excinfo else None
        if report.failed or report.skipped:
            self._tell(Outcome(item.name, report.outcome, _message(error)))
        elif report.when == "call":
            self._tell(Outcome(item.name, "passed"))
        return report

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._told(outcome)


def _message(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, ContractViolation | pytest.skip.Exception):
        return str(error)
    return describe(error)
