"""What is installed: the base alone is useful, and nothing light imports anything heavy."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAVY = {
    *("tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib", "duckdb", "ibis"),
    *("cv2", "PIL", "keras_cv", "keras_hub", "yaml"),
}


def _closure(name: str, extras: set[str]) -> dict[str, metadata.Distribution]:
    """The distributions that an install of `name[extras]` brings, by their normalised names."""
    found: dict[str, metadata.Distribution] = {}
    wanted, seen = [(name, frozenset(extras))], set()
    while wanted:
        name, chosen = wanted.pop()
        if (name, chosen) in seen:
            continue
        seen.add((name, chosen))
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # a requirement of another platform, or one that is built in
        for text in found[name].requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": each}) for each in chosen | {""}):
                further = canonicalize_name(requirement.name), frozenset(requirement.extras)
                wanted.append(further)
    return found


def _environment(folder: Path, extras: set[str]) -> Path:
    """Make an environment with the project and those extras alone; return its Python.

    What it holds is linked from the environment of the tests, so that no network is needed.
    """
    venv.create(folder, with_pip=False)
    site = Path(
        sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})["purelib"]
    )
    installed = Path(sysconfig.get_paths()["purelib"])
    for distribution in _closure("keras-domain-zoo", extras).values():
        for top in {file.parts[0] for file in distribution.files or ()}:
            if (installed / top).exists() and not (site / top).exists() and top != "..":
                (site / top).symlink_to(installed / top)
    (site / "checkout.pth").write_text(f"{ROOT}\n{ROOT / 'plugins'}\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the base requirements and nothing else."""
    return _environment(tmp_path_factory.mktemp("base"), set())


def _zoo(python: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ZOO_HOME": str(home)}
    command = [str(python), "-m", "zoo.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=home, check=False
    )


def test_base_install_lists_and_says_what_to_install(base: Path, tmp_path: Path) -> None:
    listed = _zoo(base, "list", home=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "fraud" in listed.stdout
    assert "missing-requirements" in listed.stdout
    for arguments in (["info", "fraud"], ["doctor"]):
        done = _zoo(base, *arguments, home=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "keras-domain-zoo[fraud]" in done.stdout


def test_base_install_cannot_train_and_says_why(base: Path, tmp_path: Path) -> None:
    done = _zoo(base, "train", "fraud", home=tmp_path)
    assert done.returncode == 4
    assert 'pip install "keras-domain-zoo[fraud]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("extra", ["fraud", "vision"])
def test_each_extra_is_enough_for_its_plugin(extra: str, tmp_path: Path) -> None:
    python = _environment(tmp_path / "environment", {extra})
    script = f"""
import importlib, pkgutil, zoo_{extra}, zoo
for module in pkgutil.walk_packages(zoo_{extra}.__path__, "zoo_{extra}."):
    importlib.import_module(module.name)
(plugin,) = [each for each in zoo.plugins() if each.name == "{extra}"]
print(plugin.status)
"""
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1].endswith("ok"), done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.plugins(); zoo.recipes()",
        "import zoo.hookspecs, zoo.components, zoo.errors",
        "import zoo_fraud.plugin as plugin; plugin.zoo_models()",
        "import zoo_vision.plugin as plugin; plugin.zoo_models()",
        "from zoo.cli import main; main(['list'])",
        "from zoo.cli import main; main(['info', 'fraud'])",
    ],
)
def test_listing_imports_nothing_heavy(code: str) -> None:
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stderr.split())


def test_every_extra_includes_what_training_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    domains = set(extras) - {"train", "all", "mlflow", "dev", "docs", "test"}
    assert domains == {"fraud", "medical", "speech", "translation", "vision"}
    assert all("keras-domain-zoo[train]" in extras[domain] for domain in domains)
    (everything,) = extras["all"]
    assert all(domain in everything for domain in domains)


def test_core_imports_no_plugin_and_plugins_only_public_names() -> None:
    templates = ROOT / "zoo" / "scaffold" / "templates"  # of plugins, which the core only copies
    core = [path for path in (ROOT / "zoo").rglob("*.py") if templates not in path.parents]
    texts = [path.read_text() for path in core]
    assert not any("import zoo_" in text or "from zoo_" in text for text in texts)
    for path in (ROOT / "plugins").rglob("*.py"):
        lines = path.read_text().splitlines()
        deep = [line for line in lines if line.startswith(("from zoo.", "import zoo."))]
        assert not deep, f"{path}: {deep}"
