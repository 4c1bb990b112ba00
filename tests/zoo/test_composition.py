"""A package may add one thing to the domain of another, and nothing changes unless it is used."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import toy

import zoo
from zoo.api import resolve, resume
from zoo.cli import main
from zoo.config import from_options
from zoo.errors import ConfigError, ExitCode, StorageError, UnknownNameError
from zoo.registry import registry
from zoo.settings import config_path

Install = Callable[..., Path]

PLUGIN = """
import zoo

ZOO_CONTRACT = 1


@zoo.hookimpl
def {hook}():
    return [zoo.{spec}(summary="Added.", {details})]
"""
MODEL = """
from dataclasses import dataclass

import keras
import zoo


@dataclass(frozen=True, kw_only=True)
class Part(zoo.Model):
    width: int = zoo.setting(3, "Hidden units.", minimum=1)

    def build(self, space):
        inputs = {name: keras.Input(each.shape, name=name) for name, each in space.inputs.items()}
        units = keras.layers.Dense(self.width, activation="tanh")(inputs["point"])
        return keras.Model(inputs, keras.layers.Dense(1)(units))
"""
DATASET = """
from dataclasses import dataclass

import toy
import zoo


@dataclass(frozen=True, kw_only=True)
class Part(toy.Points):
    count: int = zoo.setting(80, "How many points.", minimum=1)
"""
METRICS = """
from dataclasses import dataclass

import numpy as np
import zoo


@dataclass(frozen=True, kw_only=True)
class Part(zoo.Metrics):
    cost: float = zoo.setting(1.0, "Cost of an error.", minimum=0)
    name: str = zoo.setting("errors", "Key of the metric.")

    def metrics(self, truth, predictions):
        wrong = self.cost * (truth["label"] != predictions["label"])
        return [
            zoo.Metric(self.name, "Errors", lambda counts: float(np.average(wrong, weights=counts)),
                       higher_is_better=False)
        ]
"""
STRATEGY = """
from dataclasses import dataclass

import zoo


@dataclass(frozen=True, kw_only=True)
class Part(zoo.Strategy):
    kind: str = zoo.setting("single", "One device.")
"""
TASK = """
from dataclasses import dataclass

import toy
import zoo


@dataclass(frozen=True, kw_only=True)
class Part(toy.Classify):
    pass
"""
FOR_TOY = 'tasks=("toy/classify",)'
PARTS = {
    "model": ("zoo_models", "ModelSpec", FOR_TOY, MODEL),
    "dataset": ("zoo_datasets", "DatasetSpec", FOR_TOY, DATASET),
    "metrics": ("zoo_metrics", "MetricsSpec", FOR_TOY, METRICS),
    "strategy": ("zoo_strategies", "StrategySpec", "", STRATEGY),
    "task": ("zoo_tasks", "TaskSpec", 'like=("toy/classify",)', TASK),
}
RECIPE = """
            name="part", task="toy/classify", model="toy/net", dataset="toy/points",
            sample="toy/points", strategy="toy/plain", settings={"model.width": 5},
"""
WIDTH = ("width", int, zoo.setting(8, "Units.", formerly=(zoo.Former("units", "0.2", "9.0"),)))
FROZEN = {"frozen": True, "kw_only": True}
QUICK = {"train.stages": [{"epochs": 1}], "train.batch_size": 16, "evaluation.samples": 10}


@pytest.fixture
def site(plugin_site: Path, install_distribution: Install) -> Iterator[Install]:
    """An environment whose one plugin is the toy's, and how another is installed."""
    registry.cache_clear()
    install_distribution("zoo-toy", plugins={"toy": "toy"})
    assert toy.__name__ in sys.modules  # it imports Keras, which no plugin may do at first
    yield install_distribution
    registry.cache_clear()


def add(install: Install, kind: str, name: str = "acme") -> None:
    """Install a distribution that adds one component, `part`, to the toy's domain."""
    package = f"{name}_{kind}".replace("-", "_")
    if kind == "recipe":
        hook, spec, details, code = "zoo_recipes", "RecipeSpec", RECIPE, ""
    else:
        hook, spec, tasks, code = PARTS[kind]
        details = f'name="part", implementation="{package}.parts:Part", {tasks}'
    plugin = PLUGIN.format(hook=hook, spec=spec, details=details)
    install(
        f"{name}-{kind}",
        version="1.2",
        plugins={name: f"{package}.plugin"},
        files={
            f"{package}/__init__.py": "",
            f"{package}/plugin.py": plugin,
            f"{package}/parts.py": code,
        },
    )


def write_user_config(text: str) -> Path:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# One component of another package, from training to predicting

USED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "model": ("toy", {"use.model": "acme/part", "model.width": 4}),
    "dataset": ("toy", {"use.dataset": "acme/part", "data.count": 64}),
    "metrics": ("toy", {"evaluation.metrics": ["acme/part"], "metrics.acme/part.cost": 2.0}),
    "strategy": ("toy", {"use.strategy": "acme/part"}),
    "task": ("toy", {"use.task": "acme/part", "task.unit": 2.0}),
    "recipe": ("acme", {}),
}


@pytest.mark.parametrize("kind", USED)
def test_package_that_adds_one_thing(
    kind: str, site: Install, tmp_path: Path, points: Path
) -> None:
    add(site, kind)
    recipe, settings = USED[kind]
    run = zoo.train(recipe, runs=tmp_path / "runs", settings={**QUICK, **settings})
    assert run.about["plugins"]["acme"] == {"distribution": f"acme-{kind}", "version": "1.2"}
    again = zoo.evaluate(run.path, samples=10)
    assert again["systems"][0]["values"] == run.evaluation["systems"][0]["values"]
    assert again["findings"] == []
    assert len(zoo.predict(run.path, points).records) == 16


def test_further_metrics_stand_beside_the_tasks_own(site: Install, tmp_path: Path) -> None:
    add(site, "metrics")
    settings = {**QUICK, **USED["metrics"][1]}
    run = zoo.train("toy", runs=tmp_path, settings=settings)
    assert [each["name"] for each in run.evaluation["metrics"]] == ["auc", "errors"]
    for system in run.evaluation["systems"]:
        errors = system["values"]["errors"]
        assert errors["low"] <= errors["value"] <= errors["high"]
    assert "errors" in run.evaluation["systems"][1]["lead"]
    stored = json.loads((run.bundle / "bundle.json").read_text())["about"]["further_metrics"]
    assert stored == [{"address": "acme/part", "settings": {"cost": 2.0, "name": "errors"}}]
    resumed = resolve(config=run.path / "config.toml")
    assert resumed.metrics["acme/part"].cost == 2.0
    assert "Errors" in run.report.read_text()


def test_installed_metrics_are_not_used_unasked(site: Install) -> None:
    add(site, "metrics")
    assert resolve("toy").metrics == {}
    assert [each.address for each in zoo.metrics()] == ["acme/part"]
    assert zoo.info("acme/part").summary == "Added."


def test_command_line_shows_metrics_and_takes_their_settings(
    site: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    add(site, "metrics")
    assert main(["list", "metrics"]) == ExitCode.OK
    assert "acme/part" in capsys.readouterr().out
    assert main(["info", "acme/part"]) == ExitCode.OK
    assert "metrics.acme/part.cost" in capsys.readouterr().out
    asked = ["--set", 'evaluation.metrics=["acme/part"]', "--set", "metrics.acme/part.cost=3"]
    assert main(["train", "toy", *asked, "--print-config"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert '[metrics."acme/part"]' in shown
    assert "cost = 3.0" in shown


def test_metrics_that_are_called_like_the_tasks_own_are_refused_before_training(
    site: Install, tmp_path: Path
) -> None:
    add(site, "metrics")
    settings = {"evaluation.metrics": ["acme/part"], "metrics.acme/part.name": "auc"}
    with pytest.raises(ConfigError, match="acme/part measure 'auc', as the task itself"):
        zoo.train("toy", runs=tmp_path / "runs", settings={**QUICK, **settings})
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"evaluation.metrics": ["acme/prat"]}, "No metrics is called 'acme/prat'"),
        (
            {"evaluation.metrics": ["acme/part"], "metrics.acme/part.csot": 1},
            r"There is no setting 'metrics.acme/part.csot' .*\nDid you mean .*cost",
        ),
        (
            {"evaluation.metrics": ["acme/part"], "metrics.acme/part.cost": -1},
            "metrics.acme/part.cost = -1.*number of at least 0",
        ),
        ({"metrics.acme/part.cost": 1}, "metrics.acme/part.cost .from settings. is of no use"),
    ],
)
def test_wrong_settings_of_metrics(
    settings: Mapping[str, Any], message: str, site: Install
) -> None:
    add(site, "metrics")
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        resolve("toy", settings=settings)


# What does not fit


@pytest.mark.parametrize("kind", ["model", "dataset", "metrics"])
def test_component_for_another_task_is_refused_before_training(
    kind: str, site: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, spec, _, code = PARTS[kind]
    monkeypatch.setitem(PARTS, kind, (hook, spec, 'tasks=("other/read", "chess/play")', code))
    add(site, kind)
    _, settings = USED[kind]
    with pytest.raises(ConfigError) as raised:
        resolve("toy", settings=settings)
    assert f"{kind} acme/part cannot be used with the task toy/classify" in raised.value.message
    assert "it is for other/read and chess/play" in raised.value.message
    offered = {"model": "toy/net", "dataset": "toy/points", "metrics": "none is installed"}
    assert offered[kind] in raised.value.hint
    assert f"acme_{kind}.parts" not in sys.modules


def test_task_that_is_like_no_other_takes_no_other_components(
    site: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, spec, _, code = PARTS["task"]
    monkeypatch.setitem(PARTS, "task", (hook, spec, "", code))
    add(site, "task")
    with pytest.raises(ConfigError, match="toy/net cannot be used with the task acme/part"):
        resolve("toy", settings={"use.task": "acme/part"})


def test_metrics_of_a_task_suit_one_that_is_like_it(site: Install) -> None:
    add(site, "task")
    add(site, "metrics", "further")
    settings = {"use.task": "acme/part", "evaluation.metrics": ["further/part"]}
    assert list(resolve("toy", settings=settings).metrics) == ["further/part"]


# Bundles on another machine


@pytest.fixture
def bundle(site: Install, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A bundle that was made with a package that is no longer installed."""
    add(site, request.param)
    recipe, settings = USED[request.param]
    run = zoo.train(recipe, runs=tmp_path / "runs", settings={**QUICK, **settings})
    for folder in (tmp_path / "site-packages").glob("acme*"):
        shutil.rmtree(folder)
    registry.cache_clear()
    return run.bundle


@pytest.mark.parametrize("bundle", ["model"], indirect=True)
def test_bundle_names_the_package_that_is_missing(bundle: Path, points: Path) -> None:
    with pytest.raises(UnknownNameError) as raised:
        zoo.predict(bundle, points)
    assert "the model acme/part is of acme-model 1.2" in raised.value.message
    assert 'pip install "acme-model==1.2"' in raised.value.hint
    content = json.loads((bundle / "bundle.json").read_text())
    content["about"]["plugins"]["acme"]["version"] = '1"; rm -rf "'
    (bundle / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(UnknownNameError) as raised:
        zoo.load(bundle)
    assert "rm" not in str(raised.value)
    content["about"]["further_metrics"] = [{"address": 3, "settings": {}}]
    (bundle / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(StorageError, match=r"about\.further_metrics\.address"):
        zoo.load(bundle)


@pytest.mark.parametrize("bundle", ["metrics"], indirect=True)
def test_bundle_predicts_and_is_measured_without_further_metrics(
    bundle: Path, points: Path
) -> None:
    assert len(zoo.predict(bundle, points).records) == 16
    evaluation = zoo.evaluate(bundle, samples=10)
    assert [each["name"] for each in evaluation["metrics"]] == ["auc"]
    (finding,) = evaluation["findings"]
    assert finding["where"] == "acme/part"
    assert 'pip install "acme-metrics==1.2"' in finding["hint"]


def test_bundle_with_old_names_is_read_and_saved_with_new_ones(
    site: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = zoo.train("toy", runs=tmp_path, settings=QUICK)
    content = json.loads((run.bundle / "bundle.json").read_text())
    content["components"]["model"] = {"address": "toy/mlp", "settings": {"units": 8}}
    (run.bundle / "bundle.json").write_text(json.dumps(content))
    (spec,) = toy.zoo_models()
    renamed = replace(spec, formerly=(zoo.Former("mlp", "0.2", "9.0"),))
    monkeypatch.setattr(toy, "zoo_models", zoo.hookimpl(lambda: [renamed]))
    monkeypatch.setattr(toy, "Net", make_dataclass("Net", [WIDTH], bases=(toy.Net,), **FROZEN))
    registry.cache_clear()
    with pytest.warns(zoo.ZooDeprecationWarning) as caught:
        saved = zoo.load(run.path).save(tmp_path / "saved")
    said = [each.message for each in caught if each.category is zoo.ZooDeprecationWarning]
    assert [str(each).partition(" is ")[0] for each in said] == [
        "The model 'toy/mlp'",
        "The setting 'units' (from bundle.json)",
    ]
    described = json.loads((saved / "bundle.json").read_text())["components"]["model"]
    assert described["address"] == "toy/net"
    assert described["settings"]["width"] == 8


# The user's own defaults


def test_user_config_is_between_the_recipe_and_a_config_file(site: Install, tmp_path: Path) -> None:
    add(site, "model")
    text = '[recipes."toy/train"]\nuse.model = "acme/part"\nmodel.width = 6\nseed = 1\n'
    path = write_user_config(text)
    recipe = resolve("toy")
    assert (recipe.addresses["model"], recipe.model.width, recipe.seed) == ("acme/part", 6, 1)
    assert recipe.train.batch_size == 16
    assert recipe.resolved.origin("model.width") == str(path)
    mine = tmp_path / "mine.toml"
    mine.write_text("model.width = 7\n")
    assert resolve("toy", config=mine).model.width == 7
    assert resolve("toy", settings={"use.model": "net", "model.width": 9}).model.width == 9


def test_components_of_the_user_config_are_replaced_with_their_settings(
    site: Install, tmp_path: Path
) -> None:
    add(site, "model")
    add(site, "dataset", "other")
    text = '[recipes."toy/train"]\nuse.model = "acme/part"\nuse.dataset = "other/part"\n'
    path = write_user_config(text + "data.count = 6\ndata.path = 'p'\nmodel.width = 6\n")
    strict = {"use.model": "net", "model.dropout": 0.5}
    recipe = resolve("toy", settings={**strict, "use.dataset": "points"})
    assert recipe.model == toy.Net(dropout=0.5)
    assert recipe.dataset == toy.Points(path="p")  # files are the user's, whatever loads them
    assert resolve("toy", settings={"use.model": "acme/part"}).model.width == 6
    with pytest.raises(ConfigError, match=r"no setting 'model.dropout' \(from settings\)"):
        resolve("toy", settings={"model.dropout": 0.5})
    mine = tmp_path / "mine.toml"
    mine.write_text("model.dropout = 0.1\n[data]\ncount = 7\n")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        resolve("toy", config=mine)
    mine.write_text("use.model = 'toy/net'\nmodel.dropout = 0.1\n[data]\ncount = 7\n")
    recipe = resolve("toy", config=mine)
    assert (recipe.model, recipe.dataset.count) == (toy.Net(dropout=0.1), 7)
    path.write_text(text.replace("acme", "gone"))
    assert resolve("toy", settings=strict).model == toy.Net(dropout=0.5)


def test_metrics_of_the_user_config_are_replaced_with_their_settings(site: Install) -> None:
    add(site, "metrics")
    add(site, "metrics", "other")
    write_user_config(
        '[recipes."toy/train"]\nevaluation.metrics = ["acme/part"]\nmetrics."acme/part".cost = 3\n'
    )
    assert resolve("toy").metrics["acme/part"].cost == 3
    assert resolve("toy", settings={"evaluation.metrics": []}).metrics == {}
    other = resolve("toy", settings={"evaluation.metrics": ["other/part"]}).metrics
    assert {name: each.cost for name, each in other.items()} == {"other/part": 1}
    both = resolve("toy", settings={"evaluation.metrics": ["other/part", "acme/part"]}).metrics
    assert {name: each.cost for name, each in both.items()} == {"other/part": 1, "acme/part": 3}
    with pytest.raises(ConfigError, match=r"metrics.acme/part.cost .* is of no use"):
        resolve("toy", settings={"evaluation.metrics": [], "metrics.acme/part.cost": 1})


def test_run_of_one_model_is_a_config_file_for_another(site: Install, tmp_path: Path) -> None:
    add(site, "model")
    run = zoo.train("toy", runs=tmp_path, settings={**QUICK, "model.dropout": 0.1})
    recipe = resolve(config=run.path / "config.toml", settings={"use.model": "acme/part"})
    assert (recipe.model.width, recipe.train.batch_size) == (3, 16)


def test_section_may_be_typed_as_one_table(site: Install) -> None:
    add(site, "model")
    write_user_config('[recipes."toy/train"]\nuse.model = "acme/part"\nmodel.width = 6\n')
    typed = from_options(["use={model = 'toy/net'}", "model={dropout = 0.1}", "data={path = 'p'}"])
    recipe = resolve("toy", settings=typed)
    assert recipe.model == toy.Net(dropout=0.1)
    assert recipe.dataset.path == "p"


def test_user_config_does_not_change_what_a_run_was_begun_with(
    site: Install, tmp_path: Path
) -> None:
    run = zoo.train("toy", runs=tmp_path, settings=QUICK)
    write_user_config('[recipes."toy/train"]\nno_such_setting = 1\n')
    run.update(status="interrupted")
    assert resume(run.path).about["status"] == "finished"


def test_user_chooses_what_a_bare_name_means(site: Install) -> None:
    add(site, "recipe")
    assert resolve("toy").address == "toy/train"
    write_user_config('[defaults]\ntoy = "acme/part"\n')
    registry.cache_clear()
    assert resolve("toy").address == "acme/part"
    assert resolve("toy/train").address == "toy/train"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[recipe."toy/train"]', "there is no table 'recipe'.\nDid you mean 'recipes'"),
        ("[recipes.toy]\nseed = 1", "recipes.toy is no table of a recipe's settings"),
        ('[recipes."toy/trian"]\nseed = 1', "No recipe is called 'toy/trian'.\nDid you mean"),
        ('[recipes."toy/train"]\nsede = 1', "There is no setting 'sede' .*config.toml"),
        ('[defaults]\ntoy = "toy"', "defaults.toy is 'toy', expected the address of a recipe"),
        ('[defaults]\ntoy = "acme/part"', "defaults.toy is 'acme/part', which cannot be used. No"),
        ("defaults = 3", "defaults is 3, expected a table"),
    ],
)
def test_wrong_user_config_is_named(text: str, message: str, site: Install) -> None:
    path = write_user_config(text)
    with pytest.raises((ConfigError, UnknownNameError), match=message) as raised:
        resolve("toy")
    assert str(path) in str(raised.value)


def test_recipes_of_plugins_that_are_not_installed_may_stay_in_the_user_config(
    site: Install,
) -> None:
    write_user_config('[recipes."gone/train"]\nanything = 1\n')
    assert resolve("toy").address == "toy/train"


# Trials


def test_trial_is_between_the_recipe_and_the_user_config(site: Install) -> None:
    epochs = [stage.epochs for stage in resolve("toy", trial=True).train.stages]
    assert epochs == [4]
    write_user_config('[recipes."toy/train"]\ntrain.learning_rate = 0.5\n')
    recipe = resolve("toy", trial=True, settings={"seed": 3})
    assert (recipe.train.learning_rate, recipe.train.batch_size, recipe.seed) == (0.5, 16, 3)
    assert recipe.resolved.origin("train.stages") == "trial of toy/train"
    assert [stage.epochs for stage in resolve("toy").train.stages] == [2]


def test_trial_makes_the_sample_small_and_leaves_files_whole(
    site: Install, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(site, "model")
    add(site, "dataset", "other")
    (spec,) = toy.zoo_recipes()
    of_files = {"dataset": "other/part", "settings": {"data.count": 50}}
    recipe = replace(spec, trial={"data.count": 8, "model.dropout": 0.1}, **of_files)
    monkeypatch.setattr(toy, "zoo_recipes", zoo.hookimpl(lambda: [recipe]))
    registry.cache_clear()
    assert resolve("toy", trial=True).dataset.count == 8
    assert resolve("toy").dataset.count == 200
    assert resolve("toy", trial=True, data=str(points)).dataset.count == 50
    assert resolve("toy", trial=True, settings={"use.model": "acme/part"}).dataset.count == 8


def test_trial_is_a_whole_run_that_is_resumed_as_it_was_begun(
    site: Install, tmp_path: Path
) -> None:
    run = zoo.train("toy", trial=True, runs=tmp_path)
    assert resolve(config=run.path / "config.toml").train.learning_rate == 0.02
    steps = [event["steps"] for event in run.events() if event["event"] == "stage"]
    run.update(status="interrupted")
    again = resume(run.path)
    assert again.about["status"] == "finished"
    assert steps == [event["steps"] for event in again.events() if event["event"] == "stage"]


def test_recipe_without_a_trial_says_so(site: Install) -> None:
    add(site, "recipe")
    with pytest.raises(ConfigError, match="The recipe acme/part has no trial"):
        resolve("acme", trial=True)


def test_order_of_installation_changes_nothing(site: Install, tmp_path: Path) -> None:
    def installed(kinds: list[str]) -> tuple[Any, ...]:
        for kind in kinds:
            add(site, kind, f"acme-{kind}")
        registry.cache_clear()
        plugins = [(each.name, each.status, each.distribution) for each in registry().plugins()]
        recipe = resolve("toy")
        return plugins, recipe.addresses, recipe.resolved.dump(), recipe.resolved.origins

    kinds = [*PARTS, "recipe"]
    first = installed(kinds)
    for folder in (tmp_path / "site-packages").glob("acme*"):
        shutil.rmtree(folder)
    assert installed(kinds[::-1]) == first
    assert [status for _, status, _ in first[0]] == ["ok"] * (1 + len(kinds))
    assert first[1]["model"] == "toy/net"
