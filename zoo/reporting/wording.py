"""How values are written for a reader: numbers, durations, dates and names of things."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

NOTHING = "\N{EN DASH}"
"""Stands where a value is missing or undefined."""


def finite(value: Any) -> float | None:
    """Return `value` as a number, or None if it is missing, NaN, infinite or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def decimals(values: Iterable[float | None]) -> int:
    """Return how many decimals show the largest of `values` to three or four figures."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest == 0.0:
        return 3
    exponent = math.floor(math.log10(largest))
    return min(max(3 - exponent - (exponent < 0), 0), 8)


def number(value: float | None, places: int) -> str:
    """Return `value` with `places` decimals, or a dash for None."""
    return NOTHING if value is None else f"{value:,.{places}f}"


def plain(value: Any) -> str:
    """Return any JSON value as short text."""
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if math.isfinite(value) else NOTHING
        case Mapping():
            return "; ".join(f"{label(key)}: {plain(inner)}" for key, inner in value.items())
        case list() | tuple():
            return ", ".join(plain(inner) for inner in value)
        case _:
            return str(value)


def label(key: Any) -> str:
    """Return a key such as `examples_per_second` as words."""
    return str(key).replace("_", " ")


def title(key: Any) -> str:
    """Return a key as words that begin with a capital letter."""
    words = label(key)
    return words[:1].upper() + words[1:]


def duration(seconds: float | None) -> str:
    """Return seconds as the two largest units that matter, such as ``2 min 31 s``."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(examples_per_second: float) -> str:
    """Return a speed, with a decimal where it is slow."""
    places = 0 if examples_per_second >= 100 else 1
    return f"{examples_per_second:,.{places}f} examples per second"


def carried_over(event: Mapping[str, Any]) -> str:
    """Return what a `transfer` event says of each part of the model, as one phrase."""
    parts = []
    for name, count in (event.get("parts") or {}).items():
        copied, variables = count["copied"], count["variables"]
        if copied == 0:
            parts.append(f"{name} begins anew")
        else:
            parts.append(f"{name} {'whole' if copied == variables else f'{copied} of {variables}'}")
    whole = f"{event['copied']:,} of {event['variables']:,} variables carried over"
    return f"{whole} ({', '.join(parts)})" if parts else whole


def moment(text: str | None) -> str:
    """Return an ISO 8601 time as ``14 March 2026, 10:22 UTC``; other text as it is."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time.day} {time:%B %Y, %H:%M %Z}".rstrip()
