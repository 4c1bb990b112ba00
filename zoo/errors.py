"""The errors a user can meet, and the exit code each one ends a command with.

Every message says what was given, what was expected and what to do next. A user's
mistake is a :class:`ZooError` and is shown without a traceback; anything else is a
bug and always shows one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a `zoo` command's exit status means."""

    OK = 0
    BUG = 1
    """An unexpected error; the traceback is shown. Please report it."""
    USAGE = 2
    """A wrong argument, an unknown name or a setting that does not fit."""
    DATA = 3
    """The data cannot be read or cannot be used for the task."""
    PLUGIN = 4
    """A plugin is missing a requirement, is broken or is in conflict."""
    STORAGE = 5
    """A disk is full, a folder cannot be written or a stored file is damaged."""
    TRAINING = 6
    """Training diverged; the last good weights are kept."""
    WORKER = 7
    """Another worker of the run is missing, failed or is lost."""
    INTERRUPTED = 130
    """Stopped by the user; `zoo train --resume` goes on from there."""


class ZooError(Exception):
    """A problem the user can mend.

    Args:
        message: what was given and what was expected.
        hint: what to do next, as one sentence or command.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(ZooError):
    """A setting is unknown or its value does not fit its type."""


class UnknownNameError(ZooError):
    """No component or plugin has this name."""


class DataError(ZooError):
    """The data cannot be read or cannot be used for the task."""

    exit_code = ExitCode.DATA


class MissingRequirementError(ZooError):
    """A plugin is installed but a package it needs is not, or is too old."""

    exit_code = ExitCode.PLUGIN


class AmbiguousPluginError(ZooError):
    """Two distributions offer a plugin of one name and the user has not chosen."""

    exit_code = ExitCode.PLUGIN


class PluginError(ZooError):
    """A plugin cannot be used: its own code failed (the cause is chained) or does not fit."""

    exit_code = ExitCode.PLUGIN


class StorageError(ZooError):
    """A file cannot be written, or what is stored is damaged."""

    exit_code = ExitCode.STORAGE


class DivergedError(ZooError):
    """The loss stopped being a number; the last good weights are kept."""

    exit_code = ExitCode.TRAINING


class WorkerError(ZooError):
    """Another worker of the run is missing, failed or is lost."""

    exit_code = ExitCode.WORKER


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of a library says, or else its class."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


_LISTED = 30
"""So many names are listed where none is close."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the known names closest to `name`.

    Args:
        name: what the user typed.
        known: the names that would have been right.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(repr(match) for match in close)}?"
    if len(known) > _LISTED:
        return f"{len(known):,} are known, none of them alike."
    return f"Known: {', '.join(known)}." if known else "None are known."
