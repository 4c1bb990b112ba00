"""Reads the blocks and commands of the pages, and carries commands out in this process."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block of a page, and the line its text begins at."""

    page: Path
    line: int
    language: str
    text: str


class Command(NamedTuple):
    """What a reader would type: where it stands and its words, without a comment or pipe."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(self.words)


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of a page that are of this language, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start("text")) + 1, language, match["text"])
        for match in _FENCE.finditer(text)
        if match["language"] == language
    ]


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands in the console blocks of a page: lines that begin with `$`."""
    for block in blocks(page, "console"):
        for number, line in enumerate(block.text.splitlines(), start=block.line):
            if line.startswith("$ "):
                words = shlex.split(line[2:], comments=True)
                end = words.index("|") if "|" in words else len(words)
                yield Command(f"{page.relative_to(ROOT)}:{number}", tuple(words[:end]))


def inline_code(page: Path) -> Iterator[tuple[str, str]]:
    """Yield where code stands in the sentences of a page, and the code."""
    for number, line in enumerate(_without_blocks(page).splitlines(), start=1):
        for code in _CODE.findall(line):
            yield f"{page.relative_to(ROOT)}:{number}", code


def _without_blocks(page: Path) -> str:
    """Return a page with its blocks emptied, so that lines keep their numbers."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
