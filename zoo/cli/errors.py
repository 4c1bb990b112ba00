"""How a command ends: the one place that turns exceptions into messages and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo.errors import ExitCode, MissingRequirementError, PluginError, StorageError, ZooError

if TYPE_CHECKING:
    from zoo.cli.output import Output

_STORAGE = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    errno.EDQUOT: "Free some of your quota, or choose a folder on another disk.",
    errno.EACCES: "Change its permissions, or choose another path.",
    errno.EPERM: "Change its permissions, or choose another path.",
    errno.EROFS: "Choose a folder that you may write.",
}


class UsageError(ZooError):
    """The arguments of a command are wrong."""


class StoppedError(ZooError):
    """The user or the system stopped the command."""

    exit_code = ExitCode.INTERRUPTED


def guard(command: Callable[[], ExitCode | None], out: Output) -> ExitCode:
    """Carry a command out and return its exit code, whatever happens.

    Args:
        command: returns its exit code, or None if all went well.
        out: where errors are shown.
    """
    try:
        code = command() or ExitCode.OK
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.OK
    except KeyboardInterrupt:
        return _report(StoppedError("Stopped."), out)
    except Exception as error:
        expected = _as_zoo_error(error)
        return _report(expected, out) if expected else _report_bug(error, out)


def _as_zoo_error(error: Exception) -> ZooError | None:
    """Return what a user can mend about an exception, or None if it is a bug."""
    if isinstance(error, ZooError):
        return error
    if isinstance(error, OSError) and error.errno in _STORAGE:
        path = error.filename or "a file"
        return StorageError(
            f"Cannot read or write {path}: {error.strerror}.", hint=_STORAGE[error.errno]
        )
    if isinstance(error, ModuleNotFoundError):
        return _missing_extra(error)
    return None


def _missing_extra(error: ModuleNotFoundError) -> ZooError | None:
    """Return how to install what every domain needs, if that is what is missing."""
    from zoo.discovery import CORE
    from zoo.requirements import Installed, install_command

    if not Installed().problems(CORE, "train"):
        return None
    return MissingRequirementError(
        f"The package {error.name!r} is not installed. Training and all that follows need it.",
        hint=f"Install the extra of your domain, or: {install_command(CORE, 'train')}",
    )


def _report(error: ZooError, out: Output) -> ExitCode:
    cause = error.__cause__
    of_plugin = isinstance(error, PluginError) and cause is not None
    if of_plugin and not type(cause).__module__.startswith("zoo."):
        import traceback

        out.warn("".join(traceback.format_exception(cause)).rstrip())
    out.error(type(error).__name__, error.message, error.hint, error.exit_code)
    return error.exit_code


def _report_bug(error: Exception, out: Output) -> ExitCode:
    import traceback

    out.warn("".join(traceback.format_exception(error)).rstrip())
    out.error(
        type(error).__name__,
        f"{error}",
        "This is a bug. Please report it with the lines above and the output of `zoo doctor`.",
        ExitCode.BUG,
    )
    return ExitCode.BUG


def _forget_stdout() -> None:
    """Let Python's own flush at exit go nowhere: the reader of the pipe is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
