"""Networks from scratch: classifiers of pictures and volumes, the U-Net, and their transfer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from medical_scans import space_of_classes, space_of_masks, space_of_pixels, space_of_views
from zoo_medical.models.classifiers import ConvNeXt, ResNet
from zoo_medical.models.losses import DiceCrossEntropy, HoleError, MemberCrossEntropy
from zoo_medical.models.scan_model import first_stride
from zoo_medical.models.unet import UNet

import zoo


def outputs(model: keras.Model, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    inputs = {
        tensor.name: random.random((2, *tensor.shape[1:])).astype(np.float32)
        for tensor in model.inputs
    }
    return ops.convert_to_numpy(model(inputs))


CLASSIFIERS = pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (ResNet(size="tiny"), (28, 28, 1)),
        (ResNet(size="tiny", members=2), (30, 40, 3)),
        (ResNet(size="tiny"), (9, 16, 16, 1)),
        (ConvNeXt(size="tiny"), (28, 28, 1)),
    ],
    ids=["resnet", "ensemble", "volume", "convnext"],
)


@CLASSIFIERS
def test_a_classifier_is_the_same_after_loading(
    kind: Any, shape: tuple[int, ...], tmp_path: Path
) -> None:
    model = kind.build(space_of_classes(*shape))
    assert outputs(model).shape == (2, 2 * kind.members)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(outputs(loaded), outputs(model), atol=1e-6)


@CLASSIFIERS
def test_parts_hold_all_that_trains(kind: Any, shape: tuple[int, ...]) -> None:
    model = kind.build(space_of_classes(*shape))
    parts = kind.parts(model)
    assert [name for name, _ in parts] == ["stem", "encoder1", "encoder2", "encoder3", "head"]
    held = {id(weight) for _, layers in parts for each in layers for weight in each.weights}
    assert {id(weight) for weight in model.trainable_weights} <= held


@CLASSIFIERS
def test_a_classifier_trains_in_bfloat16(kind: Any, shape: tuple[int, ...]) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kind.build(space_of_classes(*shape))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.AdamW(3e-3), MemberCrossEntropy())
    scans = np.random.default_rng(0).random((8, *shape)).astype(np.float32)
    scans[4:] += 0.5
    targets = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    losses = []
    for _ in range(12):
        losses.append(float(model.train_on_batch({"scan": scans}, targets)))
        model.reset_metrics()
    assert losses[-1] < losses[0]
    assert outputs(model).dtype == np.float32


def test_the_members_of_an_ensemble_differ() -> None:
    model = ResNet(size="tiny", members=2).build(space_of_classes(28, 28, 1))
    first, second = np.split(outputs(model), 2, axis=1)
    assert np.abs(first - second).max() > 1e-3


def test_small_scans_are_seen_at_their_full_resolution() -> None:
    assert [first_stride(side) for side in (28, 64, 96, 224)] == [1, 1, 2, 4]
    model = ResNet(size="tiny").build(space_of_classes(28, 28, 1))
    assert [each.shape[1:3] for each in model.get_layer("encoder").output] == [
        (28, 28),
        (14, 14),
        (7, 7),
    ]


def test_convnext_refuses_volumes_and_says_what_takes_them() -> None:
    with pytest.raises(zoo.ConfigError) as error:
        ConvNeXt().build(space_of_classes(8, 16, 16, 1))
    assert "medical" not in error.value.message
    assert "resnet" in error.value.hint


@pytest.mark.parametrize("shape", [(32, 48, 1), (16, 24, 16, 1)], ids=["picture", "volume"])
@pytest.mark.parametrize("deep", [False, True], ids=["plain", "deeply supervised"])
def test_a_unet_says_of_each_pixel_what_it_is(shape: tuple[int, ...], deep: bool) -> None:
    kind = UNet(size="tiny", deep_supervision=deep)
    model = kind.build(space_of_masks(*shape))
    assert outputs(model).shape == (2, *shape[:-1], 4 if deep else 2)
    held = {id(w) for _, layers in kind.parts(model) for each in layers for w in each.weights}
    assert {id(weight) for weight in model.trainable_weights} <= held


def test_a_unet_refuses_sides_that_it_cannot_halve() -> None:
    with pytest.raises(zoo.ConfigError, match=r"30 x 32 .* multiple of 4 px"):
        UNet(size="tiny").build(space_of_masks(30, 32, 1))


def encoder_paths(model: keras.Model) -> set[str]:
    return {weight.path for weight in model.get_layer("encoder").weights}


@pytest.mark.parametrize(
    ("kind", "space"),
    [
        (ResNet(size="tiny"), space_of_classes(64, 96, 1)),
        (UNet(size="tiny"), space_of_masks(32, 32, 1)),
    ],
    ids=["classifier", "unet"],
)
@pytest.mark.parametrize("pretraining", [space_of_pixels, space_of_views])
def test_pretraining_starts_the_encoder_of_other_networks(
    pretraining: Callable[..., zoo.Space], kind: Any, space: zoo.Space
) -> None:
    source = ResNet(size="tiny").build(pretraining(28, 28, 1))
    target = kind.build(space)
    started = kind.transfer(source, pretraining(28, 28, 1), target, space)
    assert encoder_paths(target) <= set(started)
    assert not [path for path in started if path.startswith("head")]
    for ours, theirs in zip(
        target.get_layer("encoder").weights, source.get_layer("encoder").weights, strict=True
    ):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))


def test_all_members_start_from_the_one_that_was_pretrained() -> None:
    kind, space = ResNet(size="tiny", members=2), space_of_classes(28, 28, 1)
    source, target = ResNet(size="tiny").build(space_of_pixels(28, 28, 1)), kind.build(space)
    started = set(kind.transfer(source, space_of_pixels(28, 28, 1), target, space))
    assert {weight.path for weight in target.get_layer("encoder_2").weights} <= started


@pytest.mark.parametrize("kind", [ResNet(size="tiny"), UNet(size="tiny")], ids=["resnet", "unet"])
def test_only_what_is_hidden_is_filled_in(kind: Any) -> None:
    model = kind.build(space_of_pixels(28, 28, 1))
    random = np.random.default_rng(0)
    scan = random.random((2, 28, 28, 1)).astype(np.float32)
    hidden = (random.random(scan.shape) < 0.4).astype(np.float32)
    filled = model.predict_on_batch({"scan": scan, "hidden": hidden})
    other = model.predict_on_batch({"scan": np.where(hidden, 0.9, scan), "hidden": hidden})
    np.testing.assert_allclose(filled[hidden == 0], scan[hidden == 0], atol=1e-6)
    assert np.abs(filled - scan)[hidden == 1].mean() > 0.05
    np.testing.assert_allclose(other, filled, atol=1e-6)  # what is hidden is not looked at


def test_each_member_of_an_ensemble_learns_on_its_own() -> None:
    logits = np.array([[2.0, -1.0, 0.5, 0.0], [0.0, 1.0, -2.0, 2.0]], np.float32)
    targets = np.array([[1.0, 0.0], [0.3, 0.7]], np.float32)
    members = [
        keras.losses.CategoricalCrossentropy(from_logits=True)(targets, logits[:, part])
        for part in (slice(2), slice(2, 4))
    ]
    ours = MemberCrossEntropy()(targets, logits)
    assert float(ours) == pytest.approx(float(np.mean(members)), abs=1e-6)


def test_findings_have_a_cross_entropy_each() -> None:
    logits = np.array([[2.0, -1.0], [0.0, 1.0]], np.float32)
    targets = np.array([[1.0, 1.0], [0.0, 1.0]], np.float32)
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(targets, logits)
    ours = MemberCrossEntropy(exclusive=False)(targets, logits)
    assert float(ours) == pytest.approx(float(expected), abs=1e-6)


def test_smoothing_is_that_of_keras() -> None:
    logits = np.array([[2.0, -1.0, 0.3]], np.float32)
    targets = np.array([[0.0, 1.0, 0.0]], np.float32)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    ours = MemberCrossEntropy(smoothing=0.1)(targets, logits)
    assert float(ours) == pytest.approx(float(expected(targets, logits)), abs=1e-6)


def test_the_loss_of_masks_is_cross_entropy_and_dice_by_hand() -> None:
    mask = np.array([[[0, 1], [1, 1]]], np.int32)
    logits = np.zeros((1, 2, 2, 2), np.float32)
    logits[0, 0, 0] = (3.0, -3.0)
    chance = 1 / (1 + np.exp(np.array([[6.0, 0.0], [0.0, 0.0]])))  # of the lesion
    entropy = -np.log(np.where(mask[0] == 1, chance, 1 - chance)).mean()
    both, either = chance[mask[0] == 1].sum(), chance.sum() + 3
    expected = entropy + 1 - (2 * both + 1) / (either + 1)
    assert float(DiceCrossEntropy(2)(mask, logits)) == pytest.approx(expected, abs=1e-6)


def test_coarser_levels_weigh_less_and_a_right_mask_costs_next_to_nothing() -> None:
    mask = np.array([[[0, 1], [1, 0]]], np.int32)
    right = np.where(mask[..., None] == (0, 1), 20.0, -20.0).astype(np.float32)
    wrong = -right
    loss = DiceCrossEntropy(2)
    assert float(loss(mask, right)) < 1e-3
    fine, coarse = (
        float(loss(mask, np.concatenate(pair, axis=-1)))
        for pair in ((wrong, right), (right, wrong))
    )
    assert fine == pytest.approx(2 * coarse, rel=1e-3)


def test_holes_cost_their_squared_error() -> None:
    truth, found = np.zeros((2, 4, 4, 1), np.float32), np.full((2, 4, 4, 1), 0.5, np.float32)
    assert float(HoleError()(truth, found)) == pytest.approx(0.25)


@pytest.mark.parametrize("loss", [DiceCrossEntropy(2), HoleError()], ids=lambda loss: loss.name)
def test_halves_of_a_batch_cost_what_the_whole_does(loss: keras.losses.Loss) -> None:
    rng = np.random.default_rng(0)
    masks = isinstance(loss, DiceCrossEntropy)
    truth = rng.integers(0, 2, (4, 8, 8)) if masks else rng.normal(size=(4, 8, 8, 2))
    outputs = rng.normal(size=(4, 8, 8, 2)).astype(np.float32)
    halves = [float(loss(truth[half], outputs[half])) for half in (slice(2), slice(2, 4))]
    assert float(loss(truth, outputs)) == pytest.approx(np.mean(halves), rel=1e-5)
