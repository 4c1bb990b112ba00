"""Times `zoo --help` and `zoo list` as whole processes, and looks at what they import.

python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HEAVY = ("tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib")
COMMANDS = (["--help"], ["list"], ["list", "--json"])


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def imported(arguments: list[str]) -> set[str]:
    code = (
        "import sys; from zoo.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name for name in done.stderr.split() if name in HEAVY}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    program = [sys.executable, "-c", "from zoo.cli import main; import sys; sys.exit(main())"]
    bare = [sys.executable, "-c", "pass"]
    for name, command in [("python -c pass", bare)] + [
        (f"zoo {' '.join(arguments)}", [*program, *arguments]) for arguments in COMMANDS
    ]:
        seconds(command)
        times = sorted(seconds(command) for _ in range(runs))
        print(
            f"{name:20} median {statistics.median(times) * 1000:5.0f} ms, "
            f"min {times[0] * 1000:.0f}, max {times[-1] * 1000:.0f}"
        )
    for arguments in COMMANDS:
        print(
            f"zoo {' '.join(arguments)}: imports {sorted(imported(arguments)) or 'none'} of {HEAVY}"
        )


if __name__ == "__main__":
    main()
