"""What `zoo train` costs a step over a bare Keras `fit` of the same model and batches.

Also how fast the input pipeline is alone, as a multiple of the training step's rate.

    python benchmarks/overhead.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras

from zoo.api import resolve
from zoo.data.examples import EncodedExamples
from zoo.data.order import Order
from zoo.data.pipeline import training_batches
from zoo.distribution import distribute
from zoo.settings import cache_folder
from zoo.training.checkpoints import Checkpoints
from zoo.training.loop import Trainer

STEPS = 300


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    recipe = resolve("fraud", settings={"data.cards": 1000})
    data = recipe.dataset.load(seed=0, cache=cache_folder())
    preprocessing = recipe.task.prepare(data.splits["train"], data.info)
    examples = EncodedExamples(data.splits["train"], preprocessing, 2**31)
    distribution = distribute(recipe.strategy)
    order = Order(len(examples), distribution.batch_size(recipe.train.batch_size), seed=0)

    def batches():
        return training_batches(examples, order, start=0, steps=STEPS)

    def build() -> keras.Model:
        with distribution.scope():
            return recipe.model.build(preprocessing.space)

    def bare() -> float:
        model = build()
        model.compile(keras.optimizers.AdamW(1e-3), recipe.task.loss(preprocessing.space))
        clock = _Clock()
        tick = keras.callbacks.LambdaCallback(on_train_batch_end=clock.tick)
        model.fit(batches(), verbose=0, shuffle=False, callbacks=[tick])
        return clock.seconds_a_step()

    def ours(folder: Path) -> float:
        model = build()
        stage = type(recipe.train.stages[0])(steps=STEPS)
        clock = _Clock()
        Trainer(
            model=model,
            parts=recipe.model.parts(model),
            loss=recipe.task.loss(preprocessing.space),
            config=recipe.train,
            stages=[stage],
            examples=examples,
            distribution=distribution,
            seed=0,
            checkpoints=Checkpoints(folder),
            listeners=[clock],
        ).run()
        return clock.seconds_a_step()

    def pipeline() -> float:
        began = time.perf_counter()
        for _ in batches():
            pass
        return (time.perf_counter() - began) / STEPS

    ratios, margins = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain, full, alone = bare(), ours(Path(folder)), pipeline()
        ratios.append(full / plain)
        margins.append(plain / alone)
        print(
            f"round {number}: bare fit {plain * 1000:.2f} ms, zoo {full * 1000:.2f} ms a step, "
            f"pipeline alone {alone * 1000:.2f} ms"
        )
    print(f"zoo / bare fit: median {statistics.median(ratios):.3f} ({_range(ratios)})")
    print(f"pipeline rate / step rate: median {statistics.median(margins):.1f} ({_range(margins)})")


class _Clock:
    """Times the steps after the first twenty, in which the step is traced."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, *_: object, logs: object = None) -> None:
        self.times.append(time.perf_counter())

    def on_step(self, progress: object, steps: int, loss: float) -> None:
        self.tick()

    def on_event(self, event: dict[str, object]) -> None:
        pass

    def seconds_a_step(self) -> float:
        return (self.times[-1] - self.times[20]) / (len(self.times) - 21)


def _range(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


if __name__ == "__main__":
    main()
