"""T5 and BART of Keras Hub behind the protocol of the translators, started from presets on disk."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_hub
import numpy as np
import pytest
import sentencepiece
from keras import ops
from zoo_translation.decoding.translator import alignments, translate
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.models import bart, t5
from zoo_translation.models.bart import Bart
from zoo_translation.models.encoder_decoder import Size
from zoo_translation.models.hub_models import HubTranslator
from zoo_translation.models.t5 import T5
from zoo_translation.tokeniser import END, PAD, START, Tokeniser

import zoo

TEXTS = ["a dog runs in the park", "two men sit on a bench", "ein hund rennt im park"] * 5
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
MODELS: dict[str, HubTranslator] = {"t5": T5(), "t5-1.1": T5(size="small-1.1"), "bart": Bart()}
each_model = pytest.mark.parametrize("name", MODELS)


class Preset(NamedTuple):
    """A preset on disk, and the network that Keras Hub makes of it."""

    folder: Path
    network: keras.Model


@pytest.fixture(scope="module", autouse=True)
def _few_features() -> Iterator[None]:
    size = Size(layers=2, width=32, hidden=64, heads=2)
    with pytest.MonkeyPatch.context() as patched:
        for sizes, name in ((t5._SIZES, "small"), (t5._SIZES, "small-1.1"), (bart._SIZES, "base")):
            patched.setitem(sizes, name, size)
        yield


@pytest.fixture(scope="module")
def pieces() -> tuple[str, ...]:
    return Tokeniser.train(TEXTS, pieces=300).pieces


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Preset]:
    folder = tmp_path_factory.mktemp("presets")
    return {name: Preset(folder / name, write_preset(name, folder / name)) for name in MODELS}


@pytest.fixture(scope="module")
def built(pieces: tuple[str, ...], presets: Mapping[str, Preset]) -> Mapping[str, keras.Model]:
    """Networks that were started from the presets; not to be changed."""
    models = {name: build(name, pieces) for name in MODELS}
    for name, model in models.items():
        MODELS[name].load_preset(str(presets[name].folder), model)
    return models


def space(pieces: Sequence[str]) -> zoo.Space:
    return zoo.Space(
        inputs={"source": zoo.Tensor((None,), "int32"), "target": zoo.Tensor((None,), "int32")},
        outputs={"logits": zoo.Tensor((None, len(pieces)))},
        classes=tuple(pieces),
        arrays={"tokens": np.array(4.0)},
    )


def build(name: str, pieces: Sequence[str]) -> keras.Model:
    keras.utils.set_random_seed(0)
    return MODELS[name].build(space(pieces))


def pairs() -> dict[str, np.ndarray]:
    source = np.array([[26, 27, 28, 26, END], [19, 18, END, PAD, PAD]], np.int32)
    target = np.array([[START, 28, 26, 17], [START, 27, PAD, PAD]], np.int32)
    return {"source": source, "target": target}


def logits(model: keras.Model, inputs: dict[str, np.ndarray] | None = None) -> np.ndarray:
    return ops.convert_to_numpy(model(inputs or pairs()))


# Presets as Keras Hub writes them ----------------------------------------------------------


def t5_preset(folder: Path, *, later: bool, **settings: Any) -> keras.Model:
    """Write the tokeniser of a small T5; return what Keras Hub makes of both."""
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
        activation="gelu" if later else "relu",
        use_gated_activation=later,
        tie_embedding_weights=not later,
        **{**sizes, **settings},
    )
    tokeniser.save_to_preset(str(folder))
    return keras_hub.models.T5Seq2SeqLM(backbone)


def bart_preset(folder: Path, **settings: Any) -> keras.Model:
    """Write the tokeniser of bytes of a small BART; return what Keras Hub makes of both."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bart._BYTES]
    merges = ["Ġ d", "o g", "Ġd og", "Ã ¶"]
    names += [merge.replace(" ", "") for merge in merges]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokeniser = keras_hub.models.BartTokenizer(vocabulary=vocabulary, merges=merges)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64}
    backbone = keras_hub.models.BartBackbone(len(names), **{**sizes, **settings})
    tokeniser.save_to_preset(str(folder))
    return keras_hub.models.BartSeq2SeqLM(backbone)


def write_preset(name: str, folder: Path, **settings: Any) -> keras.Model:
    """Write a preset whose weights are all other than zero and one."""
    keras.utils.set_random_seed(1)
    if name == "bart":
        network = bart_preset(folder, **settings)
    else:
        network = t5_preset(folder, later=name == "t5-1.1", **settings)
    random = np.random.default_rng(4)
    for weight in network.weights:
        weight.assign(weight + random.normal(size=weight.shape) * 0.2)
    network.backbone.save_to_preset(str(folder))
    return network


def preset_names(name: str, folder: Path) -> list[str]:
    """Return the names that the task's tokeniser would have for a preset's pieces."""
    tokeniser = MODELS[name].preset_tokeniser.from_preset(str(folder))
    return MODELS[name].names(tokeniser.get_vocabulary())


# Behind the protocol -----------------------------------------------------------------------


@each_model
def test_parts_cover_all_that_trains(name: str, built: Mapping[str, keras.Model]) -> None:
    parts = MODELS[name].parts(built[name])

    names = [part for part, _ in parts if part not in ("encoder", "decoder")]
    assert names == ["embedding", "encoder1", "encoder2", "decoder1", "decoder2"]
    held = [id(w) for _, layers in parts for layer in layers for w in layer.trainable_weights]
    assert sorted(held) == sorted(id(w) for w in built[name].trainable_weights)


@pytest.mark.parametrize("name", ["t5-1.1", "bart"])
def test_training_lowers_the_loss(name: str, pieces: tuple[str, ...]) -> None:
    model = build(name, pieces)
    model.compile(keras.optimizers.Adam(1e-3), SmoothedCrossEntropy(0.1, tokens=4.0))
    truth = np.array([[28, 26, 17, END], [27, END, PAD, PAD]])

    first, *_, last = [float(model.train_on_batch(pairs(), truth)) for _ in range(3)]

    assert last < first


@each_model
def test_steps_score_as_all_places_at_once(name: str, built: Mapping[str, keras.Model]) -> None:
    inputs = pairs()
    encoder, decoder = (built[name].get_layer(stack) for stack in ("encoder", "decoder"))

    memory, cache = decoder.start(encoder(inputs["source"]), inputs["source"], beams=1, steps=6)
    steps = []
    for place in range(4):
        column = ops.convert_to_tensor(inputs["target"][:, place, None])
        scores, memory, cache = decoder.step(column, place, memory, cache)
        steps.append(ops.convert_to_numpy(scores)[:, 0])

    np.testing.assert_allclose(np.stack(steps, axis=1), logits(built[name]), rtol=1e-4, atol=1e-4)


@each_model
def test_greedy_search_with_a_cache_writes_what_the_network_does_without(
    name: str, built: Mapping[str, keras.Model]
) -> None:
    source = np.random.default_rng(3).integers(END, 30, (6, 5)).astype(np.int32)
    source[:, -1] = END

    found, _ = translate(built[name], source, beams=1, longest=7)

    expected = [_greedy(built[name], row, longest=7) for row in source]
    assert [[piece for piece in row if piece != PAD] for row in found[:, 0]] == expected
    assert max(map(len, expected)) > 1


def _greedy(model: keras.Model, source: np.ndarray, longest: int) -> list[int]:
    """Write piece by piece, all earlier ones computed anew each time."""
    written = [START]
    while len(written) < longest:
        inputs = {"source": source[None], "target": np.array([written], np.int32)}
        scores = logits(model, inputs)[0, -1]
        scores[[PAD, START]] = -np.inf
        written.append(int(scores.argmax()))
        if written[-1] == END:
            return written[1:-1]
    return written[1:]


@each_model
def test_aligns_with_what_is_no_padding(name: str, built: Mapping[str, keras.Model]) -> None:
    shares = alignments(built[name], pairs()["source"][1], np.array([27, END], np.int32))

    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    assert not shares[:, 3:].any()


@each_model
def test_saved_model_gives_the_same(
    name: str, built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    built[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)

    np.testing.assert_array_equal(logits(loaded), logits(built[name]))


@each_model
def test_carries_over_to_a_network_built_later_with_other_pieces(
    name: str, pieces: tuple[str, ...], built: Mapping[str, keras.Model]
) -> None:
    other = (*SPECIAL, *reversed(pieces[4:]))
    later = build(name, other)

    started = MODELS[name].transfer(built[name], space(pieces), later, space(other))

    assert started == [w.path for w in later.weights]
    numbers = np.array([other.index(piece) for piece in pieces])
    inputs = {side: numbers[read] for side, read in pairs().items()}
    found = logits(later, inputs)[..., numbers]
    np.testing.assert_allclose(found, logits(built[name]), rtol=1e-4, atol=1e-4)


def test_places_past_the_last_of_bart_share_its_vector(
    pieces: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bart, "_LONGEST", 3)

    assert np.isfinite(logits(build("bart", pieces))).all()


def test_t5_is_refused_in_float16(pieces: tuple[str, ...]) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(zoo.ConfigError, match="float16"):
            build("t5", pieces)
    finally:
        keras.config.set_dtype_policy("float32")


# Presets -----------------------------------------------------------------------------------


@each_model
def test_network_with_a_presets_own_pieces_scores_as_keras_hub(
    name: str, presets: Mapping[str, Preset]
) -> None:
    folder, network = presets[name]
    names = preset_names(name, folder)
    own = [*SPECIAL, *(piece for piece in names if piece not in SPECIAL)]
    model = build(name, own)

    MODELS[name].load_preset(str(folder), model)

    theirs = np.array([names.index(piece) if piece in names else 0 for piece in own])
    source, target = pairs()["source"], pairs()["target"]
    expected = network({
        "encoder_token_ids": theirs[source],
        "encoder_padding_mask": (source != PAD).astype(np.int32),
        "decoder_token_ids": theirs[target],
        "decoder_padding_mask": (target != PAD).astype(np.int32),
    })  # fmt: skip
    expected = ops.convert_to_numpy(expected)[..., theirs]
    in_both = [number for number, piece in enumerate(own) if piece in names]
    written = target != PAD
    found = logits(model)[written][:, in_both]
    np.testing.assert_allclose(found, expected[written][:, in_both], rtol=1e-4, atol=1e-4)


@each_model
def test_preset_starts_the_vectors_of_the_pieces_it_can_spell(
    name: str,
    pieces: tuple[str, ...],
    presets: Mapping[str, Preset],
    built: Mapping[str, keras.Model],
) -> None:
    names = preset_names(name, presets[name].folder)
    given, started, untouched = map(
        vectors, (presets[name].network, built[name], build(name, pieces))
    )

    for piece in ("<s>", "</s>", "a"):
        np.testing.assert_allclose(started[pieces.index(piece)], given[names.index(piece)])
    byte = pieces.index("<0x07>")
    np.testing.assert_array_equal(started[byte], untouched[byte])


def vectors(model: keras.Model) -> np.ndarray:
    return next(ops.convert_to_numpy(w) for w in model.weights if w.path == T5.vectors)


def test_pieces_of_bart_are_called_as_sentencepiece_calls_them() -> None:
    names = Bart().names(["Ġdog", "Ã¶", "Ã", "<mask>", "Ġ", "Ċ"])

    assert names == ["▁dog", "ö", "<0xC3>", "<mask>", "▁", "\n"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("t5", {"hidden_dim": 16}), ("t5-1.1", {"num_layers": 3}), ("bart", {"num_layers": 1})],
)
def test_preset_of_another_size_is_refused_whole(
    name: str, settings: dict[str, int], built: Mapping[str, keras.Model], tmp_path: Path
) -> None:
    write_preset(name, tmp_path / "preset", **settings)
    model = built[name]
    before = logits(model)

    with pytest.raises(zoo.ConfigError, match="not of this architecture"):
        MODELS[name].load_preset(str(tmp_path / "preset"), model)

    np.testing.assert_array_equal(logits(model), before)


def test_preset_of_another_version_is_refused(
    presets: Mapping[str, Preset], built: Mapping[str, keras.Model]
) -> None:
    for name, other in (("t5", "t5-1.1"), ("t5-1.1", "t5")):
        with pytest.raises(zoo.ConfigError, match="not of this architecture"):
            MODELS[name].load_preset(str(presets[other].folder), built[name])


def test_presets_are_those_of_the_sizes_there_are() -> None:
    assert {"t5_small_multi", "t5_1.1_base", "flan_large_multi"} <= set(T5().presets())
    assert "t5_1.1_xl" not in T5().presets()
    assert "bart_base_en" in Bart().presets()


def test_recipe_starts_from_a_preset_and_trains_its_vocabulary(
    presets: Mapping[str, Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))

    run = zoo.train(
        "translation/t5",
        runs=tmp_path / "runs",
        weights=str(presets["t5"].folder),
        settings={
            "data.count": 60,
            "evaluation.baselines": False,
            "evaluation.samples": 5,
            "strategy.precision": "float32",
            "task.beams": 1,
            "task.pieces": 320,
            "train.batch_tokens": 512,
            "train.stages": [{"name": "vocabulary", "trainable": ["embedding"], "steps": 2}],
            "train.validate_every": 100,
        },
    )

    trained = zoo.load(run.path).model
    both = zip(trained.weights, presets["t5"].network.weights, strict=True)
    kept = [(ours, theirs) for ours, theirs in both if ours.path.startswith("transformer_")]
    assert len(kept) > 20
    for ours, theirs in kept:
        np.testing.assert_array_equal(ours, theirs)
