"""Times the way from `zoo new` to a passed contract suite, for each kind of data.

Each package is made, installed into a fresh environment that sees this one's packages, and
tested by its own tests, the contract suite among them, without an edit.

python benchmarks/new_plugin.py [KIND...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from fresh_environment import borrowing_environment, install, run

from zoo.scaffold import KINDS


def main() -> None:
    for kind in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{kind:8}", way_to_a_passed_suite(kind, Path(folder)), flush=True)


def way_to_a_passed_suite(kind: str, folder: Path) -> str:
    """Return how many seconds the steps take."""
    python = str(borrowing_environment(folder / "environment"))
    package = folder / "package"
    began = time.perf_counter()
    run([python, "-m", "zoo.cli", "new", "mine", "--data", kind, "--into", "package"], cwd=folder)
    install(Path(python), package)
    installed = time.perf_counter()
    outcome = run([python, "-m", "pytest", "-p", "no:cacheprovider"], cwd=package)
    tested = time.perf_counter()
    counts = outcome.strip().splitlines()[-1]
    return f"{tested - began:6.1f} s, of which tests {tested - installed:6.1f} s: {counts}"


if __name__ == "__main__":
    main()
