"""Times `zoo list` beside fifty installed plugins, five of them broken, and shows what it says.

python benchmarks/many_plugins.py [RUNS]

The plugins are written into a temporary folder as an installer would, each with two requirements,
five kinds of components and a module of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 50
BAR = 0.250

PLUGIN = '''"""Components of the domain {name}."""

import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def zoo_tasks():
    return [zoo.TaskSpec(name="read", summary="Reads.", implementation="{package}.parts:Read")]


@zoo.hookimpl
def zoo_models():
    return [
        zoo.ModelSpec(
            name=f"net-{{size}}",
            summary=f"A network of size {{size}}.",
            implementation="{package}.parts:Net",
            tasks=("{name}/read",),
        )
        for size in ("small", "base", "large")
    ]


@zoo.hookimpl
def zoo_datasets():
    return [
        zoo.DatasetSpec(
            name=name,
            summary="Examples.",
            implementation="{package}.parts:Files",
            tasks=("{name}/read",),
        )
        for name in ("files", "generator")
    ]


@zoo.hookimpl
def zoo_strategies():
    return [
        zoo.StrategySpec(name="spread", summary="Spreads.", implementation="{package}.parts:Spread")
    ]


@zoo.hookimpl
def zoo_recipes():
    return [
        zoo.RecipeSpec(
            name="finetune",
            summary="Fine-tunes a network on a folder of files.",
            task="read",
            model="net-small",
            dataset="files",
            sample="generator",
            strategy="spread",
            default=True,
        )
    ]
'''
BROKEN = {
    "import error": lambda code: "import no_such_module\n" + code,
    "another contract": lambda code: code.replace("ZOO_CONTRACT = 1", "ZOO_CONTRACT = 99"),
    "heavy import": lambda code: "import numpy\n" + code,
    "bad spec": lambda code: code.replace('summary="Reads."', 'summary=""'),
    "missing requirement": lambda code: code,
}
"""Ways in which a plugin is broken, each by what is done to its code."""


def install(site: Path, name: str, broken: str = "") -> None:
    """Write the distribution `zoo-NAME` into `site`."""
    package = f"zoo_{name}"
    code = PLUGIN.format(name=name, package=package)
    requires = ["keras-domain-zoo>=0.1", "pluggy>=1.5"]
    requires += ["no-such-package>=1"] if broken == "missing requirement" else []
    (site / package).mkdir()
    (site / package / "__init__.py").write_text("")
    (site / package / "plugin.py").write_text(BROKEN[broken](code) if broken else code)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    headers = ["Metadata-Version: 2.1", f"Name: zoo-{name}", "Version: 1.0"]
    headers += [f"Requires-Dist: {each}" for each in requires]
    (info / "METADATA").write_text("\n".join(headers) + "\n\n" + "A description. " * 200)
    (info / "entry_points.txt").write_text(f"[zoo.plugins]\n{name} = {package}.plugin\n")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    kinds = list(BROKEN)
    command = [sys.executable, "-c", "from zoo.cli import main; import sys; sys.exit(main())"]
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(COUNT):
            broken = kinds[number // 10] if number % 10 == 7 else ""
            install(site, f"dummy{number}", broken)
        places = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "ZOO_HOME": str(site / "home"),
        }

        def listed(*arguments: str) -> tuple[float, str]:
            began = time.perf_counter()
            done = subprocess.run(
                [*command, "list", *arguments],
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            )
            return time.perf_counter() - began, done.stdout

        plugins = json.loads(listed("--json")[1])
        for plugin in plugins:
            if plugin["status"] != "ok":
                print(f"{plugin['name']:9} {plugin['status']:21} {plugin['reason']}")
        usable = sum(plugin["status"] == "ok" for plugin in plugins)
        print(f"{len(plugins)} plugins listed, {usable} usable")
        times = sorted(listed()[0] for _ in range(runs))
    median = statistics.median(times)
    print(
        f"zoo list: median {median * 1000:.0f} ms, min {times[0] * 1000:.0f}, "
        f"max {times[-1] * 1000:.0f} over {runs} runs (bar {BAR * 1000:.0f} ms)"
    )
    sys.exit(median > BAR)


if __name__ == "__main__":
    main()
