"""Shows how training gets on: a bar on a terminal, a line for each epoch in a pipe."""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zoo.training.listeners import Listener

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress, TaskID

    from zoo.cli.output import Output
    from zoo.training.checkpoints import Progress as Place

_REFRESH_SECONDS = 0.1
_MOST_VALUES = 4
"""Of a validation, as a line is no longer; the report has them all."""


class Progress(Listener):
    """A listener that notes where the run is and a line for each epoch.

    Attributes:
        run: the folder of the run, once it is known.
    """

    def __init__(self, out: Output) -> None:
        self.run: Path | None = None
        self._out = out

    def on_event(self, event: dict[str, Any]) -> None:
        """Note what a user wants to know of it."""
        match event["event"]:
            case "run":
                self.run = self.run or Path(event["path"])
                self._out.note(f"Run: {event['path']}")
            case "device":
                self._out.note(f"Device: {event['why']}")
            case "nothing to do":
                self._out.note(f"{event['path']} is finished: there was nothing left to do.")
            case "transfer":
                from zoo.reporting.wording import carried_over

                self._out.note(f"Weights: {carried_over(event)}")
            case "stage" if "padding" in event:
                self._out.note(f"Batches of alike sizes: {event['padding']:.1%} padding")
            case "epoch":
                self._out.note(epoch_line(event))


class Bar(Progress):
    """A listener that shows a bar for each stage as well."""

    def __init__(self, out: Output) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as RichProgress,
            TextColumn,
            TimeRemainingColumn,
        )

        super().__init__(out)
        self._bars: RichProgress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4g}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            redirect_stdout=False,
            transient=True,
        )
        self._bar: TaskID | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def on_step(self, progress: Place, steps: int, loss: float) -> None:
        """Move the bar, but not more often than the eye can follow."""
        now = time.monotonic()
        if progress.step < steps and now - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = now
        if self._bar is None:
            self._bar = self._bars.add_task("", loss=loss)
        self._bars.update(
            self._bar,
            description=f"stage {progress.stage + 1}",
            total=steps,
            completed=progress.step,
            loss=loss,
        )


def progress_for(out: Output) -> Progress:
    """Return the listener that suits where standard error goes."""
    return Bar(out) if sys.stderr.isatty() and not out.quiet else Progress(out)


def epoch_line(event: dict[str, Any]) -> str:
    """Return an epoch's event as one line, with the first few of its metrics."""
    from zoo.reporting.wording import duration, label, rate

    parts = [event["stage"], f"epoch {event['epoch']:g}", f"loss {event['loss']:.4g}"]
    for name, value in islice((event.get("validation") or {}).items(), _MOST_VALUES):
        parts.append(f"{'validation loss' if name == 'loss' else label(name)} {value:.4g}")
    if "spent" in event:
        parts.append(duration(event["spent"]))
    if "examples_per_second" in event:
        parts.append(rate(event["examples_per_second"]))
    return "  ".join(parts)
