"""Datasets of TensorFlow Datasets that hold recordings.

They are copied once, as FLAC files with a manifest, so that a recording can be read alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from zoo import DataError, publish_folder, tfds_builder, tfds_fingerprint
from zoo_speech.data.clips import Listing
from zoo_speech.data.manifests import read as read_manifest

_USUAL_RATE = 16_000
_TEXTS = ("text", "sentence", "transcript", "transcription")
_SPEAKERS = ("speaker", "speaker_id", "client_id")
_LABELS = ("label", "command", "word", "class")
_MANIFEST = "manifest.jsonl"


class _Fields(NamedTuple):
    """Where a dataset keeps what is needed; empty where it has no such thing."""

    audio: str
    rate: int
    text: str
    speaker: str
    label: str


def read(name: str, cache: Path) -> Listing:
    """Read a TFDS dataset.

    Args:
        name: of the dataset, perhaps with configuration and version.
        cache: a folder that the copies are put in.

    Raises:
        DataError: there is no such dataset, it has no recordings, or it is not here and may
            not be fetched.
    """
    builder = tfds_builder(name)
    fields = _fields(builder.info.features, name)
    folder = cache / f"tfds-{tfds_fingerprint(builder)}"
    if not folder.exists():
        with publish_folder(folder) as temporary:
            _copy(builder, fields, temporary)
    return read_manifest(folder / _MANIFEST)


def _fields(features: Mapping[str, Any], name: str) -> _Fields:
    import tensorflow_datasets as tfds

    kinds = tfds.features
    audio = next((key for key, each in features.items() if isinstance(each, kinds.Audio)), "")
    if not audio:
        raise DataError(
            f"The TFDS dataset {name} has no recordings.",
            hint=f"Its features are {', '.join(features)}.",
        )

    def named(usual: tuple[str, ...], *kind: type) -> str:
        found = [key for key, each in features.items() if not kind or isinstance(each, kind)]
        return next((each for each in usual if each in found), "")

    rate = features[audio].sample_rate or _USUAL_RATE
    labels = [key for key, each in features.items() if isinstance(each, kinds.ClassLabel)]
    label = named(_LABELS, kinds.ClassLabel) or next(iter(labels), "")
    return _Fields(audio, int(rate), named(_TEXTS, kinds.Text), named(_SPEAKERS), label)


def _copy(builder: Any, fields: _Fields, folder: Path) -> None:
    """Write each recording as a file, and a manifest of them all."""
    with (folder / _MANIFEST).open("w", encoding="utf-8") as manifest:
        for split in sorted(builder.info.splits):
            (folder / split).mkdir()
            for number, example in enumerate(_examples(builder, split)):
                row = _row(builder.info.features, fields, example)
                row |= {"audio_filepath": f"{split}/{number:07d}.flac", "split": split}
                samples = _samples(example[fields.audio])
                soundfile.write(folder / row["audio_filepath"], samples, fields.rate, "PCM_16")
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")


def _examples(builder: Any, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield the examples of a split, whether in TFRecord or array_record."""
    import tensorflow_datasets as tfds

    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        source = builder.as_data_source(split)
        return (source[row] for row in range(len(source)))
    return iter(tfds.as_numpy(builder.as_dataset(split)))


def _row(features: Any, fields: _Fields, example: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        key: _as_text(example[name])
        for key, name in (("text", fields.text), ("speaker", fields.speaker))
        if name
    }
    if fields.label:
        row["label"] = features[fields.label].int2str(int(example[fields.label]))
    return row


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _samples(audio: Any) -> np.ndarray:
    """Return audio of 16-bit integers or of floats as 16 bits."""
    audio = np.asarray(audio)
    if audio.dtype.kind == "f":
        return audio
    return np.clip(audio, -(2**15), 2**15 - 1).astype(np.int16)
