"""Shows how training gets on: a bar on a terminal, a line for each epoch in a pipe."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from zoo.cli.output import Output
    from zoo.training.checkpoints import Progress as Place

_REFRESH_SECONDS = 0.1


class Progress:
    """A listener that notes where the run is and a line for each epoch.

    Attributes:
        run: the folder of the run, once it is known.
    """

    def __init__(self, out: Output) -> None:
        self.run: Path | None = None
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""

    def on_step(self, progress: Place, steps: int, loss: float) -> None:
        """See :class:`zoo.training.loop.Listener`."""

    def on_event(self, event: dict[str, Any]) -> None:
        """See :class:`zoo.training.loop.Listener`."""
        match event["event"]:
            case "run":
                self.run = self.run or Path(event["path"])
                self._out.note(f"Run: {event['path']}")
            case "device":
                self._out.note(f"Device: {event['why']}")
            case "transfer":
                self._out.note(f"Weights: {event['copied']} of {event['variables']} carried over")
            case "epoch":
                self._out.note(epoch_line(event))


class Bar(Progress):
    """A listener that shows a bar for each stage as well."""

    def __init__(self, out: Output) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
    """Return an epoch's event as one line."""
    from zoo.reporting.wording import duration, label

    parts = [event["stage"], f"epoch {event['epoch']:g}", f"loss {event['loss']:.4g}"]
    for name, value in (event.get("validation") or {}).items():
        parts.append(f"{'validation loss' if name == 'loss' else label(name)} {value:.4g}")
    if "spent" in event:
        parts.append(duration(event["spent"]))
    return "  ".join(parts)
