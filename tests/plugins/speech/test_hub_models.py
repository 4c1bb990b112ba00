"""Encoders of Keras Hub under our heads, started from presets on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops
from zoo_speech.models import hub_models
from zoo_speech.models.hub_models import HubEncoderModel, Moonshine, Whisper
from zoo_speech.models.speech_model import samples_per_step
from zoo_speech.streaming import Received
from zoo_speech.tasks.keywords import Keywords
from zoo_speech.tasks.speakers import Speakers
from zoo_speech.tasks.transcribe import Transcribe

import zoo

MODELS: dict[str, HubEncoderModel] = {"whisper": Whisper(), "moonshine": Moonshine()}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module", autouse=True)
def _few_features() -> Iterator[None]:
    whisper = hub_models._WhisperSize(2, 2, 32, 64)
    moonshine = hub_models._MoonshineSize(2, 2, 32, 0.9)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(hub_models._WHISPER, "tiny", whisper)
        patched.setitem(hub_models._MOONSHINE, "tiny", moonshine)
        yield


class Preset(NamedTuple):
    """A preset on disk, and the network of Keras Hub that is in it."""

    folder: str
    network: keras_hub.models.Backbone


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Preset]:
    folder = tmp_path_factory.mktemp("presets")
    return {name: write_preset(name, folder / name) for name in MODELS}


@pytest.fixture(scope="module")
def built() -> Mapping[str, keras.Model]:
    """Networks of classes that nothing was loaded into; not to be changed."""
    return {name: kind.build(space()) for name, kind in MODELS.items()}


@pytest.fixture(scope="module")
def started(presets: Mapping[str, Preset]) -> Mapping[str, keras.Model]:
    """Networks that were started from the presets; not to be changed."""
    models = {name: kind.build(space()) for name, kind in MODELS.items()}
    for name, model in models.items():
        MODELS[name].load_preset(presets[name].folder, model)
    return models


@pytest.fixture(scope="module")
def of_text() -> Mapping[str, keras.Model]:
    """Networks with outputs at each place; not to be changed."""
    return {name: kind.build(space(ctc=True)) for name, kind in MODELS.items()}


def space(classes: int = 5, *, ctc: bool = False, rate: int = 16_000) -> zoo.Space:
    return zoo.Space(
        inputs={"sound": zoo.Tensor((None,)), "length": zoo.Tensor((), "int32")},
        outputs={"logits": zoo.Tensor((None, classes) if ctc else (classes,))},
        classes=("", *"abcdefgh"[: classes - 1]),
        arrays={"rate": np.array(rate)},
    )


def recordings() -> dict[str, np.ndarray]:
    lengths = np.array([6000, 4100], np.int32)
    sound = 0.1 * np.random.default_rng(0).normal(size=(2, 6000))
    known = np.arange(6000) < lengths[:, None]
    return {"sound": (sound * known).astype(np.float32), "length": lengths}


def outputs(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return ops.convert_to_numpy(model(inputs))


def write_preset(name: str, folder: Path, **settings: int) -> Preset:
    """Write a small network with its decoder, as Keras Hub does."""
    if name == "whisper":
        sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64}
        backbone = keras_hub.models.WhisperBackbone(vocabulary_size=50, **{**sizes, **settings})
    else:
        sizes = {"encoder_num_layers": 2, "decoder_num_layers": 2, "encoder_num_heads": 2}
        widths = {"hidden_dim": 32, "filter_dim": 32, "intermediate_dim": 128, **settings}
        backbone = keras_hub.models.MoonshineBackbone(
            vocabulary_size=50, decoder_num_heads=2, partial_rotary_factor=0.9, **sizes, **widths
        )
    backbone.save_to_preset(str(folder))
    return Preset(str(folder), backbone)


@every_model
@pytest.mark.parametrize("ctc", [False, True], ids=["classes", "ctc"])
def test_a_recording_gives_the_same_alone_and_among_longer_ones(
    name: str, ctc: bool, request: pytest.FixtureRequest
) -> None:
    models: Mapping[str, keras.Model] = request.getfixturevalue("of_text" if ctc else "built")
    model, inputs = models[name], recordings()
    part = {"sound": inputs["sound"][1:, :4100], "length": inputs["length"][1:]}

    among, alone = outputs(model, inputs)[1], outputs(model, part)[0]

    if ctc:
        assert len(alone) == -(-4100 // samples_per_step(model))
        among = among[: len(alone)]
    np.testing.assert_allclose(among, alone, atol=1e-4)


@pytest.mark.parametrize("task", [Keywords(seconds=31), Transcribe(), Speakers(window_seconds=26)])
def test_sound_that_is_too_long_for_whisper_is_refused(task: zoo.Task) -> None:
    recording = Received(np.zeros(30 * 16_000, np.float32), 16_000)
    batch = {
        "recording": zoo.object_column([recording] * 2),
        "length": np.array([len(recording.samples)] * 2),
        "label": zoo.object_column(["no", "yes"]),
        "text": zoo.object_column(["no", "yes"]),
    }
    facts = {"rate": 16_000, "classes": ["no", "yes"]}
    info = zoo.DatasetInfo(name="", source="", fingerprint="", counts={}, facts=facts)
    preprocessing = task.prepare(zoo.Columns(batch), info)
    with pytest.raises(zoo.ConfigError, match="hears 30 s at most") as raised:
        Whisper().build(preprocessing.space)
    assert "task.seconds=30" in str(raised.value.hint)
    shorter = {"seconds": 30.0} if isinstance(task, Keywords) else {"window_seconds": 25.0}
    batch["length"] = np.array([16_000] * 2)
    assert Whisper().build(replace(task, **shorter).prepare(zoo.Columns(batch), info).space)


@every_model
def test_parts_cover_all_that_trains(name: str, built: Mapping[str, keras.Model]) -> None:
    parts = MODELS[name].parts(built[name])
    names = [part for part, _ in parts]
    assert names == ["stem", "encoder1", "encoder2", "encoder", "head"]
    held = {id(weight) for _, layers in parts for each in layers for weight in each.weights}
    assert {id(weight) for weight in built[name].trainable_weights} <= held


@every_model
def test_saved_network_gives_the_same(
    name: str, built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    inputs = recordings()
    built[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(outputs(loaded, inputs), outputs(built[name], inputs))


@every_model
def test_carries_over_to_a_network_built_later(name: str, built: Mapping[str, keras.Model]) -> None:
    later = MODELS[name].build(space(ctc=True))
    carried = set(MODELS[name].transfer(built[name], space(), later, space(ctc=True)))
    assert {weight.path for weight in later.get_layer("encoder").weights} <= carried


@every_model
def test_preset_starts_the_encoder(
    name: str, presets: Mapping[str, Preset], started: Mapping[str, keras.Model]
) -> None:
    known = {weight.path: ops.convert_to_numpy(weight) for weight in presets[name].network.weights}
    for weight in started[name].get_layer("encoder").weights:
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), known[weight.path])


@every_model
def test_preset_of_another_size_is_refused(
    name: str, built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    other = write_preset(name, tmp_path / "preset", hidden_dim=16)
    with pytest.raises(zoo.ConfigError, match="not of this architecture"):
        MODELS[name].load_preset(other.folder, built[name])


@every_model
def test_another_rate_is_refused_with_the_setting_that_mends_it(name: str) -> None:
    with pytest.raises(zoo.ConfigError, match="16000 samples a second, not 8000") as caught:
        MODELS[name].build(space(rate=8000))
    assert "data.rate=16000" in caught.value.hint


def test_whisper_computes_what_keras_hub_does(
    presets: Mapping[str, Preset], started: Mapping[str, keras.Model]
) -> None:
    source, model = presets["whisper"].network, started["whisper"]
    seconds = np.arange(32_000) / 16_000
    sound = (0.3 * np.sin(2 * np.pi * 300 * seconds * (1 + seconds)))[None].astype(np.float32)

    heard = keras.Model(model.inputs, model.get_layer("normalise").output)
    features = outputs(heard, {"sound": sound, "length": np.array([32_000], np.int32)})
    converter = keras_hub.layers.WhisperAudioConverter(max_audio_length=2)
    theirs = ops.convert_to_numpy(converter(sound))
    # They mirror sound at its ends, where we have silence.
    np.testing.assert_allclose(features[:, 2:-2], theirs[:, 2:-2], atol=1e-3)

    tokens = np.zeros((1, 1), np.int32)
    encoded = source(
        {"encoder_features": theirs, "decoder_token_ids": tokens, "decoder_padding_mask": tokens}
    )["encoder_sequence_output"]
    ours = model.get_layer("encoder")(theirs, np.ones(theirs.shape[:2], bool))
    np.testing.assert_allclose(ours, encoded, atol=1e-4)


def test_moonshine_computes_what_keras_hub_does(
    presets: Mapping[str, Preset], started: Mapping[str, keras.Model]
) -> None:
    source, model = presets["moonshine"].network, started["moonshine"]
    # Of pure noise the statistics are those of the whole, whether its end counts or not.
    sound = 0.1 * np.random.default_rng(0).normal(size=(1, 384 * 200)).astype(np.float32)
    tokens = np.zeros((1, 1), np.int32)

    encoded = ops.convert_to_numpy(
        source(
            {
                "encoder_input_values": sound[..., None],
                "encoder_padding_mask": np.ones(sound.shape, bool),
                "decoder_token_ids": tokens,
                "decoder_padding_mask": np.ones((1, 1), bool),
            }
        )["encoder_sequence_output"]
    )
    pieces = sound.reshape(1, 200, 384)
    ours = ops.convert_to_numpy(model.get_layer("encoder")(pieces, np.ones(pieces.shape[:2], bool)))

    count = encoded.shape[1] - 2
    assert 196 <= count < 200
    np.testing.assert_allclose(ours[:, :count], encoded[:, :count], atol=0.05)


def test_presets_are_the_published_ones() -> None:
    assert "whisper_tiny_en" in Whisper().presets()
    assert "moonshine_tiny_en" in Moonshine().presets()
