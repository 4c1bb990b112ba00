"""The networks: shapes, padding that changes nothing, parts, carrying over, learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from zoo_speech.losses import BLANK, CTC
from zoo_speech.models.bcresnet import BCResNet
from zoo_speech.models.conformer import Conformer
from zoo_speech.models.lstm import LSTM
from zoo_speech.models.resnet import ResNet
from zoo_speech.models.speech_model import SpeechModel, samples_per_step

import zoo

RATE = 8000
MODELS = {
    "resnet": ResNet(size="tiny"),
    "bcresnet": BCResNet(scale="1"),
    "conformer": Conformer(size="tiny"),
    "lstm": LSTM(width=16, layers=1),
}
every_model = pytest.mark.parametrize("kind", MODELS.values(), ids=MODELS.keys())
pytestmark = pytest.mark.usefixtures("two_blocks")
Built = Callable[..., keras.Model]


@pytest.fixture(scope="module")
def built(two_blocks: None) -> Built:
    """A function that returns a network of a kind, built once; not to be changed."""

    @cache
    def build(kind: SpeechModel, *, ctc: bool) -> keras.Model:
        return kind.build(space(ctc=ctc))

    return build


def space(classes: str = "abcd", samples: int | None = None, *, ctc: bool = False) -> zoo.Space:
    names = ("", *classes) if ctc else tuple(classes)
    return zoo.Space(
        inputs={"sound": zoo.Tensor((samples,)), "length": zoo.Tensor((), "int32")},
        outputs={"logits": zoo.Tensor((None, len(names)) if ctc else (len(names),))},
        classes=names,
        arrays={"rate": np.array(RATE)},
    )


def recordings(lengths: tuple[int, ...] = (4000, 2500, 1300)) -> dict[str, np.ndarray]:
    rng, samples = np.random.default_rng(0), max(lengths)
    known = np.arange(samples) < np.array(lengths)[:, None]
    sound = (0.1 * rng.normal(size=known.shape) * known).astype(np.float32)
    return {"sound": sound, "length": np.array(lengths, np.int32)}


def outputs(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return ops.convert_to_numpy(model(inputs))


@every_model
@pytest.mark.parametrize("ctc", [False, True], ids=["classes", "ctc"])
def test_a_recording_gives_the_same_alone_and_among_longer_ones(
    kind: SpeechModel, ctc: bool, built: Built
) -> None:
    model, inputs = built(kind, ctc=ctc), recordings()
    together = outputs(model, inputs)
    assert together.dtype == np.float32
    for row, length in enumerate(inputs["length"]):
        part = {
            "sound": inputs["sound"][row : row + 1, :length],
            "length": inputs["length"][row : row + 1],
        }
        among, alone = together[row], outputs(model, part)[0]
        if ctc:
            steps = -(-length // samples_per_step(model))
            assert alone.shape == (steps, 5)
            assert (among[steps:].argmax(axis=1) == BLANK).all()
            among = among[:steps]
        np.testing.assert_allclose(among, alone, atol=2e-4)


@every_model
def test_parts_cover_all_that_trains_from_input_to_head(kind: SpeechModel, built: Built) -> None:
    model = built(kind, ctc=False)
    parts = kind.parts(model)
    names = [name for name, _ in parts]
    assert names[0] == "stem"
    assert names[-1] == "head"
    held = {id(weight) for _, layers in parts for each in layers for weight in each.weights}
    assert {id(weight) for weight in model.trainable_weights} <= held


@every_model
def test_saved_network_gives_the_same(kind: SpeechModel, built: Built, tmp_path: Path) -> None:
    model, inputs = built(kind, ctc=True), recordings()
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)

    np.testing.assert_allclose(outputs(loaded, inputs), outputs(model, inputs), atol=1e-6)


@every_model
def test_encoder_of_keywords_starts_one_of_transcription(kind: SpeechModel) -> None:
    keywords, letters = space("abc", samples=4000), space("cbx", ctc=True)
    source, target = kind.build(keywords), kind.build(letters)

    started = set(kind.transfer(source, keywords, target, letters))

    encoder = {weight.path for weight in target.get_layer("encoder").weights}
    assert encoder <= started
    assert not any(path.startswith(("pool", "embedding")) for path in started)


def test_weights_for_another_rate_are_refused(built: Built) -> None:
    kind, own = MODELS["resnet"], space()
    model = built(kind, ctc=False)
    other = replace(own, arrays={"rate": np.array(2 * RATE)})
    with pytest.raises(zoo.ConfigError, match="16000 samples a second, not 8000"):
        kind.transfer(model, other, model, own)


def test_classes_of_the_same_name_keep_their_weights() -> None:
    old, new = space("abc"), space("cdb")
    source, target = ResNet(size="tiny").build(old), ResNet(size="tiny").build(new)

    ResNet(size="tiny").transfer(source, old, target, new)

    given, kernel = (
        ops.convert_to_numpy(model.get_layer("head").kernel) for model in (source, target)
    )
    np.testing.assert_array_equal(kernel[:, 0], given[:, 2])
    np.testing.assert_array_equal(kernel[:, 2], given[:, 1])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_transcription_learns_in_every_precision(policy: str) -> None:
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = Conformer(size="tiny", dropout=0.0).build(space(ctc=True))
    finally:
        keras.config.set_dtype_policy(before)
    inputs, texts = recordings(), np.array([[1, 2, 3], [2, 2, 0], [4, 0, 0]])
    model.compile(keras.optimizers.Adam(1e-3), CTC(pieces=2.0))

    first, *_, last = [float(model.train_on_batch(inputs, texts)) for _ in range(8)]

    assert np.isfinite(last)
    assert last < 0.7 * first


def test_frontends_by_settings() -> None:
    inputs = recordings()
    cepstrum = ResNet(size="tiny", features="mfcc", coefficients=16).build(space())
    wide = ResNet(size="tiny", bands=64, normalisation="utterance").build(space())
    assert cepstrum.get_layer("frontend").output.shape[-1] == 16
    assert wide.get_layer("frontend").output.shape[-1] == 64
    for model in (cepstrum, wide):
        assert np.isfinite(outputs(model, inputs)).all()


def test_the_range_of_speech_is_one_scale_whose_padding_is_its_middle() -> None:
    inputs, known = recordings(), np.arange(50) < -(-recordings()["length"][:, None] // 80)
    for features in ("log-mel", "mfcc"):
        model = ResNet(size="tiny", features=features).build(space())
        seen = keras.Model(model.inputs, model.get_layer("normalise").output)
        soft, loud = (
            outputs(seen, {**inputs, "sound": gain * inputs["sound"]}) for gain in (0.1, 1.0)
        )
        assert not soft[~known].any()
        assert np.abs(loud[known]).max() < 3 * np.sqrt(40)
        # Bands of one recording keep their distance, and all become louder alike.
        rise = (loud - soft)[known].mean(axis=0)
        if features == "log-mel":
            np.testing.assert_allclose(rise, rise.mean(), atol=0.3)
        else:
            assert rise[0] > 5 * np.abs(rise[1:]).max()
