"""No code of the core or of a first-party plugin unpickles, evaluates or unpacks blindly."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "zoo").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.unsafe_load",
    "yaml.full_load", "enable_unsafe_deserialization", "unpack_archive", "mktemp",
}  # fmt: skip
METHODS = {"extractall", "enable_unsafe_deserialization", "unpack_archive"}
ARGUMENTS = {("shell", True), ("allow_pickle", True), ("safe_mode", False)}
ALLOWED: dict[tuple[str, str], str] = {
    ("plugins/zoo_vision/data/yolo.py", "yaml.load"): "its loader is a SafeLoader without aliases",
}
"""File and call -> why it is no danger."""


def forbidden(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each call or import that is not allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
            yield from ((node.lineno, name) for name in names if name in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield node.lineno, str(node.module)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in _wrong(node))


def _wrong(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    if name in CALLS or name.rpartition(".")[2] in METHODS:
        yield name
    if name == "yaml.load":
        loader = [*call.args[1:], *(each.value for each in call.keywords if each.arg == "Loader")]
        if [ast.unparse(each) for each in loader] not in (["yaml.SafeLoader"], ["SafeLoader"]):
            yield name
    for each in call.keywords:
        value = each.value.value if isinstance(each.value, ast.Constant) else None
        if (each.arg, value) in ARGUMENTS and isinstance(value, bool):
            yield f"{each.arg}={value}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_calls_nothing_forbidden(file: Path) -> None:
    name = file.relative_to(ROOT).as_posix()
    for line, call in forbidden(ast.parse(file.read_text())):
        assert (name, call) in ALLOWED, f"{name}, line {line}: {call}"


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "eval('1')", "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)", "np.load(file, allow_pickle=True)",
        "archive.extractall(folder)", "subprocess.run(command, shell=True)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()", "shutil.unpack_archive(file)",
    ],
)  # fmt: skip
def test_scan_finds_what_it_looks_for(code: str) -> None:
    assert list(forbidden(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["yaml.load(text, yaml.SafeLoader)", "np.load(file, allow_pickle=False)"]
)
def test_scan_passes_what_is_safe(code: str) -> None:
    assert not list(forbidden(ast.parse(code)))
