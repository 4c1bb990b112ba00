"""`zoo doctor`: what is installed, what is missing and how to mend it."""

from __future__ import annotations

import argparse
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
    from zoo.cli.commands.catalogue import describe_plugin, plugin_blocks
    from zoo.registry import registry

    plugins = registry().plugins()
    system, packages, extras, places = _system(), _packages(), _extras(), _places()
    value: dict[str, Any] = {
        "system": system,
        "packages": packages,
        "extras": extras,
        "plugins": [describe_plugin(plugin) for plugin in plugins],
        "places": places,
    }
    blocks: list[Table | str] = [
        Table((), list(system.items())),
        Table(
            ("Package", "Version", "Status", "Needed by"),
            [
                (each["name"], each["version"], each["status"], ", ".join(each["needed_by"]))
                for each in packages
            ],
        ),
        Table(
            ("Extra", "Status", "To complete it"),
            [(each["name"], each["status"], each["remedy"]) for each in extras],
        ),
        *plugin_blocks(plugins),
        Table((), list(places.items())),
    ]
    if arguments.devices:
        value["devices"] = _devices()
        rows = [(each["device"], each["name"]) for each in value["devices"]]
        blocks.append(Table(("Device", "Name"), rows))
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


def _packages() -> list[dict[str, Any]]:
    """Return each package that the core or an extra asks for, and whether it is there."""
    from packaging.requirements import Requirement

    from zoo.discovery import CORE
    from zoo.requirements import Installed, canonical

    installed = Installed()
    core = installed.package(CORE)
    needed_by: dict[str, list[str]] = {}
    status: dict[str, str] = {}
    for requirement in map(Requirement, core.requires if core else ()):
        name, marker = canonical(requirement.name), requirement.marker
        if name == CORE:
            continue
        owners = needed_by.setdefault(name, [])
        if marker is None or marker.evaluate({"extra": ""}):
            owners.append("zoo")
        elif core:
            owners += sorted(each for each in core.extras if marker.evaluate({"extra": each}))
        package = installed.package(name)
        if package is None:
            status[name] = "missing"
        elif not requirement.specifier.contains(package.version, prereleases=True):
            status[name] = f"needs {requirement.specifier}"
    return [
        {
            "name": name,
            "version": package.version if package else "",
            "status": status.get(name, "ok"),
            "needed_by": owners,
        }
        for name, owners in sorted(needed_by.items())
        for package in [installed.package(name)]
    ]


def _extras() -> list[dict[str, Any]]:
    """Return for each extra whether it is complete, and the command that completes it."""
    from zoo.discovery import CORE
    from zoo.requirements import Installed, install_command

    installed = Installed()
    core = installed.package(CORE)
    return [
        {
            "name": extra,
            "status": "incomplete" if problems else "ok",
            "problems": [str(problem) for problem in problems],
            "remedy": install_command(CORE, extra) if problems else "",
        }
        for extra in sorted(core.extras if core else ())
        for problems in [installed.problems(CORE, extra)]
    ]


def _places() -> dict[str, str]:
    import os
    import shutil

    from zoo.settings import cache_folder, config_path, home

    folder = _existing(home())
    usage = shutil.disk_usage(folder)
    return {
        "home": str(home()),
        "settings": str(config_path()) if config_path().exists() else "none",
        "cache": str(cache_folder()),
        "store": _store(),
        "writable": "yes" if os.access(folder, os.W_OK) else f"no: {folder}",
        "disk": f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB",
    }


def _store() -> str:
    """Return what of the network is kept on this machine."""
    from zoo.errors import StorageError
    from zoo.store import contents, store_folder

    try:
        kept = contents()
    except StorageError as error:
        return f"{store_folder()}, damaged: {error.message}"
    size = sum(each.size for each in kept)
    return f"{store_folder()}, {len(kept)} kept, {size / 1e6:.1f} MB" if kept else "empty"


def _existing(path: Path) -> Path:
    """Return the nearest folder at or above `path` that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _devices() -> list[dict[str, str]]:
    from zoo.startup import hold_back_stderr, load_tensorflow

    load_tensorflow()
    with hold_back_stderr():
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        details = [tf.config.experimental.get_device_details(each) for each in devices]
    return [
        {"device": device.name, "name": str(detail.get("device_name", device.device_type))}
        for device, detail in zip(devices, details, strict=True)
    ]
