"""The `zoo` command. Nothing else imports this package."""

from __future__ import annotations

from zoo.cli.app import main

__all__ = ["main"]
