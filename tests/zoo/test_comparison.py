"""Two trained models on the same examples and the same bootstrap draws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from toy_plugin import register_toy

import zoo
from zoo.cli import main
from zoo.components import Metric
from zoo.errors import ExitCode
from zoo.evaluation.bootstrap import Bootstrap
from zoo.evaluation.evaluate import differing_columns
from zoo.registry import registry

Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("toy_plugin")


class Sorts:
    """A plugin with a task of its own, which is just like the toy's."""

    ZOO_CONTRACT = 1

    @zoo.hookimpl
    def zoo_tasks(self) -> list[zoo.TaskSpec]:
        return [zoo.TaskSpec(name="sort", summary="Sorts.", implementation="toy:Classify")]


@pytest.fixture(scope="module")
def untrained(toy_run: zoo.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same data as `toy_run`, of a model that has hardly learnt."""
    register_toy()
    settings = {"train.stages": [{"steps": 1}], "train.learning_rate": 1e-6, "model.width": 1}
    return zoo.train("toy", runs=tmp_path_factory.mktemp("untrained"), settings=settings).path


@pytest.fixture(scope="module")
def elsewhere(toy_run: zoo.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on other data."""
    register_toy()
    settings = {"train.stages": [{"steps": 1}], "data.count": 100}
    return zoo.train("toy", runs=tmp_path_factory.mktemp("elsewhere"), settings=settings).path


def test_both_are_measured_on_the_same_draws(toy_run: zoo.Run, untrained: Path) -> None:
    evaluation = zoo.evaluate(toy_run.path, against=untrained, samples=50)
    model, rival = evaluation["systems"]
    assert (model["kind"], rival["kind"]) == ("model", "rival")
    assert (
        model["values"]["auc"]["value"]
        == toy_run.evaluation["systems"][0]["values"]["auc"]["value"]
    )
    assert rival["values"] == zoo.evaluate(untrained, samples=50)["systems"][0]["values"]
    lead = rival["lead"]["auc"]
    assert lead["value"] == model["values"]["auc"]["value"] - rival["values"]["auc"]["value"]
    assert lead["low"] > 0
    assert rival["not_ahead"]["auc"] == 0


def test_the_lead_turns_with_the_order(toy_run: zoo.Run, untrained: Path) -> None:
    (_, ahead), (_, behind) = (
        zoo.evaluate(one, against=other, samples=50)["systems"]
        for one, other in ((toy_run.path, untrained), (untrained, toy_run.path))
    )
    assert behind["lead"]["auc"]["value"] == -ahead["lead"]["auc"]["value"]
    assert behind["not_ahead"]["auc"] == 1


def test_the_share_is_that_of_draws_without_a_lead() -> None:
    better = np.array([0.0] * 40 + [1.0] * 60)
    bootstrap = Bootstrap(samples=400)
    draws = bootstrap.draws(100, None)

    def leads(values: np.ndarray) -> np.ndarray:
        metric = Metric("mean", "Mean", lambda w: float(np.average(values, weights=w)))
        return bootstrap.sample(metric, draws)

    # The mean of 100 draws of a coin of 0.6 is not above 0.5 in 2.8 % of cases.
    assert bootstrap.share_not_ahead(leads(better - 0.5)) == pytest.approx(0.028, abs=0.02)
    assert bootstrap.share_not_ahead(leads(np.zeros(100))) == 1
    assert np.isnan(bootstrap.share_not_ahead(leads(np.full(100, np.nan))))
    assert np.isnan(Bootstrap(samples=0).share_not_ahead(np.array([1.0])))


def test_files_that_neither_has_seen_do_for_runs_on_different_data(
    toy_run: zoo.Run, elsewhere: Path, points: Path
) -> None:
    with pytest.raises(zoo.DataError, match="may have been trained on") as caught:
        zoo.evaluate(toy_run.path, against=elsewhere)
    assert "--data" in caught.value.hint
    evaluation = zoo.evaluate(toy_run.path, against=elsewhere, data=str(points), samples=20)
    assert evaluation["examples"] == 16
    assert [each["kind"] for each in evaluation["systems"]] == ["model", "rival"]


def test_a_run_is_not_compared_with_itself(toy_run: zoo.Run) -> None:
    with pytest.raises(zoo.ConfigError, match="itself"):
        zoo.evaluate(toy_run.path, against=toy_run.path)


def test_models_of_different_tasks_are_refused(toy_run: zoo.Run, tmp_path: Path) -> None:
    registry().register(Sorts(), "sorts")
    bundle = zoo.load(toy_run.path)
    other = replace(bundle, addresses={**bundle.addresses, "task": "sorts/sort"})
    with pytest.raises(zoo.ConfigError, match=r"toy/classify, and other of sorts/sort"):
        zoo.evaluate(toy_run.path, against=other.save(tmp_path / "other"))
    registry.cache_clear()


def test_loaders_that_read_a_file_otherwise_are_refused(
    toy_run: zoo.Run, untrained: Path, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, labels = toy.Points.read, iter([0, 1])

    def turned(self: toy.Points, path: str, *, cache: Path) -> Any:
        examples, findings = read(self, path, cache=cache)
        examples.columns["label"] = examples.columns["label"] ^ next(labels)
        return examples, findings

    monkeypatch.setattr(toy.Points, "read", turned)
    with pytest.raises(zoo.DataError, match=r"same examples .* columns differ: label"):
        zoo.evaluate(toy_run.path, against=untrained, data=str(points))


def test_examples_are_told_apart_by_their_values() -> None:
    column = zoo.object_column
    one = {
        "id": column(["a", "b"]),
        "boxes": column([np.zeros((0, 4)), np.ones((1, 4))]),
        "share": np.array([0.5, np.nan]),
        "picture": column([object(), object()]),
        "features": np.zeros((2, 3)),
    }
    same = {name: each.copy() for name, each in one.items()}
    same |= {"picture": column([object(), object()]), "features": np.ones((2, 5))}
    assert not differing_columns(one, {**same, "more": np.zeros(2)})
    other = {**same, "boxes": column([np.zeros((0, 4)), np.zeros((1, 4))]), "id": column("ac")}
    assert differing_columns(one, other) == ["id", "boxes"]


def test_the_command_shows_values_lead_and_share(
    toy_run: zoo.Run, untrained: Path, capsys: Capture
) -> None:
    arguments = ["evaluate", str(toy_run.path), "--against", str(untrained), "--samples", "50"]
    assert main(arguments) == ExitCode.OK
    title, heading, row, _, verdict, *_ = capsys.readouterr().out.splitlines()
    assert title.startswith("test split, 50 examples")
    assert heading.split() == [toy_run.path.name, untrained.name, "lead", "not", "ahead"]
    assert row.startswith("ROC AUC")
    assert row.endswith("0.0%")
    assert row.count("[") == 3
    assert verdict.startswith(f"{toy_run.path.name} is ")
    assert main([*arguments, "--json"]) == ExitCode.OK
    content = json.loads(capsys.readouterr().out)
    assert content["systems"][1]["name"] == untrained.name
    assert content["systems"][1]["not_ahead"] == {"auc": 0}


def test_the_page_shows_the_comparison(toy_run: zoo.Run, untrained: Path, tmp_path: Path) -> None:
    page = tmp_path / "both.html"
    zoo.evaluate(toy_run.path, against=untrained, samples=20, report=page)
    html = page.read_text(encoding="utf-8")
    assert f"{toy_run.path.name} against {untrained.name}" in html
    assert f"Lead of {toy_run.path.name}" in html
    assert "0.0%" in html
    assert "<svg" in html
    zoo.evaluate(toy_run.path, samples=20, report=page)
    assert "against" not in page.read_text(encoding="utf-8")
