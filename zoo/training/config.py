"""The settings of training: what each stage trains, for how long and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zoo.components import setting


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of transfer learning.

    A value of None takes the one of :class:`TrainConfig`.
    """

    name: str = setting("all", "Name in logs and reports.")
    when: Literal["always", "transfer", "scratch"] = setting(
        "always", "`transfer`: only if the run starts from weights; `scratch`: only if not."
    )
    trainable: tuple[str, ...] = setting(
        ("*",), "Parts of the model that train, as patterns; all others are frozen."
    )
    epochs: float | None = setting(
        None, "Passes over the training split; may be a fraction. 10 without steps.", minimum=0
    )
    steps: int | None = setting(
        None, "Steps; with epochs as well, whichever is over first.", minimum=1
    )
    learning_rate: float | None = setting(None, "Peak learning rate.", minimum=0)
    layer_decay: float = setting(
        1.0, "Learning rate of a part over that of the next nearer to the output.", minimum=0
    )
    batchnorm: Literal["train", "freeze"] = setting(
        "train", "`freeze` keeps the moving statistics of BatchNormalization."
    )

    def length(self, steps_per_epoch: int) -> int:
        """Return how many steps the stage has."""
        if self.epochs is None and self.steps is not None:
            return self.steps
        epochs = 10.0 if self.epochs is None else self.epochs
        length = max(1, round(epochs * steps_per_epoch))
        return length if self.steps is None else min(length, self.steps)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a recipe trains."""

    stages: tuple[Stage, ...] = setting((Stage(),), "The stages, in order.")
    batch_size: int = setting(32, "Examples in a step.", minimum=1)
    batch_tokens: int = setting(
        0,
        "Tokens in a step, padding included, of examples of alike size; 0 takes "
        "`batch_size` examples.",
        minimum=0,
    )
    optimizer: Literal["adamw", "adam", "sgd"] = setting("adamw", "Update rule.")
    momentum: float = setting(0.9, "Momentum of `sgd`.", minimum=0, maximum=1)
    learning_rate: float = setting(1e-3, "Peak learning rate.", minimum=0)
    schedule: Literal["constant", "cosine", "inverse-sqrt"] = setting(
        "cosine", "Learning rate after warm-up; `inverse-sqrt` is arXiv:1706.03762's."
    )
    warmup: float = setting(
        0.05, "Share of a stage's steps in which the rate rises from 0.", minimum=0, maximum=1
    )
    weight_decay: float = setting(0.0, "Decoupled weight decay (adamw).", minimum=0)
    clip_norm: float | None = setting(None, "Largest global norm of the gradients.", minimum=0)
    accumulate: int = setting(1, "Steps whose gradients are averaged for one update.", minimum=1)
    ema: float | None = setting(
        None,
        "Momentum of a moving average of the weights, which is then what is kept; less at first, "
        "so that the beginning of a stage is forgotten.",
        maximum=1,
    )
    patience: int | None = setting(
        None, "Stop a stage after so many validations without a better metric.", minimum=1
    )
    keep: Literal["best", "last"] = setting(
        "best", "Weights kept after a stage: best on validation, or the last."
    )
    validate_every: float = setting(
        1.0, "Epochs between validations, of which a stage has at most 50.", minimum=0
    )
    checkpoint_seconds: float = setting(
        60.0, "Seconds between checkpoints; 0 writes one a step.", minimum=0
    )
    checkpoints: int = setting(2, "How many checkpoints are kept.", minimum=1)
    memory_gb: float = setting(
        2.0, "Encoded examples are kept in memory up to this size a split.", minimum=0
    )

    @property
    def memory(self) -> int:
        """`memory_gb` in bytes."""
        return int(self.memory_gb * 2**30)
