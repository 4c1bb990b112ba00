"""The command line as a whole: which commands there are, and how one is run."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from zoo import __version__
from zoo.cli.commands import (
    bench,
    catalogue,
    completion,
    doctor,
    launch,
    new,
    plugins,
    prefetch,
    train,
    trained,
)
from zoo.cli.errors import guard
from zoo.cli.output import Output
from zoo.cli.parser import Commands, Parser
from zoo.errors import ExitCode


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the arguments, by default those of this process.
    """
    _prepare_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    out = Output(json="--json" in words)
    return guard(lambda: _run(words, out), out)


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="zoo",
        description="Train, measure and use models of an application domain on your own files.",
        examples=[
            "zoo list",
            "zoo train fraud",
            "zoo train fraud --data transactions.parquet --set train.learning_rate=1e-4",
            "zoo predict runs/fraud-finetune-20260101-120000 today.parquet --out alerts.csv",
        ],
    )
    parser.set_defaults(run=None, parser=parser)
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    commands = Commands(parser)
    for module in (
        catalogue,
        doctor,
        train,
        launch,
        bench,
        trained,
        prefetch,
        plugins,
        new,
        completion,
    ):
        module.register(commands)
    return parser


def _run(words: list[str], out: Output) -> ExitCode | None:
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what could come next
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = _parse(parser, words)
    if arguments is None:
        return ExitCode.OK
    out.quiet = arguments.quiet
    if arguments.run is None:
        arguments.parser.print_help()
        return ExitCode.OK
    plugins = _no_plugins() if arguments.no_plugins else nullcontext()
    with _old_names_shown(out), plugins:
        code: ExitCode | None = arguments.run(arguments, out)
    return code


def _parse(parser: Parser, words: list[str]) -> argparse.Namespace | None:
    """Return what was asked for, or None if that was help or the version."""
    import shlex

    arguments = argparse.Namespace(
        json=False, quiet=False, no_plugins=False, command_line=shlex.join(["zoo", *words])
    )
    try:
        arguments, unknown = parser.parse_known_args(words, arguments)
    except SystemExit:
        return None
    if unknown:
        raise arguments.parser.unknown(unknown[0])
    return arguments


def _prepare_streams() -> None:
    """Make both streams usable if one is closed or cannot write every character."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@contextmanager
def _old_names_shown(out: Output) -> Iterator[None]:
    """Within it, the use of an old name is one line, without the place in the code."""
    import warnings

    from zoo.deprecation import ZooDeprecationWarning

    show_others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **file: Any) -> None:
        if issubclass(category, ZooDeprecationWarning):
            out.warn(f"warning: {message}")
        else:
            show_others(message, category, *place, **file)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = show_others


@contextmanager
def _no_plugins() -> Iterator[None]:
    """Within it, no plugin is loaded, whatever the user's settings say."""
    from zoo.registry import registry

    previous = os.environ.get("ZOO_PLUGINS")
    os.environ["ZOO_PLUGINS"] = "none"
    registry.cache_clear()
    try:
        yield
    finally:
        if previous is None:
            del os.environ["ZOO_PLUGINS"]
        else:
            os.environ["ZOO_PLUGINS"] = previous
        registry.cache_clear()
