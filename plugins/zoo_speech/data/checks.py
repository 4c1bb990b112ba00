"""What would make a model of speech useless, or its figures dishonest."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from zoo import Batch, Finding
from zoo_speech.audio.look import Look
from zoo_speech.data.clips import Clip

_SILENT = 1e-3
"""Peak below which nothing is heard, 60 dB below full scale."""
_CLIPPED = 1e-3
"""Share of samples at full scale from which a recording sounds harsh."""
_OTHER_LENGTH = 0.5, 0.1
"""Seconds, and share, by which a manifest may err about the length of a recording."""
_FASTEST = 40.0
"""Characters a second that nobody speaks."""
_OF_SCRIPT = 0.05
"""Share of the letters below which a script is not one of those a text is written in."""
_JAPANESE = ("HIRAGANA", "KATAKANA", "HALFWIDTH", "IDEOGRAPHIC")
"""How names of letters begin that are written beside Chinese ones."""
_NAMED = 5
_APART = {
    "speaker": "Figures say how well these speakers are recognised, not how well new ones are.",
    "file": "Segments of one file sound alike: figures on them are too good. Keep each file in "
    "one split.",
}
"""What should be in one split alone, and what to say where it is not."""


def sound_findings(clips: Sequence[Clip], looks: Sequence[Look], rate: int) -> Iterator[Finding]:
    """Yield what is to be said of how recordings sound, of those that can be read."""
    lower = sum(look.native < rate for look in looks)
    if lower:
        message = f"{lower:,} of {len(looks):,} recordings have fewer than {rate:,} samples a "
        message += f"second, such as {min(look.native for look in looks):,}."
        hint = "What is lacking stays silent. If all are so: --set data.rate=..."
        yield Finding("note", "low-rate", message, "", hint)
    for clip, look in zip(clips, looks, strict=True):
        if look.peak < _SILENT:
            message = f"It is silent: its loudest sample is {look.peak:.1g} of full scale."
            hint = "Record again, or remove it."
            if look.channels > 1:
                hint = "If its channels cancel each other out, give one of them alone."
            yield Finding("warning", "silent", message, clip.name, hint)
        elif look.clipped > _CLIPPED:
            message = f"It is clipped: {look.clipped:.1%} of its samples stand at full scale."
            yield Finding("warning", "clipped", message, clip.name, "Record again at a lower gain.")
        if clip.duration is not None and clip.seconds is None:
            seconds, share = _OTHER_LENGTH
            if abs(look.seconds - clip.duration) > max(seconds, share * clip.duration):
                message = f"It is {look.seconds:.2f} s long; the manifest says {clip.duration:g} s."
                yield Finding("warning", "wrong-duration", message, clip.name)


def shared_findings(splits: Mapping[str, Batch]) -> Iterator[Finding]:
    """Yield how many speakers and files of validation and test are also in train."""
    for column, hint in _APART.items():
        known = set(splits["train"][column])
        for name in ("validation", "test"):
            own = set(splits[name][column]) - {""}
            if both := sorted(own & known):
                more = " and others" if len(both) > _NAMED else ""
                message = f"{len(both):,} of {len(own):,} {column}s of {name} are also in train: "
                message += f"{', '.join(map(str, both[:_NAMED]))}{more}."
                yield Finding("warning", f"{column}-across-splits", message, name, hint)


def spoken_alphabet(texts: Iterable[str]) -> str:
    """Return the characters of normalised texts that can be read aloud, sorted.

    These are letters of the scripts that texts are written in and of no script, marks on them,
    what joins and parts them, apostrophes and spaces; digits and signs are not, as they are
    spoken in many ways.
    """
    counts = Counter(character for text in texts for character in text)
    scripts: Counter[str] = Counter()
    for character, count in counts.items():
        if unicodedata.category(character)[0] == "L":
            scripts[_script(character)] += count
    least = _OF_SCRIPT * scripts.total()
    used = {each for each, count in scripts.items() if count >= least or not each}
    return "".join(sorted(each for each in counts if _is_spoken(each, used)))


def text_problems(text: str, seconds: float, alphabet: str) -> Iterator[tuple[str, str]]:
    """Yield code and message of whatever makes a normalised text useless for training.

    Args:
        text: what is said.
        seconds: for how long.
        alphabet: characters it may have.
    """
    if not text:
        yield "empty-text", "It has no text, or one without a letter."
    if foreign := sorted(set(text) - set(alphabet)):
        shown = " ".join(map(repr, foreign[:_NAMED]))
        yield "outside-alphabet", f"Its text has characters outside the alphabet: {shown}."
    if len(text) > _FASTEST * seconds:
        message = f"Its text has {len(text)} characters for {seconds:.2f} s; nobody speaks so fast."
        yield "too-fast", message


def class_counts(splits: Mapping[str, Batch], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return for each split the examples of each class."""
    return {
        name: {each: int(np.sum(columns["label"] == each)) for each in classes}
        for name, columns in splits.items()
    }


def _script(character: str) -> str:
    """Return the script of a letter; empty for one of any script, such as a letter apostrophe."""
    if unicodedata.category(character) == "Lm":
        return ""
    script = unicodedata.name(character, "?").split()[0]
    return "CJK" if script in _JAPANESE else script


def _is_spoken(character: str, scripts: set[str]) -> bool:
    kind = unicodedata.category(character)[0]
    return (
        character in " '\u200c\u200d"
        or kind == "M"
        or (kind == "L" and _script(character) in scripts)
    )
