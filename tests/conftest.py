"""Fixtures for tests of several modules."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

SMALL_PLUGIN = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_tasks():
    return [zoo.TaskSpec(name="read", summary="Reads.", implementation="{package}.parts:Read")]


@zoo.hookimpl
def zoo_models():
    return [
        zoo.ModelSpec(
            name="net",
            summary="A network.",
            implementation="{package}.parts:Net",
            tasks=("{name}/read",),
        )
    ]


@zoo.hookimpl
def zoo_datasets():
    return [
        zoo.DatasetSpec(
            name="folder",
            summary="A folder.",
            implementation="{package}.parts:Folder",
            tasks=("{name}/read",),
        )
    ]


@zoo.hookimpl
def zoo_strategies():
    return [
        zoo.StrategySpec(
            name="spread", summary="Spreads.", implementation="{package}.parts:Spread"
        )
    ]


@zoo.hookimpl
def zoo_recipes():
    return [
        zoo.RecipeSpec(
            name="finetune",
            summary="Fine-tunes.",
            task="read",
            model="net",
            dataset="folder",
            sample="folder",
            strategy="spread",
            default=True,
        )
    ]
"""
SMALL_PARTS = """
import zoo


class Read(zoo.Task): ...


class Net(zoo.Model): ...


class Folder(zoo.Dataset): ...


class Spread(zoo.Strategy): ...
"""


def pytest_configure() -> None:
    """Look for garbage seldom: a traced network is a million objects, and nearly all stay."""
    gc.set_threshold(20_000)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """After each file or class, set aside what stays of it, and no later search sees it again."""
    yield
    if nextitem is None or nextitem.parent != item.parent:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="module")
def two_blocks() -> Iterator[None]:
    """The smallest networks of many blocks with two of them: each further one is the same again.

    In this process alone; others that it starts build them whole.
    """
    from few_blocks import use_few_blocks

    with pytest.MonkeyPatch.context() as patched:
        use_few_blocks(patched, 2)
        yield


@pytest.fixture
def plugin_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` for distributions, and settings as on a new machine.

    The plugins of the distribution under test are hidden. Modules imported from the folder
    are forgotten at the end.
    """
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    for variable in ("ZOO_CONFIG", "ZOO_PLUGINS", "ZOO_PLUGIN_TIMEOUT", "ZOO_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    write_distribution(site, "keras-domain-zoo", version="1.0")
    yield site
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def install_distribution(plugin_site: Path) -> Callable[..., Path]:
    """A function that installs a distribution; see :func:`write_distribution`."""

    def install(name: str, **details: object) -> Path:
        return write_distribution(plugin_site, name, **details)  # type: ignore[arg-type]

    return install


@pytest.fixture
def install_plugin(plugin_site: Path) -> Callable[..., None]:
    """A function that installs a distribution with one plugin.

    Args:
        name: of the plugin.
        code: of its module; a small valid plugin by default. `{package}` and `{name}` in
            it stand for the package's and the plugin's names.
        dist: name of the distribution, `zoo-NAME` by default.
        parts: code of the module of implementations.
        details: as in :func:`write_distribution`.
    """

    def install(
        name: str,
        code: str = SMALL_PLUGIN,
        *,
        dist: str = "",
        parts: str = SMALL_PARTS,
        **details: object,
    ) -> None:
        dist = dist or f"zoo-{name}"
        package = dist.replace("-", "_")
        filled = code.replace("{package}", package).replace("{name}", name)
        write_distribution(
            plugin_site,
            dist,
            files={
                f"{package}/__init__.py": "",
                f"{package}/plugin.py": filled,
                f"{package}/parts.py": parts,
            },
            plugins={name: f"{package}.plugin"},
            **details,  # type: ignore[arg-type]
        )

    return install


def write_distribution(
    site: Path,
    name: str,
    *,
    version: str = "1.0",
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    plugins: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write an installed distribution as an installer does.

    Args:
        site: folder on `sys.path`.
        name: of the distribution.
        version: of the distribution.
        requires: its requirements.
        extras: name of each extra -> its requirements.
        plugins: name of each plugin -> its module.
        files: path -> content of its modules.

    Returns:
        its folder of metadata.
    """
    extras, plugins, files = extras or {}, plugins or {}, files or {}
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    headers += [f"Requires-Dist: {each}" for each in requires]
    for extra, needs in extras.items():
        headers.append(f"Provides-Extra: {extra}")
        headers += [f'Requires-Dist: {each}; extra == "{extra}"' for each in needs]
    points = [f"{plugin} = {module}" for plugin, module in plugins.items()]
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    content = {
        **files,
        f"{folder}/METADATA": "\n".join(headers) + "\n\nA description.\n",
        f"{folder}/entry_points.txt": "\n".join(["[zoo.plugins]", *points]) + "\n",
    }
    content[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in content)
    for path, text in content.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    return site / folder
