"""Makes the smallest plugin one of the installed ones."""

from __future__ import annotations

import toy

from zoo.registry import registry


def register_toy() -> None:
    """Register it, unless it is registered already."""
    if "toy" not in {plugin.name for plugin in registry().plugins()}:
        registry().register(toy, "toy")
