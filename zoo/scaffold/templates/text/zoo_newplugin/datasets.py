"""Where texts come from: the user's files, or the generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo

from zoo_newplugin.words import words


@dataclass(frozen=True, kw_only=True)
class LabelledTexts(zoo.LabelledRows):
    """Texts in the user's files; an example has `text`.

    Texts of the same words count as copies, whatever their case and spaces.
    """

    title: ClassVar[str] = "texts"

    text: str = zoo.setting("text", "Column of the text.")

    @property
    def required(self) -> tuple[str, ...]:
        return (self.text,)

    def parse(self, rows: Sequence[zoo.TableRow]) -> zoo.ParsedRows:
        texts = [row.values[self.text] for row in rows]
        contents = [" ".join(words(text)) for text in texts]
        return zoo.ParsedRows(
            columns={"text": zoo.object_column(texts), "content": zoo.object_column(contents)},
            problems={
                number: f"The column {self.text!r} has no words."
                for number, content in enumerate(contents)
                if not content
            },
        )


@dataclass(frozen=True, kw_only=True)
class Messages(zoo.GeneratedData):
    """What customers write: complaints, praise, questions and requests.

    Complaints and praise share their words; it is `not` that tells them apart.
    """

    classes: ClassVar[tuple[str, ...]] = ("complaint", "praise", "question", "request")
    files: ClassVar[type[zoo.LabelledData]] = LabelledTexts

    examples: int = zoo.setting(1000, "How many, all splits together.", minimum=20)

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        sentence = _SENTENCES[label](rng)
        before, after = _pick(rng, _OPENINGS), _pick(rng, _CLOSINGS)
        return {"text": " ".join(part for part in (before, sentence, after) if part)}


_OPENINGS = ("", "", "Hello,", "Good morning,", "Dear all,", "I bought this in {} and", "Well,")
_CLOSINGS = ("", "", "Thank you.", "Best wishes", "I have been a customer for {} years.")
_THINGS = ("the chair", "the delivery", "the coat", "your shop", "the manual", "the lamp")
_GOOD = ("good", "quick", "comfortable", "reliable", "friendly", "clear")
_BAD = ("bad", "slow", "broken", "noisy", "rude", "confusing")
_WISHES = ("send me an invoice", "cancel my order", "change my address", "call me back")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    text = choices[int(rng.integers(len(choices)))]
    return text.format(_NUMBERS[rng.integers(len(_NUMBERS))])


def _opinion(rng: np.random.Generator, *, happy: bool) -> str:
    """Return an opinion, half of the time by denying the opposite."""
    denied = rng.random() < 0.5
    word = _pick(rng, _GOOD if happy != denied else _BAD)
    other = _pick(rng, _BAD if happy != denied else _GOOD)
    first = f"{_pick(rng, _THINGS)} is {'not ' if denied else ''}{word}"
    return f"{first} and {'' if denied else 'not '}{other}."


def _question(rng: np.random.Generator) -> str:
    start = _pick(rng, ("is", "why is", "do you know if", "can you say whether"))
    return f"{start} {_pick(rng, _THINGS)} {_pick(rng, _GOOD + _BAD)}?"


def _request(rng: np.random.Generator) -> str:
    start = _pick(rng, ("please", "could you", "I would like you to", "can you"))
    return f"{start} {_pick(rng, _WISHES)} about {_pick(rng, _THINGS)}."


_SENTENCES = {
    "complaint": lambda rng: _opinion(rng, happy=False),
    "praise": lambda rng: _opinion(rng, happy=True),
    "question": _question,
    "request": _request,
}
