"""T5 of Keras Hub behind the protocol of the translators, started from a preset on disk."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import sentencepiece
from keras import ops
from zoo_translation.decoding.translator import alignments, translate
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.models import hub_models
from zoo_translation.models.hub_models import T5
from zoo_translation.tokeniser import Tokeniser

import zoo

TEXTS = ["a dog runs in the park", "two men sit on a bench", "ein hund rennt im park"] * 5


@pytest.fixture(autouse=True)
def few_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub_models._SIZES, "small", hub_models._Size(2, 32, 64, 2))


@pytest.fixture(scope="module")
def pieces() -> tuple[str, ...]:
    return Tokeniser.train(TEXTS, pieces=300).pieces


@pytest.fixture
def model(pieces: tuple[str, ...]) -> keras.Model:
    keras.utils.set_random_seed(0)
    return T5().build(space(pieces))


def space(pieces: tuple[str, ...]) -> zoo.Space:
    return zoo.Space(
        inputs={"source": zoo.Tensor((None,), "int32"), "target": zoo.Tensor((None,), "int32")},
        outputs={"logits": zoo.Tensor((None, len(pieces)))},
        classes=pieces,
        arrays={"tokens": np.array(4.0)},
    )


def pairs() -> dict[str, np.ndarray]:
    source = np.array([[264, 270, 280, 265, 3], [266, 267, 3, 0, 0]], np.int32)
    target = np.array([[2, 280, 265, 264], [2, 270, 0, 0]], np.int32)
    return {"source": source, "target": target}


def logits(model: keras.Model) -> np.ndarray:
    return ops.convert_to_numpy(model(pairs()))


def preset(folder: Path, **settings: int) -> keras.Model:
    """Write a small T5 with its own tokeniser, as Keras Hub does; return it."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=written,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        pad_piece="<pad>",
        minloglevel=2,
    )
    tokeniser = keras_hub.models.T5Tokenizer(written.getvalue())
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64}
    backbone = keras_hub.models.T5Backbone(
        vocabulary_size=tokeniser.vocabulary_size() + 4,
        key_value_dim=64,
        use_gated_activation=False,
        **{**sizes, **settings},
    )
    backbone.save_to_preset(str(folder))
    tokeniser.save_to_preset(str(folder))
    return backbone


def test_parts_cover_all_that_trains(model: keras.Model) -> None:
    parts = T5().parts(model)

    assert [name for name, _ in parts] == [
        *("embedding", "encoder1", "encoder2", "encoder"),
        *("decoder1", "decoder2", "decoder"),
    ]
    held = {id(w) for _, layers in parts for layer in layers for w in layer.trainable_weights}
    assert held == {id(w) for w in model.trainable_weights}


def test_training_lowers_the_loss(model: keras.Model) -> None:
    model.compile(keras.optimizers.Adam(1e-3), SmoothedCrossEntropy(0.1, tokens=4.0))
    truth = np.array([[280, 265, 264, 3], [270, 3, 0, 0]])

    first, *_, last = [float(model.train_on_batch(pairs(), truth)) for _ in range(4)]

    assert last < first


def test_steps_score_as_all_places_at_once(model: keras.Model) -> None:
    inputs = pairs()
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")

    memory, cache = decoder.start(encoder(inputs["source"]), inputs["source"], beams=1, steps=6)
    steps = []
    for place in range(4):
        column = ops.convert_to_tensor(inputs["target"][:, place, None])
        scores, memory, cache = decoder.step(column, place, memory, cache)
        steps.append(ops.convert_to_numpy(scores)[:, 0])

    np.testing.assert_allclose(np.stack(steps, axis=1), logits(model), atol=1e-4)


def test_translates_and_aligns(model: keras.Model) -> None:
    source = pairs()["source"]

    found, scores = translate(model, source, beams=3, longest=5)
    shares = alignments(model, source[1], np.array([270, 3], np.int32))

    assert found.shape[:2] == scores.shape == (2, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    assert not shares[:, 3:].any()


def test_saved_model_gives_the_same(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)

    np.testing.assert_array_equal(logits(loaded), logits(model))


def test_carries_over_to_a_network_built_later(model: keras.Model, pieces: tuple[str, ...]) -> None:
    later = T5().build(space(pieces))

    started = T5().transfer(model, space(pieces), later, space(pieces))

    assert started == [w.path for w in later.weights]
    np.testing.assert_array_equal(logits(later), logits(model))


def test_preset_starts_the_network_and_the_pieces_it_can_spell(
    model: keras.Model, pieces: tuple[str, ...], tmp_path: Path
) -> None:
    source = preset(tmp_path / "preset")
    before = {w.path: ops.convert_to_numpy(w) for w in model.weights}

    T5().load_preset(str(tmp_path / "preset"), model)

    known = {w.path: ops.convert_to_numpy(w) for w in source.weights}
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        if ours.path != T5.vectors:
            np.testing.assert_array_equal(ours, theirs)
    vectors = next(ops.convert_to_numpy(w) for w in model.weights if w.path == T5.vectors)
    names = keras_hub.models.T5Tokenizer.from_preset(str(tmp_path / "preset")).get_vocabulary()
    end, letter = pieces.index("</s>"), pieces.index("a")
    np.testing.assert_allclose(vectors[end], known[T5.vectors][names.index("</s>")])
    np.testing.assert_allclose(vectors[letter], known[T5.vectors][names.index("a")])
    np.testing.assert_allclose(vectors[pieces.index("<s>")], known[T5.vectors][0])
    unknown = pieces.index("<0x07>")
    np.testing.assert_array_equal(vectors[unknown], before[T5.vectors][unknown])


def test_preset_of_another_size_is_refused(model: keras.Model, tmp_path: Path) -> None:
    preset(tmp_path / "preset", hidden_dim=16)

    with pytest.raises(zoo.ConfigError, match="not of this architecture"):
        T5().load_preset(str(tmp_path / "preset"), model)


def test_presets_are_those_of_the_first_t5() -> None:
    assert "t5_small_multi" in T5().presets()
    assert "t5_1.1_small" not in T5().presets()
