"""Kills a run again and again at random moments, and compares its weights with a whole run's.

python benchmarks/resume.py [KILLS] [SEED]
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = [
    "data.cards=500",
    "train.checkpoint_seconds=0.5",
    "train.stages=[{name = 'first', steps = 600, trainable = ['embedding', 'head']}, "
    "{name = 'all', steps = 600}]",
    "evaluation.baselines=false",
    "evaluation.samples=10",
]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    code = "from zoo.cli import main; import sys; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", *arguments, "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def new_run(runs: Path) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["fraud", "--runs", str(runs), *settings]


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    generator = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        began = time.monotonic()
        assert start(*new_run(runs / "whole")).wait() == 0
        print(f"undisturbed: {time.monotonic() - began:.0f} s")
        process, done = start(*new_run(runs / "killed")), 0
        while done < kills:
            before = newest(runs)
            while process.poll() is None and newest(runs) == before:
                time.sleep(0.05)
            time.sleep(generator.uniform(0, 3))
            if process.poll() is not None:
                print(f"the run ended after {done} kills")
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
            (path,) = (runs / "killed").iterdir()
            print(f"kill {done}: last checkpoint {newest(runs)}", flush=True)
            process = start("--resume", str(path))
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
