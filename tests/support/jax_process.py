"""Runs Python in a process of its own whose backend is JAX, on several devices that are one CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_on_jax(script: str, *, devices: int, imports: Path) -> None:
    """Run a script to its end.

    Args:
        script: Python, which raises if anything is wrong.
        devices: into how many the CPU is split.
        imports: a folder whose modules it may import too.

    Raises:
        AssertionError: it raised; says what.
    """
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "jax",
        # Most of the time goes into compiling well what runs once.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    folders = [str(imports), str(Path(__file__).parent)]
    script = f"import sys\nsys.path[:0] = {folders!r}\n{script}"
    command = [sys.executable, "-c", script]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
