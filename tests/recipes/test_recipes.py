"""Each script in recipes/ runs as it is."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import zoo
from zoo.api import resolve

SCRIPTS = sorted((Path(__file__).parents[2] / "recipes").glob("*.py"))

SMALL = {
    "fraud_finetune": {
        "data__cards": "400",
        "data__terminals": "200",
        "data__terminals_compromised": "40",
        "data__days": "60",
        "train__stages": "[{steps = 30}]",
        "evaluation__samples": "20",
    },
    "medical_finetune": {
        "data__count": "60",
        "data__size": "32",
        "model__size": "tiny",
        "train__stages": "[{steps = 3}]",
        "evaluation__samples": "20",
    },
    "speech_finetune": {
        "data__count": "60",
        "data__rate": "8000",
        "model__size": "tiny",
        "train__stages": "[{steps = 3}]",
        "evaluation__samples": "20",
    },
    "translation_finetune": {
        "data__count": "200",
        "task__beams": "1",
        "task__pieces": "400",
        "train__batch_tokens": "1024",
        "train__stages": "[{steps = 3}]",
        "evaluation__samples": "20",
    },
    "vision_finetune": {
        "data__images": "20",
        "data__objects": "4",
        "data__width": "96",
        "data__height": "96",
        "task__size": "96",
        "model__size": "nano",
        "train__stages": "[{steps = 3}]",
        "evaluation__samples": "20",
    },
}
"""Settings that make a script quick: the script itself stays as it is."""

BASELINES = {
    "fraud_finetune": "Gradient boosting",
    "medical_finetune": "Thumbnails and logistic regression",
    "speech_finetune": "Cepstral coefficients and logistic regression",
    "translation_finetune": "Word by word (IBM Model 1)",
    "vision_finetune": "HOG and linear SVM",
}


@pytest.mark.usefixtures("two_blocks")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_trains_and_says_where_the_report_is(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in SMALL[script.stem].items():
        monkeypatch.setenv(f"ZOO_SET_{name}", value)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    (report,) = tmp_path.glob("runs/*/report.html")
    assert str(report.relative_to(tmp_path)) in printed
    assert BASELINES[script.stem] in printed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_mistake_is_told_without_a_traceback(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "absent"), "en", "de"])
    with pytest.raises(SystemExit, match=r"error: .*absent"):
        runpy.run_path(str(script), run_name="__main__")


def test_the_script_of_translation_asks_for_the_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = (each for each in SCRIPTS if each.stem == "translation_finetune")
    monkeypatch.setattr(sys, "argv", [str(script), "texts"])
    with pytest.raises(SystemExit, match="which language"):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("recipe", ["speech/keywords", "speech/transcribe", "speech/speakers"])
def test_the_script_of_speech_is_for_each_of_its_recipes(
    recipe: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (script,) = (each for each in SCRIPTS if each.stem == "speech_finetune")
    text = script.read_text(encoding="utf-8")
    assert 'RECIPE = "speech/keywords"' in text
    edited = tmp_path / script.name
    edited.write_text(text.replace('RECIPE = "speech/keywords"', f'RECIPE = "{recipe}"'))

    def train(name: str, *, settings: dict[str, Any], **options: str) -> SimpleNamespace:
        monitor = resolve(name, settings=settings).task.monitor
        system = {"name": "Ours", "values": {monitor: {"value": 0.5, "low": 0.4, "high": 0.6}}}
        return SimpleNamespace(evaluation={"systems": [system]}, report="", bundle="")

    monkeypatch.setattr(zoo, "check_data", lambda *given, **options: [])
    monkeypatch.setattr(zoo, "train", train)
    monkeypatch.setattr(sys, "argv", [str(edited)])
    runpy.run_path(str(edited), run_name="__main__")
    assert "0.500 (0.400 to 0.600)" in capsys.readouterr().out
