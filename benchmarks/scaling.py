"""What training by many GPUs would send and how much of their speed would be left, on paper.

    python benchmarks/scaling.py [RECIPE ...]

For each recipe, by default that of each plugin, it counts the parameters and the operations of a
step as `zoo bench` does, and prints what a GPU sends a step and the efficiency expected of 8 to
1,024 GPUs. Nothing is trained.

    sent        = 2 (N - 1) / N * 4 bytes * parameters          a ring all-reduce in float32
    computing   = 3 * operations of a forward pass * examples / (share of peak * peak)
    sending     = sent / bandwidth + 2 log2(N) * latency
    efficiency  = computing / (computing + sending)             nothing overlaps: the worst case

The bandwidth is that of NVLink up to 8 GPUs, and that of the network beyond. The constants are
those of a host with eight H100; the share of the peak is an assumption, not a measurement.
"""

from __future__ import annotations

import math
import sys

import numpy as np

import zoo
from zoo.actions.bench import TRAINING, forward_operations, trainer_of, training_examples
from zoo.api import resolve
from zoo.distribution import distribute

GPUS = (8, 64, 256, 1024)
PEAK, SHARE = 989e12, 0.3  # bfloat16, dense, by NVIDIA's data sheet; assumed
NVLINK, NETWORK = 450e9, 50e9  # bytes a second, GPU and direction: NVLink 4; 400 Gbit/s
LATENCY = 10e-6  # seconds a hop


def main() -> None:
    usable = (plugin.name for plugin in zoo.plugins() if plugin.specs.get("recipe"))
    recipes = sys.argv[1:] or usable  # a plugin's name means its default recipe
    print(
        "| recipe | parameters | examples a GPU | GFLOP a step | sent | computing | "
        + " | ".join(f"{count:,} GPUs" for count in GPUS)
        + " |"
    )
    print("| --- |" + " ---: |" * (5 + len(GPUS)))
    for recipe in recipes:
        print(line(recipe), flush=True)


def line(address: str) -> str:
    recipe = resolve(address)
    examples = training_examples(recipe)
    trainer = trainer_of(recipe, examples, distribute(recipe.strategy))
    batch = trainer.order(0).mean_batch
    rows = np.arange(min(len(examples), 32))  # their mean length counts, where lengths differ
    operations = forward_operations(trainer.model, examples[rows].inputs) or float("nan")
    operations *= TRAINING * batch / len(rows)
    computing = operations / (PEAK * SHARE)
    parameters = trainer.model.count_params()
    shares = [f"{computing / (computing + sending(parameters, count)):.0%}" for count in GPUS]
    sent = 2 * 4 * parameters / 1e6
    return (
        f"| `{recipe.address}` | {parameters / 1e6:.2f} M | {batch:,.0f} | "
        f"{operations / 1e9:,.1f} | {sent:,.1f} MB | {1e3 * computing:.2f} ms | "
        + " | ".join(shares)
        + " |"
    )


def sending(parameters: int, count: int) -> float:
    bandwidth = NVLINK if count <= 8 else NETWORK
    sent = 2 * (count - 1) / count * 4 * parameters
    return sent / bandwidth + 2 * math.log2(count) * LATENCY


if __name__ == "__main__":
    main()
