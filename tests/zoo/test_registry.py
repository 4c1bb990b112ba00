from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from zoo.errors import (
    AmbiguousPluginError,
    ConfigError,
    MissingRequirementError,
    PluginError,
    UnknownNameError,
)
from zoo.registry import Kind, Plugin, Registry, Status, registry
from zoo.settings import PluginSettings

Install = Callable[..., None]

TASK = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_tasks():
    return [zoo.TaskSpec(name="read", summary="Reads.", implementation="{package}.parts:Read")]
"""


def found(name: str, settings: PluginSettings | None = None) -> Plugin:
    """Discover afresh and return the plugin of this name."""
    return Registry(settings).plugin(name)


def returning(value: object) -> Callable[[], object]:
    return lambda: value


def in_process(**hooks: object) -> ModuleType:
    """Return a plugin object whose hooks return the given lists."""
    plugin = ModuleType("in_process")
    plugin.ZOO_CONTRACT = zoo.CONTRACT  # type: ignore[attr-defined]
    for name, specs in hooks.items():
        setattr(plugin, name, zoo.hookimpl(returning(specs)))
    return plugin


class Reader(zoo.Task):
    """A task of this module, for plugins of this process."""


# What is found


def test_nothing_is_installed(plugin_site: Path) -> None:
    plugins = Registry()
    assert plugins.plugins() == []
    assert plugins.specs("model") == {}
    with pytest.raises(UnknownNameError, match="No plugin is called 'ocr'"):
        plugins.plugin("ocr")


def test_ok(install_plugin: Install) -> None:
    install_plugin("ocr", version="2.3")
    plugin = found("ocr")
    assert (plugin.status, plugin.reason, plugin.remedy) == (Status.OK, "", "")
    assert (plugin.distribution, plugin.version) == ("zoo-ocr", "2.3")
    assert {kind: list(specs) for kind, specs in plugin.specs.items()} == {
        "task": ["read"],
        "model": ["net"],
        "dataset": ["folder"],
        "strategy": ["spread"],
        "metrics": [],
        "recipe": ["finetune"],
    }


def test_plugins_are_listed_by_name(install_plugin: Install) -> None:
    for name in ("ocr", "chess", "fraud2"):
        install_plugin(name)
    assert [plugin.name for plugin in Registry().plugins()] == ["chess", "fraud2", "ocr"]


def test_implementations_are_imported_on_first_use(install_plugin: Install) -> None:
    install_plugin("ocr")
    plugins = Registry()
    plugins.plugins()
    assert "zoo_ocr.parts" not in sys.modules
    read = plugins.implementation("task", "ocr/read")
    assert issubclass(read, zoo.Task)
    assert plugins.implementation("task", "ocr/read") is read


def test_plugin_without_hooks_is_ok(install_plugin: Install) -> None:
    install_plugin("ocr", "ZOO_CONTRACT = 1")
    plugin = found("ocr")
    assert plugin.status is Status.OK
    with pytest.raises(UnknownNameError, match="no default recipe"):
        Registry().resolve("recipe", "ocr")


def test_registry_of_the_process_is_made_once(plugin_site: Path) -> None:
    registry.cache_clear()
    assert registry() is registry()
    registry.cache_clear()


# Requirements and compatibility


def test_missing_requirement_is_listed_and_not_used(install_plugin: Install) -> None:
    install_plugin("ocr", requires=["absent-a>=2"], extras={"ocr": ["absent-b"]})
    plugins = Registry()
    plugin = plugins.plugin("ocr")
    assert plugin.status is Status.MISSING_REQUIREMENTS
    assert plugin.reason == "absent-a>=2 is not installed, absent-b is not installed."
    assert plugin.remedy == 'pip install "zoo-ocr[ocr]"'
    assert plugins.specs("model") == {}
    assert list(plugins.specs("model", usable=False)) == ["ocr/net"]
    assert plugins.spec("model", "ocr/net").summary == "A network."
    with pytest.raises(MissingRequirementError, match="absent-a>=2 is not installed") as raised:
        plugins.implementation("model", "ocr/net")
    assert raised.value.hint == 'pip install "zoo-ocr[ocr]"'
    assert "zoo_ocr.parts" not in sys.modules


def test_requirement_that_is_too_old(
    install_plugin: Install, install_distribution: Callable[..., Path]
) -> None:
    install_distribution("dep", version="1.0")
    install_plugin("ocr", requires=["dep>=2"])
    plugin = found("ocr")
    assert plugin.reason == "dep>=2 is required but 1.0 is installed."
    assert plugin.remedy == 'pip install "zoo-ocr"'


def test_import_fails_for_want_of_a_requirement(install_plugin: Install) -> None:
    install_plugin("ocr", "import absent_a", requires=["absent-a"])
    plugins = Registry()
    assert plugins.plugin("ocr").status is Status.MISSING_REQUIREMENTS
    assert plugins.plugin("ocr").specs == {}
    with pytest.raises(MissingRequirementError) as raised:
        plugins.resolve("model", "ocr/net")
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_core_of_another_version_is_found_before_the_import(install_plugin: Install) -> None:
    install_plugin("ocr", "raise RuntimeError", requires=["keras-domain-zoo>=2"])
    plugin = found("ocr")
    assert plugin.status is Status.INCOMPATIBLE
    assert plugin.reason == "keras-domain-zoo>=2 is required but 1.0 is installed."
    assert plugin.remedy == 'pip install --upgrade "zoo-ocr" "keras-domain-zoo"'
    assert "zoo_ocr" not in sys.modules


def test_core_that_runs_from_its_source_is_no_missing_requirement(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    distribution = metadata.distribution

    def without_core(name: str) -> metadata.Distribution:
        if name == "keras-domain-zoo":
            raise metadata.PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(metadata, "distribution", without_core)
    install_plugin("ocr", requires=["keras-domain-zoo>=1"])
    assert found("ocr").status is Status.OK


KNOWN = f"zoo {zoo.__version__} works with contract 1."
UPGRADE_PLUGIN = 'pip install --upgrade "zoo-ocr"'
UPGRADE_CORE = 'pip install --upgrade "keras-domain-zoo"'


@pytest.mark.parametrize(
    ("line", "expected", "remedy"),
    [
        ("", f"It does not set ZOO_CONTRACT; {KNOWN}", UPGRADE_PLUGIN),
        ("ZOO_CONTRACT = 99", f"It follows contract 99; {KNOWN}", UPGRADE_CORE),
        ("ZOO_CONTRACT: int = 0", f"It follows contract 0; {KNOWN}", UPGRADE_PLUGIN),
        ("ZOO_CONTRACT = 90 + 9", f"It follows contract 99; {KNOWN}", UPGRADE_CORE),
        ("ZOO_CONTRACT = 'one'", f"It follows contract 'one'; {KNOWN}", UPGRADE_PLUGIN),
    ],
)
def test_contract(line: str, expected: str, remedy: str, install_plugin: Install) -> None:
    install_plugin("ocr", TASK.replace("ZOO_CONTRACT = 1", line))
    plugin = found("ocr")
    assert (plugin.status, plugin.reason) == (Status.INCOMPATIBLE, expected)
    assert plugin.remedy == remedy
    with pytest.raises(PluginError, match=r"cannot be used \(incompatible\)"):
        Registry().resolve("task", "ocr/read")


@pytest.mark.parametrize("contract", [0, 99])
@pytest.mark.parametrize("packages", ["acme", "acme.zoo.ocr"])
def test_plugin_of_another_contract_is_not_imported(
    contract: int,
    packages: str,
    install_distribution: Callable[..., Path],
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    leave_trace = f"open({str(trace)!r}, 'w')\n"
    parts = packages.split(".")
    folders = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    files = {f"{folder}/__init__.py": leave_trace for folder in folders}
    files[f"{folders[-1]}/plugin.py"] = (
        f'{leave_trace}"""\nZOO_CONTRACT = 1\n"""\nZOO_CONTRACT = {contract}\n'
    )
    install_distribution("acme", files=files, plugins={"ocr": f"{packages}.plugin"})
    plugin = found("ocr")
    assert plugin.status is Status.INCOMPATIBLE
    assert f"contract {contract};" in plugin.reason
    assert not trace.exists()
    assert "acme" not in sys.modules


def test_plugin_in_namespaces_is_found(install_distribution: Callable[..., Path]) -> None:
    files = {"acme/zoo/ocr.py": "ZOO_CONTRACT = 1"}
    install_distribution("acme", files=files, plugins={"ocr": "acme.zoo.ocr"})
    assert found("ocr").status is Status.OK


def test_contract_that_is_kept_for_a_while(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("ocr")
    monkeypatch.setattr("zoo.discovery.SUPPORTED_CONTRACTS", range(1, 3))
    assert found("ocr").status is Status.OK
    monkeypatch.setattr("zoo.discovery.SUPPORTED_CONTRACTS", range(2, 4))
    assert "works with contract 2 to 3." in found("ocr").reason


# Broken plugins


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("class Own(BaseException): ...\nraise Own('mine')", "mine"),
        ("class Odd(Exception):\n    __str__ = None\nraise Odd", "Odd: its message cannot be"),
        (TASK + "    1 / 0\n\nzoo_tasks.__code__ = (lambda: 1 / 0).__code__", "ZeroDivisionError"),
        (TASK.replace("return [", "return iter([").replace("]", "])"), ""),
        (TASK.replace("return [", "[").replace("]", "]"), "zoo_tasks() returned None"),
        (
            TASK.replace("return [", "return ([").replace("]", "])[0]"),
            "expected a list of TaskSpec",
        ),
        (TASK.replace("return [", "return [1, "), "zoo_tasks() declares 1, expected a TaskSpec"),
        (TASK.replace("def zoo_tasks", "def zoo_models"), "expected a ModelSpec"),
        (TASK.replace("def zoo_tasks", "def zoo_taks"), "zoo_taks is not a hook. Did you mean"),
        (TASK.replace("zoo_tasks()", "zoo_tasks(color)"), "PluginValidationError"),
        (TASK.replace('"read"', '"Read It"'), "'Read It' is not a component name"),
        (TASK.replace("]", "] * 2"), "zoo_tasks() declares 'read' twice"),
    ],
)
def test_broken(code: str, expected: str, install_plugin: Install) -> None:
    install_plugin("ocr", code)
    install_plugin("chess")
    plugins = Registry()
    plugin = plugins.plugin("ocr")
    assert plugins.plugin("chess").status is Status.OK
    if not expected:
        assert plugin.status is Status.OK
        return
    assert plugin.status is Status.BROKEN
    assert expected in plugin.reason
    assert "zoo-ocr" in plugin.remedy
    assert not any(name.partition(".")[0] == "zoo_ocr" for name in sys.modules)
    with pytest.raises(PluginError) as raised:
        plugins.resolve("task", "ocr/read")
    assert raised.value.__cause__ is plugin.error is not None


RECIPE = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_models():
    return [
        zoo.ModelSpec(name="net", summary="A net.", implementation="a:B", tasks=("ocr/read",))
    ]


@zoo.hookimpl
def zoo_tasks():
    return [zoo.TaskSpec(name="read", summary="Reads.", implementation="a:B")]


@zoo.hookimpl
def zoo_recipes():
    first = zoo.RecipeSpec(
        name="one",
        summary="One.",
        task="read",
        model="net",
        dataset="other/folder",
        sample="other/folder",
        strategy="other/spread",
        default=True,
    )
    return [first]
"""


SMALL_MODEL = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_models():
    tasks = ("ocr/read", "ocr/gone", "other/read")
    return [zoo.ModelSpec(name="net", summary="A net.", implementation="a:B", tasks=tasks)]
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('model="net"', 'model="nett"', "The recipe 'one' names the model 'nett'. Did you mean"),
        ('task="read"', 'task="ocr/reed"', "names the task 'ocr/reed'"),
        ('sample="other/folder"', 'sample="toy"', "names the dataset 'toy'"),
        ('strategy="other/spread"', 'strategy=""', "names the strategy ''"),
        ('tasks=("ocr/read",)', 'tasks=("reed",)', "The model 'net' names the task 'reed'"),
        ('summary="Reads."', 'summary="Reads.", like=("raed",)', "The task 'read' names the task"),
        ('summary="Reads."', 'summary="Reads.", like="other/read"', "The task 'read' names"),
        ("[first]", "[first, __import__('dataclasses').replace(first, name='two')]", "one and two"),
    ],
)
def test_inconsistent_components(
    old: str, new: str, expected: str, install_plugin: Install
) -> None:
    assert old in RECIPE
    install_plugin("ocr", RECIPE)
    assert found("ocr").status is Status.OK
    shutil.rmtree(Path(sys.modules["zoo_ocr"].__path__[0]))
    for name in ("zoo_ocr", "zoo_ocr.plugin"):
        del sys.modules[name]
    install_plugin("ocr", RECIPE.replace(old, new))
    plugin = found("ocr")
    assert plugin.status is Status.BROKEN
    assert expected in plugin.reason


def test_unreadable_metadata(install_plugin: Install) -> None:
    install_plugin("ocr", requires=["dep and more"])
    install_plugin("chess")
    plugin = found("ocr")
    assert plugin.status is Status.BROKEN
    assert "'dep and more' is not a requirement" in plugin.reason
    assert found("chess").status is Status.OK


def test_name_that_cannot_stand_in_an_address(install_plugin: Install) -> None:
    install_plugin("Bad Name", dist="zoo-bad")
    assert [plugin.status for plugin in Registry().plugins()] == [Status.BROKEN]


def test_prints_are_kept_and_not_shown(
    install_plugin: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin("ocr", TASK + "\nprint('hello')\nimport sys\nprint('oh', file=sys.stderr)\n")
    plugin = found("ocr")
    assert plugin.status is Status.OK
    assert plugin.output == "hello\noh\n"
    assert capsys.readouterr() == ("", "")


def test_prints_of_a_broken_plugin_are_kept(install_plugin: Install) -> None:
    install_plugin("ocr", "print('cannot go on')\nraise SystemExit(1)")
    assert found("ocr").output == "cannot go on\n"


def test_hang_is_cut_short(install_plugin: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", "1")
    handler = signal.getsignal(signal.SIGALRM)
    install_plugin("ocr", "import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass")
    install_plugin("chess")
    plugins = Registry()
    assert plugins.plugin("ocr").status is Status.BROKEN
    assert "longer than 1 s (ZOO_PLUGIN_TIMEOUT)" in plugins.plugin("ocr").reason
    assert plugins.plugin("chess").status is Status.OK
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_discovery_in_a_thread_has_no_time_limit(install_plugin: Install) -> None:
    install_plugin("ocr")
    seen: list[Status] = []
    thread = threading.Thread(target=lambda: seen.append(found("ocr").status))
    thread.start()
    thread.join()
    assert seen == [Status.OK]


def test_interrupt_is_the_users(install_plugin: Install) -> None:
    install_plugin("ocr", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry().plugins()
    assert "zoo_ocr" not in sys.modules


@pytest.fixture
def heavy_library(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A library with the name of a heavy one that is not loaded yet."""
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)
    (plugin_site / "xgboost.py").write_text("")
    importlib.invalidate_caches()
    return "xgboost"


@pytest.mark.parametrize(
    "code",
    [
        "import xgboost",
        "from xgboost import core",
        "try:\n    import xgboost\nexcept Exception:\n    pass",
        TASK.replace("return", "import xgboost; return"),
        "import light_library",
    ],
)
def test_heavy_import_is_refused(
    code: str, heavy_library: str, install_plugin: Install, plugin_site: Path
) -> None:
    (plugin_site / "light_library.py").write_text(
        "try:\n    import xgboost\nexcept ImportError:\n    xgboost = None"
    )
    before = list(sys.meta_path)
    install_plugin("ocr", code)
    plugin = found("ocr")
    assert plugin.status is Status.BROKEN
    assert "it imports xgboost, which is slow; name implementations as" in plugin.reason
    assert not {"xgboost", "light_library", "zoo_ocr"} & sys.modules.keys()
    assert sys.meta_path == before


def test_heavy_library_may_be_looked_for(heavy_library: str, install_plugin: Install) -> None:
    install_plugin("ocr", TASK + "\nfrom importlib.util import find_spec\nF = find_spec('xgboost')")
    assert find_spec(heavy_library)
    assert found("ocr").status is Status.OK
    assert sys.modules["zoo_ocr.plugin"].F


def test_heavy_library_that_is_loaded_already_is_allowed(
    heavy_library: str, install_plugin: Install
) -> None:
    importlib.import_module(heavy_library)
    install_plugin("ocr", TASK + "\nimport xgboost")
    assert found("ocr").status is Status.OK


def test_failure_leaves_nothing_behind(install_plugin: Install) -> None:
    code = TASK + "\nimport zoo_ocr.parts\n@zoo.hookimpl\ndef zoo_models():\n    1 / 0\n"
    install_plugin("ocr", code)
    plugins = Registry()
    assert plugins.plugin("ocr").status is Status.BROKEN
    assert "zoo_ocr.parts" not in sys.modules
    assert plugins.specs("task", usable=False) == {}
    spec = zoo.TaskSpec(name="read", summary="Reads.", implementation="a:B")
    plugins.register(in_process(zoo_tasks=[spec]), "mine")
    assert list(plugins.specs("task")) == ["mine/read"]


def test_one_module_under_two_names(
    install_plugin: Install, install_distribution: Callable[..., Path]
) -> None:
    install_plugin("ocr", "ZOO_CONTRACT = 1")
    install_distribution("zoo-second", plugins={"second": "zoo_ocr.plugin"})
    statuses = {plugin.name: plugin.status for plugin in Registry().plugins()}
    assert statuses == {"ocr": Status.OK, "second": Status.BROKEN}


def test_plugin_that_asks_for_plugins_while_it_is_imported(install_plugin: Install) -> None:
    registry.cache_clear()
    code = "from zoo.registry import registry\nregistry().plugins()"
    install_plugin("ocr", code)
    install_plugin("vase")
    statuses = {plugin.name: plugin.status for plugin in registry().plugins()}
    registry.cache_clear()
    assert statuses == {"ocr": Status.BROKEN, "vase": Status.OK}


def test_five_of_fifty_are_broken(
    install_plugin: Install, install_distribution: Callable[..., Path], heavy_library: str
) -> None:
    broken = {
        7: (f"import {heavy_library}", Status.BROKEN),
        17: ("import sys; sys.exit()", Status.BROKEN),
        27: (TASK.replace('summary="Reads."', 'summary=""'), Status.BROKEN),
        37: ("ZOO_CONTRACT = 99", Status.INCOMPATIBLE),
        47: (TASK, Status.CONFLICT),
    }
    for number in set(range(50)) - broken.keys():
        install_plugin(f"dummy{number}")
    for number, (code, _) in broken.items():
        install_plugin(f"dummy{number}", code)
    install_distribution("acme-dummy", plugins={"dummy47": "acme_dummy.plugin"})
    plugins = Registry()
    unusable = {each.name: each for each in plugins.plugins() if each.status is not Status.OK}
    assert {name: each.status for name, each in unusable.items()} == {
        f"dummy{number}": status for number, (_, status) in broken.items()
    }
    assert all(each.reason and each.remedy for each in unusable.values())
    assert len(plugins.specs("model")) == 45
    assert plugins.resolve("recipe", "dummy8") == "dummy8/finetune"


# Names claimed twice


def test_first_party_name_of_a_third_party(
    install_plugin: Install, install_distribution: Callable[..., Path]
) -> None:
    install_plugin("fraud", dist="acme-fraud")
    assert found("fraud").status is Status.CONFLICT
    install_plugin("fraud", dist="keras-domain-zoo")
    plugins = Registry(PluginSettings(use={"fraud": "acme-fraud"}))
    statuses = {plugin.distribution: plugin.status for plugin in plugins.plugins()}
    assert statuses == {"keras-domain-zoo": Status.OK, "acme-fraud": Status.CONFLICT}
    assert plugins.plugin("fraud").distribution == "keras-domain-zoo"
    assert plugins.resolve("recipe", "fraud") == "fraud/finetune"
    assert "acme_fraud.plugin" not in sys.modules
    theirs = next(each for each in plugins.plugins() if each.distribution == "acme-fraud")
    assert theirs.reason == "The name 'fraud' belongs to keras-domain-zoo."
    assert "pip uninstall acme-fraud" in theirs.remedy


def test_two_third_parties_with_one_name(install_plugin: Install) -> None:
    install_plugin("ocr", dist="acme-ocr", version="1.5")
    install_plugin("ocr", dist="best-ocr", version="2.0")
    install_plugin("chess")
    plugins = Registry()
    statuses = [plugin.status for plugin in plugins.plugins()]
    assert statuses == [Status.OK, Status.CONFLICT, Status.CONFLICT]
    assert not {"acme_ocr.plugin", "best_ocr.plugin"} & sys.modules.keys()
    for use in (
        lambda: plugins.plugin("ocr"),
        lambda: plugins.resolve("recipe", "ocr"),
        lambda: plugins.implementation("model", "ocr/net"),
    ):
        with pytest.raises(AmbiguousPluginError) as raised:
            use()
        for part in ("acme-ocr 1.5", "best-ocr 2.0", "ZOO_PLUGINS=ocr@acme-ocr"):
            assert part in str(raised.value)


@pytest.mark.parametrize("how", ["environment", "file"])
def test_the_user_chooses(
    how: str, install_plugin: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("ocr", dist="acme-ocr")
    install_plugin("ocr", dist="best-ocr")
    if how == "environment":
        monkeypatch.setenv("ZOO_PLUGINS", "ocr@Best_OCR")
    else:
        monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config.toml"))
        (tmp_path / "config.toml").write_text('[plugins]\nuse = {ocr = "best-ocr"}\n')
    plugins = Registry()
    assert plugins.plugin("ocr").distribution == "best-ocr"
    assert plugins.plugin("ocr").status is Status.OK
    other = next(each for each in plugins.plugins() if each.distribution == "acme-ocr")
    assert other.status is Status.DISABLED
    assert "ocr@acme-ocr" in other.remedy


def test_choice_of_a_distribution_that_is_not_there(install_plugin: Install) -> None:
    install_plugin("ocr", dist="acme-ocr")
    plugin = found("ocr", PluginSettings(use={"ocr": "gone-ocr"}))
    assert plugin.status is Status.DISABLED
    assert "gone-ocr" in plugin.reason


def test_one_distribution_found_twice_is_no_conflict(
    install_plugin: Install, tmp_path: Path, plugin_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("ocr", dist="zoo-ocr")
    source = tmp_path / "source"
    (source / "Zoo_Ocr.egg-info").mkdir(parents=True)
    (source / "Zoo_Ocr.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: Zoo.Ocr\nVersion: 1.1\n"
    )
    (source / "Zoo_Ocr.egg-info" / "entry_points.txt").write_text(
        "[zoo.plugins]\nocr = zoo_ocr.plugin\n"
    )
    monkeypatch.syspath_prepend(source)
    monkeypatch.syspath_prepend(plugin_site)
    plugins = Registry()
    assert [plugin.status for plugin in plugins.plugins()] == [Status.OK]


# Settings


def test_disabled_plugins_are_listed_and_not_loaded(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("ocr", "1 / 0")
    install_plugin("chess")
    monkeypatch.setenv("ZOO_PLUGINS", "-ocr")
    plugins = Registry()
    assert plugins.plugin("ocr").status is Status.DISABLED
    assert plugins.plugin("chess").status is Status.OK
    with pytest.raises(ConfigError, match="disabled by ZOO_PLUGINS"):
        plugins.resolve("recipe", "ocr")


def test_no_plugins(install_plugin: Install) -> None:
    install_plugin("ocr")
    plugins = Registry(PluginSettings.none())
    assert plugins.plugin("ocr").status is Status.DISABLED
    assert plugins.plugin("ocr").reason == "--no-plugins allows only none."
    assert plugins.specs("model", usable=False) == {}
    assert "zoo_ocr" not in sys.modules


def test_disabling_settles_a_conflict(install_plugin: Install) -> None:
    install_plugin("ocr", dist="acme-ocr")
    install_plugin("ocr", dist="best-ocr")
    plugins = Registry(PluginSettings(disable={"ocr": "a test"}))
    assert plugins.plugin("ocr").status is Status.DISABLED


# Names of components


@pytest.fixture
def ocr(install_plugin: Install) -> None:
    install_plugin("ocr")


@pytest.mark.parametrize(
    ("kind", "name", "within", "expected"),
    [
        ("model", "ocr/net", None, "ocr/net"),
        ("model", "net", "ocr", "ocr/net"),
        ("model", "chess/net", "ocr", "chess/net"),
        ("task", "read", "ocr", "ocr/read"),
        ("dataset", "folder", "chess", "chess/folder"),
        ("strategy", "spread", "ocr", "ocr/spread"),
        ("recipe", "ocr", None, "ocr/finetune"),
        ("recipe", "ocr/finetune", None, "ocr/finetune"),
        ("recipe", "finetune", "ocr", "ocr/finetune"),
        ("recipe", "chess", "ocr", "chess/finetune"),
    ],
)
def test_resolve(
    kind: Kind, name: str, within: str | None, expected: str, install_plugin: Install
) -> None:
    install_plugin("ocr")
    install_plugin("chess")
    assert Registry().resolve(kind, name, within=within) == expected


@pytest.mark.parametrize(
    ("kind", "name", "within", "message", "hint"),
    [
        ("model", "ocr/nett", None, "No model is called 'ocr/nett'", "'ocr/net'"),
        ("model", "orc/net", None, "No plugin is called 'orc'", "'ocr'"),
        ("model", "net", None, "No model is called 'net'", "'ocr/net'"),
        ("model", "nett", "ocr", "No model is called 'ocr/nett'", "'ocr/net'"),
        ("model", "read", "ocr", "No model is called 'ocr/read'", ""),
        ("model", "ocr/", None, "No model is called 'ocr/'", ""),
        ("recipe", "orc", None, "No recipe is called 'orc'", "'ocr'"),
        ("recipe", "finetun", "ocr", "No recipe is called 'ocr/finetun'", "'ocr/finetune'"),
    ],
)
@pytest.mark.usefixtures("ocr")
def test_unknown_name(kind: Kind, name: str, within: str | None, message: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=message) as raised:
        Registry().resolve(kind, name, within=within)
    assert hint in raised.value.hint


@pytest.mark.usefixtures("ocr")
def test_unknown_name_of_any_kind() -> None:
    error = Registry().unknown("ocr/foldr")
    assert error.message == "No component is called 'ocr/foldr'."
    assert "'ocr/folder'" in error.hint


def test_recipe_of_components_of_another_plugin(install_plugin: Install) -> None:
    install_plugin("other")
    install_plugin("ocr", RECIPE)
    plugins = Registry()
    recipe = plugins.spec("recipe", "ocr")
    dataset = plugins.resolve("dataset", recipe.dataset, within="ocr")
    assert issubclass(plugins.implementation("dataset", dataset), zoo.Dataset)


def test_recipe_of_components_of_a_plugin_that_is_not_installed(install_plugin: Install) -> None:
    install_plugin("ocr", RECIPE)
    plugins = Registry()
    assert plugins.plugin("ocr").status is Status.OK
    with pytest.raises(UnknownNameError, match="No plugin is called 'other'"):
        plugins.resolve("dataset", plugins.spec("recipe", "ocr").dataset, within="ocr")


def test_model_is_for_tasks_of_other_plugins_too(install_plugin: Install) -> None:
    install_plugin("ocr")
    install_plugin("fonts", SMALL_MODEL)
    plugins = Registry()
    assert plugins.made_for("model", "fonts/net") == ["ocr/read", "ocr/gone", "other/read"]
    assert plugins.origin("fonts/net") == {"distribution": "zoo-fonts", "version": "1.0"}


def test_task_takes_what_is_for_the_tasks_it_is_like(install_plugin: Install) -> None:
    install_plugin("ocr")
    install_plugin("fonts", SMALL_MODEL)
    like = zoo.TaskSpec(
        name="scan", summary="Reads.", implementation="a:B", like=("read", "ocr/read", "gone/read")
    )
    plain = replace(like, name="read", like=())
    far = replace(like, name="far", like=("mine/scan",))
    plugins = Registry()
    plugins.register(in_process(zoo_tasks=[like, plain, far]), "mine")
    takes = {name: plugins.takes(f"mine/{name}", "model", "fonts/net") for name in ("scan", "read")}
    assert takes == {"scan": True, "read": False}
    assert not plugins.takes("mine/far", "model", "fonts/net")  # not what that one is like


def test_only_recipe_is_the_default(install_plugin: Install) -> None:
    install_plugin("ocr", RECIPE.replace("default=True,", ""))
    assert Registry().resolve("recipe", "ocr") == "ocr/one"


# Implementations


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import absent_module", "No module named 'absent_module'"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("", "has no attribute 'Net'"),
    ],
)
def test_bug_in_an_implementation(parts: str, expected: str, install_plugin: Install) -> None:
    install_plugin("ocr", parts=parts)
    with pytest.raises(PluginError) as raised:
        Registry().implementation("model", "ocr/net")
    assert "Loading the model ocr/net failed" in raised.value.message
    assert expected in raised.value.message
    assert "zoo-ocr 1.0" in raised.value.hint
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("parts", ["Net = 3", "class Net: ...", "def Net(): ..."])
def test_implementation_of_another_type(parts: str, install_plugin: Install) -> None:
    install_plugin("ocr", parts=parts)
    with pytest.raises(PluginError, match=r"expected a subclass of zoo\.Model"):
        Registry().implementation("model", "ocr/net")


# Plugins of this process


def test_register(install_plugin: Install) -> None:
    install_plugin("zebra")
    spec = zoo.TaskSpec(name="read", summary="Reads.", implementation=f"{__name__}:Reader")
    plugins = Registry()
    plugin = plugins.register(in_process(zoo_tasks=[spec]), "mine")
    assert plugin.origin == "this process"
    assert [each.name for each in plugins.plugins()] == ["mine", "zebra"]
    assert plugins.implementation("task", "mine/read") is Reader


def test_register_again_replaces() -> None:
    plugins = Registry(PluginSettings.none())
    for name in ("first", "second"):
        spec = zoo.TaskSpec(name=name, summary="Reads.", implementation="a:B")
        plugins.register(in_process(zoo_tasks=[spec]), "mine")
    assert list(plugins.specs("task")) == ["mine/second"]


def test_register_what_is_no_plugin(plugin_site: Path) -> None:
    plugins = Registry()
    with pytest.raises(PluginError, match="does not set ZOO_CONTRACT"):
        plugins.register(ModuleType("empty"), "mine")
    with pytest.raises(PluginError, match="declares 3, expected a TaskSpec") as raised:
        plugins.register(in_process(zoo_tasks=[3]), "mine")
    assert raised.value.__cause__ is not None
    with pytest.raises(PluginError, match="is not a component name"):
        plugins.register(in_process(), "Not A Name")
    assert plugins.plugins() == []


def test_register_a_name_that_is_taken(install_plugin: Install) -> None:
    install_plugin("ocr")
    plugins = Registry()
    for name, owner in (("ocr", "zoo-ocr 1.0"), ("fraud", "keras-domain-zoo")):
        with pytest.raises(PluginError, match=f"belongs to {owner}"):
            plugins.register(in_process(), name)


# Cost


def test_listing_imports_no_heavy_library(install_plugin: Install, tmp_path: Path) -> None:
    for name in ("ocr", "chess"):
        install_plugin(name, requires=["pluggy>=1.0", "zoo-chess[all]"])
    code = (
        "import sys, zoo, zoo.registry\n"
        "plugins = zoo.registry.Registry()\n"
        "print(*[f'{p.name}={p.status}' for p in plugins.plugins()])\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'rich', 'typer', 'packaging'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["chess=ok ocr=ok", "[]"]
    assert done.stderr == ""
