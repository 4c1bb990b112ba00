"""How commands are declared and their arguments read.

On argparse: it adds 4 ms to a command. Typer 0.29 adds 200 ms, most of it for pydantic,
which it imports to read an argument; `zoo list` has 150 ms in all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from zoo.cli.errors import UsageError
from zoo.errors import ExitCode, nearest

if TYPE_CHECKING:
    from zoo.cli.output import Output

Command: TypeAlias = "Callable[[argparse.Namespace, Output], ExitCode | None]"
"""Carries a command out; None means all went well."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are :class:`UsageError` and offer the nearest right word."""

    def __init__(self, *, examples: Iterable[str] = (), **options: Any) -> None:
        lines = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            epilog=f"examples:\n{lines}" if lines else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )
        shared = self.add_argument_group("options of every command")
        shared.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="write JSON to standard output",
        )
        shared.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            default=argparse.SUPPRESS,
            help="write only warnings and errors to standard error",
        )
        shared.add_argument(
            "--no-plugins",
            action="store_true",
            default=argparse.SUPPRESS,
            help="load no plugin, if one of them makes zoo unusable",
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong, instead of ending the process."""
        raise self.complaint(message)

    def complaint(self, message: str, hint: str = "") -> UsageError:
        """Return an error about this command's arguments."""
        more = f"`{self.prog} -h` shows what it takes."
        return UsageError(f"{self.prog}: {message}.", hint=f"{hint} {more}".strip())

    def unknown(self, argument: str) -> UsageError:
        """Return the error for an argument that the command does not take."""
        if not argument.startswith("-"):
            return self.complaint(f"unexpected argument {argument!r}")
        option = argument.partition("=")[0]
        options = [name for name in self._option_string_actions if name.startswith("--")]
        return self.complaint(f"there is no option {option}", nearest(option, options))

    # Until Python 3.14 argparse has no public hook that sees a value and its choices.
    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(action.choices)
            raise self.complaint(f"{action.metavar} cannot be {value!r}", nearest(value, known))


class Commands:
    """The commands of a program, or the subcommands of one.

    Args:
        parser: whose commands they are.
    """

    def __init__(self, parser: Parser) -> None:
        self._parsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(
        self,
        name: str,
        run: Command | None,
        summary: str,
        *,
        examples: Sequence[str],
        details: str = "",
    ) -> Parser:
        """Declare a command and return its parser.

        Args:
            name: as it is typed.
            run: carries it out; None if it only has subcommands.
            summary: one sentence.
            examples: commands a user could type.
            details: further sentences for its help.
        """
        parser: Parser = self._parsers.add_parser(
            name,
            help=summary[:1].lower() + summary[1:].removesuffix("."),
            description=f"{summary}\n\n{details}".strip(),
            examples=examples,
        )
        parser.set_defaults(run=run, parser=parser)
        return parser


def completed_by(action: argparse.Action, names: Callable[[], Iterable[str]]) -> None:
    """Let the shell complete an argument with these names."""
    action.completer = lambda **_: names()  # type: ignore[attr-defined]


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
