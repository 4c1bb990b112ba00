"""The contract that every plugin of keras-domain-zoo keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import own_files
import pytest
from zoo.testing import PluginContract


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as a user has them, one of them damaged."""
    return own_files.write(tmp_path_factory.mktemp("files") / "data").path


class TestContract(PluginContract):
    plugin = "newplugin"

    @pytest.fixture
    def user_files(self, files: Path) -> Path:
        return files

    @pytest.fixture
    def datasets(self, files: Path) -> Mapping[str, Any]:
        return {own_files.DATASET: {"path": str(files)}}
