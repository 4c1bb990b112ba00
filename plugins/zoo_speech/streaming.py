"""Recognises speech while it comes in, and says at the end what `zoo predict` says of the whole.

.. code-block:: python

    stream = Stream(zoo.load("runs/..."))
    for samples in microphone:              # float32 at stream.rate, of any length
        if record := stream.feed(samples):  # once a second
            print(record["text"])
    print(stream.record())
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import zoo
from zoo_speech.decoding.timing import timed_words
from zoo_speech.preprocessing import TranscriptPreprocessing
from zoo_speech.tasks.transcribe import Transcribe, written
from zoo_speech.tasks.windows import parts_of


@dataclass(frozen=True)
class Received:
    """What came in so far, as a recording.

    Attributes:
        samples: float32 [samples].
        rate: samples a second.
    """

    samples: np.ndarray
    rate: int

    def read(self, start: int = 0, end: int | None = None) -> np.ndarray:
        """Return the samples from `start` to before `end`."""
        return self.samples[start:end]


class _Text:
    """What is written of a stream; frames that stay as they are are searched once.

    Args:
        task: decodes.
        preprocessing: of the bundle.
    """

    def __init__(self, task: Transcribe, preprocessing: TranscriptPreprocessing) -> None:
        self._task = task
        self._cut = task.cut(preprocessing)
        self._rate = preprocessing.rate
        self._symbols = ("", *preprocessing.alphabet)
        self._search = task.search(self._symbols)
        self._heard = 0

    def predictions(self, outputs: list[zoo.Batch], windows: zoo.Batch) -> zoo.Batch:
        """Return what `Transcribe.decode` says of the outputs of all windows so far."""
        frames = [each["log_probs"][0] for each in outputs]
        parts, samples = parts_of(frames, windows["length"], self._cut)
        for part in parts[self._heard : -1]:
            self._search.hear(part)
        self._heard = len(parts) - 1
        search = self._search.copy()
        search.hear(parts[-1])
        frame = samples / self._rate
        return written([timed_words(search.said(), frame, self._symbols, self._task.unit)])


class Stream:
    """A recording that is recognised while it comes in.

    The network sees the windows, or stretches, that it sees of a file; those that are whole
    are run once and kept. So `record` says the same as a prediction of the file with the same
    samples would, up to rounding: probabilities within 1e-4. All samples are kept, 4 bytes each.

    Args:
        bundle: of a task of this plugin.
        every: seconds between two updates.
    """

    def __init__(self, bundle: zoo.Bundle, every: float = 1.0) -> None:
        self._task = bundle.task
        self._preprocessing = cast(Any, bundle.preprocessing)  # one of this plugin's, with a rate
        self._decision = bundle.decision
        predict = bundle.task.predictor(bundle.model, bundle.preprocessing)
        self._run = predict or bundle.model.predict_on_batch
        self.rate: int = self._preprocessing.rate
        self._every = every * self.rate
        self._buffer = np.zeros(0, np.float32)
        self._heard = self._said = 0
        self._kept: dict[tuple[int, int], Any] = {}
        task = bundle.task
        self._text = _Text(task, self._preprocessing) if isinstance(task, Transcribe) else None

    def feed(self, samples: np.ndarray) -> dict[str, Any] | None:
        """Take in samples.

        Args:
            samples: float [samples] at `rate`, within -1 and 1.

        Returns:
            what is recognised of all samples so far, as in `predictions.jsonl`; None until
            there is so much more to hear. The end of a text may change as more is heard.

        Raises:
            DataError: they are not what is expected.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.all(np.isfinite(samples)):
            raise zoo.DataError(
                f"A stream was fed samples of shape {samples.shape}, or with values that are no "
                "finite numbers.",
                hint=f"Feed one channel, float32 [samples] at {self.rate} Hz, within -1 and 1.",
            )
        self._append(samples)
        return self.record() if self._heard - self._said >= self._every else None

    def record(self) -> dict[str, Any]:
        """Return what is recognised of all samples so far, as in `predictions.jsonl`.

        Raises:
            DataError: there are none.
        """
        if not self._heard:
            raise zoo.DataError("A stream has been fed no samples.", hint="Call `feed` first.")
        self._said = self._heard
        examples = {
            "id": zoo.object_column(["stream"]),
            "recording": zoo.object_column([Received(self._buffer[: self._heard], self.rate)]),
            "length": np.array([self._heard], np.int64),
        }
        windows = zoo.all_rows(self._task.windows(zoo.Columns(examples), self._preprocessing))
        outputs = self._outputs(windows)
        if self._text:
            predictions = self._text.predictions(outputs, windows)
        else:
            restored = self._task.restore(
                _together(outputs), windows, examples, self._preprocessing
            )
            predictions = self._task.decode(restored, self._decision)
        return next(self._task.records(examples, predictions))

    def _append(self, samples: np.ndarray) -> None:
        """Take in samples; the buffer doubles when it is full."""
        needed = self._heard + len(samples)
        if needed > len(self._buffer):
            grown = np.zeros(2 * needed, np.float32)
            grown[: self._heard] = self._buffer[: self._heard]
            self._buffer = grown
        self._buffer[self._heard : needed] = samples
        self._heard = needed

    def _outputs(self, windows: zoo.Batch) -> list[Any]:
        """Return what the network says of each window; it is run for those that are new."""
        starts = windows.get("start", np.zeros(len(windows["id"]), np.int64))
        keys = list(zip(starts.tolist(), self._preprocessing.seen(windows).tolist(), strict=True))
        found = {}
        for row, key in enumerate(keys):
            if key not in self._kept:
                window = {name: column[row : row + 1] for name, column in windows.items()}
                raw = self._run(self._preprocessing.inputs(window))
                found[key] = self._task.reduce(raw, self._preprocessing)
            else:
                found[key] = self._kept[key]
        self._kept = found
        return [found[key] for key in keys]


def _together(outputs: list[Any]) -> Any:
    """Return the outputs of windows as one batch."""
    if isinstance(outputs[0], dict):
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}
    return np.concatenate([np.asarray(each) for each in outputs])
