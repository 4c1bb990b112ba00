"""`zoo completion`: lets the shell complete commands, options and names."""

from __future__ import annotations

import argparse

from zoo.cli.output import Output
from zoo.cli.parser import Commands

_SHELLS = ("bash", "zsh", "fish", "powershell")


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add(
        "completion",
        _completion,
        "Print the code that lets a shell complete `zoo`.",
        examples=[
            'eval "$(zoo completion bash)"     in ~/.bashrc',
            'eval "$(zoo completion zsh)"      in ~/.zshrc',
            "zoo completion fish | source      in ~/.config/fish/config.fish",
        ],
    )
    parser.add_argument("shell", metavar="SHELL", choices=_SHELLS, help=", ".join(_SHELLS))


def _completion(arguments: argparse.Namespace, out: Output) -> None:
    import argcomplete

    code = argcomplete.shellcode(["zoo"], shell=arguments.shell)  # type: ignore[attr-defined]
    out.data({"shell": arguments.shell, "code": code}, code)
