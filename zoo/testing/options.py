"""The option of pytest that names the plugin for :mod:`zoo.testing.suite`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--zoo-plugin`."""
    parser.addoption("--zoo-plugin", metavar="NAME", help="the plugin to check")


def pytest_configure(config: pytest.Config) -> None:
    """Tell the suite which plugin it is about."""
    from zoo.testing import suite

    name = config.getoption("--zoo-plugin")
    if not name:
        raise pytest.UsageError("Which plugin is to be checked? Add --zoo-plugin NAME.")
    suite.TestPlugin.plugin = name
