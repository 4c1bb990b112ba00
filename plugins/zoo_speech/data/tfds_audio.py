"""Datasets of TensorFlow Datasets that hold recordings.

They are copied once, as files with a manifest, so that a recording can be read alone.
Files are called as the dataset calls them, since names often tell who speaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import soundfile

from zoo import DataError, publish_folder, tfds_builder, tfds_fingerprint
from zoo_speech.data.clips import Listing
from zoo_speech.data.manifests import read as read_manifest

_VERSION = 2
"""Rises when copies are made otherwise, so that older ones are not used."""
_NAMES = ("audio/filename", "filename", "file_name", "id")
_LONGEST_NAME = 100
_TEXTS = ("text", "sentence", "transcript", "transcription")
_SPEAKERS = ("speaker", "speaker_id", "client_id")
_LABELS = ("label", "command", "word", "class")
_MANIFEST = "manifest.jsonl"


class _Fields(NamedTuple):
    """Where a dataset keeps what is needed; empty where it has no such thing."""

    audio: str
    name: str
    text: str
    speaker: str
    label: str


def read(name: str, cache: Path, rate: int = 0) -> Listing:
    """Read a TFDS dataset.

    Args:
        name: of the dataset, perhaps with configuration and version.
        cache: a folder that the copies are put in.
        rate: samples a second, where the dataset does not say.

    Raises:
        DataError: there is no such dataset, it has no recordings, it is not here and may not
            be fetched, or nobody says the rate.
    """
    builder = tfds_builder(name)
    fields = _fields(builder.info.features, name)
    feature = builder.info.features[fields.audio]
    rate = int(feature.sample_rate or rate)
    if not rate and not _holds_files(feature):
        raise DataError(
            f"The TFDS dataset {name} does not say how many samples a second it has.",
            hint="Say it, as its documentation does, for example: --set data.tfds_rate=48000",
        )
    folder = cache / f"tfds-{_VERSION}-{rate}-{tfds_fingerprint(builder)}"
    if not folder.exists():
        with publish_folder(folder) as temporary:
            _copy(builder, fields, rate, temporary)
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

    labels = [key for key, each in features.items() if isinstance(each, kinds.ClassLabel)]
    label = named(_LABELS, kinds.ClassLabel) or next(iter(labels), "")
    return _Fields(audio, named(_NAMES), named(_TEXTS, kinds.Text), named(_SPEAKERS), label)


def _copy(builder: Any, fields: _Fields, rate: int, folder: Path) -> None:
    """Write each recording as a file, and a manifest of them all."""
    with (folder / _MANIFEST).open("w", encoding="utf-8") as manifest:
        for split in sorted(builder.info.splits):
            (folder / split).mkdir()
            for number, example in enumerate(_examples(builder, split, fields.audio)):
                sound = example[fields.audio]
                suffix = ".sound" if isinstance(sound, bytes) else ".flac"
                stem = _stem(_as_text(example.get(fields.name, "")))
                path = folder / split / (stem + suffix)
                if not stem or path.exists():
                    path = path.with_name(f"{number:07d}{suffix}")
                if isinstance(sound, bytes):
                    path.write_bytes(sound)
                else:
                    soundfile.write(path, _samples(sound), rate, "PCM_16")
                row = _row(builder.info.features, fields, example)
                row |= {"audio_filepath": f"{split}/{path.name}", "split": split}
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")


def _stem(name: str) -> str:
    """Return the name of a file without its suffix, fit for any file system."""
    return re.sub(r"[^\w.-]", "_", PurePosixPath(name).stem)[:_LONGEST_NAME].strip(".")


def _examples(builder: Any, split: str, audio: str) -> Iterator[Mapping[str, Any]]:
    """Yield the examples of a split, whether in TFRecord or array_record.

    Audio that is kept as an encoded file comes as the bytes of that.
    """
    import tensorflow_datasets as tfds

    encoded = _holds_files(builder.info.features[audio])
    decoders = {audio: tfds.decode.SkipDecoding()} if encoded else None
    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        source = builder.as_data_source(split, decoders=decoders)
        return (source[row] for row in range(len(source)))
    return iter(tfds.as_numpy(builder.as_dataset(split, decoders=decoders)))


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


def _holds_files(feature: Any) -> bool:
    """Return whether audio is kept as encoded files, each of which tells its rate."""
    return bool(feature.to_json_content().lazy_decode)


def _samples(audio: Any) -> np.ndarray:
    """Return audio of 16-bit integers or of floats as 16 bits."""
    audio = np.asarray(audio)
    if audio.dtype.kind == "f":
        return audio
    return np.clip(audio, -(2**15), 2**15 - 1).astype(np.int16)
