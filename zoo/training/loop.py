"""Training through the stages of a recipe, so that a killed run ends as if it had not been.

Each stage is one call of Keras' `fit` over one long stream of batches. All that happens on
the way (validation, early stopping, checkpoints) is keyed by the number of steps done, and
everything a step depends on is in the checkpoint, so a run resumed at step `k` computes
exactly what the undisturbed run computes from there.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.cluster import Group, current
from zoo.components import Augmentation
from zoo.data.examples import EncodedExamples
from zoo.data.order import Order
from zoo.data.pipeline import Shard, training_batches
from zoo.data.sized_order import SizedOrder
from zoo.distribution import Distribution
from zoo.errors import ConfigError, DivergedError
from zoo.training import state
from zoo.training.checkpoints import Checkpoint, Checkpoints, Progress
from zoo.training.config import Stage, TrainConfig
from zoo.training.listeners import Listener
from zoo.training.optimizer import build_optimizer
from zoo.training.stages import Parts, learning_rates, set_trainable

_MOST_VALIDATIONS = 50
"""In a stage: with little data, an epoch is over in no time."""

_WORST = -sys.float_info.max
"""The score of a validation whose metric is no number: worse than any, and fit for JSON."""


@dataclass(frozen=True)
class Validation:
    """How well the weights do on the validation split.

    Attributes:
        values: metrics by name.
        score: the monitored one, signed so that higher is better.
    """

    values: dict[str, float]
    score: float


@dataclass
class Trainer:
    """Takes a model through the stages.

    Attributes:
        model: built under the distribution's scope.
        parts: the model's parts, from input to output.
        loss: what to compile with.
        config: the recipe's training settings.
        stages: the stages to go through.
        examples: the training split.
        distribution: devices and precision.
        seed: decides the order of examples.
        checkpoints: where to write them, or None to write none.
        validate: measures the model on the validation split, or None without one.
        augment: applied to training batches in the graph.
        listeners: who is told.
        group: the workers of the run.
        salvaged: whether training diverged and the model holds its best weights.
    """

    model: keras.Model
    parts: Parts
    loss: Any
    config: TrainConfig
    stages: Sequence[Stage]
    examples: EncodedExamples
    distribution: Distribution
    seed: int
    checkpoints: Checkpoints | None = None
    validate: Callable[[], Validation] | None = None
    augment: Augmentation | None = None
    listeners: Sequence[Listener] = field(default_factory=list)
    group: Group = field(default_factory=current)
    salvaged: bool = False

    def run(self, checkpoint: Checkpoint | None = None) -> Progress:
        """Train what is left after `checkpoint`, or everything.

        Raises:
            DivergedError: the loss is no number; the best weights so far, if any, are in the
                model, and `salvaged` is set.
            KeyboardInterrupt: the user or the system asked to stop; a checkpoint is written.
        """
        progress = checkpoint.progress if checkpoint else Progress()
        if checkpoint is not None and progress.step == 0:  # it lies between two stages
            state.restore(self.model, checkpoint.arrays, between_stages=True)
            checkpoint = None
        for index in range(progress.stage, len(self.stages)):
            stage, order = self.stages[index], self.order(index)
            steps = stage.length(order.steps_per_epoch)
            self.compile(stage, steps)
            loop = _StageLoop(self, stage, order, steps, progress)
            if checkpoint is not None:
                loop.resume(checkpoint)
                checkpoint = None
            if progress.step < steps and not loop.out_of_patience():
                self._fit(loop)
            elif self.config.ema is not None:  # the end of `fit` would have done this
                self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            loop.finish()
            progress.stage, progress.step = index + 1, 0
            progress.best, progress.best_epoch, progress.waited = None, 0.0, 0
            self._save_between_stages(progress)
            if loop.interrupted:  # after the last step, as none was left to notice it
                raise KeyboardInterrupt
        return progress

    def order(self, index: int) -> Order | SizedOrder:
        """Return the order of examples in a stage: one of its own, from the run's seed."""
        seed = self.seed * 1000 + index
        if not self.config.batch_tokens:
            batch_size = self.distribution.batch_size(self.config.batch_size)
            return Order(len(self.examples), batch_size, seed)
        if self.examples.sizes is None:
            raise ConfigError(
                "train.batch_tokens is set, but these examples are all of one size.",
                hint="Set train.batch_size instead, and train.batch_tokens=0.",
            )
        tokens = self.distribution.total(self.config.batch_tokens)
        return SizedOrder(self.examples.sizes, tokens, seed, self.distribution.replicas)

    def tell(self, event: dict[str, Any]) -> None:
        """Pass an event on to all listeners."""
        for listener in self.listeners:
            listener.on_event(event)

    def compile(self, stage: Stage, steps: int) -> None:
        """Make the model ready for a stage of so many steps."""
        set_trainable(self.parts, stage)
        factor = self.distribution.learning_rate_factor
        with self.distribution.devices.scope():
            optimizer = build_optimizer(
                self.config,
                stage,
                self.model.trainable_variables,
                steps=steps,
                scale=factor,
                rates=learning_rates(self.parts, stage.layer_decay),
                adapt=self.distribution.devices.optimizer,
            )
            self.model.compile(optimizer, self.loss, jit_compile=self.distribution.jit_compile)
            if not self.model.optimizer.built:  # float16 wraps the optimizer in another
                self.model.optimizer.build(self.model.trainable_variables)

    def _fit(self, loop: _StageLoop) -> None:
        done = loop.progress.step

        def batches(shard: Shard) -> tf.data.Dataset:
            return training_batches(
                self.examples,
                loop.order,
                start=done,
                steps=loop.steps - done,
                shard=shard,
                augment=self.augment,
                progress=self._share_done(loop.progress.stage),
            )

        with loop.stop_signals(), self.distribution.devices.running():
            self.model.fit(
                self.distribution.devices.feed(batches),
                steps_per_epoch=loop.steps - done,
                shuffle=False,
                verbose=0,
                callbacks=[loop],
            )

    def _share_done(self, index: int) -> Callable[[int], float]:
        """Return what share of the run's steps is done before a step of a stage."""
        epoch = self.order(index).steps_per_epoch
        lengths = [stage.length(epoch) for stage in self.stages]
        return lambda step: (sum(lengths[:index]) + step) / sum(lengths)

    def _save_between_stages(self, progress: Progress) -> None:
        if self.checkpoints is not None:
            arrays = state.capture(self.model, between_stages=True)
            self.checkpoints.save(Checkpoint(progress, arrays))


class _StageLoop(keras.callbacks.Callback):
    """What happens between the steps of one stage."""

    def __init__(
        self,
        trainer: Trainer,
        stage: Stage,
        order: Order | SizedOrder,
        steps: int,
        progress: Progress,
    ) -> None:
        super().__init__()
        self.trainer = trainer
        self.stage = stage
        self.order = order
        self.steps = steps
        self.progress = progress
        self.best: list[np.ndarray] = []
        interval = round(trainer.config.validate_every * order.steps_per_epoch)
        self.interval = max(1, interval, steps // _MOST_VALIDATIONS)
        self._resumed: dict[str, np.ndarray] = {}
        self.interrupted = False
        self._saved_at = self._counted_at = time.monotonic()
        self._paced = (progress.step, progress.seconds)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Set the model to a checkpoint within the stage."""
        self.best = checkpoint.best
        state.restore(self.trainer.model, checkpoint.arrays)
        self._resumed = checkpoint.arrays

    def finish(self) -> None:
        """Leave the stage's chosen weights in the model."""
        if self.best and self.trainer.config.keep == "best":
            self.trainer.model.set_weights(self.best)

    def out_of_patience(self) -> bool:
        """Whether so many validations brought nothing better that the stage ends."""
        patience = self.trainer.config.patience
        return patience is not None and self.progress.waited >= patience

    # What Keras calls

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._resumed:  # `fit` has just reset the running means that were restored
            state.restore(self.model, self._resumed)
            self._resumed = {}
        if self.progress.step == 0:
            event: dict[str, Any] = {"event": "stage", "steps": self.steps}
            if isinstance(self.order, SizedOrder):
                event["padding"] = round(self.order.padding, 4)
            self.trainer.tell(self._event(event))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.progress.step += 1
        step, loss = self.progress.step, float((logs or {})["loss"])
        if not math.isfinite(loss):
            self._diverged()
        self.trainer.group.done(step)
        for listener in self.trainer.listeners:
            listener.on_step(self.progress, self.steps, loss)
        if step % self.interval == 0 or step == self.steps:
            self._end_epoch(loss)
        self._checkpoint()
        if self.interrupted:
            raise KeyboardInterrupt

    # What happens then

    def _end_epoch(self, loss: float) -> None:
        self.model.reset_metrics()
        epoch = self.progress.step / self.order.steps_per_epoch
        event: dict[str, Any] = {"event": "epoch", "epoch": round(epoch, 3), "loss": loss}
        event["learning_rate"] = float(
            keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        )
        event |= self._pace()
        if self.trainer.validate is not None:
            event["validation"] = self._validate(epoch)
        self._count_time()
        self._paced = (self.progress.step, self.progress.seconds)
        self.trainer.tell(self._event(event))
        if self.out_of_patience():
            self.model.stop_training = True

    def _validate(self, epoch: float) -> dict[str, float]:
        assert self.trainer.validate is not None
        raw = state.weights(self.model) if self.trainer.config.ema is not None else None
        if raw is not None:  # measure, and keep, the averaged weights
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        result = self.trainer.validate()
        score = _WORST if math.isnan(result.score) else result.score
        if self.progress.best is None or score > self.progress.best:
            self.progress.best, self.progress.best_epoch = score, epoch
            self.progress.waited = 0
            self.best = state.weights(self.model)
        else:
            self.progress.waited += 1
        if raw is not None:
            self.model.set_weights(raw)
        return result.values

    def _checkpoint(self) -> None:
        checkpoints = self.trainer.checkpoints
        due = time.monotonic() - self._saved_at >= self.trainer.config.checkpoint_seconds
        if checkpoints is None or not (due or self.interrupted):
            return
        self._count_time()
        arrays = state.capture(self.model, metrics=self.trainer.group.size == 1)
        checkpoints.save(Checkpoint(self.progress, arrays, self.best))
        self._saved_at = time.monotonic()

    def _diverged(self) -> None:
        kept = "No epoch was over yet, so there are no good weights to keep."
        if self.best:
            self.model.set_weights(self.best)
            self.trainer.salvaged = True
            kept = f"The best weights so far, of epoch {self.progress.best_epoch:g}, are kept."
        raise DivergedError(
            f"The loss is not a number at step {self.progress.step} of stage "
            f"{self.stage.name!r}. {kept}",
            hint="Lower train.learning_rate, set train.clip_norm=1.0, or train in float32 with "
            "strategy.precision=float32.",
        )

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        place = {
            "stage": self.stage.name,
            "stage_index": self.progress.stage,
            "step": self.progress.step,
        }
        return {**event, **place}

    def _pace(self) -> dict[str, float]:
        """Return the time of the run so far, and time and speed since the last validation."""
        self._count_time()
        step, seconds = self._paced
        spent = max(self.progress.seconds - seconds, 1e-9)
        examples = (self.progress.step - step) * self.order.mean_batch
        return {
            "seconds": round(self.progress.seconds, 3),
            "spent": round(spent, 3),
            "examples_per_second": round(examples / spent, 2),
        }

    def _count_time(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._counted_at
        self._counted_at = now

    def stop_signals(self) -> _StopSignals:
        """Within it, an interrupt ends training after the step, with a checkpoint."""

        def stop() -> None:
            self.interrupted = True

        group = self.trainer.group
        group.when_asked_to_stop = stop
        return _StopSignals(stop if group.is_chief else group.ask_to_stop)


class _StopSignals:
    """Turns SIGINT and SIGTERM into a call, for as long as it is entered.

    Only the main thread may set signal handlers; elsewhere it does nothing.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._stop()
