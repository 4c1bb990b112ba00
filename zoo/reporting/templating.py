"""The environments of the templates: in both, every value is escaped unless marked safe."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from zoo.reporting import palette, wording


@cache
def html() -> jinja2.Environment:
    """Return the environment of HTML templates, where every value is escaped."""
    return _filled(jinja2.Environment(**_templates(), autoescape=True))


@cache
def markdown() -> jinja2.Environment:
    """Return the environment of Markdown templates, where every value is escaped."""
    environment = _filled(jinja2.Environment(**_templates(), finalize=_escape_markdown))
    environment.filters["code"] = _code
    environment.filters["block"] = _block
    return environment


def _templates() -> dict[str, Any]:
    return {
        "loader": jinja2.PackageLoader("zoo.reporting"),
        "undefined": jinja2.ChainableUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }


def _filled(environment: jinja2.Environment) -> jinja2.Environment:
    """Give templates the words and colours they share."""
    for function in (wording.plain, wording.title, wording.label, wording.moment):
        environment.filters[function.__name__] = function
    environment.globals.update(light=palette.LIGHT, dark=palette.DARK)
    return environment


def _escape_markdown(value: Any) -> Any:
    """Return text that Markdown shows as it is, on one line; markup passes unchanged."""
    if isinstance(value, Markup):
        return value
    text = " ".join(str("" if value is None else value).split())
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\_", text)


def _code(value: Any) -> Markup:
    """Return text as a span of Markdown code."""
    text = " ".join(str(value).replace("`", "'").split()).replace("|", "\\|")
    return Markup(f"`{text}`")


def _block(value: Any, language: str = "") -> Markup:
    """Return text as a fenced block of Markdown code that the text cannot close."""
    longest = max((len(run) for run in re.findall("`+", str(value))), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{str(value).rstrip()}\n{fence}")
