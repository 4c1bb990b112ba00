"""Labels that name several findings, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SEPARATOR = "|"
NONE = "no finding"
"""The label of an example that is known to have no finding, while data are loaded."""

_NO_FINDING = ("", "no finding", "no findings", "none", "normal", "healthy")
_YES = ("1", "1.0", "true", "yes", "positive", "y")
_NO = ("", "0", "0.0", "false", "no", "negative", "n", "nan")


def joined(names: Iterable[str]) -> str:
    """Return the label of some findings, :data:`NONE` for none."""
    return SEPARATOR.join(sorted(set(names))) or NONE


def split_label(label: str) -> tuple[str, ...] | None:
    """Return the findings that a label names, or None where it does not say."""
    if label == NONE:
        return ()
    return tuple(label.split(SEPARATOR)) if label else None


def read_label(text: str) -> str:
    """Return the label that a table's text means: names with `|`, `;` or `,` between them."""
    names = [name.strip() for name in re.split(r"[|;,]", text)]
    return joined(name for name in names if name.lower() not in _NO_FINDING)


def from_columns(values: Mapping[str, str], classes: Iterable[str]) -> tuple[str, list[str]]:
    """Return the label of a row with a column for each finding, and which are uncertain.

    Args:
        values: of the row, by column.
        classes: names of the findings' columns.
    """
    present, uncertain = [], []
    for name in classes:
        value = values.get(name, "").strip().lower()
        if value in _YES:
            present.append(name)
        elif value not in _NO:
            uncertain.append(name)
    return joined(present), uncertain
