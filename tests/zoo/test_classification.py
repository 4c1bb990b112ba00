"""The task over classes: metrics equal scikit-learn's, figures, baselines, reasons, stretches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

import zoo
from zoo.classification.figures import accuracy_by_coverage
from zoo.classification.subgroups import subgroups

CLASSES = ("ant", "bee", "cow", "doe")


@dataclass(frozen=True, kw_only=True)
class Points(zoo.ClassPreprocessing):
    """Takes points as they are; each coordinate is a piece."""

    scale: tuple[float, ...] = (1.0,)

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"point": zoo.Tensor((2,))}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return {"point": batch["point"].astype(np.float32)}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        for place, name in enumerate("xy"):
            hidden = self.inputs(batch)["point"].copy()
            hidden[:, place] = 0
            yield np.full(len(hidden), name, object), {"point": hidden}


@dataclass(frozen=True, kw_only=True)
class Classify(zoo.Classification):
    """Tells points apart."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = Points

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> Points:
        return Points(**self.class_fields(zoo.all_rows(train), info))


@dataclass(frozen=True, kw_only=True)
class Screen(Classify):
    """A task that is measured by its ranking."""

    monitor: ClassVar[str] = "auroc"


@dataclass(frozen=True, kw_only=True)
class Stretches(zoo.StretchClassification):
    """Only to be cut into stretches."""

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> zoo.Preprocessing:
        raise NotImplementedError


def _case(seed: int, examples: int = 40, classes: int = 4) -> tuple[zoo.Batch, zoo.Batch]:
    """Truth, and predictions with many ties that are better than chance."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=examples)
    label[:classes] = np.arange(classes)
    logits = rng.integers(0, 4, (examples, classes)) + 2.0 * np.eye(classes)[label]
    truth = {
        "label": np.array(CLASSES, object)[label],
        "sex": np.array(["f", "m", ""], object)[rng.integers(3, size=examples)],
        "age": np.array([str(each) for each in rng.integers(18, 90, examples)], object),
    }
    return truth, zoo.class_predictions(softmax(logits, axis=1), CLASSES[:classes])


def _values(task: zoo.Task, truth: zoo.Batch, found: zoo.Batch, weights: Any) -> dict[str, float]:
    return {each.name: each.compute(weights) for each in task.metrics(truth, found)}


def _at(batch: zoo.Batch, rows: np.ndarray) -> zoo.Batch:
    return {name: column[rows] for name, column in batch.items()}


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_metrics_equal_scikit_learn_s(seed: int, classes: int) -> None:
    truth, found = _case(seed, classes=classes)
    ours = _values(Classify(), truth, found, np.ones(40, np.int64))
    references = Classify().references(truth, found)
    assert ours.keys() == references.keys()
    assert ours == pytest.approx(references, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_a_weight_counts_as_so_many_copies(seed: int, classes: int) -> None:
    truth, found = _case(seed, classes=classes)
    weights = np.random.default_rng(seed).integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weights)
    weighed = _values(Classify(), truth, found, weights)
    repeated = _values(Classify(), _at(truth, rows), _at(found, rows), np.ones(len(rows)))
    assert weighed == pytest.approx(repeated, abs=1e-12, nan_ok=True)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(4)))
def test_metrics_do_not_depend_on_the_order_of_examples_or_classes(
    seed: int, order: list[int]
) -> None:
    truth, found = _case(seed)
    rows = np.random.default_rng(seed).permutation(40)
    probabilities = found["probabilities"][:, order]
    other = zoo.class_predictions(probabilities, [CLASSES[place] for place in order])
    # Of ties it is the first class that is predicted.
    other |= {"label": found["label"], "probability": found["probability"]}
    ones = np.ones(40, np.int64)
    expected = _values(Classify(), truth, found, ones)
    assert _values(Classify(), _at(truth, rows), _at(other, rows), ones) == pytest.approx(expected)


def test_a_class_that_does_not_occur_leaves_the_others_measured() -> None:
    truth, found = _case(0)
    rows = np.flatnonzero(truth["label"] != "doe")
    ones = np.ones(len(rows), np.int64)
    values = _values(Classify(), _at(truth, rows), _at(found, rows), ones)
    assert all(map(math.isfinite, values.values()))
    assert values == pytest.approx(Classify().references(_at(truth, rows), _at(found, rows)))


def test_without_weight_nothing_is_measured() -> None:
    truth, found = _case(0)
    values = _values(Classify(), truth, found, np.zeros(40, np.int64))
    assert all(map(math.isnan, values.values()))


def test_of_two_classes_the_second_is_what_is_looked_for() -> None:
    truth = {"label": np.array(["no", "no", "no", "yes"], object)}
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    found = zoo.class_predictions(chances, ("no", "yes"))
    metrics = {each.name: each for each in Classify().metrics(truth, found)}
    ones = np.ones(4, np.int64)
    assert metrics["auroc"].title == "AUROC"
    assert metrics["auroc"].compute(ones) == pytest.approx(2 / 3)
    assert metrics["average_precision"].compute(ones) == pytest.approx(1 / 2)


def test_the_monitored_metric_comes_first() -> None:
    truth, found = _case(0)
    assert Classify().metrics(truth, found)[0].name == "macro_f1"
    assert [each.name for each in Screen().metrics(truth, found)][:2] == ["auroc", "macro_f1"]


def test_probabilities_become_honest_and_keep_their_order() -> None:
    truth, found = _case(1, examples=400)
    outputs = {"logits": 5 * np.log(found["probabilities"]), "classes": found["classes"]}
    decision = Classify().tune(truth, outputs)
    assert decision["temperature"] > 1
    assert decision["calibration_after"] < decision["calibration_before"]
    tuned = Classify().decode(outputs, decision)
    np.testing.assert_allclose(tuned["probabilities"].sum(axis=1), 1)
    np.testing.assert_array_equal(tuned["label"], found["label"])


def test_leaving_out_the_least_sure_shows_in_the_curve() -> None:
    truth = {"label": np.array(list("aabb"), object)}
    sure = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.7, 0.3]])
    coverage, accuracy = accuracy_by_coverage(truth, zoo.class_predictions(sure, ("a", "b")))
    np.testing.assert_allclose(coverage, [0.25, 0.5, 1.0])
    np.testing.assert_allclose(accuracy, [1.0, 0.5, 0.75])


def test_figures_are_drawn_also_of_a_single_example() -> None:
    truth, found = _case(0)
    titles = [each.title for each in Classify().figures(truth, found, {})]
    assert titles == ["Confusion", "Each class", "Calibration", "Abstention"]
    one = np.array([0])
    assert len(Classify().figures(_at(truth, one), _at(found, one), {})) == 4


def test_metrics_are_shown_for_each_subgroup() -> None:
    truth, found = _case(3, examples=120)
    task = Classify(subgroups=("sex", "age"))
    *_, table = task.figures(truth, found, {})
    assert table.title == "Subgroups"
    women = np.flatnonzero(truth["sex"] == "f")
    own = _values(task, _at(truth, women), _at(found, women), np.ones(len(women), np.int64))
    assert f"{own['macro_f1']:.3f}" in table.html
    assert "unknown" in table.html
    without = {name: column for name, column in truth.items() if name == "label"}
    assert all(each.title != "Subgroups" for each in task.figures(without, found, {}))


def test_many_numbers_are_put_into_ranges_of_equal_size() -> None:
    ages = np.array([*map(str, range(100)), ""], object)
    found = {name: int(members.sum()) for name, members in subgroups(ages)}
    assert found == {"0 to 24": 25, "25 to 49": 25, "50 to 74": 25, "75 to 99": 25, "unknown": 1}
    few = np.array(["10", "9", "10", "x"], object)
    assert [name for name, _ in subgroups(few)] == ["9", "10", "x"]


def _info(classes: tuple[str, ...] = CLASSES) -> zoo.DatasetInfo:
    facts = {"classes": list(classes)}
    return zoo.DatasetInfo(name="", source="", fingerprint="", counts={}, facts=facts)


def _training(label: str = "aaab") -> zoo.Columns:
    label_column = np.array(list(label), object)
    return zoo.Columns(
        {"label": label_column, "point": np.zeros((len(label), 2)), "site": label_column}
    )


def test_balanced_classes_weigh_the_same_in_the_loss() -> None:
    train = _training()
    learnt = Classify(class_weight="balanced").prepare(train, _info(("a", "b")))
    weights = learnt.weights(train.columns)
    assert weights is not None
    assert weights[:3].sum() == pytest.approx(weights[3])
    assert weights.sum() == pytest.approx(4)
    assert Classify().prepare(train, _info(("a", "b"))).weights(train.columns) is None


def test_an_unknown_subgroup_is_refused_before_training() -> None:
    with pytest.raises(zoo.ConfigError, match="'sites'") as refused:
        Classify(subgroups=("sites",)).prepare(_training(), _info(("a", "b")))
    assert "site" in refused.value.hint


def test_preprocessing_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    learnt = Points(classes=("ä", "b"), class_weights=(0.5, 1.5), scale=(2.0,))
    learnt.save(tmp_path)
    assert Points.load(tmp_path) == learnt
    assert learnt.space.classes == ("ä", "b")


def test_baselines_name_the_classes_in_the_model_s_order() -> None:
    rng = np.random.default_rng(0)
    label = np.array(["b", "b", "a"] * 20, object)
    train = {"label": label, "point": rng.normal(size=(60, 2)) + 4.0 * (label == "a")[:, None]}
    classes = ("never", "b", "a")
    trivial = zoo.most_frequent_class(classes)(train, train)
    np.testing.assert_allclose(trivial["probabilities"][0], [0, 2 / 3, 1 / 3])
    assert set(trivial["label"]) == {"b"}
    baseline = zoo.classical_baseline(LogisticRegression(), lambda batch: batch["point"], classes)
    found = baseline(train, train)
    assert tuple(found["classes"][0]) == classes
    assert np.mean(found["label"] == label) > 0.9
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1)


def test_reasons_name_what_speaks_for_the_class() -> None:
    inputs = keras.Input((2,), name="point")
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Model({"point": inputs}, dense(inputs))
    dense.set_weights([np.array([[3.0, -3.0], [0.0, 0.0]])])
    batch = {"id": np.array(["one"]), "point": np.array([[1.0, 1.0]])}
    preprocessing = Points(classes=("a", "b"))
    found = Classify().explain(model, preprocessing, batch, {})
    assert [each["piece"] for each in found["reasons"][0]] == ["x"]
    outputs = {"logits": np.array([[3.0, -3.0]]), "classes": np.array([["a", "b"]], object)}
    (record,) = Classify().records(batch, {**Classify().decode(outputs, {}), **found})
    assert record["label"] == "a"
    assert record["reasons"][0]["effect"] > 0.4


@dataclass(frozen=True)
class Sound:
    """A sound of a length."""

    length: int

    def read(self) -> np.ndarray:
        return np.arange(self.length, dtype=np.float32)


def test_stretches_cover_every_moment_and_their_mean_counts() -> None:
    lengths = np.array([3, 10, 25])
    files = zoo.object_column(map(Sound, lengths.tolist()))
    examples = zoo.Columns({"id": np.arange(3), "length": lengths, "sound": files})
    task, learnt = Stretches(), type("Learnt", (), {"length": 10, "classes": ("a", "b")})()
    windows = zoo.all_rows(task.windows(examples, learnt))
    cut = zoo.cut_stretches(windows, "sound", 10, filler=-1.0)
    assert cut.shape == (len(windows["start"]), 10)
    for number, length in enumerate(lengths):
        own = cut[windows["example"] == number]
        assert set(own[own >= 0].tolist()) == set(range(length))
        assert length >= 10 or (own < 0).sum() == 10 - length
    outputs = np.stack([windows["start"], np.ones(len(cut))], axis=1)
    restored = task.restore(outputs, windows, examples.columns, learnt)
    np.testing.assert_allclose(restored["logits"][:2], [[0, 1], [0, 1]])
    assert tuple(restored["classes"][0]) == ("a", "b")
