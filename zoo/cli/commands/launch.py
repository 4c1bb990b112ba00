"""`zoo launch`: several workers of one command, on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from zoo.cli.output import Output
from zoo.cli.parser import Commands, count
from zoo.cluster import free_port
from zoo.errors import ConfigError, ExitCode, WorkerError

if TYPE_CHECKING:
    from types import FrameType

_COMMANDS = ("train", "evaluate", "predict", "bench")
_PATIENCE = 15.0
"""Seconds in which workers may end by themselves after one has failed."""


def register(commands: Commands) -> None:
    """Declare the command."""
    launch = commands.add(
        "launch",
        _launch,
        "Start several workers of one command on this machine.",
        examples=[
            "zoo launch --workers 2 -- train fraud",
            "zoo launch --workers 4 -- train vision --strategy jax-data-parallel",
        ],
        details="Each worker's lines begin with its number. If one fails, all are ended, and the\n"
        "exit code is its own. Where there are GPUs, each worker gets an equal share of them.",
    )
    launch.add_argument("--workers", type=count, required=True, metavar="N", help="how many")
    launch.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="a command of zoo"
    )


def _launch(arguments: argparse.Namespace, out: Output) -> ExitCode:
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words or words[0] not in _COMMANDS:
        raise arguments.parser.complaint(
            f"workers share {', '.join(_COMMANDS[:-1])} or {_COMMANDS[-1]}, "
            f"not {words[0] if words else 'nothing'}",
            "Write the command after --, such as: zoo launch --workers 2 -- train fraud.",
        )
    workers = _start(words, arguments.workers)
    with _passing_on_signals(workers):
        return _await(workers, out)


@dataclass
class _Worker:
    """A worker that was started.

    Attributes:
        index: its number.
        process: its process.
        readers: the threads that pass on what it writes.
    """

    index: int
    process: subprocess.Popen[bytes]
    readers: Sequence[threading.Thread]


def _start(words: Sequence[str], size: int) -> list[_Worker]:
    coordinator = os.environ.get("ZOO_COORDINATOR") or f"127.0.0.1:{free_port()}"
    shares = _gpu_shares(size)
    turn = threading.Lock()
    workers = []
    for index in range(size):
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "ZOO_COORDINATOR": coordinator,
            "ZOO_WORKERS": str(size),
            "ZOO_WORKER": str(index),
        }
        if shares:
            environment["CUDA_VISIBLE_DEVICES"] = shares[index]
        process = subprocess.Popen(
            [sys.executable, "-m", "zoo.cli", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if index == 0 else subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt of the terminal comes through this process
        )
        streams = [process.stderr, process.stdout] if index else [process.stderr]
        readers = [
            threading.Thread(target=_pass_on, args=(index, stream, turn), daemon=True)
            for stream in streams
        ]
        for reader in readers:
            reader.start()
        workers.append(_Worker(index, process, readers))
    return workers


def _pass_on(index: int, stream: IO[bytes], turn: threading.Lock) -> None:
    """Write a worker's lines to standard error, each behind its number."""
    for line in stream:
        with turn:
            sys.stderr.write(f"[{index}] {line.decode('utf-8', 'replace').rstrip()}\n")
            sys.stderr.flush()


def _await(workers: Sequence[_Worker], out: Output) -> ExitCode:
    """Wait for all workers; once one has failed, end the others."""
    failed = None
    while failed is None and any(each.process.poll() is None for each in workers):
        failed = next((each for each in workers if each.process.poll()), None)
        time.sleep(0.1)
    failed = failed or next((each for each in workers if each.process.poll()), None)
    if failed is not None:
        _end(workers)
    for each in workers:
        for reader in each.readers:
            reader.join(2.0)
    if failed is None:
        return ExitCode.OK
    first = _cause(workers, failed)
    code = first.process.returncode
    if code < 0:
        raise WorkerError(
            f"Worker {first.index} was ended by the signal {signal.Signals(-code).name}.",
            hint="Go on with `zoo launch --workers N -- train --resume RUN`.",
        )
    out.warn(f"Worker {first.index} ended with exit code {code}; its own lines say why.")
    return ExitCode(code) if code in set(ExitCode) else ExitCode.BUG


def _cause(workers: Sequence[_Worker], failed: _Worker) -> _Worker:
    """Return the worker that failed by itself, and not because another did."""
    by_itself = (
        each for each in workers if each.process.returncode not in (0, None, ExitCode.WORKER)
    )
    return next(by_itself, failed)


def _end(workers: Sequence[_Worker]) -> None:
    """Let workers end by themselves, then by force."""
    end = time.monotonic() + _PATIENCE
    for each in workers:
        try:
            each.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()


@contextmanager
def _passing_on_signals(workers: Sequence[_Worker]) -> Iterator[None]:
    """Within it, an interrupt goes to worker 0, which writes a checkpoint and ends the others."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        if workers[0].process.poll() is None:
            workers[0].process.send_signal(signal.SIGINT)

    previous: dict[int, Any] = {
        number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for each in workers:
            if each.process.poll() is None:
                each.process.kill()


def _gpu_shares(size: int) -> list[str]:
    """Return the GPUs of each worker as CUDA lists them; empty where there are none.

    Raises:
        ConfigError: there are GPUs, but fewer than workers.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [] if visible == "" else _all_gpus()
    if not gpus:
        return []
    if len(gpus) < size:
        raise ConfigError(
            f"There are {len(gpus)} GPUs for {size} workers.",
            hint='Use fewer workers, or none of the GPUs with CUDA_VISIBLE_DEVICES="".',
        )
    share = len(gpus) // size
    return [",".join(gpus[index * share : (index + 1) * share]) for index in range(size)]


def _all_gpus() -> list[str]:
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()
