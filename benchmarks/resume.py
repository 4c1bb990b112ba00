"""Kills a run again and again at random moments, and compares its weights with a whole run's.

python benchmarks/resume.py [--kills 10] [--seed 0] [--workers 1]

With several workers one of them is killed each time, and the others have to end by themselves.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SETTINGS = [
    "data.cards=500",
    "train.checkpoint_seconds=0.5",
    "train.stages=[{name = 'first', steps = 600, trainable = ['embedding', 'head']}, "
    "{name = 'all', steps = 600}]",
    "evaluation.baselines=false",
    "evaluation.samples=10",
]


def start(workers: int, *arguments: str) -> subprocess.Popen[bytes]:
    launch = ["launch", "--workers", str(workers), "--"] if workers > 1 else []
    return subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *launch, "train", *arguments, "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def new_run(runs: Path) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["fraud", "--runs", str(runs), *settings]


def kill(process: subprocess.Popen[bytes], workers: int, generator: random.Random) -> None:
    """Kill a run, or one of its workers, and wait until all of it has ended."""
    whole = psutil.Process(process.pid)
    (generator.choice(whole.children()) if workers > 1 else whole).kill()
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    kills, workers, generator = arguments.kills, arguments.workers, random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        began = time.monotonic()
        assert start(workers, *new_run(runs / "whole")).wait() == 0
        print(f"undisturbed: {time.monotonic() - began:.0f} s")
        process, done = start(workers, *new_run(runs / "killed")), 0
        while done < kills:
            before = newest(runs)
            while process.poll() is None and newest(runs) == before:
                time.sleep(0.05)
            time.sleep(generator.uniform(0, 3))
            if process.poll() is not None:
                print(f"the run ended after {done} kills")
                break
            kill(process, workers, generator)
            done += 1
            (path,) = (runs / "killed").iterdir()
            print(f"kill {done}: last checkpoint {newest(runs)}", flush=True)
            process = start(workers, "--resume", str(path))
        assert process.wait() == 0
        compare(runs)


def newest(runs: Path) -> str:
    """The name of the newest checkpoint of the run that is killed."""
    return max((path.name for path in runs.glob("killed/*/checkpoints/stage-*")), default="")


def compare(runs: Path) -> None:
    import zoo

    whole, killed = (
        zoo.load(next((runs / name).iterdir())).model.get_weights() for name in ("whole", "killed")
    )
    equal = all(a.tobytes() == b.tobytes() for a, b in zip(whole, killed, strict=True))
    print(f"weights: {'bit-equal' if equal else 'DIFFERENT'} ({len(whole)} arrays)")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
