"""What follows a training run: a log, a progress bar, a tracking service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from zoo.training.checkpoints import Progress


class Listener:
    """Follows a training run; what a listener has no use for, it leaves as it is here."""

    def __enter__(self) -> Self:
        """Prepare; called before training by whoever begins it."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release what was prepared; called after training, however it ended."""

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        """Called after each step of a stage that has `steps` steps."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Called with what happens on the way, of the kind `event["event"]`.

        | kind | when | besides |
        | --- | --- | --- |
        | `run` | before all others | `path` |
        | `nothing to do` | the run to go on with is finished | `path` |
        | `device` | the devices are chosen | as in `run.json` |
        | `transfer` | weights were carried over | `copied`, `variables`, `parts` |
        | `stage` | a stage begins | `steps`, and `padding`, a share, of batches by tokens |
        | `epoch` | after each validation | `loss`, `validation`, `examples_per_second`, ... |
        """
