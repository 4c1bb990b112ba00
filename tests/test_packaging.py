"""What is installed: the base alone is useful, and nothing light imports anything heavy."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib", "duckdb", "ibis"}
BASE = ("argcomplete", "packaging", "pluggy", "rich", "tomlkit")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the base requirements and nothing else.

    They are taken from the environment of the tests, so that no network is needed.
    """
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, with_pip=False)
    site = Path(
        sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})["purelib"]
    )
    installed = Path(sysconfig.get_paths()["purelib"])
    needed = [*BASE, "markdown_it", "markdown_it_py", "mdurl", "pygments", "keras_domain_zoo"]
    for entry in installed.iterdir():
        name = entry.name.lower()
        if any(name == each or name.startswith(f"{each}-") for each in needed):
            (site / entry.name).symlink_to(entry)
    (site / "checkout.pth").write_text(f"{ROOT}\n{ROOT / 'plugins'}\n")
    return folder / "bin" / "python"


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


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.plugins(); zoo.recipes()",
        "import zoo.hookspecs, zoo.components, zoo.errors",
        "import zoo_fraud.plugin as plugin; plugin.zoo_models()",
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
    domains = set(extras) - {"train", "all", "mlflow", "dev"}
    assert domains == {"fraud", "medical", "speech", "translation", "vision"}
    assert all("keras-domain-zoo[train]" in extras[domain] for domain in domains)
    (everything,) = extras["all"]
    assert all(domain in everything for domain in domains)


def test_core_imports_no_plugin_and_plugins_only_public_names() -> None:
    core = [path.read_text() for path in (ROOT / "zoo").rglob("*.py")]
    assert not any("import zoo_" in text or "from zoo_" in text for text in core if text)
    for path in (ROOT / "plugins").rglob("*.py"):
        lines = path.read_text().splitlines()
        deep = [line for line in lines if line.startswith(("from zoo.", "import zoo."))]
        assert not deep, f"{path}: {deep}"
