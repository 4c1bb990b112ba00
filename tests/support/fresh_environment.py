"""Environments for packages that are installed in a test, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def borrowing_environment(folder: Path) -> Path:
    """Make a new environment that sees all packages of this one; return its Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    where = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_paths("venv", where)["purelib"])
    borrowed = [sysconfig.get_paths()["purelib"], str(ROOT), str(ROOT / "plugins")]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return python


def install(python: Path, package: Path) -> None:
    """Install a package as its author would, with what the environment has."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *options]
    run([*command, "--editable", str(package)], cwd=package)


def run(command: list[str], *, cwd: Path, home: Path | None = None) -> str:
    """Run a command and return what it writes.

    Raises:
        AssertionError: it fails; the message holds what it wrote.
    """
    environment = {"PATH": os.environ["PATH"], "ZOO_HOME": str(home or cwd / "home")}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
