"""What a strategy costs a step: replicas of one device, and two processes that share the cores.

    python benchmarks/distribution.py mirrored    # one mirrored replica beside a single device
    python benchmarks/distribution.py workers     # two processes beside one, on the same cores

Each figure is of `zoo bench` in a process of its own, with the recipe's own sample, and a ratio is
of two that follow one another. The first is that of the median round, the others its range.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("mirrored", "workers"))
    parser.add_argument("--recipes", nargs="*", default=["fraud", "medical"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    measure = {"mirrored": mirrored, "workers": workers}[arguments.what]
    for recipe in arguments.recipes:
        measure(recipe, arguments.rounds, arguments.steps)


def mirrored(recipe: str, rounds: int, steps: int) -> None:
    """Print the time of a step of one replica over that of a single device."""
    ratios = []
    for _ in range(rounds):
        single, replica = (
            bench(recipe, steps, "--strategy", kind, "--set", "strategy.devices=1")
            for kind in ("single", "mirrored")
        )
        ratios.append(replica["step"] / single["step"])
    print(f"{recipe}: a step of one mirrored replica over one of a single device: {spread(ratios)}")


def workers(recipe: str, rounds: int, steps: int) -> None:
    """Print what two processes wait for one another, and their rate over that of one."""
    shares, ratios = [], []
    for _ in range(rounds):
        one = bench(recipe, steps)
        two = bench(recipe, steps, launch=["launch", "--workers", "2", "--"])
        shares.append(two["communication"] / two["step"])
        rates = (each["batch"] / each["step"] for each in (two, one))
        ratios.append(next(rates) / next(rates))
    print(f"{recipe}: share of communication in a step of two processes: {spread(shares)}")
    print(f"{recipe}: their examples a second over those of one process: {spread(ratios)}")


def bench(recipe: str, steps: int, *options: str, launch: list[str] | None = None) -> Any:
    command = [sys.executable, "-m", "zoo.cli", *(launch or []), "bench", recipe, *options]
    command += ["--steps", str(steps), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def spread(numbers: list[float]) -> str:
    return f"{statistics.median(numbers):.2f} ({min(numbers):.2f} to {max(numbers):.2f})"


if __name__ == "__main__":
    main()
