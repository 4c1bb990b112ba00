"""Time and peak memory from raw transactions to features, by size.

    python benchmarks/fraud_features.py 1 3 10

simulates so many million transactions, brings them to standard form and computes the
features of the default settings, each size in a process of its own. On a busy machine
the CPU time tells how the work grows with the size.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROWS_OF_A_CARD = 2 * 0.97 * 183
"""Two a day on average, a few of which fall outside the day, for half a year."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", type=float, nargs="*", default=[1, 3, 10])
    parser.add_argument("--memory-gb", type=float, default=4.0, help="DuckDB's share of it")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.millions[0], options.memory_gb)))
        return
    print("        rows   simulate    convert   features      peak   CPU a million")
    for millions in options.millions:
        command = [sys.executable, __file__, "--one", str(millions)]
        command += ["--memory-gb", str(options.memory_gb)]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(run.stdout.splitlines()[-1])
        each = (row["convert_cpu"] + row["features_cpu"]) / row["rows"] * 1e6
        print(
            f"{row['rows']:>12,} {row['simulate']:>8.1f} s {row['convert']:>8.1f} s "
            f"{row['features']:>8.1f} s {row['peak']:>6.2f} GB {each:>7.1f} s",
            flush=True,
        )


def measure(millions: float, memory_gb: float) -> dict[str, float]:
    """Return the number of rows, seconds and CPU seconds of each step, and peak GB."""
    from zoo_fraud.datasets import Simulator
    from zoo_fraud.feature_files import compute
    from zoo_fraud.preparation import standardise
    from zoo_fraud.reading import connect, open_table
    from zoo_fraud.schema import resolve

    cards = round(millions * 1e6 / ROWS_OF_A_CARD)
    simulator = Simulator(cards=cards, terminals=2 * cards, days=183)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        with clock(seconds, "simulate"):
            source = simulator.training_source(0, cache)
        with connect(cache, memory_gb) as connection:
            with clock(seconds, "convert"):
                table = open_table(connection, source.path, cache)
                schema, _ = resolve(table.kinds, source.given, source.path)
                standard = standardise(connection, table, schema, cache, "")
            with clock(seconds, "features"):
                settings = simulator.feature_settings(seed=0)
                features = compute(connection, standard, schema, settings, cache)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return {**seconds, "rows": features.rows, "peak": peak}


@contextmanager
def clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    start, start_cpu = time.perf_counter(), time.process_time()
    yield
    seconds[name] = time.perf_counter() - start
    seconds[f"{name}_cpu"] = time.process_time() - start_cpu


if __name__ == "__main__":
    main()
