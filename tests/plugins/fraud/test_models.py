"""Preprocessing, architectures, transfer between tables, and reasons."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from zoo_fraud.history import CardHistory
from zoo_fraud.layers import NumberEmbedding
from zoo_fraud.losses import MemberCrossEntropy
from zoo_fraud.models import MLP, Sequence, TabM
from zoo_fraud.preprocessing import TablePreprocessing
from zoo_fraud.reasons import category_effects, number_effects, reasons
from zoo_fraud.task import DetectFraud

import zoo

NUMBERS, CATEGORIES = ("amount", "count", "risk"), ("channel",)


def _batch(rows: int = 400, seed: int = 0, numbers: int = 3) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    number = generator.exponential(50, (rows, numbers)).astype(np.float32)
    number[generator.random(number.shape) < 0.1] = np.nan
    channel = generator.choice(["web", "shop", "phone"], (rows, 1)).astype(object)
    label = (np.nan_to_num(number[:, 0]) + 60 * (channel[:, 0] == "web") > 120).astype(np.int8)
    return {"number": number, "category": channel, "label": label}


def _fit(batch: dict[str, np.ndarray], numbers=NUMBERS, categories=CATEGORIES):
    return TablePreprocessing.fit(
        batch, numbers, categories, bins=8, minimum_count=5, positive_weight=1.0
    )


@pytest.fixture(scope="module")
def preprocessing() -> TablePreprocessing:
    return _fit(_batch())


@pytest.fixture(scope="module")
def trained(preprocessing: TablePreprocessing) -> keras.Model:
    model = TabM(members=4, width=16).build(preprocessing.space)
    model.compile(keras.optimizers.Adam(0.01), MemberCrossEntropy())
    batch = _batch()
    model.fit(preprocessing.inputs(batch), preprocessing.targets(batch), epochs=15, verbose=0)
    return model


def test_missing_stays_missing_and_unseen_categories_get_their_code(
    preprocessing: TablePreprocessing,
) -> None:
    batch = {
        "number": np.array([[np.nan, 1e30, -5.0]], np.float32),
        "category": np.array([["carrier pigeon"]], object),
    }
    inputs = preprocessing.inputs(batch)
    assert np.isnan(inputs["number"][0, 0])
    assert np.isfinite(inputs["number"][0, 1:]).all()
    assert inputs["category"].tolist() == [[0]]
    known = preprocessing.inputs({**batch, "category": np.array([["web"]], object)})
    assert known["category"][0, 0] > 0


def test_preprocessing_comes_back_as_it_was_saved(
    preprocessing: TablePreprocessing, tmp_path: Path
) -> None:
    preprocessing.save(tmp_path)
    again = TablePreprocessing.load(tmp_path)
    batch = _batch(seed=1)
    for one, other in zip(
        preprocessing.inputs(batch).values(), again.inputs(batch).values(), strict=True
    ):
        assert np.array_equal(one, other, equal_nan=True)
    assert again.space.inputs == preprocessing.space.inputs


def test_a_feature_that_is_always_missing_does_no_harm() -> None:
    batch = _batch()
    batch["number"][:, 1] = np.nan
    preprocessing = _fit(batch)
    outputs = TabM(members=2, width=8).build(preprocessing.space)(preprocessing.inputs(batch))
    assert np.isfinite(outputs).all()


def test_piecewise_linear_encoding_can_bend_at_each_edge() -> None:
    edges = np.array([[0.0, 1.0, 2.0, 4.0]], np.float32)
    layer = NumberEmbedding(1, bins=3, edges=edges)
    layer.build((None, 1))
    for weight in (layer.linear, layer.bias):
        weight.assign(np.zeros_like(weight))
    layer.kernel.assign([[[1.0], [10.0], [100.0]]])
    values = layer(np.array([[0.0], [0.5], [1.0], [1.5], [2.0], [3.0], [4.0], [1e9]]))
    expected = [0.0, 0.5, 1.0, 6.0, 11.0, 61.0, 111.0, 211.0]
    assert np.ravel(values).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("architecture", [MLP(width=16), TabM(width=16, members=3)])
@pytest.mark.parametrize("categories", [(), CATEGORIES])
def test_model_is_the_same_after_saving(
    architecture: zoo.Model, categories: tuple[str, ...], tmp_path: Path
) -> None:
    batch = _batch()
    batch["category"] = batch["category"][:, : len(categories)]
    preprocessing = _fit(batch, categories=categories)
    model = architecture.build(preprocessing.space)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    inputs = preprocessing.inputs(batch)
    np.testing.assert_array_equal(
        model.predict(inputs, verbose=0), again.predict(inputs, verbose=0)
    )


def _with_history(batch: dict[str, np.ndarray], length: int = 4) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    rows, numbers = batch["number"].shape
    age = np.sort(generator.exponential(3, (rows, length)), axis=1)[:, ::-1].astype(np.float32)
    history = generator.exponential(50, (rows, length, numbers)).astype(np.float32)
    absent = np.arange(length) < generator.integers(0, length + 1, rows)[:, None]
    history[absent], age[absent] = np.nan, np.nan
    return {**batch, "history": history, "age": age}


def test_sequence_model_survives_saving_and_ignores_what_is_absent(tmp_path: Path) -> None:
    batch = _with_history(_batch())
    preprocessing = _fit(batch)
    model = Sequence(width=16).build(preprocessing.space)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    inputs = preprocessing.inputs(batch)
    expected = model.predict(inputs, verbose=0)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(expected, again.predict(inputs, verbose=0))
    absent = np.isnan(inputs["age"])
    inputs["history"][absent] = 1e6
    np.testing.assert_allclose(expected, model.predict(inputs, verbose=0), atol=1e-5)


def test_sequence_model_without_history_says_what_to_set(
    preprocessing: TablePreprocessing,
) -> None:
    with pytest.raises(zoo.ConfigError) as caught:
        Sequence().build(preprocessing.space)
    assert "data.history_length" in caught.value.hint


def test_history_is_strictly_earlier_and_of_the_same_card() -> None:
    generator = np.random.default_rng(0)
    card, time = generator.integers(0, 6, 200), np.sort(generator.integers(0, 80, 200))
    number = np.arange(200, dtype=np.float32)[:, None]
    found = CardHistory(card, time, number, length=5).before(np.arange(200))
    for row in range(200):
        earlier = np.flatnonzero((card == card[row]) & (time < time[row]))
        latest_of_moment = {int(time[each]): int(each) for each in earlier}
        expected = sorted(latest_of_moment.values())[-5:]
        got = found["history"][row, :, 0]
        assert got[np.isfinite(got)].astype(int).tolist() == expected
        ages = (time[row] - time[expected]) / 86_400
        np.testing.assert_allclose(found["age"][row][np.isfinite(got)], ages, rtol=1e-6)


def test_members_differ_from_the_start(preprocessing: TablePreprocessing) -> None:
    outputs = TabM(members=8).build(preprocessing.space)(preprocessing.inputs(_batch()))
    assert outputs.shape[1] == 8
    assert np.std(outputs, axis=1).min() > 0


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    targets, logits = np.array([[1.0], [0.0]]), np.array([[2.0, -1.0], [0.5, -3.0]])
    plain = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = np.mean([plain(targets, logits[:, [member]]) for member in range(2)])
    assert float(MemberCrossEntropy()(targets, logits)) == pytest.approx(expected, rel=1e-6)
    assert float(MemberCrossEntropy(2.0)(targets, logits)) < expected


def test_transfer_carries_shared_features_over_and_leaves_new_ones(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    wider = _batch(numbers=4, seed=2)
    names = ("risk", "velocity", "amount", "age")
    target_space = _fit(wider, numbers=names, categories=CATEGORIES).space
    architecture = TabM(members=4, width=16)
    target = architecture.build(target_space)
    fresh = target.get_layer("number_embedding").linear.numpy().copy()
    architecture.transfer(trained, preprocessing.space, target, target_space)
    layer, source = (each.get_layer("number_embedding") for each in (target, trained))
    for place, name in enumerate(names):
        expected = source.linear[NUMBERS.index(name)] if name in NUMBERS else fresh[place]
        np.testing.assert_array_equal(layer.linear[place], expected)
    kernel = target.get_layer("projection").kernel
    np.testing.assert_array_equal(kernel[2], trained.get_layer("projection").kernel[0])
    np.testing.assert_array_equal(
        target.get_layer("dense_1").kernel, trained.get_layer("dense_1").kernel
    )
    np.testing.assert_array_equal(layer.edges, target_space.arrays["edges"])


def test_transfer_to_the_same_table_predicts_the_same(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    architecture = TabM(members=4, width=16)
    target = architecture.build(preprocessing.space)
    architecture.transfer(trained, preprocessing.space, target, preprocessing.space)
    inputs = preprocessing.inputs(_batch(seed=3))
    np.testing.assert_array_equal(
        trained.predict(inputs, verbose=0), target.predict(inputs, verbose=0)
    )


def test_effects_of_numbers_add_up_to_the_change_of_the_score(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    inputs = preprocessing.inputs(_batch(rows=50, seed=4))
    start = {**inputs, "number": np.where(np.isnan(inputs["number"]), np.nan, 0.0)}
    rise = np.mean(trained.predict(inputs, verbose=0), axis=1)
    rise -= np.mean(trained.predict(start, verbose=0), axis=1)
    effects = number_effects(trained, inputs, steps=256)
    np.testing.assert_allclose(effects.sum(axis=1), rise, rtol=5e-3, atol=0.05)
    assert not effects[np.isnan(inputs["number"])].any()


def test_the_category_that_matters_has_an_effect(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    batch = _batch(rows=200, seed=5)
    effects = category_effects(trained, preprocessing.inputs(batch))[:, 0]
    web = batch["category"][:, 0] == "web"
    assert effects[web].mean() > effects[~web].mean() + 0.5


def test_only_alerts_get_reasons_and_name_what_raised_them(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    batch = _batch(rows=20, seed=6)
    batch["number"][0] = [900.0, 50.0, 50.0]
    alerts = np.arange(20) < 1
    found = reasons(trained, preprocessing, batch, alerts)
    assert found[0][0]["feature"] == "amount"
    assert found[0][0]["value"] == 900.0
    assert all(found[row] == [] for row in range(1, 20))


def _truth(rows: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "label": (np.arange(rows) % 10 == 0).astype(np.int8),
        "day": np.arange(rows) % 4,
        "card": generator.integers(0, 50, rows),
        "amount": generator.random(rows),
    }


def test_threshold_spends_the_budget_of_cards() -> None:
    truth = _truth(2000)
    outputs = np.random.default_rng(1).normal(size=(2000, 3)) + truth["label"][:, None]
    task = DetectFraud(cards_a_day=5)
    predictions = task.decode(outputs, task.tune(truth, outputs))
    alerts = predictions["alert"]
    pairs = {(d, c) for d, c in zip(truth["day"][alerts], truth["card"][alerts], strict=True)}
    assert len(pairs) == 5 * 4


def test_prediction_is_the_members_mean_probability() -> None:
    logits = np.array([[-2.0, 2.0], [1.0, 3.0]])
    probability = DetectFraud().decode(logits, {})["probability"]
    expected = np.mean(1 / (1 + np.exp(-logits)), axis=1)
    np.testing.assert_allclose(probability, expected, rtol=1e-9)


@pytest.mark.parametrize("title", ["Logistic regression", "Gradient boosting"])
def test_baselines_use_categories_as_such(title: str) -> None:
    generator = np.random.default_rng(0)
    shops = generator.integers(0, 20, 4000)
    label = (generator.random(4000) < np.where(shops % 2, 0.6, 0.1)).astype(np.int8)
    batch = {
        "number": generator.normal(size=(4000, 1)).astype(np.float32),
        "category": np.char.add("shop ", shops.astype(str))[:, None].astype(object),
        "label": label,
    }
    train, test = ({k: v[half] for k, v in batch.items()} for half in np.split(np.arange(4000), 2))
    preprocessing = _fit(train, numbers=("amount",), categories=("shop",))
    found = DetectFraud().baselines(preprocessing)[title](train, test)["probability"]
    assert zoo.Ranking(test["label"], found).roc_auc(np.ones(2000)) > 0.7


def test_categories_are_carried_over_by_value() -> None:
    source, target = _batch(), _batch(seed=1)
    target["category"][target["category"] == "phone"] = "app"
    spaces = [_fit(batch).space for batch in (source, target)]
    architecture = TabM(members=2, width=8)
    models = [architecture.build(space) for space in spaces]
    fresh = models[1].get_layer("category_embedding").tables[0].numpy().copy()
    assert architecture.transfer(models[0], spaces[0], models[1], spaces[1])
    given, found = (model.get_layer("category_embedding").tables[0].numpy() for model in models)
    old, new = (space.inputs["category"].values[0] for space in spaces)
    for place, value in enumerate(new, start=1):
        expected = given[old.index(value) + 1] if value in old else fresh[place]
        np.testing.assert_array_equal(found[place], expected)


def test_another_architecture_carries_over_what_it_can(
    preprocessing: TablePreprocessing, trained: keras.Model
) -> None:
    architecture = MLP(width=16)
    target = architecture.build(preprocessing.space)
    copied = architecture.transfer(trained, preprocessing.space, target, preprocessing.space)
    assert 0 < len(copied) < len(target.weights)
    elsewhere = zoo.Space(inputs={"image": zoo.Tensor((8, 8, 3))}, outputs={})
    image = keras.Input((8, 8, 3))
    source = keras.Model(image, keras.layers.Dense(1)(image))
    assert architecture.transfer(source, elsewhere, target, preprocessing.space) == []
