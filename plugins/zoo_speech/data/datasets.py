"""Where recordings come from: the user's files, or a TFDS dataset.

Generated ones are in :mod:`zoo_speech.generator.datasets`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from zoo import (
    Batch,
    Columns,
    ConfigError,
    Data,
    DataError,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    GroupedSplits,
    class_findings,
    copy_findings,
    equal_pairs,
    fingerprint,
    limited_findings,
    object_column,
    setting,
)
from zoo_speech.audio.likeness import SIDE, same_recordings
from zoo_speech.audio.look import Look, look_at
from zoo_speech.audio.recording import MAX_SECONDS, Recording
from zoo_speech.data import checks, formats, manifests
from zoo_speech.data.clips import Clip
from zoo_speech.text import TextForm

_FOLDER = "speech"
_SHOWN = 20
"""Findings of a kind that a report names one by one; a check names many times as many."""
_UNTOLD = "Nothing is said of it that could be measured against."
_HIDDEN = ("split", "content", "picture", "seconds", "file")
"""Columns that tasks do not see."""


class Heard(NamedTuple):
    """Recordings that can be read.

    Attributes:
        columns: of the examples, with `id`, `recording`, `file`, `length`, `seconds`, `label`,
            `text`, `speaker`, `group`, `split`, `content` and `picture`; empty where nothing is
            known.
        findings: what is wrong with them and with the others.
    """

    columns: Batch
    findings: list[Finding]

    def without(self, bad: np.ndarray) -> Heard:
        """Return the same without the rows at which `bad` is true."""
        columns = {name: column[~bad] for name, column in self.columns.items()}
        return Heard(columns, self.findings)

    def warn(self, row: int, code: str, message: str, hint: str = "") -> None:
        """Say what is wrong with a row."""
        place = str(self.columns["id"][row])
        self.findings.append(Finding("warning", code, message, place, hint))


@dataclass(frozen=True, kw_only=True)
class AudioFiles(Dataset, GroupedSplits):
    """Recordings in wav, flac, ogg, mp3 and the like, of any rate and number of channels.

    An example has `id`; `recording`, a :class:`zoo_speech.audio.recording.Recording`;
    `length`, int64, its samples at `info.facts["rate"]`; `group`, whom it must not be parted
    from; and `speaker`, if that is known of all. What is said of them is added by subclasses.

    Class attributes:
        title: what the examples are called in reports.
        labels: the column of what is said of an example.
    """

    title: ClassVar[str]
    labels: ClassVar[str]

    rate: int = setting(
        16_000, "Samples a second at which all recordings are read.", minimum=2000, maximum=192_000
    )
    tfds_rate: int = setting(
        0, "Samples a second of a TFDS dataset that does not say so.", minimum=0, maximum=384_000
    )
    split_by: Literal["speaker", "example"] = setting(
        "speaker",
        "Whether a speaker is in one random split alone, where speakers are known, or each "
        "example is drawn by itself.",
    )
    held_out: str = setting(
        "", "Regular expression for the names of the examples that are the test split."
    )
    min_seconds: float = setting(
        0.05, "Recordings that are shorter are not trained and measured on.", minimum=0
    )
    max_seconds: float = setting(
        60.0, "Recordings that are longer are not trained and measured on.", minimum=0.1
    )

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        data = self._load(seed, cache / _FOLDER)
        return replace(data, findings=limited_findings(data.findings, _SHOWN))

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """See :meth:`zoo.Dataset.check`."""
        try:
            findings = self._load(seed, cache / _FOLDER).findings
        except DataError as error:
            findings = [Finding.unusable(error, self.path)]
        return limited_findings(findings, 50 * _SHOWN)

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read recordings to predict on, with what is said of them if it is of all.

        See :meth:`zoo.Dataset.read`.
        """
        return self._told(self._heard(path, cache / _FOLDER))

    def read_labelled(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read recordings to measure on; those that cannot be measured on are named.

        Where that is so of all, none is left out. See :meth:`zoo.Dataset.read_labelled`.
        """
        heard = self._heard(path, cache / _FOLDER)
        measurable = self.measurable(heard.columns)
        if not measurable.any():
            return self._told(heard)
        for row in np.flatnonzero(~measurable).tolist():
            label = heard.columns[self.labels][row]
            message = f"It is of {label!r}, which the model does not know." if label else _UNTOLD
            heard.warn(row, "not-measured", message, "It is left out.")
        return self._told(heard.without(~measurable))

    @abstractmethod
    def trainable(self, heard: Heard) -> tuple[Heard, dict[str, Any]]:
        """Return the recordings that can be trained on, and facts for `DatasetInfo.facts`.

        Raises:
            DataError: there are none, or not enough.
        """

    @abstractmethod
    def known(self, columns: Batch) -> np.ndarray:
        """Return of which examples it is known what `labels` says, bool [n]."""

    def measurable(self, columns: Batch) -> np.ndarray:
        """Return which examples a model can be measured on, bool [n]."""
        return self.known(columns)

    def label_of(self, clip: Clip, speaker: str) -> str:
        """Return the class that a recording by a speaker is of, empty where unknown."""
        return clip.label

    def split_findings(self, splits: Mapping[str, Batch]) -> Iterable[Finding]:
        """Return what else there is to say of the splits, each as whole columns."""
        return checks.shared_findings(splits)

    def _told(self, heard: Heard) -> tuple[Examples, list[Finding]]:
        """Return the examples, with what is said of them if it is known of all."""
        hidden = {"label", "text"}
        if self.known(heard.columns).all():
            hidden.remove(self.labels)
        columns = self.with_official(_examples(heard.columns), self._official(heard.columns))
        kept = {name: each for name, each in columns.items() if name not in hidden}
        return Columns(kept), heard.findings

    def _load(self, seed: int, cache: Path) -> Data:
        heard, facts = self.trainable(self._of_usual_length(self._heard(self.given_path, cache)))
        columns = heard.columns
        copies = _copies(columns)
        rows, notes = self._split_rows(columns, copies, seed)
        splits = {
            name: {key: each[part] for key, each in columns.items()} for name, part in rows.items()
        }
        seen = _examples(columns).keys()
        classes = facts.get("classes", ())
        info = DatasetInfo(
            name=self.title,
            source=self.path,
            fingerprint=fingerprint(
                self.rate,
                facts,
                {name: self._identity(columns, part) for name, part in rows.items()},
            ),
            counts={name: len(part) for name, part in rows.items()},
            classes=checks.class_counts(splits, classes) if classes else {},
            facts={"rate": self.rate, **facts, **_amounts(columns, rows)},
        )
        findings = [*heard.findings, *notes, *copy_findings(copies, columns["id"], rows)]
        findings += self.split_findings(splits)
        return Data(
            splits={
                name: Columns({key: each[key] for key in seen}) for name, each in splits.items()
            },
            info=info,
            findings=findings,
        )

    def _heard(self, path: str, cache: Path) -> Heard:
        """Look at all recordings at a path.

        Raises:
            DataError: none can be read.
        """
        listing = formats.find(path, cache, self.tfds_rate)
        found = [
            Recording(each.path, self.rate, each.start, each.seconds) for each in listing.clips
        ]
        looks = [_of_any_length(look) for look in look_at(found, cache)]
        findings = list(listing.findings)
        for clip, look in zip(listing.clips, looks, strict=True):
            if look.cause:
                message = f"{clip.path.name} {look.problem}"
                findings.append(Finding("warning", look.cause, message, str(clip.path), look.hint))
        good = [row for row, look in enumerate(looks) if not look.cause]
        if not good:
            raise _nothing_left(path, findings)
        clips, heard = [listing.clips[row] for row in good], [looks[row] for row in good]
        findings += checks.sound_findings(clips, heard, self.rate)
        return Heard(self._columns(clips, [found[row] for row in good], heard), findings)

    def _columns(
        self, clips: Sequence[Clip], recordings: Sequence[Recording], looks: Sequence[Look]
    ) -> Batch:
        names = [clip.name for clip in clips]
        speakers = object_column(clip.speaker for clip in clips)
        if self.group:
            found = self.group_names(names)
            pairs = zip(found, names, strict=True)
            speakers = object_column("" if own == name else own for own, name in pairs)
        files = object_column(str(clip.path) for clip in clips)
        # Silence is not a copy of silence.
        heard = zip(names, looks, strict=True)
        contents = [look.content if look.peak else name for name, look in heard]
        return {
            "id": object_column(names),
            "recording": object_column(recordings),
            "file": files,
            "length": np.array([look.length for look in looks], np.int64),
            "seconds": np.array([look.seconds for look in looks]),
            "label": object_column(map(self.label_of, clips, speakers)),
            "text": object_column(clip.text for clip in clips),
            "speaker": speakers,
            "group": object_column(np.where(speakers == "", files, speakers)),
            "split": object_column(clip.split for clip in clips),
            "content": object_column(contents),
            "picture": object_column(look.picture for look in looks),
        }

    def _of_usual_length(self, heard: Heard) -> Heard:
        """Leave out what is too short or too long to be trained on."""
        seconds = heard.columns["seconds"]
        short, long = seconds < self.min_seconds, seconds > self.max_seconds
        for row in np.flatnonzero(short).tolist():
            message = f"It is {seconds[row]:.3f} s long, expected {self.min_seconds:g} or more."
            heard.warn(row, "too-short", message, "To take it: --set data.min_seconds=0")
        for row in np.flatnonzero(long).tolist():
            message = f"It is {seconds[row]:,.1f} s long, expected {self.max_seconds:g} or less."
            hint = f"Cut it, or: --set data.max_seconds={np.ceil(seconds[row]):.0f}"
            heard.warn(row, "too-long", message, hint)
        return heard.without(short | long)

    def _split_rows(
        self, columns: Batch, copies: np.ndarray, seed: int
    ) -> tuple[dict[str, np.ndarray], list[Finding]]:
        """Split as the user says, then by official lists, then at random by speakers."""
        self._check_held_out(columns["id"])
        official, groups = self._official(columns), columns["group"]
        if self.split_by == "example":
            return self.split(official, np.arange(len(groups)), copies, seed)
        notes: list[Finding] = []
        unknown = columns["speaker"] == ""
        free = ~np.isin(official, ("validation", "test"))
        drawn = [name for name in ("validation", "test") if not np.any(official == name)]
        count = len(set(groups[free]))
        if drawn and count <= len(drawn) < np.sum(free):
            message = f"{count} {'files' if unknown.all() else 'speakers'} are too few for splits "
            message += "of their own, so examples are split one by one: figures do not tell of "
            notes.append(Finding("warning", "few-speakers", f"{message}new speakers.", self.path))
            groups = np.arange(len(groups))
        elif "test" in drawn and unknown.any():
            message = f"Who speaks is not known of {np.sum(unknown):,} of {len(unknown):,} "
            message += "recordings, so a speaker may be in two splits: figures hold for speakers "
            message += "that the model has heard, not for new ones."
            notes.append(Finding("warning", "unknown-speakers", message, self.path, _SPEAKERS))
        rows, found = self.split(official, groups, copies, seed)
        return rows, [*notes, *found]

    def _official(self, columns: Batch) -> np.ndarray:
        """Return the split that each example has to be in, empty where there is none."""
        official, held_out = columns["split"], self._held_out(columns["id"])
        if not held_out.any():
            return official
        kept = np.where(np.isin(official, ("", "test")), "train", official)
        return np.where(held_out, "test", kept)

    def _held_out(self, names: np.ndarray) -> np.ndarray:
        """Return which examples `held_out` fits, bool [n]; none if it is not set."""
        if not self.held_out:
            return np.zeros(len(names), bool)
        pattern = _pattern("held_out", self.held_out)
        return np.array([bool(pattern.search(name)) for name in names])

    def _check_held_out(self, names: np.ndarray) -> None:
        """Raise `ConfigError` if `held_out` fits no example, or all."""
        held_out = self._held_out(names)
        if self.held_out and (held_out.all() or not held_out.any()):
            raise ConfigError(
                f"data.held_out = {self.held_out!r} fits {'all' if held_out.all() else 'none'} of "
                f"the {len(held_out):,} examples, such as {names[0]!r}.",
                hint=r"It has to fit those to test on, for example '^test/' or '_[0-4]\.wav$'.",
            )

    def _identity(self, columns: Batch, rows: np.ndarray) -> list[str]:
        """Return what the examples of a split are, in any order of files."""
        names = ("id", self.labels, "content")
        return sorted("\t".join(str(columns[name][row]) for name in names) for row in rows)


@dataclass(frozen=True, kw_only=True)
class Recordings(AudioFiles):
    """Recordings of classes: in a folder each, named by a manifest or by the files' names.

    Examples have `label`, the name of the class, beside what :class:`AudioFiles` says.
    """

    title: ClassVar[str] = "recordings of classes"
    labels: ClassVar[str] = "label"

    classes: tuple[str, ...] = setting(
        (), "Names of the classes in order; all that occur by default."
    )
    label: str = setting(
        "",
        "Regular expression for the class in an example's name, instead of its folder. Its "
        "first bracket counts, if it has one.",
    )
    classes_are: Literal["labels", "speakers"] = setting(
        "labels",
        "What the classes are: `labels`, or `speakers` where they are known, and labels elsewhere.",
    )

    def label_of(self, clip: Clip, speaker: str) -> str:
        if not self.label:
            return (self.classes_are == "speakers" and speaker) or clip.label
        pattern = _pattern("label", self.label)
        match = pattern.search(clip.name)
        return (match and match[1 if pattern.groups else 0]) or ""

    def trainable(self, heard: Heard) -> tuple[Heard, dict[str, Any]]:
        labels = heard.columns["label"]
        bad = ~np.isin(labels, self.classes) if self.classes else labels == ""
        for row in np.flatnonzero(bad).tolist():
            message = f"{labels[row]!r} is none of the classes." if labels[row] else "It has none."
            heard.warn(row, "no-class", message, _CLASSES)
        kept = heard.without(bad)
        classes = self.classes or tuple(sorted(set(kept.columns["label"])))
        if len(classes) < 2:
            raise DataError(
                f"{self.path} has recordings of {classes[0] if classes else 'no class'}; there "
                "must be two classes or more.",
                hint=_CLASSES,
            )
        del kept.columns["text"]
        return kept, {"classes": list(classes)}

    def known(self, columns: Batch) -> np.ndarray:
        labels = columns["label"]
        return np.isin(labels, self.classes) if self.classes else labels != ""

    def measurable(self, columns: Batch) -> np.ndarray:
        """See :meth:`AudioFiles.measurable`. Speakers can be verified though they are new."""
        known = self.known(columns)
        new = self.classes_are == "speakers" and bool(np.all(columns["speaker"] != ""))
        return np.ones_like(known) if new else known

    def split_findings(self, splits: Mapping[str, Batch]) -> Iterable[Finding]:
        classes = self.classes or sorted({each for own in splits.values() for each in own["label"]})
        yield from class_findings(checks.class_counts(splits, classes))
        yield from super().split_findings(splits)

    def settled(self, info: DatasetInfo) -> Self:
        """Return the dataset with the classes of training in their order."""
        return replace(self, classes=tuple(info.facts["classes"]))


@dataclass(frozen=True, kw_only=True)
class Transcripts(AudioFiles):
    """Recordings with what is said in them.

    Examples have `text` as it was written, beside what :class:`AudioFiles` says.
    `info.facts["alphabet"]` are the characters of normalised texts.
    """

    title: ClassVar[str] = "transcribed recordings"
    labels: ClassVar[str] = "text"

    max_seconds: float = setting(
        40.0, "Recordings that are longer are not trained and measured on.", minimum=0.1
    )
    alphabet: str = setting(
        "",
        "Characters that texts in small letters may have, also a space; by default the letters "
        "that occur.",
    )

    def trainable(self, heard: Heard) -> tuple[Heard, dict[str, Any]]:
        form = TextForm()
        texts = heard.columns["text"]
        unknown = np.array([text is None for text in texts])
        for row in np.flatnonzero(unknown).tolist():
            heard.warn(row, "no-text", "It has no text.", _TEXTS)
        spoken = [form.normalised(text or "") for text in texts]
        alphabet = self.alphabet or checks.spoken_alphabet(spoken)
        bad = unknown.copy()
        for row in np.flatnonzero(~unknown).tolist():
            seconds = heard.columns["seconds"][row]
            for code, message in checks.text_problems(spoken[row], seconds, alphabet):
                bad[row] = True
                heard.warn(row, code, message, "It is left out. Correct it, or data.alphabet.")
        kept = heard.without(bad)
        if not len(kept.columns["id"]):
            folders = manifests.below(self.path)
            choice = (
                f"Give one of the folders in it that have manifests: {', '.join(folders[:10])}."
            )
            raise _nothing_left(self.path, kept.findings, choice if folders else _TEXTS)
        del kept.columns["label"]
        return kept, {"alphabet": list(alphabet)}

    def known(self, columns: Batch) -> np.ndarray:
        return np.array([text is not None for text in columns["text"]])

    def settled(self, info: DatasetInfo) -> Self:
        """Return the dataset with the alphabet of training."""
        return replace(self, alphabet="".join(info.facts["alphabet"]))


_CLASSES = (
    "Put files into a folder for each class, give a manifest with the columns audio_filepath "
    "and label, or say how names tell the class: --set data.label='^([a-z]+)_'. "
    "To learn who speaks: --set data.classes_are=speakers"
)
_SPEAKERS = (
    "Give a manifest with the column speaker, or say how names tell who speaks: "
    "--set data.group='_([a-z]+)_'"
)
_TEXTS = (
    "Give a manifest with audio_filepath and text, or a text file of the same name beside each "
    "recording."
)


def _examples(columns: Batch) -> Batch:
    """Return the columns that tasks see, with `speaker` only if it is known of all examples."""
    hidden = _HIDDEN if np.all(columns["speaker"] != "") else (*_HIDDEN, "speaker")
    return {name: each for name, each in columns.items() if name not in hidden}


def _copies(columns: Batch) -> np.ndarray:
    """Return pairs of rows that are of one recording, int64 [pairs, 2]."""
    equal = equal_pairs(columns["content"])
    unlike = np.setdiff1d(np.arange(len(columns["id"])), equal[:, 1])
    pictures = np.frombuffer(bytes.fromhex("".join(columns["picture"][unlike])), np.uint8)
    found = same_recordings(columns["recording"][unlike], pictures.reshape(-1, SIDE, SIDE))
    return np.concatenate([equal, unlike[found]])


def _amounts(columns: Batch, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return how much there is to hear in each split, and of how many speakers."""
    amounts: dict[str, Any] = {
        "hours": {
            name: round(float(columns["seconds"][each].sum()) / 3600, 4)
            for name, each in rows.items()
        }
    }
    speakers = columns["speaker"]
    if np.any(speakers != ""):
        amounts["speakers"] = {name: len(set(speakers[each]) - {""}) for name, each in rows.items()}
    return amounts


def _of_any_length(look: Look) -> Look:
    """Return the look, as one at something that cannot be used if nobody reads so much at once."""
    if look.seconds < MAX_SECONDS:
        return look
    problem = f"is {look.seconds / 3600:.1f} hours long; expected less than {MAX_SECONDS / 3600:g}."
    return replace(look, cause="too-long", problem=problem, hint="Cut it into parts.")


def _pattern(name: str, text: str) -> re.Pattern[str]:
    """Return a setting as a pattern.

    Raises:
        ConfigError: it is no regular expression.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(
            f"data.{name} = {text!r} is not a regular expression: {error}.",
            hint=r"For example '^([a-z]+)_' or '_[0-4]\.wav$'.",
        ) from error


def _nothing_left(path: str, findings: Sequence[Finding], hint: str = "") -> DataError:
    lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
    return DataError("\n".join([f"Nothing at {path} can be used.", *lines]), hint=hint)
