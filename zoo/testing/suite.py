"""The checks on an installed plugin as it is, without a test file of its own.

``pytest -p zoo.testing.options --pyargs zoo.testing.suite --zoo-plugin NAME``
"""

from __future__ import annotations

from zoo.testing.contract import PluginContract


class TestPlugin(PluginContract):
    """The plugin that `--zoo-plugin` names."""

    plugin = ""
