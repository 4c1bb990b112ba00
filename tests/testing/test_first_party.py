"""The first-party plugins keep the contract that is asked of third parties."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from detection_files import save, write_coco
from pyarrow import csv
from zoo_fraud.simulator import Portfolio, simulate

from zoo.testing import PluginContract

_HEAVY = "Minutes on two cores; tests/plugins/vision builds and trains it in its smallest size."


class TestFraud(PluginContract):
    plugin = "fraud"

    @pytest.fixture
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        return {"sequence": {"data.history_length": 4}}

    @pytest.fixture
    def user_files(self, tmp_path: Path) -> Path:
        portfolio = Portfolio(cards=20, terminals=10, terminals_compromised=1, days=5)
        path = tmp_path / "bad.csv"
        csv.write_csv(pa.concat_tables(simulate(portfolio, seed=0)), path)
        with path.open("a") as stream:
            stream.write("not a transaction\n")
        return path


class TestVision(PluginContract):
    plugin = "vision"

    @pytest.fixture
    def datasets(self, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        return {"boxes": {"path": str(write_coco(tmp_path_factory.mktemp("boxes")))}}

    @pytest.fixture
    def user_files(self, tmp_path: Path) -> Path:
        save(tmp_path / "pictures" / "good.png")
        (tmp_path / "pictures" / "bad.png").write_bytes(b"not a picture")
        return tmp_path / "pictures"

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        return {f"test_*[{name}]": _HEAVY for name in ("yolov8", "retinanet", "dfine")}
