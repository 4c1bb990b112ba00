"""ViT, EfficientNet and SegFormer of Keras Hub under our heads, started from presets on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops
from medical_scans import space_of_classes, space_of_masks
from zoo_medical.models import hub_models
from zoo_medical.models.hub_models import EfficientNet, SegFormer, ViT
from zoo_medical.models.losses import DiceCrossEntropy, MemberCrossEntropy

import zoo

MODELS: dict[str, tuple[Any, zoo.Space]] = {
    "vit": (ViT(size="tiny", resolution=32), space_of_classes(28, 28, 1)),
    "efficientnet": (EfficientNet(size="lite0", resolution=32), space_of_classes(28, 28, 3)),
    "segformer": (SegFormer(), space_of_masks(64, 40, 1)),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module", autouse=True)
def _few_features() -> Iterator[None]:
    small = hub_models._SegFormerSize((8, 16, 20, 32), (1, 1, 1, 1), 16)
    narrow = hub_models._EfficientNetSize(width=0.25, depth=0.3, squeeze=0.0, activation="relu6")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(hub_models._VIT, "tiny", hub_models._ViTSize(2, 2, 16, 32))
        patched.setitem(hub_models._SEGFORMER, "b0", small)
        patched.setitem(hub_models._EFFICIENTNET, "lite0", narrow)
        yield


@pytest.fixture(scope="module")
def built() -> Mapping[str, keras.Model]:
    """Networks nothing was loaded into; not to be changed."""
    return {name: kind.build(space) for name, (kind, space) in MODELS.items()}


@pytest.fixture(scope="module")
def other_preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A preset of a size that none of the networks has."""
    folder = str(tmp_path_factory.mktemp("other") / "preset")
    keras_hub.models.ViTBackbone((32, 32, 3), 8, 1, 1, 8, 8).save_to_preset(folder)
    return folder


def scans(space: zoo.Space, count: int = 2) -> dict[str, np.ndarray]:
    shape = space.inputs["scan"].shape
    return {"scan": np.random.default_rng(0).random((count, *shape)).astype(np.float32)}


def outputs(model: keras.Model, space: zoo.Space) -> np.ndarray:
    return ops.convert_to_numpy(model(scans(space)))


@every_model
def test_a_network_gives_what_the_space_asks_for(
    name: str, built: Mapping[str, keras.Model]
) -> None:
    _, space = MODELS[name]
    assert outputs(built[name], space).shape == (2, *space.outputs["logits"].shape)


@every_model
def test_parts_cover_all_that_trains(name: str, built: Mapping[str, keras.Model]) -> None:
    kind, _ = MODELS[name]
    parts = kind.parts(built[name])
    assert parts[0][0] == "stem"
    assert parts[-1][0] == "head"
    held = [id(weight) for _, layers in parts for each in layers for weight in each.weights]
    assert len(held) == len(set(held))
    trained = built[name].trainable_weights
    missing = [weight.path for weight in trained if id(weight) not in set(held)]
    assert not missing


@every_model
def test_a_saved_network_gives_the_same(
    name: str, built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    _, space = MODELS[name]
    built[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(outputs(loaded, space), outputs(built[name], space), atol=1e-6)


@every_model
def test_a_preset_starts_all_but_the_head(name: str, tmp_path: Path) -> None:
    kind, space = MODELS[name]
    model = kind.build(space)
    encoder = model.get_layer("encoder")
    expected = [
        # Also of variances, which are above 0.
        (0.5 + 0.1 * np.random.default_rng(len(w.path)).random(w.shape)).astype(np.float32)
        for w in encoder.weights
    ]
    begun = encoder.get_weights()
    encoder.set_weights(expected)
    encoder.save_to_preset(str(tmp_path / "preset"))
    encoder.set_weights(begun)

    head = [ops.convert_to_numpy(weight) for weight in model.get_layer("head").weights]
    kind.load_preset(str(tmp_path / "preset"), model)
    for weight, value in zip(encoder.weights, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)
    for weight, value in zip(model.get_layer("head").weights, head, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_an_encoder_alone_starts_segformer(
    built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    kind, space = MODELS["segformer"]
    source = built["segformer"].get_layer("encoder").image_encoder
    source.save_to_preset(str(tmp_path / "preset"))
    model = kind.build(space)
    kind.load_preset(str(tmp_path / "preset"), model)
    own = model.get_layer("encoder").image_encoder
    for ours, theirs in zip(own.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))


def test_scans_are_scaled_as_the_preset_scales_bytes(
    built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    kind, space = MODELS["vit"]
    source = built["vit"].get_layer("encoder")
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(32, 32), scale=1 / 100.0, offset=[-0.5, 0.0, 0.25]
    )
    folder = str(tmp_path / "preset")
    source.save_to_preset(folder)
    converter.save_to_preset(folder)
    model = kind.build(space)
    kind.load_preset(folder, model)
    scaled = model.get_layer("standardise")(np.full((1, 28, 28, 1), 0.8, np.float32))
    expected = 0.8 * 255 / 100 + np.array([-0.5, 0.0, 0.25])
    np.testing.assert_allclose(scaled[0, 0, 0], expected, rtol=1e-5)


@every_model
def test_a_preset_of_another_size_is_refused(
    name: str, built: Mapping[str, keras.Model], other_preset: str
) -> None:
    kind, _ = MODELS[name]
    with pytest.raises(zoo.ConfigError, match="not of this architecture"):
        kind.load_preset(other_preset, built[name])


@every_model
def test_published_presets_are_known(name: str) -> None:
    kind, _ = MODELS[name]
    known = kind.presets()
    assert len(known) > 3
    assert all(address.startswith(("kaggle://", "hf://")) for address in known.values())


@every_model
def test_volumes_are_refused(name: str) -> None:
    kind, space = MODELS[name]
    of_masks = len(space.outputs["logits"].shape) > 1
    volumes = (space_of_masks if of_masks else space_of_classes)(8, 32, 32, 1)
    with pytest.raises(zoo.ConfigError, match="volumes"):
        kind.build(volumes)


@every_model
def test_a_network_trains_in_bfloat16(name: str) -> None:
    kind, space = MODELS[name]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kind.build(space)
    finally:
        keras.config.set_dtype_policy("float32")
    of_masks = name == "segformer"
    loss = DiceCrossEntropy(2) if of_masks else MemberCrossEntropy()
    model.compile(keras.optimizers.AdamW(1e-3), loss)
    target = np.zeros((2, 64, 40), np.int32) if of_masks else np.eye(2, dtype=np.float32)
    before = model.get_weights()
    assert np.isfinite(float(model.train_on_batch(scans(space), target)))
    after = model.get_weights()
    assert np.mean([not np.array_equal(*pair) for pair in zip(before, after, strict=True)]) > 0.7


@pytest.mark.parametrize("sizes", [(8, 8), (24, 24), (32, 16)])
def test_segformer_takes_small_pictures(sizes: tuple[int, int]) -> None:
    """Keras Hub's own cannot be built for 32 px or less."""
    space = space_of_masks(*sizes, 1)
    assert outputs(SegFormer().build(space), space).shape == (2, *sizes, 2)


def test_one_network_of_the_hub_is_no_ensemble() -> None:
    with pytest.raises(zoo.ConfigError, match="members"):
        ViT(members=2).build(space_of_classes(28, 28, 1))


def test_patches_have_to_fill_a_picture() -> None:
    with pytest.raises(zoo.ConfigError, match="do not fill"):
        ViT(resolution=40).build(space_of_classes(28, 28, 1))


@pytest.mark.parametrize("model", [EfficientNet(), ViT()])
def test_other_channels_are_refused(model: Any) -> None:
    with pytest.raises(zoo.ConfigError, match="have 4 channels"):
        model.build(space_of_classes(28, 28, 4))
    with pytest.raises(zoo.ConfigError, match="have 2 channels"):
        SegFormer().build(space_of_masks(64, 64, 2))
