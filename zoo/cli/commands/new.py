"""`zoo new`: begins a plugin package."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from zoo.cli.output import Output
from zoo.cli.parser import Commands
from zoo.scaffold import KINDS, Package


def register(commands: Commands) -> None:
    """Declare the command."""
    kinds = ", ".join(f"{name} ({kind.summary})" for name, kind in KINDS.items())
    parser = commands.add(
        "new",
        _new,
        "Begin a plugin package for a domain of your own.",
        examples=["zoo new birds", "zoo new bird-songs --data audio --into ~/bird-songs"],
        details="It is whole from the start: it installs, trains on generated examples, reads "
        "your files and passes `zoo plugins check`. Change what your domain does otherwise.",
    )
    parser.add_argument("name", metavar="NAME", help="name of the plugin, such as bird-songs")
    parser.add_argument(
        "--data",
        metavar="KIND",
        choices=list(KINDS),
        default="image",
        help=f"kind of data: {kinds}; image by default",
    )
    parser.add_argument(
        "--into", metavar="FOLDER", help="folder that becomes the package; ./zoo-NAME by default"
    )


def _new(arguments: argparse.Namespace, out: Output) -> None:
    package = Package(arguments.name, arguments.data)
    package.check()
    folder = Path(arguments.into or package.distribution).expanduser()
    files = package.write(folder)
    _warn_of_namesakes(package, out)
    steps = [
        f"pip install -e {shlex.quote(str(folder))}",
        f"zoo train {package.plugin}",
        f"zoo plugins check {package.plugin}",
    ]
    content = {
        "plugin": package.plugin,
        "distribution": package.distribution,
        "module": package.module,
        "data": package.kind,
        "folder": str(folder),
        "files": files,
        "next": steps,
    }
    text = "\n".join(f"  {step}" for step in steps)
    out.data(
        content,
        f"{folder} holds the plugin {package.plugin!r}, {len(files)} files. Next:\n\n{text}",
    )


def _warn_of_namesakes(package: Package, out: Output) -> None:
    """Say so if an installed plugin has the name, since only one of them can be used."""
    from zoo.registry import registry

    for plugin in registry().plugins():
        if plugin.name == package.plugin and plugin.distribution != package.distribution:
            out.warn(
                f"warning: {plugin.origin} offers a plugin {plugin.name!r} as well. "
                "Where both are installed, the user has to choose."
            )
