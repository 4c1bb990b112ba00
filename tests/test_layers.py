"""A lower layer imports no higher one, as docs/architecture.md says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parents[1]

LAYERS = (
    (
        "cluster",
        "deprecation",
        "errors",
        "storage",
        "kinds",
        "config",
        "settings",
        "startup",
        "weights",
    ),
    ("archives", "safety", "store"),
    ("specs", "components", "hookspecs"),
    ("requirements", "isolation", "discovery", "registry"),
    ("data", "differentiation", "distribution", "inference", "layers", "presets"),
    ("bundle", "runs"),
    ("training", "evaluation", "reporting"),
    ("classification",),
    ("recipe", "actions"),
    ("api", "scaffold"),
    ("testing",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Typed settings are declared by components, and names checked by specs, which import nothing.
# A run shows itself in a notebook by its report, and names the version it belongs to.
ALLOWED = {("config", "components"), ("settings", "specs"), ("runs", "reporting")}


def _imports(path: Path) -> set[str]:
    """The modules of the core that a file imports, by their first name below `zoo`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "zoo" and LEVEL.keys() & part[1:2]}
    return found


@pytest.mark.parametrize("module", sorted(LEVEL))
def test_module_imports_only_its_own_layer_and_lower_ones(module: str) -> None:
    path = ROOT / "zoo" / module
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    # Templates of new plugins are packages of their own, which use what a plugin may.
    for file in (each for each in files if "templates" not in each.parts):
        for name in _imports(file) - {module}:
            allowed = LEVEL[name] <= LEVEL[module] or (module, name) in ALLOWED
            assert allowed, f"{file.relative_to(ROOT)} imports zoo.{name}, which is above it"


def test_every_module_has_a_layer() -> None:
    modules = {path.stem for path in (ROOT / "zoo").iterdir() if path.suffix in ("", ".py")}
    assert modules - {"__init__", "py", "__pycache__"} == set(LEVEL)


def test_type_checkers_see_every_public_name_where_it_is_loaded_from() -> None:
    tree = ast.parse((ROOT / "zoo" / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: each.module for each in block.body for alias in each.names}
    assert seen == zoo._HOME
