"""The first-party plugins keep the contract that is asked of third parties."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from detection_files import save, write_coco
from medical_files import save_mask, save_scan
from pyarrow import csv
from speech_files import RATE, tone, write, write_digits, write_jsonl
from zoo_fraud.simulator import Portfolio, simulate
from zoo_translation.generator.sentences import draw

from zoo.testing import PluginContract

pytestmark = pytest.mark.usefixtures("two_blocks")

_HEAVY = "Minutes on two cores; tests/plugins/{} builds and trains it in its smallest size."
_ALIKE = "As `{}` but for its head, its labels and its length: `test_recipe_trains` is enough."
_ONCE_MORE = ("recipe_resumes", "recipe_is_equal", "bundle", "data")
"""Checks that train a recipe once more, or ask another process, which does."""


def _equal(recipe: str) -> Mapping[str, str]:
    """Leave out what tests/zoo/test_equality.py checks of a recipe, and more closely."""
    reason = "tests/zoo/test_equality.py trains it on one device, two devices and more processes."
    return {f"test_recipe_is_equal_on_two_replicas[{recipe}]": reason}


class TestFraud(PluginContract):
    plugin = "fraud"

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        return _equal("finetune")

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
    def trial(self) -> Mapping[str, Any]:
        """Without the classical detector, which tests/recipes runs: it takes half of a run."""
        return {"evaluation.baselines": False}

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
        reason = _HEAVY.format("vision")
        heavy = {f"test_*[{name}]": reason for name in ("yolov8", "retinanet", "dfine")}
        return {**heavy, **_equal("finetune")}


class TestMedical(PluginContract):
    plugin = "medical"

    @pytest.fixture
    def datasets(self, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        folder = tmp_path_factory.mktemp("scans")
        for row, patient in enumerate(np.repeat(np.arange(20), 2)):
            kind = ("normal", "lesion")[patient % 2]
            save_scan(
                folder / "images" / kind / f"p{patient:02d}_{row}.png", row, lesion=patient % 2
            )
            save_scan(folder / "pairs" / "images" / f"p{patient:02d}_{row}.png", row, lesion=True)
            save_mask(folder / "pairs" / "masks" / f"p{patient:02d}_{row}.png", row)
        group = r"(p\d+)_"
        return {
            "images": {"path": str(folder / "images"), "group": group},
            "scans": {"path": str(folder / "images"), "group": group},
            "masks": {"path": str(folder / "pairs"), "group": group},
        }

    @pytest.fixture
    def user_files(self, tmp_path: Path) -> Path:
        folder = tmp_path / "scans"
        save_scan(folder / "good.png", 0, lesion=True)
        (folder / "bad.png").write_bytes(b"not a picture")
        return folder

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        heavy, alike = _HEAVY.format("medical"), _ALIKE.format("classify")
        unlabelled = _ALIKE.format("contrast")
        halves = "As `classify` but for its loss, which tests/plugins/medical asks of halves."
        return {
            **{f"test_*[{name}]": heavy for name in ("vit", "efficientnet", "segformer")},
            **{f"test_{each}_*[findings]": alike for each in _ONCE_MORE},
            **{f"test_{each}_*[pretrain]": unlabelled for each in ("bundle", "data")},
            "test_recipe_resumes_*[contrast]": "As `pretrain` but for its head and its loss.",
            **{f"test_recipe_is_equal_*[{name}]": halves for name in ("pretrain", "segment")},
            **_equal("classify"),
        }


class TestSpeech(PluginContract):
    plugin = "speech"

    @pytest.fixture
    def datasets(self, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        folder = tmp_path_factory.mktemp("recordings")
        said = ("one two", "two", "three one")
        rows = [
            {"audio_filepath": f"{number}.wav", "text": said[number % 3], "speaker": number % 6}
            for number in range(36)
        ]
        for number, row in enumerate(rows):
            write(folder / "talks" / row["audio_filepath"], tone(number))
        named = {"label": r"^(\d)_", "group": r"^\d_(\w+)_", "rate": RATE}
        talks = write_jsonl(folder / "talks" / "manifest.jsonl", rows)
        return {
            "recordings": {"path": str(write_digits(folder / "digits")), **named},
            "transcripts": {"path": str(talks), "rate": RATE},
        }

    @pytest.fixture
    def user_files(self, tmp_path: Path) -> Path:
        write(tmp_path / "recordings" / "good.wav", tone(0))
        (tmp_path / "recordings" / "bad.wav").write_bytes(b"RIFF")
        return tmp_path / "recordings"

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        heavy, alike = _HEAVY.format("speech"), "As `keywords` without files, but for its length."
        runs = ("recipe", "bundle", "data", "predict")
        return {
            **{f"test_*[{name}]": heavy for name in ("whisper", "moonshine")},
            **{f"test_{each}_*[voices]": alike for each in runs},
            **{f"test_{each}_*[speakers]": _ALIKE.format("keywords") for each in _ONCE_MORE},
            **{f"test_{each}_*[keywords]": _ALIKE.format("transcribe") for each in _ONCE_MORE},
            **_equal("transcribe"),
        }


class TestTranslation(PluginContract):
    plugin = "translation"

    @pytest.fixture
    def datasets(self, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
        pairs = islice(draw(np.random.default_rng(0)), 60)
        path.write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
        return {"pairs": {"path": str(path), "source": "en", "target": "de"}}

    @pytest.fixture
    def user_files(self, tmp_path: Path) -> Path:
        texts = tmp_path / "texts"
        texts.mkdir()
        (texts / "good.txt").write_text("It is half past nine.\nI paid 14 euros.\n")
        (texts / "bad.txt").write_text("No UTF-8.", encoding="utf-16")
        return texts

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        heavy, alike = _HEAVY.format("translation"), "As `finetune` but for the model."
        runs = ("recipe", "bundle", "data", "predict")
        return {
            **{f"test_*[{name}]": heavy for name in ("t5", "bart")},
            **{f"test_{each}_*[gru]": alike for each in runs},
            "test_model_runs_on_its_backends": "tests/plugins/translation/test_models.py does it.",
            **_equal("finetune"),
        }
