"""What the `translation` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

from typing import Any

import zoo

ZOO_CONTRACT = 1
TASKS = ("translation/sentences",)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="sentences",
            summary="Translates sentences from one language into another.",
            implementation="zoo_translation.task:Translate",
            reference="https://github.com/mjpost/sacrebleu",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="transformer",
            summary="Encoder-decoder Transformer, pre-norm, in three sizes.",
            implementation="zoo_translation.models.transformer:Transformer",
            tasks=TASKS,
            backends=("tensorflow", "jax"),
            reference="arXiv:1706.03762",
        ),
        zoo.ModelSpec(
            name="gru",
            summary="Recurrent encoder and decoder with attention: the classical network.",
            implementation="zoo_translation.models.attention_gru:AttentionGRU",
            tasks=TASKS,
            reference="arXiv:1409.0473",
        ),
        zoo.ModelSpec(
            name="t5",
            summary="T5 of Keras Hub, whose published weights it can start from.",
            implementation="zoo_translation.models.t5:T5",
            tasks=TASKS,
            reference="arXiv:1910.10683",
        ),
        zoo.ModelSpec(
            name="bart",
            summary="BART of Keras Hub, whose published weights it can start from.",
            implementation="zoo_translation.models.bart:Bart",
            tasks=TASKS,
            reference="arXiv:1910.13461",
        ),
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="pairs",
            summary="Aligned text files, TSV, JSON lines, TMX, or a TFDS name.",
            implementation="zoo_translation.data.datasets:Pairs",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="numbers",
            summary="Generated sentences with numbers, dates and times, in English and German.",
            implementation="zoo_translation.generator.dataset:Numbers",
            tasks=TASKS,
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="token-parallel",
            summary="All devices of this machine, as many tokens on each as on one.",
            implementation="zoo_translation.strategy:TokenParallel",
            reference="arXiv:2205.10287",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        _recipe(
            "finetune",
            "Trains a translator on your pairs of sentences, from scratch or from a run.",
            "transformer",
            {"train.learning_rate": 4e-3},
            default=True,
        ),
        _recipe(
            "gru",
            "The same with a recurrent network.",
            "gru",
            {"train.learning_rate": 2e-3},
        ),
        _recipe(
            "t5",
            "The same with T5; made for a GPU and published weights.",
            "t5",
            {"train.learning_rate": 5e-4, "train.batch_tokens": 2048},
        ),
        _recipe(
            "bart",
            "The same with BART, whose published weights know English.",
            "bart",
            {"train.learning_rate": 2e-4, "train.batch_tokens": 2048},
        ),
    ]


def _recipe(
    name: str, summary: str, model: str, settings: dict[str, Any], *, default: bool = False
) -> zoo.RecipeSpec:
    """Return the recipe of a model: alike for all but how fast they may learn."""
    peak = settings["train.learning_rate"]
    return zoo.RecipeSpec(
        name=name,
        summary=summary,
        task="sentences",
        model=model,
        dataset="pairs",
        sample="numbers",
        strategy="token-parallel",
        settings={
            "evaluation.batch_size": 64,
            "train.batch_tokens": 4096,
            "train.clip_norm": 1.0,
            "train.ema": 0.999,
            "train.validate_every": 4.0,
            "train.warmup": 0.15,
            "train.weight_decay": 1e-4,
            "train.stages": [
                {
                    "name": "vocabulary",
                    "when": "transfer",
                    "trainable": ["embedding"],
                    "epochs": 10,
                    "steps": 200,
                    "learning_rate": peak / 4,
                },
                {
                    "name": "all",
                    "when": "transfer",
                    "epochs": 60,
                    "steps": 4000,
                    "learning_rate": peak / 4,
                },
                {"name": "scratch", "when": "scratch", "epochs": 100, "steps": 12_000},
            ],
            **settings,
        },
        trial={
            "data.count": 200,
            "evaluation.samples": 20,
            "task.beams": 2,
            "task.pieces": 400,
            "train.batch_tokens": 1024,
            "train.stages": [{"steps": 20}],
            "train.validate_every": 100.0,
        },
        default=default,
    )
