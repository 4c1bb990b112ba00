"""The networks that translate: what they may see, step by step decoding, saving, carrying over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from jax_process import run_on_jax
from keras import ops
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.models.attention_gru import AttentionGRU
from zoo_translation.models.encoder_decoder import EncoderDecoder
from zoo_translation.models.transformer import Transformer

import zoo

PIECES = ("<pad>", "<unk>", "<s>", "</s>", *(f"piece{number}" for number in range(36)))
MODELS: dict[str, EncoderDecoder] = {
    "rotary": Transformer(positions="rotary"),
    "learned": Transformer(positions="learned", longest=20),
    "gru": AttentionGRU(width=32),
}
each_model = pytest.mark.parametrize("name", MODELS)


def space(pieces: tuple[str, ...] = PIECES) -> zoo.Space:
    return zoo.Space(
        inputs={"source": zoo.Tensor((None,), "int32"), "target": zoo.Tensor((None,), "int32")},
        outputs={"logits": zoo.Tensor((None, len(pieces)))},
        classes=pieces,
        arrays={"tokens": np.array(6.0)},
    )


def pairs(rows: int = 4) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs and targets whose last row is shorter; the target is the source reversed."""
    random = np.random.default_rng(5)
    text = random.integers(4, len(PIECES), (rows, 6)).astype(np.int32)
    text[-1, 4:] = 0
    end = np.where(text == 0, 0, 3).astype(np.int32)
    end[:, -1] = 3
    source = np.concatenate([text, end[:, -1:]], axis=1)
    source[-1] = [*text[-1, :4], 3, 0, 0]
    target = np.concatenate([np.full((rows, 1), 2, np.int32), text[:, ::-1]], axis=1)
    target[-1] = [2, *text[-1, 3::-1], 0, 0]
    truth = np.concatenate([target[:, 1:], np.full((rows, 1), 3, np.int32)], axis=1)
    truth[-1] = [*target[-1, 1:5], 3, 0, 0]
    return {"source": source, "target": target}, truth


def logits(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(model(inputs), "float32"))


def losses(name: str, steps: int) -> list[float]:
    """Return the loss before each of some training steps on the same few pairs."""
    keras.utils.set_random_seed(1)
    model = MODELS[name].build(space())
    model.compile(keras.optimizers.Adam(2e-3), SmoothedCrossEntropy(0.1, tokens=6.0))
    inputs, truth = pairs()
    return [float(model.train_on_batch(inputs, truth)) for _ in range(steps)]


@pytest.fixture(scope="module")
def built() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    return {name: model.build(space()) for name, model in MODELS.items()}


@pytest.fixture
def half_precision() -> Any:
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@each_model
def test_scores_every_piece_at_every_place(name: str, built: dict[str, keras.Model]) -> None:
    inputs, _ = pairs()

    scores = logits(built[name], inputs)

    assert scores.shape == (*inputs["target"].shape, len(PIECES))
    assert np.isfinite(scores).all()


@each_model
def test_a_place_sees_no_later_one(name: str, built: dict[str, keras.Model]) -> None:
    inputs, _ = pairs()
    changed = inputs["target"].copy()
    changed[:, 4:] = 9

    before, after = (
        logits(built[name], {**inputs, "target": t}) for t in (inputs["target"], changed)
    )

    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-5)
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 1e-2


@each_model
def test_padding_and_the_rest_of_the_batch_change_nothing(
    name: str, built: dict[str, keras.Model]
) -> None:
    inputs, _ = pairs()
    together = logits(built[name], inputs)

    padded = {key: np.pad(value, ((0, 0), (0, 3))) for key, value in inputs.items()}
    alone = {key: value[-1:, :5] for key, value in inputs.items()}

    np.testing.assert_allclose(logits(built[name], padded)[:, :7], together, atol=1e-5)
    np.testing.assert_allclose(logits(built[name], alone)[0], together[-1, :5], atol=1e-5)


@each_model
def test_steps_score_as_all_places_at_once(name: str, built: dict[str, keras.Model]) -> None:
    inputs, _ = pairs()
    encoder, decoder = (built[name].get_layer(each) for each in ("encoder", "decoder"))
    states = encoder(inputs["source"])
    target = ops.convert_to_tensor(inputs["target"])

    memory, cache = decoder.start(states, inputs["source"], beams=1, steps=9)
    steps = []
    for place in range(target.shape[1]):
        scores, memory, cache = decoder.step(target[:, place, None], place, memory, cache)
        steps.append(ops.convert_to_numpy(scores)[:, 0])

    np.testing.assert_allclose(np.stack(steps, axis=1), logits(built[name], inputs), atol=1e-5)


@pytest.mark.parametrize("name", ["rotary", "gru"])
def test_training_lowers_the_loss_also_in_bfloat16(name: str, half_precision: None) -> None:
    first, *_, last = losses(name, steps=12)

    assert last < first


@each_model
def test_saved_model_gives_the_same_and_keeps_its_paths(
    name: str, built: dict[str, keras.Model], tmp_path: Path
) -> None:
    inputs, _ = pairs()

    built[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)

    np.testing.assert_array_equal(logits(loaded, inputs), logits(built[name], inputs))
    assert [w.path for w in loaded.weights] == [w.path for w in built[name].weights]


@each_model
def test_one_matrix_reads_and_scores_pieces(name: str, built: dict[str, keras.Model]) -> None:
    counted = [w.path for w in built[name].weights if len(PIECES) in w.shape]

    assert counted == ["embedding/vectors"]


def test_parts_are_the_layers_from_input_to_output(built: dict[str, keras.Model]) -> None:
    parts = MODELS["learned"].parts(built["learned"])

    assert [name for name, _ in parts] == [
        "embedding",
        *(f"encoder{number}" for number in range(1, 5)),
        *(f"decoder{number}" for number in range(1, 5)),
    ]
    held = {id(w) for _, layers in parts for layer in layers for w in layer.trainable_weights}
    assert held == {id(w) for w in built["learned"].trainable_weights}


@each_model
def test_carries_over_to_another_vocabulary(name: str, built: dict[str, keras.Model]) -> None:
    other = space((*PIECES[:4], *reversed(PIECES[4:]), "new"))
    target = MODELS[name].build(other)

    started = MODELS[name].transfer(built[name], space(), target, other)

    assert set(started) == {w.path for w in target.weights if "seed" not in w.path}
    old, new = (m.get_layer("encoder").embedding.vectors.numpy() for m in (built[name], target))
    np.testing.assert_array_equal(new[4:-1], old[:3:-1])


@pytest.mark.parametrize(("size", "millions"), [("tiny", 2.3), ("small", 13), ("base", 48)])
def test_sizes_are_as_large_as_they_say(size: str, millions: float) -> None:
    pieces = tuple(str(number) for number in range(8_000))

    count = Transformer(size=size).build(space(pieces)).count_params()

    assert count / 1e6 == pytest.approx(millions, rel=0.05)


def test_alignments_are_shares_of_the_true_source(built: dict[str, keras.Model]) -> None:
    inputs, _ = pairs()
    for model in built.values():
        states = model.get_layer("encoder")(inputs["source"])

        found = model.get_layer("decoder").alignments((inputs["target"], states, inputs["source"]))
        found = ops.convert_to_numpy(found)

        assert found.shape == (4, 7, 7)
        np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-5)
        assert not found[-1, :, 5:].any()


def test_odd_width_is_refused() -> None:
    with pytest.raises(zoo.ConfigError, match="33"):
        AttentionGRU(width=33).build(space())


_ON_JAX = """
import test_models as tests
from zoo_translation.decoding.translator import translate

for name in ("rotary", "gru"):
    first, *_, last = tests.losses(name, steps=6)
    network = tests.MODELS[name].build(tests.space())
    inputs, _ = tests.pairs()
    pieces, scores = translate(network, inputs["source"], beams=2, longest=6)
    assert last < first and pieces.shape[:2] == scores.shape == (4, 2)
"""


def test_trains_and_translates_on_jax() -> None:
    pytest.importorskip("jax")
    run_on_jax(_ON_JAX, devices=1, imports=Path(__file__).parent)


def test_examples_are_read_twice_in_training_alone() -> None:
    twice = replace(space(), arrays={"readings": np.array(2)})
    model = Transformer(dropout=0.5).build(twice)
    inputs, _ = pairs(rows=3)

    read = model(inputs, training=True)

    assert model(inputs, training=False).shape[0] == 3
    assert read.shape[0] == 6
    assert not np.allclose(read[:3], read[3:]), "each time under dropout of its own"
