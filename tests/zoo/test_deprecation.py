"""Old names work for two releases with one warning, then are errors that name the new one."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.version import Version

import zoo
from zoo import deprecation
from zoo.cli import main
from zoo.config import from_file, parse, resolve
from zoo.errors import ConfigError, ExitCode, UnknownNameError
from zoo.registry import Registry

ROOT = Path(__file__).parents[2]
OLD = zoo.Former("lr", since="0.2", removed_in="0.4")
MESSAGE = r"is called .* since zoo 0\.2; 0\.4 will drop the old name"


@dataclass(frozen=True, kw_only=True)
class Stage:
    rate: float = zoo.setting(1.0, "Rate.", formerly=(OLD,))


@dataclass(frozen=True, kw_only=True)
class Settings:
    rate: float = zoo.setting(1.0, "Rate.", minimum=0, formerly=(OLD,))
    stages: tuple[Stage, ...] = zoo.setting((), "Stages.")
    first: Stage = zoo.setting(Stage(), "First.", formerly=(OLD, zoo.Former("one", "0.2", "0.4")))


@pytest.fixture(autouse=True)
def not_yet_said(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(zoo, "__version__", "0.3.1")
    deprecation._warn_once.cache_clear()
    yield
    deprecation._warn_once.cache_clear()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "__version__", "0.4.0")


# Settings


def test_old_setting_is_taken_for_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text("[train]\nlr = 2.0\none.lr = 3.0\n[[train.stages]]\nlr = 4.0\n")
    with pytest.warns(zoo.ZooDeprecationWarning) as caught:
        train = resolve({"train": Settings}, [from_file(file)])["train"]
    assert train == Settings(rate=2.0, first=Stage(rate=3.0), stages=(Stage(rate=4.0),))
    said = [str(each.message) for each in caught]
    assert said[0] == (
        f"The setting 'train.lr' (from {file}) is called 'train.rate' since zoo 0.2; "
        "0.4 will drop the old name."
    )
    assert len(said) == 4


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("values", [{"lr": 2.0}, {"stages": [{"lr": 2.0}]}])
def test_old_setting_is_an_error_in_the_end(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"'(stages\.0\.)?lr' .* is called .*rate' .* dropped"):
        parse(Settings, values, where="bundle.json")


def test_wrong_value_is_named_by_the_new_setting() -> None:
    with (
        pytest.warns(zoo.ZooDeprecationWarning),
        pytest.raises(ConfigError, match=r"rate = -1 .*at least 0"),
    ):
        parse(Settings, {"lr": -1}, where="old.toml")


def test_new_names_are_used_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse(Settings, {"rate": 2.0}, where="new.toml").rate == 2.0


def test_a_warning_is_shown_once_whatever_python_would_do() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            parse(Settings, {"lr": 2.0}, where="old.toml")
    assert len(caught) == 1


# Components

TASK = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_tasks():
    old = zoo.Former("reed", since="1.1", removed_in="{removed_in}", package="zoo-ocr")
    return [
        zoo.TaskSpec(
            name="read", summary="Reads.", implementation="zoo_ocr.parts:Read", formerly=(old,)
        )
    ]
"""
RECIPE = """

@zoo.hookimpl
def zoo_recipes():
    return [
        zoo.RecipeSpec(
            name="finetune", summary="Fine-tunes.", task="read", model="gone/net",
            dataset="gone/folder", sample="gone/folder", strategy="gone/spread",
            formerly=(zoo.Former("tune", "1.1", "1.3", "zoo-ocr"),),
        )
    ]
"""


def test_old_address_stands_for_the_new_one(install_plugin: Callable[..., None]) -> None:
    install_plugin("ocr", TASK.replace("{removed_in}", "1.3"), version="1.2")
    plugins = Registry()
    with pytest.warns(zoo.ZooDeprecationWarning, match="'ocr/reed' is called 'ocr/read' since zoo"):
        assert plugins.resolve("task", "ocr/reed") == "ocr/read"
    assert plugins.resolve("task", "reed", within="ocr") == "ocr/read"
    assert plugins.implementation("task", "ocr/reed").__name__ == "Read"


def test_old_address_is_an_error_in_the_end(install_plugin: Callable[..., None]) -> None:
    install_plugin("ocr", TASK.replace("{removed_in}", "1.2"), version="1.2")
    with pytest.raises(UnknownNameError, match=r"'ocr/read' since zoo-ocr 1\.1; 1\.2 dropped"):
        Registry().resolve("task", "ocr/reed")


# Names and arguments


def test_old_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecation, "NAMES", {"Ranking": (zoo.Former("Ranks", "0.2", "0.4"),)})
    with pytest.warns(zoo.ZooDeprecationWarning, match=f"zoo.Ranks {MESSAGE}") as caught:
        assert zoo.Ranks is zoo.Ranking
    assert caught[0].filename == __file__
    monkeypatch.setattr(zoo, "__version__", "1.0")
    with pytest.raises(AttributeError, match=r"zoo\.Ranks is called zoo\.Ranking since"):
        _ = zoo.Ranks
    with pytest.raises(AttributeError, match="no attribute 'Rankings'"):
        _ = zoo.Rankings


def test_old_argument() -> None:
    @zoo.renamed_argument("rate", OLD)
    def train(*, rate: float = 1.0) -> float:
        return rate

    with pytest.warns(zoo.ZooDeprecationWarning, match=MESSAGE) as caught:
        assert train(lr=2.0) == 2.0
    assert caught[0].filename == __file__
    assert train(rate=3.0) == 3.0
    with pytest.raises(TypeError, match="both 'rate' and its old name 'lr'"):
        train(rate=1.0, lr=2.0)


# The command line


def test_command_says_it_in_one_line(
    install_plugin: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.registry import registry

    install_plugin("ocr", TASK.replace("{removed_in}", "1.3") + RECIPE, version="1.2")
    registry.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["train", "ocr/tune"]) == ExitCode.USAGE  # the rest of it is not installed
    registry.cache_clear()
    line, *_ = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: The recipe 'ocr/tune' is called 'ocr/finetune'")


def test_info_knows_an_old_address(
    install_plugin: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from zoo.registry import registry

    install_plugin("ocr", TASK.replace("{removed_in}", "1.3"), version="1.2")
    registry.cache_clear()
    with pytest.warns(zoo.ZooDeprecationWarning, match="'ocr/reed' is called 'ocr/read' since"):
        assert zoo.info("ocr/reed").address == "ocr/read"
    deprecation._warn_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["info", "ocr/reed", "--json"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["address"] == "ocr/read"
    assert err.startswith("warning: The task 'ocr/reed' is called 'ocr/read'")
    monkeypatch.setattr(zoo.Former, "expired", True)
    assert main(["info", "ocr/reed"]) == ExitCode.USAGE
    assert "is called 'ocr/read' since zoo-ocr 1.1; 1.3 dropped" in capsys.readouterr().err
    registry.cache_clear()


# The end of life


def declared() -> Iterator[tuple[str, dict[str, str]]]:
    """Each `Former(...)` in the sources of the core and the first-party plugins."""
    for file in sorted([*ROOT.glob("zoo/**/*.py"), *ROOT.glob("plugins/**/*.py")]):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Former", "zoo.Former"):
                given = dict(zip(("name", "since", "removed_in"), node.args, strict=False))
                given |= {each.arg: each.value for each in node.keywords if each.arg}
                place = f"{file.relative_to(ROOT)}:{node.lineno}"
                yield place, {name: ast.literal_eval(value) for name, value in given.items()}


def overdue(version: str) -> list[str]:
    return [
        place for place, former in declared() if Version(former["removed_in"]) <= Version(version)
    ]


def test_no_old_name_outlives_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert overdue(zoo.__version__) == [], "delete these: their old names are errors by now"


def test_old_names_are_kept_for_two_releases() -> None:
    for place, former in declared():
        since, end = Version(former["since"]), Version(former["removed_in"])
        assert end.major > since.major or end.minor - since.minor >= 2, place
