"""`zoo new`: what it writes, what it refuses, and that what it makes works untouched."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from fresh_environment import ROOT, borrowing_environment, install, run

import zoo
from zoo.cli import main
from zoo.registry import registry
from zoo.scaffold import KINDS, Package
from zoo.startup import load_tensorflow


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind, called `my-KIND`."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        Package(f"my-{kind}", kind).write(folder / kind)
    return folder


@pytest.fixture
def registered(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ModuleType]]:
    """A function that registers the plugin of a kind, and returns what writes its own files."""

    def register(kind: str) -> ModuleType:
        monkeypatch.syspath_prepend(packages / kind)
        monkeypatch.syspath_prepend(packages / kind / "tests")
        module = importlib.import_module(f"zoo_my_{kind}.plugin")
        registry().register(module, f"my-{kind}")
        return importlib.import_module("own_files")

    yield register
    registry.cache_clear()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(packages)):
            del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_has_its_own_names_alone(packages: Path, kind: str) -> None:
    files = [path for path in (packages / kind).rglob("*") if path.is_file()]
    assert {"pyproject.toml", ".gitignore", "ci.yml"} <= {path.name for path in files}
    for path in files:
        assert "newplugin" not in f"{path.name} {path.read_text()}", path
        if path.suffix == ".py":
            compile(path.read_text(), path, "exec")


@pytest.mark.parametrize("name", ["a", "quite-a-long-name-of-a-domain"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_linted_and_formatted(kind: str, name: str, tmp_path: Path) -> None:
    Package(name, kind).write(tmp_path / "package")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=tmp_path / "package",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_packages_are_typed(packages: Path) -> None:
    modules = [str(packages / kind / f"zoo_my_{kind}") for kind in KINDS]
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*command, f"--cache-dir={packages}", *modules, str(packages / "image" / "tests")],
        cwd=packages / "image",
        env={"MYPYPATH": f"{ROOT}:tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stdout.splitlines() if "zoo_my_" in line or "tests/" in line]
    assert not [line for line in ours if ": error:" in line], done.stdout
    assert "checked" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_trains_and_predicts_on_own_files(
    kind: str, registered: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    load_tensorflow()
    own_files = registered(kind)
    spec = zoo.info(f"my-{kind}/finetune").spec
    assert isinstance(spec, zoo.RecipeSpec)
    run = zoo.train(f"my-{kind}", runs=tmp_path / "runs", settings=spec.trial)
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    ours, trivial, _ = (each["values"] for each in evaluation["systems"])
    assert ours["macro_f1"]["value"] > trivial["macro_f1"]["value"]

    files = own_files.write(tmp_path / "data")
    predictions = zoo.predict(run.path, files.path, explain=True)
    assert len(predictions.records) == files.good
    assert {"id", "label", "probability", "classes", "reasons"} <= set(predictions.records[0])
    assert any(files.bad in f"{each.where} {each.message}" for each in predictions.findings)

    measured = zoo.evaluate(run.path, data=str(own_files.write_splits(tmp_path / "splits")))
    assert measured["examples"] > 0


def test_a_package_installs_lists_and_passes_its_own_tests(tmp_path: Path) -> None:
    python = borrowing_environment(tmp_path / "environment")
    program = [str(python), "-m", "zoo.cli"]
    package = tmp_path / "zoo-reviews"
    run([*program, "new", "reviews", "--data", "text"], cwd=tmp_path)
    install(python, package)
    listed = json.loads(run([*program, "list", "recipes", "--json"], cwd=tmp_path))
    assert "reviews/finetune" in {each["address"] for each in listed}
    assert "passed" in run([str(python), "-m", "pytest", "-p", "no:cacheprovider"], cwd=package)


def test_the_base_install_is_enough(tmp_path: Path) -> None:
    code = "import sys; from zoo.cli import main; main(['new', 'birds']); print(*sys.modules)"
    imported = run([sys.executable, "-c", code], cwd=tmp_path).split()
    assert "zoo.scaffold" in imported
    assert not {"numpy", "keras", "tensorflow", "sklearn", "jinja2"} & set(imported)


def test_the_next_commands_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "bird.songs", "--data", "audio"]) == 0
    printed = capsys.readouterr().out
    for command in (
        "pip install -e zoo-bird-songs",
        "zoo train bird.songs",
        "zoo plugins check bird.songs",
    ):
        assert command in printed
    assert (tmp_path / "zoo-bird-songs" / "zoo_bird_songs" / "plugin.py").exists()
    assert main(["new", "waves", "--data", "series", "--into", "here", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["module"] == "zoo_waves"
    assert (tmp_path / "here" / "pyproject.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Birds"], "not a component name"),
        (["my birds"], "not a component name"),
        (["vision"], "belongs to keras-domain-zoo"),
        (["birds", "--data", "pictures"], "cannot be 'pictures'"),
        (["birds", "--into", "full"], "not empty"),
        (["birds", "--into", "file"], "not empty"),
    ],
)
def test_what_will_not_do_is_refused_and_nothing_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    assert main(["new", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_another_plugin_has_is_said_to_be_taken(
    install_plugin: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install_plugin("birds", dist="acme-birds")
    registry.cache_clear()
    try:
        assert main(["new", "birds", "--into", str(tmp_path / "package")]) == 0
    finally:
        registry.cache_clear()
    assert "acme-birds" in capsys.readouterr().err
