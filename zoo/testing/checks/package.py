"""The plugin as a package: it loads, imports light, and leans on public names alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import zoo
from zoo.discovery import Status
from zoo.isolation import HEAVY
from zoo.registry import registry
from zoo.testing.subject import Subject
from zoo.testing.violations import blamed, require

_IMPORT = """
import importlib, sys
before = set(sys.modules)
importlib.import_module({module!r})
print(*sorted(set(sys.modules) - before))
"""


def loads(name: str) -> None:
    """The plugin is found and can be used."""
    with blamed(f"Looking up the plugin {name!r}"):
        plugin = registry().plugin(name)
    require(
        plugin.status is Status.OK,
        f"The plugin {name!r} cannot be used ({plugin.status}). {plugin.reason} {plugin.remedy}",
    )
    require(
        any(plugin.specs.values()),
        f"The plugin {name!r} offers nothing: implement a hook such as `zoo_models` and mark it "
        "with @zoo.hookimpl.",
    )


def imports_light(module: str) -> None:
    """A fresh interpreter imports the plugin's module without any heavy library."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(module=module)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().rpartition("\n")[2]
    require(done.returncode == 0, f"Importing {module} fails in a fresh interpreter: {last}")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    require(
        not loaded & HEAVY,
        f"Importing {module} imports {', '.join(sorted(loaded & HEAVY))}, so that even "
        "`zoo list` is slow. Name implementations as 'package.module:Class', and import heavy "
        "libraries in those modules.",
    )


def uses_public_names(package: Path) -> None:
    """The plugin's files import the public names of `zoo` and `zoo.testing`, nothing else of it.

    Args:
        package: the folder of the package, or the file of a single module.
    """
    files = sorted(package.rglob("*.py")) if package.is_dir() else [package]
    found = [
        f"{file.relative_to(package.parent)}, line {line}: {name}"
        for file in files
        for line, name in private_names(file.read_text(encoding="utf-8"))
    ]
    require(
        not found,
        "The plugin uses what is not public and may change any time: "
        f"{'; '.join(found[:5])}. Use the names in `zoo.__all__`.",
    )


def private_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each use of something in `zoo` that is not public."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _private_from(node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("zoo.") and not _is_testing(alias.name):
                    yield node.lineno, alias.name
        elif isinstance(node, ast.Attribute):
            of_zoo = isinstance(node.value, ast.Name) and node.value.id == "zoo"
            if of_zoo and node.attr not in {*zoo.__all__, "testing"}:
                yield node.lineno, f"zoo.{node.attr}"


def _private_from(node: ast.ImportFrom) -> Iterator[tuple[int, str]]:
    module = node.module or ""
    if module == "zoo":
        for alias in node.names:
            if alias.name not in {*zoo.__all__, "testing"}:
                yield node.lineno, f"zoo.{alias.name}"
    elif module.startswith("zoo.") and not _is_testing(module):
        yield node.lineno, module


def _is_testing(module: str) -> bool:
    return module == "zoo.testing" or module.startswith("zoo.testing.")


def has_one_default_recipe(subject: Subject) -> None:
    """A bare plugin name means one recipe."""
    recipes = subject.plugin.specs.get("recipe", {})
    defaults = [name for name, spec in recipes.items() if getattr(spec, "default", False)]
    require(
        len(recipes) < 2 or len(defaults) == 1,
        f"{len(defaults)} of {len(recipes)} recipes are the default "
        f"({', '.join(defaults) or 'none'}), expected one: `zoo train {subject.name}` has to mean "
        "something. Set default=True on exactly one RecipeSpec.",
    )
