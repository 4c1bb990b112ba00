"""What the `fraud` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

import zoo

ZOO_CONTRACT = 1
TASKS = ("fraud/transactions",)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="transactions",
            summary="Finds fraudulent transactions, as alerts within a daily budget.",
            implementation="zoo_fraud.task:DetectFraud",
            reference="https://fraud-detection-handbook.github.io",
        )
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="mlp",
            summary="Multilayer perceptron on embedded numbers and categories.",
            implementation="zoo_fraud.models:MLP",
            tasks=TASKS,
            backends=("tensorflow", "jax"),
            reference="arXiv:2203.05556",
        ),
        zoo.ModelSpec(
            name="tabm",
            summary="Parameter-efficient ensemble of multilayer perceptrons.",
            implementation="zoo_fraud.models:TabM",
            tasks=TASKS,
            backends=("tensorflow", "jax"),
            reference="arXiv:2410.24210",
        ),
        zoo.ModelSpec(
            name="sequence",
            summary="Causal Transformer over a card's recent transactions.",
            implementation="zoo_fraud.models:Sequence",
            tasks=TASKS,
            backends=("tensorflow", "jax"),
            reference="arXiv:1706.03762",
        ),
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="transactions",
            summary="Transactions in CSV or Parquet files, or a TFDS table.",
            implementation="zoo_fraud.datasets:Transactions",
            tasks=TASKS,
        ),
        zoo.DatasetSpec(
            name="simulator",
            summary="Simulated cards, terminals and three kinds of fraud, of any size.",
            implementation="zoo_fraud.datasets:Simulator",
            tasks=TASKS,
            reference="Fraud Detection Handbook, chapter 3",
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="large-batch",
            summary="All devices of this machine, a large global batch, scaled learning rate.",
            implementation="zoo_fraud.strategy:LargeBatch",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        zoo.RecipeSpec(
            name="finetune",
            summary="Trains a fraud model on your transactions, from scratch or from a run.",
            task="transactions",
            model="tabm",
            dataset="transactions",
            sample="simulator",
            strategy="large-batch",
            settings={
                "evaluation.batch_size": 4096,
                "train.batch_size": 512,
                "train.learning_rate": 4e-3,
                "train.weight_decay": 1e-4,
                "train.keep": "last",
                # At most 40 passes: with few labels, more only teach them by heart.
                "train.stages": [
                    {
                        "name": "adapt",
                        "when": "transfer",
                        "trainable": ["embedding", "head"],
                        "learning_rate": 3e-4,
                        "epochs": 40,
                        "steps": 200,
                    },
                    {
                        "name": "tune",
                        "when": "transfer",
                        "learning_rate": 3e-4,
                        "epochs": 40,
                        "steps": 1600,
                    },
                    {"name": "all", "when": "scratch", "epochs": 40, "steps": 1600},
                ],
            },
            trial={
                "data.cards": 400,
                "data.terminals": 200,
                "data.terminals_compromised": 40,
                "data.days": 60,
                "evaluation.samples": 20,
                "train.stages": [{"steps": 30}],
            },
            default=True,
        )
    ]
