"""Metrics: equal to sacreBLEU, also where examples count several times or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from zoo_translation.evaluation import baselines, metrics
from zoo_translation.task import Translate

import zoo
from zoo.evaluation.bootstrap import Bootstrap
from zoo.evaluation.evaluate import compare


@pytest.fixture
def translated(pairs: zoo.Batch) -> zoo.Batch:
    """Translations with wrong, swapped, missing and lower-cased words, and an empty one."""
    rng = np.random.default_rng(1)
    texts = []
    for text in pairs["target"]:
        words = text.split()
        rng.shuffle(words[: rng.integers(0, 3)])
        kept = [word for word in words if rng.random() > 0.2]
        texts.append(" ".join(word.lower() if rng.random() < 0.2 else word for word in kept))
    texts[3] = ""
    return {"text": zoo.object_column(texts)}


def _sacrebleu(texts: list[str], references: list[str]) -> dict[str, float]:
    given = (texts, [references])
    return {
        "bleu": sacrebleu.corpus_bleu(*given, force=True).score,
        "chrf": sacrebleu.corpus_chrf(*given).score,
        "ter": sacrebleu.corpus_ter(*given).score,
        "bleu_lower_tokenised": sacrebleu.corpus_bleu(*given, lowercase=True, force=True).score,
    }


def test_metrics_equal_sacrebleu_under_integer_weights(
    pairs: zoo.Batch, translated: zoo.Batch
) -> None:
    found = metrics.all_metrics(pairs, translated, "13a", lower_case=True)
    assert found[0].name == "bleu"
    rng = np.random.default_rng(2)
    for weights in (np.ones(200, np.int64), rng.integers(0, 4, 200), np.eye(200, dtype=int)[7]):
        rows = np.repeat(np.arange(200), weights)
        expected = _sacrebleu(*(list(x[rows]) for x in (translated["text"], pairs["target"])))
        values = {each.name: each.compute(weights) for each in found}
        for name, value in expected.items():
            assert values[name] == value, name
        equal = translated["text"][rows] == pairs["target"][rows]
        assert values["exact_match"] == pytest.approx(equal.mean())


def test_the_reference_is_sacrebleu(pairs: zoo.Batch, translated: zoo.Batch) -> None:
    expected = _sacrebleu(list(translated["text"]), list(pairs["target"]))
    found = metrics.reference_values(pairs, translated, "13a", lower_case=True)
    assert found == expected


def test_lower_case_is_left_out_if_not_wanted(pairs: zoo.Batch, translated: zoo.Batch) -> None:
    names = [m.name for m in metrics.all_metrics(pairs, translated, "intl", lower_case=False)]
    assert names == ["bleu", "chrf", "ter", "exact_match"]


def test_the_right_translation_is_the_best_there_is(pairs: zoo.Batch) -> None:
    found = metrics.all_metrics(pairs, {"text": pairs["target"]}, "13a", lower_case=True)
    values = {each.name: each.compute(np.ones(200, np.int64)) for each in found}
    assert values["exact_match"] == 1
    assert values["ter"] == 0
    assert values["bleu"] == pytest.approx(100)
    assert values["chrf"] == pytest.approx(100)


def test_the_signature_says_how_words_were_cut(pairs: zoo.Batch) -> None:
    kinds = {kind.name: kind for kind in metrics.kinds("intl", lower_case=True)}
    scored = metrics.Scored(kinds["bleu_lower_tokenised"].measure, pairs["target"], pairs["target"])
    assert "tok:intl" in scored.signature
    assert "case:lc" in scored.signature
    assert f"version:{sacrebleu.__version__}" in scored.signature


def test_model_1_finds_the_words(pairs: zoo.Batch, other_pairs: zoo.Batch) -> None:
    test = other_pairs
    found = baselines.word_by_word(pairs, test)
    assert list(found["text"]) == list(test["target"])
    unknown = {**test, "source": zoo.object_column(["Zebra (sleeps)."] * 50)}
    assert baselines.word_by_word(pairs, unknown)["text"][0] == "Zebra (schläft)."


def test_the_copy_is_the_source(pairs: zoo.Batch) -> None:
    assert list(baselines.copied(pairs, pairs)["text"]) == list(pairs["source"])


def test_words_are_told_apart_by_their_company() -> None:
    pairs = [("a b", "x y"), ("b c", "y z"), ("c a", "z x")]
    found = baselines.learnt_dictionary(*zip(*pairs, strict=True))
    assert {word: found[word] for word in "abc"} == {"a": "x", "b": "y", "c": "z"}


def test_two_translators_are_compared_as_by_koehn_with_sacrebleu(
    pairs: zoo.Batch, translated: zoo.Batch
) -> None:
    truth = {name: column[:40] for name, column in pairs.items()}
    ours = zoo.object_column(translated["text"][:40])
    theirs = ours.copy()
    theirs[8:14], theirs[30:33] = truth["target"][8:14], "Hund"
    systems = {"ours": ("model", {"text": ours}), "theirs": ("rival", {"text": theirs})}
    bootstrap = Bootstrap(samples=40)
    rival = compare(Translate(), truth, systems, bootstrap)["systems"][1]

    def bleu(texts: np.ndarray, drawn: np.ndarray) -> float:
        chosen = texts[drawn].tolist(), [truth["target"][drawn].tolist()]
        return sacrebleu.corpus_bleu(*chosen, force=True).score

    drawn = [np.repeat(np.arange(40), counts) for counts in bootstrap.draws(40, None)]
    whole, *leads = (bleu(ours, rows) - bleu(theirs, rows) for rows in drawn)
    assert 0 < rival["not_ahead"]["bleu"] < 1
    assert rival["not_ahead"]["bleu"] == np.mean(np.array(leads) <= 0)
    assert rival["lead"]["bleu"]["value"] == pytest.approx(whole)
    assert rival["lead"]["bleu"]["low"] == pytest.approx(np.quantile(leads, 0.025))
    fewer_edits = (
        rival["values"]["ter"]["value"] - _sacrebleu(ours.tolist(), truth["target"].tolist())["ter"]
    )
    assert rival["lead"]["ter"]["value"] == pytest.approx(fewer_edits)
