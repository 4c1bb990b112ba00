"""The detectors of KerasCV and Keras Hub behind one layout, with their presets and transfer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import keras_cv
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from zoo_vision.models.hub_models import DFine, RetinaNet
from zoo_vision.models.keras_cv_yolo import YOLOv8
from zoo_vision.training.set_loss import SetLoss

import zoo

HEIGHT, WIDTH = 96, 128
CLASSES = ("red", "green", "blue")
MODELS = {"yolov8": YOLOv8(), "retinanet": RetinaNet(), "dfine": DFine()}
each_model = pytest.mark.parametrize("name", MODELS)


def space(*classes: str) -> zoo.Space:
    names = ("x1", "y1", "x2", "y2", *classes)
    return zoo.Space(
        inputs={"image": zoo.Tensor((HEIGHT, WIDTH, 3), "uint8")},
        outputs={"detections": zoo.Tensor((None, len(names)), names=names)},
        classes=classes,
        arrays={"objects": np.array(1.5)},
    )


def scenes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dark noise with bright squares, and where these are."""
    random = np.random.default_rng(3)
    images = random.integers(0, 60, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)
    boxes = np.tile(np.array([0, 0, 0, 0, -1], np.float32), (count, 3, 1))
    for image, of_image in zip(images, boxes, strict=True):
        for row in range(random.integers(1, 3)):
            (x, y), side, label = random.integers(0, 60, 2), random.integers(20, 36), row
            image[y : y + side, x : x + side, label] = 250
            of_image[row] = x, y, x + side, y + side, label
    return images, boxes


def losses(name: str, steps: int) -> list[float]:
    """Return the loss before each of some training steps on the same few images."""
    keras.utils.set_random_seed(1)
    model = MODELS[name].build(space(*CLASSES))
    optimizer = keras.optimizers.AdamW(2e-4, clipnorm=10.0)
    loss = MODELS[name].loss(space(*CLASSES))
    model.compile(optimizer, loss, run_eagerly=True)
    images, boxes = scenes(4)
    return [float(model.train_on_batch(images, boxes)) for _ in range(steps)]


@pytest.fixture(scope="module")
def built() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    return {name: model.build(space(*CLASSES)) for name, model in MODELS.items()}


@pytest.fixture
def half_precision() -> Any:
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@each_model
def test_output_is_one_float32_tensor_with_boxes_and_logits_first(
    name: str, built: dict[str, keras.Model]
) -> None:
    outputs = built[name](scenes(2)[0])

    assert outputs.dtype == "float32"
    assert outputs.shape[0] == 2
    assert outputs.shape[2] >= 4 + len(CLASSES)
    assert np.isfinite(outputs).all()
    assert (outputs[..., 2:4] >= outputs[..., :2]).numpy().all()


@pytest.mark.parametrize("name", ["yolov8", "retinanet"])
def test_dense_detectors_begin_with_a_few_objects_of_sane_size(
    name: str, built: dict[str, keras.Model]
) -> None:
    outputs = built[name](scenes(2)[0], training=True).numpy()
    sides = outputs[..., 2:4] - outputs[..., :2]

    objects = (1 / (1 + np.exp(-outputs[..., 4:7]))).sum(axis=(1, 2))
    assert (objects > 1).all()
    assert (objects < 30).all()
    assert sides.min() > 1
    assert np.median(sides) < 2 * WIDTH


@each_model
def test_training_lowers_the_loss_also_in_bfloat16(name: str, half_precision: None) -> None:
    first, last = losses(name, steps=2)

    assert last < first


@each_model
def test_saved_model_gives_the_same_and_keeps_its_paths(
    name: str, built: dict[str, keras.Model], tmp_path: Path
) -> None:
    built[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    images = scenes(2)[0]

    np.testing.assert_array_equal(built[name](images), loaded(images))
    assert paths(loaded) == paths(built[name])


@each_model
def test_second_model_of_a_process_has_the_same_paths(
    name: str, built: dict[str, keras.Model]
) -> None:
    again = MODELS[name].build(space(*CLASSES))

    assert paths(again) == paths(built[name])
    assert len(set(paths(again))) == len(again.weights)


def paths(model: keras.Model) -> list[str]:
    return [weight.path for weight in model.weights]


@each_model
def test_parts_hold_each_trainable_weight_once(name: str, built: dict[str, keras.Model]) -> None:
    model = built[name]
    parts = MODELS[name].parts(model)
    held = [weight.path for _, layers in parts for layer in layers for weight in layer.weights]

    backbone = [f"backbone{stage}" for stage in (1, 2, 3, 4)]
    assert [part for part, _ in parts] == ["stem", *backbone, "neck", "head"]
    assert len(held) == len(set(held))
    assert {weight.path for weight in model.trainable_weights} <= set(held)


@each_model
def test_freezing_all_parts_but_the_head_freezes_all_its_layers(name: str) -> None:
    model = MODELS[name].build(space("one"))
    for part, layers in MODELS[name].parts(model):
        for layer in layers:
            layer.trainable = part == "head"

    head = {
        weight.path
        for weight in dict(MODELS[name].parts(model))["head"]
        for weight in weight.trainable_weights
    }
    assert {weight.path for weight in model.trainable_weights} == head


@each_model
def test_transfer_carries_the_classes_that_both_have(
    name: str, built: dict[str, keras.Model]
) -> None:
    target = MODELS[name].build(space("blue", "other"))
    before = class_columns(name, target)

    copied = MODELS[name].transfer(built[name], space(*CLASSES), target, space("blue", "other"))

    after, source = class_columns(name, target), class_columns(name, built[name])
    assert copied == paths(target)
    np.testing.assert_array_equal(after[..., 0], source[..., 2])
    np.testing.assert_array_equal(after[..., 1], before[..., 1])


def class_columns(name: str, model: keras.Model) -> np.ndarray:
    """Return a class layer's kernel, [inputs, anchors, classes]."""
    path = {
        "yolov8": "yolo_v8_head_1_class_3_conv/kernel",
        "retinanet": "classification_head/logits_layer/kernel",
        "dfine": "decoder/class_embed_1/kernel",
    }[name]
    kernel = next(weight for weight in model.weights if weight.path == path).numpy()
    anchors = 9 if name == "retinanet" else 1
    return kernel.reshape(-1, anchors, kernel.shape[-1] // anchors).copy()


class Raw:
    """Stands in for non-maximum suppression: returns what it is given."""

    bounding_box_format = "xyxy"

    def __call__(self, boxes: Any, scores: Any, images: Any = None) -> dict[str, Any]:
        return {"boxes": boxes, "scores": scores}


def upset(model: keras.Model) -> None:
    """Move all weights a little, so that none is what a new model has."""
    random = np.random.default_rng(5)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(weight + random.uniform(-0.01, 0.01, weight.shape))


def write_yolo(model: keras.Model, folder: Path) -> None:
    """Write a preset folder as KerasCV's from_preset reads it."""
    folder.mkdir()
    model.save_weights(folder / "model.weights.h5")
    config = {**keras.saving.serialize_keras_object(model), "weights": "model.weights.h5"}
    (folder / "config.json").write_text(json.dumps(config))


def yolo_backbone() -> keras.Model:
    return keras_cv.models.YOLOV8Backbone([32, 64, 128, 256], [1, 2, 2, 1], include_rescaling=True)


def test_yolo_preset_gives_what_keras_cv_decodes(tmp_path: Path) -> None:
    detector = keras_cv.models.YOLOV8Detector(yolo_backbone(), 3, "xyxy", fpn_depth=1)
    upset(detector)
    write_yolo(detector, tmp_path / "preset")
    model = YOLOv8().build(space(*CLASSES))
    YOLOv8().load_preset(str(tmp_path / "preset"), model)

    images = scenes(2)[0]
    detector.prediction_decoder = Raw()
    theirs = detector.decode_predictions(detector(images), images)
    ours = model(images)

    np.testing.assert_allclose(ours[..., :4], theirs["boxes"], atol=1e-3)
    np.testing.assert_allclose(tf.sigmoid(ours[..., 4:7]), theirs["scores"], atol=1e-4)


def test_yolo_starts_from_a_backbone_alone(tmp_path: Path) -> None:
    backbone = yolo_backbone()
    upset(backbone)
    write_yolo(backbone, tmp_path / "preset")
    model = YOLOv8().build(space(*CLASSES))

    YOLOv8().load_preset(str(tmp_path / "preset"), model)

    ours = {weight.path: weight for weight in model.weights}
    for weight in backbone.weights:
        np.testing.assert_array_equal(weight, ours[weight.path])


def hub_detector(name: str, model: keras.Model) -> keras.Model:
    """Return a detector of Keras Hub of that architecture, with a preprocessor of its own."""
    network = model.get_layer("network")
    config = network.get_config()
    if name == "retinanet":
        converter = keras_hub.layers.RetinaNetImageConverter(scale=0.01, offset=[-1.0, -1.1, -1.2])
        preprocessor = keras_hub.models.RetinaNetObjectDetectorPreprocessor(converter)
        detector = keras_hub.models.RetinaNetObjectDetector.from_config(
            {**config, "preprocessor": preprocessor}
        )
        detector.set_weights(network.get_weights())  # those Keras Hub begins with reach infinity
    else:
        config["backbone"]["config"]["name"] = "of_another_name"
        preprocessor = keras_hub.models.DFineObjectDetectorPreprocessor(
            keras_hub.layers.DFineImageConverter(scale=1 / 200)
        )
        backbone = keras_hub.models.DFineBackbone.from_config(config)
        detector = keras_hub.models.DFineObjectDetector(
            backbone, len(CLASSES), "xyxy", preprocessor
        )
    upset(detector)
    return detector


@pytest.mark.parametrize("name", ["retinanet", "dfine"])
def test_hub_preset_gives_what_keras_hub_decodes(name: str, tmp_path: Path) -> None:
    model = MODELS[name].build(space(*CLASSES))
    detector = hub_detector(name, model)
    detector.save_to_preset(str(tmp_path / "preset"))
    MODELS[name].load_preset(str(tmp_path / "preset"), model)

    images = scenes(2)[0]
    detector.prediction_decoder = Raw()
    pixels = detector.preprocessor(images)
    theirs = detector.decode_predictions(detector(pixels), pixels)
    ours = model(images)

    # Keras Hub decodes D-FINE to yxyx whatever the format.
    order = [1, 0, 3, 2] if name == "dfine" else [0, 1, 2, 3]
    boxes = theirs["boxes"].numpy()[..., order]
    np.testing.assert_allclose(ours[..., :4], boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours[..., 4:7], theirs["scores"], rtol=1e-4, atol=1e-4)


def test_preset_of_other_classes_leaves_the_class_layer(tmp_path: Path) -> None:
    model = RetinaNet().build(space(*CLASSES))
    hub_detector("retinanet", model).save_to_preset(str(tmp_path / "preset"))
    other = RetinaNet().build(space("one"))
    before = class_columns("retinanet", other)

    RetinaNet().load_preset(str(tmp_path / "preset"), other)

    np.testing.assert_array_equal(class_columns("retinanet", other), before)


def test_retinanet_starts_from_an_image_encoder_alone(tmp_path: Path) -> None:
    model = RetinaNet().build(space(*CLASSES))
    encoder = model.get_layer("network").backbone.image_encoder
    encoder = type(encoder).from_config(encoder.get_config())
    encoder.save_to_preset(str(tmp_path / "preset"))

    RetinaNet().load_preset(str(tmp_path / "preset"), model)

    ours = {weight.path: weight for weight in model.weights}
    for weight in encoder.weights:
        np.testing.assert_array_equal(weight, ours[weight.path])


def test_preset_of_another_size_is_refused_whole(
    built: dict[str, keras.Model], tmp_path: Path
) -> None:
    write_yolo(yolo_backbone(), tmp_path / "preset")
    model = YOLOv8(size="s").build(space(*CLASSES))
    before = [weight.numpy() for weight in model.weights]

    with pytest.raises(zoo.ConfigError, match="not of this architecture") as error:
        YOLOv8(size="s").load_preset(str(tmp_path / "preset"), model)

    assert "model.size" in str(error.value.hint)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A new machine without a network."""
    for name in ("ZOO_HOME", "KAGGLEHUB_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "zoo_home"


@each_model
@pytest.mark.parametrize("handle", ["no_such_preset", "kaggle://nobody"])
def test_unknown_preset_is_an_error_for_the_user(
    name: str, handle: str, built: dict[str, keras.Model], home: Path
) -> None:
    with pytest.raises(zoo.ConfigError, match=handle):
        MODELS[name].load_preset(handle, built[name])


PRESETS = {
    "yolov8": ("yolo_v8_m_pascalvoc", "yolo_v8_xs_backbone_coco"),
    "retinanet": ("retinanet_resnet50_fpn_coco", "resnet_18_imagenet"),
    "dfine": ("dfine_nano_coco", "dfine_small_coco"),
}


@each_model
def test_presets_by_name_are_not_fetched_offline(
    name: str, built: dict[str, keras.Model], home: Path
) -> None:
    for handle in PRESETS[name]:
        with pytest.raises(zoo.ConfigError, match="ZOO_OFFLINE") as error:
            MODELS[name].load_preset(handle, built[name])
        assert f"`zoo prefetch {MODELS[name].presets()[handle]}`" in error.value.hint


def test_prefetched_presets_are_read_by_name_offline(
    built: dict[str, keras.Model],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_yolo(yolo_backbone(), tmp_path / "yolov8")
    encoder = built["retinanet"].get_layer("network").backbone.image_encoder
    type(encoder).from_config(encoder.get_config()).save_to_preset(str(tmp_path / "retinanet"))
    handles = {"yolov8": "yolo_v8_xs_backbone_coco", "retinanet": "resnet_18_imagenet"}
    for name, handle in handles.items():
        address = MODELS[name].presets()[handle]
        monkeypatch.setenv("ZOO_OFFLINE", "0")
        monkeypatch.setattr(
            "kagglehub.model_download", lambda _, folder=tmp_path / name: str(folder)
        )
        zoo.prefetch(address)
        monkeypatch.setenv("ZOO_OFFLINE", "1")
        model = MODELS[name].build(space(*CLASSES))
        before = [weight.numpy() for weight in model.weights]

        MODELS[name].load_preset(handle, model)

        pairs = zip(model.weights, before, strict=True)
        assert any(not np.array_equal(weight, value) for weight, value in pairs)


def of_set(*rows: tuple[float, ...]) -> np.ndarray:
    """Return predictions of one decoder layer for one picture: corners and 3 logits a query."""
    return np.array([rows], np.float32)


TRUTH = np.array([[[10, 10, 40, 40, 0], [50, 50, 90, 90, 2], [0, 0, 0, 0, -1]]], np.float32)
RIGHT = ((10, 10, 40, 40, 8, -8, -8), (50, 50, 90, 90, -8, -8, 8), (0, 0, 9, 9, -8, -8, -8))


def set_loss(truth: np.ndarray, predictions: np.ndarray) -> float:
    return float(SetLoss(space(*CLASSES))(truth, predictions))


def test_set_loss_is_least_for_right_predictions_in_any_order() -> None:
    right = set_loss(TRUTH, of_set(*RIGHT))
    moved = set_loss(TRUTH, of_set((14, 10, 44, 40, 8, -8, -8), *RIGHT[1:]))
    confused = set_loss(TRUTH, of_set((10, 10, 40, 40, -8, 8, -8), *RIGHT[1:]))

    assert right == pytest.approx(0, abs=1e-2)
    assert set_loss(TRUTH, of_set(*RIGHT[::-1])) == pytest.approx(right)
    assert moved > right + 0.1
    assert confused > right + 0.1


def test_set_loss_lets_only_one_of_two_equal_predictions_have_the_object() -> None:
    assert (
        set_loss(TRUTH, of_set(*RIGHT, RIGHT[0])) > set_loss(TRUTH, of_set(*RIGHT, RIGHT[2])) + 0.1
    )


def test_set_loss_adds_up_the_decoder_layers() -> None:
    wrong = of_set((14, 10, 44, 40, 8, -8, -8), *RIGHT[1:])
    both = np.concatenate([of_set(*RIGHT), wrong], axis=-1)

    expected = set_loss(TRUTH, of_set(*RIGHT)) + set_loss(TRUTH, wrong)
    assert set_loss(TRUTH, both) == pytest.approx(expected, rel=1e-5)


def test_set_loss_of_a_picture_without_objects_is_finite() -> None:
    empty = np.tile(np.array([0, 0, 0, 0, -1], np.float32), (1, 3, 1))

    assert np.isfinite(set_loss(empty, of_set(*RIGHT)))


def test_dfine_takes_no_more_queries_than_there_are_places(built: dict[str, keras.Model]) -> None:
    assert built["dfine"].output.shape[1] == 6 * 8 + 3 * 4
    assert DFine(queries=7).build(space("one")).output.shape[1] == 7
