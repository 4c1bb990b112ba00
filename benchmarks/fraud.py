"""The fraud recipe beside XGBoost on the same features, in one run.

    python benchmarks/fraud.py TRANSACTIONS.parquet [SEEDS]

The file is the public simulated data of the Fraud Detection Handbook, one Parquet file of
2018-04-01 to 2018-08-14. Protocol of its chapter 5: train on 25 to 31 July 2018, labels
known after 7 days, test on 8 to 14 August without cards known as compromised. Needs
`pip install xgboost-cpu`, or `xgboost`. XGBoost is shown with its defaults and with the best
of four settings on six earlier weeks.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

import zoo
from zoo.api import resolve
from zoo.data.examples import all_rows
from zoo.evaluation.evaluate import measure
from zoo.settings import cache_folder

PROTOCOL = {
    "data.train_start": "2018-07-25",
    "data.train_end": "2018-07-31",
    "data.test_start": "2018-08-08",
    "data.test_end": "2018-08-14",
    "data.validation": "earlier",
}
ALL_HISTORY = {**PROTOCOL, "data.train_start": "2018-05-08", "data.validation": "time"}
DEFAULT: dict[str, Any] = {}
TUNED = {
    "n_estimators": 500,
    "max_depth": 4,
    "learning_rate": 0.02,
    "subsample": 0.7,
    "colsample_bytree": 0.3,
    "min_child_weight": 5,
}
METRICS = ("average_precision", "roc_auc", "card_precision")


def main() -> None:
    path, seeds = sys.argv[1], range(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    compare("One week of training", path, PROTOCOL, seeds)
    compare("All labelled history", path, ALL_HISTORY, seeds[:1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory of this process, all of the above: {peak:.1f} GB")


def compare(title: str, path: str, settings: dict[str, Any], seeds: Sequence[int]) -> None:
    print(f"\n{title}, seeds {list(seeds)}")
    recipe = resolve("fraud", data=path, settings=settings)
    began = time.perf_counter()
    data = recipe.dataset.load(seed=0, cache=cache_folder())
    print(f"features and split: {time.perf_counter() - began:.1f} s, {dict(data.info.counts)}")
    train, test = (all_rows(data.splits[name]) for name in ("train", "test"))

    def ours(seed: int) -> dict[str, float]:
        options = {**settings, "seed": seed, "evaluation.baselines": False}
        with tempfile.TemporaryDirectory() as runs:
            run = zoo.train("fraud", data=path, settings=options, runs=runs)
            values = run.evaluation["systems"][0]["values"]
            return {name: values[name]["value"] for name in METRICS}

    def theirs(options: dict[str, Any]) -> Callable[[int], dict[str, float]]:
        def fit(seed: int) -> dict[str, float]:
            model = xgboost.XGBClassifier(random_state=seed, n_jobs=2, **options)
            model.fit(train["number"], train["label"])
            probability = model.predict_proba(test["number"])[:, 1]
            metrics = recipe.task.metrics(test, {"probability": probability})
            return measure(metrics, len(probability))

        return fit

    model = report("zoo train fraud", ours, seeds)
    for name, options in (("XGBoost, default", DEFAULT), ("XGBoost, tuned", TUNED)):
        peer = report(name, theirs(options), seeds)
        ratio = model["average_precision"] / peer["average_precision"]
        print(f"{'':18} ratio of average precision, ours to it: {ratio:.3f}")


def report(
    name: str, fit: Callable[[int], dict[str, float]], seeds: Sequence[int]
) -> dict[str, float]:
    began = time.perf_counter()
    rows = [fit(seed) for seed in seeds]
    seconds = (time.perf_counter() - began) / len(seeds)
    mean = {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
    spread = {metric: float(np.std([row[metric] for row in rows])) for metric in METRICS}
    figures = ", ".join(
        f"{metric} {mean[metric]:.4f} (sd {spread[metric]:.4f})" for metric in METRICS
    )
    print(f"{name:18} {figures}, {seconds:.1f} s a seed")
    return mean


if __name__ == "__main__":
    assert Path(sys.argv[1]).exists(), f"{sys.argv[1]} does not exist"
    main()
