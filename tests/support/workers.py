"""Starts the workers of a cluster on this machine, and waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.cluster import free_port

SUPPORT = Path(__file__).parent


@dataclass(frozen=True)
class Ended:
    """How a worker ended.

    Attributes:
        code: its exit code, negative for a signal.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
    """

    code: int
    output: str
    errors: str


def run_workers(
    size: int,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    own: Mapping[int, Mapping[str, str]] | None = None,
    port: int = 0,
    seconds: float = 300,
) -> list[Ended]:
    """Run `python ARGUMENTS` as so many workers; one that hangs is killed once others ended.

    Args:
        size: how many; 1 is a process on its own.
        arguments: of each.
        environment: variables of all.
        own: variables of some, by their numbers.
        port: of the chief; a free one by default.
        seconds: how long the first may take to end.
    """
    coordinator = f"127.0.0.1:{port or free_port()}"
    processes = []
    scratch = Path(tempfile.mkdtemp(prefix="workers-"))
    files = [(scratch / f"{index}.out", scratch / f"{index}.err") for index in range(size)]
    for index in range(size):
        cluster = {
            "ZOO_COORDINATOR": coordinator,
            "ZOO_WORKERS": str(size),
            "ZOO_WORKER": str(index),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, *arguments],
                env={
                    **os.environ,
                    "PYTHONPATH": str(SUPPORT),
                    "CUDA_VISIBLE_DEVICES": "",
                    "OMP_NUM_THREADS": "1",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "TF_NUM_INTRAOP_THREADS": "1",
                    **(cluster if size > 1 else {}),
                    **(environment or {}),
                    **(own or {}).get(index, {}),
                },
                stdout=files[index][0].open("wb"),
                stderr=files[index][1].open("wb"),
            )
        )
    try:
        for process in processes:
            if not _is_stopped(process.pid):
                process.wait(seconds)
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
    return [
        Ended(process.wait(), *(path.read_text("utf-8") for path in paths))
        for process, paths in zip(processes, files, strict=True)
    ]


def _is_stopped(pid: int) -> bool:
    """Whether a process stands still by a signal, as Linux has it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
