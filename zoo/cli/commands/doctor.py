"""`zoo doctor`: what is installed, what is missing and how to mend it."""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.cli.output import Output, Table
from zoo.cli.parser import Commands
from zoo.errors import ExitCode

_FAULTS = ("broken", "incompatible", "conflict")


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add(
        "doctor",
        _doctor,
        "Check the installation: packages, plugins, folders and disk.",
        examples=["zoo doctor", "zoo doctor --devices", "zoo doctor --json"],
        details="Ends with exit code 4 if a plugin is broken, incompatible or in conflict.",
    )
    parser.add_argument(
        "--devices", action="store_true", help="look for GPUs too; starts TensorFlow"
    )


def _doctor(arguments: argparse.Namespace, out: Output) -> ExitCode:
    from zoo.cli.commands.catalogue import describe_plugin
    from zoo.registry import registry

    plugins = registry().plugins()
    system, extras, places = _system(), _extras(), _places()
    value: dict[str, Any] = {
        "system": system,
        "extras": extras,
        "plugins": [describe_plugin(plugin) for plugin in plugins],
        "places": places,
    }
    blocks: list[Table | str] = [
        Table((), list(system.items()), title="System"),
        _extras_table(extras),
        *[f"{name}: {each['remedy']}" for name, each in extras.items() if each["remedy"]],
        Table(
            ("Plugin", "Status", "From", "Problem", "Remedy"),
            [(p.name, str(p.status), p.origin, p.reason, p.remedy) for p in plugins],
            title="Plugins",
        ),
        Table((), [(name, str(text)) for name, text in places.items()], title="Folders"),
    ]
    if arguments.devices:
        value["devices"] = _devices()
        rows = [(each["name"], each["kind"], each["about"]) for each in value["devices"]]
        blocks.append(Table((), rows, title="Devices"))
    out.data(value, *blocks)
    faulty = any(plugin.status in _FAULTS for plugin in plugins)
    return ExitCode.PLUGIN if faulty else ExitCode.OK


def _system() -> dict[str, str]:
    import platform
    import sys

    import zoo
    from zoo.settings import offline

    return {
        "zoo": zoo.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "network": "not used (ZOO_OFFLINE)" if offline() else "used where needed",
    }


def _extras() -> dict[str, dict[str, Any]]:
    """Return for each extra the versions of its packages, and how to install what lacks."""
    from zoo.discovery import CORE
    from zoo.requirements import Installed, install_command

    installed = Installed()
    core = installed.package(CORE)
    found = {}
    for extra in sorted(core.extras) if core else ():
        unmet = {problem.package: str(problem) for problem in installed.problems(CORE, extra)}
        packages = {
            name: {"version": package.version if package else None, "problem": unmet.get(name, "")}
            for name in _packages_of(extra)
            for package in [installed.package(name)]
        }
        found[extra] = {
            "status": "missing-requirements" if unmet else "ok",
            "packages": packages,
            "remedy": install_command(CORE, extra) if unmet else "",
        }
    return found


def _packages_of(extra: str) -> list[str]:
    """Return the packages that an extra asks for, those of the extras within it too."""
    from packaging.requirements import Requirement

    from zoo.discovery import CORE
    from zoo.requirements import canonical

    names: set[str] = set()
    for text in metadata.requires(CORE) or ():
        requirement = Requirement(text)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if canonical(requirement.name) == CORE:
            names.update(name for each in requirement.extras for name in _packages_of(each))
        else:
            names.add(canonical(requirement.name))
    return sorted(names)


def _extras_table(extras: dict[str, dict[str, Any]]) -> Table:
    rows = [
        (extra, each["problem"] or "ok", name, each["version"] or "")
        for extra, found in extras.items()
        for name, each in found["packages"].items()
    ]
    return Table(("Extra", "Status", "Package", "Version"), rows, title="Packages")


def _places() -> dict[str, Any]:
    import os
    import shutil

    from zoo.settings import cache_folder, config_path, home

    folder = _existing(home())
    usage = shutil.disk_usage(folder)
    return {
        "home": str(home()),
        "settings": str(config_path()) if config_path().exists() else "none",
        "cache": str(cache_folder()),
        "writable": "yes" if os.access(folder, os.W_OK) else f"no: {folder}",
        "disk": f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB",
    }


def _existing(path: Path) -> Path:
    """Return the nearest folder at or above `path` that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _devices() -> list[dict[str, str]]:
    from zoo.cli.startup import hold_back_stderr, load_tensorflow

    load_tensorflow()
    with hold_back_stderr():
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        details = [tf.config.experimental.get_device_details(each) for each in devices]
    return [
        {
            "name": device.name.removeprefix("/physical_device:"),
            "kind": device.device_type,
            "about": str(detail.get("device_name", "")),
        }
        for device, detail in zip(devices, details, strict=True)
    ]
