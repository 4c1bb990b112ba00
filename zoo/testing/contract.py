"""The checks as tests: a method for each, and a test for each component.

The tests of one class share what is expensive, such as the run of a recipe: see
:class:`zoo.testing.subject.Trial`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import pytest

from zoo.discovery import HOOKS, Kind
from zoo.errors import ZooError
from zoo.registry import registry
from zoo.specs import ComponentSpec
from zoo.startup import load_tensorflow
from zoo.testing.checks import datasets, declarations, models, package, recipes, tasks
from zoo.testing.subject import Subject

_SUBJECT = pytest.StashKey[Subject]()


class Surroundings:
    """What the checks of every topic share; an author overrides the public fixtures."""

    plugin: ClassVar[str]
    """The plugin's name."""

    bad: ClassVar[str] = "bad"
    """What is in the name of each bad file of `user_files`, and of no good one."""

    @pytest.fixture
    def trial(self) -> Mapping[str, Any]:
        """Settings over those of each recipe's trial, by dotted name."""
        return {}

    @pytest.fixture
    def datasets(self) -> Mapping[str, Mapping[str, Any]]:
        """For each dataset that reads files, its settings, such as `path`."""
        return {}

    @pytest.fixture
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """For each model that suits no recipe as it is, dotted settings that make it do."""
        return {}

    @pytest.fixture
    def user_files(self) -> Path | None:
        """A folder of a user's good files and a bad one, or one file with a bad example."""
        return None

    @pytest.fixture
    def expected_failures(self) -> Mapping[str, str]:
        """Checks that cannot pass yet, by name or pattern, and the reason."""
        return {}

    @pytest.fixture
    def left_out(self) -> Mapping[str, str]:
        """Checks that are not to be run, by name or pattern, and the reason."""
        return {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test for each component that a check is about."""
        offered = _offered(self.plugin)
        for kind in HOOKS:
            if kind in metafunc.fixturenames:
                metafunc.parametrize(kind, [name for each, name in offered if each == kind])
        if "declared" in metafunc.fixturenames:
            metafunc.parametrize("declared", list(offered), ids="-".join)
        if "component" in metafunc.fixturenames:
            with_code = [each for each, spec in offered.items() if isinstance(spec, ComponentSpec)]
            metafunc.parametrize("component", with_code, ids="-".join)

    @pytest.fixture
    def subject(
        self,
        request: pytest.FixtureRequest,
        trial: Mapping[str, Any],
        datasets: Mapping[str, Mapping[str, Any]],
        models: Mapping[str, Mapping[str, Any]],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Subject:
        """The plugin under test, which all checks of a class share."""
        shared = request.node.getparent(pytest.Class).stash
        if _SUBJECT not in shared:
            folder = tmp_path_factory.mktemp(f"contract-{self.plugin}")
            shared[_SUBJECT] = Subject(self.plugin, folder, trial, datasets, models)
        return shared[_SUBJECT]

    @pytest.fixture(autouse=True)
    def _offline_in_a_home_of_its_own(
        self, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_tensorflow()
        monkeypatch.setenv("ZOO_HOME", str(subject.folder))
        monkeypatch.setenv("ZOO_OFFLINE", "1")

    @pytest.fixture(autouse=True)
    def _as_expected(
        self,
        request: pytest.FixtureRequest,
        expected_failures: Mapping[str, str],
        left_out: Mapping[str, str],
    ) -> None:
        if reason := _reason(request.node, left_out):
            pytest.skip(reason)
        if reason := _reason(request.node, expected_failures):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def _offered(plugin: str) -> dict[tuple[Kind, str], Any]:
    """Return the specs of a plugin by kind and name; none if it cannot be used."""
    try:
        specs = registry().plugin(plugin).specs
    except ZooError:
        return {}
    return {(kind, name): spec for kind, named in specs.items() for name, spec in named.items()}


def _reason(test: Any, reasons: Mapping[str, str]) -> str:
    """Return the reason given for a test, by its name or a pattern; empty if there is none."""
    for pattern, reason in reasons.items():
        # Brackets in a name are no pattern.
        named = fnmatchcase(test.name, pattern.replace("[", "[[]"))
        if named or pattern == test.originalname:
            return reason
    return ""


class PackageContract(Surroundings):
    """The plugin as a package, and what it declares."""

    def test_plugin_loads(self) -> None:
        package.loads(self.plugin)

    def test_plugin_imports_light(self, subject: Subject) -> None:
        package.imports_light(subject.entry_point)

    def test_plugin_uses_public_names_only(self, subject: Subject) -> None:
        package.uses_public_names(subject.package)

    def test_plugin_has_one_default_recipe(self, subject: Subject) -> None:
        package.has_one_default_recipe(subject)

    def test_component_is_documented(self, subject: Subject, declared: tuple[Kind, str]) -> None:
        declarations.is_documented(subject, *declared)

    def test_component_is_a_frozen_dataclass(
        self, subject: Subject, component: tuple[Kind, str]
    ) -> None:
        declarations.is_a_component(subject, *component)

    def test_settings_are_typed(self, subject: Subject, component: tuple[Kind, str]) -> None:
        declarations.settings_are_typed(subject.implementation(*component))

    def test_settings_are_documented(self, subject: Subject, component: tuple[Kind, str]) -> None:
        declarations.settings_are_documented(subject.implementation(*component))

    def test_settings_have_fitting_defaults(
        self, subject: Subject, component: tuple[Kind, str]
    ) -> None:
        declarations.defaults_fit(subject.implementation(*component))

    def test_recipe_has_a_trial(self, subject: Subject, recipe: str) -> None:
        declarations.recipe_has_a_trial(subject, recipe)

    def test_recipe_resolves(self, subject: Subject, recipe: str) -> None:
        declarations.recipe_resolves(subject, recipe)


class DatasetContract(Surroundings):
    """Datasets: the same each time, read by rows, with splits that share nothing."""

    def test_dataset_loads(self, subject: Subject, dataset: str) -> None:
        datasets.loads(subject.of_dataset(dataset))

    def test_dataset_tells_the_truth(self, subject: Subject, dataset: str) -> None:
        datasets.tells_the_truth(subject.of_dataset(dataset))

    def test_dataset_is_deterministic(self, subject: Subject, dataset: str) -> None:
        datasets.is_deterministic(subject.of_dataset(dataset))

    def test_dataset_is_indexable(self, subject: Subject, dataset: str) -> None:
        datasets.is_indexable(subject.of_dataset(dataset))

    def test_dataset_splits_share_no_example(self, subject: Subject, dataset: str) -> None:
        datasets.splits_share_no_example(subject.of_dataset(dataset))

    def test_dataset_splits_share_no_unit(self, subject: Subject, dataset: str) -> None:
        datasets.splits_share_no_unit(subject.of_dataset(dataset))

    def test_dataset_check_finds_no_error(self, subject: Subject, dataset: str) -> None:
        datasets.check_finds_no_error(subject.of_dataset(dataset))

    def test_dataset_reads_like_it_loads(self, subject: Subject, dataset: str) -> None:
        datasets.reads_like_it_loads(subject.of_dataset(dataset))

    def test_dataset_is_labelled(self, subject: Subject, dataset: str) -> None:
        datasets.is_labelled(subject.of_dataset(dataset))


class TaskContract(Surroundings):
    """Tasks: encoding and decoding are pure, metrics can be resampled, records are JSON."""

    def test_preprocessing_inputs_fit_the_space(self, subject: Subject, task: str) -> None:
        tasks.inputs_fit_the_space(subject.of_task(task))

    def test_preprocessing_encodes_row_by_row(self, subject: Subject, task: str) -> None:
        tasks.encodes_row_by_row(subject.of_task(task))

    def test_preprocessing_leaves_its_examples_alone(self, subject: Subject, task: str) -> None:
        tasks.leaves_its_examples_alone(subject.of_task(task))

    def test_preprocessing_is_prepared_the_same_twice(self, subject: Subject, task: str) -> None:
        tasks.prepares_the_same_twice(subject.of_task(task))

    def test_preprocessing_saves_and_loads_equal(self, subject: Subject, task: str) -> None:
        tasks.saves_and_loads(subject.of_task(task))

    def test_pipeline_restarts_at_any_step(self, subject: Subject, task: str) -> None:
        tasks.restarts_anywhere(subject.of_task(task))

    def test_augmentation_goes_by_seeds_alone(self, subject: Subject, task: str) -> None:
        tasks.augments_by_seeds_alone(subject.of_task(task))

    def test_decoding_is_pure(self, subject: Subject, task: str) -> None:
        tasks.decodes_purely(subject.of_task(task))

    def test_tuning_gives_numbers(self, subject: Subject, task: str) -> None:
        tasks.tunes_to_numbers(subject.of_task(task))

    def test_records_are_json(self, subject: Subject, task: str) -> None:
        tasks.writes_records(subject.of_task(task))

    def test_monitor_is_the_first_metric(self, subject: Subject, task: str) -> None:
        tasks.monitors_its_first_metric(subject.of_task(task))

    def test_metrics_are_finite_or_undefined(self, subject: Subject, task: str) -> None:
        tasks.metrics_are_numbers(subject.of_task(task))

    def test_metrics_go_by_weights(self, subject: Subject, task: str) -> None:
        tasks.metrics_know_weights(subject.of_task(task))

    def test_metrics_agree_with_references(self, subject: Subject, task: str) -> None:
        tasks.metrics_agree_with_references(subject.of_task(task))


class ModelContract(Surroundings):
    """Models: they build what the space says, learn, save, transfer, and come in whole parts."""

    def test_model_builds_its_space(self, subject: Subject, model: str) -> None:
        models.builds_its_space(subject.of_model(model))

    def test_model_builds_the_same_twice(self, subject: Subject, model: str) -> None:
        models.builds_the_same_twice(subject.of_model(model))

    def test_model_parts_are_whole(self, subject: Subject, model: str) -> None:
        models.parts_are_whole(subject.of_model(model))

    def test_model_trains_with_finite_loss(self, subject: Subject, model: str) -> None:
        models.trains_with_finite_loss(subject.of_model(model))

    def test_model_learns_a_batch(self, subject: Subject, model: str) -> None:
        models.learns_a_batch(subject.of_model(model))

    def test_model_saves_and_loads_equal(self, subject: Subject, model: str) -> None:
        models.saves_and_loads(subject.of_model(model))

    def test_model_transfers_whole(self, subject: Subject, model: str) -> None:
        models.transfers_whole(subject.of_model(model))

    def test_model_runs_on_its_backends(self, subject: Subject, model: str) -> None:
        models.runs_on_its_backends(subject.of_model(model), subject.spec("model", model))


class RecipeContract(Surroundings):
    """Recipes: a whole run learns, resumes, spreads, predicts, and stays in its folder."""

    def test_recipe_trains(self, subject: Subject, recipe: str) -> None:
        recipes.trains(subject.of_recipe(recipe))

    def test_recipe_learns(self, subject: Subject, recipe: str) -> None:
        recipes.learns(subject.of_recipe(recipe))

    def test_recipe_writes_only_in_its_folders(self, subject: Subject, recipe: str) -> None:
        recipes.writes_only_in_its_folders(subject.of_recipe(recipe))

    def test_recipe_opens_no_connection_offline(self, subject: Subject, recipe: str) -> None:
        recipes.opens_no_connection(subject.of_recipe(recipe))

    def test_recipe_figures_are_self_contained(self, subject: Subject, recipe: str) -> None:
        recipes.figures_are_self_contained(subject.of_recipe(recipe))

    def test_recipe_resumes_bit_equal(self, subject: Subject, recipe: str) -> None:
        recipes.resumes_bit_equal(subject.of_recipe(recipe))

    def test_recipe_is_equal_on_two_replicas(self, subject: Subject, recipe: str) -> None:
        recipes.equal_on_two_replicas(subject.of_recipe(recipe))

    def test_bundle_predicts_alike_in_another_process(self, subject: Subject, recipe: str) -> None:
        recipes.bundle_predicts_alike_elsewhere(subject.of_recipe(recipe))

    def test_recipe_stages_match_the_parts(self, subject: Subject, recipe: str) -> None:
        declarations.stage_patterns_match(subject, recipe)

    def test_data_are_the_same_in_another_process(self, subject: Subject, recipe: str) -> None:
        datasets.is_the_same_elsewhere(subject.of_recipe(recipe))

    def test_predict_isolates_a_bad_file(
        self, subject: Subject, recipe: str, user_files: Path | None
    ) -> None:
        recipes.isolates_a_bad_file(subject.of_recipe(recipe), user_files, self.bad)


# Pytest takes the tests of the last base first.
class PluginContract(RecipeContract, ModelContract, TaskContract, DatasetContract, PackageContract):
    """All checks of a plugin; set `plugin` and override fixtures: see :mod:`zoo.testing`."""
