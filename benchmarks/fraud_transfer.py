"""Does a source portfolio help where few labels are known?

    python benchmarks/fraud_transfer.py TRANSACTIONS.parquet [SEEDS]

The source is a portfolio of our own simulator with other amounts and two columns that the
target does not have. The target is the public simulated data of the Fraud Detection Handbook
under the protocol of `fraud.py`, of which only a share of the transactions gets a label: the
others neither train nor count as known frauds. Both use the recipe as it is.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import numpy as np
from fraud import PROTOCOL

import zoo

SHARES = (0.01, 0.1, 1.0)
SOURCE = {
    "data.cards": 3000,
    "data.terminals": 6000,
    "data.currency": 3.0,
    "data.further_columns": True,
    "evaluation.baselines": False,
}


def main() -> None:
    path, seeds = sys.argv[1], range(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    with tempfile.TemporaryDirectory() as runs:
        source = zoo.train("fraud", settings=SOURCE, runs=runs)
        print(f"source: {value(source):.3f} average precision on its own test split", flush=True)
        print("share of labels | from scratch | from the source | gain", flush=True)
        for share in SHARES:
            settings = {
                **PROTOCOL,
                "data.label_share": share,
                "evaluation.baselines": False,
                "evaluation.samples": 0,
                "train.validate_every": 1000,  # the last weights are kept, so none is needed
            }
            scratch, transfer = (
                [value(train(path, settings, seed, weights, runs)) for seed in seeds]
                for weights in ("", str(source.path))
            )
            gain = np.subtract(transfer, scratch)
            print(
                f"{share:15.0%} | {spread(scratch)} | {spread(transfer)} | {spread(gain)}",
                flush=True,
            )


def train(path: str, settings: dict[str, Any], seed: int, weights: str, runs: str) -> zoo.Run:
    settings = {**settings, "seed": seed}
    return zoo.train("fraud", data=path, settings=settings, weights=weights, runs=runs)


def value(run: zoo.Run) -> float:
    return run.evaluation["systems"][0]["values"]["average_precision"]["value"]


def spread(values: Any) -> str:
    return f"{np.mean(values):+.3f} (sd {np.std(values):.3f})"


if __name__ == "__main__":
    main()
