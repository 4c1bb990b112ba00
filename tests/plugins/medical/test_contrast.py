"""Telling scans apart: the views, the loss, what is measured, and that a network learns it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from medical_scans import discs, fitted, info_of
from scipy.ndimage import gaussian_filter
from zoo_medical.models.classifiers import ResNet
from zoo_medical.models.losses import ViewCrossEntropy
from zoo_medical.scans.scan import ArrayScan
from zoo_medical.tasks.contrast import Contrast

import zoo
from zoo.inference import Sweep

TASK = Contrast()


def directions(count: int, features: int = 8, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, features))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_the_loss_is_the_cross_entropy_of_the_other_view() -> None:
    views = np.stack([directions(5), directions(5, seed=1)], axis=1)
    flat = views.reshape(10, -1)  # rows 2k and 2k + 1 are the views of scan k
    expected = []
    for row in range(10):
        scores = np.exp(flat @ flat[row] / 0.3)
        others = scores.sum() - scores[row]
        expected.append(-np.log(scores[row ^ 1] / others))
    found = ViewCrossEntropy(0.3).call(np.zeros(5), views)
    np.testing.assert_allclose(found, np.reshape(expected, (5, 2)).mean(axis=1), rtol=1e-5)


def test_training_sees_two_views_that_go_by_seeds_alone() -> None:
    examples = discs(6, 28, 28)
    preprocessing = TASK.prepare(examples, info_of())
    inputs = preprocessing.inputs(zoo.all_rows(examples))
    augment = TASK.augmentation(preprocessing.space)
    seeds = tf.constant(np.stack([np.full(6, 3), np.arange(6)], axis=1))
    varied, _ = augment(inputs, tf.zeros(6), seeds, tf.constant(0.0))
    assert (varied["scan"].numpy() != varied["other"].numpy()).any(axis=(1, 2, 3)).all()
    alone, _ = augment(
        {name: each[4:5] for name, each in inputs.items()},
        tf.zeros(1),
        seeds[4:5],
        tf.constant(0.0),
    )
    for name in ("scan", "other"):
        np.testing.assert_array_equal(alone[name][0], varied[name][4])


@pytest.mark.parametrize("sizes", [(28, 20), (8, 16, 16)], ids=["pictures", "volumes"])
def test_the_part_that_is_measured_with_depends_on_the_name_alone(sizes: tuple[int, ...]) -> None:
    examples = zoo.all_rows(discs(4, *sizes))
    preprocessing = TASK.prepare(zoo.Columns(examples), info_of())
    views = preprocessing.inputs(examples)
    assert views["other"].shape == views["scan"].shape == (4, *sizes, 1)
    alone = preprocessing.inputs({name: column[2:3] for name, column in examples.items()})
    np.testing.assert_array_equal(alone["other"][0], views["other"][2])
    assert (views["other"] != views["scan"]).any()


def test_a_scan_is_recognised_if_no_part_of_another_is_nearer_than_its_own() -> None:
    embedding = directions(6)
    other = embedding.copy()
    other[[0, 1]] = other[[1, 0]]
    (metric,) = TASK.metrics({}, {"embedding": embedding, "other": other})
    assert metric.compute(np.ones(6)) == pytest.approx(4 / 6)
    # Without scan 1 nothing is nearer to scan 0 than its own part is, or so it may be.
    away = np.linalg.norm(embedding[0] - other, axis=1)
    rest = [2, 3, 4, 5]
    expected = (4 + (away[rest] >= away[0]).all()) / 5
    assert metric.compute(np.array([1, 0, 1, 1, 1, 1])) == pytest.approx(expected)
    assert np.isnan(metric.compute(np.zeros(6)))


def patterns(count: int) -> zoo.Columns:
    """Return scans [28, 28, 1] with a pattern of its own each."""
    drawn = np.random.default_rng(0).normal(size=(count, 28, 28, 1))
    smooth = gaussian_filter(drawn, 3, axes=(1, 2))
    scans = np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1).astype(np.float32)
    names = [f"s{row}" for row in range(count)]
    return zoo.Columns(
        {
            "id": zoo.object_column(names),
            "scan": zoo.object_column(map(ArrayScan, scans, names)),
        }
    )


def test_telling_apart_is_learnt() -> None:
    examples = patterns(32)
    preprocessing = TASK.prepare(examples, info_of())
    model = fitted(ResNet(size="tiny"), TASK, examples, preprocessing, batch=16, steps=60)
    truth = zoo.all_rows(examples)
    found = TASK.decode(Sweep(TASK, preprocessing, examples, 16).outputs(model), {})
    np.testing.assert_allclose(np.linalg.norm(found["embedding"], axis=1), 1, rtol=1e-5)
    shares = {
        name: TASK.metrics(truth, baseline(truth, truth))[0].compute(np.ones(32))
        for name, baseline in TASK.baselines(preprocessing).items()
    }
    ours = TASK.metrics(truth, found)[0].compute(np.ones(32))
    assert ours > shares["Thumbnails"] > shares["Mean brightness"]
    assert TASK.figures(truth, found, {})[0].html.count("<img") == 8
    record = next(TASK.records(truth, found))
    assert record["id"] == truth["id"][0]
    assert record["embedding"].shape == (128,)
